//! Disks that fail, and futures that are dropped.

use std::time::Duration;

use unik_block::DiskError;
use unik_block::store::{Flush, Store, StoreError};

use crate::world::{Hand, SMALLEST, contents, formatted, holding, mount, put, with_bytes, with_disk};

/// A disk with a store that holds `a`, in hand.
fn hand() -> Hand {
    let work = async |disk, _| {
        let mut store = Store::open(disk, Flush::Required).await?;
        put(&mut store, &[("a", b"one")]).await
    };
    let (result, stored) = with_bytes(formatted(4 * SMALLEST), work);
    assert_eq!(result, Ok(()));
    Hand::over(stored)
}

#[test]
fn a_flush_that_fails_leaves_the_store_in_doubt() {
    let hand = hand();
    let work = async |disk: unik_block::Disk, _| {
        let mut store = Store::open(disk.clone(), Flush::Required).await?;
        put(&mut store, &[("b", b"two")]).await?;
        hand.flushes.set(Some(0));
        let failed = put(&mut store, &[("b", b"three")]).await;
        assert_eq!(failed, Err(StoreError::Disk(DiskError::Flush)));
        assert_eq!(store.begin(0).await.err(), Some(StoreError::InDoubt));
        assert_eq!(store.compact().await, Err(StoreError::InDoubt));
        // What was there before is still read.
        assert_eq!(contents(&store).await, Ok(holding(&[("a", b"one"), ("b", b"two")])));
        let again = Store::open(disk, Flush::Required).await.err();
        assert_eq!(again, Some(StoreError::Disk(DiskError::Flush)));
        Ok::<_, StoreError>(())
    };
    assert_eq!(with_disk(&hand, work), Ok(()));
    // The writes were done all the same.
    assert_eq!(mount(hand.stored()), Ok(holding(&[("a", b"one"), ("b", b"three")])));
}

#[test]
fn a_write_that_fails_at_any_time_leaves_the_old_or_the_new() {
    let (old, new) = (holding(&[("a", b"one")]), holding(&[("a", &[2; 90_000]), ("b", &[3; 90_000])]));
    let mut was_done = 0;
    for writes in 0..30 {
        let hand = hand();
        let work = async |disk, _| {
            let mut store = Store::open(disk, Flush::Required).await?;
            hand.writes.set(Some(writes));
            let result = put(&mut store, &[("a", &[2; 90_000]), ("b", &[3; 90_000])]).await;
            hand.writes.set(None);
            result
        };
        let result = with_disk(&hand, work);
        match result {
            Ok(()) => was_done += 1,
            Err(StoreError::Disk(DiskError::Write(_))) => {}
            other => panic!("{other:?}"),
        }
        let expected = if result.is_ok() { &new } else { &old };
        assert_eq!(mount(hand.stored()).as_ref(), Ok(expected), "{writes} writes are done");
    }
    assert!((1..29).contains(&was_done));
}

#[test]
fn a_compaction_that_fails_at_any_time_changes_nothing() {
    let mut was_done = 0;
    for writes in 0..12 {
        let hand = hand();
        let work = async |disk, _| {
            let mut store = Store::open(disk, Flush::Required).await?;
            put(&mut store, &[("b", &[3; 70_000])]).await?;
            hand.writes.set(Some(writes));
            let result = store.compact().await;
            hand.writes.set(None);
            let expected = holding(&[("a", b"one"), ("b", &[3; 70_000])]);
            assert_eq!(contents(&store).await.as_ref(), Ok(&expected));
            if store.begin(0).await.is_ok() {
                put(&mut store, &[("c", b"more")]).await?;
            }
            Ok::<_, StoreError>(result.is_ok())
        };
        was_done += usize::from(with_disk(&hand, work) == Ok(true));
        let found = mount(hand.stored()).expect("it is whole");
        assert!(found[&b"b"[..]] == [3; 70_000] && found[&b"a"[..]] == *b"one");
    }
    assert!((1..11).contains(&was_done));
}

#[test]
fn a_read_that_fails_names_its_sector() {
    let hand = hand();
    let work = async |disk, _| {
        let store = Store::open(disk, Flush::Required).await?;
        hand.reads.set(Some(0));
        let mut value = store.get(b"a")?.expect("it is there");
        value.read(&mut [0; 3]).await
    };
    // Its page is the second behind the two roots.
    assert_eq!(with_disk(&hand, work), Err(StoreError::Disk(DiskError::Read(3 * 8))));
    let work = async |disk, _| Store::open(disk, Flush::Required).await.err();
    assert_eq!(with_disk(&hand, work), Some(StoreError::Disk(DiskError::Read(0))));
}

#[test]
fn a_write_that_nobody_waits_for_any_more_is_not_done_behind_the_next() {
    let hand = hand();
    let work = async |disk, time: unik_sched::time::Time| {
        let mut store = Store::open(disk, Flush::Required).await?;
        put(&mut store, &[("b", b"two")]).await?;
        hand.is_late.set(true);
        let second = Duration::from_secs(1);
        let dropped = time.timeout(second, put(&mut store, &[("lost", &[9; 60_000])])).await;
        assert!(dropped.is_err(), "the disk takes its time");
        hand.hurry();
        // At the same place. What the disk has kept it would do behind this, if that did not wait for it.
        put(&mut store, &[("c", &[5; 60_000])]).await?;
        contents(&store).await
    };
    let expected = holding(&[("a", b"one"), ("b", b"two"), ("c", &[5; 60_000])]);
    assert_eq!(with_disk(&hand, work), Ok(expected.clone()));
    assert_eq!(mount(hand.stored()), Ok(expected));
}

#[test]
fn a_commit_that_nobody_waits_for_any_more_leaves_the_store_in_doubt() {
    let hand = hand();
    let work = async |disk: unik_block::Disk, time: unik_sched::time::Time| {
        let mut store = Store::open(disk.clone(), Flush::Required).await?;
        put(&mut store, &[("b", b"two")]).await?;
        hand.is_late.set(true);
        let dropped = time.timeout(Duration::from_secs(1), put(&mut store, &[("c", b"three")])).await;
        assert!(dropped.is_err(), "the disk takes its time");
        hand.hurry();
        assert_eq!(store.begin(0).await.err(), Some(StoreError::InDoubt));
        contents(&Store::open(disk, Flush::Required).await?).await
    };
    let expected = holding(&[("a", b"one"), ("b", b"two"), ("c", b"three")]);
    assert_eq!(with_disk(&hand, work), Ok(expected));
}
