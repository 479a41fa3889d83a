//! A network card on a tap interface of the host: what the card sends, the host receives, and the other way round.
//!
//! Each frame is one system call, straight into or out of the buffer that the stack uses. The host's end of the
//! interface (its address, bridges, forwarding) is set up outside of the process.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::rc::Rc;

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use unik_net::{BatchNic, Frame, Nic, Offloads};
use unik_sched::counter::CounterSet;
use unik_sched::sync::Event;
use unik_virtio::{Buffer, Pool};

use crate::platform::{HostPlatform, Interest, Watch};
use crate::{Error, MTU, hardware_address};

const DEVICE: &str = "/dev/net/tun";
/// `open(2)`: `O_NONBLOCK` of x86-64 and most others.
const NONBLOCKING: i32 = 0o4000;

// Linux, include/uapi/linux/if_tun.h and if.h
const TUNSETIFF: Opcode = opcode::write::<i32>(b'T', 202);
const IFF_TAP: u16 = 0x0002;
const IFF_NO_PI: u16 = 0x1000;
const NAME_SIZE: usize = 16;

/// `struct ifreq` with its flags.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; NAME_SIZE],
    flags: u16,
    rest: [u8; 22],
}

const _: () = assert!(size_of::<InterfaceRequest>() == 40);

unik_sched::counters! {
    /// What a tap has done.
    pub struct TapCounters {
        /// Frames received from the host.
        received,
        /// Frames handed to the host.
        transmitted,
        /// Received frames dropped since they are larger than a buffer.
        receive_too_long,
        /// Times that nothing could be received for want of a buffer.
        receive_no_buffer,
        /// Frames that the host was too busy to take, and that were given back.
        transmit_full,
        /// Frames that the host refused, as it does while the interface is down; they are lost.
        transmit_refused,
        /// Frames dropped since they were to be cut into segments, which nobody here does.
        transmit_unsupported,
        /// One once the interface has been removed from the host.
        gone,
    }
}

/// A network card on a tap.
pub struct Tap {
    file: Rc<File>,
    watch: Watch,
    event: Event,
    pool: Pool,
    address: [u8; 6],
    /// Whether the host was too busy to take a frame.
    is_full: bool,
    /// Whether the interface has been removed: waiting for news of it would never wait.
    is_gone: bool,
    counters: Rc<TapCounters>,
}

impl Tap {
    /// Opens the tap `name`, with `buffers` buffers of 2 KiB. Makes the interface where the process may.
    ///
    /// The card's own address follows from the name alone, and differs from the address of the host's end.
    ///
    /// # Errors
    /// The variants of [`Error`] that speak of taps.
    pub fn try_new(platform: &HostPlatform, name: &str, buffers: usize) -> Result<Self, Error> {
        let mut request = request(name).ok_or(Error::BadTapName)?;
        let file = OpenOptions::new().read(true).write(true).custom_flags(NONBLOCKING).open(DEVICE);
        let file = file.map_err(|error| Error::of_tap(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        // SAFETY: 1. `TUNSETIFF` is the operation of that number (if_tun.h). 2. It reads and writes one `struct ifreq`,
        // which `InterfaceRequest` has the size and the layout of; every value of its bytes is valid.
        let attach = unsafe { Updater::<TUNSETIFF, InterfaceRequest>::new(&mut request) };
        // SAFETY: 1. The file is open. 2. The operation, on this or any other device, touches no memory of the process but
        // the request: the number itself tells the kernel to write to it and how `attach` was made.
        unsafe { ioctl(&file, attach) }.map_err(Error::of_tap)?;
        Ok(Self::over(platform, file, name, buffers))
    }

    /// The card `name` on a file that takes and gives one frame at a time.
    fn over(platform: &HostPlatform, file: File, name: &str, buffers: usize) -> Self {
        let (file, event) = (Rc::new(file), Event::new());
        Self {
            watch: platform.watch(file.clone(), event.clone()),
            file,
            event,
            pool: Pool::heap(buffers),
            address: hardware_address(name.as_bytes()),
            is_full: false,
            is_gone: false,
            counters: Rc::default(),
        }
    }
}

/// The request for a tap of that name, without a header in front of frames.
fn request(name: &str) -> Option<InterfaceRequest> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    // The host needs the final zero, and refuses the names of directories.
    let is_good =
        (1..NAME_SIZE).contains(&name.len()) && name.bytes().all(is_plain) && !matches!(name, "." | "..");
    let mut request = InterfaceRequest { name: [0; NAME_SIZE], flags: IFF_TAP | IFF_NO_PI, rest: [0; 22] };
    request.name.get_mut(..name.len()).filter(|_| is_good)?.copy_from_slice(name.as_bytes());
    Some(request)
}

impl BatchNic for Tap {}

impl Nic for Tap {
    fn hardware_address(&self) -> [u8; 6] {
        self.address
    }

    fn mtu(&self) -> usize {
        MTU
    }

    fn receive(&mut self) -> Option<Frame> {
        let Some(mut buffer) = self.pool.allocate() else {
            self.counters.receive_no_buffer.increment();
            return None;
        };
        loop {
            buffer.set_len(Buffer::CAPACITY).ok()?;
            match (&*self.file).read(&mut buffer) {
                // The host cuts off what does not fit, so that a frame which just fits may have lost its end.
                Ok(Buffer::CAPACITY) => self.counters.receive_too_long.increment(),
                Ok(length) => {
                    self.counters.received.increment();
                    return buffer.set_len(length).ok().map(|()| buffer.into());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    if error.kind() != ErrorKind::WouldBlock && !self.is_gone {
                        self.is_gone = true;
                        self.counters.gone.increment();
                    }
                    return None;
                }
            }
        }
    }

    fn allocate(&mut self, _length: usize) -> Option<Buffer> {
        self.pool.allocate()
    }

    fn transmit(&mut self, mut frame: Frame) -> Result<(), Frame> {
        if !frame.settle(Offloads::default()) {
            self.counters.transmit_unsupported.increment();
            return Ok(());
        }
        loop {
            match (&*self.file).write(&frame.buffer) {
                Ok(_) => {
                    self.counters.transmitted.increment();
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.counters.transmit_full.increment();
                    self.is_full = true;
                    return Err(frame);
                }
                Err(_) => {
                    self.counters.transmit_refused.increment();
                    return Ok(());
                }
            }
        }
    }

    fn flush(&mut self) {}

    fn arm(&mut self) -> bool {
        if self.is_gone {
            return false;
        }
        let interest = if self.is_full { Interest::ReadOrWrite } else { Interest::Read };
        self.is_full = false;
        self.watch.arm(interest);
        // Frames that wait already are found before the process idles.
        false
    }

    fn disarm(&mut self) {
        self.watch.disarm();
    }

    fn event(&self) -> Event {
        self.event.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        self.counters.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixDatagram;

    use unik_sched::time::{Instant, Platform};

    use super::*;

    /// A card whose host is a socket, which keeps frames apart as a tap does.
    fn with_socket(platform: &HostPlatform) -> (Tap, UnixDatagram) {
        let (near, far) = UnixDatagram::pair().expect("the host has sockets");
        near.set_nonblocking(true).expect("a socket can be");
        (Tap::over(platform, File::from(OwnedFd::from(near)), "tap0", 8), far)
    }

    #[test]
    fn frames_pass_both_ways_and_wake_the_card() {
        let platform = HostPlatform::new();
        let (mut tap, host) = with_socket(&platform);
        assert!(tap.receive().is_none());
        assert!(!tap.arm());
        host.send(&[1; 60]).unwrap();
        host.send(&[2; 1514]).unwrap();
        platform.idle(None);
        assert!(tap.event().try_take());
        assert_eq!(tap.receive().unwrap().buffer[..], [1; 60]);
        assert_eq!(tap.receive().unwrap().buffer[..], [2; 1514]);
        assert!(tap.receive().is_none());

        let mut buffer = tap.allocate(1514).unwrap();
        buffer.copy_from(&[3; 1514]).unwrap();
        assert!(tap.transmit(buffer.into()).is_ok());
        let mut bytes = [0; 2048];
        assert_eq!(host.recv(&mut bytes).unwrap(), 1514);
        assert_eq!(bytes[..1514], [3; 1514]);
    }

    #[test]
    fn a_frame_larger_than_a_buffer_is_dropped_and_counted() {
        let platform = HostPlatform::new();
        let (mut tap, host) = with_socket(&platform);
        host.send(&[1; 9000]).unwrap();
        host.send(&[2; 60]).unwrap();
        assert_eq!(tap.receive().unwrap().buffer[..], [2; 60]);
        assert_eq!(tap.counters.receive_too_long.get(), 1);
    }

    #[test]
    fn a_busy_host_gives_the_frame_back_and_says_when_there_is_room() {
        let platform = HostPlatform::new();
        let (mut tap, host) = with_socket(&platform);
        let refused = loop {
            let mut buffer = tap.allocate(1514).unwrap();
            buffer.copy_from(&[7; 1514]).unwrap();
            if let Err(frame) = tap.transmit(buffer.into()) {
                break frame;
            }
        };
        assert_eq!(refused.buffer[..], [7; 1514]);
        assert!(!tap.arm());
        for _ in 0..tap.counters.transmitted.get() {
            host.recv(&mut [0; 2048]).unwrap();
        }
        platform.idle(None);
        assert!(tap.event().is_set());
        assert!(tap.transmit(refused).is_ok());
    }

    #[test]
    fn without_buffers_nothing_is_received_and_nothing_lost() {
        let platform = HostPlatform::new();
        let (mut tap, host) = with_socket(&platform);
        host.send(&[1; 60]).unwrap();
        let held: Vec<_> = std::iter::from_fn(|| tap.allocate(1514)).collect();
        assert!(tap.receive().is_none());
        assert_eq!(tap.counters.receive_no_buffer.get(), 1);
        drop(held);
        assert_eq!(tap.receive().unwrap().buffer[..], [1; 60]);
    }

    #[test]
    fn an_interface_that_was_removed_does_not_keep_the_process_awake() {
        let platform = HostPlatform::new();
        // always has news, and none that could be read
        let file = OpenOptions::new().write(true).open("/dev/null").unwrap();
        let mut tap = Tap::over(&platform, file, "tap0", 8);
        assert!(!tap.arm());
        platform.idle(None);
        assert!(tap.event().try_take());
        assert!(tap.receive().is_none());
        assert_eq!(tap.counters.gone.get(), 1);
        assert!(!tap.arm());
        platform.idle(Some(Instant::ZERO));
        assert!(!tap.event().is_set());
    }

    #[test]
    fn a_bad_name_is_refused_before_the_host_is_asked() {
        let platform = HostPlatform::new();
        for name in ["", ".", "..", "sixteen-letters-", "a/b", "tap%d", "a b", "t\0", "ä"] {
            let error = Tap::try_new(&platform, name, 4).err();
            assert_eq!(error, Some(Error::BadTapName), "{name:?}");
        }
        assert_eq!(
            Error::BadTapName.to_string(),
            "the name of a tap has 1 to 15 letters, digits, '-', '_' or '.'"
        );
    }

    #[test]
    fn a_request_names_the_interface_and_asks_for_plain_frames() {
        let request = request("fifteen-letters").unwrap();
        assert_eq!(&request.name, b"fifteen-letters\0");
        assert_eq!(request.flags, 0x1002);
    }

    #[test]
    fn the_loopback_interface_is_no_tap() {
        // Without the privilege, or where there are no taps, the host says so before it looks at the interface.
        let error = Tap::try_new(&HostPlatform::new(), "lo", 4).err();
        assert!(matches!(error, Some(Error::NotATap | Error::TapNotPermitted | Error::NoTaps)), "{error:?}");
    }
}
