//! From wishes about a machine to the QEMU command that makes it.
//!
//! [`Guest`] holds the wishes, [`Guest::command`] the result; nothing is started here, so every line of a command can be tested. The
//! machine has what an image needs and nothing else: a serial port, a port to exit through, an entropy source, and the asked-for
//! network devices, disks and inspection channel, in this order.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::autopsy::EXIT;
use crate::disk::Drive;
use crate::error::{Context, Error, Result};
use crate::options::{Accelerator, Forward, Machine, Memory, Network};

/// The program that makes virtual machines.
pub const QEMU: &str = "qemu-system-x86_64";
/// Where an image writes its exit code; QEMU then exits with twice the code and one.
pub const EXIT_PORT: u16 = 0x501;
/// Virtio slots of microvm without ACPI.
pub const SLOTS: usize = 8;
/// Virtio slots of microvm with ACPI.
pub const SLOTS_ACPI: usize = 24;

/// A virtual machine, as wished for.
#[derive(Debug, Clone)]
pub struct Guest {
    /// The image.
    pub kernel: PathBuf,
    /// The archive of its files.
    pub initrd: Option<PathBuf>,
    /// The words of configuration.
    pub cmdline: String,
    /// The kind of machine.
    pub machine: Machine,
    /// Its memory.
    pub memory: Memory,
    /// Who executes it.
    pub accelerator: Accelerator,
    /// Its network devices, in order: `net0`, `net1` and so on.
    pub networks: Vec<Network>,
    /// Ports of 127.0.0.1 that lead into it, through the first user network.
    pub forwards: Vec<Forward>,
    /// Its disks, in order: `disk0`, `disk1` and so on.
    pub disks: Vec<Drive>,
    /// Whether it has a source of random numbers. Without one an image opens no network.
    pub entropy: bool,
    /// It stays as it was when it ends, for one who attends its end and ends QEMU ([`crate::run::boot`] with a core file).
    pub stays: bool,
    /// The Unix socket of its inspection channel.
    pub monitor: Option<PathBuf>,
    /// More arguments for QEMU, behind all others.
    pub extra: Vec<OsString>,
}

/// A command that starts the guest, and what was chosen on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What to start.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The choices in words: `microvm (acpi=off: 2 of 8 slots), TCG, 64M`.
    pub summary: String,
}

impl Guest {
    /// A microvm of default size without network and disks.
    pub fn new(kernel: impl Into<PathBuf>) -> Guest {
        Guest {
            kernel: kernel.into(),
            initrd: None,
            cmdline: String::new(),
            machine: Machine::default(),
            memory: Memory::DEFAULT,
            accelerator: Accelerator::default(),
            networks: Vec::new(),
            forwards: Vec::new(),
            disks: Vec::new(),
            entropy: true,
            stays: false,
            monitor: None,
            extra: Vec::new(),
        }
    }

    /// The QEMU command for this guest on this computer.
    ///
    /// # Errors
    /// More devices than the machine has slots, forwarded ports without a user network, or KVM asked for where there is none.
    pub fn command(&self) -> Result<Command> {
        let mut arguments = Arguments::default();
        let kvm = self.uses_kvm()?;
        let variant = self.variant()?;
        arguments.words(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
        arguments.option("-machine", variant.machine);
        arguments.option("-accel", if kvm { "kvm" } else { "tcg" });
        if kvm {
            arguments.option("-cpu", "host");
        }
        arguments.option("-m", self.memory.to_string());
        if self.machine == Machine::Microvm {
            arguments.option("-global", "virtio-mmio.force-legacy=false");
        }
        arguments.option("-serial", "stdio");
        if self.stays {
            // A reset ends the machine as well, and its end makes it pause.
            arguments.words(["-no-shutdown"]);
            arguments.option("-device", format!("isa-debugcon,iobase={EXIT_PORT:#x},chardev={EXIT}"));
        } else {
            arguments.option("-device", format!("isa-debug-exit,iobase={EXIT_PORT:#x},iosize=4"));
        }
        if self.entropy {
            arguments.option("-device", self.device("virtio-rng"));
        }
        self.network_arguments(&mut arguments)?;
        for (index, disk) in self.disks.iter().enumerate() {
            let format = disk.format.name();
            let mode = if disk.is_read_only { ",readonly=on" } else { "" };
            // What stands before a colon, and before any slash, would be a protocol.
            let here = if disk.path.is_relative() { "./" } else { "" };
            let prefix = format!("if=none,id=disk{index},format={format}{mode},file={here}");
            arguments.option("-drive", escaped(&prefix, &disk.path));
            arguments.option("-device", format!("{},drive=disk{index}", self.device("virtio-blk")));
        }
        if let Some(path) = &self.monitor {
            let path = std::path::absolute(path).or_cannot(|| format!("find {}", path.display()))?;
            // Port 0 is a console (virtio 1.2, 5.3.2); the channel is the other one.
            arguments.option("-device", format!("{},max_ports=2", self.device("virtio-serial")));
            arguments.option("-chardev", escaped("socket,id=monitor,server=on,wait=off,path=", &path));
            arguments.option("-device", "virtserialport,chardev=monitor,nr=1,name=unik.monitor");
        }
        arguments.option("-kernel", &self.kernel);
        if let Some(initrd) = &self.initrd {
            arguments.option("-initrd", initrd);
        }
        if !self.cmdline.is_empty() {
            arguments.option("-append", &self.cmdline);
        }
        arguments.0.extend(self.extra.iter().cloned());
        let summary = format!("{}, {}, {}", variant.summary, if kvm { "KVM" } else { "TCG" }, self.memory);
        Ok(Command { program: QEMU.into(), arguments: arguments.0, summary })
    }

    /// The name of a virtio device on this machine's bus.
    fn device(&self, kind: &str) -> String {
        match self.machine {
            Machine::Microvm => format!("{kind}-device"),
            Machine::Q35 | Machine::Pc => format!("{kind}-pci"),
        }
    }

    /// microvm has 8 slots, or 24 with ACPI, which takes longer to boot.
    fn variant(&self) -> Result<Variant> {
        let single = usize::from(self.entropy) + usize::from(self.monitor.is_some());
        let devices = single + self.networks.len() + self.disks.len();
        if self.machine != Machine::Microvm {
            let name = self.machine.to_string();
            return Ok(Variant { summary: name.clone(), machine: name });
        }
        let (acpi, slots) = match devices {
            0..=SLOTS => ("off", SLOTS),
            _ if devices <= SLOTS_ACPI => ("on", SLOTS_ACPI),
            _ => {
                let sentence = format!(
                    "microvm has room for {SLOTS_ACPI} devices, not for {devices}: use --machine q35"
                );
                return Err(Error::usage(sentence));
            }
        };
        Ok(Variant {
            machine: format!("microvm,acpi={acpi}"),
            summary: format!("microvm (acpi={acpi}: {devices} of {slots} slots)"),
        })
    }

    fn uses_kvm(&self) -> Result<bool> {
        match (self.accelerator, kvm()) {
            (Accelerator::Tcg, _) => Ok(false),
            (Accelerator::Auto, kvm) => Ok(kvm.is_ok()),
            (Accelerator::Kvm, Ok(())) => Ok(true),
            (Accelerator::Kvm, Err(reason)) => Err(Error::failed(format!("there is no KVM here: {reason}"))),
        }
    }

    fn network_arguments(&self, arguments: &mut Arguments) -> Result<()> {
        let mut forwards = Some(&self.forwards).filter(|forwards| !forwards.is_empty());
        for (index, network) in self.networks.iter().enumerate() {
            // IEEE 802-2014, 8.4: of the first byte, bit 1 is "locally administered" and bit 0 "group".
            let mut hardware = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56 + index as u8]; // there are fewer than 32
            let back_end: OsString = match network {
                Network::User => {
                    let mut back_end = format!("user,id=net{index}");
                    for Forward { protocol, host, guest } in forwards.take().into_iter().flatten() {
                        back_end += &format!(",hostfwd={protocol}:127.0.0.1:{host}-:{guest}");
                    }
                    back_end.into()
                }
                Network::Tap(name) => {
                    hardware = tap_hardware(name);
                    format!("tap,id=net{index},ifname={name},script=no,downscript=no").into()
                }
                Network::Link(path) => {
                    let path = std::path::absolute(path).or_cannot(|| format!("find {}", path.display()))?;
                    // The first guest waits at the socket, the second one finds it waiting.
                    let server = if listens(&path) { "off" } else { "on" };
                    // Their cards have different addresses, and so have those at other links: a switch may join them.
                    hardware[4] += u8::from(server == "on");
                    let [a, b, c, d] = hash(path.as_os_str().as_encoded_bytes());
                    (hardware[2], hardware[3]) = (a ^ c, b ^ d);
                    escaped(&format!("stream,id=net{index},server={server},addr.type=unix,addr.path="), &path)
                }
            };
            arguments.option("-netdev", back_end);
            // Without its ROM the device costs no time in the firmware.
            let rom = if self.machine == Machine::Microvm { "" } else { ",romfile=" };
            let device = self.device("virtio-net");
            let hardware = hardware.map(|byte| format!("{byte:02x}")).join(":");
            arguments.option("-device", format!("{device},netdev=net{index},mac={hardware}{rom}"));
        }
        match forwards {
            Some(_) => Err(Error::usage("ports are forwarded through user networking: add --net user")),
            None => Ok(()),
        }
    }
}

/// The hardware address of the card at a tap: the same in every run, and another one at each tap, since a bridge may join them.
pub(crate) fn tap_hardware(name: &str) -> [u8; 6] {
    let [a, b, c, d] = hash(name.as_bytes());
    [0x52, 0x54, a, b, c, d]
}

/// Four bytes that differ for most texts, and are the same for one on every computer (FNV-1a of 32 bits).
fn hash(text: &[u8]) -> [u8; 4] {
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    text.iter().fold(0x811c_9dc5, step).to_be_bytes()
}

impl Command {
    /// The command as one line that a shell understands.
    pub fn line(&self) -> String {
        let mut line = quoted(&self.program.to_string_lossy());
        for argument in &self.arguments {
            line.push(' ');
            line += &quoted(&argument.to_string_lossy());
        }
        line
    }

    /// Whether the machine has a power button: all have, but a microvm without ACPI.
    pub fn has_button(&self) -> bool {
        let mut words = self.arguments.iter().rev().map(|argument| argument.to_string_lossy());
        words.find(|word| word.contains("acpi=")).is_none_or(|word| !word.contains("acpi=off"))
    }

    /// The command, ready to be given pipes and started.
    pub fn process(&self) -> std::process::Command {
        let mut process = std::process::Command::new(&self.program);
        process.args(&self.arguments);
        process
    }
}

/// Whether KVM works here, or why it does not. A `/dev/kvm` alone proves nothing.
///
/// # Errors
/// The reason, as the end of a sentence.
pub fn kvm() -> std::result::Result<(), &'static str> {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = processors.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    if !flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm") {
        return Err("the processor has neither vmx nor svm");
    }
    match fs::OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        Ok(_) => Ok(()),
        Err(_) => Err("/dev/kvm cannot be opened"),
    }
}

struct Variant {
    machine: String,
    summary: String,
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn words<const N: usize>(&mut self, words: [&str; N]) {
        self.0.extend(words.map(OsString::from));
    }

    fn option(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.push(name.into());
        self.0.push(value.into());
    }
}

/// `prefix` and a path in which commas are doubled, as QEMU wants them inside its lists.
fn escaped(prefix: &str, path: &Path) -> OsString {
    use std::os::unix::ffi::OsStringExt as _;
    let mut bytes = prefix.as_bytes().to_vec();
    for byte in path.as_os_str().as_bytes() {
        if *byte == b',' {
            bytes.push(b',');
        }
        bytes.push(*byte);
    }
    OsString::from_vec(bytes)
}

/// Whether somebody waits for connections at this Unix socket. Asking the kernel does not disturb the one who waits.
fn listens(path: &Path) -> bool {
    // proc(5), /proc/net/unix: address, references, protocol, flags, type, state, inode, path; 0x10000 is SO_ACCEPTCON
    let sockets = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    sockets.lines().any(|line| {
        let mut words = line.split_whitespace();
        let waits = words.nth(3) == Some("00010000");
        waits && words.nth(3).is_some_and(|socket| Path::new(socket) == path)
    })
}

fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=+,./:@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Format;
    use crate::options::Protocol;

    fn line(guest: &Guest) -> String {
        guest.command().unwrap().line()
    }

    fn tcg(machine: Machine) -> Guest {
        Guest { machine, accelerator: Accelerator::Tcg, ..Guest::new("hello.elf") }
    }

    #[test]
    fn a_plain_microvm_has_a_console_an_exit_and_entropy() {
        assert_eq!(
            line(&tcg(Machine::Microvm)),
            "qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -machine microvm,acpi=off \
             -accel tcg -m 64M -global virtio-mmio.force-legacy=false -serial stdio \
             -device isa-debug-exit,iobase=0x501,iosize=4 -device virtio-rng-device -kernel hello.elf"
        );
    }

    #[test]
    fn the_source_of_random_numbers_can_be_left_out() {
        let guest = Guest { entropy: false, ..tcg(Machine::Microvm) };
        assert!(!line(&guest).contains("virtio-rng"), "{}", line(&guest));
        assert_eq!(guest.command().unwrap().summary, "microvm (acpi=off: 0 of 8 slots), TCG, 64M");
    }

    #[test]
    fn a_machine_that_stays_tells_its_exit_code_and_does_not_end_by_it() {
        let line = line(&Guest { stays: true, ..tcg(Machine::Microvm) });
        assert!(line.contains(" -no-reboot ") && line.contains(" -no-shutdown "), "{line}");
        assert!(line.contains(" -device isa-debugcon,iobase=0x501,chardev=unik-exit "), "{line}");
        assert!(!line.contains("isa-debug-exit"), "{line}");
    }

    #[test]
    fn network_devices_on_pci_come_without_their_rom() {
        let guest = Guest { networks: vec![Network::User], ..tcg(Machine::Q35) };
        assert!(line(&guest).contains("-device virtio-net-pci,netdev=net0,mac=52:54:00:12:34:56,romfile= "));
    }

    #[test]
    fn ports_are_forwarded_through_the_first_user_network() {
        let forwards = vec![Forward { protocol: Protocol::Udp, host: 5300, guest: 53 }];
        let networks = vec![Network::Tap("tap0".to_owned()), Network::User, Network::User];
        let guest = Guest { networks, forwards, ..tcg(Machine::Microvm) };
        let line = line(&guest);
        assert!(line.contains("-netdev user,id=net1,hostfwd=udp:127.0.0.1:5300-:53 "), "{line}");
        assert!(line.contains("-netdev user,id=net2 "), "{line}");
    }

    #[test]
    fn a_forward_without_a_user_network_is_refused() {
        let forwards = vec![Forward { protocol: Protocol::Udp, host: 5300, guest: 53 }];
        let error = Guest { forwards, ..tcg(Machine::Microvm) }.command().unwrap_err();
        assert_eq!(error.exit_code(), crate::error::EXIT_USAGE);
    }

    #[test]
    fn microvm_takes_acpi_when_eight_slots_are_not_enough() {
        let disks =
            |count| Guest { disks: vec![Drive::raw("d.img"); count], ..tcg(Machine::Microvm) }.command();
        assert_eq!(disks(7).unwrap().summary, "microvm (acpi=off: 8 of 8 slots), TCG, 64M");
        assert_eq!(disks(8).unwrap().summary, "microvm (acpi=on: 9 of 24 slots), TCG, 64M");
        assert!(disks(24).unwrap_err().to_string().contains("--machine q35"));
    }

    #[test]
    fn the_inspection_channel_is_a_port_of_its_own_and_takes_a_slot() {
        let monitor = |machine| Guest { monitor: Some("/run/a,b".into()), ..tcg(machine) };
        let channel = "-chardev socket,id=monitor,server=on,wait=off,path=/run/a,,b \
                       -device virtserialport,chardev=monitor,nr=1,name=unik.monitor -kernel hello.elf";
        let microvm = monitor(Machine::Microvm);
        let device = "-device virtio-serial-device,max_ports=2";
        assert!(line(&microvm).ends_with(&format!("{device} {channel}")), "{}", line(&microvm));
        assert_eq!(microvm.command().unwrap().summary, "microvm (acpi=off: 2 of 8 slots), TCG, 64M");
        let device = "-device virtio-serial-pci,max_ports=2";
        assert!(line(&monitor(Machine::Q35)).ends_with(&format!("{device} {channel}")));
    }

    #[test]
    fn a_comma_in_a_path_stays_in_the_path() {
        let disk = Drive { format: Format::Qcow2, ..Drive::raw("a,b.qcow2") };
        let guest = Guest { disks: vec![disk], ..tcg(Machine::Pc) };
        assert!(line(&guest).contains("-drive if=none,id=disk0,format=qcow2,file=./a,,b.qcow2 "));
    }

    #[test]
    fn a_colon_in_the_name_of_a_disk_is_no_protocol() {
        let line = |path: &str| line(&Guest { disks: vec![Drive::raw(path)], ..tcg(Machine::Pc) });
        assert!(line("nbd:a.img").contains(",file=./nbd:a.img "));
        assert!(line("/disks/a:b").contains(",file=/disks/a:b "));
    }

    #[test]
    fn a_disk_that_is_only_read_is_so_for_the_guest_too() {
        let disks = vec![Drive::raw("a"), Drive { is_read_only: true, ..Drive::raw("b") }];
        let line = line(&Guest { disks, ..tcg(Machine::Microvm) });
        let expected = "-drive if=none,id=disk0,format=raw,file=./a -device virtio-blk-device,drive=disk0 \
                        -drive if=none,id=disk1,format=raw,readonly=on,file=./b -device virtio-blk-device,drive=disk1 ";
        assert!(line.contains(expected), "{line}");
    }

    #[test]
    fn the_first_end_of_a_link_waits_and_the_second_one_connects() {
        let scratch = crate::scratch::Scratch::new();
        let path = scratch.path().join("wire");
        let guest = Guest { networks: vec![Network::Link(path.clone())], ..tcg(Machine::Microvm) };
        let first = line(&guest);
        let address = |line: &str| line.split_once("mac=").map(|found| found.1[..17].to_owned()).unwrap();
        assert!(first.contains("server=on") && address(&first).ends_with(":35:56"), "{first}");
        let _waiting = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let second = line(&guest);
        assert!(second.contains("server=off") && address(&second).ends_with(":34:56"), "{second}");
        assert_eq!(address(&first)[..11], address(&second)[..11]);
        let other = Network::Link(scratch.path().join("other"));
        let elsewhere = line(&Guest { networks: vec![other], ..tcg(Machine::Microvm) });
        assert_ne!(address(&first), address(&elsewhere));
    }

    #[test]
    fn cards_at_different_taps_have_different_addresses() {
        let mut all = std::collections::HashSet::new();
        for number in 0..100 {
            let taps = [format!("tap{number}"), format!("unik-{number}")].map(Network::Tap);
            let alone = line(&Guest { networks: vec![taps[0].clone()], ..tcg(Machine::Microvm) });
            let both = line(&Guest { networks: taps.to_vec(), ..tcg(Machine::Microvm) });
            let addresses = |line: &str| -> Vec<String> {
                line.split("mac=").skip(1).map(|rest| rest[..17].to_owned()).collect()
            };
            assert_eq!(addresses(&alone)[0], addresses(&both)[0], "of one tap it stays");
            all.extend(addresses(&both));
        }
        assert_eq!(all.len(), 200);
        assert!(all.iter().all(|address| address.starts_with("52:54:")));
    }

    #[test]
    fn a_microvm_without_acpi_has_no_button() {
        assert!(!tcg(Machine::Microvm).command().unwrap().has_button());
        assert!(tcg(Machine::Pc).command().unwrap().has_button());
        let extra = ["-machine".into(), "acpi=on".into()].into();
        assert!(Guest { extra, ..tcg(Machine::Microvm) }.command().unwrap().has_button());
    }

    #[test]
    fn a_command_line_is_quoted_for_the_shell() {
        let guest = Guest { cmdline: "hostname=it's log=debug".to_owned(), ..tcg(Machine::Microvm) };
        assert!(line(&guest).ends_with(r"-append 'hostname=it'\''s log=debug'"));
    }
}
