//! What callers say of resources, taken into what is kept of them.

use standin_lifecycle::{Role, Step};
use standin_model::{Document, Fields, Key};

use crate::batch::own_path;
use crate::convert::is_empty;
use crate::edits;
use crate::names::plain;
use crate::plan::OperationPlan;
use crate::schema::{TypeSchema, first_member, is_data};

/// Takes what a caller says of a resource into its data. With `update`, what is absent stays and what is given empty is
/// cleared.
pub(crate) fn absorb(
    ty: &TypeSchema,
    role: &Role,
    plan: &OperationPlan,
    input: &Document,
    data: &mut Fields,
    update: bool,
) {
    let mut set = |name: &str, value: &Document| {
        let attribute = ty.noun.attribute(name, matches!(value, Document::List(_)));
        if value.is_null() || update && edits::apply(ty, data, name, value) {
            return;
        }
        if let Some((outer, member)) = ty.inward.get(&attribute)
            && let Some(Document::Map(fields)) = data.get_mut(outer)
        {
            fields.insert(*member, value.clone());
            return;
        }
        // `ConfigurationUpdates` tells parts of the `Configuration`.
        let whole = if update { changed(&attribute, |base| ty.settable.contains_key(base)) } else { None };
        let partial = whole.is_some() || plan.partial.contains(&*attribute);
        let attribute = whole.unwrap_or(attribute);
        // A map of attributes is set key by key.
        let partial = partial || update && matches!(attribute.as_str(), "attributes");
        if update && is_empty(value) {
            data.remove(&attribute);
        } else if partial && let Some(old) = data.get_mut(&attribute) {
            overlay(old, value);
        } else {
            data.insert(Key::Owned(attribute), value.clone());
        }
    };
    if let (Some(name), Some(value)) =
        (named_attribute(input), input.get("AttributeValue").or_else(|| input.get("attributeValue")))
        && ty.settable.contains_key("attributes")
    {
        let attributes = Document::Map([(Key::Owned(name.to_owned()), value.clone())].into_iter().collect());
        match data.get_mut("attributes") {
            Some(old) => overlay(old, &attributes),
            None => data.push("attributes", attributes),
        }
        return;
    }
    let identifies = |name: &str| {
        role.bindings
            .iter()
            .any(|binding| matches!(own_path(&binding.path, role), [Step::Member(member)] if *member == name))
    };
    let body = role.body.as_deref().map_or(&[][..], |path| own_path(path, role));
    let within = body.iter().try_fold(input, |at, step| match step {
        Step::Member(name) => at.get(name),
        _ => None,
    });
    if let Some(Document::Map(fields)) = within.filter(|_| !body.is_empty()) {
        fields.iter().filter(|(name, _)| is_data(name)).for_each(|(name, value)| set(name, value));
    }
    let body = first_member(body);
    for (name, value) in input.as_map().into_iter().flat_map(Fields::iter).filter(|(name, _)| is_data(name)) {
        if body == Some(name) && !ty.settable.contains_key(&ty.noun.attribute(name, matches!(value, Document::List(_))))
        {
            continue;
        }
        if ty.wrappers.contains(&plain(name, false))
            && let Some(inner) = value.as_map()
        {
            inner.iter().filter(|(name, _)| is_data(name)).for_each(|(name, value)| set(name, value));
        } else if !identifies(name)
            || ty.settable.contains_key(&ty.noun.attribute(name, matches!(value, Document::List(_))))
        {
            set(name, value);
        }
    }
    for member in &role.clears {
        data.remove(&ty.noun.attribute(member, false));
        data.remove(&ty.noun.attribute(member, true));
    }
    for (member, text) in &role.sets {
        data.insert(Key::Owned(ty.noun.attribute(member, false)), told(text));
    }
}

/// A value that a lifecycle tells as text.
fn told(text: &str) -> Document {
    text.parse().map_or_else(|_| Document::from(text.to_owned()), Document::Bool)
}

/// The name in a pair of `AttributeName` and `AttributeValue`.
fn named_attribute(input: &Document) -> Option<&str> {
    input.get("AttributeName").or_else(|| input.get("attributeName"))?.as_str()
}

/// What a member called `XUpdate` and the like changes: `X`, where there is one.
fn changed(attribute: &str, known: impl Fn(&str) -> bool) -> Option<String> {
    if known(attribute) {
        return None;
    }
    let ends = ["updates", "update", "changes", "patch"].iter().filter_map(|end| attribute.strip_suffix(end));
    let begins = ["new", "updated", "updateto"].iter().filter_map(|begin| attribute.strip_prefix(begin));
    ends.chain(begins).find(|base| known(base)).map(str::to_owned)
}

/// Sets the members that a change names, in structures within structures. One member in place of another one is another
/// choice of a union.
fn overlay(old: &mut Document, change: &Document) {
    match (old, change) {
        (Document::Map(old), Document::Map(change)) => {
            if old.len() == 1 && change.len() == 1 && change.iter().all(|(name, _)| !old.contains_key(name)) {
                *old = change.clone();
                return;
            }
            for (name, value) in change.iter() {
                // `RemoveX: true` clears `X`.
                if let (Some(gone), Document::Bool(true)) = (name.strip_prefix("Remove"), value) {
                    old.remove(gone);
                    continue;
                }
                let base = ["Updates", "Update"]
                    .iter()
                    .filter_map(|end| name.strip_suffix(end))
                    .find(|base| old.contains_key(base));
                match old.get_mut(base.unwrap_or(name)) {
                    Some(old) => overlay(old, value),
                    None => old.push(name.clone(), value.clone()),
                }
            }
        }
        (_, Document::Null) => {}
        (old, change) => *old = change.clone(),
    }
}
