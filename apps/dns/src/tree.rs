//! A tree of domain names: each node is one label under its parent, found by one look in a hash table.
//!
//! [`Tree`] holds every name that a zone mentions, as owner or inside data, so a name is a [`NodeId`] everywhere
//! else and two names are equal exactly when their nodes are. Labels compare without regard to ASCII case
//! (RFC 4343) and keep the case in which they were first written. The table is keyed by (parent, label), so walking
//! down a question costs one hash of each of its bytes and ends at the first label that is not there.
//!
//! Invariant: a parent's number is smaller than its children's, and at most half of the slots are taken.

use alloc::vec;
use alloc::vec::Vec;

/// One name of one [`Tree`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct NodeId(u32);

impl NodeId {
    /// The root of the domain name space.
    pub(crate) const ROOT: Self = Self(0);

    pub(crate) const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(bytes))
    }

    pub(crate) const fn to_bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

struct Node {
    hash: u32,
    parent: NodeId,
    /// Where the label stands in `labels`: its length octet, then its bytes.
    label: u32,
    /// Octets of the whole name on the wire, the root's zero octet included: 1 to 255.
    length: u8,
    /// Labels of the whole name, the root not counted.
    depth: u8,
}

/// The longest name on the wire in octets (RFC 1035, 2.3.4).
pub(crate) const MAX_NAME: usize = 255;
/// The longest label in octets (RFC 1035, 2.3.4).
pub(crate) const MAX_LABEL: usize = 63;

const EMPTY: u32 = u32::MAX;
const FIRST_BITS: u32 = 6;

/// Names as a tree of labels; see the module.
pub(crate) struct Tree {
    nodes: Vec<Node>,
    labels: Vec<u8>,
    slots: Vec<u32>,
    /// Binary logarithm of the number of slots.
    bits: u32,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let root = Node { hash: 0, parent: NodeId::ROOT, label: 0, length: 1, depth: 0 };
        Self { nodes: vec![root], labels: vec![0], slots: vec![EMPTY; 1 << FIRST_BITS], bits: FIRST_BITS }
    }

    /// Number of names, the root included.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn parent(&self, node: NodeId) -> NodeId {
        self.nodes.get(node.index()).map_or(NodeId::ROOT, |node| node.parent)
    }

    /// Labels in the name, the root not counted.
    pub(crate) fn depth(&self, node: NodeId) -> usize {
        self.nodes.get(node.index()).map_or(0, |node| node.depth.into())
    }

    /// The label of `node` as on the wire: its length octet, then its bytes.
    pub(crate) fn wire_label(&self, node: NodeId) -> &[u8] {
        let label = || {
            let rest = self.labels.get(self.nodes.get(node.index())?.label as usize..)?;
            rest.get(..1 + usize::from(*rest.first()?))
        };
        label().unwrap_or(&[])
    }

    /// The label of `node` without its length octet.
    pub(crate) fn label(&self, node: NodeId) -> &[u8] {
        self.wire_label(node).get(1..).unwrap_or(&[])
    }

    /// Whether `node` is `ancestor` or lies below it.
    pub(crate) fn is_within(&self, mut node: NodeId, ancestor: NodeId) -> bool {
        // A parent's number is smaller than its children's.
        while node > ancestor {
            node = self.parent(node);
        }
        node == ancestor
    }

    /// The name made of `label` and `parent`, if the tree has it.
    pub(crate) fn child(&self, parent: NodeId, label: &[u8]) -> Option<NodeId> {
        self.probe(hash(parent, label), parent, label).ok()
    }

    /// The name made of `label` and `parent`, added if the tree lacks it; `None` if it were longer than a name or
    /// a label may be, or the tree is full.
    pub(crate) fn intern(&mut self, parent: NodeId, label: &[u8]) -> Option<NodeId> {
        let hash = hash(parent, label);
        let slot = match self.probe(hash, parent, label) {
            Ok(node) => return Some(node),
            Err(slot) => slot,
        };
        let above = self.nodes.get(parent.index())?;
        let length = above.length.checked_add(u8::try_from(label.len() + 1).ok()?)?;
        if label.is_empty() || label.len() > MAX_LABEL {
            return None;
        }
        let id = u32::try_from(self.nodes.len()).ok().filter(|&id| id != EMPTY)?;
        let at = u32::try_from(self.labels.len()).ok()?;
        let depth = above.depth + 1; // at most 127: each label takes two octets of at most 255
        self.labels.push(label.len() as u8);
        self.labels.extend_from_slice(label);
        self.nodes.push(Node { hash, parent, label: at, length, depth });
        *self.slots.get_mut(slot)? = id;
        if self.nodes.len() * 2 > self.slots.len() {
            self.grow();
        }
        Some(NodeId(id))
    }

    /// The node at `hash`, or the empty slot where it belongs.
    fn probe(&self, hash: u32, parent: NodeId, label: &[u8]) -> Result<NodeId, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = (hash >> (u32::BITS - self.bits)) as usize;
        loop {
            // Ends, because at least half of the slots are empty.
            let id = self.slots.get(slot).copied().unwrap_or(EMPTY);
            let Some(node) = self.nodes.get(id as usize) else { return Err(slot) };
            if node.hash == hash
                && node.parent == parent
                && self.label(NodeId(id)).eq_ignore_ascii_case(label)
            {
                return Ok(NodeId(id));
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        self.bits += 1;
        self.slots = vec![EMPTY; 1 << self.bits];
        let mask = self.slots.len() - 1;
        for (id, node) in (0_u32..).zip(&self.nodes).skip(1) {
            let mut slot = (node.hash >> (u32::BITS - self.bits)) as usize;
            while self.slots.get(slot).is_some_and(|&taken| taken != EMPTY) {
                slot = (slot + 1) & mask;
            }
            if let Some(empty) = self.slots.get_mut(slot) {
                *empty = id;
            }
        }
    }
}

/// Mixes a parent and a label without regard to ASCII case. The names hashed into the table are the operator's own,
/// so nobody from outside can make it degenerate.
fn hash(parent: NodeId, label: &[u8]) -> u32 {
    const FACTOR: u32 = 0x9e37_79b1; // 2^32 divided by the golden ratio
    let mut hash = parent.0.wrapping_add(1).wrapping_mul(FACTOR);
    for byte in label {
        hash = (hash.rotate_left(5) ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(FACTOR);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn names_are_equal_without_regard_to_case_and_keep_their_first_spelling() {
        let mut tree = Tree::new();
        let org = tree.intern(NodeId::ROOT, b"Org").unwrap();
        assert_eq!(tree.intern(NodeId::ROOT, b"oRG"), Some(org));
        assert_eq!(tree.label(org), b"Org");
        assert_eq!(tree.child(NodeId::ROOT, b"org"), Some(org));
        assert_eq!(tree.child(org, b"org"), None);
    }

    #[test]
    fn every_name_is_found_again_after_the_table_has_grown() {
        let mut tree = Tree::new();
        let names: Vec<_> =
            (0..5000).map(|i| tree.intern(NodeId::ROOT, format!("n{i}").as_bytes()).unwrap()).collect();
        for (i, node) in names.iter().enumerate() {
            assert_eq!(tree.child(NodeId::ROOT, format!("N{i}").as_bytes()), Some(*node));
        }
        assert_eq!(tree.child(NodeId::ROOT, b"n5000"), None);
    }

    #[test]
    fn a_name_longer_than_255_octets_is_refused() {
        let mut tree = Tree::new();
        let mut node = NodeId::ROOT;
        for _ in 0..127 {
            node = tree.intern(node, b"a").unwrap();
        }
        assert_eq!(tree.depth(node), 127);
        assert_eq!(tree.intern(node, b"a"), None);
        assert_eq!(tree.intern(NodeId::ROOT, &[b'a'; 64]), None);
    }
}
