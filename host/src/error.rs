//! What the host can refuse.

use std::{fmt, io};

use rustix::io::Errno;

/// Why something of the host cannot be had. Variants with a number carry the `errno` of the system call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The name cannot be that of a network interface.
    BadTapName,
    /// The host has no taps.
    NoTaps,
    /// The process may not open taps, or not this one.
    TapNotPermitted,
    /// Another process has the tap open.
    TapBusy,
    /// The interface of that name is no tap.
    NotATap,
    /// The host refused the tap for another reason.
    Tap(i32),
    /// The path is too long or contains a NUL.
    BadLinkPath,
    /// Something that is no socket lies at the path.
    NotASocket,
    /// Others come and go at the path so fast that a link could neither be opened nor joined.
    LinkContended,
    /// The host refused the link for another reason.
    Link(i32),
    /// Another process serves the inspection channel's path.
    ChannelTaken,
    /// The file of data does not exist.
    NoSuchData,
    /// What was named as data is a directory.
    DataIsDirectory,
    /// The file of data is larger than [`DATA_LIMIT`](crate::DATA_LIMIT).
    DataTooLarge,
    /// The file of data cannot be read.
    Data(i32),
    /// The file of a disk does not exist.
    NoSuchDisk,
    /// What was named as a disk is a directory.
    DiskIsDirectory,
    /// What was named as a disk is neither a file nor a block device.
    DiskIsNoFile,
    /// The process may not open the disk.
    DiskNotPermitted,
    /// Another process has the disk open.
    DiskBusy,
    /// The file is an image in a format that only virtual machines know.
    DiskIsQcow2,
    /// The host refused the disk for another reason.
    Disk(i32),
    /// The host does not let the process hear signals.
    Signals(i32),
}

impl Error {
    pub(crate) fn of_tap(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NODEV | Errno::NXIO => Self::NoTaps,
            Errno::PERM | Errno::ACCESS => Self::TapNotPermitted,
            Errno::BUSY => Self::TapBusy,
            Errno::INVAL => Self::NotATap,
            other => Self::Tap(other.raw_os_error()),
        }
    }

    pub(crate) fn of_link(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidInput => Self::BadLinkPath,
            _ => Self::Link(error.raw_os_error().unwrap_or(0)),
        }
    }

    pub(crate) fn of_disk(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NoSuchDisk,
            io::ErrorKind::IsADirectory => Self::DiskIsDirectory,
            io::ErrorKind::PermissionDenied => Self::DiskNotPermitted,
            _ => Self::Disk(error.raw_os_error().unwrap_or(0)),
        }
    }

    pub(crate) fn of_data(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NoSuchData,
            io::ErrorKind::IsADirectory => Self::DataIsDirectory,
            _ => Self::Data(error.raw_os_error().unwrap_or(0)),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_cause = |formatter: &mut fmt::Formatter<'_>, what: &str, errno: i32| {
            write!(formatter, "{what}: {}", io::Error::from_raw_os_error(errno))
        };
        formatter.write_str(match *self {
            Self::BadTapName => "the name of a tap has 1 to 15 letters, digits, '-', '_' or '.'",
            Self::NoTaps => "this host has no taps: /dev/net/tun is missing (modprobe tun)",
            Self::TapNotPermitted => {
                "no permission to open the tap: make it first with `ip tuntap add NAME mode tap user $USER`, or run as root"
            }
            Self::TapBusy => "another process uses the tap",
            Self::NotATap => "the network interface of that name is no tap",
            Self::Tap(errno) => return with_cause(formatter, "the tap cannot be opened", errno),
            Self::BadLinkPath => "the path of a link is too long for a socket or contains a NUL",
            Self::NotASocket => "the path of the link is taken by something that is no socket",
            Self::LinkContended => "the path of the link changes too fast: is something else starting there again and again?",
            Self::Link(errno) => return with_cause(formatter, "the link cannot be opened", errno),
            Self::ChannelTaken => "another process serves the path of the inspection channel",
            Self::NoSuchData => "the data archive does not exist",
            Self::DataIsDirectory => "the data is a directory: pack it into an archive with `cpio -o -H newc` first",
            Self::DataTooLarge => "the data archive is larger than 1 GiB",
            Self::Data(errno) => return with_cause(formatter, "the data archive cannot be read", errno),
            Self::NoSuchDisk => "the file does not exist",
            Self::DiskIsDirectory => "it is a directory",
            Self::DiskIsNoFile => "it is neither a file nor a block device",
            Self::DiskNotPermitted => "no permission to open it (a disk that is only read is named with ,ro behind it)",
            Self::DiskBusy => "another process uses it as a disk",
            Self::DiskIsQcow2 => {
                "it is a qcow2 image, which only virtual machines read: `qemu-img convert -O raw` makes a plain one of it"
            }
            Self::Disk(errno) => return with_cause(formatter, "the host refuses it", errno),
            Self::Signals(errno) => return with_cause(formatter, "signals cannot be heard", errno),
        })
    }
}

impl std::error::Error for Error {}
