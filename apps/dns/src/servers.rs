//! The name servers of a zone and their addresses, written once, because most answers end with them.
//!
//! What [`Servers::of`] writes is what an answer without other hosts would have behind its records; [`Servers::write`] puts it there
//! and sets its compression pointers right. Where anything makes a difference (an answer that names hosts, one about a name
//! server, proofs, a lack of room), the answer is made step by step as ever.

use crate::kind::Kind;
use crate::query::{HEADER, u16_at};
use crate::tree::NodeId;
use crate::writer::{Full, Owner, Writer};
use crate::zone::Zone;
use alloc::vec::Vec;

/// The most octets: what fits beside a small answer in a datagram of 512.
const MOST: usize = 384;
/// The most name servers.
const MOST_SERVERS: usize = 8;
/// The bits of a pointer that are none of its offset (RFC 1035, 4.1.4).
const POINTER: u16 = 0xc000;

/// Authority and additional section of an answer; see the module.
pub(crate) struct Servers {
    octets: Vec<u8>,
    /// Where pointers stand in `octets`, each with what it points to: the name of the zone, or an offset in `octets`.
    pointers: Vec<(u16, Option<u16>)>,
    /// The name servers, as far as the zone knows them.
    hosts: Vec<NodeId>,
    /// Records of each of the two sections.
    pub(crate) records: [u16; 2],
}

impl Servers {
    /// Those of `zone`. `None` where they are too many or too long, or a wildcard stands for one of them, or memory lacks.
    #[inline(never)]
    pub(crate) fn of(zone: &Zone) -> Option<Self> {
        let begun = HEADER + zone.length;
        let mut message = Vec::new();
        message.try_reserve_exact(begun + MOST).ok()?;
        message.resize(begun + MOST, 0);
        let mut writer = Writer::try_new(&mut message, begun, begun + MOST, 0)?;
        writer.known.remember(zone.apex, HEADER);
        let mut servers =
            Self { octets: Vec::new(), pointers: Vec::new(), hosts: Vec::new(), records: [0; 2] };
        let set = zone.set(zone.apex, Kind::NS)?;
        for data in zone.data(set) {
            writer.record(&zone.tree, Owner::Node(zone.apex), set, set.time_to_live, data).ok()?;
            servers.records[0] += 1; // as many fit in MOST
        }
        servers.hosts.try_reserve_exact(MOST_SERVERS).ok()?;
        for host in zone.targets(set) {
            if servers.hosts.len() == MOST_SERVERS || servers.hosts.contains(&host) {
                return None;
            }
            servers.hosts.push(host);
            let Some(node) = zone.host(host) else { continue };
            for set in [Kind::A, Kind::AAAA].into_iter().filter_map(|kind| zone.set(node, kind)) {
                for data in zone.data(set) {
                    writer.record(&zone.tree, Owner::Node(host), set, set.time_to_live, data).ok()?;
                    servers.records[1] += 1; // likewise
                }
            }
            // What a wildcard stands for may be what is asked for, under another name.
            if node != host {
                return None;
            }
        }
        servers.octets.try_reserve_exact(writer.at() - begun).ok()?;
        servers.octets.extend_from_slice(writer.written().get(begun..)?);
        servers.find_pointers(begun as u16)?; // a name and a header
        Some(servers)
    }

    /// Whether `node` is one of the name servers.
    pub(crate) fn has_host(&self, node: NodeId) -> bool {
        self.hosts.contains(&node)
    }

    /// Writes them behind a question that has the name of the zone at `apex`.
    pub(crate) fn write(&self, writer: &mut Writer<'_>, apex: u16) -> Result<(), Full> {
        let start = writer.at();
        writer.bytes(&self.octets)?;
        for &(place, to) in &self.pointers {
            let to = to.map_or(apex, |to| start as u16 + to); // a message has no more octets
            writer.patch(start + usize::from(place), (POINTER | to).to_be_bytes());
        }
        Ok(())
    }

    /// Finds the pointers; what they point to stands in the octets, `begun` before which is the name of the zone.
    fn find_pointers(&mut self, begun: u16) -> Option<()> {
        let mut at = 0;
        while at < self.octets.len() {
            let fixed = self.find_pointer(at, begun)?;
            let data = fixed + 10;
            if u16_at(&self.octets, fixed)? == Kind::NS.code() {
                self.find_pointer(data, begun)?;
            }
            at = data + usize::from(u16_at(&self.octets, fixed + 8)?);
        }
        Some(())
    }

    /// Finds the pointer of the name at `at`, if it has one, and gives the offset behind the name.
    fn find_pointer(&mut self, mut at: usize, begun: u16) -> Option<usize> {
        loop {
            let length = *self.octets.get(at)?;
            if length == 0 {
                return Some(at + 1);
            }
            if length >= 0xc0 {
                let to = u16_at(&self.octets, at)? & !POINTER;
                self.pointers.try_reserve(1).ok()?;
                self.pointers.push((at as u16, to.checked_sub(begun))); // at most MOST
                return Some(at + 2);
            }
            at += 1 + usize::from(length);
        }
    }
}
