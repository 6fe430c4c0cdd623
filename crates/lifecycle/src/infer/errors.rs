//! Which modelled error says what of a resource.

use standin_model::ShapeIx;
use standin_model::words::{singular_of, squash};

use super::{Draft, Op};

const MISSING: &[&str] =
    &["notfound", "nosuch", "doesnotexist", "notexist", "nonexistent", "unknown", "doesnotexists", "notregistered"];
const TWIN: &[&str] =
    &["alreadyexist", "exists", "duplicate", "nametaken", "entityalready", "alreadyinuse", "alreadyowned"];
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
            let shown = self.service.shape(*shape).name;
            let name = squash(shown);
            let name = ["exception", "fault", "error"]
                .iter()
                .fold(name.as_str(), |name, end| name.strip_suffix(end).unwrap_or(name));
            let (mark, first) =
                match (marks.iter().find(|mark| name.contains(**mark)), rest.iter().find(|mark| name.contains(**mark)))
                {
                    (Some(mark), _) => (*mark, true),
                    (None, Some(mark)) => (*mark, false),
                    _ => continue,
                };
            let about = singular_of(&name.replacen(mark, "", 1));
            let about = about.as_str();
            let fits = if !about.is_empty() && about == noun {
                30
            } else if matches!(about, "" | "resource" | "entity" | "object" | "item" | "the") {
                20
            } else if noun.ends_with(about) || about.ends_with(&noun) {
                25
            } else if noun.starts_with(about) || about.starts_with(noun) {
                12
            } else {
                5
            };
            found.push((fits + if first { 10 } else { 0 }, *shape));
        }
        let best = found.iter().map(|(score, _)| *score).max()?;
        found.into_iter().find(|(score, _)| *score == best).map(|(_, shape)| shape)
    }
}
