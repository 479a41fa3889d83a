//! The order of birth and death: features, queues, reset, and only then the memory.

use crate::common::{TestDevice, device, pool, post, send};
use unik_testkit::{DeviceModel, HostHal, Setup};
use unik_virtio::{Device, Error, Pool};

const INDIRECT: u64 = 1 << 28;
const VERSION_1: u64 = 1 << 32;
const PACKED: u64 = 1 << 34;

fn error(result: Result<TestDevice, Error>) -> Error {
    result.err().unwrap()
}

#[test]
fn features_are_those_that_both_sides_know() {
    let ours = INDIRECT | crate::common::EVENT_INDEX | VERSION_1;
    let features = 0b1100 | INDIRECT | crate::common::EVENT_INDEX | PACKED | 1 << 63;
    let model = DeviceModel::new(Setup { features, ..Setup::default() });
    // Whatever the driver says of queues is not its business.
    let supported = 0b0101 | PACKED | 1 << 63;
    let device: TestDevice = Device::try_new(model.transport(), supported, &[4]).unwrap();
    assert_eq!(device.features(), 0b0100 | ours | 1 << 63);
    assert_eq!(model.features(), device.features());
    assert!(device.any_layout());
}

#[test]
fn a_driver_may_choose_features_by_what_is_offered() {
    let model = DeviceModel::new(Setup { features: 0b11, ..Setup::default() });
    let choose = |offered| {
        assert_eq!(offered, 0b11 | VERSION_1);
        if offered & 0b100 == 0 { 0b101 } else { 0b111 }
    };
    let device: TestDevice = Device::try_choosing(model.transport(), &choose, &[4]).unwrap();
    assert_eq!(device.features(), 0b01 | VERSION_1);
}

#[test]
fn dropping_a_device_resets_it_before_memory_is_given_back() {
    let (mut device, model) = device(&[16, 16], true);
    let buffers = pool(16);
    for value in 0..8 {
        send(&mut device, &buffers, value);
    }
    drop(buffers);
    let pages = HostHal::pages();
    assert!(pages > 8, "the buffers with the device keep their pool");
    assert_eq!(model.resets(), 1);
    drop(device);
    assert_eq!(model.resets(), 2);
    assert_eq!(model.pages_at_reset(), pages);
    assert_eq!(HostHal::pages(), 0);
}

#[test]
fn a_device_that_ignores_its_reset_keeps_the_memory() {
    let (mut device, model) = device(&[16], true);
    let pool = pool(4);
    post(&mut device, &pool);
    post(&mut device, &pool);
    let pages = HostHal::pages();
    model.lie_about_reset(true);
    drop(device);
    assert_eq!(HostHal::pages(), pages);
    assert_eq!(pool.available(), 2);
    assert_eq!(model.take(0).unwrap().room(), unik_virtio::Buffer::CAPACITY, "it still writes, to no harm");
}

#[test]
fn a_device_that_does_not_come_back_from_its_reset_is_not_driven() {
    let (device, model) = device(&[16], true);
    model.lie_about_reset(true);
    assert_eq!(error(Device::try_new(model.transport(), 0, &[16])), Error::ResetTimeout);
    model.lie_about_reset(false);
    drop(device);
}

#[test]
fn a_queue_that_the_device_lacks_is_an_error() {
    let model = DeviceModel::new(Setup { queue_sizes: vec![4], ..Setup::default() });
    assert_eq!(error(Device::try_new(model.transport(), 0, &[4, 4])), Error::NoSuchQueue);
    assert_eq!(error(Device::try_new(model.transport(), 0, &[0])), Error::NoSuchQueue);
    assert_eq!(HostHal::pages(), 0);
}

#[test]
fn queues_without_memory_are_an_error() {
    let model = DeviceModel::new(Setup::default());
    HostHal::set_limit(3);
    assert_eq!(error(Device::try_new(model.transport(), 0, &[256, 256])), Error::NoMemory);
    assert_eq!(model.pages_at_reset(), 2, "one queue was set up and ended by a reset");
    assert_eq!(HostHal::pages(), 0);
}

#[test]
fn a_device_is_set_up_again_after_it_was_dropped() {
    let (first, model) = device(&[16], true);
    drop(first);
    let mut device: TestDevice = Device::try_new(model.transport(), 0, &[16]).unwrap();
    device.start();
    let pool = pool(1);
    send(&mut device, &pool, 3);
    model.serve(0, |_| Vec::new());
    assert_eq!(crate::common::number(&device.complete(0).unwrap().unwrap()), 3);
}

#[test]
fn a_pool_lives_as_long_as_its_last_buffer() {
    let pool = pool(4);
    let mut buffer = pool.allocate().unwrap();
    drop(pool);
    assert_eq!(HostHal::pages(), 2);
    buffer.copy_from(b"still there").unwrap();
    assert_eq!(&buffer[..], b"still there");
    drop(buffer);
    assert_eq!(HostHal::pages(), 0);
}

#[test]
fn a_pool_without_memory_is_an_error() {
    HostHal::set_limit(3);
    assert_eq!(Pool::try_new::<HostHal>(7).err(), Some(Error::NoMemory));
    assert!(Pool::try_new::<HostHal>(6).is_ok());
    assert_eq!(Pool::try_new::<HostHal>(0).err(), Some(Error::PoolSize));
    assert_eq!(Pool::try_new::<HostHal>(65537).err(), Some(Error::PoolSize));
}
