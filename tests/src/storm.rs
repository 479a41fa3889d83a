//! Frames that nobody should send: noise, wrong lengths, pieces that overlap, senders that cannot be, answers to no
//! question, in any order, the same for each seed.

use crate::wire::{IPV4, ITS_ADDRESS, OUR_ADDRESS, checksum, ethernet};

const ARP: u16 = 0x0806;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The most bytes of a frame.
const LONGEST: usize = 1514;

/// Frames for one port of a guest, without end.
#[derive(Debug)]
pub struct Storm {
    hardware: [u8; 6],
    port: u16,
    state: u64,
}

impl Storm {
    /// Frames for the guest with this hardware address, most of them about `port`.
    pub fn new(hardware: [u8; 6], port: u16, seed: u64) -> Storm {
        Storm { hardware, port, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// A number below `limit` (xorshift64*).
    fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let high = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap_or(0) % limit
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }

    fn noise(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }

    /// A packet from `source` with a right checksum, whose flags and offset are `fragment`.
    fn packet(&mut self, source: [u8; 4], protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = ethernet(self.hardware, IPV4);
        let length = (20 + payload.len()) as u16;
        frame.extend([0x45, 0]);
        frame.extend([length, 7, fragment].map(u16::to_be_bytes).concat());
        frame.extend([64, protocol, 0, 0]);
        frame.extend(source);
        frame.extend(ITS_ADDRESS);
        let sum = checksum(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        frame.extend(payload);
        frame
    }

    /// A datagram without a checksum; its length is right most of the time.
    fn datagram(&mut self) -> Vec<u8> {
        let length = self.below(120);
        let mut bytes = [4000 + self.below(9) as u16, self.port].map(u16::to_be_bytes).concat();
        let said = if self.below(4) == 0 { self.below(65_536) } else { 8 + length };
        bytes.extend((said as u16).to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(self.noise(length));
        bytes
    }

    /// A segment with a right checksum, and any flags, numbers and options.
    fn segment(&mut self, source: [u8; 4]) -> Vec<u8> {
        let words = self.below(11);
        let mut bytes = [3000 + self.below(2000) as u16, self.port].map(u16::to_be_bytes).concat();
        bytes.extend(self.noise(8));
        // Half of them ask for a connection.
        let flags = if self.below(2) == 0 { 2 } else { self.byte() };
        bytes.extend([(5 + words) as u8 * 16, flags]);
        bytes.extend(self.noise(2));
        bytes.extend([0; 4]);
        let (options, rest) = (words * 4, self.below(40));
        bytes.extend(self.noise(options + rest));
        let mut summed = [source, ITS_ADDRESS].concat();
        summed.extend([0, TCP]);
        summed.extend((bytes.len() as u16).to_be_bytes());
        summed.extend(&bytes);
        bytes[16..18].copy_from_slice(&checksum(&summed).to_be_bytes());
        bytes
    }

    fn message(&mut self) -> Vec<u8> {
        let length = 6 + self.below(80);
        let mut bytes = vec![self.below(20) as u8, self.below(4) as u8, 0, 0];
        bytes.extend(self.noise(length));
        let sum = checksum(&bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// Address resolution: from anybody, about anybody, or with our claim to the guest's address.
    fn resolution(&mut self) -> Vec<u8> {
        let mut frame = ethernet(self.hardware, ARP);
        frame.extend([0, 1, 8, 0, 6, 4, 0, 1 + self.below(3) as u8]);
        frame.extend([2, 0, 0, 0, 0, self.byte()]);
        // Where the test itself is, is not what this is about.
        let host = 20 + self.below(236) as u8;
        let addresses = [ITS_ADDRESS, [10, 0, 2, host], [10, 0, 2, host], [127, 0, 0, 1]];
        frame.extend(addresses[self.below(4)]);
        frame.extend([0; 6]);
        frame.extend([ITS_ADDRESS, ITS_ADDRESS, OUR_ADDRESS][self.below(3)]);
        frame
    }
}

impl Iterator for Storm {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        const MARTIANS: [[u8; 4]; 6] =
            [[0; 4], [127, 0, 0, 1], [224, 0, 0, 1], [255; 4], [10, 0, 2, 255], ITS_ADDRESS];
        let neighbor = [10, 0, 2, 20 + self.below(200) as u8];
        let mut frame = match self.below(10) {
            0 => {
                let length = 1 + self.below(LONGEST);
                self.noise(length)
            }
            1 => {
                let length = self.below(600);
                let kind = if self.below(2) == 0 { IPV4 } else { ARP };
                [ethernet(self.hardware, kind), self.noise(length)].concat()
            }
            2 => {
                // Pieces of all sizes, one over the other.
                let fragment = [0x2000, self.below(20) as u16, 0x2000 + self.below(30) as u16, 0x1fff];
                let (datagram, fragment) = (self.datagram(), fragment[self.below(4)]);
                self.packet(OUR_ADDRESS, UDP, fragment, &datagram)
            }
            3 | 4 => {
                let datagram = self.datagram();
                self.packet(neighbor, UDP, 0, &datagram)
            }
            5 | 6 => {
                let segment = self.segment(neighbor);
                self.packet(neighbor, TCP, 0, &segment)
            }
            7 => {
                let message = self.message();
                self.packet(OUR_ADDRESS, ICMP, 0, &message)
            }
            8 => self.resolution(),
            _ => {
                let source = MARTIANS[self.below(MARTIANS.len())];
                let segment = self.segment(source);
                self.packet(source, TCP, 0, &segment)
            }
        };
        if self.below(4) == 0 {
            for _ in 0..1 + self.below(3) {
                let at = self.below(frame.len());
                frame[at] = self.byte();
            }
        }
        if self.below(8) == 0 {
            frame.truncate(1 + self.below(frame.len()));
        }
        frame.truncate(LONGEST);
        Some(frame)
    }
}
