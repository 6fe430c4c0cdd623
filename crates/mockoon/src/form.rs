//! Query strings and forms: nested by brackets, as the `qs` package reads them.

use serde_json::{Map, Value};

/// Pairs beyond this are left out.
const PAIRS_MAX: usize = 1000;

/// An index above this makes an object of a list.
const INDEX_MAX: usize = 20;

/// Reads `a=1&b[c]=2&d[]=3`; brackets deeper than `depth` are one name.
pub fn parse(text: &str, depth: usize) -> Value {
    let mut flat: Vec<(String, Vec<Node>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()).take(PAIRS_MAX) {
        // A name may have an `=` in its brackets.
        let equals = pair.find("]=").map(|place| place + 1).or_else(|| pair.find('='));
        let (name, value) = equals.map_or((pair, ""), |place| (&pair[..place], &pair[place + 1..]));
        let name = decoded(name);
        let value = Node::Text(decoded(value));
        if name.is_empty() {
            continue;
        }
        let place = *places.entry(name.clone()).or_insert_with(|| {
            flat.push((name, Vec::new()));
            flat.len() - 1
        });
        flat[place].1.push(value);
    }
    let mut root = Node::Object(Vec::new());
    for (name, mut values) in flat {
        let value =
            if values.len() == 1 { values.remove(0) } else { Node::List(values.into_iter().map(Some).collect()) };
        root = root.merge(nested(&keys(&name, depth), value));
    }
    root.into_value()
}

/// Adds a value under a name with brackets, as forms of several parts have them.
pub fn append(root: &mut Map<String, Value>, name: &str, value: Value) {
    let mut steps = Vec::new();
    let first = name.find('[').unwrap_or(name.len());
    let mut rest = &name[first..];
    let mut appends = false;
    if first == 0 || is_dangerous(&name[..first]) {
        return set(root, &[name], false, value);
    }
    steps.push(&name[..first]);
    while !rest.is_empty() {
        if rest == "[]" {
            appends = true;
            break;
        }
        let Some(end) = rest.find(']').filter(|&end| rest.starts_with('[') && end > 1) else {
            return set(root, &[name], false, value);
        };
        steps.push(&rest[1..end]);
        rest = &rest[end + 1..];
    }
    if steps.iter().any(|step| is_dangerous(step)) {
        return;
    }
    set(root, &steps, appends, value);
}

fn is_dangerous(name: &str) -> bool {
    matches!(name, "__proto__" | "constructor" | "prototype")
}

fn set(root: &mut Map<String, Value>, steps: &[&str], appends: bool, value: Value) {
    let Some((last, path)) = steps.split_last() else { return };
    let mut object = root;
    for step in path {
        let next = object.entry(*step).or_insert_with(|| Value::Object(Map::new()));
        if !next.is_object() {
            *next = Value::Object(Map::from_iter([(String::new(), next.take())]));
        }
        let Some(next) = next.as_object_mut() else { return };
        object = next;
    }
    match object.get_mut(*last) {
        None if appends => {
            object.insert((*last).to_owned(), Value::Array(vec![value]));
        }
        None => {
            object.insert((*last).to_owned(), value);
        }
        Some(Value::Array(items)) => items.push(value),
        Some(before) => *before = Value::Array(vec![before.take(), value]),
    }
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    crate::path::decode(&spaced).unwrap_or(spaced)
}

/// `a[b][]` is `a`, `[b]`, `[]`.
fn keys(name: &str, depth: usize) -> Vec<String> {
    let bytes = name.as_bytes();
    let mut keys = Vec::new();
    let mut parent_end = None;
    let mut open = None;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'[' => open = Some(at),
            b']' => {
                if let Some(start) = open.take() {
                    if parent_end.is_none() {
                        parent_end = Some(start);
                        keys.push(name[..start].to_owned());
                    }
                    if keys.len() > depth {
                        keys.push(format!("[{}]", &name[start..]));
                        break;
                    }
                    keys.push(name[start..=at].to_owned());
                }
            }
            _ => {}
        }
    }
    match parent_end {
        None => vec![name.to_owned()],
        Some(0) => keys.split_off(1),
        Some(_) => keys,
    }
}

fn nested(keys: &[String], value: Node) -> Node {
    keys.iter().rev().fold(value, |leaf, key| {
        if key == "[]" {
            return match leaf {
                Node::List(items) => Node::List(items),
                leaf => Node::List(vec![Some(leaf)]),
            };
        }
        let inner = key.strip_prefix('[').and_then(|key| key.strip_suffix(']'));
        let index = inner.and_then(|inner| inner.parse().ok().filter(|index: &usize| index.to_string() == inner));
        match index.filter(|&index| index <= INDEX_MAX) {
            Some(index) => {
                let mut items: Vec<Option<Node>> = (0..index).map(|_| None).collect();
                items.push(Some(leaf));
                Node::List(items)
            }
            None => Node::Object(vec![(inner.unwrap_or(key).to_owned(), leaf)]),
        }
    })
}

#[derive(Debug)]
enum Node {
    Text(String),
    /// With holes, which are closed in the end.
    List(Vec<Option<Node>>),
    Object(Vec<(String, Node)>),
}

impl Node {
    fn merge(self, source: Self) -> Self {
        match (self, source) {
            (Self::List(mut items), Self::Text(text)) => {
                items.push(Some(Self::Text(text)));
                Self::List(items)
            }
            (Self::Object(mut members), Self::Text(text)) => {
                put(&mut members, text, Self::Text("true".to_owned()));
                Self::Object(members)
            }
            (Self::Text(before), Self::List(items)) => {
                Self::List(std::iter::once(Some(Self::Text(before))).chain(items).collect())
            }
            (Self::Text(before), source) => Self::List(vec![Some(Self::Text(before)), Some(source)]),
            (Self::List(mut target), Self::List(items)) => {
                for (index, item) in items.into_iter().enumerate() {
                    let Some(item) = item else { continue };
                    match target.get_mut(index) {
                        Some(place @ Some(_)) if !matches!(item, Self::Text(_)) => {
                            let before = place.take();
                            *place = match before {
                                Some(text @ Self::Text(_)) => {
                                    let kept = Some(text);
                                    target.push(Some(item));
                                    target[index] = kept;
                                    continue;
                                }
                                Some(before) => Some(before.merge(item)),
                                None => Some(item),
                            };
                        }
                        Some(Some(_)) => target.push(Some(item)),
                        Some(hole) => *hole = Some(item),
                        None => {
                            target.resize_with(index, || None);
                            target.push(Some(item));
                        }
                    }
                }
                Self::List(target)
            }
            (Self::List(items), Self::Object(members)) => {
                let numbered = items.into_iter().enumerate();
                let mut target = numbered.filter_map(|(index, item)| Some((index.to_string(), item?))).collect();
                merge_members(&mut target, members);
                Self::Object(target)
            }
            (Self::Object(mut target), Self::List(items)) => {
                let members = items.into_iter().enumerate();
                let members = members.filter_map(|(index, item)| Some((index.to_string(), item?))).collect();
                merge_members(&mut target, members);
                Self::Object(target)
            }
            (Self::Object(mut target), Self::Object(members)) => {
                merge_members(&mut target, members);
                Self::Object(target)
            }
        }
    }

    fn into_value(self) -> Value {
        match self {
            // What a text added to an object stands for.
            Self::Text(text) => Value::String(text),
            Self::List(items) => Value::Array(items.into_iter().flatten().map(Self::into_value).collect()),
            Self::Object(members) => {
                Value::Object(members.into_iter().map(|(name, value)| (name, value.into_value())).collect())
            }
        }
    }
}

fn merge_members(target: &mut Vec<(String, Node)>, members: Vec<(String, Node)>) {
    for (name, value) in members {
        match target.iter().position(|(known, _)| *known == name) {
            Some(place) => {
                let before = std::mem::replace(&mut target[place].1, Node::Text(String::new()));
                target[place].1 = before.merge(value);
            }
            None => target.push((name, value)),
        }
    }
}

fn put(members: &mut Vec<(String, Node)>, name: String, value: Node) {
    match members.iter_mut().find(|(known, _)| *known == name) {
        Some((_, place)) => *place = value,
        None => members.push((name, value)),
    }
}

/// Reads a query as Node's own parser does: brackets mean nothing, repeated names make lists.
pub fn parse_flat(text: &str) -> Value {
    let mut members = Map::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()).take(PAIRS_MAX) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = Value::String(decoded(value));
        match members.entry(decoded(name)) {
            serde_json::map::Entry::Vacant(place) => {
                place.insert(value);
            }
            serde_json::map::Entry::Occupied(mut known) => match known.get_mut() {
                Value::Array(values) => values.push(value),
                first => *first = Value::Array(vec![first.take(), value]),
            },
        }
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn query_strings() {
        // 63
        let check = |text: &str, expect: Value| assert_eq!(parse(text, 5), expect, "{text}");
        check("", json!({}));
        check("a=1&b=x%20y+z", json!({ "a": "1", "b": "x y z" }));
        check("a=1&a=2&a=3", json!({ "a": ["1", "2", "3"] }));
        check("c[d]=e&c[f]=g", json!({ "c": { "d": "e", "f": "g" } }));
        check("a[]=1&a[]=2", json!({ "a": ["1", "2"] }));
        check("a[]=1", json!({ "a": ["1"] }));
        check("k[1]=v", json!({ "k": ["v"] }));
        check("k[1]=b&k[0]=a", json!({ "k": ["a", "b"] }));
        check("k[21]=v", json!({ "k": { "21": "v" } }));
        check("a.b=1", json!({ "a.b": "1" }));
        check("a", json!({ "a": "" }));
        check("a=%zz", json!({ "a": "%zz" }));
        check("a[b][c][d][e][f][g]=1", json!({ "a": { "b": { "c": { "d": { "e": { "f": { "[g]": "1" } } } } } } }));
        check("[x]=1", json!({ "x": "1" }));
        check("a[x=1", json!({ "a[x": "1" }));
        check("a[0][b]=1&a[0][c]=2", json!({ "a": [{ "b": "1", "c": "2" }] }));
        check("a[0]=1&a[x]=2", json!({ "a": { "0": "1", "x": "2" } }));
    }

    #[test]
    fn names_of_form_parts() {
        let check = |names: &[&str], expect: Value| {
            let mut root = Map::new();
            for (index, name) in names.iter().enumerate() {
                append(&mut root, name, json!(index));
            }
            assert_eq!(Value::Object(root), expect, "{names:?}");
        };
        check(&["a", "b[c]", "b[d]"], json!({ "a": 0, "b": { "c": 1, "d": 2 } }));
        check(&["a[]", "a[]"], json!({ "a": [0, 1] }));
        check(&["a", "a"], json!({ "a": [0, 1] }));
        check(&["[x]"], json!({ "[x]": 0 }));
        check(&["__proto__[x]", "a[__proto__]"], json!({ "__proto__[x]": 0 }));
    }
}
