//! Python with boto3.

use std::collections::HashMap;

use serde_json::Value;
use standin_model::Document;

use super::{Part, Run, Step, words};

pub(super) fn write(run: &Run<'_>, endpoint: &str) -> String {
    let mut out = format!(
        "#!/usr/bin/env python3\n\
         \"\"\"{} requests, as standin recorded them. AWS_ENDPOINT_URL says where they go.\"\"\"\n\n\
         import os\n\n\
         import boto3\n\
         from botocore.config import Config\n\
         from botocore.exceptions import ClientError\n\n\
         ENDPOINT = os.environ.get(\"AWS_ENDPOINT_URL\", {})\n\n\n\
         def client(service, region, account):\n    \
         return boto3.session.Session().client(\n        \
         service, region_name=region, endpoint_url=ENDPOINT, aws_access_key_id=account, aws_secret_access_key=\"standin\",\n        \
         config=Config(inject_host_prefix=False, retries={{\"total_max_attempts\": 1}}),\n    )\n\n\n",
        run.steps.len(),
        text(endpoint),
    );
    let mut clients: HashMap<(&str, &str, &str), String> = HashMap::new();
    for (at, step) in run.steps.iter().enumerate() {
        let region = &*step.record.scope.region;
        let key = (step.service.id, region, step.caller());
        let count = clients.keys().filter(|(service, ..)| *service == step.service.id).count();
        let name = clients.entry(key).or_insert_with(|| {
            let name = match step.service.id.replace('-', "_") {
                name if is_keyword(&name) => name + "_",
                name => name,
            };
            let name = if count == 0 { name } else { format!("{name}_{}", count + 1) };
            out.push_str(&format!(
                "{name} = client({}, {}, {})\n",
                text(step.service.id),
                text(region),
                text(step.caller())
            ));
            name
        });
        call(run, at, step, name, &mut out);
    }
    if run.skipped > 0 {
        out.push_str(&format!("# {} requests could not be identified and are left out\n", run.skipped));
    }
    out
}

fn call(run: &Run<'_>, at: usize, step: &Step<'_>, client: &str, out: &mut String) {
    let mut arguments = Vec::new();
    if let Document::Map(fields) = &*step.record.input {
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            let mut written = String::new();
            literal(run, value, &mut written);
            arguments.push(match is_keyword(name) {
                true => format!("**{{{}: {written}}}", text(name)),
                false => format!("{name}={written}"),
            });
        }
    }
    if let Some(body) = step.body() {
        out.push_str("# the journal has no bodies\n");
        arguments.push(format!("{body}=b\"\""));
    }
    if step.is_cut {
        out.push_str("# long values were cut in the journal\n");
    }
    let call = format!("{client}.{}({})", words(step.operation.name, '_'), arguments.join(", "));
    match (step.error(), step.answers_with_stream()) {
        (Some(code), _) => {
            out.push_str(&format!("try:\n    {call}\nexcept ClientError as error:\n    # {code}\n    print(error)\n"));
        }
        (None, Some(body)) if step.gives.is_empty() => out.push_str(&format!("{call}[{}].read()\n", text(body))),
        (None, _) if step.gives.is_empty() => out.push_str(&format!("{call}\n")),
        (None, _) => out.push_str(&format!("answer_{} = {call}\n", at + 1)),
    }
}

/// A value as Python has it, those that come from answers by where they stand there.
fn literal(run: &Run<'_>, value: &Document, out: &mut String) {
    match value {
        Document::Null => out.push_str("None"),
        Document::Bool(true) => out.push_str("True"),
        Document::Bool(false) => out.push_str("False"),
        Document::Int(_) | Document::Float(_) => match value.to_json() {
            Value::String(special) => out.push_str(&format!("float({})", text(&special))),
            number => out.push_str(&number.to_string()),
        },
        Document::BigNumber(digits) => out.push_str(digits),
        Document::String(content) => match run.handed_on.get(content.as_ref()) {
            Some((step, place)) => {
                out.push_str(&format!("answer_{}", step + 1));
                for part in &run.steps[*step].gives[*place] {
                    match part {
                        Part::Member(name) => out.push_str(&format!("[{}]", text(name))),
                        Part::Item(at) => out.push_str(&format!("[{at}]")),
                    }
                }
            }
            None => out.push_str(&text(content)),
        },
        Document::Blob(bytes) => {
            out.push_str("b\"");
            for byte in bytes {
                match byte {
                    b'"' | b'\\' => out.push_str(&format!("\\{}", char::from(*byte))),
                    b' '..=b'~' => out.push(char::from(*byte)),
                    other => out.push_str(&format!("\\x{other:02x}")),
                }
            }
            out.push('"');
        }
        Document::Timestamp(stamp) => out.push_str(&text(&stamp.to_date_time())),
        Document::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                literal(run, item, out);
            }
            out.push(']');
        }
        Document::Map(fields) => {
            out.push('{');
            for (at, (name, value)) in fields.iter().enumerate() {
                out.push_str(&format!("{}{}: ", if at > 0 { ", " } else { "" }, text(name)));
                literal(run, value, out);
            }
            out.push('}');
        }
    }
}

/// Words of Python that services and members are called by.
fn is_keyword(name: &str) -> bool {
    const KEYWORDS: [&str; 14] =
        ["and", "as", "async", "class", "def", "from", "global", "if", "import", "in", "is", "lambda", "not", "or"];
    KEYWORDS.contains(&name)
}

/// A text as Python has it: as JSON does, but for what JSON need not escape.
fn text(content: &str) -> String {
    Value::from(content).to_string().replace('\u{7f}', "\\u007f")
}
