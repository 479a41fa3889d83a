//! `cargo unik netstat`: the sockets of an appliance.

use std::net::{IpAddr, SocketAddr};

use serde_json::json;
use unik_monitor::{Address, Protocol, Reply, Request, State};

use crate::error::Result;
use crate::monitor::Connection;
use crate::monitor::tables::{Table, duration, printable};
use crate::monitor::view::View;

/// Shows all sockets.
///
/// # Errors
/// The guest does not tell them, or the output cannot be written.
pub fn run(guest: &mut Connection, view: &mut View<'_>) -> Result<()> {
    let mut table = Table::new(&[
        "PROTO",
        " RECV-Q",
        " SEND-Q",
        "LOCAL",
        "REMOTE",
        "STATE",
        " RTT",
        " RETRANSMITS",
        " AGE",
        "INTERFACE",
    ]);
    let mut rows = Vec::new();
    guest.list(&Request::Sockets, "tell its sockets", &mut |reply| {
        let Reply::Socket(socket) = reply else { return Ok(false) };
        let (protocol, state) = (protocol(socket.protocol), state(socket.state));
        let (local, remote) = (address(socket.local), socket.remote.map(address));
        rows.push(json!({
            "protocol": protocol, "receive_queue": socket.receive_queue, "send_queue": socket.send_queue,
            "local": local, "remote": remote, "state": state, "round_trip": socket.round_trip.map(nanoseconds),
            "retransmits": socket.retransmits, "age": socket.age, "interface": socket.interface,
        }));
        table.row([
            protocol.to_owned(),
            socket.receive_queue.to_string(),
            socket.send_queue.to_string(),
            local,
            remote.unwrap_or_else(|| "-".to_owned()),
            state.to_owned(),
            socket.round_trip.map_or_else(|| "-".to_owned(), |time| duration(nanoseconds(time))),
            socket.retransmits.to_string(),
            duration(socket.age),
            printable(socket.interface),
        ]);
        Ok(true)
    })?;
    view.table(&table, rows)
}

fn nanoseconds(microseconds: u32) -> u64 {
    u64::from(microseconds) * 1000
}

fn address((address, port): (Address, u16)) -> String {
    let address: IpAddr = match address {
        Address::V4(bytes) => bytes.into(),
        Address::V6(bytes) => bytes.into(),
    };
    SocketAddr::from((address, port)).to_string()
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Udp => "udp",
        Protocol::Tcp => "tcp",
    }
}

/// RFC 9293, 3.3.2, in its spelling.
fn state(state: State) -> &'static str {
    match state {
        State::Open => "OPEN",
        State::Closed => "CLOSED",
        State::Listen => "LISTEN",
        State::SynSent => "SYN-SENT",
        State::SynReceived => "SYN-RECEIVED",
        State::Established => "ESTABLISHED",
        State::FinWait1 => "FIN-WAIT-1",
        State::FinWait2 => "FIN-WAIT-2",
        State::CloseWait => "CLOSE-WAIT",
        State::Closing => "CLOSING",
        State::LastAck => "LAST-ACK",
        State::TimeWait => "TIME-WAIT",
    }
}
