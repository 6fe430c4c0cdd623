//! The members of an input, by what they are called: where outputs find what to echo.

use standin_model::{Kind, Member, Service, Shape, ShapeIx, Str};

use super::entity::{Identity, Source};
use super::tables;
use standin_model::words::{singular_of, squash};

/// Structures in structures are looked into so deep.
const DEPTH_MAX: usize = 3;

/// One member of an input.
#[derive(Debug, Clone)]
pub(super) struct InputMember {
    /// Squashed.
    pub name: Box<str>,
    pub path: Box<[Str]>,
    pub target: ShapeIx,
    pub required: bool,
}

impl InputMember {
    pub(super) fn depth(&self) -> usize {
        self.path.len() - 1
    }

    pub(super) fn source(&self, item: bool) -> Source {
        Source { item, path: self.path.clone() }
    }
}

/// All members of a structure and of structures in it, the outer ones first.
pub(super) fn flatten(service: &'static Service, root: ShapeIx) -> Vec<InputMember> {
    let mut out: Vec<InputMember> = Vec::new();
    let mut level: Vec<(ShapeIx, Vec<Str>)> = vec![(root, Vec::new())];
    for _ in 0..DEPTH_MAX {
        let mut next = Vec::new();
        for (shape, path) in level {
            let Some(structure) = service.structure(shape) else { continue };
            for member in &structure.members {
                let mut path = path.clone();
                path.push(member.name);
                if service.structure(member.target).is_some() {
                    next.push((member.target, path.clone()));
                }
                out.push(InputMember {
                    name: squash(member.name).into(),
                    path: path.into(),
                    target: member.target,
                    required: member.required,
                });
            }
        }
        level = next;
    }
    out
}

pub(super) fn is_text(shape: &Shape) -> bool {
    matches!(&shape.kind, Kind::String { enum_values } if enum_values.is_empty())
}

/// Whether a value of one shape can be one of the other, constraints aside.
pub(super) fn compatible(service: &Service, from: ShapeIx, to: ShapeIx) -> bool {
    if from == to {
        return true;
    }
    match (&service.shape(from).kind, &service.shape(to).kind) {
        (Kind::String { .. }, Kind::String { .. })
        | (Kind::Boolean, Kind::Boolean)
        | (Kind::Timestamp(_), Kind::Timestamp(_))
        | (Kind::Document, Kind::Document) => true,
        (Kind::Blob { streaming: a, .. }, Kind::Blob { streaming: b, .. }) => !a && !b,
        (from, to) if whole(from) => whole(to),
        (Kind::Float | Kind::Double, Kind::Float | Kind::Double) => true,
        (Kind::List(a), Kind::List(b)) => compatible_leaf(service, &a.member, &b.member),
        (Kind::Map(a), Kind::Map(b)) => compatible_leaf(service, &a.value, &b.value),
        _ => false,
    }
}

fn compatible_leaf(service: &Service, from: &Member, to: &Member) -> bool {
    let leaf = |ix: ShapeIx| !matches!(service.shape(ix).kind, Kind::List(_) | Kind::Map(_) | Kind::Structure(_));
    from.target == to.target || (leaf(from.target) && leaf(to.target) && compatible(service, from.target, to.target))
}

pub(super) fn whole(kind: &Kind) -> bool {
    matches!(kind, Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger)
}

/// What the rest of a member's name after a noun says about the noun.
fn role(rest: &str) -> Option<Identity> {
    Some(match rest {
        "" | "identifier" | "nameorarn" | "arnorname" | "idorarn" | "arnorid" | "idorname" | "nameorid" | "ref" => {
            Identity::Either
        }
        "name" => Identity::Name,
        "id" | "uuid" => Identity::Id,
        "arn" => Identity::Arn,
        _ => return None,
    })
}

/// What an input member of that name tells about a noun (both squashed). `own`: the noun is what the operation is about,
/// so that `Name` alone means it.
pub(super) fn identity(member: &str, noun: &str, own: bool) -> Option<Identity> {
    if noun.is_empty() {
        return None;
    }
    if let Some(found) = member.strip_prefix(noun).and_then(role) {
        return Some(found);
    }
    if own {
        match member {
            "name" | "resourcename" => return Some(Identity::Name),
            "id" | "resourceid" => return Some(Identity::Id),
            "identifier" | "resourceidentifier" | "resource" => return Some(Identity::Either),
            "arn" | "resourcearn" => return Some(Identity::Arn),
            _ => {}
        }
    }
    // `ClusterIdentifier` of a `DBCluster`, `GroupId` of a `SecurityGroup`.
    for ending in ["identifier", "name", "arn", "id"] {
        if let Some(core) = member.strip_suffix(ending)
            && core.len() >= 4
            && let Some(before) = noun.strip_suffix(core)
            && !tables::OTHERS.iter().any(|other| before.contains(other))
        {
            return role(ending);
        }
    }
    None
}

/// Like [`identity`], for a list of texts: `EnvironmentNames`, `InstanceIds`, `arns`.
pub(super) fn identities(member: &str, noun: &str, own: bool) -> Option<Identity> {
    let one = singular_of(member.strip_suffix("list").filter(|rest| rest.len() > 2).unwrap_or(member));
    identity(&one, noun, own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_tell_whom_they_identify() {
        let check = |member, noun, own, expect| assert_eq!(identity(member, noun, own), expect, "{member} {noun}");
        check("environmentname", "environment", false, Some(Identity::Name));
        check("bucket", "bucket", false, Some(Identity::Either));
        check("name", "environment", true, Some(Identity::Name));
        check("name", "environment", false, None);
        check("clusteridentifier", "dbcluster", false, Some(Identity::Either));
        check("groupid", "securitygroup", false, Some(Identity::Id));
        check("rolearn", "environment", true, None);
        assert_eq!(identities("instanceids", "instance", false), Some(Identity::Id));
        assert_eq!(identities("names", "project", true), Some(Identity::Name));
    }
}
