//! Tables as QEMU supplies them, cut down to what is read here, and lies about them.

use super::Read;
use std::vec;
use std::vec::Vec;

const RSDP: usize = 0x10;
const RSDT: usize = 0x40;
const FADT: usize = 0x80;
const DSDT: usize = 0x200;
const MADT: usize = 0x300;
const END: usize = 0x380;

/// The package of state S5.
const SOFT_OFF: [u8; 11] = [b'_', b'S', b'5', b'_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0x00, 0x00];

/// What a machine's memory holds.
#[derive(Clone)]
pub(super) struct Sample(Vec<u8>);

impl Sample {
    /// A machine with PM1 registers, whose SCI is active high by an override behind another one.
    pub(super) fn pc() -> Self {
        let mut sample = Self::with_flags(0);
        sample.put(FADT + 46, &9_u16.to_le_bytes());
        sample.put(FADT + 48, &0xb2_u32.to_le_bytes());
        sample.put(FADT + 52, &[0xf1]);
        sample.put(FADT + 56, &0x600_u32.to_le_bytes());
        sample.put(FADT + 64, &0x604_u32.to_le_bytes());
        sample.put(FADT + 88, &[4]);
        sample.put(MADT + 44, &[0, 8, 0, 0, 1, 0, 0, 0]);
        sample.put(MADT + 52, &[2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
        sample.put(MADT + 62, &[2, 10, 0, 9, 20, 0, 0, 0, 0x0d, 0]);
        sample
    }

    /// A machine of reduced hardware, with a generic event device.
    pub(super) fn reduced() -> Self {
        let mut sample = Self::with_flags(1 << 20);
        sample.put(FADT + 248, &0xfea0_0000_u64.to_le_bytes());
        sample.put(DSDT + 64, b"ACPI0013\0\x08_CRS\x11\x0e\x0a\x0b\x89\x06\0\x03\x01\x09\0\0\0\x79\0");
        sample.put(DSDT + 96, b"\x5b\x80EREG\0\x0c\0\0\xa0\xfe\x0a\x04");
        sample
    }

    fn with_flags(flags: u32) -> Self {
        let mut sample = Self(vec![0; END]);
        sample.put(RSDP, b"RSD PTR ");
        sample.put(RSDP + 16, &(RSDT as u32).to_le_bytes());
        sample.table(RSDT, b"RSDT", 44);
        sample.put(RSDT + 36, &(FADT as u32).to_le_bytes());
        sample.put(RSDT + 40, &(MADT as u32).to_le_bytes());
        sample.table(FADT, b"FACP", 268);
        sample.put(FADT + 40, &(DSDT as u32).to_le_bytes());
        sample.put(FADT + 112, &flags.to_le_bytes());
        sample.table(DSDT, b"DSDT", 112);
        sample.put(DSDT + 40, &SOFT_OFF);
        sample.table(MADT, b"APIC", 72);
        sample
    }

    fn table(&mut self, at: usize, name: &[u8; 4], length: u32) {
        self.put(at, name);
        self.put(at + 4, &length.to_le_bytes());
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// The same with other bytes in the fixed description table.
    pub(super) fn fadt(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.put(FADT + offset, bytes);
        self
    }

    /// The same with other bytes in the table of interrupt controllers.
    pub(super) fn madt(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.put(MADT + offset, bytes);
        self
    }

    /// What `parser` makes of it.
    pub(super) fn ask<T>(&self, parser: fn(Read<'_>, u64) -> Option<T>) -> Option<T> {
        ask(&self.0, parser)
    }

    /// What `parser` makes of it, where that is always something.
    pub(super) fn look<T>(&self, parser: impl FnOnce(Read<'_>, u64) -> T) -> T {
        ask(&self.0, parser)
    }
}

fn ask<T>(memory: &[u8], parser: impl FnOnce(Read<'_>, u64) -> T) -> T {
    let read = |address: u64, length: usize| {
        let start = usize::try_from(address).ok()?;
        memory.get(start..start.checked_add(length)?)
    };
    parser(&read, RSDP as u64)
}

/// Shows `parser` each sample cut short at every length and with every byte overwritten, and memory full of ones.
pub(super) fn survives_lies<T>(parser: fn(Read<'_>, u64) -> Option<T>) {
    for sample in [Sample::pc(), Sample::reduced()] {
        for length in 0..END {
            let _ = ask(&sample.0[..length], parser);
        }
        for at in 0..END {
            for value in [0, 1, 0x7f, 0xff] {
                let mut broken = sample.0.clone();
                broken[at] = value;
                let _ = ask(&broken, parser);
            }
        }
    }
    assert!(ask(&[0xff; END], parser).is_none());
}
