//! A network as the channel sees it.
//!
//! [`Watched`] makes a stack known to the channel; it is linked only into images that have both.

use super::looker::nanoseconds;
use crate::net::{self, Capture, Net};
use core::cell::RefCell;
use core::net::{IpAddr, SocketAddr};
use unik_monitor::{Address, Direction, Frame, Protocol, Reply, Socket, State, Visit};
use unik_sched::sync::Event;

/// What the channel asks of a network.
pub(crate) trait Network {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Calls `visit` for each socket from the one at `index` on, until that returns false.
    fn sockets(&self, index: u64, visit: Visit<'_>);

    /// Begins to copy `length` bytes of each frame; `event` is set when there are some. False where that cannot be.
    fn start_capture(&self, length: usize, event: Event) -> bool;

    /// Hands the copied frames out.
    fn frames(&self, visit: Visit<'_>);

    /// Ends that.
    fn stop_capture(&self);
}

/// A stack, and the capture that runs on it.
pub(crate) struct Watched {
    net: Net,
    /// The capture, and how many of its frames were lost and not told of yet.
    capture: RefCell<Option<(Capture, u64)>>,
}

impl Watched {
    pub(crate) fn new(net: &Net) -> Self {
        Self { net: net.clone(), capture: RefCell::new(None) }
    }
}

impl Network for Watched {
    fn name(&self) -> &'static str {
        self.net.name()
    }

    fn sockets(&self, index: u64, visit: Visit<'_>) {
        self.net.sockets(index as usize, &mut |behind, socket| {
            let socket = Socket {
                interface: self.net.name(),
                protocol: protocol_of(socket.protocol),
                state: state_of(socket.state),
                local: address_of(socket.local),
                remote: socket.remote.map(address_of),
                receive_queue: socket.receive_queue as u32,
                send_queue: socket.send_queue as u32,
                round_trip: socket.round_trip.map(|time| time.as_micros() as u32),
                retransmits: socket.retransmits,
                age: nanoseconds(socket.age),
            };
            visit(behind as u64, &Reply::Socket(socket))
        });
    }

    fn start_capture(&self, length: usize, event: Event) -> bool {
        let capture = self.net.capture(length, event);
        let started = capture.is_some();
        *self.capture.borrow_mut() = capture.map(|capture| (capture, 0));
        started
    }

    fn frames(&self, visit: Visit<'_>) {
        let mut capture = self.capture.borrow_mut();
        let Some((capture, lost)) = &mut *capture else { return };
        *lost += capture.take_lost();
        let mut goes_on = true;
        capture.read(&mut |frame| {
            let direction = match frame.direction {
                net::Direction::Received => Direction::Received,
                net::Direction::Sent => Direction::Sent,
            };
            let time = frame.time.as_nanos();
            let frame = Frame { time, direction, length: frame.length as u32, bytes: frame.bytes };
            goes_on = visit(0, &Reply::Frame(frame));
            goes_on
        });
        // Those that are lost are behind all that found room.
        if goes_on && *lost > 0 && visit(0, &Reply::Lost(*lost)) {
            *lost = 0;
        }
    }

    fn stop_capture(&self) {
        *self.capture.borrow_mut() = None;
    }
}

fn protocol_of(protocol: net::Protocol) -> Protocol {
    match protocol {
        net::Protocol::Udp => Protocol::Udp,
        net::Protocol::Tcp => Protocol::Tcp,
    }
}

fn state_of(state: net::SocketState) -> State {
    match state {
        net::SocketState::Open => State::Open,
        net::SocketState::Closed => State::Closed,
        net::SocketState::Listen => State::Listen,
        net::SocketState::SynSent => State::SynSent,
        net::SocketState::SynReceived => State::SynReceived,
        net::SocketState::Established => State::Established,
        net::SocketState::FinWait1 => State::FinWait1,
        net::SocketState::FinWait2 => State::FinWait2,
        net::SocketState::CloseWait => State::CloseWait,
        net::SocketState::Closing => State::Closing,
        net::SocketState::LastAck => State::LastAck,
        net::SocketState::TimeWait => State::TimeWait,
    }
}

fn address_of(address: SocketAddr) -> (Address, u16) {
    let ip = match address.ip() {
        IpAddr::V4(ip) => Address::V4(ip.octets()),
        IpAddr::V6(ip) => Address::V6(ip.octets()),
    };
    (ip, address.port())
}
