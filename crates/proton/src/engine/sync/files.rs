//! The files by which a repository says what is synced: the ops file of services, and the registration file of a version of a
//! service template.

use crate::archive::Files;
use crate::spec::is_resource_name;
use crate::types::{CompatibleEnvironmentTemplate, ServiceTemplateSupportedComponentSourceType};
use crate::yaml::{self, Node};

/// Instances that an ops file may name for one service.
const INSTANCES_MAX: usize = 100;
/// Environment templates that a version may be compatible with.
const COMPATIBLE_MAX: usize = 10;

pub const REGISTRATION: &str = ".template-registration.yaml";
/// What there was before it.
const COMPATIBLE: &str = ".compatible-envs";

/// The spec of an instance in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub instance: String,
    pub branch: String,
    /// From the top of the repository.
    pub spec: String,
}

/// A path of a repository: from its top, without `.` and `..`.
///
/// # Errors
/// Where it leads out of the repository.
pub fn path(text: &str) -> Result<String, String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(|| format!("the path {text:?} leads out of the repository"))?;
            }
            part if part.contains(['\0', '\n', '\\']) => {
                return Err(format!("the path {text:?} has characters that no path of a repository has here"));
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// A text as YAML; `file` is for the message.
fn parsed(file: &str, text: &[u8]) -> Result<Node, String> {
    let text = std::str::from_utf8(text).map_err(|_| format!("{file} is not UTF-8"))?;
    yaml::parse(text).map_err(|error| wrong(file, error.place, &format!("not valid YAML: {}", error.message)))
}

fn wrong(file: &str, place: yaml::Place, message: &str) -> String {
    format!("{file}:{}:{}: {message}", place.0, place.1)
}

/// What an ops file says of a service, in its order; nothing where it does not name the service.
///
/// # Errors
/// A sentence with file, line and column.
pub fn ops(file: &str, text: &[u8], service: &str) -> Result<Option<Vec<Source>>, String> {
    let root = parsed(file, text)?;
    let mut services = &root;
    for name in ["sync", "services"] {
        services = services.get(name).ok_or_else(|| {
            wrong(file, services.place, &format!("{name:?} is missing; an ops file has sync.services"))
        })?;
    }
    if services.entries().is_none() && !services.is_null() {
        let what = services.what();
        return Err(wrong(file, services.place, &format!("sync.services must be an object, not {what}")));
    }
    let Some(of_service) = services.get(service) else { return Ok(None) };
    let Some(entries) = of_service.entries() else {
        if of_service.is_null() {
            return Ok(Some(Vec::new()));
        }
        let what = of_service.what();
        return Err(wrong(file, of_service.place, &format!("{service} must be an object of instances, not {what}")));
    };
    if entries.len() > INSTANCES_MAX {
        let count = entries.len();
        return Err(wrong(
            file,
            of_service.place,
            &format!("{service} has {count} instances; {INSTANCES_MAX} can be synced"),
        ));
    }
    let mut found = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let Some(instance) = key.text().filter(|name| is_resource_name(name)) else {
            return Err(wrong(file, key.place, "this is no name of a service instance"));
        };
        let member = |name: &str| {
            let node = value.get(name).ok_or_else(|| {
                wrong(file, value.place, &format!("{service}.{instance}.{name} is missing; branch and spec are needed"))
            })?;
            let text = node.text().filter(|text| !text.is_empty() && text.len() <= 4096);
            text.ok_or_else(|| wrong(file, node.place, &format!("{service}.{instance}.{name} must be a text")))
        };
        let branch = member("branch")?;
        if branch.len() > 200 {
            return Err(wrong(file, value.place, &format!("the branch of {service}.{instance} is too long")));
        }
        let spec = path(member("spec")?).map_err(|reason| wrong(file, value.place, &reason))?;
        found.push(Source { instance: instance.to_owned(), branch: branch.to_owned(), spec });
    }
    Ok(Some(found))
}

/// What a version of a service template is registered with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registration {
    pub compatible: Vec<CompatibleEnvironmentTemplate>,
    pub components: Option<Vec<ServiceTemplateSupportedComponentSourceType>>,
}

/// Reads the registration file of a bundle.
///
/// # Errors
/// A sentence that says what is missing or wrong.
pub fn registration(files: &Files) -> Result<Registration, String> {
    if let Some(text) = files.get(REGISTRATION) {
        return registered(text);
    }
    let Some(text) = files.get(COMPATIBLE) else {
        return Err(format!(
            "{REGISTRATION} is missing: it names the environment templates that this version of the service template goes with, as compatible_environments: [\"NAME:MAJOR\"]"
        ));
    };
    let text = std::str::from_utf8(text).map_err(|_| format!("{COMPATIBLE} is not UTF-8"))?;
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    let compatible = lines.map(|(at, line)| compatible(line).ok_or_else(|| unlike(COMPATIBLE, (at + 1, 1), line)));
    let compatible = compatible.collect::<Result<Vec<_>, _>>()?;
    Ok(Registration { compatible: counted(COMPATIBLE, compatible)?, components: None })
}

fn registered(text: &[u8]) -> Result<Registration, String> {
    let root = parsed(REGISTRATION, text)?;
    let Some(environments) = root.get("compatible_environments").and_then(Node::items) else {
        return Err(wrong(REGISTRATION, root.place, "compatible_environments must be a list of \"NAME:MAJOR\""));
    };
    let mut found = Registration::default();
    for node in environments.iter().take(COMPATIBLE_MAX + 1) {
        let text = node.text().unwrap_or_default();
        found.compatible.push(compatible(text).ok_or_else(|| unlike(REGISTRATION, node.place, text))?);
    }
    found.compatible = counted(REGISTRATION, found.compatible)?;
    if let Some(node) = root.get("supported_component_sources").filter(|node| !node.is_null()) {
        let items = node
            .items()
            .ok_or_else(|| wrong(REGISTRATION, node.place, "supported_component_sources must be a list"))?;
        let known = ServiceTemplateSupportedComponentSourceType::ALL;
        let mut sources = Vec::new();
        for item in items {
            let source = known.iter().copied().find(|source| Some(source.as_str()) == item.text());
            let source = source
                .ok_or_else(|| wrong(REGISTRATION, item.place, "the only component source is DIRECTLY_DEFINED"))?;
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        found.components = Some(sources);
    }
    Ok(found)
}

fn counted(
    file: &str,
    compatible: Vec<CompatibleEnvironmentTemplate>,
) -> Result<Vec<CompatibleEnvironmentTemplate>, String> {
    match compatible.len() {
        1..=COMPATIBLE_MAX => Ok(compatible),
        _ => Err(format!("{file} must name 1 to {COMPATIBLE_MAX} environment templates")),
    }
}

fn unlike(file: &str, place: yaml::Place, text: &str) -> String {
    wrong(file, place, &format!("{text:?} is not an environment template with its major version, as \"NAME:1\""))
}

/// `NAME:MAJOR`.
fn compatible(text: &str) -> Option<CompatibleEnvironmentTemplate> {
    let (name, major) = text.split_once(':')?;
    let (name, major) = (name.trim(), major.trim());
    let number = !major.is_empty() && major.len() <= 20 && major.bytes().all(|byte| byte.is_ascii_digit());
    (is_resource_name(name) && number && !major.starts_with('0'))
        .then(|| CompatibleEnvironmentTemplate { template_name: name.to_owned(), major_version: major.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_path(text: &str, expect: Result<&str, &str>) {
        match (path(text), expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{text}"),
            (Err(found), Err(expect)) => assert!(found.contains(expect), "{text}: {found}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn paths_stay_within_the_repository() {
        for (text, expect) in [
            ("a/b", Ok("a/b")),
            ("./a//b/", Ok("a/b")),
            ("/a", Ok("a")),
            ("a/../b/./c", Ok("b/c")),
            (".", Ok("")),
            ("..", Err("out of")),
            ("a/../../b", Err("out of")),
            ("a\\..\\b", Err("characters")),
            ("a\0b", Err("characters")),
        ] {
            check_path(text, expect);
        }
    }

    /// Instance, branch and spec.
    type Named<'n> = [(&'n str, &'n str, &'n str)];

    fn check_ops(text: &str, expect: Result<Option<&Named<'_>>, &str>) {
        match (ops("ops.yaml", text.as_bytes(), "svc"), expect) {
            (Ok(found), Ok(expect)) => {
                let expect = expect.map(|all| {
                    let one = |(instance, branch, spec): &(&str, &str, &str)| Source {
                        instance: (*instance).into(),
                        branch: (*branch).into(),
                        spec: (*spec).into(),
                    };
                    all.iter().map(one).collect::<Vec<_>>()
                });
                assert_eq!(found, expect, "{text}");
            }
            (Err(found), Err(expect)) => assert!(found.contains(expect), "{text}: {found}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn ops_files_are_read_in_their_order() {
        check_ops(
            "sync:\n  services:\n    other: 1\n    svc:\n      b: {branch: dev, spec: ./x/spec.yaml}\n      a: {branch: main, spec: spec.yaml}\n",
            Ok(Some(&[("b", "dev", "x/spec.yaml"), ("a", "main", "spec.yaml")])),
        );
        check_ops("sync: {services: {other: {}}}", Ok(None));
        check_ops("sync: {services: }", Ok(None));
        check_ops("sync: {services: {svc: }}", Ok(Some(&[])));
        for (text, expect) in [
            ("sync: [", "not valid YAML"),
            ("services: {}", "ops.yaml:1:1: \"sync\" is missing"),
            ("sync: {}", "\"services\" is missing"),
            ("sync: {services: [svc]}", "must be an object"),
            ("sync: {services: {svc: [a]}}", "an object of instances"),
            ("sync: {services: {svc: {a: {branch: x}}}}", "svc.a.spec is missing"),
            ("sync: {services: {svc: {a: {branch: [x], spec: s}}}}", "svc.a.branch must be a text"),
            ("sync: {services: {svc: {a: {branch: x, spec: ../../etc/passwd}}}}", "leads out of"),
            ("sync: {services: {svc: {\"a b\": {branch: x, spec: s}}}}", "no name of"),
        ] {
            check_ops(text, Err(expect));
        }
        let many = |count: usize| {
            let lines: String = (0..count).map(|at| format!("      i{at}: {{branch: b, spec: s}}\n")).collect();
            format!("sync:\n  services:\n    svc:\n{lines}")
        };
        check_ops(&many(10_000), Err("10000 instances; 100 can be synced"));
        check_ops(&format!("sync: {}", "{a: ".repeat(100_000)), Err("ops.yaml:1:"));
        check_ops(&format!("sync: {}", "[".repeat(1000)), Err("ops.yaml:1:"));
    }

    fn check_registration(file: &str, text: &str, expect: Result<(&[&str], bool), &str>) {
        let mut files = Files::default();
        files.insert(file, text).expect("a path within");
        match (registration(&files), expect) {
            (Ok(found), Ok((names, components))) => {
                let one = |it: &CompatibleEnvironmentTemplate| format!("{}:{}", it.template_name, it.major_version);
                assert_eq!(found.compatible.iter().map(one).collect::<Vec<_>>(), names, "{text}");
                assert_eq!(found.components.is_some(), components, "{text}");
            }
            (Err(found), Err(expect)) => assert!(found.contains(expect), "{text}: {found}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn registration_files_name_what_a_version_goes_with() {
        let full = "compatible_environments: [\"a:1\", b:12]\nsupported_component_sources: [DIRECTLY_DEFINED]\n";
        check_registration(REGISTRATION, full, Ok((&["a:1", "b:12"], true)));
        check_registration(REGISTRATION, "compatible_environments:\n- a:1\n", Ok((&["a:1"], false)));
        check_registration(COMPATIBLE, "a:1\n  b:2 \n\n\n", Ok((&["a:1", "b:2"], false)));
        check_registration("other", "", Err(".template-registration.yaml is missing"));
        check_registration(COMPATIBLE, "\n", Err("1 to 10"));
        check_registration(COMPATIBLE, "a:1\nb\n", Err(".compatible-envs:2:1: \"b\" is not"));
        let eleven = "compatible_environments: [a:1, a:2, a:3, a:4, a:5, a:6, a:7, a:8, a:9, a:10, a:11]";
        for (text, expect) in [
            ("compatible_environments: []", "1 to 10"),
            ("compatible_environments: a:1", "must be a list"),
            ("compatible_environments: [a:01]", "is not an environment template"),
            ("compatible_environments: [{a: 1}]", "is not an environment template"),
            ("compatible_environments: [a:1]\nsupported_component_sources: [X]", "only component source"),
            ("- a", "must be a list of"),
            (eleven, "1 to 10"),
        ] {
            check_registration(REGISTRATION, text, Err(expect));
        }
    }
}
