//! `/_standin/requests/verify`: what a test expects to have been called.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use standin_model::Document;

use super::{Asked, Reply, fail, json_reply, text_reply};
use crate::app::App;
use crate::journal::{Filter, Outcome, Record};

/// Calls that are shown of those that were nearly what was expected.
const SHOWN_MAX: usize = 5;
/// More than a person writes; a bound for what a request can ask for.
const EXPECTATIONS_MAX: usize = 1000;
/// Ways that are tried to find calls in their order, where it depends on the first of them what the others have to be.
const WAYS_MAX: usize = 10_000;

/// Calls that a test expects.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Expectation {
    /// For reports; service and operation without it.
    name: Option<String>,
    service: Option<String>,
    operation: Option<String>,
    account: Option<String>,
    region: Option<String>,
    /// `200`, or a class as in `4xx`.
    status: Option<String>,
    /// The code of the error that was answered.
    error: Option<String>,
    /// A subset of the decoded input.
    input: Option<Value>,
    /// A subset of the output.
    output: Option<Value>,
    count: Option<usize>,
    at_least: Option<usize>,
    at_most: Option<usize>,
    never: bool,
    /// Values to take from the first call that fits: names, and where they stand (`output.QueueUrl`, `input.Tags[0].Key`).
    /// Later expectations may name them, as `{{name}}`.
    capture: BTreeMap<String, String>,
}

/// Several expectations.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Plan {
    /// In any order.
    expectations: Vec<Expectation>,
    /// Each after the one before.
    in_order: Vec<Expectation>,
    never: Vec<Expectation>,
}

/// What became of an expectation.
#[derive(Debug)]
struct Verdict {
    name: String,
    class: String,
    pass: bool,
    count: usize,
    expected: String,
    /// The last inputs of the operation, where none was as expected.
    called_with: Vec<Value>,
    /// For one in a list whose order counts: the request that it must come after.
    after: Option<String>,
}

/// Passes (200) or fails (409). One expectation gives `{"pass", "count", …}`, a plan `{"pass", "results": [each], …}`; with
/// `?format=junit` the same as XML.
pub(super) async fn verify(asked: Asked<'_>) -> Reply {
    let app = asked.app;
    let junit = match asked.parameter("format").as_deref() {
        None | Some("json") => false,
        Some("junit") => true,
        Some(_) => return fail(StatusCode::BAD_REQUEST, "`format` is json or junit"),
    };
    let body = match asked.json().await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    match judge(app, body) {
        Err(why) => fail(StatusCode::BAD_REQUEST, why),
        Ok(judged) => {
            let status = if judged.pass() { StatusCode::OK } else { StatusCode::CONFLICT };
            if junit {
                let mut reply = text_reply("application/xml", judged.junit());
                *reply.status_mut() = status;
                reply
            } else {
                json_reply(status, &judged.json())
            }
        }
    }
}

struct Judged {
    single: bool,
    verdicts: Vec<Verdict>,
    captured: Map<String, Value>,
    /// Requests that the journal has no more: what was expected may have been among them.
    dropped: u64,
}

fn judge(app: &App, body: Value) -> Result<Judged, String> {
    let is_plan = body.as_object().is_some_and(|members| {
        members.contains_key("expectations")
            || members.contains_key("inOrder")
            || members.get("never").is_some_and(Value::is_array)
    });
    let plan: Plan = if is_plan {
        serde_json::from_value(body).map_err(|error| error.to_string())?
    } else {
        let one = serde_json::from_value(body).map_err(|error| error.to_string())?;
        Plan { expectations: vec![one], ..Plan::default() }
    };
    if plan.expectations.len() + plan.in_order.len() + plan.never.len() > EXPECTATIONS_MAX {
        return Err(format!("more than {EXPECTATIONS_MAX} expectations"));
    }
    if plan.in_order.iter().any(|expected| expected.never || expected.at_most.is_some()) {
        return Err("what is `inOrder` has been called: put what was `never` called beside it".into());
    }
    let records = app.journal.all();
    let mut verdicts = Vec::new();
    let mut captured = Map::new();
    for expected in plan.expectations {
        verdicts.push(anywhere(app, &records, expected, &mut captured)?);
    }
    let mut order = Order { app, records: &records, expected: &plan.in_order, ways: 0 };
    if let Some(found) = order.find(0, 0, &captured)? {
        captured = found;
        for expected in plan.in_order {
            let needed = needed(&expected);
            let wanted = Wanted::new(app, expected, &captured)?;
            verdicts.push(wanted.verdict(true, needed, &records, String::new()));
        }
    } else {
        let mut from = 0;
        for expected in plan.in_order {
            verdicts.push(onwards(app, &records, &mut from, expected, &mut captured)?);
        }
    }
    for expected in plan.never {
        verdicts.push(anywhere(app, &records, Expectation { never: true, ..expected }, &mut captured)?);
    }
    Ok(Judged { single: !is_plan, verdicts, captured, dropped: app.journal.dropped() })
}

/// An expectation with what was captured before in the places of names.
struct Wanted {
    service: Option<String>,
    input: Option<Document>,
    output: Option<Document>,
    expected: Expectation,
}

impl Wanted {
    fn new(app: &App, mut expected: Expectation, captured: &Map<String, Value>) -> Result<Self, String> {
        let service = expected.service.as_deref();
        let service = service.map(|name| app.catalogue.find(name).map_or(name, |entry| entry.id).to_owned());
        for value in [&mut expected.input, &mut expected.output].into_iter().flatten() {
            fill(value, captured)?;
        }
        let input = expected.input.as_ref().map(Document::from_json);
        let output = expected.output.as_ref().map(Document::from_json);
        Ok(Self { service, input, output, expected })
    }

    /// Whether it is about the operation, whatever the input.
    fn is_about(&self, record: &Record) -> bool {
        let expected = &self.expected;
        let filter = Filter {
            service: self.service.as_deref(),
            operation: expected.operation.as_deref(),
            status: expected.status.as_deref(),
        };
        let same = |wanted: &Option<String>, have: &str| wanted.as_deref().is_none_or(|wanted| wanted == have);
        filter.fits(record)
            && same(&expected.account, &record.scope.account)
            && same(&expected.region, &record.scope.region)
            && expected
                .error
                .as_deref()
                .is_none_or(|wanted| matches!(&record.outcome, Outcome::Error { code, .. } if **code == *wanted))
    }

    fn fits(&self, record: &Record) -> bool {
        self.is_about(record)
            && self.input.as_ref().is_none_or(|subset| record.input.contains(subset))
            && self.output.as_ref().is_none_or(|subset| record.output().is_some_and(|output| output.contains(subset)))
    }

    fn capture(&self, record: &Record, captured: &mut Map<String, Value>) -> Result<(), String> {
        if self.expected.capture.is_empty() {
            return Ok(());
        }
        let told = record.to_json();
        for (name, path) in &self.expected.capture {
            let pointer = format!("/{}", path.replace('[', ".").replace(']', "").replace('.', "/"));
            let found = told.pointer(&pointer).ok_or_else(|| {
                let id = &record.id;
                format!("nothing stands at `{path}` of the request {id}; paths begin with input, output or error")
            })?;
            captured.insert(name.clone(), found.clone());
        }
        Ok(())
    }

    fn verdict(self, pass: bool, count: usize, records: &[Arc<Record>], expected: String) -> Verdict {
        let about = |name: &Option<String>| name.clone().unwrap_or_else(|| "*".to_owned());
        let class = self.service.clone().unwrap_or_else(|| "*".to_owned());
        let name = self.expected.name.clone().unwrap_or_else(|| format!("{class} {}", about(&self.expected.operation)));
        let shown = records.iter().rev().filter(|record| !pass && self.is_about(record)).take(SHOWN_MAX);
        let called_with = shown.map(|record| record.input.to_json()).collect();
        Verdict { name, class, pass, count, expected, called_with, after: None }
    }
}

/// Counts the calls that fit, wherever they are.
fn anywhere(
    app: &App,
    records: &[Arc<Record>],
    expected: Expectation,
    captured: &mut Map<String, Value>,
) -> Result<Verdict, String> {
    let wanted = Wanted::new(app, expected, captured)?;
    let Expectation { count, at_least, at_most, never, .. } = wanted.expected;
    if never && (count.is_some() || at_least.is_some() || at_most.is_some()) {
        return Err("`never` goes without `count`, `atLeast` and `atMost`".into());
    }
    let count = if never { Some(0) } else { count };
    let least = count.or(at_least).unwrap_or(if at_most.is_some() { 0 } else { 1 });
    let most = count.or(at_most).unwrap_or(usize::MAX);
    let fitting: Vec<_> = records.iter().filter(|record| wanted.fits(record)).collect();
    if let Some(first) = fitting.first() {
        wanted.capture(first, captured)?;
    }
    let count = fitting.len();
    let told = match (least, most) {
        (0, 0) => "never".to_owned(),
        (least, usize::MAX) => format!("at least {least}"),
        (least, most) if least == most => format!("exactly {least}"),
        (least, most) => format!("{least} to {most}"),
    };
    Ok(wanted.verdict((least..=most).contains(&count), count, records, told))
}

/// How many calls one in a list whose order counts stands for.
fn needed(expected: &Expectation) -> usize {
    expected.count.or(expected.at_least).unwrap_or(1).max(1)
}

/// Expectations whose order counts.
struct Order<'o> {
    app: &'o App,
    records: &'o [Arc<Record>],
    expected: &'o [Expectation],
    ways: usize,
}

impl Order<'_> {
    /// Whether the expectations from `at` on are met behind the first `from` requests; what was captured then.
    fn find(
        &mut self,
        at: usize,
        from: usize,
        captured: &Map<String, Value>,
    ) -> Result<Option<Map<String, Value>>, String> {
        let Some(expected) = self.expected.get(at) else { return Ok(Some(captured.clone())) };
        let wanted = Wanted::new(self.app, expected.clone(), captured)?;
        let fitting: Vec<usize> = (from..self.records.len()).filter(|at| wanted.fits(&self.records[*at])).collect();
        for calls in fitting.windows(needed(expected)) {
            self.ways += 1;
            let mut captured = captured.clone();
            wanted.capture(&self.records[calls[0]], &mut captured)?;
            if let Some(found) = self.find(at + 1, calls[calls.len() - 1] + 1, &captured)? {
                return Ok(Some(found));
            }
            // Without captures, later calls leave less room for those that follow, and nothing else is different.
            if wanted.expected.capture.is_empty() || self.ways > WAYS_MAX {
                break;
            }
        }
        Ok(None)
    }
}

/// Looks for the calls that fit behind those of the expectation before: as far as that goes, for the report.
fn onwards(
    app: &App,
    records: &[Arc<Record>],
    from: &mut usize,
    expected: Expectation,
    captured: &mut Map<String, Value>,
) -> Result<Verdict, String> {
    let wanted = Wanted::new(app, expected, captured)?;
    let needed = needed(&wanted.expected);
    let begin = *from;
    let after = begin.checked_sub(1).map(|at| records[at].id.to_string());
    let mut count = 0;
    for (at, record) in records.iter().enumerate().skip(begin) {
        if wanted.fits(record) {
            if count == 0 {
                wanted.capture(record, captured)?;
            }
            count += 1;
            *from = at + 1;
            if count == needed {
                break;
            }
        }
    }
    let verdict = wanted.verdict(count == needed, count, records, format!("{needed} in this order"));
    Ok(Verdict { after, ..verdict })
}

/// Puts what was captured in the places of its names.
fn fill(value: &mut Value, captured: &Map<String, Value>) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill(item, captured)),
        Value::Object(members) => members.values_mut().try_for_each(|member| fill(member, captured)),
        Value::String(text) => {
            let mut out = String::new();
            let mut rest = text.as_str();
            while let Some((before, inner)) = rest.split_once("{{") {
                let Some((name, behind)) = inner.split_once("}}") else { break };
                let name = name.trim();
                let found = captured.get(name).ok_or_else(|| {
                    format!("nothing was captured as `{name}`: an expectation before must have been met")
                })?;
                if before.is_empty() && behind.is_empty() && out.is_empty() {
                    *value = found.clone();
                    return Ok(());
                }
                out.push_str(before);
                match found {
                    Value::String(found) => out.push_str(found),
                    other => out.push_str(&other.to_string()),
                }
                rest = behind;
            }
            out.push_str(rest);
            *value = Value::String(out);
            Ok(())
        }
        _ => Ok(()),
    }
}

impl Verdict {
    fn json(&self) -> Value {
        let mut told = json!({ "pass": self.pass, "count": self.count });
        if !self.pass {
            told["expected"] = self.expected.as_str().into();
            told["calledWith"] = self.called_with.clone().into();
            if let Some(after) = &self.after {
                told["after"] = after.as_str().into();
            }
        }
        told
    }
}

impl Judged {
    fn pass(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.pass)
    }

    fn json(&self) -> Value {
        let mut told = match &self.verdicts[..] {
            [one] if self.single => one.json(),
            all => {
                let named = all.iter().map(|verdict| {
                    let mut told = json!({ "name": verdict.name });
                    if let (Value::Object(told), Value::Object(more)) = (&mut told, verdict.json()) {
                        told.extend(more);
                    }
                    told
                });
                json!({"pass": self.pass(), "results": named.collect::<Vec<_>>()})
            }
        };
        if !self.captured.is_empty() {
            told["captured"] = Value::Object(self.captured.clone());
        }
        if self.dropped > 0 {
            told["dropped"] = self.dropped.into();
        }
        told
    }

    fn junit(&self) -> String {
        let failures = self.verdicts.iter().filter(|verdict| !verdict.pass).count();
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"standin requests\" \
             tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\">\n",
            self.verdicts.len()
        );
        for verdict in &self.verdicts {
            let (class, name) = (escaped(&verdict.class), escaped(&verdict.name));
            xml.push_str(&format!("    <testcase classname=\"{class}\" name=\"{name}\""));
            if verdict.pass {
                xml.push_str("/>\n");
                continue;
            }
            let expected = escaped(&verdict.expected);
            let message = format!("expected {expected}, found {}", verdict.count);
            let after = verdict.after.as_ref().map(|id| format!("after request {id}\n")).unwrap_or_default();
            let inputs: Vec<String> = verdict.called_with.iter().map(|input| escaped(&input.to_string())).collect();
            let inputs = match inputs.is_empty() {
                true => "the operation was not called".to_owned(),
                false => format!("called with\n{}", inputs.join("\n")),
            };
            xml.push_str(&format!(
                ">\n      <failure message=\"{message}\">{after}{inputs}</failure>\n    </testcase>\n"
            ));
        }
        xml.push_str("  </testsuite>\n</testsuites>\n");
        xml
    }
}

/// A text in XML. Control characters that XML cannot hold are left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() && !matches!(c, '\n' | '\t') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_values_stand_for_their_names() {
        let captured = json!({"url": "http://q", "number": 3});
        let captured = captured.as_object().unwrap();
        let check = |value: Value, expect: Value| {
            let mut value = value;
            fill(&mut value, captured).unwrap();
            assert_eq!(value, expect);
        };
        check(json!({"a": ["{{url}}", "{{ number }}"]}), json!({"a": ["http://q", 3]}));
        check(json!("{{url}}/{{number}}!"), json!("http://q/3!"));
        check(json!("{{open"), json!("{{open"));
        assert!(fill(&mut json!("{{other}}"), captured).is_err());
    }

    #[test]
    fn xml_holds_any_text() {
        assert_eq!(escaped("<a b=\"c\">&\u{1}\n"), "&lt;a b=&quot;c&quot;&gt;&amp;\n");
    }
}
