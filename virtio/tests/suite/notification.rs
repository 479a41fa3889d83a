//! Who is told of what, and when: kicks, interrupts, and none of them lost.

use crate::common::{device, number, pool, post, send};
use unik_testkit::{DeviceModel, Random, Setup};
use unik_virtio::Device;

#[test]
fn one_kick_serves_for_many_buffers() {
    for event_index in [true, false] {
        let (mut device, model) = device(&[16], event_index);
        let pool = pool(16);
        for value in 0..10 {
            send(&mut device, &pool, value);
        }
        device.kick(0);
        device.kick(0);
        assert_eq!(model.notifications(0), 1);
        assert_eq!(device.counters().kicks, 1);
        assert_eq!(device.counters().kicks_saved, 0, "a kick without anything new is none");
    }
}

#[test]
fn a_device_that_is_at_work_is_not_kicked() {
    for event_index in [true, false] {
        let (mut device, model) = device(&[16], event_index);
        let pool = pool(16);
        send(&mut device, &pool, 0);
        device.kick(0);
        model.refuse_notifications(0);
        for value in 1..5 {
            send(&mut device, &pool, value);
            device.kick(0);
        }
        assert_eq!(model.notifications(0), 1);
        assert_eq!(device.counters().kicks_saved, 4);
        model.serve(0, |_| Vec::new());
        send(&mut device, &pool, 5);
        device.kick(0);
        assert_eq!(model.notifications(0), 2, "it asked to be told of the next one");
    }
}

#[test]
fn kicks_follow_the_event_around_the_wrap_of_the_index() {
    let (mut device, model) = device(&[4], true);
    let pool = pool(4);
    for value in 0..70_000 {
        send(&mut device, &pool, value);
        device.kick(0);
        assert!(model.take_notification(0), "buffer {value} was not announced");
        assert_eq!(model.serve(0, |_| Vec::new()), 1);
        assert_eq!(number(&device.complete(0).unwrap().unwrap()), value);
    }
    assert_eq!(device.counters().kicks, 70_000);
}

#[test]
fn a_batch_across_the_event_kicks_once() {
    let (mut device, model) = device(&[8], true);
    let pool = pool(8);
    // The event stands at 2, in the middle of what is made available at once.
    for value in 0..2 {
        send(&mut device, &pool, value);
    }
    device.kick(0);
    model.serve(0, |_| Vec::new());
    for value in 2..7 {
        send(&mut device, &pool, value);
    }
    device.kick(0);
    assert_eq!(model.notifications(0), 2);
    send(&mut device, &pool, 7);
    device.kick(0);
    assert_eq!(model.notifications(0), 2, "the event lies behind");
}

#[test]
fn buffers_submitted_before_the_start_are_announced_by_it() {
    let model = DeviceModel::new(Setup::default());
    let mut device: crate::common::TestDevice = Device::try_new(model.transport(), 0, &[8, 8]).unwrap();
    let pool = pool(2);
    post(&mut device, &pool);
    device.kick(0);
    assert_eq!(model.notifications(0), 0);
    assert!(!model.is_running());
    device.start();
    assert_eq!(model.notifications(0), 1);
    assert_eq!(model.notifications(1), 0);
}

#[test]
fn a_masked_queue_is_not_interrupted() {
    for event_index in [true, false] {
        let (mut device, model) = device(&[4], event_index);
        let pool = pool(4);
        device.mask(0);
        for value in 0..30_000 {
            send(&mut device, &pool, value);
            model.serve(0, |_| Vec::new());
            device.mask(0);
            assert!(device.complete(0).unwrap().is_some());
        }
        assert_eq!(model.interrupts(), 0);
    }
}

#[test]
fn an_unmasked_queue_is_interrupted_once_per_batch_with_event_indices() {
    let (mut device, model) = device(&[8], true);
    let pool = pool(8);
    for value in 0..4 {
        send(&mut device, &pool, value);
    }
    assert!(!device.unmask(0));
    for _ in 0..4 {
        let chain = model.take(0).unwrap();
        model.give_back(0, &chain, b"");
        model.signal(0);
    }
    assert_eq!(model.interrupts(), 1);
    let interrupt = device.acknowledge();
    assert!(interrupt.queue && !interrupt.configuration);
    assert!(!model.interrupt_pending());
    assert!(!device.acknowledge().queue);
}

#[test]
fn unmasking_tells_of_completions_that_came_before() {
    for event_index in [true, false] {
        let (mut device, model) = device(&[8], event_index);
        let pool = pool(8);
        device.mask(0);
        send(&mut device, &pool, 0);
        assert!(!device.unmask(0));
        device.mask(0);
        model.serve(0, |_| Vec::new());
        assert_eq!(model.interrupts(), 0);
        assert!(device.unmask(0));
        assert!(device.complete(0).unwrap().is_some());
        assert!(!device.unmask(0));
    }
}

#[test]
fn a_change_of_the_configuration_interrupts() {
    let (mut device, model) = device(&[8], true);
    model.reconfigure(vec![1]);
    let interrupt = device.acknowledge();
    assert!(interrupt.configuration && !interrupt.queue);
}

/// Both sides sleep and wake as the rules say, in steps that a seed mixes; if all sleep, all must be done.
#[test]
fn no_notification_is_lost_in_any_order_of_steps() {
    for seed in 0..200 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let size = 1 << random.below(6);
        let (mut device, model) = device(&[size], random.one_in(4));
        let pool = pool(usize::from(size));
        let total = 2_000;
        let (mut sent, mut returned) = (0, 0);
        let mut device_awake = false;
        let mut driver_awake = true;
        let mut interrupts = 0;
        while returned < total {
            device_awake |= model.take_notification(0);
            driver_awake |= model.interrupts() != interrupts;
            interrupts = model.interrupts();
            assert!(driver_awake || device_awake, "both sleep: {sent} sent, {returned} returned of {total}");
            if driver_awake && (!device_awake || random.one_in(2)) {
                device.mask(0);
                while let Some(buffer) = device.complete(0).unwrap() {
                    assert_eq!(number(&buffer), returned);
                    returned += 1;
                }
                for _ in 0..random.below(10) {
                    if sent < total && device.free(0) > 0 {
                        send(&mut device, &pool, sent);
                        sent += 1;
                    }
                }
                device.kick(0);
                let idle = sent == total || device.free(0) == 0;
                driver_awake = !idle || device.unmask(0);
            } else if device_awake {
                let chain = model.take(0);
                if let Some(chain) = &chain {
                    model.give_back(0, chain, b"");
                }
                if chain.is_none() || random.one_in(3) {
                    model.signal(0);
                }
                device_awake = chain.is_some() || model.want_notifications(0);
            }
        }
        let counters = device.counters();
        assert_eq!(counters.kicks, model.notifications(0));
        assert!(counters.kicks <= u64::from(total));
    }
}
