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
    /// The first word of the label, in lower case: all of a label of up to eight octets.
    key: u64,
    hash: u32,
    parent: NodeId,
    /// Where the label stands in `labels`: its length octet, then its bytes.
    label: u32,
    /// Octets of the whole name on the wire, the root's zero octet included: 1 to 255.
    length: u8,
    /// Labels of the whole name, the root not counted.
    depth: u8,
    /// Octets of the label.
    label_length: u8,
}

/// A label to look for. It may be followed by other bytes, which lets most labels be read in one load.
#[derive(Clone, Copy)]
pub(crate) struct Label<'b> {
    /// Begins with the label.
    rest: &'b [u8],
    length: usize,
}

impl<'b> Label<'b> {
    /// The first `length` bytes of `rest`; all of `rest` if it is shorter.
    pub(crate) fn new(rest: &'b [u8], length: usize) -> Self {
        Self { rest, length: length.min(rest.len()) }
    }

    pub(crate) fn bytes(self) -> &'b [u8] {
        self.rest.get(..self.length).unwrap_or(self.rest)
    }

    /// The first eight bytes, in lower case and without what stands behind the label.
    #[inline(always)]
    fn first_word(self) -> u64 {
        match self.rest.first_chunk() {
            Some(chunk) => lower_case(u64::from_le_bytes(*chunk) & mask(self.length)),
            None => self.word(0),
        }
    }

    /// The eight bytes from `at` on, likewise.
    #[inline(never)]
    fn word(self, at: usize) -> u64 {
        let bytes = self.bytes().get(at..).unwrap_or(&[]);
        lower_case(bytes.iter().take(WORD).rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
    }

    /// Mixes the label with its parent. The names in the table are the operator's own, so nobody from outside can
    /// make it degenerate.
    #[inline(always)]
    fn hash(self, parent: NodeId, first: u64) -> u32 {
        let mut hash = (first ^ u64::from(parent.0) << 32 ^ self.length as u64).wrapping_mul(FACTOR);
        if self.length > WORD {
            hash = self.hash_rest(hash);
        }
        (hash >> 32) as u32
    }

    /// Mixes in what stands behind the first word. Few labels are that long, and the others go by it in a hurry.
    #[inline(never)]
    fn hash_rest(self, mut hash: u64) -> u64 {
        for at in (WORD..self.length).step_by(WORD) {
            hash = (hash.rotate_left(29) ^ self.word(at)).wrapping_mul(FACTOR);
        }
        hash
    }
}

/// Spreads what is hashed over all bits: 2^64 divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
/// Octets of a word of a label.
const WORD: usize = 8;

/// Keeps the first `length` bytes of a word.
#[inline(always)]
fn mask(length: usize) -> u64 {
    match length {
        0 => 0,
        1..WORD => u64::MAX >> (8 * (WORD - length)),
        _ => u64::MAX,
    }
}

/// Turns those of eight bytes that are ASCII capitals to lower case (RFC 4343, 3).
#[inline(always)]
fn lower_case(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let low = word & (EACH * 0x7f);
    // The upper bit of a byte tells that its lower seven are at least `A`, and that they are more than `Z`.
    let from_a = low + EACH * (0x80 - b'A' as u64);
    let above_z = low + EACH * (0x7f - b'Z' as u64);
    let capitals = from_a & !above_z & !word & (EACH * 0x80);
    word | capitals >> 2
}

/// Whether two words are the same without regard to ASCII case, in one place for all words.
#[inline(never)]
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.eq_ignore_ascii_case(other)
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
        let root =
            Node { key: 0, hash: 0, parent: NodeId::ROOT, label: 0, length: 1, depth: 0, label_length: 0 };
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

    /// Octets of the name on the wire, the root's zero octet included.
    pub(crate) fn length(&self, node: NodeId) -> usize {
        self.nodes.get(node.index()).map_or(1, |node| node.length.into())
    }

    /// The label of `node` as on the wire: its length octet, then its bytes.
    pub(crate) fn wire_label(&self, node: NodeId) -> &[u8] {
        let label = self.nodes.get(node.index()).and_then(|node| {
            let start = node.label as usize;
            self.labels.get(start..start + 1 + usize::from(node.label_length))
        });
        label.unwrap_or(&[])
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
    pub(crate) fn child(&self, parent: NodeId, label: Label<'_>) -> Option<NodeId> {
        let key = label.first_word();
        self.probe(label.hash(parent, key), key, parent, label).ok()
    }

    /// The name made of `label` and `parent`, added if the tree lacks it; `None` if it were longer than a name or
    /// a label may be, or the tree is full.
    pub(crate) fn intern(&mut self, parent: NodeId, label: Label<'_>) -> Option<NodeId> {
        let key = label.first_word();
        let hash = label.hash(parent, key);
        let slot = match self.probe(hash, key, parent, label) {
            Ok(node) => return Some(node),
            Err(slot) => slot,
        };
        let above = self.nodes.get(parent.index())?;
        let length = above.length.checked_add(u8::try_from(label.length + 1).ok()?)?;
        if label.length == 0 || label.length > MAX_LABEL {
            return None;
        }
        let id = u32::try_from(self.nodes.len()).ok().filter(|&id| id != EMPTY)?;
        let at = u32::try_from(self.labels.len()).ok()?;
        let depth = above.depth + 1; // at most 127: each label takes two octets of at most 255
        let label_length = label.length as u8; // at most MAX_LABEL
        self.labels.push(label_length);
        self.labels.extend_from_slice(label.bytes());
        self.nodes.push(Node { key, hash, parent, label: at, length, depth, label_length });
        *self.slots.get_mut(slot)? = id;
        if self.nodes.len() * 2 > self.slots.len() {
            self.grow();
        }
        Some(NodeId(id))
    }

    /// The node of `label` under `parent`, or the empty slot where it belongs.
    #[inline(always)]
    fn probe(&self, hash: u32, key: u64, parent: NodeId, label: Label<'_>) -> Result<NodeId, usize> {
        let mut slot = (hash >> (u32::BITS - self.bits)) as usize;
        loop {
            // Ends, because at least half of the slots are empty.
            let id = self.slots.get(slot).copied().unwrap_or(EMPTY);
            let Some(node) = self.nodes.get(id as usize) else { return Err(slot) };
            if node.key == key
                && node.parent == parent
                && usize::from(node.label_length) == label.length
                && (label.length <= WORD || self.is_label(NodeId(id), label))
            {
                return Ok(NodeId(id));
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    /// Whether `node` has the label, which is longer than its key.
    #[inline(never)]
    fn is_label(&self, node: NodeId, label: Label<'_>) -> bool {
        is_same(self.label(node), label.bytes())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    fn whole(bytes: &[u8]) -> Label<'_> {
        Label::new(bytes, bytes.len())
    }

    #[test]
    fn capitals_and_nothing_else_become_lower_case() {
        for byte in 0..=255_u8 {
            let word = u64::from_le_bytes([b'A', byte, b'Z', byte, 0xff, byte, 0, byte]);
            let lower = byte.to_ascii_lowercase();
            assert_eq!(lower_case(word).to_le_bytes(), [b'a', lower, b'z', lower, 0xff, lower, 0, lower]);
        }
    }

    #[test]
    fn what_stands_behind_a_label_makes_no_difference() {
        let mut tree = Tree::new();
        let text = b"Abcdefghijklmnopqrstuvwxyz";
        for length in 1..text.len() {
            let node = tree.intern(NodeId::ROOT, Label::new(text, length)).unwrap();
            assert_eq!(tree.len(), length + 1, "labels of different lengths are different");
            let other = text.get(..length).unwrap().to_ascii_uppercase();
            assert_eq!(tree.child(NodeId::ROOT, whole(&other)), Some(node));
        }
        tree.intern(NodeId::ROOT, whole(b"x")).unwrap();
        assert_eq!(tree.child(NodeId::ROOT, whole(b"x\0")), None);
        assert_eq!(tree.child(NodeId::ROOT, whole(b"Abcdefghi?")), None);
    }

    #[test]
    fn names_are_equal_without_regard_to_case_and_keep_their_first_spelling() {
        let mut tree = Tree::new();
        let org = tree.intern(NodeId::ROOT, whole(b"Org")).unwrap();
        assert_eq!(tree.intern(NodeId::ROOT, whole(b"oRG")), Some(org));
        assert_eq!(tree.label(org), b"Org");
        assert_eq!(tree.child(NodeId::ROOT, whole(b"org")), Some(org));
        assert_eq!(tree.child(org, whole(b"org")), None);
    }

    #[test]
    fn every_name_is_found_again_after_the_table_has_grown() {
        let mut tree = Tree::new();
        let names: Vec<_> = (0..5000)
            .map(|i| tree.intern(NodeId::ROOT, whole(format!("n{i}").as_bytes())).unwrap())
            .collect();
        for (i, node) in names.iter().enumerate() {
            assert_eq!(tree.child(NodeId::ROOT, whole(format!("N{i}").as_bytes())), Some(*node));
        }
        assert_eq!(tree.child(NodeId::ROOT, whole(b"n5000")), None);
    }

    #[test]
    fn a_name_longer_than_255_octets_is_refused() {
        let mut tree = Tree::new();
        let mut node = NodeId::ROOT;
        for _ in 0..127 {
            node = tree.intern(node, whole(b"a")).unwrap();
        }
        assert_eq!(tree.depth(node), 127);
        assert_eq!(tree.intern(node, whole(b"a")), None);
        assert_eq!(tree.intern(NodeId::ROOT, whole(&[b'a'; 64])), None);
    }
}
