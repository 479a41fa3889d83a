//! The other end of a guest's network cable: Ethernet frames in a test's hands.
//!
//! The cable is the tool's `--net link:PATH`, with the test in the place of the other guest. So a test can say and hear what no
//! forwarded port lets through: ARP, ICMP, broken frames.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::vm::{PATIENCE, Setup};

/// Our hardware address on the wire.
const OUR_HARDWARE: [u8; 6] = [0x02, 0, 0, 0, 0, 1];
/// Our address on the wire.
pub(crate) const OUR_ADDRESS: [u8; 4] = [10, 0, 2, 2];
/// The guest's address on the wire.
pub(crate) const ITS_ADDRESS: [u8; 4] = [10, 0, 2, 15];

const BROADCAST: [u8; 6] = [0xff; 6];
const ARP: u16 = 0x0806;
pub(crate) const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Our address of IPv6 on the wire.
const OUR_SIX: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
/// How long a frame is waited for before the question is repeated.
const REPEAT: Duration = Duration::from_millis(200);
/// How long a frame is waited for that need not be there.
const AT_ONCE: Duration = Duration::from_micros(1);
/// The most that is read from the cable at once, in bytes.
const CHUNK: usize = 65_536;
/// QEMU's `stream` back end puts the length of a frame before it, as 32 bits, the highest first.
const PREFIX: usize = 4;

/// One end of a cable.
#[derive(Debug)]
pub struct Wire {
    path: PathBuf,
    listener: UnixListener,
    stream: Option<UnixStream>,
    /// What was read and is no whole frame yet.
    pending: Vec<u8>,
}

impl Wire {
    /// A cable whose other end nobody holds yet.
    ///
    /// # Panics
    /// The temporary folder cannot be written.
    pub fn new() -> Wire {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Paths of Unix sockets are short (108 bytes), so this one is not below the target folder.
        let path = std::env::temp_dir().join(format!("unik-{}-{number}.wire", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        match listener {
            Ok(listener) => Wire { path, listener, stream: None, pending: Vec::new() },
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }

    /// Plugs the other end into a network device of a machine, which gets [`ITS_ADDRESS`].
    #[must_use]
    pub fn plug(&self, setup: Setup) -> Setup {
        let [a, b, c, d] = ITS_ADDRESS;
        self.join(setup).words(&format!("net0.ip={a}.{b}.{c}.{d}/24"))
    }

    /// Plugs the other end into a network device of a machine that has no address on it.
    #[must_use]
    pub fn join(&self, setup: Setup) -> Setup {
        setup.wire(&self.path)
    }

    /// Where the other end is plugged in.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sends one frame.
    ///
    /// # Panics
    /// No machine that was started holds the other end.
    #[track_caller]
    pub fn send(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).unwrap_or_else(|_| panic!("no frame is that long"));
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend_from_slice(frame);
        if let Err(error) = self.stream().write_all(&bytes) {
            panic!("nobody takes frames from the wire: {error}");
        }
    }

    /// The next frame from the guest; `None` when none comes for a while, which on a busy computer may be because it is slow: for
    /// those that need not come, or are asked for again.
    ///
    /// # Panics
    /// The machine has ended.
    #[track_caller]
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some((prefix, rest)) = self.pending.split_first_chunk::<PREFIX>() {
                let length = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
                if rest.len() >= length {
                    let frame = rest[..length].to_vec();
                    self.pending.drain(..PREFIX + length);
                    return Some(frame);
                }
            }
            let mut chunk = [0; CHUNK];
            match self.stream().read(&mut chunk) {
                Ok(0) => panic!("the machine has let go of the wire"),
                Ok(length) => self.pending.extend_from_slice(&chunk[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return None;
                }
                Err(error) => panic!("the wire is broken: {error}"),
            }
        }
    }

    /// The next frame from the guest, which is to come.
    ///
    /// # Panics
    /// None comes, or the machine has ended.
    #[track_caller]
    pub fn hear(&mut self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(frame) = self.receive() {
                return frame;
            }
        }
        panic!("no frame on the wire within {PATIENCE:?}")
    }

    /// Drops what the guest has said so far, without waiting for more.
    ///
    /// # Panics
    /// The machine has ended.
    #[track_caller]
    pub fn ignore(&mut self) {
        let patience = |wire: &mut Wire, patience| {
            let set = wire.stream().set_read_timeout(Some(patience));
            set.unwrap_or_else(|error| panic!("the wire is broken: {error}"));
        };
        patience(self, AT_ONCE);
        while self.receive().is_some() {}
        patience(self, REPEAT);
    }

    /// The connection; it is there when a machine was started.
    #[track_caller]
    fn stream(&mut self) -> &mut UnixStream {
        if self.stream.is_none() {
            let accepted = self.listener.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(REPEAT))?;
                Ok(stream)
            });
            match accepted {
                Ok(stream) => self.stream = Some(stream),
                Err(error) => panic!("nobody holds the other end of the wire: {error}"),
            }
        }
        match &mut self.stream {
            Some(stream) => stream,
            None => unreachable!("it was put there just now"),
        }
    }

    /// Asks who has the guest's address until it says so, and returns its hardware address.
    ///
    /// # Panics
    /// It does not say so.
    #[track_caller]
    pub fn resolve(&mut self) -> [u8; 6] {
        let mut request = ethernet(BROADCAST, ARP);
        // RFC 826: Ethernet, IPv4, lengths 6 and 4, request
        request.extend_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
        request.extend_from_slice(&OUR_HARDWARE);
        request.extend_from_slice(&OUR_ADDRESS);
        request.extend_from_slice(&[0; 6]);
        request.extend_from_slice(&ITS_ADDRESS);
        let reply = self.ask(&request, |frame| {
            frame.get(12..14) == Some(&ARP.to_be_bytes())
                && frame.get(20..22) == Some(&[0, 2])
                && frame.get(28..32) == Some(&ITS_ADDRESS)
        });
        let mut hardware = [0; 6];
        hardware.copy_from_slice(&reply[22..28]);
        hardware
    }

    /// Asks by neighbour discovery (RFC 4861, 4.3) who has an address of IPv6 until a guest says so, and returns its
    /// hardware address.
    ///
    /// # Panics
    /// It does not say so.
    #[track_caller]
    pub fn resolve_six(&mut self, address: [u8; 16]) -> [u8; 6] {
        let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
        message.extend_from_slice(&address);
        message.extend_from_slice(&[1, 1]);
        message.extend_from_slice(&OUR_HARDWARE);
        let [.., a, b, c] = address;
        let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c];
        let reply = self.ask(&six([0x33, 0x33, 0xff, a, b, c], group, 58, &message, 2), |frame| {
            frame.get(12..14) == Some(&IPV6.to_be_bytes())
                && frame.get(54) == Some(&136)
                && frame.get(62..78) == Some(&address)
        });
        let mut hardware = [0; 6];
        hardware.copy_from_slice(&reply[80..86]);
        hardware
    }

    /// Sends the payload of a packet of IPv6, whose checksum is at `field`, until something of the same protocol comes back,
    /// and returns that.
    ///
    /// # Panics
    /// Nothing does, or its checksum is wrong.
    #[track_caller]
    pub fn ask_six(
        &mut self,
        hardware: [u8; 6],
        address: [u8; 16],
        protocol: u8,
        payload: &[u8],
        field: usize,
    ) -> Vec<u8> {
        let reply = self.ask(&six(hardware, address, protocol, payload, field), |frame| {
            frame.get(12..14) == Some(&IPV6.to_be_bytes())
                && frame.get(20) == Some(&protocol)
                && frame.get(22..38) == Some(&address)
                && frame.get(38..54) == Some(&OUR_SIX)
                && frame.get(54) != Some(&135)
        });
        assert_eq!(checksum(&covered(&reply[22..54], protocol, &reply[54..])), 0, "a wrong checksum");
        reply[54..].to_vec()
    }

    /// Sends an ICMP echo request with these contents, until the reply to it comes back.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn ping(&mut self, hardware: [u8; 6], contents: &[u8]) -> Vec<u8> {
        // RFC 792: echo request, code 0, checksum, identifier, sequence number
        let mut message = vec![8, 0, 0, 0, 0x75, 0x6e, 0, 1];
        message.extend_from_slice(contents);
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut request = ethernet(hardware, IPV4);
        request.extend_from_slice(&ipv4(message.len(), 1));
        request.extend_from_slice(&message);
        let reply = self.ask(&request, |frame| {
            frame.get(12..14) == Some(&IPV4.to_be_bytes())
                && frame.get(23) == Some(&1)
                && frame.get(34) == Some(&0)
                && frame.get(38..42) == Some(&[0x75, 0x6e, 0, 1])
        });
        let end = 14 + usize::from(u16::from_be_bytes([reply[16], reply[17]]));
        assert_eq!(checksum(&reply[14..34]), 0, "the header of the reply has a wrong checksum");
        assert_eq!(checksum(&reply[34..end]), 0, "the reply has a wrong checksum");
        reply[42..end].to_vec()
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, request: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            self.send(request);
            while let Some(frame) = self.receive() {
                if wanted(&frame) {
                    return frame;
                }
            }
        }
        panic!("no reply on the wire within {PATIENCE:?}")
    }
}

/// A frame with a packet of IPv6 from us, the checksum of its payload filled in at `field`.
fn six(hardware: [u8; 6], address: [u8; 16], protocol: u8, payload: &[u8], field: usize) -> Vec<u8> {
    let mut payload = payload.to_vec();
    let sum = checksum(&covered(&[OUR_SIX, address].concat(), protocol, &payload));
    payload[field..field + 2].copy_from_slice(&sum.to_be_bytes());
    let [high, low] = u16::try_from(payload.len()).unwrap_or_else(|_| panic!("it is too long")).to_be_bytes();
    let mut frame = ethernet(hardware, IPV6);
    frame.extend_from_slice(&[0x60, 0, 0, 0, high, low, protocol, 255]);
    frame.extend_from_slice(&OUR_SIX);
    frame.extend_from_slice(&address);
    frame.extend_from_slice(&payload);
    frame
}

/// What the checksum of a payload between two addresses covers (RFC 8200, 8.1).
fn covered(addresses: &[u8], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or_else(|_| panic!("it is too long")).to_be_bytes();
    [addresses, &length, &[0, 0, 0, protocol], payload].concat()
}

impl Default for Wire {
    fn default() -> Wire {
        Wire::new()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

pub(crate) fn ethernet(destination: [u8; 6], kind: u16) -> Vec<u8> {
    let mut frame = destination.to_vec();
    frame.extend_from_slice(&OUR_HARDWARE);
    frame.extend_from_slice(&kind.to_be_bytes());
    frame
}

/// RFC 791, 3.1: a header without options.
pub(crate) fn ipv4(length: usize, protocol: u8) -> [u8; 20] {
    let mut header = [0; 20];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&(u16::try_from(20 + length).unwrap_or(u16::MAX)).to_be_bytes());
    header[8] = 64;
    header[9] = protocol;
    header[12..16].copy_from_slice(&OUR_ADDRESS);
    header[16..20].copy_from_slice(&ITS_ADDRESS);
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

/// RFC 1071: 0 over anything that carries its right checksum.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
