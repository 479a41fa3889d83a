//! Controllers that reach a switch by TLS, and that it reaches: Open vSwitch's tools at the other end, and openssl.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

use std::io::{BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use cargo_unik::options::{Network, Protocol};
use cargo_unik::port::free_port;
use unik_tests::{Image, PATIENCE, Setup, Vm};

/// The port of the protocol (OpenFlow 1.3.5, 6.3.1).
const PORT: u16 = 6653;
const UNKNOWN: &str = "no authority in tls/cacert.pem has signed its certificate";

/// Runs a program that is to succeed.
#[track_caller]
fn run(program: &str, folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).current_dir(folder).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Keys, certificates and authorities, as `ovs-pki` makes them, and the switch's as its README says.
struct Keys {
    folder: PathBuf,
}

impl Keys {
    /// `None` without the programs for it.
    fn make(name: &str) -> Option<Keys> {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("data/tls")).unwrap();
        if ["ovs-pki", "ovs-ofctl"].iter().any(|tool| Command::new(tool).arg("--version").output().is_err()) {
            println!("skipped: there is no ovs-pki ('apt-get install openvswitch-common' brings it)");
            return None;
        }
        let keys = Keys { folder };
        keys.pki(&["--force", "init"]);
        keys.pki(&["req+sign", "ctl", "controller"]);
        // One that another authority has signed.
        keys.pki(&["req+sign", "stranger", "switch"]);
        let request = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout data/tls/privkey.pem -out sc-req.pem -subj";
        let words = request.split(' ').chain(["/C=US/ST=CA/O=Open vSwitch/CN=switch"]);
        run("openssl", &keys.folder, &words.collect::<Vec<_>>());
        keys.pki(&["--batch", "sign", "sc", "switch"]);
        std::fs::rename(keys.folder.join("sc-cert.pem"), keys.folder.join("data/tls/cert.pem")).unwrap();
        std::fs::copy(keys.path("pki/controllerca/cacert.pem"), keys.path("data/tls/cacert.pem")).unwrap();
        Some(keys)
    }

    #[track_caller]
    fn pki(&self, arguments: &[&str]) {
        let log = self.path("log");
        run("ovs-pki", &self.folder, &[&["--dir=pki", &format!("--log={log}")], arguments].concat());
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// A switch with one port, and this data.
    fn switch(&self, words: &str) -> Setup {
        let setup = Vm::of(&Image::release("vswitch+tls")).memory("8M").network(&[(Protocol::Tcp, PORT)]);
        setup.link(Network::User).data(&self.folder.join("data")).words(words)
    }

    /// What Open vSwitch's tool says and does, with this key.
    fn ofctl(&self, vm: &Vm, who: &str, verb: &str, words: &[&str]) -> Output {
        let tool = Command::new("ovs-ofctl")
            .args(["-O", "OpenFlow13", "--timeout=30"])
            .args(["--private-key", &self.path(&format!("{who}-privkey.pem"))])
            .args(["--certificate", &self.path(&format!("{who}-cert.pem"))])
            .args(["--ca-cert", &self.path("pki/switchca/cacert.pem")])
            .args([verb, &format!("ssl:{}", vm.address(Protocol::Tcp, PORT))])
            .args(words)
            .output();
        tool.unwrap_or_else(|error| panic!("{error}"))
    }

    #[track_caller]
    fn programs(&self, vm: &Vm, verb: &str, words: &[&str]) -> String {
        let output = self.ofctl(vm, "ctl", verb, words);
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[test]
fn the_tool_of_open_vswitch_programs_it_over_tls_and_nobody_else_does() {
    let Some(keys) = Keys::make("passive") else { return };
    let mut vm = keys.switch("openflow.listen=pssl").monitor().boot();
    vm.line("ready: vswitch");
    assert!(keys.programs(&vm, "show", &[]).contains("1(port1)"));
    let entries: String = (0..500)
        .map(|number| format!("priority=9,in_port=1,dl_type={:#06x},actions=drop\n", 0x9000 + number))
        .collect();
    std::fs::write(keys.path("entries"), entries).unwrap();
    keys.programs(&vm, "add-flows", &[&keys.path("entries")]);
    let flows = keys.programs(&vm, "dump-flows", &[]);
    assert_eq!(flows.lines().filter(|line| line.contains("dl_type=0x9")).count(), 500, "{flows}");

    let mut older = Command::new("openssl");
    older.args(["s_client", "-tls1_2", "-connect"]);
    let older = older.arg(vm.address(Protocol::Tcp, PORT).to_string()).stdin(Stdio::null()).output().unwrap();
    assert!(!older.status.success());
    vm.line("it has no version, suite or signature of TLS in common with this switch");

    assert!(!keys.ofctl(&vm, "stranger", "show", &[]).status.success());
    vm.line(UNKNOWN);
    let asked = vm.look("ask controllers");
    assert!(asked.contains("away") && asked.contains(UNKNOWN), "{asked}");

    let mut plain = vm.connect(PORT);
    plain.write_all(&[4, 0, 0, 8, 0, 0, 0, 0]).unwrap();
    vm.line("it does not speak TLS");
    assert!(keys.programs(&vm, "show", &[]).contains("1(port1)"));
}

#[test]
fn who_calls_over_and_over_gets_ten_handshakes_a_second() {
    let Some(keys) = Keys::make("often") else { return };
    let mut vm = keys.switch("openflow.listen=pssl").boot();
    vm.line("ready: vswitch");
    let since = Instant::now();
    for _ in 0..11 {
        let mut caller = vm.connect(PORT);
        caller.write_all(&[4, 0, 0, 8, 0, 0, 0, 0]).unwrap();
        vm.line("it does not speak TLS");
    }
    let took = since.elapsed();
    assert!(took >= Duration::from_secs(1), "{took:?}");
}

/// A controller that is called: openssl, which moves plain octets between the connection and the test.
struct Called {
    child: Child,
    said: Receiver<u8>,
}

impl Called {
    fn start(keys: &Keys, port: u16, who: &str) -> Called {
        let (key, certificate) = (format!("{who}-privkey.pem"), format!("{who}-cert.pem"));
        let mut command = Command::new("openssl");
        command.current_dir(&keys.folder).args(["s_server", "-quiet", "-accept", &port.to_string()]);
        command.args(["-key", &key, "-cert", &certificate, "-CAfile", "pki/switchca/cacert.pem"]);
        command.args(["-Verify", "1", "-verify_return_error"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (stdout, (sender, said)) = (child.stdout.take().unwrap(), channel());
        std::thread::spawn(move || {
            BufReader::new(stdout).bytes().map_while(Result::ok).try_for_each(|octet| sender.send(octet))
        });
        Called { child, said }
    }

    /// The next octets that the switch says.
    #[track_caller]
    fn hear<const N: usize>(&self, vm: &mut Vm) -> [u8; N] {
        std::array::from_fn(|index| {
            let heard = self.said.recv_timeout(PATIENCE);
            heard.unwrap_or_else(|error| vm.fail(&format!("{index} of {N} octets came: {error}")))
        })
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until the answer has all of these words.
#[track_caller]
fn becomes(vm: &mut Vm, words: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let asked = vm.look("ask controllers");
        if words.iter().all(|word| asked.contains(word)) {
            return;
        }
        assert!(Instant::now() < deadline, "{asked}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_controller_is_called_over_tls_if_its_certificate_is_good() {
    let Some(keys) = Keys::make("active") else { return };
    let port = free_port().unwrap();
    let mut vm = keys.switch(&format!("openflow.controllers=ssl:10.0.2.2:{port}")).monitor().boot();
    vm.line("ready: vswitch");
    let stranger = Called::start(&keys, port, "stranger");
    vm.line(UNKNOWN);
    becomes(&mut vm, &["away", UNKNOWN]);
    drop(stranger);
    let mut controller = Called::start(&keys, port, "ctl");
    // Its HELLO; then ours, and an ECHO_REQUEST.
    let hello: [u8; 16] = controller.hear(&mut vm);
    assert_eq!(hello[..4], [4, 0, 0, 16]);
    let stdin = controller.child.stdin.as_mut().unwrap();
    stdin.write_all(&[4, 0, 0, 8, 0, 0, 0, 1, 4, 2, 0, 12, 0, 0, 0, 2, 1, 2, 3, 4]).unwrap();
    stdin.flush().unwrap();
    assert_eq!(controller.hear(&mut vm), [4, 3, 0, 12, 0, 0, 0, 2, 1, 2, 3, 4]);
    vm.line("is there");
    becomes(&mut vm, &["there", "1.3", "equal"]);
}

#[test]
fn keys_that_are_not_there_and_images_without_tls_end_with_a_sentence_and_code_four() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("keyless");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("readme"), "no keys").unwrap();
    let mut vm = Vm::of(&Image::release("vswitch+tls"))
        .memory("16M")
        .network(&[])
        .link(Network::User)
        .data(&folder)
        .words("openflow.listen=pssl:6640")
        .boot();
    vm.line("error: tls/privkey.pem: this file is not in the data: TLS needs tls/privkey.pem, tls/cert.pem");
    assert_eq!(vm.exit_code(), 4);
    let without = |words: &str| {
        let setup = Vm::of(&Image::release("vswitch")).memory("16M").network(&[]);
        let mut vm = setup.link(Network::User).words(words).boot();
        vm.line("= needs tcp: or ptcp:, since this image is built without TLS: --features tls brings it");
        assert_eq!(vm.exit_code(), 4);
    };
    without("openflow.listen=pssl");
    without("openflow.controllers=ssl:192.0.2.1");
}
