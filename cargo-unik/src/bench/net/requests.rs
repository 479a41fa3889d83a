//! Rows about small requests: what one costs the image in instructions, and how many a second both sides answer.

use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use unik_monitor::Reply;

use super::Field;
use super::client::{self, Until};
use super::side::{ECHO, ECHO_IN_PLACE, Role, Server, Side, Start};
use super::statistics::Comparison;
use crate::error::{Error, Result};
use crate::monitor::Connection;

/// Bytes of a datagram.
const DATAGRAM: usize = 64;
/// Bytes of a request over a connection, and of its answer.
const REQUEST: usize = 100;
/// Datagrams that are under way at the same time, in the second row.
const WINDOW: usize = 16;
/// Requests before the first that counts, and those that count.
const WARM: u64 = 100;
const COUNTED: u64 = 1000;
/// Connections that are open and idle in the row about them.
const IDLE: usize = 1000;
/// How long a datagram is waited for before it is repeated, against the clock and against instructions.
const REPEAT: Duration = Duration::from_millis(200);
const REPEAT_COUNTED: Duration = Duration::from_secs(3);
/// The task of the image that tells what tasks took: it is not counted.
const TELLER: &str = "monitor";

/// Datagrams that come back.
pub(super) fn datagrams(field: &Field) -> Result<()> {
    for (what, port) in [("UDP echo, 64 bytes", ECHO), ("UDP echo, 64 bytes, in place", ECHO_IN_PLACE)] {
        let cost = field.instructions(&|server| {
            let address = server.port(port);
            Ok(Box::new(move |count| {
                client::datagrams(address, DATAGRAM, 1, Until::Count(count), REPEAT_COUNTED).map(drop)
            }))
        })?;
        field.count(what, cost);
    }
    let mut servers = field.start_all(Role::Echo)?;
    for window in [1, WINDOW] {
        let title = format!("UDP echo, 64 bytes, {window} at a time (1/s)");
        let mut comparison = Comparison::new(title, &field.guests.sides());
        let mut repeated = 0;
        field.alternate(&mut servers, &mut comparison, &mut |server, time| {
            let done = client::datagrams(server.port(ECHO), DATAGRAM, window, Until::Passed(time), REPEAT)?;
            repeated += done.repeated;
            Ok(done.rate())
        });
        field.verdict.show(&comparison);
        if repeated > 0 {
            println!("  {repeated} datagrams were repeated");
        }
    }
    Ok(())
}

/// Requests over a connection that is kept.
pub(super) fn kept(field: &Field) -> Result<()> {
    let cost = field.instructions(&|server| requests_beside(server, Vec::new()))?;
    field.count("TCP request of 100 bytes, connection kept", cost);
    let mut servers = field.start_all(Role::Echo)?;
    let title = "TCP requests of 100 bytes, connection kept (1/s)";
    let mut comparison = Comparison::new(title, &field.guests.sides());
    field.alternate(&mut servers, &mut comparison, &mut |server, time| {
        let mut stream = client::connect(server.port(ECHO))?;
        Ok(client::requests(&mut stream, REQUEST, Until::Passed(time))?.rate())
    });
    field.verdict.show(&comparison);
    Ok(())
}

/// The same with many idle connections beside it.
pub(super) fn idle(field: &Field) -> Result<()> {
    let opened = std::cell::Cell::new(0);
    let crowded = field.instructions(&|server| {
        let streams = open(server, IDLE - 1);
        opened.set(streams.len() + 1);
        requests_beside(server, streams)
    })?;
    let alone = field.instructions(&|server| requests_beside(server, Vec::new()))?;
    let opened = opened.get();
    field.count(&format!("TCP request, {opened} of {IDLE} connections open"), crowded);
    field.count("TCP request, 1 connection open", alone);
    println!("  ratio {:.2}", crowded as f64 / alone.max(1) as f64);
    let mut servers = field.start_all(Role::Echo)?;
    let title = format!("TCP requests, up to {IDLE} connections open (1/s)");
    let mut comparison = Comparison::new(title, &field.guests.sides());
    let mut crowds: Vec<(Side, Vec<TcpStream>)> =
        servers.iter().map(|server| (server.side, open(server, IDLE))).collect();
    field.alternate(&mut servers, &mut comparison, &mut |server, time| {
        let crowd = crowds.iter_mut().find(|(side, _)| *side == server.side);
        let stream = crowd.and_then(|(_, streams)| streams.last_mut());
        let stream = stream.ok_or_else(|| Error::failed("no connection was accepted"))?;
        Ok(client::requests(stream, REQUEST, Until::Passed(time))?.rate())
    });
    field.verdict.show(&comparison);
    for (side, streams) in &crowds {
        println!("  {side}: {} of {IDLE} connections open", streams.len());
    }
    Ok(())
}

/// Opens connections until one is not answered.
fn open(server: &Server, count: usize) -> Vec<TcpStream> {
    let connected = || {
        let mut stream = client::connect(server.port(ECHO)).ok()?;
        client::requests(&mut stream, REQUEST, Until::Count(1)).ok()?;
        Some(stream)
    };
    (0..count).map_while(|_| connected()).collect()
}

/// Requests over a connection of its own, beside those that are open.
fn requests_beside(server: &Server, open: Vec<TcpStream>) -> Result<Asking> {
    let mut stream = client::connect(server.port(ECHO))?;
    Ok(Box::new(move |count| {
        // They live as long as this.
        let _ = &open;
        client::requests(&mut stream, REQUEST, Until::Count(count)).map(drop)
    }))
}

/// Makes so many requests.
type Asking = Box<dyn FnMut(u64) -> Result<()>>;

impl Field {
    /// The instructions of one request, as the middle of a few measurements. `prepare` says how an image is asked.
    fn instructions(&self, prepare: &dyn Fn(&Server) -> Result<Asking>) -> Result<u64> {
        let mut costs = Vec::new();
        for _ in 0..if self.quick { 1 } else { 3 } {
            let start = Start { counted: true, ..Start::default() };
            let mut server = self.guests.start(Side::Unik, Role::Echo, &start)?;
            let counted = || {
                let mut ask = prepare(&server)?;
                ask(WARM)?;
                let before = spent(&server.monitor)?;
                ask(COUNTED)?;
                Ok(spent(&server.monitor)?.saturating_sub(before) / COUNTED)
            };
            let cost: Result<u64> = counted();
            costs.push(cost.map_err(|error| server.report(&error))?);
        }
        costs.sort_unstable();
        Ok(costs.get(costs.len() / 2).copied().unwrap_or_default())
    }

    /// Tells instructions, and keeps them for the snapshot.
    fn count(&self, what: &str, instructions: u64) {
        println!("{what:60} {instructions:>9} instructions (unik)");
        self.counted.borrow_mut().push((what.to_owned(), instructions));
    }

    fn start_all(&self, role: Role) -> Result<Vec<Server>> {
        self.guests.sides().into_iter().map(|side| self.guests.start(side, role, &Start::default())).collect()
    }

    /// Measures the guests in turn, as often as there are rounds.
    fn alternate(
        &self,
        servers: &mut [Server],
        comparison: &mut Comparison,
        measure: &mut dyn FnMut(&mut Server, Duration) -> Result<f64>,
    ) {
        for _ in 0..self.rounds {
            for server in &mut *servers {
                comparison.add(server.side, measure(server, self.duration(2)));
            }
        }
    }
}

/// What the tasks of an image took so far, in nanoseconds of its time: under `-icount`, instructions.
pub(in crate::bench) fn spent(monitor: &Path) -> Result<u64> {
    let mut guest = Connection::open(monitor, crate::monitor::PATIENCE)?;
    let mut spent = 0;
    guest.list(&unik_monitor::Request::Tasks, "tell its tasks", &mut |reply| {
        let Reply::Task(task) = reply else { return Ok(false) };
        spent += if task.name == TELLER { 0 } else { task.run_time };
        Ok(true)
    })?;
    Ok(spent)
}
