//! Texts with places to fill, as overlays write them: `arn:{partition}:iam::{account}:role/{name}`.

use standin_core::{CallContext, Draw};
use standin_model::{Document, Fields, Key};

use crate::make::Draft;

/// Fills the places of a text. Known are `partition`, `region`, `account`, `base`, `name`, `id`, `arn`, `parent`, `uuid`,
/// `NAME:last` for what the attribute NAME ends in,
/// `hex:N`, `lower:N`, `upper:N`, `alnum:N` and `digits:N`, and the resource's own attributes; another place makes it `None`.
pub(crate) fn fill(
    form: &str,
    context: &CallContext,
    draft: &Draft,
    data: &Fields,
    parent: Option<&str>,
    draw: &mut Draw,
) -> Option<String> {
    let mut out = String::with_capacity(form.len() + 32);
    let mut rest = form;
    while let Some((text, more)) = rest.split_once('{') {
        let (place, after) = more.split_once('}')?;
        out.push_str(text);
        match place {
            "partition" => out.push_str(context.partition),
            "region" => out.push_str(&context.region),
            "account" => out.push_str(&context.account),
            "base" => out.push_str(&context.base_url),
            "name" => out.push_str(draft.name.as_deref().or(draft.id.as_deref())?),
            "id" | "self" => out.push_str(draft.id.as_deref().or(draft.name.as_deref())?),
            "arn" => out.push_str(draft.arn.as_deref()?),
            "parent" => out.push_str(parent?),
            "uuid" => {
                for (at, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
                    if at > 0 {
                        out.push('-');
                    }
                    letters(b"0123456789abcdef", length, draw, &mut out);
                }
            }
            _ if place.ends_with(":last") => {
                let attribute = standin_model::words::squash(place.trim_end_matches(":last"));
                let text = data.get(&attribute).or_else(|| draft.made.get(&attribute))?.as_str()?;
                out.push_str(text.rsplit(['/', ':']).next().unwrap_or(text));
            }
            _ => match place.split_once(':').map(|(kind, count)| (kind, count.parse::<usize>())) {
                Some((kind, Ok(count))) => letters(alphabet(kind)?, count.min(256), draw, &mut out),
                _ => {
                    let attribute = standin_model::words::squash(place);
                    match data.get(&attribute).or_else(|| draft.made.get(&attribute))? {
                        Document::Int(number) => out.push_str(&number.to_string()),
                        text => out.push_str(text.as_str()?),
                    }
                }
            },
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// A value with the places of its texts filled, without texts in which a place is unknown.
pub(crate) fn fill_all(value: &Document, with: &mut impl FnMut(&str) -> Option<String>) -> Option<Document> {
    Some(match value {
        Document::String(text) if text.contains('{') && !text.contains("\":") => Document::from(with(text)?),
        Document::List(items) => Document::List(items.iter().filter_map(|item| fill_all(item, with)).collect()),
        Document::Map(fields) => {
            let entries = fields.iter().filter_map(|(key, item)| Some((Key::clone(key), fill_all(item, with)?)));
            Document::Map(entries.collect())
        }
        other => other.clone(),
    })
}

fn alphabet(kind: &str) -> Option<&'static [u8]> {
    Some(match kind {
        "hex" => b"0123456789abcdef",
        "lower" => b"abcdefghijklmnopqrstuvwxyz0123456789",
        "upper" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        "alnum" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        "digits" => b"0123456789",
        _ => return None,
    })
}

fn letters(from: &[u8], count: usize, draw: &mut Draw, out: &mut String) {
    out.extend((0..count).filter_map(|_| draw.pick(from)).map(|byte| char::from(*byte)));
}
