//! The driver of virtio-rng: a whole sample or none.

use unik_testkit::{DeviceModel, FakeTransport, HostHal, Setup};
use unik_virtio::{Error, RandomDevice};

type TestDevice = RandomDevice<HostHal, FakeTransport>;

fn random_device() -> (TestDevice, DeviceModel) {
    let model = DeviceModel::new(Setup { queue_sizes: vec![8], ..Setup::default() });
    (RandomDevice::try_new(model.transport()).unwrap(), model)
}

/// The bytes from `first` on.
fn bytes(first: u8, count: usize) -> Vec<u8> {
    (first..).take(count).collect()
}

#[test]
fn a_sample_comes_when_it_was_asked_for() {
    let (mut device, model) = random_device();
    assert_eq!(device.poll().unwrap(), None);
    assert_eq!(model.serve(0, |_| panic!("nothing was asked for")), 0);
    device.request();
    assert!(model.take_notification(0));
    assert_eq!(device.poll().unwrap(), None);
    assert_eq!(model.serve(0, |_| bytes(1, 32)), 1);
    assert_eq!(device.poll().unwrap().unwrap()[..], bytes(1, 32));
    assert_eq!(device.poll().unwrap(), None, "a sample is given once");
    assert_eq!(model.interrupts(), 0);
}

#[test]
fn one_request_at_a_time_is_with_the_device() {
    let (mut device, model) = random_device();
    device.request();
    device.request();
    assert_eq!(model.serve(0, |_| bytes(1, 32)), 1);
    assert!(device.poll().unwrap().is_some());
    device.request();
    assert_eq!(model.serve(0, |_| bytes(9, 32)), 1);
    assert_eq!(device.poll().unwrap().unwrap()[..], bytes(9, 32));
}

#[test]
fn the_device_may_write_no_more_than_a_sample() {
    let (mut device, model) = random_device();
    device.request();
    let chain = model.take(0).unwrap();
    assert_eq!(chain.room(), 32);
    model.lie_used(0, u32::from(chain.head), 33);
    assert_eq!(device.poll(), Err(Error::DeviceBroken));
}

#[test]
fn a_device_that_lies_gives_no_sample_ever_again() {
    let lies: [fn(&DeviceModel, u16); 3] = [
        |model, head| model.lie_used(0, u32::from(head), 33),
        |model, head| model.lie_used(0, u32::from(head), u32::MAX),
        |model, head| model.lie_used(0, u32::from(head) + 1, 32),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let (mut device, model) = random_device();
        device.request();
        let chain = model.take(0).unwrap();
        lie(&model, chain.head);
        assert_eq!(device.poll(), Err(Error::DeviceBroken), "lie {number}");
        model.give_back(0, &chain, &bytes(1, 32));
        device.request();
        assert_eq!(device.poll(), Err(Error::DeviceBroken), "after lie {number}");
    }
}

#[test]
fn short_answers_are_put_together() {
    let (mut device, model) = random_device();
    device.request();
    assert_eq!(model.serve(0, |_| bytes(0, 1)), 1);
    assert_eq!(device.poll().unwrap(), None);
    assert_eq!(model.serve(0, |_| bytes(1, 20)), 1, "the rest is asked for at once");
    assert_eq!(device.poll().unwrap(), None);
    let rest = model.take(0).unwrap();
    assert_eq!(rest.room(), 11);
    model.give_back(0, &rest, &bytes(21, 11));
    assert_eq!(device.poll().unwrap().unwrap()[..], bytes(0, 32));
}

#[test]
fn an_answer_of_nothing_ends_the_device() {
    let (mut device, model) = random_device();
    device.request();
    model.serve(0, |_| Vec::new());
    assert_eq!(device.poll(), Err(Error::DeviceBroken));
}

#[test]
fn what_the_device_did_not_write_is_zero() {
    let (mut device, model) = random_device();
    for first in [1, 101] {
        device.request();
        let chain = model.take(0).unwrap();
        model.give_back(0, &chain, &bytes(first, 32));
        assert_eq!(device.poll().unwrap().unwrap()[..], bytes(first, 32));
    }
    device.request();
    let head = model.take(0).unwrap().head;
    model.lie_used(0, u32::from(head), 32);
    assert_eq!(device.poll().unwrap(), Some([0; 32]), "nothing of the samples before");
}

#[test]
fn a_device_without_a_queue_is_refused() {
    let model = DeviceModel::new(Setup { queue_sizes: Vec::new(), ..Setup::default() });
    let refused = TestDevice::try_new(model.transport()).err();
    assert_eq!(refused, Some(Error::NoSuchQueue));
}
