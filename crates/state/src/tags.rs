//! Tags in the forms in which services take and show them.

use standin_model::words::squash;
use standin_model::{Document, Fields, Key, Kind, Service, ShapeIx};

/// The tags in a value: a map of texts, or a list of structures that hold a key and a value each.
pub(crate) fn read(value: &Document) -> Fields {
    match value {
        Document::Map(fields) => {
            // `{"Items": [...]}` of CloudFront, `{"TagSet": [...]}` of others.
            if let [(_, list @ Document::List(_))] = fields.iter().collect::<Vec<_>>()[..] {
                return read(list);
            }
            fields
                .iter()
                .filter(|(_, value)| value.as_str().is_some())
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        }
        Document::List(items) => items.iter().filter_map(entry).collect(),
        _ => Fields::new(),
    }
}

fn entry(item: &Document) -> Option<(Key, Document)> {
    let fields = item.as_map()?;
    let of = |ending: &str| {
        fields.iter().find(|(name, _)| squash(name).ends_with(ending)).and_then(|(_, value)| value.as_str())
    };
    let key = of("key")?;
    Some((Key::Owned(key.to_owned()), Document::from(of("value").unwrap_or_default().to_owned())))
}

/// The tags of an EC2 `TagSpecifications` list for a kind of resource.
pub(crate) fn of_specifications(value: &Document) -> Fields {
    let items = value.as_list().unwrap_or_default();
    items.iter().filter_map(|item| item.get("Tags").or_else(|| item.get("tags"))).flat_map(read).collect()
}

/// Whether a shape asks for no more of a tag than a key and a value.
pub(crate) fn are_plain(service: &Service, shape: ShapeIx) -> bool {
    let Kind::List(list) = &service.shape(shape).kind else { return true };
    service.structure(list.member.target).is_none_or(|item| {
        let name = |member: &standin_model::Member| squash(member.name);
        item.members
            .iter()
            .all(|member| !member.required || ["key", "value"].iter().any(|end| name(member).ends_with(end)))
    })
}

/// Tags in the shape of a member; `None` where the shape holds no tags.
pub(crate) fn show(service: &Service, shape: ShapeIx, tags: &Fields) -> Option<Document> {
    match &service.shape(shape).kind {
        Kind::Map(_) => Some(Document::Map(tags.clone())),
        Kind::List(list) => {
            let item = service.structure(list.member.target)?;
            let named = |ending: &str| item.members.iter().find(|member| squash(member.name).ends_with(ending));
            let (key, value) = (named("key")?, named("value"));
            let entries = tags.iter().map(|(name, text)| {
                let mut fields = Fields::with_capacity(2);
                fields.push(key.name, Document::String(name.clone()));
                if let Some(value) = value {
                    fields.push(value.name, text.clone());
                }
                Document::Map(fields)
            });
            Some(Document::List(entries.collect()))
        }
        Kind::Structure(structure) => {
            let member = match &*structure.members {
                [only] => only,
                several => several.iter().find(|member| crate::names::is_tags(member.name))?,
            };
            let mut fields = Fields::with_capacity(1);
            fields.push(member.name, show(service, member.target, tags)?);
            Some(Document::Map(fields))
        }
        _ => None,
    }
}

/// The keys that an untag operation names: texts, or structures with a key.
pub(crate) fn keys(value: &Document) -> Vec<String> {
    match value {
        Document::List(items) => items
            .iter()
            .filter_map(|item| {
                item.as_str().map(str::to_owned).or_else(|| entry(item).map(|(key, _)| key.into_owned()))
            })
            .collect(),
        Document::Map(fields) => match fields.iter().collect::<Vec<_>>()[..] {
            [(_, list @ Document::List(_))] => keys(list),
            _ => fields.iter().map(|(key, _)| key.clone().into_owned()).collect(),
        },
        Document::String(text) => vec![text.clone().into_owned()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let check = |value: serde_json::Value| {
            let tags = read(&Document::from_json(&value));
            assert_eq!(tags.get("a").and_then(Document::as_str), Some("1"), "{value}");
        };
        check(serde_json::json!({"a": "1"}));
        check(serde_json::json!([{"Key": "a", "Value": "1"}]));
        check(serde_json::json!([{"TagKey": "a", "TagValue": "1"}]));
        check(serde_json::json!({"Items": [{"Key": "a", "Value": "1"}]}));
    }
}
