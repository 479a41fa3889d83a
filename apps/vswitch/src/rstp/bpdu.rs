//! What bridges say to each other: configuration and topology change BPDUs (IEEE 802.1D-2004, 9.3).

use super::vector::{Times, Vector};
use crate::address::Mac;

/// Where bridges are addressed (IEEE 802.1D-2004, table 7-10).
pub(crate) const BRIDGES: Mac = Mac::new([1, 0x80, 0xc2, 0, 0, 0]);
/// Octets of an Ethernet header, with a length in the place of a type, and of the LLC header behind it.
const ETHERNET: usize = 14;
const LLC: [u8; 3] = [0x42, 0x42, 0x03];
/// Octets of a frame with the longest BPDU, filled up as Ethernet wants it.
pub(crate) const FRAME: usize = 60;
/// Octets of the BPDUs.
const TCN_LENGTH: usize = 4;
const CONFIG_LENGTH: usize = 35;
const RST_LENGTH: usize = 36;
/// Versions and types.
const STP: u8 = 0;
const RSTP: u8 = 2;
const CONFIG_TYPE: u8 = 0;
const RST_TYPE: u8 = 2;
const TCN_TYPE: u8 = 0x80;
/// Flags (9.3.3).
const TOPOLOGY_CHANGE: u8 = 1;
const PROPOSAL: u8 = 1 << 1;
const LEARNING: u8 = 1 << 4;
const FORWARDING: u8 = 1 << 5;
const AGREEMENT: u8 = 1 << 6;
const ACKNOWLEDGMENT: u8 = 1 << 7;
const ROLE_SHIFT: u32 = 2;
/// Times are counted in parts of a second.
const PARTS: u16 = 256;

/// What the sender's port is, as it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sender {
    /// One that is not used, or stands by.
    Alternate,
    /// The way to the root.
    Root,
    /// The one that others reach the root by.
    Designated,
}

/// What a bridge says of the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Config {
    /// It speaks RSTP.
    pub(crate) is_rapid: bool,
    pub(crate) sender: Sender,
    pub(crate) vector: Vector,
    pub(crate) times: Times,
    pub(crate) is_changed: bool,
    pub(crate) is_acknowledged: bool,
    pub(crate) proposes: bool,
    pub(crate) agrees: bool,
    pub(crate) learns: bool,
    pub(crate) forwards: bool,
}

/// A BPDU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bpdu {
    /// The tree, as the sender sees it.
    Config(Config),
    /// Ports of the sender have changed (STP).
    Changed,
}

impl Bpdu {
    /// Reads a frame. `None` if it has no BPDU that is valid (9.3.4).
    pub(crate) fn parse(frame: &[u8]) -> Option<Self> {
        let header = frame.get(..ETHERNET)?;
        let length = usize::from(u16::from_be_bytes([*header.get(12)?, *header.get(13)?]));
        let body = frame.get(ETHERNET..ETHERNET + length)?.strip_prefix(&LLC)?;
        let [0, 0, version, kind, ..] = *body else { return None };
        match kind {
            TCN_TYPE => return Some(Self::Changed),
            CONFIG_TYPE if body.len() >= CONFIG_LENGTH => {}
            RST_TYPE if body.len() >= RST_LENGTH && version >= RSTP => {}
            _ => return None,
        }
        let [flags, rest @ ..] = body.get(TCN_LENGTH..)? else { return None };
        let root = u64::from_be_bytes(*rest.first_chunk()?);
        let cost = u32::from_be_bytes(*rest.get(8..)?.first_chunk()?);
        let bridge = u64::from_be_bytes(*rest.get(12..)?.first_chunk()?);
        let port = u16::from_be_bytes(*rest.get(20..)?.first_chunk()?);
        let time = |at| Some(u16::from_be_bytes(*rest.get(at..)?.first_chunk()?));
        let seconds = |at| Some((time(at)? / PARTS) as u8);
        // The age is rounded up, so that what is too old for its sender is so here.
        let age = (time(22)?.saturating_add(PARTS - 1) / PARTS) as u8;
        let times = Times { age, max_age: seconds(24)?, hello: seconds(26)?, delay: seconds(28)? };
        if times.age >= times.max_age {
            return None;
        }
        let is_rapid = kind == RST_TYPE;
        let sender = match (is_rapid, flags >> ROLE_SHIFT & 3) {
            (true, 1) => Sender::Alternate,
            (true, 2) => Sender::Root,
            _ => Sender::Designated,
        };
        let has = |flag: u8| flags & flag != 0;
        Some(Self::Config(Config {
            is_rapid,
            sender,
            vector: Vector { root, cost, bridge, port },
            times,
            is_changed: has(TOPOLOGY_CHANGE),
            is_acknowledged: !is_rapid && has(ACKNOWLEDGMENT),
            proposes: is_rapid && has(PROPOSAL),
            agrees: is_rapid && has(AGREEMENT),
            learns: is_rapid && has(LEARNING),
            forwards: is_rapid && has(FORWARDING),
        }))
    }

    /// Writes a frame from this address.
    pub(crate) fn write(&self, source: Mac, frame: &mut [u8; FRAME]) {
        let mut body = [0; RST_LENGTH];
        let length = match self {
            Self::Changed => {
                body[3] = TCN_TYPE;
                TCN_LENGTH
            }
            Self::Config(config) => config.write(&mut body),
        };
        *frame = [0; FRAME];
        let size = (LLC.len() + length) as u16; // at most 39
        let parts: [&[u8]; 5] = [
            &BRIDGES.octets(),
            &source.octets(),
            &size.to_be_bytes(),
            &LLC,
            body.get(..length).unwrap_or_default(),
        ];
        let octets = parts.into_iter().flatten();
        frame.iter_mut().zip(octets).for_each(|(place, octet)| *place = *octet);
    }
}

impl Config {
    fn write(&self, body: &mut [u8; RST_LENGTH]) -> usize {
        let role = match self.sender {
            Sender::Alternate => 1,
            Sender::Root => 2,
            Sender::Designated => 3,
        };
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let flags = flag(self.is_changed, TOPOLOGY_CHANGE) | flag(self.is_acknowledged, ACKNOWLEDGMENT);
        let rapid = flag(self.proposes, PROPOSAL)
            | flag(self.learns, LEARNING)
            | flag(self.forwards, FORWARDING)
            | flag(self.agrees, AGREEMENT)
            | role << ROLE_SHIFT;
        let (version, kind, flags) = match self.is_rapid {
            true => (RSTP, RST_TYPE, flags | rapid),
            false => (STP, CONFIG_TYPE, flags),
        };
        let Vector { root, cost, bridge, port } = self.vector;
        let Times { age, max_age, hello, delay } = self.times;
        let head = [0, 0, version, kind, flags];
        let [root, cost, bridge] = [root.to_be_bytes(), u64::from(cost).to_be_bytes(), bridge.to_be_bytes()];
        let cost = cost.last_chunk::<4>().copied().unwrap_or_default();
        // Whole seconds stand in the upper octet of a time.
        let tail = [age, 0, max_age, 0, hello, 0, delay, 0];
        let parts: [&[u8]; 6] = [&head, &root, &cost, &bridge, &port.to_be_bytes(), &tail];
        body.iter_mut().zip(parts.into_iter().flatten()).for_each(|(place, octet)| *place = *octet);
        if self.is_rapid { RST_LENGTH } else { CONFIG_LENGTH }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            is_rapid: true,
            sender: Sender::Root,
            vector: Vector {
                root: 0x1000_0200_0000_0001,
                cost: 20_000,
                bridge: 0x8000_0200_0000_0002,
                port: 0x8003,
            },
            times: Times { age: 1, max_age: 20, hello: 2, delay: 15 },
            is_changed: true,
            is_acknowledged: false,
            proposes: false,
            agrees: true,
            learns: true,
            forwards: true,
        }
    }

    #[test]
    fn a_bpdu_is_read_as_it_was_written() {
        let mut frame = [0; FRAME];
        let source = Mac::new([2, 0, 0, 0, 0, 9]);
        let stp = Config {
            is_rapid: false,
            sender: Sender::Designated,
            agrees: false,
            learns: false,
            forwards: false,
            ..config()
        };
        for bpdu in [Bpdu::Config(config()), Bpdu::Config(stp), Bpdu::Changed] {
            bpdu.write(source, &mut frame);
            assert_eq!(Bpdu::parse(&frame), Some(bpdu));
        }
        // IEEE 802.1D-2004, figure 9-3: as others write it
        Bpdu::Config(config()).write(source, &mut frame);
        assert_eq!(
            frame[..22],
            [1, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 9, 0, 39, 0x42, 0x42, 3, 0, 0, 2, 2, 0x79]
        );
        assert_eq!(frame[44..53], [1, 0, 20, 0, 2, 0, 15, 0, 0]);
    }

    #[test]
    fn what_is_no_bpdu_is_none() {
        let mut frame = [0; FRAME];
        Bpdu::Config(config()).write(Mac::default(), &mut frame);
        for length in 0..ETHERNET + LLC.len() + RST_LENGTH {
            assert_eq!(Bpdu::parse(&frame[..length]), None);
        }
        // Each octet of the headers with another value, but for addresses.
        for (index, value) in [(13, 38), (14, 0), (17, 1), (19, 1), (20, 1)] {
            let mut broken = frame;
            broken[index] = value;
            assert_eq!(Bpdu::parse(&broken), None, "{index}");
        }
        let mut old = frame;
        old[44] = 20;
        assert_eq!(Bpdu::parse(&old), None, "it is too old");
    }
}
