//! What operations do, and what they say when they cannot.

use unik_block::{DiskError, SECTOR};
use unik_testkit::{DiskModel, DiskSetup, Random};

use crate::world::{pattern, try_world, with_buffers, world};

#[test]
fn what_is_written_is_read_back_whatever_its_length() {
    let mut world = world(DiskSetup::default());
    let disk = world.disk.clone();
    for (sector, sectors) in [(0, 1), (1, 7), (8, 8), (9, 17), (3, 255), (0, 256), (5, 600), (0, 2048)] {
        let written = pattern(sectors, sectors as usize * SECTOR);
        world.run(disk.write(sector, &written)).unwrap();
        assert_eq!(world.model.stored(sector, sectors as usize), written);
        let mut read = vec![0; written.len()];
        world.run(disk.read(sector, &mut read)).unwrap();
        assert!(read == written, "{sectors} sectors from {sector} on");
    }
    assert_eq!(world.run(disk.read(7, &mut [])), Ok(()));
    assert_eq!(world.pool.available(), world.pool.capacity());
}

#[test]
fn devices_of_all_kinds_store_the_same() {
    let seed = 0x0d15;
    println!("seed {seed:#x}");
    let plain = || DiskSetup::default();
    for setup in [
        DiskSetup { features: 0, ..plain() },
        DiskSetup { legacy: true, ..plain() },
        DiskSetup { seg_max: None, ..plain() },
        DiskSetup { seg_max: Some(0), ..plain() },
        DiskSetup { seg_max: Some(u32::MAX), ..plain() },
        DiskSetup { size_max: Some(512), ..plain() },
        DiskSetup { size_max: Some(1500), seg_max: Some(3), ..plain() },
        DiskSetup { block_size: Some(512), queue_size: 4, ..plain() },
        DiskSetup { queue_size: 1024, features: 1 << 28 | 1 << 29, ..plain() },
    ] {
        let (mut random, mut world) = (Random::new(seed), world(setup.clone()));
        let (disk, mut shadow) = (world.disk.clone(), vec![0; 2048 * SECTOR]);
        for _ in 0..60 {
            let sector = random.below(2048);
            let sectors = random.below(2048 - sector).min(random.below(400));
            let range = sector * SECTOR..(sector + sectors) * SECTOR;
            let mut bytes = vec![0; sectors * SECTOR];
            if random.one_in(2) {
                random.fill(&mut bytes);
                world.run(disk.write(sector as u64, &bytes)).unwrap();
                shadow[range].copy_from_slice(&bytes);
            } else {
                world.run(disk.read(sector as u64, &mut bytes)).unwrap();
                assert!(bytes == shadow[range], "{setup:?}");
            }
        }
        assert!(world.model.stored(0, 2048) == shadow, "{setup:?}");
        assert_eq!(world.pool.available(), world.pool.capacity());
    }
}

#[test]
fn what_was_flushed_survives_and_what_was_not_may_be_lost() {
    let mut world = world(DiskSetup::default());
    let disk = world.disk.clone();
    let (kept, lost) = (pattern(1, SECTOR), pattern(2, SECTOR));
    world
        .run(async {
            disk.write(5, &kept).await?;
            disk.flush().await?;
            disk.write(6, &lost).await
        })
        .unwrap();
    assert_eq!(world.model.stored(6, 1), lost);
    world.model.cut_power();
    assert_eq!((world.model.stored(5, 1), world.model.stored(6, 1)), (kept, vec![0; SECTOR]));
    assert_eq!(world.count("flushes"), 1);
}

#[test]
fn a_flush_that_fails_is_an_error_and_the_next_one_may_do() {
    let mut world = world(DiskSetup::default());
    let disk = world.disk.clone();
    world.model.spoil_flushes(true);
    assert_eq!(world.run(disk.flush()), Err(DiskError::Flush));
    world.model.spoil_flushes(false);
    assert_eq!(world.run(disk.flush()), Ok(()));
}

#[test]
fn without_flush_nothing_is_called_durable() {
    let mut world = world(DiskSetup { flushes: false, ..DiskSetup::default() });
    let disk = world.disk.clone();
    assert!(!disk.properties().can_flush);
    world.run(disk.write(0, &[1; SECTOR])).unwrap();
    assert_eq!(world.run(disk.flush()), Err(DiskError::NoFlush));
}

#[test]
fn a_read_only_disk_is_read_and_has_nothing_to_flush() {
    for flushes in [false, true] {
        let mut world = world(DiskSetup { is_read_only: true, flushes, ..DiskSetup::default() });
        let disk = world.disk.clone();
        let stored = pattern(3, 4 * SECTOR);
        world.model.store(100, &stored);
        let mut bytes = vec![0; 4 * SECTOR];
        world.run(disk.read(100, &mut bytes)).unwrap();
        assert_eq!(bytes, stored);
        assert!(disk.properties().is_read_only);
        assert_eq!(world.run(disk.write(100, &bytes)), Err(DiskError::ReadOnly));
        assert_eq!(world.run(disk.discard(0, 8)), Err(DiskError::ReadOnly));
        assert_eq!(world.run(disk.write_zeroes(0, 8)), Err(DiskError::ReadOnly));
        assert_eq!(world.run(disk.flush()), Ok(()));
        assert_eq!(world.count("flushes"), 0);
    }
}

#[test]
fn sectors_are_zeroed_and_discarded_in_as_many_requests_as_it_takes() {
    let setup = DiskSetup { discard: Some(100), write_zeroes: Some(30), ..DiskSetup::default() };
    let mut world = world(setup);
    let disk = world.disk.clone();
    world.model.store(0, &pattern(4, 1000 * SECTOR));
    world.run(disk.write_zeroes(3, 95)).unwrap();
    assert_eq!(world.count("others"), 4);
    world.run(disk.discard(200, 250)).unwrap();
    assert_eq!(world.count("others"), 4 + 3);
    let expected = pattern(4, 1000 * SECTOR);
    assert_eq!(world.model.stored(0, 3), expected[..3 * SECTOR]);
    assert_eq!(world.model.stored(3, 95), vec![0; 95 * SECTOR]);
    assert_eq!(world.model.stored(98, 102), expected[98 * SECTOR..200 * SECTOR]);
    assert_eq!(world.model.stored(450, 550), expected[450 * SECTOR..]);
    assert_eq!(world.run(disk.discard(0, 0)), Ok(()));
}

#[test]
fn what_a_device_does_not_do_is_not_asked_of_it() {
    let setup = DiskSetup { discard: None, write_zeroes: None, ..DiskSetup::default() };
    let mut world = world(setup);
    let disk = world.disk.clone();
    assert_eq!(world.run(disk.discard(0, 8)), Err(DiskError::Unsupported));
    assert_eq!(world.run(disk.write_zeroes(0, 8)), Err(DiskError::Unsupported));
}

#[test]
fn nothing_beyond_the_end_is_asked_for() {
    let mut world = world(DiskSetup::default());
    let disk = world.disk.clone();
    for (sector, sectors) in [(2048, 1), (2047, 2), (0, 2049), (u64::MAX, 1), (u64::MAX - 1, 2)] {
        let mut bytes = vec![0; sectors * SECTOR];
        assert_eq!(world.run(disk.read(sector, &mut bytes)), Err(DiskError::OutOfRange(sector)));
        assert_eq!(world.run(disk.write(sector, &bytes)), Err(DiskError::OutOfRange(sector)));
        assert_eq!(world.run(disk.discard(sector, sectors as u64)), Err(DiskError::OutOfRange(sector)));
    }
    assert_eq!(world.run(disk.write_zeroes(1, u64::MAX)), Err(DiskError::OutOfRange(1)));
    assert_eq!(world.count("reads") + world.count("writes") + world.count("others"), 0);
}

#[test]
fn a_disk_of_large_blocks_is_used_in_whole_blocks() {
    let mut world = world(DiskSetup { block_size: Some(4096), ..DiskSetup::default() });
    let disk = world.disk.clone();
    assert_eq!(disk.properties().block_size, 4096);
    for (sector, length) in [(1, 4096), (4, 4096), (8, 512), (8, 4095), (8, 4608)] {
        let mut bytes = vec![0; length];
        assert_eq!(world.run(disk.read(sector, &mut bytes)), Err(DiskError::Unaligned(sector)));
    }
    assert_eq!(world.run(disk.discard(8, 9)), Err(DiskError::Unaligned(8)));
    let bytes = pattern(5, 300 << 10);
    world.run(disk.write(16, &bytes)).unwrap();
    assert_eq!(world.model.stored(16, 600), bytes);
}

#[test]
fn half_a_sector_is_no_operation() {
    let mut world = world(DiskSetup::default());
    let disk = world.disk.clone();
    assert_eq!(world.run(disk.read(3, &mut [0; 100])), Err(DiskError::Unaligned(3)));
    assert_eq!(world.run(disk.write(3, &[0; 513])), Err(DiskError::Unaligned(3)));
}

#[test]
fn an_error_of_the_device_names_the_block_that_failed() {
    for (block_size, block) in [(None, 300), (Some(4096), 296)] {
        let mut world = world(DiskSetup { block_size, ..DiskSetup::default() });
        let disk = world.disk.clone();
        world.model.spoil(300..301, 1);
        let mut bytes = vec![0; 1024 * SECTOR];
        assert_eq!(world.run(disk.read(block, &mut bytes[..8 * SECTOR])), Err(DiskError::Read(block)));
        assert_eq!(world.run(disk.read(0, &mut bytes)), Err(DiskError::Read(block)));
        assert_eq!(world.run(disk.write(0, &bytes)), Err(DiskError::Write(block)));
        assert_eq!(world.run(disk.discard(296, 8)), Err(DiskError::Discard(296)));
        assert_eq!(world.run(disk.write_zeroes(296, 8)), Err(DiskError::WriteZeroes(296)));
        assert_eq!(world.run(disk.read(304, &mut bytes[..8 * SECTOR])), Ok(()));
        world.settle();
        assert_eq!(world.pool.available(), world.pool.capacity());
    }
    assert_eq!(DiskError::Read(300).to_string(), "the disk cannot be read at sector 300");
}

#[test]
fn what_failed_with_another_request_is_done_alone() {
    // The device fails so many requests, whatever they are about, as one does that has joined a good one with a bad one.
    for failing in 1..=2 {
        let mut world = world(DiskSetup::default());
        world.answers.set(false);
        let stored = pattern(7, 700 * SECTOR);
        world.model.store(0, &stored);
        let (disk, result) = (world.disk.clone(), std::rc::Rc::new(std::cell::RefCell::new(None)));
        let told = result.clone();
        let task = async move {
            let mut bytes = vec![0; 700 * SECTOR];
            let result = disk.read(0, &mut bytes).await;
            told.replace(Some((result, bytes)));
        };
        world.spawner().spawn("reader", task).unwrap();
        world.settle();
        for _ in 0..failing {
            let (request, chain) = world.model.take().unwrap();
            world.model.spoil(request.sector..request.sector + 1, 1);
            world.model.answer(request, &chain);
            world.model.spoil(0..0, 1);
        }
        world.model.signal();
        world.answers.set(true);
        for _ in 0..2000 {
            world.settle();
        }
        let (result, bytes) = result.take().expect("it is done by now");
        assert_eq!(result, Ok(()));
        assert!(bytes == stored);
    }
}

#[test]
fn what_is_asked_for_once_more_has_no_other_request_of_its_operation_beside_it() {
    let mut world = world(DiskSetup::default());
    world.answers.set(false);
    let (disk, told) = (world.disk.clone(), std::rc::Rc::new(std::cell::Cell::new(None)));
    let result = told.clone();
    let task = async move { result.set(Some(disk.read(0, &mut vec![0; 700 * SECTOR]).await)) };
    world.spawner().spawn("reader", task).unwrap();
    world.settle();
    // The device joins whatever it has at the same time, and fails all of it for one sector.
    world.model.spoil(256..257, 1);
    while told.get().is_none() {
        let taken: Vec<_> = std::iter::from_fn(|| world.model.take()).collect();
        let is_bad = taken
            .iter()
            .any(|(request, _)| (request.sector..request.sector + request.sectors).contains(&256));
        world.model.spoil(if is_bad { 0..2048 } else { 0..0 }, 1);
        for (request, chain) in &taken {
            world.model.answer(*request, chain);
        }
        world.model.signal();
        world.settle();
    }
    assert_eq!(told.get(), Some(Err(DiskError::Read(256))));
}

#[test]
fn an_error_is_told_when_the_device_is_done_with_all_of_the_operation() {
    let mut world = world(DiskSetup::default());
    world.answers.set(false);
    world.model.spoil(0..256, 1);
    let (disk, told) = (world.disk.clone(), std::rc::Rc::new(std::cell::Cell::new(None)));
    let result = told.clone();
    let task = async move { result.set(Some(disk.write(0, &vec![1; 512 * SECTOR]).await)) };
    world.spawner().spawn("writer", task).unwrap();
    world.settle();
    let (first, second) = (world.model.take().unwrap(), world.model.take().unwrap());
    world.model.answer(first.0, &first.1);
    world.model.signal();
    world.settle();
    // The second half may still be written.
    assert!(told.get().is_none() && world.model.take().is_none());
    world.model.answer(second.0, &second.1);
    world.model.signal();
    world.settle();
    let (again, chain) = world.model.take().unwrap();
    assert_eq!((again.sector, again.sectors), (0, 1));
    world.model.answer(again, &chain);
    world.model.signal();
    world.settle();
    assert_eq!(told.get(), Some(Err(DiskError::Write(0))));
}

#[test]
fn what_the_device_does_not_know_is_unsupported() {
    let mut world = world(DiskSetup::default());
    let disk = world.disk.clone();
    world.model.spoil(0..8, 2);
    assert_eq!(world.run(disk.discard(0, 8)), Err(DiskError::Unsupported));
}

#[test]
fn a_disk_that_grows_or_shrinks_has_its_new_size() {
    let mut world = world(DiskSetup::default());
    let disk = world.disk.clone();
    let mut bytes = [0; SECTOR];
    assert_eq!(world.run(disk.read(3000, &mut bytes)), Err(DiskError::OutOfRange(3000)));
    world.model.resize(4096);
    world.settle();
    assert_eq!(disk.properties().sectors, 4096);
    assert_eq!(world.run(disk.read(3000, &mut bytes)), Ok(()));
    world.model.resize(1);
    world.settle();
    assert_eq!(world.run(disk.read(1, &mut bytes)), Err(DiskError::OutOfRange(1)));
    assert_eq!(world.count("resized"), 2);
}

#[test]
fn the_device_says_what_is_below_its_blocks() {
    let setup = DiskSetup { features: 1 << 10, block_size: Some(512), ..DiskSetup::default() };
    let mut device = setup.device();
    device.configuration[24] = 3;
    device.configuration[28..32].copy_from_slice(&128_u32.to_le_bytes());
    let model = DiskModel::new(setup);
    model.device().reconfigure(device.configuration.clone());
    let properties = try_world(model.clone(), 8).unwrap().disk.properties();
    assert_eq!((properties.physical_block_size, properties.best_transfer), (4096, 65_536));
    device.configuration[24] = 255;
    model.device().reconfigure(device.configuration);
    assert_eq!(try_world(model, 8).unwrap().disk.properties().physical_block_size, 512);
}

#[test]
fn a_disk_of_nothing_has_nothing_to_read() {
    let mut world = with_buffers(DiskSetup { sectors: 0, ..DiskSetup::default() }, 2);
    let disk = world.disk.clone();
    assert_eq!(disk.properties().sectors, 0);
    assert_eq!(world.run(disk.read(0, &mut [0; SECTOR])), Err(DiskError::OutOfRange(0)));
    assert_eq!(world.run(disk.flush()), Ok(()));
}

#[test]
fn a_flush_that_failed_after_its_future_was_dropped_is_told_by_the_next_one() {
    for polled_after in [false, true] {
        let mut world = world(DiskSetup::default());
        let (disk, time) = (world.disk.clone(), world.time.clone());
        world.run(disk.write(5, &[1; SECTOR])).unwrap();
        world.answers.set(false);
        world.model.spoil_flushes(true);
        let mut flush = Box::pin(disk.flush());
        assert!(world.run(time.timeout(std::time::Duration::from_secs(1), flush.as_mut())).is_err());
        if polled_after {
            // It is done when it is dropped, and nobody has asked for the outcome.
            world.model.serve();
            world.settle();
        }
        drop(flush);
        world.answers.set(true);
        world.model.serve();
        world.settle();
        // The device has dropped what it could not keep.
        world.model.spoil_flushes(false);
        world.model.cut_power();
        assert_eq!(world.run(disk.flush()), Err(DiskError::Flush));
        assert_eq!(world.run(disk.flush()), Ok(()));
    }
}

#[test]
fn a_flush_that_failed_is_told_once_to_each_handle() {
    let mut world = world(DiskSetup::default());
    let (one, other) = (world.disk.clone(), world.disk.clone());
    world.run(other.write(5, &[1; SECTOR])).unwrap();
    world.model.spoil_flushes(true);
    assert_eq!(world.run(one.flush()), Err(DiskError::Flush));
    world.model.spoil_flushes(false);
    assert_eq!(world.run(one.flush()), Ok(()));
    assert_eq!(world.run(one.clone().flush()), Ok(()), "a clone has heard of it");
    assert_eq!(
        world.run(other.clone().flush()),
        Err(DiskError::Flush),
        "and has not where its original has not"
    );
    assert_eq!(world.run(other.flush()), Err(DiskError::Flush));
    assert_eq!(world.run(other.flush()), Ok(()));
    assert_eq!(world.count("flushes"), 6);
}

#[test]
fn flushes_of_one_handle_at_the_same_time_all_fail_where_one_does() {
    let mut world = world(DiskSetup::default());
    world.answers.set(false);
    let disk = std::rc::Rc::new(world.disk.clone());
    let results: std::rc::Rc<std::cell::RefCell<Vec<_>>> = std::rc::Rc::default();
    for _ in 0..2 {
        let (disk, results) = (disk.clone(), results.clone());
        let task = async move {
            let result = disk.flush().await;
            results.borrow_mut().push(result);
        };
        world.spawner().spawn("flusher", task).unwrap();
    }
    world.settle();
    for fails in [true, false] {
        world.model.spoil_flushes(fails);
        let (request, chain) = world.model.take().unwrap();
        world.model.answer(request, &chain);
    }
    world.model.signal();
    world.settle();
    assert_eq!(*results.borrow(), [Err(DiskError::Flush); 2]);
    world.answers.set(true);
    assert_eq!(world.run(disk.flush()), Ok(()));
}

#[test]
fn a_disk_that_grew_without_being_heard_is_measured_before_it_is_called_too_small() {
    use virtio_drivers::transport::Transport as _;
    let mut world = world(DiskSetup::default());
    let disk = world.disk.clone();
    world.answers.set(false);
    let writer = disk.clone();
    let task = async move { writer.write(5, &[1; SECTOR]).await.unwrap() };
    world.spawner().spawn("writer", task).unwrap();
    world.settle();
    world.model.resize(4096);
    world.model.serve();
    // A device with messages of its own does not say what its interrupt is about, and this one is about an answer too.
    let _ = world.model.transport().ack_interrupt();
    world.settle();
    world.answers.set(true);
    assert_eq!(disk.properties().sectors, 2048);
    assert_eq!(world.run(disk.write(4095, &[1; SECTOR])), Ok(()));
    assert_eq!(world.run(disk.write(4096, &[1; SECTOR])), Err(DiskError::OutOfRange(4096)));
    assert_eq!(world.count("resized"), 1);
}
