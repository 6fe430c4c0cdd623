//! Documents with references replaced by what they point at.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use serde_json::Value;

/// References that lead to references deeper than this end as empty objects.
const DEPTH_MAX: usize = 500;

/// A value whose parts may be shared, members in the order of JavaScript.
#[derive(Clone, Debug)]
pub struct Tree(Rc<Node>);

#[derive(Debug)]
enum Node {
    Leaf(Value),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    fn of(node: Node) -> Self {
        Self(Rc::new(node))
    }

    pub fn get(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|(known, _)| known == name).map(|(_, member)| member)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.leaf()?.as_str().filter(|text| !text.is_empty())
    }

    pub fn leaf(&self) -> Option<&Value> {
        match &*self.0 {
            Node::Leaf(value) => Some(value),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        self.leaf().is_some_and(Value::is_null)
    }

    pub fn is_map(&self) -> bool {
        matches!(&*self.0, Node::Map(_))
    }

    pub fn items(&self) -> &[Self] {
        match &*self.0 {
            Node::List(items) => items,
            _ => &[],
        }
    }

    pub fn members(&self) -> &[(String, Self)] {
        match &*self.0 {
            Node::Map(members) => members,
            _ => &[],
        }
    }

    pub fn is_list(&self) -> bool {
        matches!(&*self.0, Node::List(_))
    }

    /// What `String(value)` gives for a leaf.
    pub fn printed(&self) -> String {
        match self.leaf() {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }

    pub fn to_value(&self) -> Value {
        match &*self.0 {
            Node::Leaf(value) => value.clone(),
            Node::List(items) => items.iter().map(Self::to_value).collect(),
            Node::Map(members) => {
                Value::Object(members.iter().map(|(name, member)| (name.clone(), member.to_value())).collect())
            }
        }
    }
}

/// Replaces references within a document. One that leads back to itself becomes an empty object, one to elsewhere stays.
pub fn dereferenced(document: &Value) -> Tree {
    let mut walk = Walk { root: document, done: HashMap::new(), open: HashSet::new() };
    walk.tree(document, 0)
}

struct Walk<'d> {
    root: &'d Value,
    done: HashMap<&'d str, Tree>,
    open: HashSet<&'d str>,
}

impl<'d> Walk<'d> {
    fn tree(&mut self, value: &'d Value, depth: usize) -> Tree {
        match value {
            _ if depth > DEPTH_MAX => Tree::of(Node::Map(Vec::new())),
            Value::Array(items) => Tree::of(Node::List(items.iter().map(|item| self.tree(item, depth + 1)).collect())),
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    if let Some(done) = self.done.get(reference) {
                        return done.clone();
                    }
                    if self.open.contains(reference) {
                        return Tree::of(Node::Map(Vec::new()));
                    }
                    if let Some(target) = self.target(reference) {
                        self.open.insert(reference);
                        let tree = self.tree(target, depth + 1);
                        self.open.remove(reference);
                        self.done.insert(reference, tree.clone());
                        return tree;
                    }
                    let kept = members.iter().map(|(name, value)| (name.clone(), Tree::of(Node::Leaf(value.clone()))));
                    return Tree::of(Node::Map(kept.collect()));
                }
                let mut members: Vec<(String, Tree)> =
                    members.iter().map(|(name, value)| (name.clone(), self.tree(value, depth + 1))).collect();
                // Names that are numbers come first, in their order.
                members.sort_by_key(|(name, _)| index(name).unwrap_or(u64::MAX));
                Tree::of(Node::Map(members))
            }
            leaf => Tree::of(Node::Leaf(leaf.clone())),
        }
    }

    fn target(&self, reference: &str) -> Option<&'d Value> {
        let path = reference.strip_prefix("#/")?;
        let found = path.split('/').try_fold(self.root, |value, name| match value {
            Value::Array(items) => items.get(name.parse::<usize>().ok()?),
            value => value.get(name),
        })?;
        let is_nothing = matches!(found, Value::Null | Value::Bool(false)) || found.as_str() == Some("");
        (!is_nothing).then_some(found)
    }
}

/// A name that JavaScript takes for an index.
fn index(name: &str) -> Option<u64> {
    let is_plain = name == "0" || (!name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit()));
    name.parse().ok().filter(|_| is_plain).filter(|number| *number < u64::from(u32::MAX))
}
