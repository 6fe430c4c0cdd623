//! What an operation's name tells: the verb, and what it is about.

use standin_model::words::{singular_of, split};

use super::members::Words;

/// What a verb usually does to a resource. Whether it does so here, the other operations of the service tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stem {
    Create,
    Put,
    /// Ties two resources together.
    Attach,
    /// Makes something that then runs (`StartBuild`), or only moves what is there (`StartInstances`).
    Start,
    Read,
    List,
    Update,
    Delete,
    Detach,
    /// Changes a status.
    Act,
    Other,
}

/// Verbs by their first word.
const VERBS: &[(Stem, &str)] = &[
    (
        Stem::Create,
        "create register request allocate import publish issue submit define purchase launch copy clone post",
    ),
    (
        Stem::Create,
        "provision open invite initiate upload generate schedule claim restore index reserve deploy replicate",
    ),
    (Stem::Create, "build add subscribe"),
    (Stem::Put, "put"),
    (Stem::Attach, "associate attach connect join link authorize grant assign"),
    (Stem::Start, "start run enable activate"),
    (Stem::Read, "get describe head retrieve fetch view read"),
    (Stem::List, "list search"),
    (Stem::Update, "update modify set change edit reset upgrade rename resize replace configure rotate move reorder"),
    (Stem::Update, "increase decrease extend"),
    (Stem::Delete, "delete deregister terminate remove destroy release unregister deprovision forget end close"),
    (Stem::Delete, "undeploy retire unsubscribe"),
    (Stem::Detach, "disassociate dissociate detach disconnect unlink revoke deauthorize unassign"),
    (Stem::Act, "stop disable cancel deactivate pause resume suspend archive unarchive reboot restart accept reject"),
    (Stem::Act, "approve decline abort complete deprecate undeprecate lock unlock retry confirm verify failover"),
    (Stem::Act, "rollback renew execute"),
];

/// Words after which something else is named than what the operation is about.
const TAILS: &[&str] = &["for", "by", "in", "from", "to", "with", "on", "into", "as", "using", "against", "and"];

/// An operation's name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OperationName {
    pub stem: Stem,
    /// The verb itself, lower case.
    pub verb: String,
    /// One request for many (`BatchCreate…`).
    pub batch: bool,
    /// What it is about, singular, lower case.
    pub noun: Words,
    /// The noun as the model writes it, singular.
    pub written: String,
    /// Whether the noun stands in the plural.
    pub plural: bool,
    /// What follows `For`, `From`, `To` and the like.
    pub tail: Words,
}

impl OperationName {
    pub(super) fn parse(operation: &str) -> Self {
        let words = split(operation);
        let mut at = 0;
        let mut start = 0;
        let mut batch = false;
        let word = |at: usize| words.get(at).map_or("", String::as_str);
        if words.len() > 2 && matches!(word(0), "batch" | "admin" | "bulk") {
            batch = word(0) != "admin";
            start = word(0).len();
            at = 1;
        }
        let mut verb = word(at).to_owned();
        let mut stem = stem_of(&verb);
        // `CreateOrUpdateTags`, `TestInvokeMethod`
        let mut next = start + verb.len();
        at += 1;
        if word(at) == "or" && stem_of(word(at + 1)) != Stem::Other {
            next += 2 + word(at + 1).len();
            at += 2;
            verb.push_str("or");
            stem = Stem::Put;
        }
        if at >= words.len() {
            // `Subscribe`, `Publish`: the verb is all there is.
            return Self {
                stem,
                noun: Words::default(),
                written: String::new(),
                plural: false,
                tail: Words::default(),
                batch,
                verb,
            };
        }
        let mut rest: Vec<String> = words[at..].to_vec();
        let mut tail = Vec::new();
        if let Some(cut) = rest.iter().position(|word| TAILS.contains(&word.as_str()))
            && cut > 0
            && cut + 1 < rest.len()
            // `SiteToSite`
            && rest[cut - 1] != rest[cut + 1]
        {
            tail = rest.split_off(cut);
            tail.remove(0);
        }
        // API generations: `DescribeClusterV2`.
        if rest.len() > 1
            && rest
                .last()
                .is_some_and(|w| w.len() == 2 && w.starts_with('v') && w.ends_with(|c: char| c.is_ascii_digit()))
        {
            rest.pop();
        }
        let length: usize = rest.iter().map(String::len).sum();
        let mut written = operation.get(next..next + length).unwrap_or_default().to_owned();
        let mut plural = false;
        if let Some(last) = rest.last_mut() {
            let one = singular_of(last);
            plural = one != *last;
            // Words that name one thing in the plural.
            const KEPT: [&str; 7] =
                ["settings", "options", "credentials", "attributes", "permissions", "preferences", "details"];
            let kept = KEPT.contains(&last.as_str()) && !matches!(stem, Stem::List);
            if plural && !kept {
                written.truncate(written.len() - last.len());
                let shown = &operation[next + length - last.len()..next + length];
                let kept = one.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
                written.push_str(&shown[..kept]);
                written.push_str(&one[kept..]);
            }
            *last = one;
        }
        if let Some(last) = tail.last_mut() {
            *last = singular_of(last);
        }
        Self { stem, verb, batch, noun: rest.into(), written, plural, tail: tail.into() }
    }

    /// The noun without spaces: what types are grouped by.
    pub(super) fn key(&self) -> String {
        self.noun.text.clone()
    }
}

fn stem_of(verb: &str) -> Stem {
    VERBS
        .iter()
        .find(|(_, words)| words.split_ascii_whitespace().any(|word| word == verb))
        .map_or(Stem::Other, |(stem, _)| *stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_tell_what_they_are_about() {
        let check = |name: &str, stem, written: &str, plural| {
            let parsed = OperationName::parse(name);
            assert_eq!((parsed.stem, parsed.written.as_str(), parsed.plural), (stem, written, plural), "{name}");
        };
        check("CreateEnvironment", Stem::Create, "Environment", false);
        check("DescribeDBInstances", Stem::Read, "DBInstance", true);
        check("ListPolicies", Stem::List, "Policy", true);
        check("ListRolesForUser", Stem::List, "Role", true);
        check("CreateOrUpdateTags", Stem::Put, "Tag", true);
        check("BatchGetProjects", Stem::Read, "Project", true);
        check("DescribeClusterV2", Stem::Read, "Cluster", false);
        check("AdminCreateUser", Stem::Create, "User", false);
        check("Subscribe", Stem::Create, "", false);
        check("RunInstances", Stem::Start, "Instance", true);
    }
}
