//! OpenFlow 1.3 and 1.0: the switch's end of the protocol, for several controllers.
//!
//! A [`Switch`] holds a [`Datapath`] and a connection for each controller. Octets of a connection go in by
//! [`Switch::receive`], and what is to be sent is found by [`Switch::output`]; frames go in by [`Switch::frame`], and go out by the
//! [`Wires`] that are handed in. Time is handed in too.
//!
//! Both versions have one pipeline: matches, actions and ports of 1.0 become those of 1.3 when they are read, and are turned
//! back when they are written. What is asked is answered in the order in which it came, so a barrier has nothing to wait for.
//!
//! ```
//! use unik_sched::time::Instant;
//! use unik_vswitch::{
//!     frame::{Copied, Frame},
//!     openflow::{Description, Switch, Wires},
//!     pipeline::{Datapath, Destination, ports::Port},
//! };
//!
//! struct Nowhere;
//!
//! impl Wires for Nowhere {
//!     fn send(&mut self, _: Destination, _: &dyn Frame) {}
//! }
//!
//! let now = Instant::from_millis(1);
//! let mut switch = Switch::new(Datapath::new(42, 1000).expect("memory"), 1, Description::default());
//! assert!(switch.put_port(Port::new(1, [2, 0, 0, 0, 0, 1], "port1", now)));
//! let controller = switch.connect().expect("room for one more");
//! // Its HELLO and an ECHO_REQUEST; the answers wait behind the switch's own HELLO.
//! let octets = [4, 0, 0, 8, 0, 0, 0, 1, 4, 2, 0, 8, 0, 0, 0, 2];
//! assert_eq!(switch.receive(controller, &octets, now, &mut Nowhere), Ok(16));
//! assert!(switch.output(controller).ends_with(&[4, 3, 0, 8, 0, 0, 0, 2]));
//! // No entry yet: a frame goes nowhere.
//! let mut frame = Copied::default();
//! assert!(frame.fill(&[0; 60]));
//! assert_eq!(switch.frame(1, &mut frame, now, &mut Nowhere), None);
//! ```
//!
//! Invariant: whatever comes from a controller, each of its messages is done, or refused by an ERROR, or ends the connection.

mod actions;
mod bands;
mod buffers;
mod connection;
pub mod error;
mod events;
mod features;
mod handle;
mod legacy;
mod modify;
mod multipart;
mod oxm;
mod packets;
mod ports;
mod wire;

use self::{buffers::Buffers, connection::Connection, error::Refusal, wire::Writer};
use crate::{
    frame::{Frame, parse::Parsed},
    pipeline::{Datapath, Destination, Look, Outside, PacketIn, ports::Port},
};
use alloc::vec::Vec;
use unik_sched::time::Instant;

pub use self::connection::Role;

/// OpenFlow 1.0 on the wire.
pub const V1_0: u8 = 1;
/// OpenFlow 1.3 on the wire.
pub const V1_3: u8 = 4;
/// Controllers at a time.
pub const MOST_CONNECTIONS: usize = 8;

unik_sched::counters! {
    /// What a [`Switch`] counts of its controllers.
    pub struct ControlCounters {
        /// Messages that were read.
        messages,
        /// Messages that were refused.
        refused,
        /// Frames sent to controllers.
        packets_in,
        /// Frames that came from controllers.
        packets_out,
        /// Events that a controller did not get, because it did not read what it was sent before.
        lost,
        /// Connections that were ended because of what came over them.
        broken,
    }
}

/// What says what this switch is.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Who made it.
    pub manufacturer: &'static str,
    /// On what it runs.
    pub hardware: &'static str,
    /// What it is.
    pub software: &'static str,
    /// Which one it is.
    pub serial: &'static str,
    /// Its name.
    pub datapath: &'static str,
}

impl Default for Description {
    fn default() -> Description {
        let software = env!("CARGO_PKG_VERSION");
        Description {
            manufacturer: "unik",
            hardware: "virtio-net",
            software,
            serial: "None",
            datapath: "vswitch",
        }
    }
}

/// Which frames leave by what is done with others, and with messages.
pub trait Wires {
    /// Sends a copy of a frame.
    fn send(&mut self, destination: Destination, frame: &dyn Frame);
}

/// Names a connection of a [`Switch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionId(usize);

/// The connection is to be closed, after what waits was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over;

/// All that is not the data plane.
pub(crate) struct Agent {
    pub(crate) datapath_id: u64,
    pub(crate) description: Description,
    /// The versions that are offered, as bits.
    pub(crate) versions: u32,
    pub(crate) connections: Vec<Option<Connection>>,
    pub(crate) buffers: Buffers,
    /// The frame that controllers are told of, where it takes several buffers or its checksum is not complete.
    pub(crate) whole: Vec<u8>,
    pub(crate) generation: Option<u64>,
    pub(crate) counters: ControlCounters,
    /// The last refusal, and the type of the message that was refused.
    pub(crate) last_refusal: Option<(Refusal, u8)>,
    /// Numbers of messages that answer none.
    xid: u32,
}

/// A data plane with its controllers.
pub struct Switch {
    /// The data plane.
    pub datapath: Datapath,
    pub(crate) agent: Agent,
}

/// The data plane's outside, while a frame is on its way.
pub(crate) struct Around<'a> {
    pub(crate) agent: &'a mut Agent,
    pub(crate) wires: &'a mut dyn Wires,
}

impl Outside for Around<'_> {
    fn send(&mut self, destination: Destination, frame: &dyn Frame) {
        self.wires.send(destination, frame);
    }

    fn packet_in(&mut self, event: &PacketIn<'_>) {
        self.agent.packet_in(event, false);
    }

    fn unmatched(&mut self, event: &PacketIn<'_>) {
        self.agent.packet_in(event, true);
    }
}

impl Switch {
    /// A switch with this identifier.
    pub fn new(datapath: Datapath, datapath_id: u64, description: Description) -> Switch {
        let agent = Agent {
            datapath_id,
            description,
            versions: 1 << V1_0 | 1 << V1_3,
            connections: Vec::new(),
            buffers: Buffers::default(),
            whole: Vec::new(),
            generation: None,
            counters: ControlCounters::new(),
            last_refusal: None,
            xid: 0,
        };
        Switch { datapath, agent }
    }

    /// Offers these versions alone, as bits; of them 1.0 and 1.3 are there.
    pub fn offer(&mut self, versions: u32) {
        self.agent.versions = versions & (1 << V1_0 | 1 << V1_3);
    }

    /// What is counted of the controllers.
    pub fn counters(&self) -> &ControlCounters {
        &self.agent.counters
    }

    /// The last message that was refused: why, and its type.
    pub fn last_refusal(&self) -> Option<(Refusal, u8)> {
        self.agent.last_refusal
    }

    /// Asks a controller whether it is there (ECHO_REQUEST). Any octets that come from it say so.
    pub fn probe(&mut self, id: ConnectionId) {
        let xid = self.agent.next_xid();
        let Some(connection) = self.agent.connection(id).filter(|connection| connection.is_open()) else {
            return;
        };
        if connection.has_room() {
            let version = connection.version;
            Writer::new(&mut connection.output, version, ECHO_REQUEST, xid).finish();
        }
    }

    /// A connection to a controller has been made. `None` if there are too many.
    pub fn connect(&mut self) -> Option<ConnectionId> {
        let connections = &mut self.agent.connections;
        let at = connections.iter().position(Option::is_none).unwrap_or(connections.len());
        if at >= MOST_CONNECTIONS {
            return None;
        }
        if at == connections.len() {
            connections.try_reserve(1).ok()?;
            connections.push(None);
        }
        let mut connection = Connection { miss_send_len: 128, ..Connection::default() };
        self.agent.hello(&mut connection);
        *self.agent.connections.get_mut(at)? = Some(connection);
        Some(ConnectionId(at))
    }

    /// Nothing more comes over a connection: what was asked is answered, but it is told of nothing else.
    pub fn hush(&mut self, id: ConnectionId) {
        if let Some(connection) = self.agent.connection(id) {
            connection.is_hushed = true;
        }
    }

    /// A connection is gone.
    pub fn disconnect(&mut self, id: ConnectionId) {
        if let Some(place) = self.agent.connections.get_mut(id.0) {
            *place = None;
        }
    }

    /// Connections that have agreed on a version: while there is none, nobody programs the switch.
    pub fn controllers(&self) -> usize {
        self.agent.connections.iter().flatten().filter(|connection| connection.is_open()).count()
    }

    /// The role of a connection, and the version that was agreed on.
    pub fn controller(&self, id: ConnectionId) -> Option<(Role, u8)> {
        let connection = self.agent.connections.get(id.0)?.as_ref()?;
        Some((connection.role, connection.version))
    }

    /// What is to be sent over a connection.
    pub fn output(&self, id: ConnectionId) -> &[u8] {
        let connection = self.agent.connections.get(id.0).and_then(Option::as_ref);
        connection.map_or(&[], Connection::waiting)
    }

    /// So many octets of that have been sent. What waited for room goes on; [`Over`] says that the connection is to be closed when
    /// there is nothing more to send.
    ///
    /// # Errors
    /// [`Over`].
    pub fn sent(
        &mut self,
        id: ConnectionId,
        count: usize,
        now: Instant,
        wires: &mut dyn Wires,
    ) -> Result<(), Over> {
        if let Some(Some(connection)) = self.agent.connections.get_mut(id.0) {
            connection.take(count);
        }
        self.work(id, now, wires)
    }

    /// Octets have come over a connection. How many of them were taken: fewer than there are while too much waits to be sent, and
    /// then [`Switch::sent`] comes first.
    ///
    /// # Errors
    /// [`Over`].
    pub fn receive(
        &mut self,
        id: ConnectionId,
        bytes: &[u8],
        now: Instant,
        wires: &mut dyn Wires,
    ) -> Result<usize, Over> {
        let mut taken = 0;
        loop {
            let Some(Some(connection)) = self.agent.connections.get_mut(id.0) else { return Err(Over) };
            let room = wire::LONGEST.saturating_sub(connection.input.len());
            let rest = bytes.get(taken..).unwrap_or_default();
            let part = rest.get(..room).unwrap_or(rest);
            // What waits here would be done at once when there is room.
            if part.is_empty() || connection.is_over || connection.is_busy() {
                break;
            }
            if connection.input.try_reserve(part.len()).is_err() {
                return Err(Over);
            }
            connection.input.extend_from_slice(part);
            taken += part.len();
            self.work(id, now, wires)?;
        }
        let Some(Some(connection)) = self.agent.connections.get(id.0) else { return Err(Over) };
        if connection.is_over { Err(Over) } else { Ok(taken) }
    }

    /// Takes a frame that came in on a port. What it gives back is where the frame itself is to go; all other outputs were copies.
    #[inline]
    pub fn frame<F: Frame>(
        &mut self,
        ingress: u32,
        frame: &mut F,
        now: Instant,
        wires: &mut dyn Wires,
    ) -> Option<Destination> {
        let mut around = Around { agent: &mut self.agent, wires };
        self.datapath.frame(ingress, frame, now, &mut around)
    }

    /// The same for a frame that was [looked up](Datapath::look) before.
    pub(crate) fn proceed(
        &mut self,
        ingress: u32,
        look: &Look,
        parsed: &Parsed,
        frame: &mut dyn Frame,
        now: Instant,
        wires: &mut dyn Wires,
    ) -> Option<Destination> {
        let mut around = Around { agent: &mut self.agent, wires };
        self.datapath.proceed(ingress, look, parsed, frame, now, &mut around)
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Instant) {
        let Switch { datapath, agent } = self;
        datapath.tick(now, &mut |flow, matching, gone| agent.flow_removed(flow, matching, gone, now));
    }

    /// Adds a port, or puts it in place of another one. False without room for it.
    pub fn put_port(&mut self, port: Port) -> bool {
        let is_new = self.datapath.ports.get(port.number).is_none();
        let copy = port.clone();
        let is_there = self.datapath.put_port(port);
        if is_there {
            self.agent.port_status(&copy, if is_new { ADDED } else { MODIFIED });
        }
        is_there
    }

    /// Takes a port away.
    pub fn remove_port(&mut self, number: u32) {
        if let Some(port) = self.datapath.remove_port(number) {
            self.agent.port_status(&port, DELETED);
        }
    }

    /// Says what a port's link, and whoever blocks it, do (OFPPS_).
    pub fn set_port_state(&mut self, number: u32, state: u32) {
        if let Some(port) = self.datapath.set_port_state(number, state) {
            self.agent.port_status(port, MODIFIED);
        }
    }
}

/// OFPPR_.
const ADDED: u8 = 0;
const DELETED: u8 = 1;
const MODIFIED: u8 = 2;
/// Types of messages that both versions number alike.
const ECHO_REQUEST: u8 = 2;
