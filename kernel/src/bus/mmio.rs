//! virtio-mmio slots: named on the command line (`virtio_mmio.device=512@0xfeb00e00:12`), or those of QEMU's microvm.

use super::transport::Area;
use super::{Error, MachineTransport};
use crate::apic;
use crate::command_line;
use crate::memory::paging;
use crate::source::{self, Source};
use crate::trap::interrupt::Line;
use core::ptr::NonNull;
use virtio_drivers::transport::DeviceType;

/// Where microvm puts its slots, and how many there are with and without a second I/O APIC.
const MICROVM_SLOTS: u64 = 0xfeb0_0000;
const SLOT_SIZE: u64 = 512;
const MAGIC: u32 = u32::from_le_bytes(*b"virt");

/// One slot: its registers and its global interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    address: u64,
    size: u64,
    interrupt: u32,
}

/// Calls `found` for each slot that has a device: those on the command line, or all of microvm's where none is named.
pub(super) fn scan(line: &str, found: &mut dyn FnMut(DeviceType, Slot)) {
    let mut named = false;
    for word in command_line::words(line).filter(|word| word.key == "virtio_mmio.device") {
        named = true;
        if let Some(slot) = parse(word.value) {
            slot.probe(found);
        }
    }
    if !named {
        // The hypervisor fills slots from the highest down.
        let (count, first_interrupt) = if apic::has_second_io_apic() { (24, 24) } else { (8, 16) };
        for slot in (0..count).rev() {
            let address = MICROVM_SLOTS + u64::from(slot) * SLOT_SIZE;
            Slot { address, size: SLOT_SIZE, interrupt: first_interrupt + slot }.probe(found);
        }
    }
}

/// Reads `SIZE@ADDRESS:INTERRUPT[:ID]`, numbers as C writes them; a size may end in K.
fn parse(value: &str) -> Option<Slot> {
    let mut rest = value.as_bytes();
    let mut size = number(&mut rest)?;
    if let [b'K' | b'k', behind @ ..] = rest {
        size = size.checked_mul(1024)?;
        rest = behind;
    }
    rest = rest.strip_prefix(b"@")?;
    let address = number(&mut rest)?;
    rest = rest.strip_prefix(b":")?;
    let interrupt = u32::try_from(number(&mut rest)?).ok()?;
    let sane = size >= SLOT_SIZE && address.is_multiple_of(4) && matches!(rest, [] | [b':', ..]);
    sane.then_some(Slot { address, size, interrupt })
}

/// Takes a number off the front, hexadecimal behind `0x`.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let (base, digits) = rest.strip_prefix(b"0x").map_or((10, *rest), |digits| (16, digits));
    let mut value = 0_u64;
    let mut length = 0;
    while let Some(digit) = digits.get(length).and_then(|byte| char::from(*byte).to_digit(base)) {
        value = value.checked_mul(base.into())?.checked_add(digit.into())?;
        length += 1;
    }
    *rest = digits.get(length..)?;
    (length > 0).then_some(value)
}

impl Slot {
    /// The first word is a magic value, the third the type of the device (virtio 1.2, 4.2.2).
    fn probe(self, found: &mut dyn FnMut(DeviceType, Self)) {
        let Some(registers) = self.map() else { return };
        if read(registers, 0) == MAGIC
            && let Ok(kind) = DeviceType::try_from(read(registers, 2))
        {
            found(kind, self);
        }
    }

    fn map(self) -> Option<NonNull<u32>> {
        paging::map_device(self.address, self.size).map(NonNull::cast)
    }

    /// The second word is the version of the interface: legacy or modern (virtio 1.2, 4.2.2 and 4.2.4).
    pub(super) fn open(self, kind: DeviceType, line: Line) -> Result<MachineTransport, Error> {
        let registers = self.map().ok_or(Error::NotVirtio)?;
        let length = u32::try_from(self.size).map_err(|_| Error::NotVirtio)?;
        let legacy = match read(registers, 1) {
            1 => true,
            2 => false,
            _ => return Err(Error::NotVirtio),
        };
        if !apic::route(self.interrupt, line.vector(), false) {
            return Err(Error::NoInterrupt);
        }
        source::set(line, Source::Pin(self.interrupt));
        Ok(MachineTransport::mmio(kind, legacy, Area { start: registers.cast(), length }))
    }
}

/// Reads one of the first words, which identify the device and have no side effect (virtio 1.2, 4.2.2).
fn read(registers: NonNull<u32>, word: usize) -> u32 {
    // SAFETY: at least 512 bytes are mapped.
    let register = unsafe { registers.add(word) };
    // SAFETY: as above.
    unsafe { register.read_volatile() }
}
