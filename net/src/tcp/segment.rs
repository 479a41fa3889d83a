//! Segments that the stack sends by itself, without a socket.

use smoltcp::{
    phy::{ChecksumCapabilities, Device, TxToken},
    wire::{
        EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr,
        TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
    },
};

use crate::{link::ETHERNET_HEADER, stack::Stack, tcp::time_wait::Waiting};

/// Bytes of an IPv4 and of a TCP header without options.
const HEADERS: usize = 20 + 20;

/// How many routers a packet may pass.
const HOP_LIMIT: u8 = 64;

/// The window that is offered: the peer has sent all it had.
const WINDOW: u16 = 0;

impl Stack {
    /// Acknowledges once more all that came from the peer of a connection that only waits (RFC 9293, 3.10.7.4).
    pub(crate) fn acknowledge(&mut self, waiting: &Waiting) {
        let (peer, local) = (waiting.flow.peer(), waiting.flow.local());
        let Some(hardware_address) = self.link.sender() else { return };
        let tcp = TcpRepr {
            src_port: local.port(),
            dst_port: peer.port(),
            control: TcpControl::None,
            seq_number: TcpSeqNumber(waiting.sequence.cast_signed()),
            ack_number: Some(TcpSeqNumber(waiting.acknowledgement.cast_signed())),
            window_len: WINDOW,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        let ip = Ipv4Repr {
            src_addr: *local.ip(),
            dst_addr: *peer.ip(),
            next_header: IpProtocol::Tcp,
            payload_len: tcp.buffer_len(),
            hop_limit: HOP_LIMIT,
        };
        let (checksums, source) = (ChecksumCapabilities::ignored(), self.hardware_address);
        let Some(slot) = self.link.transmit(smoltcp::time::Instant::ZERO) else { return };
        slot.consume(ETHERNET_HEADER + HEADERS, |bytes| {
            let mut frame = EthernetFrame::new_unchecked(bytes);
            frame.set_src_addr(EthernetAddress(source));
            frame.set_dst_addr(EthernetAddress(hardware_address));
            frame.set_ethertype(EthernetProtocol::Ipv4);
            let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
            ip.emit(&mut packet, &checksums);
            let mut segment = TcpPacket::new_unchecked(packet.payload_mut());
            tcp.emit(&mut segment, &IpAddress::Ipv4(ip.src_addr), &IpAddress::Ipv4(ip.dst_addr), &checksums);
        });
    }
}
