//! The two sides as guests that serve a zone, and one question to them.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Field;
use super::zone::Zone;
use crate::bench::PATIENCE;
use crate::bench::net::side::{self, Server, Side};
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::image;
use crate::options::Network;

/// The port of the protocol.
pub(super) const DNS: u16 = 53;
/// A name that every zone here has.
pub(super) const WWW: &[u8] = b"\x03www\x07example\x03org\0";

/// Whether the Linux guest is built.
pub(super) fn is_built(folder: &Path) -> bool {
    ["tuned/vmlinux", "tuned/initramfs.nsd", "tree/usr/sbin/nsd"]
        .iter()
        .all(|file| folder.join(file).exists())
}

impl Field<'_> {
    /// Packs a zone for the image, under a name of its own.
    pub(super) fn pack(&self, name: &str, zone: &Zone) -> Result<PathBuf> {
        let folder = self.workspace.target.join("unik/bench/dns").join(name);
        fs::create_dir_all(&folder).or_cannot(|| format!("make {}", folder.display()))?;
        fs::write(folder.join("example.org.zone"), zone.text()).or_cannot(|| "write a zone".to_owned())?;
        image::pack(&folder, &folder.with_extension("cpio"))
    }

    /// The machine of a side, which the Linux guest brings its zone with.
    pub(super) fn guest(&self, side: Side, zones: &Path) -> Result<Guest> {
        let guest = match (side, &self.linux) {
            (Side::Unik, _) => {
                let guest = side::unik(&self.dns)?;
                // One client asks all there is: a limit on what it gets is not what is measured, here as in the configuration of NSD.
                let cmdline = format!("{} dns.rrl=off", guest.cmdline);
                Guest {
                    initrd: Some(zones.to_owned()),
                    monitor: Some(side::monitor_path()),
                    cmdline,
                    ..guest
                }
            }
            (Side::Linux, Some(folder)) => side::linux(folder, "nsd")?,
            (Side::Linux, None) => return Err(Error::failed("there is no Linux guest")),
        };
        Ok(Guest { networks: vec![Network::Tap(side.wire().tap.to_owned())], ..guest })
    }

    /// Starts a side and waits for its first answer.
    pub(super) fn start(&self, side: Side, guest: &Guest) -> Result<Server> {
        let mut server = Server::start(side, guest)?;
        let answered = first_answer(server.port(DNS), Duration::from_millis(20));
        answered.map_err(|error| server.report(&error))?;
        Ok(server)
    }
}

/// Asks until there is an answer, again after `repeat` each time.
pub(super) fn first_answer(address: SocketAddr, repeat: Duration) -> Result<()> {
    let socket = socket(address, repeat)?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        // One that cannot be sent, because nobody listens, counts as lost.
        let mut answer = [0; 512];
        let _ = socket.send(&question(0, WWW));
        if matches!(socket.recv(&mut answer), Ok(length) if is_good(&answer[..length])) {
            return Ok(());
        }
    }
    Err(Error::failed(format!("no answer from {address} within {PATIENCE:?}")))
}

/// A socket to a server.
pub(super) fn socket(address: SocketAddr, patience: Duration) -> Result<UdpSocket> {
    let doing = || format!("ask {address}");
    let socket = UdpSocket::bind("0.0.0.0:0").or_cannot(doing)?;
    socket.connect(address).or_cannot(doing)?;
    socket.set_read_timeout(Some(patience)).or_cannot(doing)?;
    Ok(socket)
}

/// A query for the address of `name` (RFC 1035, 4.1).
pub(super) fn question(id: u16, name: &[u8]) -> Vec<u8> {
    let [a, b] = id.to_be_bytes();
    [&[a, b, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], name, &[0, 1, 0, 1]].concat()
}

/// Whether an answer says that there is no error, and holds records.
fn is_good(answer: &[u8]) -> bool {
    matches!(answer, [_, _, _, code, _, _, high, low, ..] if code & 0xf == 0 && (*high, *low) > (0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_has_its_identifier_first_and_its_type_and_class_last() {
        let query = question(0x1234, WWW);
        assert!(query.starts_with(&[0x12, 0x34, 0, 0, 0, 1]));
        assert!(query.ends_with(&[0, 0, 1, 0, 1]));
    }

    #[test]
    fn an_answer_without_records_is_not_good() {
        assert!(is_good(&[0, 0, 0x84, 0, 0, 1, 0, 1]));
        assert!(!is_good(&[0, 0, 0x84, 0, 0, 1, 0, 0]));
        assert!(!is_good(&[0, 0, 0x84, 3, 0, 1, 0, 1]));
        assert!(!is_good(&[0, 0]));
    }
}
