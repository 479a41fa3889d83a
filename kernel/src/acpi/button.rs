//! Where the power button is, and on which pin it interrupts.
//!
//! Machines with PM1 registers have it there, as a fixed feature that raises the system control interrupt. Those of
//! reduced hardware have QEMU's generic event device, a register behind an interrupt of its own, which only the
//! firmware's code describes.

use super::{FADT, HARDWARE_REDUCED, Pin, Read, dsdt, find, pin, u16_at, u32_at};

/// The way to a power button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    /// A fixed feature (4.8.2.2.1.1).
    Fixed {
        /// Port of the PM1a status register; the enable register lies behind it.
        status: u16,
        /// Port of the PM1a enable register.
        enable: u16,
        /// Port of the PM1a control register, which tells whether the machine is in ACPI mode.
        control: u16,
        /// Port and value that switch to ACPI mode, where firmware has the say before (4.8.3.1).
        mode: Option<(u16, u8)>,
        /// The system control interrupt.
        pin: Pin,
    },
    /// A generic event device as QEMU makes it (5.6.9, and QEMU's `acpi_hw_reduced_hotplug`).
    Generic {
        /// Address of the register that tells what has happened; reading clears it.
        selector: u64,
        /// Its interrupt.
        pin: Pin,
    },
}

/// Finds the power button, from the root pointer.
pub fn button(read: Read<'_>, rsdp: u64) -> Option<Button> {
    /// The power button is no fixed feature.
    const NOT_FIXED: u32 = 1 << 4;
    let fadt = find(read, rsdp, FADT)?;
    let flags = u32_at(fadt, 112)?;
    if flags & HARDWARE_REDUCED != 0 {
        return generic(dsdt(read, fadt)?);
    }
    let port = |offset| u16::try_from(u32_at(fadt, offset)?).ok().filter(|port| *port != 0);
    let (status, control) = (port(56)?, port(64)?);
    let length = u16::from(*fadt.get(88)?);
    if flags & NOT_FIXED != 0 || length < 4 {
        return None;
    }
    // The second half of the block are the enable bits (4.8.3.1.2).
    let enable = status.checked_add(length / 2)?;
    let mode = port(48).zip(fadt.get(52).copied().filter(|value| *value != 0));
    let pin = pin(read, rsdp, u16_at(fadt, 46)?);
    Some(Button::Fixed { status, enable, control, mode, pin })
}

/// The generic event device: its identifier and the interrupt that follows, and the region of its register. A search
/// stands in for an interpreter of AML, as for state S5.
fn generic(dsdt: &[u8]) -> Option<Button> {
    /// A region in system memory, at an address of four bytes (20.2.5.2).
    const REGION: &[u8] = b"\x5b\x80EREG\0\x0c";
    const IDENTIFIER: &[u8] = b"ACPI0013";
    /// An extended interrupt descriptor for one interrupt (6.4.3.6).
    const INTERRUPT: &[u8] = b"\x89\x06\0";
    /// How far behind the identifier the interrupt may stand.
    const RESOURCES_LIMIT: usize = 128;
    const LOW: u8 = 1 << 2;
    let selector = u32_at(behind(dsdt, REGION)?, 0)?;
    let device = behind(dsdt, IDENTIFIER)?;
    let resources = device.get(..RESOURCES_LIMIT).unwrap_or(device);
    let interrupt = behind(resources, INTERRUPT)?;
    let &[flags, 1, ..] = interrupt else { return None };
    let pin = Pin { number: u32_at(interrupt, 2)?, is_low: flags & LOW != 0 };
    selector.is_multiple_of(4).then_some(Button::Generic { selector: selector.into(), pin })
}

/// What stands behind the first `name`.
fn behind<'a>(bytes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = bytes.windows(name.len()).position(|window| window == name)?;
    bytes.get(at + name.len()..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acpi::sample::{Sample, survives_lies};

    const SCI: Pin = Pin { number: 20, is_low: false };
    const FIXED: Button =
        Button::Fixed { status: 0x600, enable: 0x602, control: 0x604, mode: Some((0xb2, 0xf1)), pin: SCI };

    #[test]
    fn a_pc_has_the_button_in_its_pm1_registers() {
        assert_eq!(Sample::pc().ask(button), Some(FIXED));
    }

    #[test]
    fn a_machine_without_another_mode_is_not_switched_to_it() {
        let sample = Sample::pc().fadt(48, &[0; 4]);
        assert!(matches!(sample.ask(button), Some(Button::Fixed { mode: None, .. })));
    }

    #[test]
    fn a_button_that_is_no_fixed_feature_is_none() {
        assert_eq!(Sample::pc().fadt(112, &[1 << 4]).ask(button), None);
    }

    #[test]
    fn registers_beyond_the_ports_are_none() {
        assert_eq!(Sample::pc().fadt(56, &0xffff_u32.to_le_bytes()).ask(button), None);
        assert_eq!(Sample::pc().fadt(56, &0x1_0000_u32.to_le_bytes()).ask(button), None);
        assert_eq!(Sample::pc().fadt(88, &[2]).ask(button), None);
    }

    #[test]
    fn reduced_hardware_has_it_in_the_generic_event_device() {
        let pin = Pin { number: 9, is_low: false };
        let expected = Button::Generic { selector: 0xfea0_0000, pin };
        assert_eq!(Sample::reduced().ask(button), Some(expected));
    }

    #[test]
    fn tables_cut_short_or_overwritten_are_no_answer_and_no_panic() {
        survives_lies(button);
    }
}
