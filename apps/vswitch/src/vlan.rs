//! Which ports are in which VLAN, and what has passed in each.

use crate::NoMemory;
use crate::settings::{Mode, PortSettings, VLAN_MAX};
use alloc::vec::Vec;

/// One VLAN.
#[derive(Clone, Debug)]
pub struct Vlan {
    /// Its number.
    pub number: u16,
    /// Its ports, a bit for each.
    pub members: u8,
    /// Those that its frames leave without a tag.
    pub plain: u8,
    /// Frames that came in by a port of it.
    pub frames: u64,
    /// Their octets.
    pub octets: u64,
    /// Those that went to many ports.
    pub flooded: u64,
}

/// All VLANs, in the order of their numbers.
pub(crate) struct Vlans {
    all: Vec<Vlan>,
    /// For each number the place in `all`, counted from 1; 0: there is no such VLAN.
    places: Vec<u16>,
}

impl Vlans {
    /// The VLANs of these ports; the one that is left out, if any, is in none.
    pub(crate) fn try_new(ports: &[PortSettings], without: Option<usize>) -> Result<Self, NoMemory> {
        let mut places = Vec::new();
        places.try_reserve_exact(usize::from(VLAN_MAX) + 2).map_err(|_| NoMemory)?;
        places.resize(usize::from(VLAN_MAX) + 2, 0);
        let mut vlans = Self { all: Vec::new(), places };
        for number in 1..=VLAN_MAX {
            let (mut members, mut plain) = (0, 0);
            for (index, port) in ports.iter().enumerate().filter(|(index, _)| Some(*index) != without) {
                let is_plain = port.vlan == number;
                let is_listed = port.trunk.iter().any(|(from, to)| (*from..=*to).contains(&number));
                if is_plain || port.mode == Mode::Trunk && is_listed {
                    members |= 1 << index;
                    plain |= u8::from(is_plain) << index;
                }
            }
            if members != 0 {
                vlans.all.try_reserve(1).map_err(|_| NoMemory)?;
                vlans.all.push(Vlan { number, members, plain, frames: 0, octets: 0, flooded: 0 });
                if let Some(place) = vlans.places.get_mut(usize::from(number)) {
                    *place = vlans.all.len() as u16; // at most VLAN_MAX
                }
            }
        }
        Ok(vlans)
    }

    /// The VLAN of this number.
    #[inline]
    pub(crate) fn find(&mut self, number: u16) -> Option<&mut Vlan> {
        let place = usize::from(*self.places.get(usize::from(number))?);
        self.all.get_mut(place.wrapping_sub(1))
    }

    /// The place of a VLAN, which is that of none where there is no such VLAN.
    pub(crate) fn place(&self, number: u16) -> u16 {
        self.places.get(usize::from(number)).map_or(u16::MAX, |place| place.wrapping_sub(1))
    }

    /// The VLAN at a place.
    #[inline]
    pub(crate) fn at(&mut self, place: u16) -> Option<&mut Vlan> {
        self.all.get_mut(usize::from(place))
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Vlan] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn a_vlan_has_the_ports_that_name_it() {
        let access = PortSettings { mode: Mode::Access, vlan: 10, ..PortSettings::default() };
        let trunk =
            PortSettings { mode: Mode::Trunk, vlan: 20, trunk: vec![(10, 12)], ..PortSettings::default() };
        let mut vlans = Vlans::try_new(&[access, trunk, PortSettings::default()], None).unwrap();
        let of = |vlans: &mut Vlans, number| vlans.find(number).map(|vlan| (vlan.members, vlan.plain));
        assert_eq!(of(&mut vlans, 1), Some((0b100, 0b100)));
        assert_eq!(of(&mut vlans, 10), Some((0b11, 0b01)));
        assert_eq!(of(&mut vlans, 12), Some((0b10, 0)));
        assert_eq!(of(&mut vlans, 20), Some((0b10, 0b10)));
        for missing in [0, 2, 13, 4095, u16::MAX] {
            assert_eq!(of(&mut vlans, missing), None);
        }
        assert_eq!(vlans.all().len(), 5);
    }
}
