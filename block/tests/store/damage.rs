//! Disks that hold anything.

use unik_block::SECTOR;
use unik_block::store::{Flush, Store, StoreError};
use unik_testkit::Random;

use crate::world::{Contents, SMALLEST, formatted, holding, mount, put, with_bytes};

/// A disk whose store had these contents, one after the other.
fn history() -> (Vec<u8>, Vec<Contents>) {
    let mut states = vec![Contents::new()];
    let work = async |disk, _| {
        let mut store = Store::open(disk, Flush::Required).await?;
        put(&mut store, &[("a", b"one"), ("long", &[4; 9000])]).await?;
        store.compact().await?;
        put(&mut store, &[("b", b"two")]).await?;
        put(&mut store, &[("b", b"three")]).await?;
        put(&mut store, &[("c", b"four")]).await
    };
    let (result, stored) = with_bytes(formatted(SMALLEST), work);
    assert_eq!(result, Ok(()));
    let long: (&str, &[u8]) = ("long", &[4; 9000]);
    states.push(holding(&[("a", b"one"), long]));
    states.push(holding(&[("a", b"one"), long, ("b", b"two")]));
    states.push(holding(&[("a", b"one"), long, ("b", b"three")]));
    states.push(holding(&[("a", b"one"), long, ("b", b"three"), ("c", b"four")]));
    (stored, states)
}

/// The pages of the second half that the history ends in.
const PAGES: std::ops::Range<usize> = 18..24;

#[test]
fn damage_to_what_was_durable_is_an_error_with_its_sector() {
    let (stored, states) = history();
    assert_eq!(mount(stored.clone()).as_ref(), Ok(&states[4]));
    for page in PAGES {
        for place in [0, 9, 17, 30, 32, 100, 4095] {
            let mut damaged = stored.clone();
            damaged[page * 4096 + place] ^= 0x10;
            let expected = match page {
                // The last transaction of all is as if it had not come to its end.
                23 => Ok(states[3].clone()),
                _ => Err(StoreError::Damaged(page as u64 * 8)),
            };
            assert_eq!(mount(damaged), expected, "byte {place} of page {page}");
        }
    }
    for slot in [0, 1] {
        for place in 0..56 {
            let mut damaged = stored.clone();
            damaged[slot * 4096 + place] ^= 0x10;
            assert_eq!(mount(damaged), Err(StoreError::Damaged(slot as u64 * 8)), "byte {place}");
        }
    }
}

#[test]
fn any_bytes_in_place_of_any_sectors_are_an_error_or_a_state_that_there_was() {
    let seed = 0x57_0e;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let (stored, states) = history();
    let (mut errors, mut good) = (0, 0);
    for _ in 0..3000 {
        let mut spoilt = stored.clone();
        for _ in 0..1 + random.below(3) {
            let sector = random.below(spoilt.len() / SECTOR) * SECTOR;
            let other = random.below(spoilt.len() / SECTOR) * SECTOR;
            match random.below(3) {
                0 => random.fill(&mut spoilt[sector..sector + SECTOR]),
                1 => spoilt.copy_within(other..other + SECTOR, sector),
                _ => spoilt[sector + random.below(SECTOR)] ^= 1 << random.below(8),
            }
        }
        match mount(spoilt) {
            Ok(found) => {
                assert!(states.contains(&found));
                good += 1;
            }
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 500 && good > 500, "{errors} and {good}");
}

#[test]
fn a_value_that_changes_while_the_store_is_open_is_an_error() {
    let work = async |disk: unik_block::Disk, _| {
        let mut store = Store::open(disk.clone(), Flush::Required).await?;
        put(&mut store, &[("a", &[1; 9000])]).await?;
        // Behind the roots and the page that the session began with.
        disk.write(4 * 8, &[0; SECTOR]).await?;
        let mut value = store.get(b"a")?.expect("it is there");
        value.read(&mut [0; 9000]).await
    };
    let (result, _) = with_bytes(formatted(SMALLEST), work);
    assert_eq!(result, Err(StoreError::Damaged(4 * 8)));
}
