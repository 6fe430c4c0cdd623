//! What members of different operations mean the same: `EnvironmentName` and `Name`, `TagList` and `Tags`.

use standin_lifecycle::Part;
use standin_model::words::{split, squash};
use standin_model::{Kind, Service, ShapeIx};

/// What a type is called, in the forms in which members repeat it.
#[derive(Clone, Debug)]
pub(crate) struct Noun {
    /// Squashed: `userpoolclient`.
    pub text: String,
    /// Squashed endings of whole words, longest first: `poolclient`, `client`.
    pub endings: Vec<String>,
}

impl Noun {
    pub(crate) fn new(name: &str) -> Self {
        let words = split(name);
        let endings = (1..words.len()).map(|from| words[from..].concat()).collect();
        Self { text: squash(name), endings }
    }

    /// What a member says of such a resource: its name without the noun, in one spelling. `list` for members that hold
    /// several values.
    pub(crate) fn attribute(&self, member: &str, list: bool) -> String {
        let plain = plain(member, list);
        match plain.strip_prefix(&self.text) {
            Some(rest) if rest.len() > 1 => rest.to_owned(),
            _ => plain,
        }
    }

    /// Which part of the resource's identity a text member of its description is.
    pub(crate) fn part(&self, member: &str) -> Option<Part> {
        let plain = plain(member, false);
        if plain == self.text {
            return Some(Part::Any);
        }
        let own = std::iter::once(&self.text).chain(&self.endings);
        let rest = own.into_iter().find_map(|noun| plain.strip_prefix(noun.as_str()).filter(|rest| is_part(rest)));
        match rest.unwrap_or(&plain) {
            "name" => Some(Part::Name),
            "id" | "uuid" | "guid" => Some(Part::Id),
            "arn" | "resourcearn" => Some(Part::Arn),
            _ => None,
        }
    }
}

fn is_part(rest: &str) -> bool {
    matches!(rest, "name" | "id" | "arn")
}

/// A member's name in one spelling: squashed, `Identifier` as `id`, `XList` and `XSet` as the plural.
pub(crate) fn plain(member: &str, list: bool) -> String {
    let mut name = squash(member);
    if list {
        for ending in ["list", "set"] {
            if let Some(stem) = name.strip_suffix(ending).filter(|stem| stem.len() > 2) {
                name = if stem.ends_with('s') { stem.to_owned() } else { format!("{stem}s") };
                break;
            }
        }
    }
    if let Some(stem) = name.strip_suffix("identifier") {
        return format!("{stem}id");
    }
    if let Some(stem) = name.strip_suffix("identifiers") {
        return format!("{stem}ids");
    }
    name
}

pub(crate) fn is_list(service: &Service, shape: ShapeIx) -> bool {
    matches!(service.shape(shape).kind, Kind::List(_))
}

/// Whether a member holds a resource's tags.
pub(crate) fn is_tags(member: &str) -> bool {
    let name = squash(member);
    matches!(
        name.as_str(),
        "tags" | "taglist" | "tagset" | "resourcetags" | "tagsmap" | "tag" | "tagsmodel" | "tagmap" | "tagslist"
    )
}

/// Names that say little outside of the structure in which they stand.
pub(crate) fn is_generic(attribute: &str) -> bool {
    matches!(
        attribute,
        "name"
            | "id"
            | "arn"
            | "type"
            | "key"
            | "value"
            | "values"
            | "status"
            | "state"
            | "description"
            | "enabled"
            | "version"
            | "message"
            | "code"
            | "reason"
            | "mode"
            | "size"
            | "count"
            | "tags"
    )
}

/// When a member's time is, for times that the service itself writes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Created,
    Updated,
}

impl Moment {
    pub(crate) fn of(member: &str) -> Option<Self> {
        let name = squash(member);
        let timely = ["time", "date", "at", "timestamp", "on", "datetime"].iter().any(|end| name.ends_with(end))
            || matches!(name.as_str(), "created" | "updated" | "lastmodified" | "lastupdated");
        if !timely {
            return None;
        }
        let begins = |marks: &[&str]| marks.iter().any(|mark| name.contains(mark));
        if begins(&["delet", "expir", "next", "schedul", "last used", "lastused", "lastaccess"]) {
            return None;
        }
        if begins(&["updat", "modif", "chang", "lasttransition", "edited"]) {
            return Some(Self::Updated);
        }
        if begins(&["creat", "start", "submit", "launch", "request", "regist", "added", "issued", "upload", "publish"])
            || matches!(name.as_str(), "timestamp" | "date" | "time")
        {
            return Some(Self::Created);
        }
        None
    }
}

/// Whether a member tells which state of the resource this is: it changes with every update, and writers may have to repeat it.
pub(crate) fn is_revision(member: &str) -> bool {
    let name = squash(member);
    matches!(
        name.as_str(),
        "etag"
            | "updatetoken"
            | "locktoken"
            | "revisionid"
            | "changetoken"
            | "revision"
            | "nextlocktoken"
            | "rulegroupupdatetoken"
            | "versiontoken"
            | "concurrencytoken"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_lose_the_noun() {
        let check = |noun: &str, member: &str, list, expect: &str| {
            assert_eq!(Noun::new(noun).attribute(member, list), expect, "{noun} {member}");
        };
        check("Environment", "EnvironmentClass", false, "class");
        check("DBInstance", "DBInstanceIdentifier", false, "id");
        check("Cluster", "TagList", true, "tags");
        check("Cluster", "AllowList", false, "allowlist");
        check("Cluster", "SubnetIdentifiers", true, "subnetids");
        check("Group", "Groups", true, "groups");
    }

    #[test]
    fn identities_are_known() {
        let check =
            |noun: &str, member: &str, expect| assert_eq!(Noun::new(noun).part(member), expect, "{noun} {member}");
        check("UserPoolClient", "ClientId", Some(Part::Id));
        check("UserPoolClient", "UserPoolId", None);
        check("Environment", "Arn", Some(Part::Arn));
        check("Environment", "KmsKeyArn", None);
        check("Workspace", "workspaceId", Some(Part::Id));
        check("DBInstance", "DBInstanceIdentifier", Some(Part::Id));
    }
}
