//! Rows about small requests: what one costs the image in instructions, and how many a second both sides answer.

use std::net::TcpStream;
use std::time::Duration;

use super::Field;
use super::client::{self, Until};
use super::side::{ECHO, Role, Server, Side, Start};
use super::statistics::Comparison;
use crate::bench::PATIENCE;
use crate::error::{Context, Error, Result};

/// Bytes of a datagram.
const DATAGRAM: usize = 64;
/// Bytes of a request over a connection, and of its answer.
const REQUEST: usize = 100;
/// Datagrams that are under way at the same time, in the second row.
const WINDOW: usize = 16;
/// Requests of the two series whose difference is counted.
const SHORT: u64 = 100;
const LONG: u64 = 1100;
/// Connections that are open and idle in the row about them.
const IDLE: usize = 1000;
/// How long a datagram is waited for before it is repeated, against the clock and against instructions.
const REPEAT: Duration = Duration::from_millis(200);
const REPEAT_COUNTED: Duration = Duration::from_secs(3);
/// What the image says at its end, before the number.
const SPENT: &str = "tasks took ";

/// Datagrams that come back.
pub(crate) fn datagrams(field: &Field) -> Result<()> {
    let cost = field.instructions(&|server, count| {
        client::datagrams(server.port(ECHO), DATAGRAM, 1, Until::Count(count), REPEAT_COUNTED)?;
        Ok(Vec::new())
    })?;
    field.count("UDP echo, 64 bytes", cost);
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
        field.show(&comparison);
        if repeated > 0 {
            println!("  {repeated} datagrams were repeated");
        }
    }
    Ok(())
}

/// Requests over a connection that is kept.
pub(crate) fn kept(field: &Field) -> Result<()> {
    let cost = field.instructions(&|server, count| {
        let mut stream = client::connect(server.port(ECHO))?;
        client::requests(&mut stream, REQUEST, Until::Count(count))?;
        Ok(vec![stream])
    })?;
    field.count("TCP request of 100 bytes, connection kept", cost);
    let mut servers = field.start_all(Role::Echo)?;
    let title = "TCP requests of 100 bytes, connection kept (1/s)";
    let mut comparison = Comparison::new(title, &field.guests.sides());
    field.alternate(&mut servers, &mut comparison, &mut |server, time| {
        let mut stream = client::connect(server.port(ECHO))?;
        Ok(client::requests(&mut stream, REQUEST, Until::Passed(time))?.rate())
    });
    field.show(&comparison);
    Ok(())
}

/// The same with many idle connections beside it.
pub(crate) fn idle(field: &Field) -> Result<()> {
    let opened = std::cell::Cell::new(0);
    let crowded = field.instructions(&|server, count| {
        let mut streams = open(server, IDLE);
        opened.set(streams.len());
        let mut stream = match streams.pop() {
            Some(stream) => stream,
            None => client::connect(server.port(ECHO))?,
        };
        client::requests(&mut stream, REQUEST, Until::Count(count))?;
        streams.push(stream);
        Ok(streams)
    })?;
    let alone = field.instructions(&|server, count| {
        let mut stream = client::connect(server.port(ECHO))?;
        client::requests(&mut stream, REQUEST, Until::Count(count))?;
        Ok(vec![stream])
    })?;
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
    field.show(&comparison);
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

/// What the requests of a series are made by: its connections live until the image has ended, so that their tasks are counted.
pub(crate) type Series<'a> = dyn Fn(&Server, u64) -> Result<Vec<TcpStream>> + 'a;

impl Field {
    /// The instructions of one request, as the middle of a few measurements.
    fn instructions(&self, series: &Series<'_>) -> Result<u64> {
        let mut costs = Vec::new();
        for _ in 0..if self.quick { 1 } else { 3 } {
            let (short, long) = (self.spent(series, SHORT)?, self.spent(series, LONG)?);
            costs.push(long.saturating_sub(short) / (LONG - SHORT));
        }
        costs.sort_unstable();
        Ok(costs.get(costs.len() / 2).copied().unwrap_or_default())
    }

    /// What the tasks of an image took that was asked so often.
    fn spent(&self, series: &Series<'_>, count: u64) -> Result<u64> {
        let start = Start { counted: true, ..Start::default() };
        let mut server = self.guests.start(Side::Unik, Role::Echo, &start)?;
        let _open = series(&server, count).map_err(|error| server.report(&error))?;
        // A guest may end before QEMU has said that the button was pressed; one that does not end is seen in the next line.
        let _ = server.qmp.power_down();
        let line = server.running.line(SPENT, PATIENCE)?;
        read_spent(&line).or_cannot(|| format!("read '{line}'"))
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

fn read_spent(line: &str) -> std::result::Result<u64, &'static str> {
    let number = line.split_once(SPENT).and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    number.ok_or("it holds no number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_tasks_is_read_out_of_the_log() {
        assert_eq!(read_spent("[0.1] info net_echo: tasks took 1234567 ns"), Ok(1_234_567));
        assert!(read_spent("tasks took no time").is_err());
        assert!(read_spent("ready: net_echo").is_err());
    }
}
