//! Texts of answers that are templates.

use serde_json::Value;
use standin_core::Clock;
use standin_template::{Jinja, Limits, Random, Scope, Template, to_json};

use crate::rule::Language;

/// How much one template may make: more than any AWS answer has.
const LIMITS: Limits = Limits { bytes: 32 << 20, steps: 1_000_000 };

/// What templates see, and draw from.
pub(crate) struct Sight<'s> {
    pub context: &'s Value,
    pub clock: &'s Clock,
    pub random: &'s Random,
}

/// A text that was read as a template.
#[derive(Debug)]
pub(crate) enum Text {
    Handlebars(Template),
    Jinja(Box<Jinja>),
}

impl Text {
    /// `None` for a text that is no template: without `{{` and `{%`.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(crate) fn parse(text: &str, language: Language) -> Result<Option<Self>, String> {
        match language {
            Language::Handlebars if text.contains("{{") => match Template::parse(text) {
                Ok(template) => Ok(Some(Self::Handlebars(template))),
                Err(error) => Err(format!("no Handlebars template: {error}")),
            },
            Language::Jinja if text.contains("{{") || text.contains("{%") => match Jinja::parse(text) {
                Ok(template) => Ok(Some(Self::Jinja(Box::new(template)))),
                Err(error) => Err(format!("no Jinja template: {error}")),
            },
            _ => Ok(None),
        }
    }

    /// Its value if it is one expression and nothing else, else the text that it makes. What is undefined is null.
    pub(crate) fn value(&self, sight: &Sight<'_>) -> Result<Value, String> {
        match self {
            Self::Jinja(template) => template.evaluate(sight.context).map_err(|error| error.to_string()),
            Self::Handlebars(template) => {
                let scope = || {
                    Scope::new(sight.clock, sight.random)
                        .with_context(sight.context.into())
                        .with_limits(LIMITS)
                        .without_escaping()
                };
                let value = match template.evaluate(&mut scope()) {
                    None => template.render(&mut scope()).map(Value::String),
                    Some(value) => value.map(|value| {
                        to_json(&value).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
                    }),
                };
                value.map_err(|error| error.to_string())
            }
        }
    }
}

/// Whether a template looks at a member of the context.
pub(crate) fn mentions(text: &str, name: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let inner = &rest[at + 2..];
        let end = inner.find("}}").into_iter().chain(inner.find("%}")).min().unwrap_or(inner.len());
        if names(&inner[..end]).contains(&name) {
            return true;
        }
        rest = &inner[end..];
    }
    false
}

/// Names that do not stand behind a dot or in quotes.
fn names(code: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '@';
    let mut quote = None;
    let mut begin = None;
    let mut found = Vec::new();
    for (at, c) in code.char_indices().chain([(code.len(), ' ')]) {
        if quote.is_none() && is_name(c) {
            begin = begin.or(Some(at));
            continue;
        }
        if let Some(from) = begin.take()
            && !code[..from].ends_with('.')
        {
            found.push(&code[from..at]);
        }
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(language: Language, text: &str, expect: &Value) {
        let context = json!({"input": {"Name": "a&b", "Size": 3, "Tags": [{"Key": "k"}]}});
        let (clock, random) = (Clock::real(), Random::keyed(1));
        let sight = Sight { context: &context, clock: &clock, random: &random };
        let found = Text::parse(text, language).unwrap().map(|text| text.value(&sight).unwrap());
        assert_eq!(found.unwrap_or_else(|| json!(text)), *expect, "{text}");
    }

    #[test]
    fn both_languages_give_values() {
        for language in [Language::Handlebars, Language::Jinja] {
            check(language, "{{input.Size}}", &json!(3));
            check(language, "{{input.Tags}}", &json!([{"Key": "k"}]));
            check(language, "{{input.Other}}", &Value::Null);
            check(language, "x-{{input.Name}}", &json!("x-a&b"));
            check(language, "plain", &json!("plain"));
        }
        check(Language::Handlebars, "{{#each input.Tags}}{{Key}}!{{/each}}", &json!("k!"));
        check(Language::Jinja, "{% for tag in input.Tags %}{{tag.Key}}!{% endfor %}", &json!("k!"));
        check(Language::Handlebars, "{% raw %}", &json!("{% raw %}"));
        check(Language::Off, "{{input.Size}}", &json!("{{input.Size}}"));
    }

    #[test]
    fn what_a_template_looks_at() {
        for (text, expect) in [
            ("{{answer.Name}}", true),
            ("{{#each answer.Tags}}{{/each}}", true),
            ("a {{ input.answer }} b", false),
            ("the answer is {{input.Name}}", false),
            ("{{upper 'answer'}}", false),
            ("{% if answer %}x{% endif %}", true),
            ("{{answers}}", false),
        ] {
            assert_eq!(mentions(text, "answer"), expect, "{text}");
        }
    }
}
