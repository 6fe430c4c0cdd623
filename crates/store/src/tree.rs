//! A persistent, sorted set of items: a B+ tree whose copies share what they have in common.
//!
//! A copy is one counted pointer. A change copies the nodes on its path where they are shared, and works in place where
//! they are not. Items lie side by side in leaves: little memory per item, and pages are read without jumping about.

use std::cmp::Ordering;
use std::sync::Arc;

/// Most items of a leaf and most children of an inner node: large enough to be flat, small enough to be copied quickly.
const NODE_MAX: usize = 64;
/// A node with fewer looks for a neighbour to merge with.
const NODE_FEW: usize = NODE_MAX / 4;

/// What a [`Tree`] holds.
pub(crate) trait Item: Clone + std::fmt::Debug {
    type Key: Clone + Ord + std::fmt::Debug;

    /// What items are sorted by; unique in a tree.
    fn key(&self) -> &Self::Key;
}

#[derive(Debug)]
pub(crate) struct Tree<T: Item> {
    root: Arc<Node<T>>,
    len: usize,
}

#[derive(Debug)]
enum Node<T: Item> {
    Leaf(Vec<T>),
    Inner(Vec<Child<T>>),
}

#[derive(Debug)]
struct Child<T: Item> {
    /// No key of this child is less, and all of the child before are. Means nothing in the first child of a node.
    least: T::Key,
    /// Items below.
    len: usize,
    node: Arc<Node<T>>,
}

impl<T: Item> Clone for Tree<T> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), len: self.len }
    }
}

impl<T: Item> Clone for Node<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(items) => Self::Leaf(items.clone()),
            Self::Inner(children) => Self::Inner(children.clone()),
        }
    }
}

impl<T: Item> Clone for Child<T> {
    fn clone(&self) -> Self {
        Self { least: self.least.clone(), len: self.len, node: self.node.clone() }
    }
}

impl<T: Item> Default for Tree<T> {
    fn default() -> Self {
        Self { root: Arc::new(Node::Leaf(Vec::new())), len: 0 }
    }
}

impl<T: Item> Tree<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether both are copies of one, with no change since.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.root, &other.root)
    }

    /// The item that `order` calls equal; `order` compares a key to what is looked for.
    pub(crate) fn get(&self, order: impl Fn(&T::Key) -> Ordering) -> Option<&T> {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(items) => {
                    return items.binary_search_by(|item| order(item.key())).ok().map(|at| &items[at]);
                }
                Node::Inner(children) => node = &children[child_of(children, &order)].node,
            }
        }
    }

    /// Adds an item; the one of the same key that it replaces.
    pub(crate) fn insert(&mut self, item: T) -> Option<T> {
        let (old, split) = insert(&mut self.root, item);
        self.len += usize::from(old.is_none());
        if let Some(right) = split {
            let left = std::mem::replace(&mut self.root, Arc::new(Node::Leaf(Vec::new())));
            let left = Child { least: right.least.clone(), len: self.len - right.len, node: left };
            self.root = Arc::new(Node::Inner(vec![left, right]));
        }
        old
    }

    /// Takes out the item that `order` calls equal.
    pub(crate) fn remove(&mut self, order: impl Fn(&T::Key) -> Ordering) -> Option<T> {
        // Looked up first: a path is not copied for nothing.
        self.get(&order)?;
        let old = remove(&mut self.root, &order);
        self.len -= usize::from(old.is_some());
        while let Node::Inner(children) = &*self.root {
            let [only] = children.as_slice() else { break };
            self.root = only.node.clone();
        }
        old
    }

    /// The items from the first one on whose key is not `before`. `before` holds for a first part of the keys.
    pub(crate) fn from(&self, before: impl Fn(&T::Key) -> bool) -> Items<'_, T> {
        let mut path = Vec::with_capacity(4);
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(items) => {
                    path.push((node, items.partition_point(|item| before(item.key()))));
                    return Items { path };
                }
                Node::Inner(children) => {
                    let at = children[1..].partition_point(|child| before(&child.least));
                    path.push((node, at + 1));
                    node = &children[at].node;
                }
            }
        }
    }

    pub(crate) fn iter(&self) -> Items<'_, T> {
        self.from(|_| false)
    }

    /// How many keys are `before`.
    pub(crate) fn rank(&self, before: impl Fn(&T::Key) -> bool) -> usize {
        let mut rank = 0;
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(items) => return rank + items.partition_point(|item| before(item.key())),
                Node::Inner(children) => {
                    let at = children[1..].partition_point(|child| before(&child.least));
                    rank += children[..at].iter().map(|child| child.len).sum::<usize>();
                    node = &children[at].node;
                }
            }
        }
    }
}

impl<T: Item> FromIterator<T> for Tree<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut tree = Self::default();
        for item in items {
            tree.insert(item);
        }
        tree
    }
}

/// The child where a key is or would be.
fn child_of<T: Item>(children: &[Child<T>], order: impl Fn(&T::Key) -> Ordering) -> usize {
    children[1..].partition_point(|child| order(&child.least).is_le())
}

/// The item that was replaced, and the right half of the node where it had to be split.
fn insert<T: Item>(node: &mut Arc<Node<T>>, item: T) -> (Option<T>, Option<Child<T>>) {
    match Arc::make_mut(node) {
        Node::Leaf(items) => {
            let at = match items.binary_search_by(|have| have.key().cmp(item.key())) {
                Ok(at) => return (Some(std::mem::replace(&mut items[at], item)), None),
                Err(at) => at,
            };
            if items.len() < NODE_MAX {
                items.insert(at, item);
                return (None, None);
            }
            // Keys often come in order: then the left half stays full.
            let mut right = items.split_off(if at == NODE_MAX { NODE_MAX } else { NODE_MAX / 2 });
            if at > items.len() || right.is_empty() {
                right.insert(at - items.len(), item);
            } else {
                items.insert(at, item);
            }
            items.shrink_to_fit();
            let least = right.first().expect("half of a full leaf, or the item").key().clone();
            (None, Some(Child { least, len: right.len(), node: Arc::new(Node::Leaf(right)) }))
        }
        Node::Inner(children) => {
            let at = child_of(children, |key| key.cmp(item.key()));
            let child = &mut children[at];
            let (old, split) = insert(&mut child.node, item);
            child.len += usize::from(old.is_none());
            let Some(right) = split else { return (old, None) };
            child.len -= right.len;
            children.insert(at + 1, right);
            if children.len() <= NODE_MAX {
                return (old, None);
            }
            let cut = if at + 2 == children.len() { NODE_MAX } else { NODE_MAX / 2 };
            let right = children.split_off(cut);
            let first = right.first().expect("more children than the cut");
            let (least, len) = (first.least.clone(), right.iter().map(|child| child.len).sum());
            (old, Some(Child { least, len, node: Arc::new(Node::Inner(right)) }))
        }
    }
}

fn remove<T: Item>(node: &mut Arc<Node<T>>, order: &impl Fn(&T::Key) -> Ordering) -> Option<T> {
    match Arc::make_mut(node) {
        Node::Leaf(items) => items.binary_search_by(|item| order(item.key())).ok().map(|at| items.remove(at)),
        Node::Inner(children) => {
            let at = child_of(children, order);
            let child = &mut children[at];
            let old = remove(&mut child.node, order)?;
            child.len -= 1;
            if child.len == 0 {
                children.remove(at);
            } else if size(&child.node) < NODE_FEW && children.len() > 1 {
                merge(children, at.min(children.len() - 2));
            }
            Some(old)
        }
    }
}

fn size<T: Item>(node: &Node<T>) -> usize {
    match node {
        Node::Leaf(items) => items.len(),
        Node::Inner(children) => children.len(),
    }
}

/// Makes one child of two where they are small enough, so that the next insert does not split it again.
fn merge<T: Item>(children: &mut Vec<Child<T>>, at: usize) {
    if size(&children[at].node) + size(&children[at + 1].node) > NODE_MAX * 3 / 4 {
        return;
    }
    let right = children.remove(at + 1);
    let left = &mut children[at];
    left.len += right.len;
    match (Arc::make_mut(&mut left.node), &*right.node) {
        (Node::Leaf(left), Node::Leaf(right)) => left.extend(right.iter().cloned()),
        (Node::Inner(left), Node::Inner(children)) => {
            let from = left.len();
            left.extend(children.iter().cloned());
            // What meant nothing in a first child does from now on.
            left[from].least = right.least;
        }
        _ => unreachable!("all leaves are equally deep"),
    }
}

/// Walks over items in the order of their keys.
pub(crate) struct Items<'t, T: Item> {
    path: Vec<(&'t Node<T>, usize)>,
}

impl<'t, T: Item> Iterator for Items<'t, T> {
    type Item = &'t T;

    fn next(&mut self) -> Option<&'t T> {
        loop {
            let (node, at) = self.path.last_mut()?;
            match node {
                Node::Leaf(items) => {
                    if let Some(item) = items.get(*at) {
                        *at += 1;
                        return Some(item);
                    }
                    self.path.pop();
                }
                Node::Inner(children) => match children.get(*at) {
                    Some(child) => {
                        *at += 1;
                        self.path.push((&child.node, 0));
                    }
                    None => {
                        self.path.pop();
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Pair(u16, u32);

    impl Item for Pair {
        type Key = u16;
        fn key(&self) -> &u16 {
            &self.0
        }
    }

    /// Leaves are equally deep, no node is empty or too large, and lengths add up.
    fn check_shape(node: &Node<Pair>, is_root: bool) -> (usize, usize) {
        assert!(size(node) <= NODE_MAX);
        assert!(is_root || size(node) > 0);
        match node {
            Node::Leaf(items) => (1, items.len()),
            Node::Inner(children) => {
                let shapes: Vec<_> = children.iter().map(|child| check_shape(&child.node, false)).collect();
                for (child, shape) in children.iter().zip(&shapes) {
                    assert_eq!(child.len, shape.1);
                    assert_eq!(shape.0, shapes[0].0);
                }
                (shapes[0].0 + 1, shapes.iter().map(|shape| shape.1).sum())
            }
        }
    }

    fn check(changes: impl IntoIterator<Item = (u16, Option<u32>)>) {
        let mut tree = Tree::<Pair>::default();
        let mut model = BTreeMap::new();
        let mut copies = Vec::new();
        for (at, (key, value)) in changes.into_iter().enumerate() {
            let old = match value {
                Some(value) => {
                    let old = tree.insert(Pair(key, value));
                    assert_eq!(old.map(|pair| pair.1), model.insert(key, value));
                    continue;
                }
                None => tree.remove(|have| have.cmp(&key)),
            };
            assert_eq!(old.map(|pair| pair.1), model.remove(&key));
            if at % 97 == 0 {
                copies.push((tree.clone(), model.clone()));
            }
        }
        copies.push((tree, model));
        for (tree, model) in copies {
            assert_eq!(check_shape(&tree.root, true).1, tree.len());
            assert!(tree.iter().map(|pair| (pair.0, pair.1)).eq(model.iter().map(|(key, value)| (*key, *value))));
            for from in [0, 1, 63, 64, 500, 8_000, u16::MAX] {
                assert!(tree.from(|key| *key < from).map(|pair| pair.0).eq(model.range(from..).map(|(key, _)| *key)));
                assert_eq!(tree.rank(|key| *key < from), model.range(..from).count());
                assert_eq!(tree.get(|key| key.cmp(&from)).map(|pair| pair.1), model.get(&from).copied());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn does_what_a_map_does(changes in proptest::collection::vec((0..2000u16, proptest::option::weighted(0.6, 0..9u32)), 0..3000)) {
            check(changes);
        }
    }

    #[test]
    fn in_order_and_backwards() {
        check((0..9_000).map(|key| (key, Some(1))));
        check((0..9_000).rev().map(|key| (key, Some(1))));
        check((0..9_000).map(|key| (key, Some(1))).chain((0..9_000).map(|key| (key, None))));
        check((0..9_000).map(|key| (key, Some(1))).chain((100..8_500).rev().map(|key| (key, None))));
    }

    #[test]
    fn keys_in_order_fill_their_leaves() {
        let tree: Tree<Pair> = (0..64 * 64).map(|key| Pair(key, 0)).collect();
        let Node::Inner(children) = &*tree.root else { panic!("more than one leaf") };
        assert!(children.iter().all(|child| child.len == NODE_MAX));
    }
}
