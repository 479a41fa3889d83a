//! What joins two taps: the image, a bridge in a Linux guest, or QEMU's own hub.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Field;
use crate::bench::net::side;
use crate::bench::process::{self, Process};
use crate::bench::{ADDRESS, PATIENCE};
use crate::console::Running;
use crate::error::{Context, Error, Result};
use crate::guest::{Guest, QEMU};
use crate::options::Network;

/// What the Linux guest of this role boots with.
const INITRAMFS: &str = "tuned/initramfs.bridge";

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    /// The image.
    Unik,
    /// The bridge of a Linux guest.
    Bridge,
    /// QEMU's hub, which no guest is in the way of.
    Hub,
}

impl fmt::Display for Joint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Joint::Unik => "unik",
            Joint::Bridge => "bridge",
            Joint::Hub => "hub",
        })
    }
}

/// Microseconds of processor time, which other work of the computer changes little: of QEMU's loop, which moves frames between taps and
/// guest, and of all else of it, which is the guest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    of_loop: f64,
    of_guest: f64,
}

/// Tells the least of times.
pub(super) fn tell_least(joint: Joint, times: impl Iterator<Item = Time>, what: &str) {
    let all = |time: &Time| time.of_loop + time.of_guest;
    if let Some(Time { of_loop, of_guest }) = times.min_by(|one, other| all(one).total_cmp(&all(other))) {
        println!(
            "  {joint}: {what} takes QEMU's loop {of_loop:.2} us and the guest {of_guest:.2} us, at best"
        );
    }
}

/// Two taps that are joined while this value exists.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) joint: Joint,
    /// Their names.
    pub(super) taps: [String; 2],
    /// The socket of the inspection channel of an image.
    pub(super) monitor: PathBuf,
    end: End,
}

/// What holds the taps.
#[derive(Debug)]
enum End {
    Guest(Running),
    Hub(Process),
}

impl Joined {
    /// What something is, and what QEMU takes for each of what it gives as its number.
    pub(super) fn time<T>(&self, measure: impl FnOnce() -> Result<(T, f64)>) -> Result<(T, Time)> {
        let process = match &self.end {
            End::Guest(running) => running.process(),
            End::Hub(process) => process.0.id(),
        };
        let ticks = || -> Result<_> { Ok((process::first_ticks(process)?, process::own_ticks(process)?)) };
        let (first, own) = ticks()?;
        let (result, count) = measure()?;
        let (first_after, own_after) = ticks()?;
        let (of_loop, all) = (first_after - first, own_after - own);
        let each = |ticks: f64| ticks * 1e6 / process::TICKS / count.max(1.0);
        Ok((result, Time { of_loop: each(of_loop), of_guest: each(all - of_loop) }))
    }

    /// An error with the console of the guest.
    pub(super) fn report(&mut self, error: &Error) -> Error {
        match &mut self.end {
            End::Guest(running) => running.report(&error.to_string()),
            End::Hub(process) => Error::failed(format!("{error}; the hub is process {}", process.0.id())),
        }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.monitor);
    }
}

/// Whether the Linux guest is built.
pub(super) fn is_built(folder: &Path) -> bool {
    ["tuned/vmlinux", INITRAMFS].iter().all(|file| folder.join(file).exists())
}

impl Field<'_> {
    /// Who is there to be measured, the image first.
    pub(super) fn joints(&self, with_hub: bool) -> Vec<Joint> {
        let bridge = self.linux.as_ref().map(|_| Joint::Bridge);
        let hub = (with_hub && self.has_hub).then_some(Joint::Hub);
        [Joint::Unik].into_iter().chain(bridge).chain(hub).collect()
    }

    /// Makes two taps for a row, and has them joined.
    pub(super) fn join(&self, row: &str, joint: Joint) -> Result<Joined> {
        let taps = ["1", "2"].map(|end| format!("{row}-{joint}{end}"));
        let namespace = self.namespace()?;
        taps.iter().try_for_each(|tap| namespace.lay_bare(tap))?;
        let ports = taps.each_ref().map(|tap| Network::Tap(tap.clone()));
        let mut monitor = PathBuf::new();
        let end = match (joint, &self.linux) {
            (Joint::Unik, _) => {
                monitor = side::monitor_path();
                let networks = [Network::User].into_iter().chain(ports).collect();
                let guest = side::unik(&self.image)?;
                let cmdline = ADDRESS.to_owned();
                start(
                    &Guest { networks, cmdline, monitor: Some(monitor.clone()), ..guest },
                    "ready: vswitch",
                )?
            }
            (Joint::Bridge, Some(folder)) => {
                let guest = side::linux(folder, "bridge")?;
                start(&Guest { networks: ports.into(), ..guest }, "ready: bridge")?
            }
            (Joint::Bridge, None) => return Err(Error::failed("there is no Linux guest")),
            (Joint::Hub, _) => End::Hub(hub(&taps)?),
        };
        Ok(Joined { joint, taps, monitor, end })
    }
}

/// Starts a guest and waits until it says that it is ready.
fn start(guest: &Guest, ready: &str) -> Result<End> {
    let mut running = Running::start(&guest.command()?)?;
    running.line(ready, PATIENCE)?;
    Ok(End::Guest(running))
}

/// A QEMU without a machine whose hub joins two taps, without offloads.
fn hub(taps: &[String; 2]) -> Result<Process> {
    let mut qemu = Command::new(QEMU);
    qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-machine", "none", "-accel", "tcg"]);
    for tap in taps {
        qemu.arg("-netdev");
        qemu.arg(format!("tap,id={tap},ifname={tap},script=no,downscript=no,vnet_hdr=off"));
        qemu.arg("-netdev").arg(format!("hubport,id=port-{tap},hubid=0,netdev={tap}"));
    }
    // It warns that its hub has no machine.
    qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Process(qemu.spawn().or_cannot(|| format!("start {QEMU}"))?))
}
