//! Frames of a hand-made peer, written and read with smoltcp's wire formats.

use std::net::Ipv4Addr;

use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{
        ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv4Packet,
        Icmpv4Repr, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr,
        TcpSeqNumber, UdpPacket, UdpRepr,
    },
};
use unik_net::{Nic, wire::End};
use unik_sched::time::{Duration, Time};

pub(crate) const PEER: [u8; 6] = [2, 0, 0, 0, 0, 0x77];
pub(crate) const STACK: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const BROADCAST: [u8; 6] = [0xff; 6];

/// A peer without a stack: it says exactly what the test says.
pub(crate) struct Peer {
    pub(crate) end: End,
    pub(crate) time: Time,
}

impl Peer {
    pub(crate) fn say(&mut self, frame: &[u8]) {
        let mut buffer = self.end.allocate(frame.len()).expect("there is a buffer");
        buffer.copy_from(frame).expect("the frame fits");
        assert!(self.end.transmit(buffer.into()).is_ok(), "the wire takes the frame");
    }

    /// Waits for what the stack says next, at most for five seconds.
    pub(crate) async fn hear(&mut self) -> Option<Vec<u8>> {
        self.hear_within(Duration::from_secs(5)).await
    }

    pub(crate) async fn hear_within(&mut self, patience: Duration) -> Option<Vec<u8>> {
        let until = self.time.now() + patience;
        loop {
            if let Some(frame) = self.end.receive() {
                return Some(frame.buffer.to_vec());
            }
            if !self.end.arm() {
                let left = until.duration_since(self.time.now());
                self.time.timeout(left, self.end.event().wait()).await.ok()?;
            }
        }
    }
}

pub(crate) fn ethernet(
    source: [u8; 6],
    destination: [u8; 6],
    kind: EthernetProtocol,
    length: usize,
) -> Vec<u8> {
    let mut bytes = vec![0; 14 + length];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    frame.set_src_addr(EthernetAddress(source));
    frame.set_dst_addr(EthernetAddress(destination));
    frame.set_ethertype(kind);
    bytes
}

pub(crate) fn arp(
    operation: ArpOperation,
    sender: (Ipv4Addr, [u8; 6]),
    target: (Ipv4Addr, [u8; 6]),
    to: [u8; 6],
) -> Vec<u8> {
    let repr = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: EthernetAddress(sender.1),
        source_protocol_addr: sender.0,
        target_hardware_addr: EthernetAddress(target.1),
        target_protocol_addr: target.0,
    };
    let mut bytes = ethernet(sender.1, to, EthernetProtocol::Arp, repr.buffer_len());
    repr.emit(&mut ArpPacket::new_unchecked(&mut bytes[14..]));
    bytes
}

/// The ARP packet in a frame: operation, sender, target.
pub(crate) fn read_arp(frame: &[u8]) -> Option<(ArpOperation, Ipv4Addr, Ipv4Addr)> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Arp {
        return None;
    }
    let packet = ArpPacket::new_checked(ethernet.payload()).ok()?;
    match ArpRepr::parse(&packet).ok()? {
        ArpRepr::EthernetIpv4 { operation, source_protocol_addr, target_protocol_addr, .. } => {
            Some((operation, source_protocol_addr, target_protocol_addr))
        }
        _ => None,
    }
}

/// An IPv4 packet in a frame from the peer to the stack.
pub(crate) fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, protocol: IpProtocol, payload: &[u8]) -> Vec<u8> {
    let repr = Ipv4Repr {
        src_addr: source,
        dst_addr: destination,
        next_header: protocol,
        payload_len: payload.len(),
        hop_limit: 64,
    };
    let to = if destination.is_broadcast() { BROADCAST } else { STACK };
    let mut bytes = ethernet(PEER, to, EthernetProtocol::Ipv4, repr.buffer_len() + payload.len());
    let mut packet = Ipv4Packet::new_unchecked(&mut bytes[14..]);
    repr.emit(&mut packet, &ChecksumCapabilities::default());
    packet.payload_mut().copy_from_slice(payload);
    bytes
}

pub(crate) fn ping(source: Ipv4Addr, destination: Ipv4Addr, data: &[u8]) -> Vec<u8> {
    let repr = Icmpv4Repr::EchoRequest { ident: 7, seq_no: 9, data };
    let mut payload = vec![0; repr.buffer_len()];
    repr.emit(&mut Icmpv4Packet::new_unchecked(&mut payload[..]), &ChecksumCapabilities::default());
    ipv4(source, destination, IpProtocol::Icmp, &payload)
}

/// Protocol, sender and payload of the IPv4 packet in a frame.
pub(crate) fn read_ipv4(frame: &[u8]) -> Option<(IpProtocol, Ipv4Addr, Ipv4Addr, Vec<u8>)> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let packet = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
    let repr = Ipv4Repr::parse(&packet, &ChecksumCapabilities::default()).ok()?;
    Some((repr.next_header, repr.src_addr, repr.dst_addr, packet.payload().to_vec()))
}

pub(crate) fn udp(source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16), data: &[u8]) -> Vec<u8> {
    let repr = UdpRepr { src_port: source.1, dst_port: destination.1 };
    let mut payload = vec![0; repr.header_len() + data.len()];
    let (from, to) = (IpAddress::Ipv4(source.0), IpAddress::Ipv4(destination.0));
    repr.emit(
        &mut UdpPacket::new_unchecked(&mut payload[..]),
        &from,
        &to,
        data.len(),
        |bytes| bytes.copy_from_slice(data),
        &ChecksumCapabilities::default(),
    );
    ipv4(source.0, destination.0, IpProtocol::Udp, &payload)
}

/// Ports and data of the UDP datagram in a frame.
pub(crate) fn read_udp(frame: &[u8]) -> Option<(u16, u16, Vec<u8>)> {
    let (protocol, source, destination, payload) = read_ipv4(frame)?;
    if protocol != IpProtocol::Udp {
        return None;
    }
    let packet = UdpPacket::new_checked(&payload[..]).ok()?;
    let (from, to) = (IpAddress::Ipv4(source), IpAddress::Ipv4(destination));
    assert!(packet.verify_checksum(&from, &to), "the checksum is right");
    Some((packet.src_port(), packet.dst_port(), packet.payload().to_vec()))
}

/// A TCP segment without data.
pub(crate) fn tcp(
    source: (Ipv4Addr, u16),
    destination: (Ipv4Addr, u16),
    control: TcpControl,
    sequence: i32,
    acknowledgement: Option<i32>,
) -> Vec<u8> {
    let repr = TcpRepr {
        src_port: source.1,
        dst_port: destination.1,
        control,
        seq_number: TcpSeqNumber(sequence),
        ack_number: acknowledgement.map(TcpSeqNumber),
        window_len: 8192,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let mut payload = vec![0; repr.buffer_len()];
    let (from, to) = (IpAddress::Ipv4(source.0), IpAddress::Ipv4(destination.0));
    repr.emit(&mut TcpPacket::new_unchecked(&mut payload[..]), &from, &to, &ChecksumCapabilities::default());
    ipv4(source.0, destination.0, IpProtocol::Tcp, &payload)
}

/// What a TCP segment says: its flags, sequence and acknowledgement numbers, and the length of its data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) source: u16,
    pub(crate) destination: u16,
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
    pub(crate) sequence: i32,
    pub(crate) acknowledgement: i32,
    pub(crate) length: usize,
}

pub(crate) fn read_tcp(frame: &[u8]) -> Option<Segment> {
    let (protocol, _, _, payload) = read_ipv4(frame)?;
    if protocol != IpProtocol::Tcp {
        return None;
    }
    let packet = TcpPacket::new_checked(&payload[..]).ok()?;
    Some(Segment {
        source: packet.src_port(),
        destination: packet.dst_port(),
        syn: packet.syn(),
        fin: packet.fin(),
        rst: packet.rst(),
        sequence: packet.seq_number().0,
        acknowledgement: packet.ack_number().0,
        length: packet.payload().len(),
    })
}
