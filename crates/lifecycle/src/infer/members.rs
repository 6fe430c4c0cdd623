//! Members of inputs, and whom their names tell.

use standin_model::words::{singular_of, split};
use standin_model::{Kind, Location, Operation, Service, ShapeIx, Str};

use crate::{Part, Path, Step};

/// Words with their text, which most comparisons need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    words: Vec<String>,
    pub text: String,
    /// The text with its end in the singular.
    pub one: String,
}

impl From<Vec<String>> for Words {
    fn from(words: Vec<String>) -> Self {
        let text = words.concat();
        let one = words.last().map_or_else(String::new, |last| {
            text.strip_suffix(last.as_str()).unwrap_or_default().to_owned() + &singular_of(last)
        });
        Self { words, text, one }
    }
}

impl std::ops::Deref for Words {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.words
    }
}

/// A text, or a list of texts, in an input.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub path: Path,
    pub name: Str,
    /// What the name says: the words before the role, and the role.
    pub core: Words,
    pub role: Option<Part>,
    /// Core and role as one text; the same for a list of the same.
    pub key: String,
    pub required: bool,
    /// Part of the URI.
    pub label: bool,
    pub list: bool,
    /// One of an enumeration.
    pub listed: bool,
    /// Within a structure of the input.
    pub inner: bool,
    pub target: ShapeIx,
}

/// Names of members that never identify a resource.
const NEVER: &[&str] = &[
    "clienttoken",
    "clientrequesttoken",
    "idempotencytoken",
    "nexttoken",
    "marker",
    "description",
    "maxresults",
    "token",
    "displayname",
    "ifmatch",
    "etag",
    "updatetoken",
    "locktoken",
    "comment",
    "accesstoken",
];

/// Words at the end of a member's name that only say that it identifies.
const ROLES: &[(&str, Part)] = &[
    ("name", Part::Name),
    ("id", Part::Id),
    ("uuid", Part::Id),
    ("arn", Part::Arn),
    ("identifier", Part::Any),
    ("ref", Part::Any),
    ("reference", Part::Any),
];

pub(super) fn role_name(part: Part) -> &'static str {
    ROLES.iter().find(|(_, known)| *known == part).map_or("", |(name, _)| name)
}

/// The words of a name before its role, and the role.
pub(super) fn dissect(name: &str) -> (Vec<String>, Option<Part>) {
    let mut words = split(name);
    // `vpcid`, `applicationarn`: no visible words.
    if let [one] = &words[..] {
        for (role, part) in ROLES {
            if let Some(core) = one.strip_suffix(role)
                && core.len() > 2
                && role.len() > 2
            {
                return (vec![core.to_owned()], Some(*part));
            }
        }
    }
    let joined = words.join(" ");
    for either in [" name or arn", " arn or name", " id or arn", " arn or id", " id or name", " name or id"] {
        if let Some(core) = joined.strip_suffix(either) {
            return (core.split(' ').map(str::to_owned).collect(), Some(Part::Any));
        }
    }
    let role = words.last().and_then(|last| ROLES.iter().find(|(role, _)| role == last)).map(|(_, part)| *part);
    if role.is_some() {
        words.pop();
    }
    (words, role)
}

/// The same of a list's name: `ClusterIds`, `names`, `AlarmNameList`.
pub(super) fn dissect_list(name: &str) -> (Vec<String>, Option<Part>) {
    let mut words = split(name);
    if words.len() > 1 && matches!(words.last().map(String::as_str), Some("list" | "set")) {
        words.pop();
    }
    if let Some(last) = words.last_mut() {
        *last = singular_of(last);
    }
    let mut name = String::new();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    dissect(&name)
}

/// The texts of an input: those at its root, and those in structures and in lists of structures right below.
pub(super) fn givens(service: &'static Service, operation: &'static Operation) -> Vec<Given> {
    let mut out = Vec::new();
    let Some(root) = operation.input else { return out };
    collect(service, root, &[], true, &mut out);
    let structure = service.structure(root).into_iter();
    for member in structure.flat_map(|root| &root.members) {
        let mut path = vec![Step::Member(member.name)];
        match &service.shape(member.target).kind {
            Kind::Structure(_) => collect(service, member.target, &path, member.required, &mut out),
            Kind::List(list) if service.structure(list.member.target).is_some() => {
                path.push(Step::Items);
                collect(service, list.member.target, &path, member.required, &mut out);
            }
            _ => {}
        }
    }
    out
}

fn collect(service: &'static Service, ix: ShapeIx, path: &[Step], required: bool, out: &mut Vec<Given>) {
    let Some(structure) = service.structure(ix).filter(|structure| !structure.event_stream) else { return };
    for member in &structure.members {
        let shape = service.shape(member.target);
        let squashed = standin_model::words::squash(member.name);
        if (member.idempotency_token && squashed.contains("token")) || NEVER.contains(&squashed.as_str()) {
            continue;
        }
        let mut here = path.to_vec();
        here.push(Step::Member(member.name));
        let (list, listed) = match &shape.kind {
            Kind::String { enum_values } => (false, !enum_values.is_empty()),
            // Numbers of versions and revisions.
            Kind::Integer | Kind::Long if path.is_empty() => (false, true),
            Kind::List(items) => match &service.shape(items.member.target).kind {
                Kind::String { enum_values } if enum_values.is_empty() => {
                    here.push(Step::Items);
                    (true, false)
                }
                _ => continue,
            },
            _ => continue,
        };
        let (core, role) = if list { dissect_list(member.name) } else { dissect(member.name) };
        let core = Words::from(core);
        out.push(Given {
            key: format!("{}{}", core.one, role.map_or("", role_name)),
            inner: !path.is_empty(),
            path: here.into(),
            name: member.name,
            core,
            role,
            required: required && member.required,
            label: member.location == Location::Uri,
            list,
            listed,
            target: member.target,
        });
    }
}

/// How surely a member tells a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sure {
    /// `Name`, `resourceArn`: of whatever the operation is about.
    Generic,
    /// `GroupId` of a `SecurityGroup`.
    Ending,
    Exact,
}

/// What a name tells of a noun.
pub(super) fn tells(core: &Words, role: Option<Part>, noun: &Words) -> Option<Sure> {
    // `DhcpOptionsId`
    if core.text == noun.text || core.one == noun.text {
        return (!noun.is_empty()).then_some(Sure::Exact);
    }
    // The `DomainName` of a `DomainName`.
    if let (Some(role), Some((last, before))) = (role, noun.split_last())
        && !core.is_empty()
        && last == role_name(role)
        && *before == core[..]
    {
        return Some(Sure::Exact);
    }
    if is_generic(core, role) {
        return Some(Sure::Generic);
    }
    // Whole words only.
    let ends = core.len() < noun.len() && !core.is_empty() && noun.ends_with(core);
    (ends && role.is_some()).then_some(Sure::Ending)
}

/// `Name`, `Arn`, `resourceId`: of whatever it is about.
pub(super) fn is_generic(core: &Words, role: Option<Part>) -> bool {
    core.is_empty() && role.is_some() || matches!(core.text.as_str(), "resource" | "entity")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_members_tell_core_and_role() {
        let check = |name: &str, core: &str, role| {
            let (words, found) = dissect(name);
            assert_eq!((words.join(" ").as_str(), found), (core, role), "{name}");
        };
        check("EnvironmentName", "environment", Some(Part::Name));
        check("DBInstanceIdentifier", "db instance", Some(Part::Any));
        check("arn", "", Some(Part::Arn));
        check("bucket", "bucket", None);
        check("CapacityProviderNameOrArn", "capacity provider", Some(Part::Any));
        assert_eq!(dissect_list("AlarmNames").1, Some(Part::Name));
        assert_eq!(dissect_list("InstanceIds").0, ["instance"]);
    }
}
