//! A station in a namespace of its own that throws away what it is sent: the far end of TCP through a switch.
//!
//! Two addresses of one namespace would be joined by the kernel itself. Invariant: the namespace is that of one thread, and is gone with it.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::unistd::{Pid, gettid};

use crate::bench::PATIENCE;
use crate::bench::net::namespace::Namespace;
use crate::error::{Context, Error, Result};

/// How often a connection is looked for.
const TICK: Duration = Duration::from_millis(2);

/// A station that takes what it is sent while this value exists.
#[derive(Debug)]
pub(super) struct Sink {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Sink {
    /// A station behind this device, which it takes out of our namespace, at this address and port.
    ///
    /// # Errors
    /// There is no namespace to be had, or `ip` refuses.
    pub(super) fn start(namespace: &Namespace, device: &str, address: Ipv4Addr, port: u16) -> Result<Sink> {
        let (stop, (tell, told), (begin, begun)) = (Arc::new(AtomicBool::new(false)), channel(), channel());
        let station = Station { device: device.to_owned(), address, port, stop: stop.clone() };
        let thread = thread::spawn(move || station.run(&tell, &begun));
        let mut sink = Sink { stop, thread: Some(thread) };
        let id = sink.hear(&told)?;
        namespace.hand_over(device, id)?;
        // One that has ended meanwhile is not heard of below.
        let _ = begin.send(());
        sink.hear(&told)?;
        Ok(sink)
    }

    /// What the thread has to say, or why it has ended.
    fn hear(&mut self, told: &Receiver<Pid>) -> Result<Pid> {
        match told.recv_timeout(PATIENCE) {
            Ok(id) => Ok(id),
            Err(RecvTimeoutError::Timeout) => Err(Error::failed("the far station does not start")),
            Err(RecvTimeoutError::Disconnected) => {
                let ended = self.thread.take().and_then(|thread| thread.join().ok());
                Err(ended.and_then(Result::err).unwrap_or_else(|| Error::failed("the far station has ended")))
            }
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread is.
struct Station {
    device: String,
    address: Ipv4Addr,
    port: u16,
    stop: Arc<AtomicBool>,
}

impl Station {
    /// Tells its number once it lives in its namespace, and again once it listens.
    fn run(self, tell: &Sender<Pid>, begun: &Receiver<()>) -> Result<()> {
        let namespace = Namespace::enter()?;
        // Whoever waits for it may have given up.
        let _ = tell.send(gettid());
        if begun.recv_timeout(PATIENCE).is_err() {
            return Ok(());
        }
        namespace.settle(&self.device, self.address)?;
        let doing = || format!("listen at {}", self.address);
        let listener = TcpListener::bind((self.address, self.port)).or_cannot(doing)?;
        listener.set_nonblocking(true).or_cannot(doing)?;
        let _ = tell.send(gettid());
        while !self.stop.load(Ordering::Relaxed) {
            let Ok((mut stream, _)) = listener.accept() else {
                thread::sleep(TICK);
                continue;
            };
            stream.set_nonblocking(false).or_cannot(doing)?;
            stream.set_read_timeout(Some(PATIENCE)).or_cannot(doing)?;
            // One that breaks is seen at the other end.
            let _ = io::copy(&mut stream, &mut io::sink());
        }
        Ok(())
    }
}
