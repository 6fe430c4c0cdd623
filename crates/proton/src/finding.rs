//! What is wrong with a bundle or a spec, and where; told as text, as JSON, as SARIF and as annotations of GitHub.

use std::fmt;

use serde_json::{Value, json};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but hardly as it was meant.
    Warning,
    /// Registration, validation or rendering fails.
    Error,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// What kind of thing, for filters of tools: `schema-type`.
    pub rule: &'static str,
    /// Within the bundle; empty where the bundle as a whole is meant.
    pub file: String,
    /// From 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// From 1; 0 where the line as a whole is meant.
    pub column: usize,
    pub message: String,
}

impl Finding {
    pub fn error(rule: &'static str, file: &str, place: (usize, usize), message: impl Into<String>) -> Self {
        let (line, column) = place;
        Self { severity: Severity::Error, rule, file: file.to_owned(), line, column, message: message.into() }
    }

    pub fn warning(rule: &'static str, file: &str, place: (usize, usize), message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(rule, file, place, message) }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    pub fn to_json(&self) -> Value {
        let mut value = json!({ "severity": self.severity.name(), "rule": self.rule, "message": self.message });
        if !self.file.is_empty() {
            value["file"] = json!(self.file);
        }
        if self.line > 0 {
            value["line"] = json!(self.line);
        }
        if self.column > 0 {
            value["column"] = json!(self.column);
        }
        value
    }

    /// With the path of its file from where the bundle's folder is. What is said of the bundle as a whole is of the folder.
    #[must_use]
    pub fn below(mut self, folder: &str) -> Self {
        let folder = folder.trim_end_matches('/').trim_start_matches("./");
        self.file = match (folder, self.file.as_str()) {
            ("" | ".", _) => self.file,
            (folder, "") => folder.to_owned(),
            (folder, file) => format!("{folder}/{file}"),
        };
        self
    }

    /// A workflow command that GitHub shows at the line of a change.
    pub fn to_github(&self) -> String {
        let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        let property = |text: &str| escaped(text).replace(':', "%3A").replace(',', "%2C");
        let mut place = format!("title={}", property(self.rule));
        if !self.file.is_empty() {
            place += &format!(",file={}", property(&self.file));
        }
        if self.line > 0 {
            place += &format!(",line={}", self.line);
        }
        if self.column > 0 {
            place += &format!(",col={}", self.column);
        }
        format!("::{} {place}::{}", self.severity.name(), escaped(&self.message))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.file.is_empty(), self.line, self.column) {
            (true, ..) => {}
            (false, 0, _) => write!(f, "{}: ", self.file)?,
            (false, line, 0) => write!(f, "{}:{line}: ", self.file)?,
            (false, line, column) => write!(f, "{}:{line}:{column}: ", self.file)?,
        }
        f.write_str(&self.message)
    }
}

/// The first errors in one text: what a status message has room for.
pub fn summary(findings: &[Finding]) -> String {
    const SHOWN: usize = 5;
    let errors: Vec<&Finding> = findings.iter().filter(|finding| finding.is_error()).collect();
    let mut lines: Vec<String> = errors.iter().take(SHOWN).map(ToString::to_string).collect();
    if errors.len() > SHOWN {
        lines.push(format!("and {} more", errors.len() - SHOWN));
    }
    lines.join("; ")
}

/// Findings as a SARIF 2.1.0 log. Source: the OASIS standard, sections 3.27 (result) and 3.28 (location).
pub fn to_sarif(findings: &[Finding], version: &str) -> Value {
    let mut rules: Vec<&str> = findings.iter().map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| {
            // Code scanning takes no result without a location.
            let uri = if finding.file.is_empty() { "." } else { &finding.file };
            let mut place = json!({ "artifactLocation": { "uri": uri_reference(uri), "uriBaseId": "%SRCROOT%" } });
            if finding.line > 0 {
                place["region"] = json!({ "startLine": finding.line });
                if finding.column > 0 {
                    place["region"]["startColumn"] = json!(finding.column);
                }
            }
            json!({
                "ruleId": finding.rule,
                "ruleIndex": rules.iter().position(|rule| *rule == finding.rule),
                "level": finding.severity.name(),
                "message": { "text": finding.message },
                "locations": [{ "physicalLocation": place }],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "standin proton validate",
                "semanticVersion": version,
                "rules": rules.iter().map(|rule| json!({ "id": rule })).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// A path as a URI reference: what may not stand in one is percent-encoded. Source: RFC 3986, section 3.3.
fn uri_reference(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&byte);
        if plain {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_in_every_form() {
        let finding = Finding::error("schema-type", "schema/schema.yaml", (3, 7), "no such: type");
        assert_eq!(finding.to_string(), "schema/schema.yaml:3:7: no such: type");
        let finding = finding.below("./templates/vpc/");
        assert_eq!(
            finding.to_github(),
            "::error title=schema-type,file=templates/vpc/schema/schema.yaml,line=3,col=7::no such: type"
        );
    }

    #[test]
    fn every_result_of_a_sarif_log_has_a_rule_and_a_location() {
        let findings = [
            Finding::error("schema-type", "my schema/schema.yaml", (3, 7), "no such: type"),
            Finding::warning("manifest-layout", "", (0, 0), "hm"),
        ];
        let log = to_sarif(&findings, "1.2.3");
        let run = &log["runs"][0];
        assert_eq!((&log["version"], &run["tool"]["driver"]["semanticVersion"]), (&json!("2.1.0"), &json!("1.2.3")));
        let results = run["results"].as_array().expect("results");
        for (result, (uri, region)) in results
            .iter()
            .zip([("my%20schema/schema.yaml", json!({ "startLine": 3, "startColumn": 7 })), (".", Value::Null)])
        {
            let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
            let place = &result["locations"][0]["physicalLocation"];
            assert_eq!((&place["artifactLocation"]["uri"], &place["region"]), (&json!(uri), &region));
        }
        assert_eq!((&results[0]["level"], &results[1]["level"]), (&json!("error"), &json!("warning")));
    }

    #[test]
    fn a_status_message_has_room_for_the_first_errors() {
        let many: Vec<Finding> =
            (1..=7).map(|line| Finding::error("x", "f", (line, 0), format!("no {line}"))).collect();
        assert_eq!(summary(&many), "f:1: no 1; f:2: no 2; f:3: no 3; f:4: no 4; f:5: no 5; and 2 more");
        assert_eq!(summary(&[Finding::warning("x", "f", (0, 0), "hm")]), "");
    }
}
