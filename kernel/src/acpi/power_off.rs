//! How to switch the machine off.

use super::{FADT, HARDWARE_REDUCED, Read, dsdt, find, u32_at, u64_at};

/// How to switch the machine off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerOff {
    /// Write `value` to the PM1a control port (4.8.3.2.1).
    Pm1Control {
        /// The port.
        port: u16,
        /// Sleep type and sleep enable.
        value: u16,
    },
    /// Write `value` to the sleep control register of hardware-reduced ACPI (4.8.3.7).
    SleepControl {
        /// Address of the register, in memory.
        address: u64,
        /// Sleep type and sleep enable.
        value: u8,
    },
}

/// Finds out how to switch off, from the root pointer.
pub fn power_off(read: Read<'_>, rsdp: u64) -> Option<PowerOff> {
    const SYSTEM_MEMORY: u8 = 0;
    let fadt = find(read, rsdp, FADT)?;
    let sleep_type = soft_off_type(dsdt(read, fadt)?)?;
    if u32_at(fadt, 112)? & HARDWARE_REDUCED == 0 {
        let port = u16::try_from(u32_at(fadt, 64)?).ok().filter(|port| *port != 0)?;
        return Some(PowerOff::Pm1Control { port, value: u16::from(sleep_type) << 10 | 1 << 13 });
    }
    let address = u64_at(fadt, 248)?;
    let in_memory = *fadt.get(244)? == SYSTEM_MEMORY && address != 0;
    in_memory.then_some(PowerOff::SleepControl { address, value: sleep_type << 2 | 1 << 5 })
}

/// The sleep type of state S5: the first element of the package named `_S5_`. A search for the name stands in for an
/// interpreter of AML, since no firmware computes this package.
fn soft_off_type(dsdt: &[u8]) -> Option<u8> {
    const PACKAGE: u8 = 0x12;
    const BYTE_PREFIX: u8 = 0x0a;
    let name = dsdt.windows(5).position(|w| w.starts_with(b"_S5_") && w.ends_with(&[PACKAGE]))?;
    let package = dsdt.get(name + 5..)?;
    // The two top bits of the first byte tell how many more the package's length takes (20.2.4).
    let element = package.get(usize::from(package.first()? >> 6) + 2..)?;
    let value = match *element.first()? {
        BYTE_PREFIX => *element.get(1)?,
        constant => constant,
    };
    (value < 8).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acpi::sample::{Sample, survives_lies};

    #[test]
    fn a_pc_switches_off_by_its_control_port() {
        let expected = PowerOff::Pm1Control { port: 0x604, value: 5 << 10 | 1 << 13 };
        assert_eq!(Sample::pc().ask(power_off), Some(expected));
    }

    #[test]
    fn reduced_hardware_switches_off_by_its_register() {
        let expected = PowerOff::SleepControl { address: 0xfea0_0000, value: 5 << 2 | 1 << 5 };
        assert_eq!(Sample::reduced().ask(power_off), Some(expected));
    }

    #[test]
    fn tables_cut_short_or_overwritten_are_no_answer_and_no_panic() {
        survives_lies(power_off);
    }
}
