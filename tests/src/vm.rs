//! A virtual machine under test.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cargo_unik::check;
use cargo_unik::console::Running;
use cargo_unik::disk::Drive;
use cargo_unik::epitaph::Interpreter;
use cargo_unik::error::{Error, Result};
use cargo_unik::guest::Guest;
use cargo_unik::image::pack;
use cargo_unik::monitor::view::View;
use cargo_unik::monitor::{Connection, arguments};
use cargo_unik::options::{Accelerator, Forward, Machine, Memory, Network, Protocol};
use cargo_unik::port::free_port;
use cargo_unik::qmp::Qmp;
use cargo_unik::run::Ending;
use cargo_unik::symbols::Symbols;

use lexopt::Parser;

use crate::disk::DiskImage;
use crate::image::{Image, workspace};
use crate::qtest::Qtest;

/// How long anything may take. Far more than it takes on an idle computer, because tests share theirs.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The address of the guest in QEMU's user network, where a test does not want DHCP.
const STATIC: &str = "net0.ip=10.0.2.15/24 net0.gateway=10.0.2.2";
/// How often a socket is looked for.
const TICK: Duration = Duration::from_millis(5);
/// How long an answer to a datagram is waited for before it is sent again: datagrams may be lost.
const REPEAT: Duration = Duration::from_millis(500);

/// A machine being described. It starts as a microvm under TCG, without network and files.
#[derive(Debug)]
pub struct Setup {
    guest: Guest,
    debug: PathBuf,
    is_controlled: bool,
    qtest: Option<PathBuf>,
    wires: Vec<PathBuf>,
}

/// A running machine.
#[derive(Debug)]
pub struct Vm {
    running: Running,
    qmp: Option<Qmp>,
    forwards: Vec<Forward>,
    monitor: Option<PathBuf>,
    qtest: Option<Qtest>,
    elf: PathBuf,
    debug: PathBuf,
}

impl Setup {
    /// Another kind of machine.
    #[must_use]
    pub fn machine(mut self, machine: Machine) -> Setup {
        self.guest.machine = machine;
        self
    }

    /// Other memory, as on the command line: `8M`.
    ///
    /// # Panics
    /// No amount of memory.
    #[must_use]
    pub fn memory(mut self, memory: &str) -> Setup {
        let Ok(memory) = memory.parse::<Memory>() else { panic!("'{memory}' is no amount of memory") };
        self.guest.memory = memory;
        self
    }

    /// With a source of random numbers, which a machine has by default, or without.
    #[must_use]
    pub fn entropy(mut self, present: bool) -> Setup {
        self.guest.entropy = present;
        self
    }

    /// User networking with a fixed address, and a free port of this computer for each port of the guest.
    ///
    /// # Panics
    /// There are no free ports.
    #[must_use]
    pub fn network(self, ports: &[(Protocol, u16)]) -> Setup {
        self.dhcp(ports).words(STATIC)
    }

    /// User networking where the guest asks for its address.
    ///
    /// # Panics
    /// There are no free ports.
    #[must_use]
    pub fn dhcp(mut self, ports: &[(Protocol, u16)]) -> Setup {
        self.guest.networks.push(Network::User);
        for (protocol, guest) in ports.iter().copied() {
            let host = free_port().unwrap_or_else(|error| panic!("{error}"));
            self.guest.forwards.push(Forward { protocol, host, guest });
        }
        self
    }

    /// User networking with a fixed address, whose port `guest` is reached over both transports at `host`, an address of this
    /// computer's 127.0.0.1.
    #[must_use]
    pub fn network_at(self, host: SocketAddr, guest: u16) -> Setup {
        let mut setup = self.network(&[]);
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            setup.guest.forwards.push(Forward { protocol, host: host.port(), guest });
        }
        setup
    }

    /// One more network device.
    #[must_use]
    pub fn link(mut self, network: Network) -> Setup {
        self.guest.networks.push(network);
        self
    }

    /// One more network device, whose other end the test holds.
    pub(crate) fn wire(mut self, path: &Path) -> Setup {
        if self.wires.is_empty() {
            // It starts when all its wires are plugged in.
            self = self.controlled().qemu(["-S"]);
        }
        self.wires.push(path.to_owned());
        self.link(Network::Link(path.to_owned()))
    }

    /// More words of configuration.
    #[must_use]
    pub fn words(mut self, words: &str) -> Setup {
        if !self.guest.cmdline.is_empty() {
            self.guest.cmdline.push(' ');
        }
        self.guest.cmdline += words;
        self
    }

    /// The files of a folder, as initrd.
    ///
    /// # Panics
    /// The folder cannot be packed.
    #[must_use]
    pub fn data(mut self, folder: &Path) -> Setup {
        self.guest.initrd = Some(pack(folder, &archive()).unwrap_or_else(|error| panic!("{error}")));
        self
    }

    /// The same with what an application makes of its files when the tool packs them.
    ///
    /// # Panics
    /// It refuses them, or they cannot be packed.
    #[must_use]
    pub fn prepared(mut self, app: &str, folder: &Path) -> Setup {
        let workspace = workspace();
        let app = workspace.app(Some(app), &workspace.root);
        let packed = app.and_then(|app| check::pack(&workspace, &app, folder, &archive()));
        self.guest.initrd = Some(packed.unwrap_or_else(|error| panic!("{error}")));
        self
    }

    /// One more disk, of 1 MiB and empty.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn disk(self) -> Setup {
        let path = DiskImage::new(1 << 20).keep();
        self.drive(Drive::raw(path))
    }

    /// One more disk.
    #[must_use]
    pub fn drive(mut self, drive: Drive) -> Setup {
        self.guest.disks.push(drive);
        self
    }

    /// An inspection channel.
    #[must_use]
    pub fn monitor(mut self) -> Setup {
        self.guest.monitor = Some(socket());
        self
    }

    /// With a hand on its devices: [`Vm::hand`].
    #[must_use]
    pub fn qtest(mut self) -> Setup {
        let path = socket();
        let channel = format!("unix:{},server=on,wait=off", path.display());
        self.qtest = Some(path);
        self.qemu(["-qtest", channel.as_str(), "-qtest-log", "none"])
    }

    /// More arguments for QEMU.
    #[must_use]
    pub fn qemu<const N: usize>(mut self, arguments: [&str; N]) -> Setup {
        self.guest.extra.extend(arguments.map(Into::into));
        self
    }

    /// With a control channel, so that the power button can be pressed.
    #[must_use]
    pub fn controlled(mut self) -> Setup {
        self.is_controlled = true;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// QEMU cannot be started.
    #[track_caller]
    pub fn boot(self) -> Vm {
        let started = self.guest.command().and_then(|command| {
            if !self.is_controlled {
                return Ok((Running::start(&command)?, None));
            }
            let (mut running, mut qmp) = Running::start_controlled(&command)?;
            let started = qmp.set_patience(PATIENCE).and_then(|()| plug_in(&mut qmp, &self.wires));
            started.map_err(|error| running.report(&error.to_string()))?;
            Ok((running, Some(qmp)))
        });
        match started {
            Ok((running, qmp)) => {
                let Guest { forwards, monitor, kernel, .. } = self.guest;
                let mut vm =
                    Vm { running, qmp, forwards, monitor, qtest: None, elf: kernel, debug: self.debug };
                vm.qtest = self.qtest.map(|path| vm.lay_hand(&path));
                vm
            }
            Err(error) => panic!("{error}"),
        }
    }
}

impl Vm {
    /// Describes a machine for an image.
    pub fn of(image: &Image) -> Setup {
        let guest = Guest { accelerator: Accelerator::Tcg, ..Guest::new(&image.elf) };
        Setup { guest, debug: image.debug.clone(), is_controlled: false, qtest: None, wires: Vec::new() }
    }

    /// The hand on the devices of a machine that has one: [`Setup::qtest`].
    ///
    /// # Panics
    /// It has none.
    #[track_caller]
    pub fn hand(&mut self) -> &mut Qtest {
        match &mut self.qtest {
            Some(hand) => hand,
            None => panic!("the machine was started without a hand on its devices"),
        }
    }

    /// Waits for a line of the console that contains `text`.
    ///
    /// # Panics
    /// It does not come.
    #[track_caller]
    pub fn line(&mut self, text: &str) -> String {
        match self.running.line(text, PATIENCE) {
            Ok(line) => line,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for the machine to end and returns the image's exit code.
    ///
    /// # Panics
    /// It does not end, or not through the exit port.
    #[track_caller]
    pub fn exit_code(&mut self) -> u8 {
        match self.running.end(PATIENCE) {
            Ok(Ending::Guest(code)) => code,
            Ok(other) => panic!("{}", self.running.report(&other.to_string())),
            Err(error) => panic!("{error}"),
        }
    }

    /// Presses the power button of a machine that was [`Setup::controlled`].
    ///
    /// # Panics
    /// QEMU does not obey.
    #[track_caller]
    pub fn press_power_button(&mut self) {
        let Some(qmp) = &mut self.qmp else { panic!("the machine was started without a control channel") };
        if let Err(error) = qmp.power_down() {
            self.fail(&error.to_string());
        }
    }

    /// Sends a machine that was [`Setup::controlled`] a non-maskable interrupt.
    ///
    /// # Panics
    /// QEMU does not obey.
    #[track_caller]
    pub fn inject_nmi(&mut self) {
        let Some(qmp) = &mut self.qmp else { panic!("the machine was started without a control channel") };
        if let Err(error) = qmp.inject_nmi() {
            self.fail(&error.to_string());
        }
    }

    /// A counter, as the inspection channel tells it.
    ///
    /// # Panics
    /// There is no such counter.
    #[track_caller]
    pub fn counter(&mut self, name: &str) -> u64 {
        let shown = self.look("counters --all --json");
        let counters: serde_json::Value = serde_json::from_str(&shown).unwrap_or_default();
        counters[name].as_u64().unwrap_or_else(|| panic!("no counter {name} in {shown}"))
    }

    /// Takes the link of the first network of a machine that was [`Setup::controlled`] down, or up again.
    ///
    /// # Panics
    /// QEMU does not obey.
    #[track_caller]
    pub fn set_link(&mut self, up: bool) {
        let Some(qmp) = &mut self.qmp else { panic!("the machine was started without a control channel") };
        if let Err(error) = qmp.set_link("net0", up) {
            self.fail(&error.to_string());
        }
    }

    /// Gives a disk of a machine that was [`Setup::controlled`] another size.
    ///
    /// # Panics
    /// QEMU does not obey.
    #[track_caller]
    pub fn resize_disk(&mut self, disk: &str, bytes: u64) {
        let Some(qmp) = &mut self.qmp else { panic!("the machine was started without a control channel") };
        if let Err(error) = qmp.resize(disk, bytes) {
            self.fail(&error.to_string());
        }
    }

    /// Waits for the machine to be reset, or to be switched off other than through the exit port, where an image that
    /// ends in order leaves its code.
    ///
    /// # Panics
    /// It does not end, or otherwise.
    #[track_caller]
    pub fn is_reset(&mut self) {
        match self.running.end(PATIENCE) {
            Ok(Ending::PoweredOff) => {}
            Ok(other) => panic!("{}", self.running.report(&other.to_string())),
            Err(error) => panic!("{error}"),
        }
    }

    /// Kills the machine, and returns everything on its console.
    ///
    /// # Panics
    /// It has ended before.
    #[track_caller]
    pub fn kill(&mut self) -> String {
        let killed = Command::new("kill").args(["-KILL", &self.process().to_string()]).status();
        assert!(killed.is_ok_and(|killed| killed.success()), "kill failed");
        match self.running.end(PATIENCE) {
            Ok(Ending::Killed(_)) => self.log(),
            Ok(other) => panic!("{}", self.running.report(&other.to_string())),
            Err(error) => panic!("{error}"),
        }
    }

    /// Everything on the console so far.
    pub fn log(&mut self) -> String {
        self.running.log().to_owned()
    }

    /// The socket of the inspection channel.
    ///
    /// # Panics
    /// It was not asked for.
    #[track_caller]
    pub fn monitor(&self) -> &Path {
        match &self.monitor {
            Some(path) => path,
            None => panic!("the machine has no inspection channel"),
        }
    }

    /// What one of the tool's commands shows of the machine: `ps`, `netstat --json`.
    ///
    /// # Panics
    /// It is no such command, or it fails.
    #[track_caller]
    pub fn look(&mut self, command: &str) -> String {
        let shown = look(self.monitor(), command);
        match shown {
            Ok(shown) => shown,
            Err(error) => panic!("{}", self.running.report(&format!("cargo unik {command}: {error}"))),
        }
    }

    /// QEMU's process id.
    pub fn process(&self) -> u32 {
        self.running.process()
    }

    /// Where a port of the guest is reached from this computer.
    ///
    /// # Panics
    /// The port was not forwarded.
    #[track_caller]
    pub fn address(&self, protocol: Protocol, guest: u16) -> SocketAddr {
        let forward =
            self.forwards.iter().find(|forward| forward.protocol == protocol && forward.guest == guest);
        let Some(forward) = forward else { panic!("{protocol} port {guest} is not forwarded") };
        SocketAddr::from(([127, 0, 0, 1], forward.host))
    }

    /// Sends a datagram to a port of the guest until one comes back.
    ///
    /// # Panics
    /// None does.
    #[track_caller]
    pub fn ask(&mut self, port: u16, datagram: &[u8]) -> Vec<u8> {
        let address = self.address(Protocol::Udp, port);
        match exchange(address, datagram) {
            Ok(answer) => answer,
            Err(error) => {
                panic!("{}", self.running.report(&format!("no answer from UDP port {port}: {error}")))
            }
        }
    }

    /// Connects to a port of the guest; reading has a deadline.
    ///
    /// # Panics
    /// Nobody accepts.
    #[track_caller]
    pub fn connect(&mut self, port: u16) -> TcpStream {
        let address = self.address(Protocol::Tcp, port);
        let connected = TcpStream::connect_timeout(&address, PATIENCE).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        match connected {
            Ok(stream) => stream,
            Err(error) => {
                panic!("{}", self.running.report(&format!("no connection to TCP port {port}: {error}")))
            }
        }
    }

    /// The names of the functions in the epitaph's backtrace, as the tool shows them.
    ///
    /// # Panics
    /// The image has no symbols.
    #[track_caller]
    pub fn backtrace(&mut self) -> Vec<String> {
        let symbols = Symbols::of(&self.elf, &self.debug, &workspace().root);
        let symbols = symbols.unwrap_or_else(|error| panic!("{error}"));
        let mut interpreter = Interpreter::new();
        let log = self.log();
        log.lines().flat_map(|line| interpreter.explain(line, Some(&symbols))).collect()
    }

    /// Fails the test with the console and the QEMU command.
    ///
    /// # Panics
    /// Always.
    #[track_caller]
    pub fn fail(&mut self, what: &str) -> ! {
        panic!("{}", self.running.report(what))
    }

    /// Connects to the hand, for which QEMU listens as soon as it runs.
    #[track_caller]
    fn lay_hand(&mut self, path: &Path) -> Qtest {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Qtest::connect(path) {
                Ok(hand) => {
                    // It is of no more use, and QEMU leaves it behind where it is killed.
                    let _ = std::fs::remove_file(path);
                    return hand;
                }
                Err(_) if Instant::now() < deadline => std::thread::sleep(TICK),
                Err(error) => self.fail(&format!("no qtest at {}: {error}", path.display())),
            }
        }
    }
}

/// Waits until QEMU holds the other ends of wires, which it reaches for in its own time: what it gets for one meanwhile is lost. Then
/// the machine starts.
fn plug_in(qmp: &mut Qmp, wires: &[PathBuf]) -> Result<()> {
    if wires.is_empty() {
        return Ok(());
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let networks = qmp.networks()?;
        if wires.iter().all(|path| networks.contains(&format!("type=stream,unix:{}", path.display()))) {
            return qmp.start();
        }
        if Instant::now() > deadline {
            return Err(Error::failed(format!("QEMU does not reach for the wires: {networks}")));
        }
        std::thread::sleep(TICK);
    }
}

/// A path for an archive.
fn archive() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    scratch("data").join(format!("{}-{number}.cpio", std::process::id()))
}

/// A path for a socket. It is short, as those must be, so it is not below the folder of everything built.
fn socket() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("unik-test-{}-{number}.socket", std::process::id()))
}

/// Runs one of the commands that look into a machine.
fn look(path: &Path, command: &str) -> Result<String> {
    let mut words = command.split_whitespace();
    let verb = words.next().unwrap_or_default();
    let look = arguments::parse(verb, &mut Parser::from_args(words))?;
    let look = look.unwrap_or_else(|| panic!("'{command}' asks for help"));
    let (mut output, mut notes, stop) = (Vec::new(), Vec::new(), AtomicBool::new(false));
    let mut guest = Connection::open(path, PATIENCE)?;
    look.show(&mut guest, &mut View::new(&mut output, &mut notes, look.json, &stop))?;
    output.extend(notes);
    Ok(String::from_utf8_lossy(&output).into_owned())
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Whatever the test failed at, it may be the guest that tells why.
        if std::thread::panicking() && !self.running.is_reported() {
            eprintln!("{}", self.running.report("the test has failed; what is known of its guest:"));
        }
        if let Some(path) = &self.monitor {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn exchange(address: SocketAddr, datagram: &[u8]) -> std::io::Result<Vec<u8>> {
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(REPEAT))?;
    let deadline = Instant::now() + PATIENCE;
    let mut answer = vec![0; 65_536];
    loop {
        socket.send(datagram)?;
        match socket.recv(&mut answer) {
            Ok(length) => {
                answer.truncate(length);
                return Ok(answer);
            }
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => {}
        }
    }
}

/// A folder for files of the tests, below the folder of everything built.
pub(crate) fn scratch(name: &str) -> PathBuf {
    workspace().target.join("unik/tests").join(name)
}
