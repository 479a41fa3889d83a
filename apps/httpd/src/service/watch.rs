//! The port of the metrics: a server without files beside the one that is watched.

use super::{Error, RECEIVED, Shared, Storage, start};
use crate::metrics::Kind;
use crate::server::Server;
use crate::settings::Settings;
use crate::tls::Door;
use alloc::boxed::Box;
use alloc::rc::Rc;
use unik::net::{Listen, Net};
use unik::time::Time;
use unik::{Clock, Counters, Seats, Shutdown, Spawner};

/// Connections at the same time to the port of the metrics, and what each sends ahead.
const WATCHERS: usize = 4;
const WATCHED: usize = 8 * 1024;

/// Serves `/metrics` on the port that the settings say, if they say one: all counters of `registry`, and what is measured of the
/// machine and of `server`. It has connections of its own, and the same limits for each.
///
/// # Errors
/// Those of [`serve`].
#[expect(clippy::too_many_arguments, reason = "they are what the appliance is made of")]
pub async fn watch(
    net: &Net,
    server: &Rc<Server<'static>>,
    door: &Door,
    registry: &Counters,
    spawner: &Spawner,
    time: &Time,
    clock: Clock,
    shutdown: Shutdown,
) -> Result<(), Error> {
    let Some(port) = server.settings().metrics else { return Ok(()) };
    let listen = Listen::on(port).backlog(WATCHERS).buffers(RECEIVED, WATCHED);
    let watcher = watcher(server.clone(), registry.clone(), time.clone()).ok_or(Error::NoMemory)?;
    registry.register("metrics", watcher.clone());
    let seats = Seats::try_new(WATCHERS, None).ok_or(Error::NoMemory)?;
    let shared = Shared::new(watcher, Storage::none(), time, clock, shutdown, seats);
    start(net, listen, &shared, door.clone(), "metrics", spawner).await
}

/// A server without files that shows the numbers of another one. `None` if there is no memory for it.
#[inline(never)]
fn watcher(of: Rc<Server<'static>>, registry: Counters, time: Time) -> Option<Rc<Server<'static>>> {
    let settings =
        Settings { connections: WATCHERS, log: None, https_redirect: None, echo: None, ..*of.settings() };
    let mut watcher = Server::load(&mut core::iter::empty(), settings).ok()?;
    watcher.show(Box::new(move |visit| {
        visit(Kind::Gauge, "machine", "uptime_seconds", time.now().as_nanos() / 1_000_000_000);
        if let Some(memory) = registry.memory() {
            for (name, bytes) in [
                ("heap_bytes", memory.heap),
                ("heap_used_bytes", memory.heap_used),
                ("heap_peak_bytes", memory.heap_peak),
                ("stack_bytes", memory.stack),
                ("stack_peak_bytes", memory.stack_peak),
            ] {
                visit(Kind::Gauge, "machine", name, bytes as u64);
            }
        }
        visit(Kind::Gauge, "httpd", "files", of.files() as u64);
        visit(Kind::Gauge, "httpd", "open_connections", of.open_connections() as u64);
        registry.visit(&mut |group, name, value| visit(Kind::Counter, group, name, value));
    }));
    Some(Rc::new(watcher))
}
