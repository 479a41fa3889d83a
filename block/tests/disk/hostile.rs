//! Devices that lie about themselves and about what they did.

use std::time::Duration;

use unik_block::{Disk, DiskError, SECTOR, VirtioBlock};
use unik_testkit::{DiskModel, DiskSetup, HostHal, Random};

use crate::world::{World, try_world, world};

/// A read that is under way while the device does something to it, and once more if it is asked once more.
#[track_caller]
fn read_while(world: &mut World, mut act: impl FnMut(&DiskModel)) -> Result<(), DiskError> {
    world.answers.set(false);
    let (disk, model, time) = (world.disk.clone(), world.model.clone(), world.time.clone());
    let mut bytes = [0; SECTOR];
    world.run(async {
        let mut read = std::pin::pin!(disk.read(40, &mut bytes));
        let second = Duration::from_secs(1);
        assert!(time.timeout(second, read.as_mut()).await.is_err(), "nobody has answered yet");
        for _ in 0..2 {
            act(&model);
            model.device().interrupt();
            if let Ok(result) = time.timeout(second, read.as_mut()).await {
                return result;
            }
        }
        panic!("the read waits though the device has spoken")
    })
}

#[test]
fn an_answer_without_a_status_is_none() {
    let mut world = world(DiskSetup::default());
    let result = read_while(&mut world, |model| {
        let (_, chain) = model.take().unwrap();
        model.device().give_back(0, &chain, &[1; SECTOR]);
    });
    assert_eq!((result, world.count("malformed")), (Err(DiskError::Read(40)), 2));
}

#[test]
fn a_status_that_there_is_not_is_an_error() {
    for status in [3, 4, 0x80, 0xfe, 0xff] {
        let mut world = world(DiskSetup::default());
        world.model.spoil(40..41, status);
        let result = read_while(&mut world, |model| {
            let (request, chain) = model.take().unwrap();
            model.answer(request, &chain);
        });
        assert_eq!((result, world.count("malformed")), (Err(DiskError::Read(40)), 2));
    }
}

#[test]
fn success_with_less_than_was_asked_for_is_none() {
    for written in [0, 1, SECTOR as u32 - 1] {
        let mut world = world(DiskSetup::default());
        let result = read_while(&mut world, |model| {
            let (_, chain) = model.take().unwrap();
            // The status is written, and then it is said how much that was.
            let status = chain.writable.last().unwrap().0;
            HostHal::write(status, &[0]);
            model.device().lie_used(0, chain.head.into(), written);
        });
        assert_eq!((result, world.count("malformed")), (Err(DiskError::Read(40)), 2));
        world.answers.set(true);
        let disk = world.disk.clone();
        assert_eq!(world.run(disk.read(40, &mut [0; SECTOR])), Ok(()), "the disk is still used");
    }
}

#[test]
fn what_else_is_said_of_lengths_is_not_looked_at() {
    for written in [SECTOR as u32, SECTOR as u32 + 1, SECTOR as u32 + 2, u32::MAX] {
        let mut world = world(DiskSetup::default());
        let result = read_while(&mut world, |model| {
            let (_, chain) = model.take().unwrap();
            HostHal::write(chain.writable.last().unwrap().0, &[0]);
            model.device().lie_used(0, chain.head.into(), written);
        });
        assert_eq!(result, Ok(()));
    }
}

#[test]
fn an_answer_to_what_was_not_asked_ends_the_disk() {
    for id in [1, 2, 127, 128, 0x1_0000, u32::MAX] {
        let mut world = world(DiskSetup::default());
        let result = read_while(&mut world, |model| {
            let head = u32::from(model.take().unwrap().1.head);
            model.device().lie_used(0, head.wrapping_add(id), 0);
        });
        assert_eq!((result, world.count("failures")), (Err(DiskError::Failed), 1));
    }
}

#[test]
fn an_answer_that_comes_twice_ends_the_disk_and_leaves_the_first_one_alone() {
    let mut world = world(DiskSetup::default());
    let result = read_while(&mut world, |model| {
        let (request, chain) = model.take().unwrap();
        model.answer(request, &chain);
        model.device().lie_used(0, chain.head.into(), 0);
    });
    // The two are seen at the same time: more was returned than there was.
    assert_eq!(result, Err(DiskError::Failed));
    let mut world = self::world(DiskSetup::default());
    let mut head = 0;
    let result = read_while(&mut world, |model| {
        let (request, chain) = model.take().unwrap();
        head = chain.head;
        model.answer(request, &chain);
    });
    assert_eq!(result, Ok(()));
    world.model.device().lie_used(0, head.into(), 0);
    world.model.device().interrupt();
    world.settle();
    let disk = world.disk.clone();
    assert_eq!(world.run(disk.read(0, &mut [0; SECTOR])), Err(DiskError::Failed));
    assert_eq!(world.pool.available(), world.pool.capacity());
}

#[test]
fn a_device_that_gives_itself_up_is_used_no_more() {
    let mut world = world(DiskSetup::default());
    let result = read_while(&mut world, |model| model.device().give_up());
    assert_eq!((result, world.count("failures")), (Err(DiskError::Failed), 1));
}

#[test]
fn a_configuration_that_cannot_be_makes_no_disk() {
    let set = |setup: &DiskSetup, offset: usize, bytes: &[u8]| {
        let mut configuration = setup.device().configuration;
        configuration[offset..offset + bytes.len()].copy_from_slice(bytes);
        let model = DiskModel::new(setup.clone());
        model.device().reconfigure(configuration);
        try_world(model, 8).err()
    };
    let blocks = DiskSetup { block_size: Some(512), ..DiskSetup::default() };
    for size in [0_u32, 1, 256, 511, 513, 1000, 4097, 1 << 21, 1 << 31, u32::MAX] {
        assert_eq!(set(&blocks, 20, &size.to_le_bytes()), Some(DiskError::Impossible), "{size}");
    }
    // Blocks that are possible, but that no request can hold: half of the pool is four buffers.
    assert_eq!(set(&blocks, 20, &(32_u32 << 10).to_le_bytes()), Some(DiskError::Impossible));
    assert_eq!(set(&blocks, 20, &(16_u32 << 10).to_le_bytes()), None);
    let parts = DiskSetup { size_max: Some(4096), ..DiskSetup::default() };
    for size in [0_u32, 1, 511] {
        assert_eq!(set(&parts, 8, &size.to_le_bytes()), Some(DiskError::Impossible), "{size}");
    }
    for queue_size in [1, 2] {
        let model = DiskModel::new(DiskSetup { queue_size, ..DiskSetup::default() });
        assert_eq!(try_world(model, 8).err(), Some(DiskError::Impossible));
    }
}

#[test]
fn a_configuration_that_is_missing_or_never_the_same_makes_no_disk() {
    let no_field = Some(DiskError::Device(unik_virtio::Error::NoSuchConfiguration));
    for length in [0, 7, 14, 20, 39, 51] {
        let setup = DiskSetup { block_size: Some(512), ..DiskSetup::default() };
        let model = DiskModel::new(setup.clone());
        model.device().reconfigure(setup.device().configuration[..length].to_vec());
        assert_eq!(try_world(model, 8).err(), no_field, "{length}");
    }
    let model = DiskModel::new(DiskSetup::default());
    model.device().lie_about_configuration();
    assert_eq!(try_world(model, 8).err(), no_field);
    let model = DiskModel::new(DiskSetup::default());
    model.device().lie_about_features();
    assert_eq!(try_world(model, 8).err(), Some(DiskError::Device(unik_virtio::Error::FeaturesRefused)));
}

#[test]
fn a_disk_of_absurd_size_is_read_as_far_as_bytes_can_be_counted() {
    let setup = DiskSetup::default();
    let mut configuration = setup.device().configuration;
    configuration[..8].fill(0xff);
    let model = DiskModel::new(setup);
    model.device().reconfigure(configuration);
    let world = try_world(model, 8).unwrap();
    let sectors = world.disk.properties().sectors;
    assert!(sectors.checked_mul(SECTOR as u64).is_some());
    let mut world = world;
    let disk = world.disk.clone();
    assert_eq!(world.run(disk.read(sectors, &mut [0; SECTOR])), Err(DiskError::OutOfRange(sectors)));
}

#[test]
fn a_device_that_does_anything_at_all_causes_no_panic_and_no_loss() {
    let seed = 0x11a2;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    for _ in 0..300 {
        let legacy = random.one_in(4);
        let mut world = world(DiskSetup { legacy, ..DiskSetup::default() });
        let (disk, time) = (world.disk.clone(), world.time.clone());
        world.answers.set(false);
        for _ in 0..20 {
            let mut bytes = vec![0; SECTOR * (1 + random.below(40))];
            let sector = random.below(2000) as u64;
            let short = Duration::from_millis(1);
            let _ = match random.below(4) {
                0 => world.run(time.timeout(short, disk.write(sector, &bytes))),
                1 => world.run(time.timeout(short, disk.flush())),
                2 => world.run(time.timeout(short, disk.discard(sector, 8))),
                _ => world.run(time.timeout(short, disk.read(sector, &mut bytes))),
            };
            let device = world.model.device().clone();
            match random.below(8) {
                0 => device.lie_used(0, random.below(130) as u32, random.next_u64() as u32),
                1 => device.lie_used_index(0, random.below(3) as u16),
                2 => device.reconfigure(vec![random.next_u64() as u8; random.below(61)]),
                _ => {
                    if let Some(chain) = device.take(0) {
                        let bytes = vec![random.next_u64() as u8; random.below(chain.room() + 1)];
                        device.give_back(0, &chain, &bytes);
                    }
                }
            }
            world.model.device().interrupt();
            world.settle();
        }
        let pool = world.pool.clone();
        drop((world, disk));
        assert_eq!(pool.available(), pool.capacity());
    }
}

#[test]
fn a_device_that_takes_no_request_though_it_has_room_is_an_error_and_no_wait() {
    let time = unik_sched::time::Time::new(unik_testkit::VirtualClock::new());
    let mut executor = unik_sched::Executor::new(&time, 4);
    let model = DiskModel::new(DiskSetup::default());
    let event = unik_sched::sync::Event::new();
    let device: VirtioBlock<HostHal, _> = VirtioBlock::try_new("disk0", model.transport(), event).unwrap();
    // The device does not reach these buffers.
    let pool = unik_virtio::Pool::heap_sized(8, Disk::BUFFER);
    let (disk, driver) = Disk::try_new(Box::new(device), pool.clone(), time.clone()).unwrap();
    executor.spawner().spawn("disk0", driver.run()).unwrap();
    for _ in 0..100 {
        let (mut bytes, limit) = ([0; SECTOR], Duration::from_secs(1));
        let read = time.timeout(limit, disk.read(0, &mut bytes));
        assert!(matches!(executor.block_on("test", read), Ok(Err(DiskError::Impossible))));
        let flush = time.timeout(limit, disk.flush());
        assert!(matches!(executor.block_on("test", flush), Ok(Err(DiskError::Impossible))));
    }
    assert_eq!(pool.available(), 8);
}
