//! Where an image is loaded: the address it was linked for, a given one, or one drawn for each start.

use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::str::FromStr;

use crate::error::{Context, Error, Result};
use crate::relocation::{HIGHEST, LOWEST, PAGE};

/// A wish about the load address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Base {
    /// The one the image was linked for.
    #[default]
    Linked,
    /// This one.
    At(u64),
    /// Another one at each start, drawn from the host's generator.
    Random,
}

/// The memory in which an image looks for its place, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What the machine has.
    pub memory: u64,
    /// What the files of the guest take of it, at its end.
    pub files: u64,
}

impl Base {
    /// The load address of an image that was linked for `extent`; `None` where that stays.
    ///
    /// # Errors
    /// The machine has no room there, or the host has no random numbers.
    pub fn address(self, extent: &Range<u64>, room: Room) -> Result<Option<u64>> {
        let length = extent.end.saturating_sub(extent.start);
        match self {
            Base::Linked => Ok(None),
            Base::At(address) => {
                let end = address.saturating_add(length);
                let above = room.memory.saturating_sub(room.files).saturating_sub(end);
                // The heap is the largest free range, and below the image there is boot data that is only read.
                if above < address.saturating_sub(LOWEST) {
                    return Err(Error::usage(format!(
                        "an image at {address:#x} leaves more memory below it than behind it, where its heap is: choose a lower address"
                    )));
                }
                Ok(Some(address))
            }
            Base::Random => {
                let choices = choices(length, room);
                if choices < 2 {
                    return Err(Error::usage(
                        "the machine has too little memory for another load address: give it more",
                    ));
                }
                let mut number = [0; 8];
                File::open("/dev/urandom")
                    .and_then(|mut source| source.read_exact(&mut number))
                    .or_cannot(|| "draw a load address".to_owned())?;
                Ok(Some(LOWEST + u64::from_le_bytes(number) % choices * PAGE))
            }
        }
    }
}

/// Among how many addresses a random one is drawn, for an image of so many bytes: the pages of the first quarter of the memory that
/// is not taken by files. The heap, behind the image, loses a quarter at most.
pub fn choices(length: u64, room: Room) -> u64 {
    let limit = (room.memory.saturating_sub(room.files) / 4).min(HIGHEST);
    limit.checked_sub(LOWEST).and_then(|room| room.checked_sub(length)).map_or(0, |spare| spare / PAGE + 1)
}

impl FromStr for Base {
    type Err = Error;
    fn from_str(word: &str) -> Result<Base> {
        let address = word.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        match address {
            Some(address) if (LOWEST..HIGHEST).contains(&address) && address.is_multiple_of(PAGE) => {
                Ok(Base::At(address))
            }
            None if word == "random" => Ok(Base::Random),
            _ => Err(Error::usage(format!(
                "'{word}' is no load address: write random, or a multiple of {PAGE:#x} from {LOWEST:#x} to below {HIGHEST:#x}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn room(mebibytes: u64) -> Room {
        Room { memory: mebibytes * MIB, files: 0 }
    }

    #[test]
    fn an_address_is_random_or_a_page() {
        assert_eq!("random".parse(), Ok(Base::Random));
        assert_eq!("0x345000".parse(), Ok(Base::At(0x34_5000)));
        for wrong in [
            "",
            "0x",
            "345000",
            "0x345001",
            "0xff000",
            "0x40000000",
            "0x-1000",
            "Random",
            "0x1000000000000000000",
        ] {
            assert!(wrong.parse::<Base>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn random_addresses_lie_in_the_first_quarter_and_differ() {
        let extent = MIB..MIB + 0x3b000;
        let draw = || Base::Random.address(&extent, room(64)).unwrap().unwrap();
        let drawn: Vec<u64> = (0..64).map(|_| draw()).collect();
        for address in &drawn {
            assert!(*address >= MIB && address + 0x3b000 <= 16 * MIB && address % 4096 == 0, "{address:#x}");
        }
        assert!(drawn.iter().any(|address| *address != drawn[0]), "{drawn:#x?}");
    }

    #[test]
    fn memory_decides_how_many_addresses_there_are() {
        assert_eq!(choices(0x3b000, room(64)), 3782);
        assert_eq!(choices(0x3b000, room(16)), 710);
        assert_eq!(choices(0x3b000, room(4)), 0);
        assert_eq!(choices(0x3b000, Room { memory: 64 * MIB, files: 48 * MIB }), 710);
        assert_eq!(choices(u64::MAX, room(64)), 0);
        assert!(Base::Random.address(&(MIB..2 * MIB), room(8)).is_err());
    }

    #[test]
    fn the_heap_stays_behind_the_image() {
        let extent = MIB..2 * MIB;
        assert_eq!(Base::At(8 * MIB).address(&extent, room(16)), Ok(Some(8 * MIB)));
        assert!(Base::At(9 * MIB).address(&extent, room(16)).is_err());
        assert!(Base::At(8 * MIB).address(&extent, Room { memory: 16 * MIB, files: MIB }).is_err());
        assert_eq!(Base::Linked.address(&extent, room(2)), Ok(None));
    }
}
