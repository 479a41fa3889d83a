//! Octets and frames from those who mean harm.

mod checks;
mod controller;
mod corpus;
mod model;

use controller::Bench;
use corpus::{Chance, replay};

#[test]
fn messages_of_any_kind_do_no_harm() {
    replay("openflow_message", 2000, checks::messages);
}

#[test]
fn frames_and_entries_of_any_kind_do_no_harm() {
    replay("openflow_pipeline", 500, |octets| {
        checks::actions(octets);
        model::compare(octets);
        model::compare_overlaps(octets);
    });
}

#[test]
fn chance_does_no_harm() {
    let mut chance = Chance(99);
    for _ in 0..3000 {
        let length = usize::from(chance.next()) * 4;
        let octets: Vec<u8> = (0..length).map(|_| chance.next()).collect();
        checks::messages(&octets);
        checks::actions(&octets);
    }
}

#[test]
fn of_a_controller_that_does_not_read_nothing_is_put_by() {
    let mut bench = Bench::new();
    let controller = bench.controller(4);
    let mut echo = vec![4, 2, 4, 0, 0, 0, 0, 1];
    echo.resize(1024, 0);
    let receive = |bench: &mut Bench| {
        bench.switch.receive(controller.id, &echo, bench.now, &mut bench.left).expect("it is not over")
    };
    let answered = (0..1000).take_while(|_| receive(&mut bench) == 1024).count();
    assert!((100..200).contains(&answered), "{answered}");
    assert_eq!(receive(&mut bench), 0, "what waits here would be done at once when there is room");
    let waiting = bench.switch.output(controller.id).len();
    bench.switch.sent(controller.id, waiting, bench.now, &mut bench.left).expect("it is not over");
    assert!(bench.switch.output(controller.id).is_empty());
    assert_eq!(receive(&mut bench), 1024);
}
