//! A tree of domain names: each node is one label under its parent, found by one look in a hash table.
//!
//! [`Tree`] holds every name that a zone mentions, as owner or inside data, so a name is a [`NodeId`] everywhere
//! else and two names are equal exactly when their nodes are. Labels compare without regard to ASCII case
//! (RFC 4343) and keep the case in which they were first written. The table is keyed by (parent, label), so walking
//! down a question costs one hash of each of its bytes and ends at the first label that is not there.
//!
//! A node takes eight octets beside its label, and a slot of the table four: the number of a node, and a few bits of its
//! hash that spare looking at most of the nodes which are not the one.
//!
//! Invariant: a parent's number is smaller than its children's, and at most three quarters of the slots are taken.

use alloc::vec::Vec;
use core::iter;

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
    /// The number of its parent, and [`HAS_CHILDREN`].
    above: u32,
    /// Where the label stands in `labels`: its length octet, then its bytes.
    label: u32,
}

impl Node {
    fn parent(&self) -> NodeId {
        NodeId(self.above & !HAS_CHILDREN)
    }
}

/// The node is the parent of others.
const HAS_CHILDREN: u32 = 1 << 31;

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
        lower_case(self.raw_word(at))
    }

    /// The same in whatever case.
    #[inline(always)]
    fn raw_word(self, at: usize) -> u64 {
        let rest = self.rest.get(at..).unwrap_or(&[]);
        let word = rest.first_chunk().map_or_else(|| short_word(rest), |chunk| u64::from_le_bytes(*chunk));
        word & mask(self.length.saturating_sub(at))
    }

    /// Mixes the label with its parent. The names in the table are the operator's own, so nobody from outside can
    /// make it degenerate.
    #[inline(always)]
    fn hash(self, parent: NodeId, first: u64) -> u32 {
        let mut hash = (first ^ u64::from(parent.0) << 32 ^ self.length as u64).wrapping_mul(FACTOR);
        if self.length > WORD {
            hash = self.hash_rest(hash);
        }
        // The lower bits of a product know little of the upper bits of its factors.
        ((hash ^ hash >> 29).wrapping_mul(FACTOR) >> 32) as u32
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

/// Fewer than eight bytes, and zeros behind them.
#[inline(never)]
fn short_word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// Keeps the first `length` bytes of a word.
#[inline(always)]
fn mask(length: usize) -> u64 {
    if length < WORD { (1 << (8 * length)) - 1 } else { u64::MAX }
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

/// Whether two words are the same without regard to ASCII case.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && have_same_words(Label::new(one, one.len()), Label::new(other, other.len()), 0)
}

/// Whether two labels of one length are the same from octet `from` on, in one place for all.
#[inline(never)]
pub(crate) fn have_same_words(one: Label<'_>, other: Label<'_>, from: usize) -> bool {
    (from..one.length).step_by(WORD).all(|at| {
        let (one, other) = (one.raw_word(at), other.raw_word(at));
        // Most are in lower case.
        one == other || lower_case(one) == lower_case(other)
    })
}

/// The longest name on the wire in octets (RFC 1035, 2.3.4).
pub(crate) const MAX_NAME: usize = 255;
/// The longest label in octets (RFC 1035, 2.3.4).
pub(crate) const MAX_LABEL: usize = 63;

/// Bits of a slot that are the number of a node. The others are bits of its hash.
const NUMBER_BITS: u32 = 27;
/// Names that a tree can hold. No file of [`MAX_FILE`](crate::MAX_FILE) octets has as many: a label takes two.
const MAX_NODES: usize = 1 << NUMBER_BITS;
/// A free slot: the root is found without one.
const EMPTY: u32 = 0;
/// Slots of a tree without names.
const FIRST_SLOTS: usize = 16;

/// Where a name belongs that is not there.
struct Place {
    slot: u32,
    hash: u32,
}

/// Names as a tree of labels; see the module.
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// Labels behind their lengths, and behind them a word of zeros, so that the first word of each can be read at once.
    labels: Vec<u8>,
    slots: Vec<u32>,
    /// There was no memory for a name.
    is_starved: bool,
}

impl Tree {
    /// The root alone. Where there is no memory even for it, nothing can be added.
    pub(crate) fn new() -> Self {
        let mut tree = Self { nodes: Vec::new(), labels: Vec::new(), slots: Vec::new(), is_starved: false };
        if tree.nodes.try_reserve(1).and(tree.labels.try_reserve(1 + WORD)).is_ok() {
            tree.nodes.push(Node { above: NodeId::ROOT.0, label: 0 });
            tree.labels.resize(1 + WORD, 0);
            tree.arrange(FIRST_SLOTS);
        } else {
            tree.is_starved = true;
        }
        tree
    }

    /// Number of names, the root included.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Octets of all labels with their lengths.
    pub(crate) fn octets(&self) -> usize {
        self.labels.len()
    }

    /// Whether there was no memory for a name.
    pub(crate) fn is_starved(&self) -> bool {
        self.is_starved
    }

    /// Makes room for so many more names, whose labels with their lengths take so many octets, if there is memory for them.
    pub(crate) fn reserve(&mut self, names: usize, octets: usize) {
        // What fails here may be had in smaller pieces.
        let _ = self.nodes.try_reserve_exact(names);
        let _ = self.labels.try_reserve_exact(octets);
        let slots = slots_for(self.nodes.len() + names);
        if slots > self.slots.len() {
            self.arrange(slots);
        }
    }

    /// Gives back what more names would have needed.
    pub(crate) fn shrink(&mut self) {
        let slots = slots_for(self.nodes.len());
        if slots + slots / 8 < self.slots.len() {
            self.arrange(slots);
        }
        trim(&mut self.nodes);
        trim(&mut self.labels);
    }

    /// All names, the root first.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        (0..self.nodes.len() as u32).map(NodeId) // there are fewer than u32::MAX
    }

    /// The name with the number `index`; `None` behind the last.
    pub(crate) fn node(&self, index: usize) -> Option<NodeId> {
        (index < self.nodes.len()).then_some(NodeId(index as u32)) // there are fewer than u32::MAX
    }

    pub(crate) fn parent(&self, node: NodeId) -> NodeId {
        self.nodes.get(node.index()).map_or(NodeId::ROOT, Node::parent)
    }

    /// Labels in the name, the root not counted.
    pub(crate) fn depth(&self, node: NodeId) -> usize {
        self.ancestry(node).count()
    }

    /// Octets of the name on the wire, the root's zero octet included: 1 to 255.
    pub(crate) fn length(&self, node: NodeId) -> usize {
        self.ancestry(node).map(|node| self.wire_label(node).len()).sum::<usize>() + 1
    }

    /// The name on the wire, and zeros behind it, so that each of its words can be read at once.
    /// `None` where there is no memory for it.
    pub(crate) fn wire_name(&self, node: NodeId) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        name.try_reserve_exact(self.length(node) + WORD).ok()?;
        self.ancestry(node).for_each(|node| name.extend_from_slice(self.wire_label(node)));
        name.extend_from_slice(&[0; 1 + WORD]);
        Some(name)
    }

    /// Whether no name is known below this one.
    pub(crate) fn is_leaf(&self, node: NodeId) -> bool {
        self.nodes.get(node.index()).is_none_or(|node| node.above & HAS_CHILDREN == 0)
    }

    /// The node and those above it, the root not among them.
    fn ancestry(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        let below_root = |node: NodeId| (node != NodeId::ROOT).then_some(node);
        iter::successors(below_root(node), move |node| below_root(self.parent(*node)))
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
    #[inline]
    pub(crate) fn child(&self, parent: NodeId, label: Label<'_>) -> Option<NodeId> {
        if self.is_leaf(parent) { None } else { self.locate(parent, label).ok() }
    }

    /// The name made of `label` and `parent`, added if the tree lacks it; `None` if it were longer than a name or
    /// a label may be, or the tree is full, or memory is: then it [is starved](Tree::is_starved).
    pub(crate) fn intern(&mut self, parent: NodeId, label: Label<'_>) -> Option<NodeId> {
        let Place { slot, hash } = match self.locate(parent, label) {
            Ok(node) => return Some(node),
            Err(place) => place,
        };
        if self.is_starved
            || label.length == 0
            || label.length > MAX_LABEL
            || self.length(parent) + 1 + label.length > MAX_NAME
        {
            return None;
        }
        let id = u32::try_from(self.nodes.len()).ok().filter(|_| self.nodes.len() < MAX_NODES)?;
        if self.nodes.len() * 4 >= self.slots.len() * 3 {
            self.arrange((self.slots.len() * 2).max(FIRST_SLOTS));
            self.is_starved |= self.nodes.len() * 4 >= self.slots.len() * 3;
            return if self.is_starved { None } else { self.intern(parent, label) };
        }
        let has_room = self.nodes.try_reserve(1).and(self.labels.try_reserve(1 + MAX_LABEL)).is_ok();
        self.is_starved |= !has_room;
        if !has_room {
            return None;
        }
        let at = self.labels.len() - WORD;
        self.nodes.get_mut(parent.index())?.above |= HAS_CHILDREN;
        self.labels.truncate(at);
        self.labels.push(label.length as u8); // at most MAX_LABEL
        self.labels.extend_from_slice(label.bytes());
        self.labels.extend_from_slice(&[0; WORD]);
        self.nodes.push(Node { above: parent.0, label: at as u32 }); // a label has at most 64 octets, in at most MAX_NODES
        *self.slots.get_mut(slot as usize)? = occupied(id, hash);
        Some(NodeId(id))
    }

    /// The node of `label` under `parent`, or where it belongs.
    #[inline(never)]
    fn locate(&self, parent: NodeId, label: Label<'_>) -> Result<NodeId, Place> {
        let key = label.first_word();
        let hash = label.hash(parent, key);
        let mut slot = first_slot(hash, self.slots.len());
        loop {
            // Ends, because some slots are empty.
            let taken = self.slots.get(slot).copied().unwrap_or(EMPTY);
            if taken == EMPTY {
                return Err(Place { slot: slot as u32, hash });
            }
            // The number of the node, if the slot has the same bits of the hash.
            let id = occupied(taken, hash);
            if id < MAX_NODES as u32 && self.is_at(NodeId(id), key, parent, label) {
                return Ok(NodeId(id));
            }
            slot = if slot + 1 == self.slots.len() { 0 } else { slot + 1 };
        }
    }

    /// Whether `node` is the one of `label` under `parent`.
    #[inline(always)]
    fn is_at(&self, node: NodeId, key: u64, parent: NodeId, label: Label<'_>) -> bool {
        let Some(own) = self.nodes.get(node.index()) else { return false };
        let first = self.labels.get(own.label as usize..).and_then(|rest| rest.first_chunk());
        let Some(&[length, ref word @ ..]): Option<&[u8; 1 + WORD]> = first else { return false };
        if own.parent() != parent || usize::from(length) != label.length {
            return false;
        }
        // Most labels are in lower case, and so short.
        let is_same = u64::from_le_bytes(*word) & mask(label.length) == key;
        let from = if is_same { WORD } else { 0 };
        is_same && label.length <= WORD || self.has_same_words(node, label, from)
    }

    /// Whether the label of `node`, which has the same length as `label`, is the same from octet `from` on.
    #[inline(never)]
    fn has_same_words(&self, node: NodeId, label: Label<'_>, from: usize) -> bool {
        have_same_words(Label { rest: self.label(node), ..label }, label, from)
    }

    /// Makes a table of so many slots, or of as many as there were where memory lacks, or of none where even that does.
    #[inline(never)]
    fn arrange(&mut self, slots: usize) {
        // The old one goes first: there may be no room for both.
        let old = core::mem::take(&mut self.slots).len();
        if let Some(slots) =
            [slots, old].into_iter().find(|&slots| self.slots.try_reserve_exact(slots).is_ok())
        {
            self.slots.resize(slots, EMPTY);
        } else {
            self.is_starved = true;
            return;
        }
        for id in 1..self.nodes.len() as u32 {
            let node = NodeId(id);
            let label = self.label(node);
            if let Err(Place { slot, hash }) = self.locate(self.parent(node), Label::new(label, label.len()))
                && let Some(empty) = self.slots.get_mut(slot as usize)
            {
                *empty = occupied(id, hash);
            }
        }
    }
}

/// Slots of a table for so many names, when no more are to come: four sevenths of them are taken, so that it takes three looks
/// to find that a name is not there.
fn slots_for(names: usize) -> usize {
    (names + names / 4 * 3).max(FIRST_SLOTS)
}

/// Where looking for a hash begins among so many slots: their number times the hash as a fraction of one.
#[inline(always)]
fn first_slot(hash: u32, slots: usize) -> usize {
    ((u64::from(hash) * slots as u64) >> 32) as usize
}

/// A slot that holds the node with this number; the number, of such a slot.
#[inline(always)]
fn occupied(id: u32, hash: u32) -> u32 {
    id ^ hash << NUMBER_BITS
}

/// Gives back the room of a vector that nothing is going to be added to, if it is worth the copying.
#[inline(never)]
pub(crate) fn trim<T>(vector: &mut Vec<T>) {
    let mut less = Vec::new();
    if vector.capacity() - vector.len() > vector.len() / 8 && less.try_reserve_exact(vector.len()).is_ok() {
        less.append(vector);
        *vector = less;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::{format, println};
    use unik_testkit::Random;

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

    /// A label of few letters, so that it comes again, in capitals or not, and often longer than a word.
    fn some_label(random: &mut Random) -> Vec<u8> {
        let length = if random.one_in(4) { 1 + random.below(20) } else { 1 + random.below(3) };
        (0..length).map(|_| b"aAbB@`\0\xff"[random.below(8)]).collect()
    }

    #[test]
    fn a_tree_finds_what_a_sorted_map_finds() {
        let seed = 11;
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut tree = Tree::new();
        let mut map: BTreeMap<(NodeId, Vec<u8>), (NodeId, Vec<u8>)> = BTreeMap::new();
        for round in 0..30_000 {
            let parent = NodeId(random.below(tree.len()) as u32);
            let label = some_label(&mut random);
            let key = (parent, label.to_ascii_lowercase());
            let known = map.get(&key).cloned();
            assert_eq!(tree.child(parent, whole(&label)), known.as_ref().map(|(node, _)| *node));
            let has_room = tree.length(parent) + 1 + label.len() <= MAX_NAME;
            let node = tree.intern(parent, whole(&label));
            assert_eq!(node.is_some(), known.is_some() || has_room);
            let Some(node) = node else { continue };
            let (first, spelling) = map.entry(key).or_insert((node, label));
            assert_eq!((node, tree.label(node)), (*first, spelling.as_slice()));
            assert_eq!((tree.parent(node), tree.depth(node)), (parent, tree.depth(parent) + 1));
            assert!(parent < node && tree.is_within(node, parent));
            if round % 5000 == 2500 {
                tree.shrink();
            } else if round % 5000 == 0 {
                tree.reserve(round, 4 * round);
            }
        }
        assert_eq!(tree.len(), map.len() + 1);
        tree.shrink();
        for ((parent, label), (node, _)) in &map {
            assert_eq!(tree.child(*parent, whole(label)), Some(*node));
        }
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
