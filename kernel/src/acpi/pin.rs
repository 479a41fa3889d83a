//! Which pin of the I/O APICs an interrupt of the old controllers arrives at.

use super::{Read, find, u16_at, u32_at};

/// The multiple APIC description table (5.2.12).
const MADT: &[u8; 4] = b"APIC";

/// An input of the I/O APICs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The global number.
    pub number: u32,
    /// Low means asserted.
    pub is_low: bool,
}

/// Where interrupt `source` of the two 8259 arrives: on the pin of its number, shared and active low as those of PCI and
/// of system control are (5.2.9; PCI 3.0, 2.2.6), unless an override of that source says otherwise (5.2.12.5).
pub fn pin(read: Read<'_>, rsdp: u64, source: u16) -> Pin {
    const OVERRIDE: u8 = 2;
    const POLARITY: u16 = 0b11;
    const ACTIVE_HIGH: u16 = 0b01;
    let mut rest = find(read, rsdp, MADT).and_then(|madt| madt.get(44..)).unwrap_or_default();
    while let [kind, length @ (2..=u8::MAX), ..] = *rest
        && let Some((entry, behind)) = rest.split_at_checked(length.into())
    {
        if kind == OVERRIDE
            && entry.get(3).is_some_and(|its| u16::from(*its) == source)
            && let Some(number) = u32_at(entry, 4)
            && let Some(flags) = u16_at(entry, 8)
        {
            return Pin { number, is_low: flags & POLARITY != ACTIVE_HIGH };
        }
        rest = behind;
    }
    Pin { number: source.into(), is_low: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acpi::sample::{Sample, survives_lies};

    fn pin_of(sample: &Sample, source: u16) -> Pin {
        sample.look(|read, rsdp| pin(read, rsdp, source))
    }

    #[test]
    fn an_override_tells_the_pin_and_its_polarity() {
        assert_eq!(pin_of(&Sample::pc(), 9), Pin { number: 20, is_low: false });
    }

    #[test]
    fn without_an_override_the_pin_has_the_number_of_its_source_and_is_active_low() {
        assert_eq!(pin_of(&Sample::pc(), 10), Pin { number: 10, is_low: true });
        assert_eq!(pin_of(&Sample::pc().madt(65, &[5]), 9), Pin { number: 9, is_low: true });
    }

    #[test]
    fn an_entry_without_length_ends_the_list_of_overrides() {
        assert_eq!(pin_of(&Sample::pc().madt(53, &[0]), 9), Pin { number: 9, is_low: true });
    }

    #[test]
    fn tables_cut_short_or_overwritten_are_no_panic() {
        survives_lies(|read, rsdp| (pin(read, rsdp, 9).number == u32::MAX).then_some(()));
    }
}
