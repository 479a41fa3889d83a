//! Many operations at once, little room, and futures that are dropped.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use unik_block::{DiskError, SECTOR};
use unik_testkit::{DiskSetup, Random};

use crate::world::{World, pattern, with_buffers, world};

/// Starts a task that reads a sector and notes that it did.
fn read_in_task(world: &World, sector: u64, done: &Rc<RefCell<Vec<u64>>>) {
    let (disk, done) = (world.disk.clone(), done.clone());
    let task = async move {
        let mut bytes = [0; SECTOR];
        disk.read(sector, &mut bytes).await.unwrap();
        assert_eq!(bytes[..8], sector.to_le_bytes());
        done.borrow_mut().push(sector);
    };
    world.spawner().spawn("reader", task).unwrap();
}

fn number_sectors(world: &World, sectors: u64) {
    for sector in 0..sectors {
        world.model.store(sector, &sector.to_le_bytes());
    }
}

#[test]
fn requests_of_one_turn_are_under_way_at_the_same_time_after_one_kick() {
    let mut world = world(DiskSetup::default());
    number_sectors(&world, 40);
    world.answers.set(false);
    let done = Rc::default();
    for sector in 0..40 {
        read_in_task(&world, sector, &done);
    }
    world.settle();
    assert_eq!(world.model.device().notifications(0), 1);
    let taken: Vec<_> = std::iter::from_fn(|| world.model.take()).collect();
    assert_eq!(taken.len(), 40);
    for (request, chain) in taken.iter().rev() {
        world.model.answer(*request, chain);
    }
    world.model.signal();
    world.settle();
    assert_eq!(*done.borrow(), (0..40).rev().collect::<Vec<_>>(), "in the order of the device");
}

#[test]
fn one_long_operation_has_two_requests_under_way() {
    let mut world = world(DiskSetup::default());
    world.answers.set(false);
    let disk = world.disk.clone();
    let task = async move { disk.read(0, &mut vec![0; 2048 * SECTOR]).await.unwrap() };
    world.spawner().spawn("reader", task).unwrap();
    world.settle();
    let first = world.model.take().unwrap();
    let second = world.model.take().unwrap();
    assert_eq!((first.0.sector, second.0.sector), (0, 256));
    assert!(world.model.take().is_none());
    world.model.answer(first.0, &first.1);
    world.model.signal();
    world.settle();
    assert_eq!(world.model.take().unwrap().0.sector, 512);
    assert!(world.model.take().is_none());
}

#[test]
fn those_who_wait_for_room_get_it_in_their_order() {
    // Two buffers, and then few descriptors.
    let small = [(DiskSetup::default(), 2), (DiskSetup { queue_size: 8, ..DiskSetup::default() }, 40)];
    for (setup, buffers) in small {
        let mut world = with_buffers(setup, buffers);
        number_sectors(&world, 100);
        let done = Rc::default();
        for sector in 0..100 {
            read_in_task(&world, sector, &done);
        }
        world.settle();
        for _ in 0..200 {
            world.settle();
        }
        assert_eq!(*done.borrow(), (0..100).collect::<Vec<_>>());
        assert!(world.count("waits") > 90);
        assert_eq!(world.pool.available(), buffers);
    }
}

#[test]
fn long_and_short_operations_in_little_room_all_end() {
    let seed = 0x100f;
    println!("seed {seed:#x}");
    for buffers in [1, 2, 3, 5, 40] {
        let mut world = with_buffers(DiskSetup::default(), buffers);
        let mut random = Random::new(seed);
        let left = Rc::new(RefCell::new(60));
        for number in 0..60_u64 {
            // Each task has a part of the disk of its own.
            let (disk, left) = (world.disk.clone(), left.clone());
            let sectors = 1 + random.below(34);
            let task = async move {
                for round in 0..4 {
                    let bytes = pattern(number + round, sectors * SECTOR);
                    disk.write(number * 34, &bytes).await.unwrap();
                    let mut read = vec![0; bytes.len()];
                    disk.read(number * 34, &mut read).await.unwrap();
                    assert!(read == bytes);
                    disk.flush().await.unwrap();
                }
                *left.borrow_mut() -= 1;
            };
            world.spawner().spawn("worker", task).unwrap();
        }
        for _ in 0..10_000 {
            world.settle();
            if *left.borrow() == 0 {
                break;
            }
        }
        assert_eq!(*left.borrow(), 0, "with {buffers} buffers");
        assert_eq!(world.pool.available(), buffers);
    }
}

#[test]
fn a_dropped_future_leaves_its_buffer_with_the_device_until_that_is_done() {
    let mut world = world(DiskSetup::default());
    world.answers.set(false);
    let (disk, time, capacity) = (world.disk.clone(), world.time.clone(), world.pool.capacity());
    let mut bytes = [7; SECTOR];
    let read = disk.read(0, &mut bytes);
    assert!(world.run(time.timeout(Duration::from_secs(1), read)).is_err());
    assert_eq!(bytes, [7; SECTOR]);
    assert_eq!((world.pool.available(), world.count("abandoned")), (capacity - 1, 1));
    let (request, chain) = world.model.take().unwrap();
    world.model.answer(request, &chain);
    world.model.signal();
    world.settle();
    assert_eq!((world.pool.available(), bytes), (capacity, [7; SECTOR]));
    world.answers.set(true);
    assert_eq!(world.run(disk.read(0, &mut bytes)), Ok(()));
    assert_eq!(bytes, [0; SECTOR]);
}

#[test]
fn a_dropped_write_is_done_all_the_same() {
    let mut world = world(DiskSetup::default());
    world.answers.set(false);
    let (disk, time) = (world.disk.clone(), world.time.clone());
    let written = pattern(6, SECTOR);
    let write = disk.write(9, &written);
    assert!(world.run(time.timeout(Duration::from_secs(1), write)).is_err());
    world.answers.set(true);
    assert_eq!(world.run(disk.flush()), Ok(()));
    assert_eq!(world.model.stored(9, 1), written);
    world.model.cut_power();
    assert_eq!(world.model.stored(9, 1), written);
}

#[test]
fn a_flush_waits_for_writes_that_nobody_waits_for() {
    let mut world = world(DiskSetup::default());
    world.answers.set(false);
    let (disk, time) = (world.disk.clone(), world.time.clone());
    let write = time.timeout(Duration::from_secs(1), disk.write(9, &[1; SECTOR]));
    assert!(world.run(write).is_err());
    let (write, chain) = world.model.take().unwrap();
    let flush = time.timeout(Duration::from_secs(1), disk.flush());
    assert!(world.run(flush).is_err());
    assert!(world.model.take().is_none(), "the write is not done yet");
    let flusher = disk.clone();
    let task = async move { flusher.flush().await.unwrap() };
    world.spawner().spawn("flusher", task).unwrap();
    world.settle();
    world.model.answer(write, &chain);
    world.model.signal();
    world.settle();
    assert_eq!(world.model.take().unwrap().0.kind, 4);
}

#[test]
fn one_that_gives_up_waiting_for_room_lets_the_next_one_have_it() {
    let mut world = with_buffers(DiskSetup::default(), 1);
    number_sectors(&world, 4);
    world.answers.set(false);
    let done = Rc::default();
    read_in_task(&world, 0, &done);
    world.settle();
    let (disk, time) = (world.disk.clone(), world.time.clone());
    let mut bytes = [0; SECTOR];
    let waiting = time.timeout(Duration::from_secs(1), disk.read(1, &mut bytes));
    assert!(world.run(waiting).is_err());
    read_in_task(&world, 2, &done);
    world.answers.set(true);
    for _ in 0..5 {
        world.settle();
    }
    assert_eq!(*done.borrow(), [0, 2]);
    assert_eq!(world.count("abandoned"), 0);
}

#[test]
fn futures_are_dropped_at_any_time_and_nothing_is_lost() {
    let seed = 0xd20b;
    println!("seed {seed:#x}");
    let mut world = with_buffers(DiskSetup::default(), 6);
    let (disk, time, mut random) = (world.disk.clone(), world.time.clone(), Random::new(seed));
    for _ in 0..2000 {
        world.answers.set(random.one_in(2));
        let mut bytes = vec![0; SECTOR * (1 + random.below(60))];
        let sector = random.below(1500) as u64;
        let polls = random.below(6);
        // It is polled so often, with turns of the driver in between, and dropped.
        let mut operation = pin!(disk.read(sector, &mut bytes));
        for _ in 0..polls {
            let ready = world.run(poll_fn(|cx| Poll::Ready(operation.as_mut().poll(cx).is_ready())));
            world.settle();
            if ready {
                break;
            }
        }
    }
    world.answers.set(true);
    let last = time.timeout(Duration::from_secs(1), disk.flush());
    assert!(matches!(world.run(last), Ok(Ok(()))));
    world.settle();
    assert_eq!(world.pool.available(), 6);
    assert!(world.count("abandoned") > 100);
}

#[test]
fn what_waits_when_the_device_dies_hears_of_it() {
    let mut world = with_buffers(DiskSetup::default(), 2);
    world.answers.set(false);
    let results: Rc<RefCell<Vec<Result<(), DiskError>>>> = Rc::default();
    for sector in 0..10 {
        let (disk, results) = (world.disk.clone(), results.clone());
        let task = async move {
            let result = disk.read(sector, &mut [0; SECTOR]).await;
            results.borrow_mut().push(result);
        };
        world.spawner().spawn("reader", task).unwrap();
    }
    world.settle();
    world.model.device().lie_used(0, 77, 0);
    world.model.device().interrupt();
    for _ in 0..20 {
        world.settle();
    }
    assert_eq!(*results.borrow(), [Err(DiskError::Failed); 10]);
    assert_eq!(world.count("failures"), 1);
    let disk = world.disk.clone();
    assert_eq!(world.run(disk.flush()), Err(DiskError::Failed));
}

#[test]
fn futures_that_are_begun_and_left_alone_keep_nobody_else_waiting() {
    for (buffers, count, sectors) in
        [(1, 2, 1), (2, 3, 1), (8, 1, 300), (8, 9, 40), (80, 100, 1), (80, 3, 600)]
    {
        let mut world = with_buffers(DiskSetup { sectors: 70_000, ..DiskSetup::default() }, buffers);
        let (disk, time) = (world.disk.clone(), world.time.clone());
        let stored = pattern(8, count * sectors * SECTOR);
        world.model.store(0, &stored);
        let mut read = vec![0; stored.len()];
        let mut left_alone: Vec<_> = (0..)
            .step_by(sectors)
            .zip(read.chunks_mut(sectors * SECTOR))
            .map(|(sector, bytes)| Box::pin(disk.read(sector, bytes)))
            .collect();
        for read in &mut left_alone {
            let is_done = world.run(poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_ready())));
            assert!(!is_done);
        }
        world.settle();
        // Now their task waits for others, and another task does too.
        let done: Rc<RefCell<bool>> = Rc::default();
        let (other, told) = (disk.clone(), Rc::clone(&done));
        let task = async move {
            other.write(69_000, &[3; 600 * SECTOR]).await.unwrap();
            told.replace(true);
        };
        world.spawner().spawn("writer", task).unwrap();
        let (written, minute) = (pattern(9, 300 * SECTOR), Duration::from_secs(60));
        let all = world.run(time.timeout(minute, async {
            disk.write(65_000, &written).await?;
            disk.flush().await?;
            let mut again = vec![0; written.len()];
            disk.read(65_000, &mut again).await?;
            assert!(again == written);
            Ok::<_, DiskError>(())
        }));
        assert!(matches!(all, Ok(Ok(()))), "{buffers} buffers, {count} of {sectors} sectors");
        world.settle();
        assert!(*done.borrow());
        for read in left_alone {
            assert!(matches!(world.run(time.timeout(minute, read)), Ok(Ok(()))));
        }
        assert!(read == stored);
        assert_eq!((world.pool.available(), world.count("abandoned")), (buffers, 0));
    }
}

#[test]
fn what_was_taken_back_is_neither_reported_nor_freed_twice() {
    let mut world = with_buffers(DiskSetup::default(), 1);
    let (disk, mut bytes) = (world.disk.clone(), [0; SECTOR]);
    let mut left_alone = Box::pin(disk.read(0, &mut bytes));
    assert!(!world.run(poll_fn(|cx| Poll::Ready(left_alone.as_mut().poll(cx).is_ready()))));
    world.settle();
    // It takes the tag and the buffer of the first one, which is dropped while this one is with the device.
    world.run(disk.read(1, &mut [0; SECTOR])).unwrap();
    world.answers.set(false);
    let done = Rc::default();
    number_sectors(&world, 4);
    read_in_task(&world, 3, &done);
    world.settle();
    drop(left_alone);
    assert_eq!((world.count("abandoned"), world.pool.available()), (0, 0));
    world.answers.set(true);
    world.model.serve();
    world.settle();
    assert_eq!((done.borrow().as_slice(), world.pool.available()), (&[3][..], 1));
}

#[test]
fn operations_that_are_polled_left_alone_and_dropped_at_random_store_what_they_should() {
    const AREA: usize = 60;
    let seed = 0xa10e;
    println!("seed {seed:#x}");
    for buffers in [1, 2, 5, 8, 30] {
        let mut random = Random::new(seed);
        let mut world = with_buffers(DiskSetup::default(), buffers);
        let (disk, time, minute) = (world.disk.clone(), world.time.clone(), Duration::from_secs(60));
        for round in 0..150 {
            world.answers.set(!random.one_in(4));
            // Each writes to an area of its own.
            let writes: Vec<_> =
                (0..20).map(|area| pattern(round * 20 + area, SECTOR * (1 + random.below(AREA)))).collect();
            let mut begun: Vec<_> = (0..)
                .step_by(AREA)
                .zip(&writes)
                .map(|(sector, bytes)| Some((sector, bytes, Box::pin(disk.write(sector, bytes)))))
                .collect();
            let mut done = Vec::new();
            for _ in 0..60 {
                let one = &mut begun[random.below(20)];
                let Some((sector, bytes, write)) = one else { continue };
                if random.one_in(20) {
                    *one = None;
                    continue;
                }
                let polled = world.run(poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx))));
                if polled.is_ready() {
                    done.push((*sector, *bytes));
                    *one = None;
                }
                if random.one_in(3) {
                    world.settle();
                }
            }
            world.answers.set(true);
            world.model.serve();
            // Those that are left alone hinder nobody.
            assert!(matches!(world.run(time.timeout(minute, disk.flush())), Ok(Ok(()))));
            for (sector, bytes, write) in begun.into_iter().flatten() {
                assert!(matches!(world.run(time.timeout(minute, write)), Ok(Ok(()))));
                done.push((sector, bytes));
            }
            assert!(matches!(world.run(time.timeout(minute, disk.flush())), Ok(Ok(()))));
            for (sector, bytes) in done {
                assert!(world.model.stored(sector, bytes.len() / SECTOR) == *bytes);
            }
        }
        world.settle();
        assert_eq!(world.pool.available(), buffers);
    }
}
