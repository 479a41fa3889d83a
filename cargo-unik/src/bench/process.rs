//! Processes that a bench starts on this computer: built, ended with their value, and what processor time they take.

use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::net::namespace::{Namespace, Wire};
use crate::error::{Context, Error, Result};
use crate::setup;
use crate::workspace::Workspace;

/// Ticks of the kernel's accounts in a second (`USER_HZ`, proc(5)).
pub(super) const TICKS: f64 = 100.0;
/// How long a process may take to end, and how often that is looked for.
const PATIENCE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(5);

/// A process that ends with this value.
#[derive(Debug)]
pub(super) struct Process(pub(super) Child);

impl Drop for Process {
    fn drop(&mut self) {
        // A server may have children, which it ends itself when it is asked to end. It may have ended already.
        if let Ok(id) = i32::try_from(self.0.id()) {
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(TICK);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Builds an appliance for this computer: what `cargo unik run NAME --host --release` starts.
pub(super) fn build(workspace: &Workspace, name: &str) -> Result<()> {
    let package = format!("unik-{name}");
    let mut command = Command::new(setup::cargo());
    command.current_dir(&workspace.root);
    command.args(["build", "--quiet", "--release", "--package", &package, "--bin", name]);
    let status = command.status().or_cannot(|| "start cargo".to_owned())?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::failed(format!("{name} was not built for this computer")))
    }
}

/// Starts a program in a network namespace of its own, which begins once the cable into it is there; `other` is the far end's name.
///
/// # Errors
/// The cable cannot be laid, or nothing can be started.
pub(super) fn behind_cable(
    namespace: &Namespace,
    cable: Wire,
    other: &str,
    words: impl Iterator<Item = String>,
) -> Result<Process> {
    let script = format!(
        "read go && ip link set {other} txqueuelen 10000 up && ip address add {}/24 dev {other} && exec \"$@\"",
        cable.guest()
    );
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", &script, "sh"]).args(words);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Process(command.spawn().or_cannot(|| "start unshare".to_owned())?);
    namespace.lay_pair(cable, other, process.0.id())?;
    let mut input = process.0.stdin.take().ok_or_else(|| Error::failed("no way to have a program begin"))?;
    writeln!(input, "go").or_cannot(|| "have a program begin".to_owned())?;
    Ok(process)
}

/// The processor time so far of those of this process's children that have ended.
pub(super) fn ended() -> Result<f64> {
    read_ticks(&stat("self")?, true).ok_or_else(|| Error::failed("no times in /proc/self/stat"))
}

/// The processor time so far of a process and all that descend from it.
pub(super) fn running(process: u32) -> Result<f64> {
    let processes = fs::read_dir("/proc").or_cannot(|| "read /proc".to_owned())?;
    let names = processes.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    // One that has ended since is not there any more.
    let stats = names.filter(|name| name.parse::<u32>().is_ok()).filter_map(|name| stat(&name).ok());
    let all: Vec<((u32, u32), f64)> =
        stats.filter_map(|stat| Some((family(&stat)?, read_ticks(&stat, false)?))).collect();
    let mut own = vec![process];
    let mut place = 0;
    while let Some(&id) = own.get(place) {
        own.extend(all.iter().filter(|((_, parent), _)| *parent == id).map(|((child, _), _)| child));
        place += 1;
    }
    Ok(all.iter().filter(|((id, _), _)| own.contains(id)).map(|(_, ticks)| ticks).sum())
}

/// The processor time so far of a process alone.
pub(super) fn own_ticks(process: u32) -> Result<f64> {
    let stat = stat(&process.to_string())?;
    read_ticks(&stat, false).ok_or_else(|| Error::failed(format!("no times in /proc/{process}/stat")))
}

/// The processor time so far of a process's first thread alone.
pub(super) fn first_ticks(process: u32) -> Result<f64> {
    let stat = stat(&format!("{process}/task/{process}"))?;
    read_ticks(&stat, false)
        .ok_or_else(|| Error::failed(format!("no times of the first thread of {process}")))
}

/// A process and its parent.
fn family(stat: &str) -> Option<(u32, u32)> {
    let (id, rest) = stat.split_once(' ')?;
    let (_, rest) = rest.rsplit_once(')')?;
    Some((id.parse().ok()?, rest.split_whitespace().nth(1)?.parse().ok()?))
}

/// proc(5), `/proc/PID/stat`.
fn stat(process: &str) -> Result<String> {
    let path = format!("/proc/{process}/stat");
    fs::read_to_string(&path).or_cannot(|| format!("read {path}"))
}

/// The time of a process in ticks, or of its children that have ended.
fn read_ticks(text: &str, of_children: bool) -> Option<f64> {
    // The second field, a name in parentheses, may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(if of_children { 13 } else { 11 });
    Some(fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_times_are_read_behind_a_name_with_spaces() {
        let text = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 20 22 40 44 0";
        assert_eq!((read_ticks(text, false), read_ticks(text, true)), (Some(42.0), Some(84.0)));
        assert_eq!(read_ticks("7 (a", false), None);
        assert_eq!(family(text), Some((7, 1)));
    }
}
