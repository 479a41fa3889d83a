//! What a store does when all is well, and what it says when it cannot.

use unik_block::DiskError;
use unik_block::store::{Flush, KEY, KEYS, Store, StoreError};
use unik_testkit::Random;

use crate::world::{
    Contents, Hand, SMALLEST, bytes, contents, formatted, holding, mount, put, with_bytes, with_disk,
};

#[test]
fn what_is_committed_is_there_when_it_is_opened_again() {
    let work = async |disk, _| {
        let mut store = Store::open_or_format(disk, Flush::Required, 1).await?;
        put(&mut store, &[("a", b"one"), ("b", b"two")]).await?;
        put(&mut store, &[("a", b""), ("c", b"three")]).await?;
        let mut transaction = store.begin(0).await?;
        transaction.delete(b"b").await?;
        transaction.delete(b"nothing").await?;
        transaction.commit().await?;
        contents(&store).await
    };
    let (result, stored) = with_bytes(vec![0; SMALLEST], work);
    let expected = holding(&[("a", b""), ("c", b"three")]);
    assert_eq!((result, mount(stored)), (Ok(expected.clone()), Ok(expected)));
}

#[test]
fn what_is_not_committed_is_not_there() {
    let work = async |disk, _| {
        let mut store = Store::open(disk, Flush::Required).await?;
        put(&mut store, &[("a", b"one")]).await?;
        let mut given_up = store.begin(50_000).await?;
        given_up.delete(b"a").await?;
        given_up.put(b"b").await?;
        given_up.write(&[7; 50_000]).await?;
        let before = contents(&store).await?;
        put(&mut store, &[("c", b"three")]).await?;
        Ok::<_, StoreError>((before, contents(&store).await?))
    };
    let (result, stored) = with_bytes(formatted(4 * SMALLEST), work);
    let (before, after) = (holding(&[("a", b"one")]), holding(&[("a", b"one"), ("c", b"three")]));
    assert_eq!((result, mount(stored)), (Ok((before, after.clone())), Ok(after)));
}

#[test]
fn values_of_megabytes_are_written_and_read_in_pieces() {
    let mut random = Random::new(5);
    let long = bytes(&mut random, 3_000_001);
    let work = async |disk, _| {
        let mut store = Store::open(disk, Flush::Required).await?;
        let mut transaction = store.begin(long.len() as u64).await?;
        transaction.put(b"long").await?;
        let (mut rest, mut sizes) = (&long[..], [1, 2, 3, 4061, 4062, 5000, 100_000].into_iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
            transaction.write(now).await?;
            rest = later;
        }
        transaction.commit().await?;
        let (mut value, mut read) = (store.get(b"long")?.expect("it is there"), Vec::new());
        for size in [1, 4064, 4061, 7, 70_000].into_iter().cycle() {
            let mut piece = vec![0; size];
            let length = value.read(&mut piece).await?;
            read.extend_from_slice(&piece[..length]);
            if length == 0 {
                break;
            }
        }
        assert!(read == long);
        Ok::<_, StoreError>(())
    };
    let (result, stored) = with_bytes(formatted(8 << 20), work);
    assert_eq!(result, Ok(()));
    assert!(mount(stored).is_ok_and(|found| found[&b"long"[..]] == long));
}

#[test]
fn a_disk_that_is_full_of_what_was_replaced_is_not_full() {
    let mut random = Random::new(6);
    let mut model = Contents::new();
    let mut stored = formatted(SMALLEST);
    for _ in 0..20 {
        let (key, value) = (vec![random.below(3) as u8 + 1], random.below(9000));
        let value = bytes(&mut random, value);
        model.insert(key.clone(), value.clone());
        let work = async |disk, _| {
            let mut store = Store::open(disk, Flush::Required).await?;
            for _ in 0..5 {
                let mut transaction = store.begin(value.len() as u64).await?;
                transaction.put(&key).await?;
                transaction.write(&value).await?;
                transaction.commit().await?;
            }
            contents(&store).await
        };
        let (result, after) = with_bytes(stored, work);
        assert_eq!(result.as_ref(), Ok(&model));
        stored = after;
    }
    assert_eq!(mount(stored), Ok(model));
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let work = async |disk, _| {
        let mut store = Store::open(disk, Flush::Required).await?;
        put(&mut store, &[("a", b"one")]).await?;
        assert_eq!(store.begin(64 << 10).await.err(), Some(StoreError::Full));
        // More than was said.
        let mut transaction = store.begin(10).await?;
        transaction.put(b"b").await?;
        assert_eq!(transaction.write(&[1; 64 << 10]).await, Err(StoreError::Full));
        assert_eq!(transaction.write(&[1]).await, Err(StoreError::Broken));
        assert_eq!(transaction.commit().await, Err(StoreError::Broken));
        put(&mut store, &[("c", &[3; 30_000])]).await?;
        contents(&store).await
    };
    let (result, stored) = with_bytes(formatted(SMALLEST), work);
    let expected = holding(&[("a", b"one"), ("c", &[3; 30_000])]);
    assert_eq!((result, mount(stored)), (Ok(expected.clone()), Ok(expected)));
}

#[test]
fn keys_have_limits() {
    let work = async |disk, _| {
        let mut store = Store::open(disk, Flush::Required).await?;
        assert_eq!(store.begin(0).await?.put(b"").await, Err(StoreError::Key));
        assert_eq!(store.begin(0).await?.put(&[b'k'; KEY + 1]).await, Err(StoreError::Key));
        assert_eq!(store.begin(0).await?.write(b"value").await, Err(StoreError::NoValue));
        let mut transaction = store.begin(0).await?;
        transaction.put(&[b'k'; KEY]).await?;
        for number in 1..KEYS {
            transaction.put(&number.to_le_bytes()).await?;
        }
        transaction.commit().await?;
        let mut transaction = store.begin(0).await?;
        assert_eq!(transaction.put(b"one more").await, Err(StoreError::TooManyKeys));
        store.compact().await?;
        // A store that is full can be changed, and has room again for what is removed.
        let mut transaction = store.begin(0).await?;
        transaction.put(&1usize.to_le_bytes()).await?;
        transaction.write(b"value").await?;
        transaction.delete(&2usize.to_le_bytes()).await?;
        transaction.commit().await?;
        let mut transaction = store.begin(0).await?;
        transaction.put(b"one more").await?;
        transaction.commit().await?;
        Ok::<_, StoreError>(store.keys().count())
    };
    let (result, stored) = with_bytes(formatted(1 << 20), work);
    assert_eq!(result, Ok(KEYS));
    assert!(mount(stored).is_ok_and(|found| found.len() == KEYS));
}

#[test]
fn a_blank_disk_is_formatted_and_nothing_else_is() {
    let open =
        |bytes: Vec<u8>| with_bytes(bytes, async |disk, _| Store::open(disk, Flush::Required).await.err());
    let blank = vec![0; SMALLEST];
    assert_eq!(open(blank.clone()), (Some(StoreError::Blank), blank.clone()));
    for (place, sector) in [(0, 0), (510, 0), (1024, 0), (4096, 8), (8192, 16), (65_600, 128), (131_071, 255)]
    {
        let mut used = blank.clone();
        used[place] = 0x55;
        let work = async |disk, _| Store::open_or_format(disk, Flush::Required, 1).await.err();
        assert_eq!(with_bytes(used.clone(), work), (Some(StoreError::Foreign(sector)), used.clone()));
        // Who asks for it gets it.
        let work = async |disk, _| Store::format(disk, Flush::Required, 1).await.err();
        let (failure, formatted) = with_bytes(used, work);
        assert_eq!((failure, mount(formatted)), (None, Ok(Contents::new())));
    }
}

#[test]
fn formatting_anew_forgets_what_was_there() {
    let work = async |disk: unik_block::Disk, _| {
        let mut store = Store::open(disk.clone(), Flush::Required).await?;
        put(&mut store, &[("a", b"one")]).await?;
        store.compact().await?;
        put(&mut store, &[("b", b"two")]).await?;
        drop(store);
        let store = Store::format(disk, Flush::Required, 8).await?;
        contents(&store).await
    };
    let (result, stored) = with_bytes(formatted(SMALLEST), work);
    assert_eq!((result, mount(stored)), (Ok(Contents::new()), Ok(Contents::new())));
}

#[test]
fn a_disk_that_is_too_small_or_has_become_so_is_named() {
    for size in [0, 512, 4096, 8192, SMALLEST - 4096] {
        let work = async |disk, _| Store::open_or_format(disk, Flush::Required, 1).await.err();
        assert_eq!(with_bytes(vec![0; size], work).0, Some(StoreError::TooSmall), "{size}");
    }
    let mut stored = formatted(SMALLEST);
    stored.truncate(SMALLEST - 4096);
    assert_eq!(mount(stored), Err(StoreError::Cut((SMALLEST as u64 - 4096) / 512)));
    // A larger one keeps what it has.
    let mut stored = formatted(SMALLEST);
    stored.resize(2 * SMALLEST, 0);
    assert_eq!(mount(stored), Ok(Contents::new()));
}

#[test]
fn without_flush_it_is_used_only_by_who_says_so() {
    let hand = Hand { cannot_flush: true, ..Hand::over(vec![0; SMALLEST]) };
    let work = async |disk: unik_block::Disk, _| {
        let refused = Store::open_or_format(disk.clone(), Flush::Required, 1).await.err();
        assert_eq!(refused, Some(StoreError::Disk(DiskError::NoFlush)));
        let mut store = Store::open_or_format(disk, Flush::Absent, 1).await?;
        put(&mut store, &[("a", b"one")]).await
    };
    assert_eq!(with_disk(&hand, work), Ok(()));
    assert_eq!(mount(hand.stored()), Ok(holding(&[("a", b"one")])));
}

#[test]
fn a_read_only_disk_is_read() {
    let work = async |disk, _| {
        let mut store = Store::open(disk, Flush::Required).await?;
        put(&mut store, &[("a", b"one")]).await
    };
    let (_, stored) = with_bytes(formatted(SMALLEST), work);
    let hand = Hand { is_read_only: true, ..Hand::over(stored) };
    let work = async |disk, _| {
        let mut store = Store::open(disk, Flush::Required).await?;
        let refused = store.begin(0).await.err();
        assert_eq!(refused, Some(StoreError::Disk(DiskError::ReadOnly)));
        contents(&store).await
    };
    assert_eq!(with_disk(&hand, work), Ok(holding(&[("a", b"one")])));
}
