//! A wire that loses frames: between a guest and a tap, in both directions, by a seeded generator.
//!
//! The kernel's own emulation of bad networks is not everywhere. Here the guest's QEMU and a second one without a machine, which holds
//! the tap, send each other frames over Unix sockets, and the relay stands between them. Neither end has offloads: what is lost is
//! one segment, never a train of them.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::random::Random;
use super::side::unix_back_end;
use crate::error::{Context, Error, Result};
use crate::guest::QEMU;

/// The longest frame.
const FRAME: usize = 65_536;
/// How often the end is looked for.
const TICK: Duration = Duration::from_millis(100);
/// How long the second QEMU may take to hold the tap.
const PATIENCE: Duration = Duration::from_secs(10);

/// A wire that loses frames while it exists.
#[derive(Debug)]
pub(crate) struct Relay {
    folder: PathBuf,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    holder: Child,
    counts: Arc<Counts>,
}

/// What passed, and what did not.
#[derive(Debug, Default)]
struct Counts {
    passed: AtomicU64,
    lost: AtomicU64,
}

impl Relay {
    /// A wire between `tap` and a guest that is to be started with [`Relay::guest`] and [`Relay::other`], losing `share` of a thousand
    /// frames each way.
    ///
    /// # Errors
    /// Sockets cannot be made, or QEMU does not hold the tap.
    pub(crate) fn start(tap: &str, share: u64, seed: u64) -> Result<Relay> {
        let folder = std::env::temp_dir().join(format!("unik-bench-relay-{}-{tap}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).or_cannot(|| format!("make {}", folder.display()))?;
        let [guest, other, far, holder] =
            ["guest", "relay-guest", "relay-tap", "tap"].map(|name| folder.join(name));
        let sockets = Sockets { near: bind(&other)?, far: bind(&far)? };
        let child = hold(tap, &holder, &far)?;
        let (stop, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Counts::default()));
        let doing = || "share a socket".to_owned();
        let threads = vec![
            Direction {
                from: sockets.near.try_clone().or_cannot(doing)?,
                by: sockets.far.try_clone().or_cannot(doing)?,
                to: holder.clone(),
                random: Random::new(seed),
                share,
            }
            .start(&stop, &counts),
            Direction { from: sockets.far, by: sockets.near, to: guest, random: Random::new(!seed), share }
                .start(&stop, &counts),
        ];
        let relay = Relay { folder, stop, threads, holder: child, counts };
        let deadline = Instant::now() + PATIENCE;
        while !holder.exists() {
            if Instant::now() > deadline {
                return Err(Error::failed(format!("the QEMU that holds {tap} has not started")));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(relay)
    }

    /// The socket that the guest's QEMU makes.
    pub(crate) fn guest(&self) -> PathBuf {
        self.folder.join("guest")
    }

    /// The socket that the guest's QEMU sends to.
    pub(crate) fn other(&self) -> PathBuf {
        self.folder.join("relay-guest")
    }

    /// Frames that were lost, of a thousand.
    pub(crate) fn lost(&self) -> f64 {
        let [passed, lost] =
            [&self.counts.passed, &self.counts.lost].map(|count| count.load(Ordering::Relaxed) as f64);
        lost * 1000.0 / (passed + lost).max(1.0)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The two sockets of the relay.
struct Sockets {
    near: UnixDatagram,
    far: UnixDatagram,
}

/// One direction of the wire.
struct Direction {
    from: UnixDatagram,
    by: UnixDatagram,
    to: PathBuf,
    random: Random,
    share: u64,
}

impl Direction {
    fn start(self, stop: &Arc<AtomicBool>, counts: &Arc<Counts>) -> JoinHandle<()> {
        let (stop, counts) = (stop.clone(), counts.clone());
        thread::spawn(move || self.run(&stop, &counts))
    }

    fn run(mut self, stop: &AtomicBool, counts: &Counts) {
        let mut frame = vec![0; FRAME];
        while !stop.load(Ordering::Relaxed) {
            // The only other outcome is that nothing came for a while.
            let Ok(length) = self.from.recv(&mut frame) else { continue };
            if self.random.per_mille(self.share) {
                counts.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            // A guest that is not there yet, or no more, loses it.
            if self.by.send_to(&frame[..length], &self.to).is_ok() {
                counts.passed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn bind(path: &Path) -> Result<UnixDatagram> {
    let doing = || format!("make the socket {}", path.display());
    let socket = UnixDatagram::bind(path).or_cannot(doing)?;
    socket.set_read_timeout(Some(TICK)).or_cannot(doing)?;
    socket.set_write_timeout(Some(TICK)).or_cannot(doing)?;
    Ok(socket)
}

/// A QEMU without a machine that joins a tap, without offloads, and a Unix socket by its hub.
fn hold(tap: &str, own: &Path, other: &Path) -> Result<Child> {
    let mut qemu = Command::new(QEMU);
    qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-machine", "none", "-accel", "tcg"]);
    qemu.args([
        "-netdev",
        &format!("tap,id=tap,ifname={tap},script=no,downscript=no,vnet_hdr=off"),
        "-netdev",
        "hubport,id=a,hubid=0,netdev=tap",
        "-netdev",
        &unix_back_end("relay", own, other),
        "-netdev",
        "hubport,id=b,hubid=0,netdev=relay",
    ]);
    // It warns that its hub has no machine.
    qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    qemu.spawn().or_cannot(|| format!("start {QEMU}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_direction_passes_what_the_generator_does_not_take() {
        let scratch = Scratch::new();
        let [from, by, to] = ["from", "by", "to"].map(|name| scratch.path().join(name));
        let receiver = bind(&to).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let direction = Direction {
            from: bind(&from).unwrap(),
            by: bind(&by).unwrap(),
            to,
            random: Random::new(5),
            share: 500,
        };
        let (stop, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Counts::default()));
        let thread = direction.start(&stop, &counts);
        let mut expected = Random::new(5);
        let mut frame = [0; 4];
        for number in 0_u32..64 {
            sender.send_to(&number.to_be_bytes(), &from).unwrap();
            if !expected.per_mille(500) {
                assert_eq!(receiver.recv(&mut frame).unwrap(), 4);
                assert_eq!(u32::from_be_bytes(frame), number);
            }
        }
        // The last one may be lost, which only the counts tell.
        while counts.passed.load(Ordering::Relaxed) + counts.lost.load(Ordering::Relaxed) < 64 {
            thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        thread.join().unwrap();
    }
}
