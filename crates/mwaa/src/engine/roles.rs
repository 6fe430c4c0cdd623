//! Which role of Airflow IAM grants to whoever calls.
//!
//! MWAA's access to Airflow is granted on resources of a kind of their own, `arn:aws:airflow:REGION:ACCOUNT:role/ENVIRONMENT/ROLE`. The
//! policies of users and roles are looked at as they are in IAM: inline ones and attached ones. Somebody whose policies say nothing of
//! MWAA has every right, as everywhere in standin.

use serde_json::Value;

/// Airflow's roles as MWAA names them, the mightiest first. Somebody has the first one that is granted.
pub(super) const ROLES: [&str; 5] = ["Admin", "Op", "User", "Viewer", "Public"];
/// How actions of MWAA begin.
const SERVICE: &str = "airflow:";

/// What policies say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Granted {
    /// Nothing of MWAA.
    Unsaid,
    /// That none of the roles may be had.
    Nothing,
    Role(&'static str),
}

/// The role that policies, as documents, let an action have. `environment`: the ARN that all roles begin with, up to the slash.
pub(super) fn granted(policies: &[Value], action: &str, environment: &str) -> Granted {
    let statements: Vec<&Value> = policies.iter().flat_map(|policy| each(&policy["Statement"])).collect();
    let says = |pattern: &str| pattern.to_ascii_lowercase().starts_with(SERVICE);
    let mut actions =
        statements.iter().flat_map(|statement| texts(&statement["Action"]).chain(texts(&statement["NotAction"])));
    if !actions.any(says) {
        return Granted::Unsaid;
    }
    let allowed = |role: &&str| {
        let resource = format!("{environment}/{role}");
        let applies = |effect: &str| {
            statements
                .iter()
                .any(|statement| statement["Effect"] == effect && is_about(statement, effect, action, &resource))
        };
        applies("Allow") && !applies("Deny")
    };
    ROLES.into_iter().find(allowed).map_or(Granted::Nothing, Granted::Role)
}

/// Conditions are not looked at: what allows under one does, what denies under one does not.
fn is_about(statement: &Value, effect: &str, action: &str, resource: &str) -> bool {
    if effect == "Deny" && statement["Condition"].as_object().is_some_and(|conditions| !conditions.is_empty()) {
        return false;
    }
    let action = action.to_ascii_lowercase();
    let of_actions =
        |name: &str| texts(&statement[name]).any(|pattern| matches(&pattern.to_ascii_lowercase(), &action));
    let of_resources = |name: &str| texts(&statement[name]).any(|pattern| matches(pattern, resource));
    let acts = if statement["NotAction"].is_null() { of_actions("Action") } else { !of_actions("NotAction") };
    let on = if statement["NotResource"].is_null() { of_resources("Resource") } else { !of_resources("NotResource") };
    acts && on
}

/// The items of a list, or the one thing that stands for it.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice).iter()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    each(value).filter_map(Value::as_str)
}

/// Whether a text is of a pattern: `*` stands for any characters, `?` for one.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[seen] => {
                at += 1;
                seen += 1;
            }
            // The last star takes one more.
            _ => match star {
                Some((of, taken)) => {
                    star = Some((of, taken + 1));
                    (at, seen) = (of + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const BIRDS: &str = "arn:aws:airflow:eu-west-1:111122223333:role/birds";

    #[expect(clippy::needless_pass_by_value, reason = "tests write them out")]
    fn check(statements: Value, expect: Granted) {
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        assert_eq!(granted(&[json!({}), policy], "airflow:CreateWebLoginToken", BIRDS), expect, "{statements}");
    }

    fn allow(resource: &str) -> Value {
        json!({"Effect": "Allow", "Action": "airflow:CreateWebLoginToken", "Resource": resource})
    }

    #[test]
    fn the_mightiest_role_that_is_granted_is_had() {
        check(json!([allow(&format!("{BIRDS}/Viewer"))]), Granted::Role("Viewer"));
        check(allow(&format!("{BIRDS}/Op")), Granted::Role("Op"));
        check(
            json!([allow(&format!("{BIRDS}/Viewer")), allow("arn:aws:airflow:*:*:role/bir?s/User")]),
            Granted::Role("User"),
        );
        check(json!([allow("*")]), Granted::Role("Admin"));
        check(
            json!([{"Effect": "Allow", "Action": ["s3:*", "AIRFLOW:*"], "Resource": ["arn:aws:airflow:*"]}]),
            Granted::Role("Admin"),
        );
    }

    #[test]
    fn what_is_denied_is_not_had() {
        let deny = |role: &str, condition: Value| json!({"Effect": "Deny", "Action": "airflow:*", "Resource": format!("{BIRDS}/{role}"), "Condition": condition});
        check(json!([allow("*"), deny("Admin", json!({}))]), Granted::Role("Op"));
        check(json!([allow("*"), deny("*", json!(null))]), Granted::Nothing);
        check(
            json!([allow("*"), deny("*", json!({"Bool": {"aws:MultiFactorAuthPresent": "false"}}))]),
            Granted::Role("Admin"),
        );
        check(json!([{"Effect": "Allow", "Action": "airflow:GetEnvironment", "Resource": "*"}]), Granted::Nothing);
        check(json!([allow("arn:aws:airflow:eu-west-1:111122223333:role/bees/Admin")]), Granted::Nothing);
        check(json!([{"Effect": "Allow", "NotAction": "airflow:*", "Resource": "*"}]), Granted::Nothing);
        check(
            json!([{"Effect": "Allow", "Action": "airflow:*", "NotResource": format!("{BIRDS}/Admin")}]),
            Granted::Role("Op"),
        );
    }

    #[test]
    fn policies_of_other_services_say_nothing() {
        check(json!([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]), Granted::Unsaid);
        check(json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}]), Granted::Unsaid);
        check(json!("nonsense"), Granted::Unsaid);
        check(json!(null), Granted::Unsaid);
    }

    #[test]
    fn patterns_are_those_of_iam() {
        for (pattern, text, expect) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*", "abc", true),
            ("**", "x", true),
            ("", "", true),
            ("", "a", false),
            ("a*a*a*a*b", &"a".repeat(2000), false),
        ] {
            assert_eq!(matches(pattern, text), expect, "{pattern} {text}");
        }
    }
}
