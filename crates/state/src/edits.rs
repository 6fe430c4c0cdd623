//! Updates that tell what to do instead of what there is: members that are added or taken away (`TagValuesToAdd`,
//! `RemoveSubnetIds`), and lists of patches (`patchOperations` with a path and a value).

use standin_model::words::squash;
use standin_model::{Document, Fields, Key};

use crate::names::plain;
use crate::schema::TypeSchema;

/// What a member of an update does to a list or map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    Add,
    Remove,
}

/// One patch: where, and the value that is set there; `None` where it goes.
#[derive(Debug, PartialEq)]
pub(crate) struct Patch<'d> {
    pub path: Vec<String>,
    pub value: Option<&'d Document>,
}

/// Carries out a member of an update that tells what to do. Returns whether it is one.
pub(crate) fn apply(ty: &TypeSchema, data: &mut Fields, name: &str, value: &Document) -> bool {
    if let Some(patches) = patches(name, value) {
        for patch in patches {
            let Some((first, rest)) = patch.path.split_first() else { continue };
            let attribute = ty.noun.attribute(first, matches!(patch.value, Some(Document::List(_))));
            set(data, &attribute, rest, patch.value);
        }
        return true;
    }
    let Some((edit, base)) = edited(&squash(name), |base| {
        let known = ty.noun.attribute(base, true);
        ty.settable.contains_key(&known).then_some(known)
    }) else {
        return false;
    };
    match (data.get_mut(&base), value, edit) {
        (Some(Document::List(old)), Document::List(items), Edit::Add) => {
            old.extend(items.iter().filter(|item| !old.contains(item)).cloned().collect::<Vec<_>>());
        }
        (Some(Document::List(old)), Document::List(items), Edit::Remove) => old.retain(|item| !items.contains(item)),
        (Some(Document::Map(old)), Document::Map(items), Edit::Add) => {
            items.iter().for_each(|(key, item)| drop(old.insert(key.clone(), item.clone())));
        }
        (Some(Document::Map(old)), Document::List(keys), Edit::Remove) => {
            keys.iter().filter_map(Document::as_str).for_each(|key| drop(old.remove(key)));
        }
        (None, Document::List(_) | Document::Map(_), Edit::Add) => data.push(Key::Owned(base), value.clone()),
        (_, Document::List(_) | Document::Map(_), _) => {}
        _ => return false,
    }
    true
}

/// Which attribute a member edits, and how: `known` tells the attribute that a part of the name is, where there is one.
fn edited(name: &str, known: impl Fn(&str) -> Option<String>) -> Option<(Edit, String)> {
    let ends = [("toadd", Edit::Add), ("toremove", Edit::Remove), ("todelete", Edit::Remove)];
    let begins = [("add", Edit::Add), ("remove", Edit::Remove)];
    let ends = ends.into_iter().filter_map(|(end, edit)| Some((edit, name.strip_suffix(end)?)));
    let begins = begins.into_iter().filter_map(|(begin, edit)| Some((edit, name.strip_prefix(begin)?)));
    ends.chain(begins).find_map(|(edit, base)| Some((edit, known(base)?)))
}

/// The patches in a member, where it holds such.
pub(crate) fn patches<'d>(name: &str, value: &'d Document) -> Option<Vec<Patch<'d>>> {
    if !matches!(plain(name, false).as_str(), "patchoperations" | "operations") {
        return None;
    }
    let patch = |item: &'d Document| {
        let member = |names: [&str; 2]| names.into_iter().find_map(|name| item.get(name));
        let path = member(["path", "AttributePath"])?.as_str()?;
        let told = member(["op", "Op"]).and_then(Document::as_str).unwrap_or_default();
        let value = member(["value", "AttributeValue"]).filter(|_| !matches!(told, "remove" | "test"));
        let steps = path.split(['/', '.']).filter(|step| !step.is_empty());
        Some(Patch { path: steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect(), value })
    };
    value.as_list()?.iter().map(patch).collect()
}

/// Sets what is at a path, or takes it away.
fn set(fields: &mut Fields, name: &str, rest: &[String], value: Option<&Document>) {
    let key = fields.iter().map(|(key, _)| key).find(|key| squash(key) == squash(name)).cloned();
    let key = key.unwrap_or_else(|| Key::Owned(name.to_owned()));
    match (rest.split_first(), value) {
        (None, Some(value)) => {
            let value = alike(fields.get(&key), value);
            fields.insert(key, value);
        }
        (None, None) => drop(fields.remove(&key)),
        (Some((next, rest)), value) => {
            if !matches!(fields.get(&key), Some(Document::Map(_))) {
                if value.is_none() {
                    return;
                }
                fields.insert(key.clone(), Document::map());
            }
            if let Some(Document::Map(inner)) = fields.get_mut(&key) {
                set(inner, next, rest, value);
            }
        }
    }
}

/// A value that is told as text, as the kind of value that was there.
fn alike(old: Option<&Document>, new: &Document) -> Document {
    let Some(text) = new.as_str() else { return new.clone() };
    match old {
        Some(Document::Int(_)) => text.parse().map_or_else(|_| new.clone(), Document::Int),
        Some(Document::Float(_)) => text.parse().map_or_else(|_| new.clone(), Document::Float),
        Some(Document::Bool(_)) | None => text.parse().map_or_else(|_| new.clone(), Document::Bool),
        _ => new.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_tell_what_they_edit() {
        let check = |name: &str, expect: Option<(Edit, &str)>| {
            let known = |base: &str| matches!(base, "tagvalues" | "subnetids").then(|| base.to_owned());
            let expect = expect.map(|(edit, base)| (edit, base.to_owned()));
            assert_eq!(edited(name, known), expect, "{name}");
        };
        check("tagvaluestoadd", Some((Edit::Add, "tagvalues")));
        check("tagvaluestodelete", Some((Edit::Remove, "tagvalues")));
        check("addsubnetids", Some((Edit::Add, "subnetids")));
        check("removesubnetids", Some((Edit::Remove, "subnetids")));
        check("subnetids", None);
        check("additionalinfo", None);
    }

    #[test]
    fn patches_reach_into_structures() {
        let patch = |op: &str, path: &str, value: &str| {
            let entries = [("op", op), ("path", path), ("value", value)];
            Document::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (Key::Borrowed(key), Document::from(value.to_owned())))
                    .collect(),
            )
        };
        let list = Document::List(vec![
            patch("replace", "/description", "All birds"),
            patch("replace", "/throttle/rateLimit", "7"),
            patch("remove", "/quota", ""),
        ]);
        let mut throttle = Fields::new();
        throttle.push("rateLimit", 5_i64);
        let mut data = Fields::new();
        data.push("description", "Birds");
        data.push("throttle", throttle);
        data.push("quota", 3_i64);
        for Patch { path, value } in patches("patchOperations", &list).expect("patches") {
            set(&mut data, &path[0], &path[1..], value);
        }
        assert_eq!(data.get("description"), Some(&Document::from("All birds")));
        assert_eq!(data.get("throttle").and_then(|inner| inner.get("rateLimit")), Some(&Document::Int(7)));
        assert_eq!(data.get("quota"), None);
    }
}
