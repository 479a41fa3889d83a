//! The station of a test: the switch that is tested as an image, and Open vSwitch, which tests it, joined by three taps.
//!
//! Open vSwitch's daemons have a folder, a database and a forwarding plane of their own, in the namespace of the bench: nothing of one that
//! runs on this computer is touched, and no module of the kernel is needed. Invariant: all that runs ends with this value.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Suite;
use crate::bench::PATIENCE;
use crate::bench::net::namespace::{Namespace, Wire};
use crate::bench::process::Process;
use crate::console::Running;
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::image::Image;
use crate::options::{Accelerator, Memory, Network};

/// The wire between controller and tested switch.
const CONTROL: Wire = Wire::new("control", 94);
/// The wires between both switches: port 1, 2 and 3 of either.
const WIRES: [&str; 3] = ["wire1", "wire2", "wire3"];
/// The port of the protocol (OpenFlow 1.3.5, 6.3.1).
const OPENFLOW: u16 = 6653;
/// What both switches call themselves.
pub(super) const TARGET: &str = "0000000000000001";
pub(super) const TESTER: &str = "0000000000000002";
/// What a database of Open vSwitch is to hold, where Debian's package puts it.
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
/// How long Open vSwitch's tools wait for its daemons, in seconds.
const SECONDS: &str = "20";

/// Lays all wires.
pub(super) fn lay(namespace: &Namespace) -> Result<()> {
    namespace.lay(CONTROL)?;
    WIRES.iter().try_for_each(|tap| namespace.lay_bare(tap))
}

/// Both switches.
pub(super) struct Station {
    pub(super) target: Running,
    // Dropped in this order.
    _switch: Process,
    _database: Process,
    _folder: Folder,
}

impl Station {
    /// Starts both, which call their controller from now on.
    pub(super) fn start(image: &Image, suite: &Suite) -> Result<Station> {
        // Paths of Unix sockets are short (108 bytes), so this one is not below the target folder.
        let name = format!("unik-bench-openflow-{}", std::process::id());
        let folder = Folder::make(std::env::temp_dir().join(name))?;
        let database = database(&folder.0)?;
        let switch = switch(&folder.0, suite)?;
        let mut target = Running::start(&guest(image)?.command()?)?;
        target.line("ready: vswitch", PATIENCE)?;
        Ok(Station { target, _switch: switch, _database: database, _folder: folder })
    }
}

/// The machine of the tested switch. It does nothing of its own accord, whether its controller is there or not.
fn guest(image: &Image) -> Result<Guest> {
    let (guest, host) = (CONTROL.guest(), CONTROL.host());
    let taps = [CONTROL.tap].into_iter().chain(WIRES);
    Ok(Guest {
        accelerator: Accelerator::Tcg,
        memory: "16M".parse::<Memory>()?,
        networks: taps.map(|tap| Network::Tap(tap.to_owned())).collect(),
        cmdline: format!(
            "net0.ip={guest}/24 net0.gateway={host} openflow.controllers=tcp:{host}:{OPENFLOW} openflow.fail=secure \
             openflow.datapath={TARGET}"
        ),
        ..Guest::new(&image.elf)
    })
}

/// Starts the server of a new database.
fn database(folder: &Path) -> Result<Process> {
    let file = folder.join("conf.db");
    let mut make = own("ovsdb-tool", folder);
    make.arg("create").arg(&file).arg(SCHEMA);
    run(&mut make)?;
    let mut server = own("ovsdb-server", folder);
    server.arg(&file).arg(format!("--remote=punix:{}", socket(folder)));
    daemon(server, folder, "database")
}

/// Starts Open vSwitch with one bridge, whose ports are the wires.
fn switch(folder: &Path, suite: &Suite) -> Result<Process> {
    let remote = format!("--db=unix:{}", socket(folder));
    let tool = |words: &[String]| {
        let mut tool = own("ovs-vsctl", folder);
        tool.args([&remote, "--retry", "--timeout", SECONDS]).args(words);
        run(&mut tool)
    };
    tool(&["--no-wait".to_owned(), "init".to_owned()])?;
    let mut server = own("ovs-vswitchd", folder);
    server.arg(format!("unix:{}", socket(folder)));
    let process = daemon(server, folder, "switch")?;
    tool(&bridge(suite.protocol))?;
    Ok(process)
}

/// What the bridge is to be. It speaks one version, forwards nothing by itself, and calls its controller. Its forwarding plane keeps no
/// flow: what one case has left there would, for a moment, be answered for by entries that are gone, and the answer lost.
fn bridge(protocol: &str) -> Vec<String> {
    let mut words = format!(
        "add-br bench -- set bridge bench datapath_type=netdev fail_mode=secure protocols={protocol} \
         other-config:datapath-id={TESTER} other-config:disable-in-band=true"
    );
    for (number, tap) in (1..).zip(WIRES) {
        words += &format!(" -- add-port bench {tap} -- set interface {tap} ofport_request={number}");
    }
    words += " -- set open_vswitch . other_config:flow-limit=0";
    words += &format!(" -- set-controller bench tcp:127.0.0.1:{OPENFLOW}");
    words.split(' ').map(str::to_owned).collect()
}

/// Where the database is asked.
fn socket(folder: &Path) -> String {
    folder.join("database.socket").display().to_string()
}

/// A program of Open vSwitch that keeps to this folder.
fn own(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.envs(["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"].map(|name| (name, folder)));
    command.stdin(Stdio::null());
    command
}

/// Starts a daemon, which writes to a file what it has to say.
fn daemon(mut command: Command, folder: &Path, name: &str) -> Result<Process> {
    let log = File::create(folder.join(name)).or_cannot(|| "write a log".to_owned())?;
    command.arg(format!("--unixctl={}", folder.join(name).with_extension("control").display()));
    command.stdout(Stdio::null()).stderr(log);
    Ok(Process(command.spawn().or_cannot(missing)?))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().or_cannot(missing)?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(Error::failed(format!("{} fails: {}", command.get_program().display(), complaint.trim())))
}

fn missing() -> String {
    "start Open vSwitch ('apt-get install openvswitch-switch' brings it)".to_owned()
}

/// A folder that is gone with this value.
struct Folder(PathBuf);

impl Folder {
    fn make(path: PathBuf) -> Result<Folder> {
        fs::create_dir_all(&path).or_cannot(|| format!("make {}", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bridge_has_the_wires_as_ports_1_2_and_3() {
        let words = bridge("OpenFlow13").join(" ");
        assert!(words.contains(" protocols=OpenFlow13 "), "{words}");
        for number in 1..=3 {
            assert!(words.contains(&format!(" wire{number} ofport_request={number} ")), "{words}");
        }
        assert!(words.ends_with(" set-controller bench tcp:127.0.0.1:6653"), "{words}");
    }
}
