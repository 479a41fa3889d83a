//! The other end of a guest's network cable: Ethernet frames in a test's hands.
//!
//! QEMU's `dgram` back end puts each frame into a datagram of a Unix socket, so a test can say and hear what no forwarded port lets
//! through: ARP, ICMP, broken packets.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::vm::{PATIENCE, Setup};

/// Our hardware address on the wire.
const OUR_HARDWARE: [u8; 6] = [0x02, 0, 0, 0, 0, 1];
/// Our address on the wire.
const OUR_ADDRESS: [u8; 4] = [10, 0, 2, 2];
/// The guest's address on the wire.
const ITS_ADDRESS: [u8; 4] = [10, 0, 2, 15];

const BROADCAST: [u8; 6] = [0xff; 6];
const ARP: u16 = 0x0806;
const IPV4: u16 = 0x0800;
/// How long a frame is waited for before the question is repeated.
const REPEAT: Duration = Duration::from_millis(200);
/// The largest frame without jumbo frames, in bytes.
const FRAME: usize = 1514;

/// One end of a cable.
#[derive(Debug)]
pub struct Wire {
    socket: UnixDatagram,
    ours: PathBuf,
    theirs: PathBuf,
}

impl Wire {
    /// A cable whose other end nobody holds yet.
    ///
    /// # Panics
    /// The temporary folder cannot be written.
    pub fn new() -> Wire {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Paths of Unix sockets are short (108 bytes), so they are not below the target folder.
        let name =
            |end: &str| std::env::temp_dir().join(format!("unik-{}-{number}.{end}", std::process::id()));
        let (ours, theirs) = (name("ours"), name("theirs"));
        let _ = std::fs::remove_file(&ours);
        let socket = UnixDatagram::bind(&ours).and_then(|socket| {
            socket.set_read_timeout(Some(REPEAT))?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => Wire { socket, ours, theirs },
            Err(error) => panic!("{}: {error}", ours.display()),
        }
    }

    /// Plugs the other end into a machine's only network device, with a fixed address.
    #[must_use]
    pub fn plug(&self, setup: Setup, device: &str) -> Setup {
        let (ours, theirs) = (self.ours.display(), self.theirs.display());
        let back_end =
            format!("dgram,id=wire,local.type=unix,local.path={theirs},remote.type=unix,remote.path={ours}");
        let device = format!("{device},netdev=wire,mac=52:54:00:12:34:56");
        setup.qemu(["-netdev", &back_end, "-device", &device]).words("net0.ip=10.0.2.15/24")
    }

    /// Sends one frame; a guest that is not there yet hears nothing.
    pub fn send(&self, frame: &[u8]) {
        let _ = self.socket.send_to(frame, &self.theirs);
    }

    /// Asks who has the guest's address until it says so, and returns its hardware address.
    ///
    /// # Panics
    /// It does not say so.
    #[track_caller]
    pub fn resolve(&self) -> [u8; 6] {
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

    /// Sends an ICMP echo request with these contents until the reply to it comes back.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn ping(&self, hardware: [u8; 6], contents: &[u8]) -> Vec<u8> {
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
    fn ask(&self, request: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        let mut frame = [0; FRAME];
        while Instant::now() < deadline {
            self.send(request);
            while let Ok(length) = self.socket.recv(&mut frame) {
                if wanted(&frame[..length]) {
                    return frame[..length].to_vec();
                }
            }
        }
        panic!("no reply on the wire within {PATIENCE:?}")
    }
}

impl Default for Wire {
    fn default() -> Wire {
        Wire::new()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.ours);
        let _ = std::fs::remove_file(&self.theirs);
    }
}

fn ethernet(destination: [u8; 6], kind: u16) -> Vec<u8> {
    let mut frame = destination.to_vec();
    frame.extend_from_slice(&OUR_HARDWARE);
    frame.extend_from_slice(&kind.to_be_bytes());
    frame
}

/// RFC 791, 3.1: a header without options.
fn ipv4(length: usize, protocol: u8) -> [u8; 20] {
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
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
