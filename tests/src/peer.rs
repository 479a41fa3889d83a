//! Other name servers on this computer, to transfer zones from and to.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cargo_unik::port::free_port;

use crate::PATIENCE;

/// The key that all transfers are signed with, and its secret.
pub const KEY: (&str, &str) = ("transfer.example.org", "K2tf3TRjvQkVCmJF3/Z9vAqLsD0WuXG3R1bT4zSdEoY=");
/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(50);

/// A name server of Debian's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "their names say what they are")]
pub enum Kind {
    Nsd,
    Knot,
    Bind,
}

/// What a server does with its zone.
pub enum Role<'z> {
    /// It has this master file, and tells whoever listens at the address of new versions.
    Primary(&'z str, SocketAddr),
    /// It fetches the zone from that address.
    Secondary(SocketAddr),
}

/// A server of one zone that runs on this computer until it is dropped.
pub struct Peer {
    child: Child,
    kind: Kind,
    folder: PathBuf,
    zone: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// An address of this computer at which nobody listens, over neither transport, until one of this test's does.
///
/// # Panics
/// There is none.
pub fn free_address() -> SocketAddr {
    let port = free_port().unwrap_or_else(|error| panic!("{error}"));
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Peer {
    /// Starts a server of `zone` at `address`, with its files in `folder`, which is made for it.
    ///
    /// # Panics
    /// It is not installed, or does not start.
    pub fn start(kind: Kind, zone: &str, role: &Role<'_>, address: SocketAddr, folder: &Path) -> Self {
        let _ = fs::remove_dir_all(folder); // of a run before
        // Knot wants a folder for what it remembers.
        fs::create_dir_all(folder.join("db")).expect("the folder can be made");
        if let Role::Primary(text, _) = role {
            fs::write(folder.join("zone"), text).expect("the zone can be written");
        }
        let configuration = configuration(kind, zone, role, address, folder);
        let path = folder.join("conf");
        fs::write(&path, configuration).expect("the configuration can be written");
        let mut command = match kind {
            Kind::Nsd => Command::new("nsd"),
            Kind::Knot => Command::new("knotd"),
            Kind::Bind => Command::new("named"),
        };
        match kind {
            Kind::Nsd => command.arg("-d"),
            Kind::Knot => &mut command,
            Kind::Bind => command.arg("-g"),
        };
        let log = fs::File::create(folder.join("log")).expect("the log can be written");
        let output = log.try_clone().expect("a file can be shared");
        command.arg("-c").arg(path).stdin(Stdio::null()).stdout(output).stderr(log);
        let child = command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").spawn().unwrap_or_else(|error| {
            panic!("{kind:?} does not start: {error}; 'apt-get install nsd knot bind9' installs all three")
        });
        let zone = zone.to_owned();
        Self { child, kind, folder: folder.to_owned(), zone, address }
    }

    /// Gives a primary another version of its zone.
    ///
    /// # Panics
    /// It is gone.
    pub fn change(&self, text: &str) {
        // What reloads looks at the time of the file, of which some have seconds.
        let changed = fs::metadata(self.folder.join("zone")).and_then(|file| file.modified());
        fs::write(self.folder.join("zone"), text).expect("the zone can be written");
        let later = changed.expect("it was written before") + Duration::from_secs(2);
        let file = fs::File::options().write(true).open(self.folder.join("zone"));
        file.and_then(|file| file.set_modified(later)).expect("its time can be set");
        let status = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "{:?} is gone:\n{}", self.kind, self.log());
    }

    /// Waits until it serves version `serial` of its zone.
    ///
    /// # Panics
    /// It does not.
    pub fn wait_for(&self, serial: u32) {
        if let Err(last) = wait_for(self.address, &self.zone, serial) {
            panic!("{:?} has version {last:?} and not {serial}:\n{}", self.kind, self.log());
        }
    }

    /// What it has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {:?} ---\n{}", self.kind, self.log());
        }
        // Asked to end, it takes its own children along.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + PATIENCE / 6;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(PAUSE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the server at `address` serves version `serial` of `zone`.
///
/// # Errors
/// The version that it had last, if any.
pub fn wait_for(address: SocketAddr, zone: &str, serial: u32) -> Result<(), Option<u32>> {
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    while Instant::now() < deadline {
        last = version(address, zone).or(last);
        if last == Some(serial) {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    Err(last)
}

/// The number of the version of `zone` that the server at `address` has.
fn version(address: SocketAddr, zone: &str) -> Option<u32> {
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    let mut query = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0".to_vec();
    for label in zone.split('.') {
        query.push(u8::try_from(label.len()).ok()?);
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, 6, 0, 1]);
    socket.send_to(&query, address).ok()?;
    let mut answer = [0; 512];
    let (length, _) = socket.recv_from(&mut answer).ok()?;
    let answer = answer.get(..length)?;
    let is_one = answer.get(3)? & 0xf == 0 && answer.get(6..8)? == [0, 1];
    // The numbers of the SOA record stand where its data end.
    let data = answer.get(query.len()..)?;
    let length = usize::from(u16::from_be_bytes(*data.get(10..)?.first_chunk()?));
    let serial = data.get(12 + length - 20..)?.first_chunk()?;
    is_one.then_some(u32::from_be_bytes(*serial))
}

fn configuration(kind: Kind, zone: &str, role: &Role<'_>, address: SocketAddr, folder: &Path) -> String {
    let (at, port, (key, secret)) = (folder.display(), address.port(), KEY);
    let mut text = String::new();
    let other = match role {
        Role::Primary(_, other) | Role::Secondary(other) => other.port(),
    };
    let is_primary = matches!(role, Role::Primary(..));
    match kind {
        Kind::Nsd => {
            write!(
                text,
                "server:\n server-count: 1\n ip-address: 127.0.0.1@{port}\n zonesdir: {at}\n database: \"\"\n \
                 username: \"\"\n pidfile: {at}/pid\n xfrdfile: \"\"\n xfrdir: {at}\n zonelistfile: {at}/list\n \
                 xfrd-reload-timeout: 0\nremote-control:\n control-enable: no\n\
                 key:\n name: {key}\n algorithm: hmac-sha256\n secret: \"{secret}\"\n\
                 zone:\n name: {zone}\n zonefile: zone\n"
            )
            .expect("text");
            text += &match is_primary {
                true => format!(
                    " provide-xfr: 127.0.0.1 {key}\n notify: 127.0.0.1@{other} {key}\n store-ixfr: yes\n create-ixfr: yes\n"
                ),
                false => format!(" request-xfr: 127.0.0.1@{other} {key}\n allow-notify: 127.0.0.1 {key}\n"),
            };
        }
        Kind::Knot => {
            write!(
                text,
                "server:\n  rundir: {at}\n  listen: 127.0.0.1@{port}\n  tcp-workers: 1\n  udp-workers: 1\n  \
                 background-workers: 1\nlog:\n  - target: stderr\n    any: debug\ndatabase:\n  storage: {at}/db\n\
                 key:\n  - id: {key}\n    algorithm: hmac-sha256\n    secret: {secret}\n\
                 remote:\n  - id: other\n    address: 127.0.0.1@{other}\n    key: {key}\n\
                 acl:\n  - id: other\n    address: 127.0.0.1\n    key: {key}\n    action: [transfer, notify]\n\
                 zone:\n  - domain: {zone}\n    storage: {at}\n    file: zone\n    acl: other\n"
            )
            .expect("text");
            text += match is_primary {
                true => {
                    "    notify: other\n    zonefile-load: difference\n    zonefile-sync: -1\n    journal-content: changes\n"
                }
                false => "    master: other\n    zonefile-sync: -1\n",
            };
        }
        Kind::Bind => {
            write!(
                text,
                "options {{ directory \"{at}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; \
                 pid-file \"{at}/pid\"; session-keyfile \"{at}/session\"; recursion no; notify explicit; \
                 ixfr-from-differences yes; dnssec-validation no; allow-new-zones no; }};\ncontrols {{ }};\n\
                 key \"{key}\" {{ algorithm hmac-sha256; secret \"{secret}\"; }};\n"
            )
            .expect("text");
            text += &match is_primary {
                true => format!(
                    "zone \"{zone}\" {{ type primary; file \"zone\"; allow-transfer {{ key \"{key}\"; }}; \
                     also-notify {{ 127.0.0.1 port {other} key \"{key}\"; }}; }};\n"
                ),
                false => format!(
                    "zone \"{zone}\" {{ type secondary; file \"fetched\"; masterfile-format text; \
                     primaries {{ 127.0.0.1 port {other} key \"{key}\"; }}; allow-notify {{ key \"{key}\"; }}; }};\n"
                ),
            };
        }
    }
    text
}
