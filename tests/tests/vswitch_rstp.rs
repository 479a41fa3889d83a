//! The spanning tree with bridges of others: Open vSwitch's, which speaks RSTP, and Linux's, which speaks STP.
//!
//! Two cables lead from the image to the other bridge, which makes a loop, and behind either is a host in the hands of the test. All of it
//! is in a network namespace of the test's own, where the user is root.
#![forbid(unsafe_code)]

use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cargo_unik::options::Network;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, bind, socket};
use unik_tests::{Image, PATIENCE, Vm, Wire};

/// Set where the test runs in its namespace.
const INSIDE: &str = "UNIK_TESTS_RSTP";
/// The cables, as this computer calls them: port 1 and 2 of the image.
const CABLES: [&str; 2] = ["cable1", "cable2"];
/// What a database of Open vSwitch is to hold, where Debian's package puts it.
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
/// How long the tree may take to settle, and to find the other way. RSTP needs three times the time between two messages (IEEE
/// 802.1D-2004, 17.21.23), where nobody tells of the cut; STP the age of the message and twice the delay before that (table 17-1), which are set to
/// 6 and 4 seconds here. The rest is for a computer that does other things too.
const RAPID: Duration = Duration::from_secs(20);
const SLOW: Duration = Duration::from_secs(40);
/// How long a frame is waited for.
const SHORT: Duration = Duration::from_millis(300);
/// Frames of each kind that are counted.
const COUNT: u64 = 50;
/// IEEE 802, 9.2.3: a type for experiments.
const TYPE: [u8; 2] = [0x88, 0xb5];
const BROADCAST: [u8; 6] = [0xff; 6];
/// The hosts behind the image and behind the other bridge.
const NEAR: [u8; 6] = [2, 0, 0, 0, 1, 1];
const FAR: [u8; 6] = [2, 0, 0, 0, 1, 2];

/// Whether this is the process that is to do it. Otherwise it is done by another one, in a namespace with nothing in it. Where namespaces are
/// forbidden it was not done, and that is no success.
fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    // Built out here: there are no networks inside.
    Image::release("vswitch");
    let this = std::env::current_exe().expect("the test is a program");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "--"]).arg(this).env(INSIDE, "1");
    run(command.args(["--exact", test, "--nocapture"]));
    false
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

fn ip(words: &str) {
    run(Command::new("ip").args(words.split(' ')));
}

/// The bridge at the other end of both cables.
enum Other {
    Linux,
    OpenVSwitch(OpenVSwitch),
}

impl Other {
    /// Whether its end of a cable forwards.
    fn forwards(&self, cable: &str) -> bool {
        match self {
            Other::Linux => {
                let shown = Command::new("bridge").args(["-json", "link", "show", "dev", cable]).output();
                let shown = shown.expect("'apt-get install iproute2' brings bridge").stdout;
                let shown: serde_json::Value = serde_json::from_slice(&shown).unwrap_or_default();
                shown[0]["state"] == "forwarding"
            }
            Other::OpenVSwitch(switch) => {
                let words = ["--if-exists", "get", "port", cable, "rstp_status:rstp_port_state"];
                let shown = switch.tool(&words).output().expect("it was there before").stdout;
                shown.starts_with(b"Forwarding")
            }
        }
    }
}

/// Open vSwitch with a folder, a database and a forwarding plane of its own.
struct OpenVSwitch {
    folder: PathBuf,
    daemons: Vec<Child>,
}

impl OpenVSwitch {
    fn is_installed() -> bool {
        own("ovs-vswitchd", Path::new("/")).arg("--version").stdout(Stdio::null()).status().is_ok()
    }

    fn start(priority: u16) -> OpenVSwitch {
        // Paths of Unix sockets are short (108 bytes), so this one is not below the target folder.
        let folder = std::env::temp_dir().join(format!("unik-rstp-{}-{priority}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{error}"));
        let mut switch = OpenVSwitch { folder: folder.clone(), daemons: Vec::new() };
        let database = folder.join("conf.db");
        run(own("ovsdb-tool", &folder).arg("create").arg(&database).arg(SCHEMA));
        let socket = folder.join("socket").display().to_string();
        switch
            .daemon("ovsdb-server", &[&database.display().to_string(), &format!("--remote=punix:{socket}")]);
        run(&mut switch.tool(&["--retry", "--no-wait", "init"]));
        switch.daemon("ovs-vswitchd", &[&format!("unix:{socket}")]);
        let words = format!(
            "add-br other -- set bridge other datapath_type=netdev rstp_enable=true \
             other_config:rstp-priority={priority} -- add-port other {} -- add-port other {} -- add-port other inner \
             -- set port inner other_config:rstp-port-admin-edge=true",
            CABLES[0], CABLES[1]
        );
        run(&mut switch.tool(&words.split(' ').collect::<Vec<_>>()));
        switch
    }

    fn tool(&self, words: &[&str]) -> Command {
        let mut tool = own("ovs-vsctl", &self.folder);
        tool.arg(format!("--db=unix:{}", self.folder.join("socket").display()))
            .arg("--timeout=20")
            .args(words);
        tool
    }

    fn daemon(&mut self, program: &str, words: &[&str]) {
        let log = File::create(self.folder.join(program)).unwrap_or_else(|error| panic!("{error}"));
        let control = self.folder.join(program).with_extension("control");
        let mut command = own(program, &self.folder);
        command.args(words).arg(format!("--unixctl={}", control.display())).stdout(Stdio::null()).stderr(log);
        self.daemons.push(command.spawn().unwrap_or_else(|error| panic!("{program}: {error}")));
    }
}

impl Drop for OpenVSwitch {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A program of Open vSwitch that keeps to this folder.
fn own(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.envs(["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"].map(|name| (name, folder)));
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
    command
}

/// A socket for frames on a card of this computer (packet(7)). To the library, one socket is as good as another.
fn card(name: &str) -> UdpSocket {
    let raw = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll);
    let raw = raw.expect("root may do that");
    let mut cards = getifaddrs().expect("they are known").filter(|card| card.interface_name == name);
    let address = cards.find_map(|card| card.address?.as_link_addr().copied());
    let address: LinkAddr = address.unwrap_or_else(|| panic!("there is no {name}"));
    bind(raw.as_raw_fd(), &address).unwrap_or_else(|error| panic!("{name}: {error}"));
    let socket = UdpSocket::from(raw);
    socket.set_read_timeout(Some(SHORT)).expect("it is a time");
    socket
}

fn frame(to: [u8; 6], from: [u8; 6], number: u64) -> Vec<u8> {
    let mut frame = [&to[..], &from, &TYPE, &number.to_be_bytes()].concat();
    frame.resize(60, 0x55);
    frame
}

/// The number of one of our frames.
fn number(frame: &[u8]) -> Option<u64> {
    let number = frame.get(14..)?.first_chunk()?;
    (frame.get(12..14) == Some(&TYPE)).then(|| u64::from_be_bytes(*number))
}

/// The loop, and the hosts behind it.
struct Loop {
    vm: Vm,
    near: Wire,
    far: UdpSocket,
    other: Other,
    next: u64,
}

impl Loop {
    /// Lays the cables, and starts both bridges.
    fn start(words: &str, other: impl FnOnce() -> Other) -> Loop {
        ip("link add inner type veth peer name outer");
        for cable in CABLES {
            ip(&format!("tuntap add dev {cable} mode tap"));
        }
        for card in ["inner", "outer", CABLES[0], CABLES[1]] {
            ip(&format!("link set dev {card} up"));
        }
        let (far, other, near) = (card("outer"), other(), Wire::new());
        let setup = Vm::of(&Image::release("vswitch")).memory("16M").network(&[]).monitor();
        let setup = CABLES.into_iter().fold(setup, |setup, cable| setup.link(Network::Tap(cable.to_owned())));
        let words = format!("switch.rstp=on port3.edge=on port3.lldp=off {words}");
        let mut vm = near.join(setup).words(&words).boot();
        vm.line("ready: vswitch");
        Loop { vm, near, far, other, next: 0 }
    }

    /// The cables that both ends forward by.
    fn passing(&mut self) -> Vec<&'static str> {
        let ports = self.vm.look("ask ports");
        let ours = |port: &str| {
            ports.lines().any(|line| line.trim_start().starts_with(port) && line.contains("forwarding"))
        };
        let cables = ["port1", "port2"].into_iter().zip(CABLES);
        cables
            .filter(|(port, cable)| ours(port) && self.other.forwards(cable))
            .map(|(_, cable)| cable)
            .collect()
    }

    /// The numbers of our frames that each host hears until there are no more.
    fn hear(&mut self) -> (Vec<u64>, Vec<u64>) {
        let mut heard = (Vec::new(), Vec::new());
        while let Some(frame) = self.near.receive() {
            heard.0.extend(number(&frame));
        }
        let mut space = [0; 2048];
        while let Ok(length) = self.far.recv(&mut space) {
            heard.1.extend(number(&space[..length]));
        }
        heard
    }

    /// Has each host send frames to the other one, or to all. The numbers of those that were sent near here, and far away.
    fn send(&mut self, is_call: bool, count: u64) -> (Vec<u64>, Vec<u64>) {
        let first = self.next;
        self.next += 2 * count;
        let to = |other| if is_call { BROADCAST } else { other };
        for number in first..first + count {
            self.near.send(&frame(to(FAR), NEAR, number));
        }
        for number in first + count..self.next {
            let sent = self.far.send(&frame(to(NEAR), FAR, number));
            sent.unwrap_or_else(|error| panic!("{error}"));
        }
        ((first..first + count).collect(), (first + count..self.next).collect())
    }

    /// Waits until one cable passes frames and no more, and both hosts reach each other, as they did or by what they call to all. That cable.
    #[track_caller]
    fn settle(&mut self, bound: Duration, what: &str) -> &'static str {
        let start = Instant::now();
        loop {
            let (near, far) = self.send(false, 1);
            if (far, near) == self.hear()
                && let [cable] = self.passing()[..]
            {
                println!("{what}: by {cable} after {:?}", start.elapsed());
                return cable;
            }
            if start.elapsed() > bound {
                let (ports, tree) = (self.vm.look("ask ports"), self.vm.look("ask tree"));
                let others = CABLES.map(|cable| self.other.forwards(cable));
                self.vm
                    .fail(&format!("{what}: not within {bound:?}\n{ports}{tree}the other end: {others:?}"));
            }
        }
    }

    /// Has both hosts call each other and speak to each other: each frame arrives, in its order, and once.
    #[track_caller]
    fn count(&mut self) {
        for is_call in [true, false] {
            let (near, far) = self.send(is_call, COUNT);
            // A pause does not mean that there are no more: this computer may do other things.
            let (mut heard, deadline) = (self.hear(), Instant::now() + PATIENCE);
            while heard.0.len() < far.len() || heard.1.len() < near.len() {
                assert!(Instant::now() < deadline, "{heard:?} of {far:?} and {near:?}");
                let more = self.hear();
                heard.0.extend(more.0);
                heard.1.extend(more.1);
            }
            assert_eq!(heard, (far, near), "each frame once, and none comes back");
        }
        assert_eq!(self.hear(), (vec![], vec![]), "nothing goes round");
    }

    /// One cable stands by; it takes over when the other one is cut, and one of them stands by again when that is whole.
    #[track_caller]
    fn try_out(mut self, bound: Duration) {
        let cable = self.settle(bound, "from the start");
        self.count();
        ip(&format!("link set dev {cable} down"));
        let next = self.settle(bound, "after the cut");
        assert_ne!(next, cable);
        self.count();
        ip(&format!("link set dev {cable} up"));
        // It takes a moment until it is thought of again.
        std::thread::sleep(SHORT);
        self.settle(bound, "with both again");
        self.count();
        std::thread::sleep(bound / 4);
        self.settle(bound, "a while later");
        self.count();
    }
}

fn with_open_vswitch(test: &str, (ours, theirs): (u16, u16)) {
    if !OpenVSwitch::is_installed() {
        println!("skipped: there is no ovs-vswitchd ('apt-get install openvswitch-switch' brings it)");
        return;
    }
    if is_inside(test) {
        let words = format!("switch.priority={ours}");
        Loop::start(&words, || Other::OpenVSwitch(OpenVSwitch::start(theirs))).try_out(RAPID);
    }
}

fn with_linux(test: &str, (ours, theirs): (u16, u16)) {
    if !is_inside(test) {
        return;
    }
    let added = Command::new("ip").args(["link", "add", "other", "type", "bridge"]).output();
    let added = added.expect("'apt-get install iproute2' brings ip");
    if !added.status.success() {
        let complaint = String::from_utf8_lossy(&added.stderr);
        println!("skipped: the kernel of this computer has no bridge ({})", complaint.trim());
        return;
    }
    // Hundredths of a second.
    let times = "stp_state 1 hello_time 100 max_age 600 forward_delay 400";
    ip(&format!("link set dev other type bridge {times} priority {theirs}"));
    let join = || {
        for card in ["inner", CABLES[0], CABLES[1]] {
            ip(&format!("link set dev {card} master other"));
        }
        ip("link set dev other up");
        Other::Linux
    };
    let words = format!("switch.priority={ours} switch.hello=1 switch.max_age=6 switch.forward_delay=4");
    Loop::start(&words, join).try_out(SLOW);
}

/// The priorities where this switch is the root, and where the other one is.
const WE: (u16, u16) = (4096, 32768);
const THEY: (u16, u16) = (32768, 4096);

#[test]
fn a_loop_with_open_vswitch_is_cut_in_one_place_where_it_is_the_root() {
    with_open_vswitch("a_loop_with_open_vswitch_is_cut_in_one_place_where_it_is_the_root", THEY);
}

#[test]
fn a_loop_with_open_vswitch_is_cut_in_one_place_where_the_image_is_the_root() {
    with_open_vswitch("a_loop_with_open_vswitch_is_cut_in_one_place_where_the_image_is_the_root", WE);
}

#[test]
fn a_loop_with_linux_is_cut_in_one_place_where_that_is_the_root() {
    with_linux("a_loop_with_linux_is_cut_in_one_place_where_that_is_the_root", THEY);
}

#[test]
fn a_loop_with_linux_is_cut_in_one_place_where_the_image_is_the_root() {
    with_linux("a_loop_with_linux_is_cut_in_one_place_where_the_image_is_the_root", WE);
}
