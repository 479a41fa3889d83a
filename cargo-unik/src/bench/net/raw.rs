//! Sockets for whole frames (packet(7)).

use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, bind, socket};

use crate::error::{Context, Error, Result};

/// A socket that writes frames to a device, and hears nothing.
///
/// # Errors
/// There is no such device here, or the user may not.
pub(crate) fn sender(device: &str) -> Result<OwnedFd> {
    open(device, None)
}

/// A socket that hears the frames of a type that a device receives.
///
/// # Errors
/// There is no such device here, or the user may not.
pub(crate) fn receiver(device: &str, kind: SockProtocol) -> Result<OwnedFd> {
    open(device, Some(kind))
}

fn open(device: &str, protocol: Option<SockProtocol>) -> Result<OwnedFd> {
    let doing = || format!("write and read frames at {device}");
    let raw = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol);
    let raw = raw.or_cannot(doing)?;
    let mut addresses = getifaddrs().or_cannot(doing)?.filter(|interface| interface.interface_name == device);
    let link = addresses.find_map(|interface| interface.address?.as_link_addr().copied());
    let link: LinkAddr = link.ok_or_else(|| Error::failed(format!("there is no {device}")))?;
    bind(raw.as_raw_fd(), &link).or_cannot(doing)?;
    Ok(raw)
}
