//! Which modelled error says what of a resource.

use standin_model::ShapeIx;
use standin_model::words::{singular_of, squash};

use super::{Draft, Op};

const MISSING: &[&str] =
    &["notfound", "nosuch", "doesnotexist", "notexist", "nonexistent", "unknown", "doesnotexists", "notregistered"];
const TWIN: &[&str] = &[
    "alreadyexists",
    "alreadyexist",
    "exists",
    "duplicate",
    "nametaken",
    "entityalready",
    "alreadyinuse",
    "alreadyowned",
];
const BUSY: &[&str] =
    &["inuse", "deleteconflict", "dependency", "notempty", "isinuse", "haschildren", "hasassociated", "stillin"];

impl Draft {
    /// The error where a resource of that type is not there.
    pub(super) fn missing(&self, op: &Op, ix: usize) -> Option<ShapeIx> {
        self.error(op, ix, MISSING, &[])
    }

    /// The error where there is one already.
    pub(super) fn conflict(&self, op: &Op, ix: usize) -> Option<ShapeIx> {
        self.error(op, ix, TWIN, &["conflict", "resourceinuse", "inuse"])
    }

    /// The error where something still lies in it or uses it.
    pub(super) fn busy(&self, op: &Op, ix: usize) -> Option<ShapeIx> {
        self.error(op, ix, BUSY, &["conflict", "invalidstate", "precondition"])
    }

    /// The error whose name has one of the marks and fits the type best; `rest`: marks of the second choice.
    fn error(&self, op: &Op, ix: usize, marks: &[&str], rest: &[&str]) -> Option<ShapeIx> {
        let noun = self.types[ix].noun.text.as_str();
        let mut found: Vec<(i32, ShapeIx)> = Vec::new();
        for shape in &op.operation.errors {
            // Some shapes are named after something else than their code: `AccessPointNotFoundException`, `LoadBalancerNotFound`.
            let code = self.service.structure(*shape).and_then(|error| error.error.as_ref()?.code);
            let names = [Some(self.service.shape(*shape).name), code];
            let score = names.into_iter().flatten().filter_map(|name| fitness(name, noun, marks, rest)).max();
            found.extend(score.map(|score| (score, *shape)));
        }
        let best = found.iter().map(|(score, _)| *score).max()?;
        found.into_iter().find(|(score, _)| *score == best).map(|(_, shape)| shape)
    }
}

/// How well an error's name fits a type; `None` where it says something else, or of something else.
fn fitness(name: &str, noun: &str, marks: &[&str], rest: &[&str]) -> Option<i32> {
    let name = squash(name);
    let ends = ["exception", "fault", "error"];
    let name = ends.iter().fold(name.as_str(), |name, end| name.strip_suffix(end).unwrap_or(name));
    let first = marks.iter().find(|mark| name.contains(**mark));
    let mark = first.or_else(|| rest.iter().find(|mark| name.contains(**mark)))?;
    let about = singular_of(&name.replacen(mark, "", 1));
    let about = about.as_str();
    let fits = if !about.is_empty() && about == noun {
        30
    } else if !about.is_empty() && (noun.ends_with(about) || about.ends_with(noun)) {
        25
    } else if matches!(about, "" | "resource" | "entity" | "object" | "item" | "the") {
        20
    } else if noun.starts_with(about) || about.starts_with(noun) {
        12
    } else {
        return None;
    };
    Some(fits + if first.is_some() { 10 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_tell_of_what_they_are() {
        let check =
            |name: &str, expect| assert_eq!(fitness(name, "dbinstance", MISSING, &[]).is_some(), expect, "{name}");
        check("DBInstanceNotFoundFault", true);
        check("ResourceNotFoundException", true);
        check("NoSuchEntity", true);
        check("KMSKeyNotAccessibleFault", false);
        check("OptionGroupNotFoundFault", false);
        assert_eq!(fitness("AlreadyExistsException", "database", TWIN, &[]), Some(30));
        assert_eq!(fitness("FederatedResourceAlreadyExistsException", "database", TWIN, &[]), None);
    }
}
