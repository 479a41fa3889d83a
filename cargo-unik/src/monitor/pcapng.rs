//! The file format of captures: pcapng (draft-ietf-opsawg-pcapng), as far as one network card of one guest needs it.
//!
//! A file is one section with one interface, whose times are nanoseconds. Each function gives the bytes of its blocks; the writer's
//! byte order is little-endian, which the first block tells.

use unik_monitor::Direction;

/// draft-ietf-opsawg-pcapng, 4.1 to 4.6.
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
/// The byte order of a section, as it reads in it (4.1).
const MAGIC: u32 = 0x1a2b_3c4d;
/// LINKTYPE_ETHERNET (draft-ietf-opsawg-pcaplinktype).
const ETHERNET: u16 = 1;
/// Ten to the minus ninth of a second (4.2, if_tsresol).
const NANOSECONDS: u8 = 9;

/// The beginning of a file: the program that writes it, the name of the network card, and the most bytes of a frame.
pub fn begin(program: &str, interface: &str, length: u16) -> Vec<u8> {
    let mut section = Block::new(SECTION);
    section.word(MAGIC);
    section.half(1);
    section.half(0);
    // The section's length is not known yet.
    section.long(u64::MAX);
    section.option(4, program.as_bytes());
    let mut description = Block::new(INTERFACE);
    description.half(ETHERNET);
    description.half(0);
    description.word(length.into());
    description.option(2, interface.as_bytes());
    description.option(9, &[NANOSECONDS]);
    [section.end(), description.end()].concat()
}

/// A frame: its date in nanoseconds since the Unix epoch, its length on the wire, its first bytes, and how many were lost before it.
pub fn packet(date: u64, direction: Direction, length: u32, bytes: &[u8], lost: u64) -> Vec<u8> {
    let captured = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut packet = Block::new(PACKET);
    packet.word(0);
    packet.date(date);
    packet.word(captured);
    packet.word(length.max(captured));
    packet.padded(bytes);
    // 4.3.1: the lowest two bits of the flags are the direction, inbound or outbound.
    let flags: u32 = match direction {
        Direction::Received => 1,
        Direction::Sent => 2,
    };
    packet.option(2, &flags.to_le_bytes());
    if lost > 0 {
        packet.option(4, &lost.to_le_bytes());
    }
    packet.end()
}

/// The end of a file: how many frames passed the card, and how many of them are missing here.
pub fn end(date: u64, received: u64, lost: u64) -> Vec<u8> {
    let mut statistics = Block::new(STATISTICS);
    statistics.word(0);
    statistics.date(date);
    statistics.option(4, &received.to_le_bytes());
    statistics.option(5, &lost.to_le_bytes());
    statistics.end()
}

/// One block (3.1): type, length, body, options, and the length again.
struct Block {
    bytes: Vec<u8>,
    options: bool,
}

impl Block {
    fn new(kind: u32) -> Block {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend([0; 4]);
        Block { bytes, options: false }
    }

    fn half(&mut self, value: u16) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn word(&mut self, value: u32) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn long(&mut self, value: u64) {
        self.bytes.extend(value.to_le_bytes());
    }

    /// The upper half comes first, whatever the byte order (4.3).
    fn date(&mut self, date: u64) {
        self.word((date >> 32) as u32);
        self.word(date as u32);
    }

    /// Everything begins at a multiple of four bytes.
    fn padded(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// An option (3.5): code, length, value. One that is too long to be told is cut.
    fn option(&mut self, code: u16, value: &[u8]) {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.half(code);
        self.half(length);
        self.padded(&value[..length.into()]);
        self.options = true;
    }

    fn end(mut self) -> Vec<u8> {
        if self.options {
            // opt_endofopt
            self.word(0);
        }
        let length = u32::try_from(self.bytes.len() + 4).unwrap_or(u32::MAX);
        self.bytes[4..8].copy_from_slice(&length.to_le_bytes());
        self.word(length);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
    use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
    use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;
    use pcap_file::pcapng::{Block, PcapNgReader};

    #[test]
    fn another_reader_finds_what_was_written() {
        let date = 1_798_761_599_123_456_789;
        let frames: [&[u8]; 4] = [b"", b"1", b"1234", b"12345"];
        let mut file = begin("unik", "net0", 1536);
        for (index, frame) in frames.iter().enumerate() {
            let direction = if index == 0 { Direction::Received } else { Direction::Sent };
            file.extend(packet(date + index as u64, direction, 9000, frame, index as u64));
        }
        file.extend(end(date + 4, 10, 6));
        let mut reader = PcapNgReader::new(&file[..]).unwrap();
        let mut found = 0;
        let mut statistics = false;
        while let Some(block) = reader.next_block() {
            match block.unwrap() {
                Block::InterfaceDescription(card) => {
                    assert_eq!(card.snaplen, 1536);
                    assert!(card.options.contains(&InterfaceDescriptionOption::IfName("net0".into())));
                    assert!(card.options.contains(&InterfaceDescriptionOption::IfTsResol(9)));
                }
                Block::EnhancedPacket(packet) => {
                    assert_eq!(packet.timestamp.as_nanos(), u128::from(date) + found as u128);
                    assert_eq!((packet.data.as_ref(), packet.original_len), (frames[found], 9000));
                    let direction = if found == 0 { 1 } else { 2 };
                    assert!(packet.options.contains(&EnhancedPacketOption::Flags(direction)));
                    let lost = EnhancedPacketOption::DropCount(found as u64);
                    assert_eq!(packet.options.contains(&lost), found > 0);
                    found += 1;
                }
                Block::InterfaceStatistics(block) => {
                    assert!(block.options.contains(&InterfaceStatisticsOption::IsbIfRecv(10)));
                    assert!(block.options.contains(&InterfaceStatisticsOption::IsbIfDrop(6)));
                    statistics = true;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((found, statistics), (4, true));
    }
}
