//! Crashes: after any write, with any of what was not flushed there, torn, or lost.
//!
//! A random workload runs over a disk that notes what is done to it. Disks are made of these notes as crashes could have left them;
//! a store on each has to hold what a model held after the last commit that was done, or after the one under way. The next
//! workload goes on from one of them.

use std::collections::BTreeSet;

use unik_block::SECTOR;
use unik_block::store::{Flush, Store, StoreError};
use unik_testkit::Random;

use crate::world::{
    Contents, Hand, Note, SMALLEST, contents, formatted, holding, mount, put, with_bytes, with_disk,
};

/// What a store held from a commit on: when that was begun and when it was done, in notes.
struct State {
    begun: usize,
    done: usize,
    contents: Contents,
}

/// Does things to the store on a disk, and tells what it held.
fn work(hand: &Hand, random: &mut Random, before: Contents) -> Vec<State> {
    let notes = || hand.notes.borrow().len();
    let work = async |disk, _| {
        let mut store = Store::open(disk, Flush::Required).await?;
        let mut states = vec![State { begun: 0, done: 0, contents: before }];
        for _ in 0..1 + random.below(8) {
            let mut next = states.last().map(|state| state.contents.clone()).unwrap_or_default();
            let steps: Vec<(u8, usize)> =
                (0..random.below(4)).map(|_| (random.below(5) as u8 + 1, random.below(14_000))).collect();
            let begun = notes();
            let mut transaction = store.begin(steps.iter().map(|(_, length)| *length as u64).sum()).await?;
            for (key, length) in steps {
                if random.one_in(4) {
                    transaction.delete(&[key]).await?;
                    next.remove(&[key][..]);
                } else {
                    // Long values that differ in little, and little at all.
                    let mut value = vec![key; length];
                    let start = random.below(length.max(1));
                    random.fill(&mut value[start..(start + 20).min(length)]);
                    transaction.put(&[key]).await?;
                    transaction.write(&value).await?;
                    next.insert(vec![key], value);
                }
            }
            if random.one_in(4) {
                continue;
            }
            transaction.commit().await?;
            states.push(State { begun, done: notes(), contents: next });
            assert!(
                contents(&store)
                    .await
                    .is_ok_and(|found| Some(&found) == states.last().map(|state| &state.contents))
            );
        }
        Ok::<_, StoreError>(states)
    };
    with_disk(hand, work).expect("the disk does what it is told")
}

/// A disk that was `stable`, on which of `writes` any sectors may be, in any order.
fn crashed(stable: &[u8], writes: &[&Note], random: &mut Random) -> Vec<u8> {
    let mut disk = stable.to_vec();
    let mut order: Vec<usize> = (0..writes.len()).collect();
    let kind = random.below(4);
    if kind == 0 {
        order.sort_by_key(|_| random.next_u64());
    }
    let lost = random.below(writes.len().max(1));
    for index in order {
        let Note::Write(at, bytes) = writes[index] else { continue };
        for (number, sector) in bytes.chunks(SECTOR).enumerate() {
            let is_there = match kind {
                // All but one.
                1 => index != lost,
                // The last is torn.
                2 => index + 1 < writes.len() || number < lost % 9,
                _ => random.one_in(2),
            };
            if is_there {
                disk[at + number * SECTOR..][..sector.len()].copy_from_slice(sector);
            }
        }
    }
    disk
}

/// Looks at the disks that crashes could have left, and gives one of them with what it holds.
fn crash(before: &[u8], hand: &Hand, states: &[State], random: &mut Random) -> (Vec<u8>, Contents) {
    let (notes, mut stable, mut flushed) = (hand.notes.borrow(), before.to_vec(), 0);
    let chosen = random.below(notes.len() + 1);
    let (mut seen, mut left) = (BTreeSet::new(), None);
    for end in 0..=notes.len() {
        if let Some(Note::Flush) = end.checked_sub(1).map(|last| &notes[last]) {
            for note in &notes[flushed..end] {
                if let Note::Write(at, bytes) = note {
                    stable[*at..at + bytes.len()].copy_from_slice(bytes);
                }
            }
            flushed = end;
        }
        let writes: Vec<&Note> = notes[flushed..end].iter().collect();
        for attempt in 0..4 {
            let disk = match attempt {
                // As it was written.
                0 => writes.iter().fold(stable.clone(), |mut disk, note| {
                    if let Note::Write(at, bytes) = note {
                        disk[*at..at + bytes.len()].copy_from_slice(bytes);
                    }
                    disk
                }),
                _ => crashed(&stable, &writes, random),
            };
            let found = mount(disk.clone()).expect("the store is whole");
            let last = states.iter().rposition(|state| state.done <= end).unwrap_or(0);
            let under_way = states.get(last + 1).filter(|state| state.begun < end);
            let index = if found == states[last].contents {
                last
            } else {
                assert!(under_way.is_some_and(|state| state.contents == found), "crash after {end} notes");
                last + 1
            };
            seen.insert(index);
            if end == chosen {
                left = Some((disk, found));
            }
        }
    }
    assert_eq!(seen.len(), states.len(), "each of them was there once");
    left.expect("one was chosen")
}

fn lives(seed: u64, size: usize, rounds: usize) {
    println!("seed {seed:#x}, {size} bytes");
    let mut random = Random::new(seed);
    let (mut disk, mut held) = (formatted(size), Contents::new());
    for _ in 0..rounds {
        let hand = Hand::over(disk.clone());
        let states = work(&hand, &mut random, held);
        (disk, held) = crash(&disk, &hand, &states, &mut random);
    }
}

#[test]
fn what_was_committed_survives_any_crash_and_what_was_not_is_gone_whole() {
    for seed in 0..6 {
        lives(seed, 2 * SMALLEST, 12);
    }
}

#[test]
fn so_it_does_where_the_log_is_copied_all_the_time() {
    for seed in 10..14 {
        lives(seed, SMALLEST * 3 / 2, 12);
    }
}

#[test]
fn a_crash_while_a_disk_is_formatted_leaves_a_blank_one_or_a_store() {
    let mut random = Random::new(3);
    let hand = Hand::over(vec![0; SMALLEST]);
    let work = async |disk, _| Store::open_or_format(disk, Flush::Required, 9).await.map(drop);
    assert_eq!(with_disk(&hand, work), Ok(()));
    let notes = hand.notes.borrow();
    for end in 0..=notes.len() {
        for _ in 0..20 {
            // Nothing but the root is written: there is nothing to be flushed before.
            let writes: Vec<&Note> = notes[..end].iter().collect();
            let found = mount(crashed(&vec![0; SMALLEST], &writes, &mut random));
            assert!(matches!(found, Err(StoreError::Blank)) || found == Ok(Contents::new()), "{found:?}");
        }
    }
}

#[test]
fn a_crash_while_a_store_is_made_anew_leaves_the_last_state_of_the_one_before_or_none() {
    let hand = Hand::over(formatted(SMALLEST));
    let work = async |disk, _| {
        let mut store = Store::open(disk, Flush::Required).await?;
        put(&mut store, &[("a", b"one")]).await?;
        store.compact().await?;
        put(&mut store, &[("a", b"two")]).await
    };
    assert_eq!(with_disk(&hand, work), Ok(()));
    let before = hand.stored();
    hand.notes.borrow_mut().clear();
    let work = async |disk, _| Store::format(disk, Flush::Required, 9).await.map(drop);
    assert_eq!(with_disk(&hand, work), Ok(()));
    let (notes, mut disk, mut states) = (hand.notes.borrow(), before, Vec::new());
    for note in [&Note::Flush].into_iter().chain(notes.iter()) {
        if let Note::Write(at, bytes) = note {
            disk[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        states.push(mount(disk.clone()));
        states.dedup();
    }
    let last = holding(&[("a", b"two")]);
    // Without roots, its log is something else on the disk.
    let gone = [Err(StoreError::Damaged(0)), Err(StoreError::Foreign(16))];
    assert_eq!(states, [Ok(last), gone[0].clone(), gone[1].clone(), Ok(Contents::new())]);
}

/// The transaction that the following tests are about, which takes more than is written at once.
static LONG: [u8; 60_000] = [7; 60_000];

#[test]
fn pages_of_what_was_given_up_are_none_of_what_follows() {
    let hand = Hand::over(formatted(2 * SMALLEST));
    let before = hand.stored();
    let work = async |disk, _| {
        let mut store = Store::open(disk, Flush::Required).await?;
        put(&mut store, &[("a", b"one")]).await?;
        let mut given_up = store.begin(LONG.len() as u64).await?;
        given_up.put(b"b").await?;
        given_up.write(&LONG).await?;
        let begun = hand.notes.borrow().len();
        put(&mut store, &[("b", &[8; 60_000])]).await?;
        Ok::<_, StoreError>(begun)
    };
    let begun = with_disk(&hand, work).expect("the disk does what it is told");
    let notes = hand.notes.borrow();
    let mut lost = 0;
    for missing in begun..notes.len() {
        let Note::Write(..) = notes[missing] else { continue };
        let mut disk = before.clone();
        for (_, note) in notes.iter().enumerate().filter(|(number, _)| *number != missing) {
            if let Note::Write(at, bytes) = note {
                disk[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
        assert_eq!(mount(disk), Ok(holding(&[("a", b"one")])), "without note {missing}");
        lost += 1;
    }
    assert!(lost >= 15);
}

#[test]
fn what_came_to_nothing_does_not_come_back_when_it_is_begun_once_more() {
    let begin = async |disk, commits: bool| {
        let mut store = Store::open(disk, Flush::Required).await?;
        let mut transaction = store.begin(LONG.len() as u64).await?;
        transaction.put(b"b").await?;
        transaction.write(&LONG).await?;
        if commits { transaction.commit().await } else { Ok(()) }
    };
    let blank = formatted(2 * SMALLEST);
    let hand = Hand::over(blank.clone());
    assert_eq!(with_disk(&hand, async |disk, _| begin(disk, true).await), Ok(()));
    // One of its pages is lost. The one before them all was durable when they were begun.
    for lost in 3..6 {
        let mut disk = hand.stored();
        disk[lost * 4096..][..4096].copy_from_slice(&blank[lost * 4096..][..4096]);
        assert_eq!(mount(disk.clone()), Ok(Contents::new()));
        let (result, after) = with_bytes(disk, async |disk, _| begin(disk, false).await);
        assert_eq!((result, mount(after)), (Ok(()), Ok(Contents::new())));
    }
}
