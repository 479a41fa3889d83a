//! The cache: what is fetched when, who hears of errors, and that the budget is one.

use std::cell::RefCell;
use std::rc::Rc;

use unik_block::{Cache, DiskError, Volume};
use unik_testkit::DiskSetup;

use crate::world::{World, holding, pattern, try_with, with, world};

/// All of a disk, read in pieces of `most` bytes.
async fn stream(cache: &Cache, most: usize) -> Result<Vec<u8>, DiskError> {
    let volume = Volume::whole(cache);
    let (mut stream, mut all) = (cache.stream(), Vec::new());
    while (all.len() as u64) < volume.length() {
        let piece = volume.piece(&mut stream, all.len() as u64, most, volume.length()).await?;
        assert!(!piece.is_empty() && piece.len() <= most);
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

#[test]
fn a_page_is_read_once_and_then_is_there() {
    let bytes = pattern(1, 64 << 10);
    let mut world = holding(&bytes, 16);
    let cache = world.cache.clone();
    for _ in 0..3 {
        let page = world.run(cache.page(3, 0)).unwrap();
        assert_eq!(*page, bytes[3 * 4096..4 * 4096]);
    }
    assert_eq!((world.count("reads"), world.count("hits"), world.count("misses")), (1, 2, 1));
}

#[test]
fn what_is_read_on_and_on_comes_in_long_requests() {
    let bytes = pattern(2, 4 << 20);
    let mut world = holding(&bytes, 128);
    let cache = world.cache.clone();
    let all = world.run(stream(&cache, 10_000)).unwrap();
    assert!(all == bytes);
    assert_eq!(world.count("pages_read"), 1024);
    assert!(world.count("reads") <= 64, "{} requests", world.count("reads"));
    // This reader does nothing else, and so waits for each request once; for the other pages it does not wait.
    assert!(world.count("misses") <= 64, "{} misses", world.count("misses"));
}

#[test]
fn only_what_is_wanted_is_read_ahead() {
    let mut world = holding(&pattern(3, 1 << 20), 64);
    let volume = Volume::whole(&world.cache);
    let mut stream = world.cache.stream();
    let piece = world.run(volume.piece(&mut stream, 100, 50, 150)).unwrap();
    assert_eq!(piece.len(), 50);
    world.settle();
    assert_eq!(world.count("pages_read"), 1);
}

#[test]
fn what_is_asked_for_often_outlives_what_is_read_once() {
    let mut world = holding(&pattern(4, 4 << 20), 32);
    let cache = world.cache.clone();
    for _ in 0..5 {
        drop(world.run(cache.page(1000, 0)).unwrap());
    }
    // As much as the cache holds passes through.
    let volume = Volume::part(&cache, 0, 32 * 8).unwrap();
    let mut stream = cache.stream();
    world
        .run(async {
            let mut at = 0;
            while at < volume.length() {
                at += volume.piece(&mut stream, at, 4096, volume.length()).await?.len() as u64;
            }
            Ok::<_, DiskError>(())
        })
        .unwrap();
    assert!(cache.try_page(1000).is_some());
    assert!(world.count("evictions") > 0);
}

#[test]
fn a_page_that_is_held_stays_as_it_is() {
    let bytes = pattern(5, 1 << 20);
    let mut world = holding(&bytes, 8);
    let cache = world.cache.clone();
    let held = world.run(cache.page(7, 0)).unwrap();
    assert!(world.run(stream(&cache, 4096)).unwrap() == bytes);
    assert_eq!(*held, bytes[7 * 4096..8 * 4096]);
}

#[test]
fn who_finds_all_pages_held_waits_until_one_is_given_back() {
    let mut world = holding(&pattern(6, 1 << 20), 4);
    let cache = world.cache.clone();
    let mut held: Vec<_> = (0..4).map(|page| world.run(cache.page(page, 0)).unwrap()).collect();
    let got = Rc::new(RefCell::new(None));
    let (reader, result) = (cache.clone(), got.clone());
    let task = async move { *result.borrow_mut() = Some(reader.page(100, 0).await.map(|page| page[0])) };
    world.executor.spawner().spawn("reader", task).unwrap();
    world.settle();
    assert!(got.borrow().is_none());
    held.pop();
    world.settle();
    assert_eq!(*got.borrow(), Some(Ok(world.model.stored(800, 1)[0])));
}

#[test]
fn a_reader_that_goes_away_leaves_nothing_behind() {
    let mut world = holding(&pattern(7, 1 << 20), 16);
    world.answers.set(false);
    let cache = world.cache.clone();
    for page in 0..100 {
        let reader = cache.clone();
        let task = async move {
            let gone = unik_sched::select(reader.page(page, 3), unik_sched::yield_now()).await;
            assert!(matches!(gone, unik_sched::Either::Second(())));
        };
        world.executor.spawner().spawn("reader", task).unwrap();
    }
    world.settle();
    world.answers.set(true);
    let page = world.run(cache.page(200, 0)).unwrap();
    assert_eq!(*page, *world.model.stored(1600, 8));
}

#[test]
fn all_who_wait_for_a_page_get_it_from_one_request() {
    let mut world = holding(&pattern(8, 1 << 20), 16);
    let done = Rc::new(RefCell::new(0));
    for _ in 0..20 {
        let (cache, done) = (world.cache.clone(), done.clone());
        let task = async move {
            assert!(cache.page(9, 0).await.is_ok());
            *done.borrow_mut() += 1;
        };
        world.executor.spawner().spawn("reader", task).unwrap();
    }
    world.settle();
    assert_eq!((*done.borrow(), world.count("reads")), (20, 1));
}

#[test]
fn a_sector_that_cannot_be_read_is_the_error_of_its_page_alone() {
    let bytes = pattern(9, 1 << 20);
    let mut world = holding(&bytes, 64);
    world.model.spoil(83..84, 1);
    let cache = world.cache.clone();
    let first = world.run(cache.page(8, 7)).unwrap();
    assert_eq!(*first, bytes[8 * 4096..9 * 4096]);
    assert_eq!(world.run(cache.page(10, 0)).err(), Some(DiskError::Read(80)));
    assert_eq!(*world.run(cache.page(11, 0)).unwrap(), bytes[11 * 4096..12 * 4096]);
    // What failed is asked for anew.
    world.model.spoil(0..0, 0);
    assert_eq!(*world.run(cache.page(10, 0)).unwrap(), bytes[10 * 4096..11 * 4096]);
}

#[test]
fn a_disk_that_fails_is_an_error_for_all() {
    let mut world = holding(&pattern(10, 1 << 20), 16);
    let cache = world.cache.clone();
    let before = world.run(cache.page(0, 0)).unwrap();
    world.model.device().give_up();
    world.model.device().interrupt();
    world.settle();
    assert_eq!(world.run(cache.page(50, 4)).err(), Some(DiskError::Failed));
    assert_eq!(world.run(cache.page(51, 0)).err(), Some(DiskError::Failed));
    assert_eq!(before.len(), 4096);
}

#[test]
fn the_end_of_a_disk_is_a_short_page() {
    let bytes = pattern(11, 4096 + 3 * 512);
    let mut world = holding(&bytes, 8);
    let cache = world.cache.clone();
    assert!(world.run(stream(&cache, 100_000)).unwrap() == bytes);
    assert_eq!(world.run(cache.page(1, 5)).unwrap().len(), 3 * 512);
    assert_eq!(world.run(cache.page(2, 0)).err(), Some(DiskError::OutOfRange(16)));
    assert_eq!(world.run(cache.page(u64::MAX, u64::MAX)).err(), Some(DiskError::OutOfRange(u64::MAX)));
    cache.expect(2, 7);
    cache.expect(u64::MAX - 1, u64::MAX);
    world.settle();
}

#[test]
fn pages_are_as_small_as_the_parts_that_a_device_takes() {
    let setup = DiskSetup { size_max: Some(1500), seg_max: Some(3), ..DiskSetup::default() };
    let mut world = with(setup, 32);
    let bytes = pattern(12, 1 << 20);
    world.model.store(0, &bytes);
    assert_eq!(world.cache.page_size(), 1024);
    let cache = world.cache.clone();
    assert!(world.run(stream(&cache, 4096)).unwrap() == bytes);
}

#[test]
fn a_disk_whose_blocks_do_not_fit_into_pages_is_refused() {
    let setup = DiskSetup { block_size: Some(8192), ..DiskSetup::default() };
    assert_eq!(try_with(setup, 64).err(), Some(DiskError::Impossible));
    let setup = DiskSetup { block_size: Some(4096), ..DiskSetup::default() };
    assert_eq!(with(setup, 64).cache.page_size(), 4096);
}

#[test]
fn a_volume_need_not_begin_where_a_page_does() {
    let bytes = pattern(13, 1 << 20);
    let mut world = holding(&bytes, 16);
    let volume = Volume::part(&world.cache, 63, 1000).unwrap();
    let mut read = vec![0; 9000];
    world.run(volume.read(777, &mut read)).unwrap();
    assert!(read == bytes[63 * 512 + 777..][..9000]);
    assert_eq!(world.run(volume.read(511_999, &mut [0; 2])), Err(DiskError::OutOfRange(1063)));
    assert!(Volume::part(&world.cache, 2000, 49).is_none());
    assert!(Volume::part(&world.cache, u64::MAX, 1).is_none());
}

#[test]
fn many_readers_share_a_small_cache() {
    let bytes = Rc::new(pattern(14, 2 << 20));
    let mut world: World = holding(&bytes, 24);
    let done = Rc::new(RefCell::new(0));
    for reader in 0..40 {
        let (cache, bytes, done) = (world.cache.clone(), bytes.clone(), done.clone());
        let task = async move {
            let volume = Volume::whole(&cache);
            let mut stream = cache.stream();
            let (mut at, end) = (reader * 50_000, reader * 50_000 + 90_000);
            while at < end {
                let piece = volume.piece(&mut stream, at, 5000, end).await.unwrap();
                assert!(*piece == bytes[at as usize..][..piece.len()]);
                at += piece.len() as u64;
                unik_sched::yield_now().await;
            }
            *done.borrow_mut() += 1;
        };
        world.executor.spawner().spawn("reader", task).unwrap();
    }
    world.settle();
    assert_eq!(*done.borrow(), 40);
    // Hardly a page is read twice, though what is read ahead must not be lost before it is used.
    assert!(world.count("pages_read") < 1800, "{}", world.count("pages_read"));
}

#[test]
fn an_empty_disk_has_no_page() {
    let mut world = world(0, 8);
    let cache = world.cache.clone();
    assert_eq!(world.run(cache.page(0, 0)).err(), Some(DiskError::OutOfRange(0)));
}
