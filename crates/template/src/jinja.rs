//! Jinja: templates in the other language that people write for AWS (Proton has it, and Ansible).

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value as Json;

use crate::{RenderError, TemplateError};

/// How many instructions one rendering may take.
const FUEL: u64 = 1_000_000;
const NAME: &str = "template";

/// A Jinja template that was read and can be rendered.
#[derive(Debug)]
pub struct Jinja {
    environment: Environment<'static>,
    /// It is one expression and nothing else, and writes that as JSON.
    whole: bool,
}

impl Jinja {
    /// Reads a text. Nothing is escaped, what is undefined prints nothing, and members of it are undefined too.
    ///
    /// # Errors
    /// The text is no template; the message has the line.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_fuel(Some(FUEL));
        let expression = whole(text);
        let source = match expression {
            Some(expression) => format!("{{{{ ({expression})|default(none)|tojson }}}}"),
            None => text.to_owned(),
        };
        // What people wrote is read first, so that messages are about it.
        environment.template_from_str(text).map_err(|error| TemplateError::new(error.to_string()))?;
        environment.add_template_owned(NAME, source).map_err(|error| TemplateError::new(error.to_string()))?;
        Ok(Self { environment, whole: expression.is_some() })
    }

    /// The text that the template makes; of a template that is one expression and nothing else, its value.
    ///
    /// # Errors
    /// A filter or test failed, or the template takes more steps than are allowed.
    pub fn evaluate(&self, context: &Json) -> Result<Json, RenderError> {
        let failed = |error: minijinja::Error| RenderError::new(error.to_string());
        let template = self.environment.get_template(NAME).map_err(failed)?;
        let text = template.render(minijinja::Value::from(Serde(context))).map_err(failed)?;
        if self.whole {
            serde_json::from_str(&text).map_err(|error| RenderError::new(error.to_string()))
        } else {
            Ok(Json::String(text))
        }
    }
}

/// What stands between the braces of a text that is one expression.
fn whole(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("}}") && !inner.contains("{%")).then(|| inner.trim_matches(['-', '+']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(text: &str, expect: &Json) {
        let context = json!({"input": {"Name": "a&b", "Tags": [{"Key": "k"}], "Count": 3}});
        assert_eq!(Jinja::parse(text).unwrap().evaluate(&context).unwrap(), *expect, "{text}");
    }

    #[test]
    fn texts_and_values() {
        check("arn:{{ input.Name }}!", &json!("arn:a&b!"));
        check("{{ input.Tags }}", &json!([{"Key": "k"}]));
        check("{{ input.Count + 1 }}", &json!(4));
        check("{{- input.Count > 1 -}}", &json!(true));
        check("{{ input.Nothing.At.All }}", &Json::Null);
        check("{% for t in input.Tags %}{{ t.Key }},{% endfor %}", &json!("k,"));
        check("{{ 1 }}{{ 2 }}", &json!("12"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(Jinja::parse("{{ input. }}").is_err());
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        let error = Jinja::parse(endless).unwrap().evaluate(&Json::Null).unwrap_err();
        assert!(error.to_string().contains("fuel"), "{error}");
    }
}
