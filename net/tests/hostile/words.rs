//! What the peers of a stack say: frames as an input gives them, set right where it asks for that, and whole ones.

use std::net::Ipv4Addr;

use super::card::STACK;

pub(crate) const PEER: [u8; 6] = [2, 0, 0, 0, 0, 0x77];
pub(crate) const LEFT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

/// The sum of RFC 1071: 0 over anything that carries its right checksum.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let pair = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u32 = bytes.chunks(2).map(pair).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// What the checksums of TCP and UDP cover: the packet in a frame behind its pseudo header.
pub(crate) fn summed(frame: &[u8], header: usize) -> Vec<u8> {
    let payload = &frame[14 + header..];
    let mut bytes = frame[26..34].to_vec();
    bytes.extend([0, frame[23]]);
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Sets the lengths and checksums of a frame right, and addresses it to the stack, as far as it is long enough.
pub(crate) fn repair(frame: &mut [u8]) {
    if frame.len() < 34 {
        return;
    }
    if frame[0] & 1 == 0 {
        frame[..6].copy_from_slice(&STACK);
    }
    if [frame[12], frame[13]] == [0x86, 0xdd] {
        return repair_six(frame);
    }
    let header = usize::from(frame[14] & 0xf) * 4;
    if [frame[12], frame[13]] != [8, 0] || header < 20 || frame.len() < 14 + header {
        return;
    }
    let length = frame.len() - 14;
    frame[16..18].copy_from_slice(&(length as u16).to_be_bytes());
    frame[24..26].fill(0);
    let sum = checksum(&frame[14..14 + header]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    let (at, payload) = (14 + header, length - header);
    let field = match frame[23] {
        ICMP if payload >= 8 => at + 2,
        TCP if payload >= 20 => at + 16,
        UDP if payload >= 8 => {
            frame[at + 4..at + 6].copy_from_slice(&(payload as u16).to_be_bytes());
            at + 6
        }
        _ => return,
    };
    frame[field..field + 2].fill(0);
    let sum = if frame[23] == ICMP { checksum(&frame[at..]) } else { checksum(&summed(frame, header)) };
    frame[field..field + 2].copy_from_slice(&sum.to_be_bytes());
}

/// The same for a packet of IPv6.
fn repair_six(frame: &mut [u8]) {
    let Some(payload) = frame.len().checked_sub(54) else { return };
    let length = (payload as u16).to_be_bytes();
    frame[14] = 0x60 | frame[14] & 0xf;
    frame[18..20].copy_from_slice(&length);
    let field = match frame[20] {
        58 if payload >= 4 => 56,
        TCP if payload >= 20 => 70,
        UDP if payload >= 8 => {
            frame[58..60].copy_from_slice(&length);
            60
        }
        _ => return,
    };
    frame[field..field + 2].fill(0);
    let mut covered = frame[22..].to_vec();
    // A last odd byte is half of a number.
    covered.resize(covered.len().next_multiple_of(2), 0);
    covered.extend([0, 0, length[0], length[1], 0, 0, 0, frame[20]]);
    let sum = checksum(&covered);
    frame[field..field + 2].copy_from_slice(&sum.to_be_bytes());
}

/// A packet for the stack.
pub(crate) fn packet(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = if destination.is_broadcast() { [0xff; 6] } else { STACK }.to_vec();
    frame.extend(PEER);
    frame.extend([8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0]);
    frame.extend(source.octets());
    frame.extend(destination.octets());
    frame.extend(payload);
    repair(&mut frame);
    frame
}

pub(crate) fn datagram(source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16), data: &[u8]) -> Vec<u8> {
    let mut bytes = [source.1, destination.1, 0, 0].map(u16::to_be_bytes).concat();
    bytes.extend(data);
    packet(source.0, destination.0, UDP, &bytes)
}

pub(crate) fn ping(destination: Ipv4Addr, source: Ipv4Addr, length: usize) -> Vec<u8> {
    let mut bytes = vec![8, 0, 0, 0, 0, 7, 0, 9];
    bytes.resize(8 + length, 0x5a);
    packet(source, destination, ICMP, &bytes)
}

/// A packet of ARP (RFC 826).
pub(crate) fn arp(operation: u8, hardware: [u8; 6], source: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut frame = if operation == 1 { [0xff; 6] } else { STACK }.to_vec();
    frame.extend(PEER);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(hardware);
    frame.extend(source.octets());
    frame.extend(STACK);
    frame.extend(target.octets());
    frame
}

/// A message of a DHCP server (RFC 2131, 2) of this kind, about this address.
pub(crate) fn lease(
    kind: u8,
    transaction: [u8; 4],
    address: [u8; 4],
    mask: [u8; 4],
    seconds: u32,
) -> Vec<u8> {
    let mut bytes = vec![2, 1, 6, 0];
    bytes.extend(transaction);
    bytes.extend([0; 8]);
    bytes.extend(address);
    bytes.extend([0; 8]);
    bytes.extend(STACK);
    bytes.resize(236, 0);
    // RFC 2132: the cookie, the kind, the server, the mask, the router, the time, the end.
    bytes.extend([99, 130, 83, 99, 53, 1, kind, 54, 4]);
    bytes.extend(RIGHT.octets());
    bytes.extend([1, 4]);
    bytes.extend(mask);
    bytes.extend([3, 4]);
    bytes.extend(RIGHT.octets());
    bytes.extend([51, 4]);
    bytes.extend(seconds.to_be_bytes());
    bytes.push(255);
    bytes
}
