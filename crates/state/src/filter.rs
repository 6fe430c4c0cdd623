//! Which resources of a list the input asks for.

use standin_lifecycle::Part;
use standin_model::words::{singular_of, squash};
use standin_model::{Document, Fields};

use crate::handler::Work;
use crate::names::plain;
use crate::record::Record;
use crate::resolve::{PARTS, WITHIN};

/// Conditions that all must hold.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    conditions: Vec<Condition>,
}

#[derive(Debug)]
struct Condition {
    about: About,
    test: Test,
}

#[derive(Debug)]
enum About {
    Name,
    Id,
    Arn,
    Status,
    /// A part of its key.
    Key,
    Data(String),
    Tag(String),
    TagKey,
}

#[derive(Debug)]
enum Test {
    /// One of these; `*` and `?` are wild.
    Any(Vec<String>),
    Prefix(String),
    Contains(String),
}

impl Filter {
    pub(crate) fn is_none(&self) -> bool {
        self.conditions.is_empty()
    }

    pub(crate) fn passes(&self, record: &Record) -> bool {
        self.conditions.iter().all(|condition| condition.holds(record))
    }
}

impl Filter {
    /// Takes out what the names must begin with: keys that begin with names need not be looked at one by one for that.
    pub(crate) fn take_name_prefix(&mut self) -> Option<String> {
        let wanted =
            |condition: &Condition| matches!((&condition.about, &condition.test), (About::Name, Test::Prefix(_)));
        let at = self.conditions.iter().position(wanted)?;
        match self.conditions.swap_remove(at).test {
            Test::Prefix(prefix) => Some(prefix),
            Test::Any(_) | Test::Contains(_) => None,
        }
    }
}

impl Condition {
    fn holds(&self, record: &Record) -> bool {
        let identity = record.identity();
        match &self.about {
            About::Name => identity.name().or(identity.id()).is_some_and(|text| self.test.accepts(text)),
            About::Id => identity.id().or(identity.name()).is_some_and(|text| self.test.accepts(text)),
            About::Arn => identity.arn().is_some_and(|text| self.test.accepts(text)),
            About::Key => record.key.split([WITHIN, PARTS]).any(|text| self.test.accepts(text)),
            About::Status => record.status().is_none_or(|text| self.test.accepts(text)),
            About::Data(attribute) => match record.data(attribute).or_else(|| record.made()?.get(attribute)) {
                Some(Document::String(text)) => self.test.accepts(text),
                Some(Document::Bool(flag)) => self.test.accepts(&flag.to_string()),
                Some(Document::Int(number)) => self.test.accepts(&number.to_string()),
                Some(Document::List(items)) => {
                    items.iter().filter_map(Document::as_str).any(|text| self.test.accepts(text))
                }
                _ => false,
            },
            About::Tag(key) => {
                let value = record.tags().and_then(|tags| tags.get(key)).and_then(Document::as_str);
                value.is_some_and(|text| self.test.accepts(text))
            }
            About::TagKey => record.tags().is_some_and(|tags| tags.iter().any(|(key, _)| self.test.accepts(key))),
        }
    }
}

impl Test {
    fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Any(values) => values.iter().any(|value| wild(value.as_bytes(), text.as_bytes())),
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Contains(part) => text.contains(part.as_str()),
        }
    }
}

/// Whether a text is as a pattern with `*` and `?` says. Linear in the text for each star.
fn wild(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            back = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == text[t] || pattern[p] == b'?') {
            p += 1;
            t += 1;
        } else if let Some((star, from)) = back {
            p = star + 1;
            t = from + 1;
            back = Some((star, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

impl Work<'_> {
    /// What the input asks of a list, as far as it is understood.
    pub(crate) fn filter(&self) -> Filter {
        let mut filter = Filter::default();
        let paging = [self.plan.limit, self.plan.token];
        let bound = |name: &str| {
            self.role.bindings.iter().any(|binding| {
                binding.part != Part::Qualifier && crate::schema::first_member(&binding.path) == Some(name)
            })
        };
        let qualifies = |name: &str| {
            self.role.bindings.iter().any(|binding| {
                binding.part == Part::Qualifier && crate::schema::first_member(&binding.path) == Some(name)
            })
        };
        for (name, value) in self.input.as_map().into_iter().flat_map(Fields::iter) {
            if paging.contains(&Some(&**name)) || bound(name) {
                continue;
            }
            let squashed = squash(name);
            // The `id` of what it lies in is not its own.
            if let (true, Some(text)) =
                (qualifies(name) && matches!(&*squashed, "id" | "identifier" | "name" | "arn"), value.as_str())
            {
                filter.conditions.push(Condition { about: About::Key, test: Test::Any(vec![text.to_owned()]) });
                continue;
            }
            if matches!(squashed.as_str(), "filters" | "filter" | "filterlist" | "tagfilters") {
                match value {
                    Document::List(items) => {
                        filter.conditions.extend(items.iter().filter_map(|item| named_filter(self, item)));
                    }
                    Document::Map(fields) => {
                        for (name, value) in fields.iter() {
                            filter.conditions.extend(condition(self, name, value));
                        }
                    }
                    _ => {}
                }
                continue;
            }
            if let (Some(stem), Some(text)) = (
                ["prefix", "beginswith", "startswith"].iter().find_map(|end| squashed.strip_suffix(end)),
                value.as_str(),
            ) {
                if let Some(about) = about(self, if stem.is_empty() { "name" } else { stem }) {
                    filter.conditions.push(Condition { about, test: Test::Prefix(text.to_owned()) });
                }
                continue;
            }
            if let (Some(stem), Some(text)) =
                (["contains", "substring"].iter().find_map(|end| squashed.strip_suffix(end)), value.as_str())
            {
                if let Some(about) = about(self, if stem.is_empty() { "name" } else { stem }) {
                    filter.conditions.push(Condition { about, test: Test::Contains(text.to_owned()) });
                }
                continue;
            }
            filter.conditions.extend(condition(self, name, value));
        }
        filter
    }
}

/// `{Name, Values}` and the like.
fn named_filter(work: &Work<'_>, item: &Document) -> Option<Condition> {
    let fields = item.as_map()?;
    let of =
        |names: &[&str]| fields.iter().find(|(name, _)| names.contains(&squash(name).as_str())).map(|(_, value)| value);
    let name = of(&["name", "key", "filtername", "field", "attribute", "property", "tagkey"])?.as_str()?;
    let values = of(&["values", "value", "filtervalues", "filtervalue", "stringvalue", "valuelist", "tagvalues"])?;
    let values = texts(values);
    if values.is_empty() {
        return None;
    }
    let test = Test::Any(values);
    if let Some(key) = name.strip_prefix("tag:") {
        return Some(Condition { about: About::Tag(key.to_owned()), test });
    }
    if name == "tag-key" {
        return Some(Condition { about: About::TagKey, test });
    }
    Some(Condition { about: about(work, name)?, test })
}

fn condition(work: &Work<'_>, name: &str, value: &Document) -> Option<Condition> {
    let values = texts(value);
    if values.is_empty() {
        return None;
    }
    let one = if matches!(value, Document::List(_)) { singular_of(&squash(name)) } else { squash(name) };
    Some(Condition { about: about(work, &one)?, test: Test::Any(values) })
}

fn texts(value: &Document) -> Vec<String> {
    match value {
        Document::String(text) => vec![text.clone().into_owned()],
        Document::Bool(flag) => vec![flag.to_string()],
        Document::List(items) => items.iter().filter_map(Document::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// What of a resource a filter's name means; `None` for what the resource does not tell.
fn about(work: &Work<'_>, name: &str) -> Option<About> {
    let ty = work.schema.ty(work.role.resource);
    match ty.part(name, true) {
        Some(Part::Name | Part::Any | Part::Qualifier) => return Some(About::Name),
        Some(Part::Id) => return Some(About::Id),
        Some(Part::Arn) => return Some(About::Arn),
        None => {}
    }
    let status = work.schema.lifecycle.resource(work.role.resource).status.as_ref();
    if status.is_some_and(|status| plain(status.member, false) == plain(name, false)) {
        return Some(About::Status);
    }
    let attribute = ty.noun.attribute(name, false);
    ty.settable.contains_key(&attribute).then_some(About::Data(attribute))
}

#[cfg(test)]
mod tests {
    use super::wild;

    #[test]
    fn stars_are_wild() {
        for (pattern, text, expect) in [
            ("a*c", "abbc", true),
            ("a?c", "abc", true),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("ab", "abc", false),
            ("*b", "aab", true),
        ] {
            assert_eq!(wild(pattern.as_bytes(), text.as_bytes()), expect, "{pattern} {text}");
        }
    }
}
