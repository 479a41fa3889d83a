//! Images work at any load address: code, page tables, traps and the names in an epitaph.
#![forbid(unsafe_code)]

use std::str::FromStr as _;

use cargo_unik::base::Base;
use cargo_unik::options::{Machine, Memory, Protocol};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use unik_tests::{Image, Vm};

/// Random addresses that each image is tried at, on each machine.
const TRIES: usize = 3;

/// Boots an image at random addresses, across the end of a large page, and about as high as the
/// heap of a machine of 64 MiB allows.
fn everywhere(image: &Image, try_it: impl Fn(&Image, Machine)) {
    for machine in [Machine::Microvm, Machine::Q35] {
        for _ in 0..TRIES {
            try_it(&image.at(Base::Random, Memory::DEFAULT), machine);
        }
    }
    try_it(&image.at(Base::At(0x1f_f000), Memory::DEFAULT), Machine::Microvm);
    try_it(&image.at(Base::At(0x1e0_0000), Memory::DEFAULT), Machine::Q35);
}

#[test]
fn a_program_runs_at_any_address() {
    everywhere(&Image::release("hello"), |image, machine| {
        let mut vm = Vm::of(image).machine(machine).boot();
        vm.line("hello, world");
        assert_eq!(vm.exit_code(), 0);
    });
}

#[test]
fn the_tables_protect_at_any_address() {
    everywhere(&Image::release("self_check"), |image, machine| {
        let mut vm = Vm::of(image).machine(machine).boot();
        vm.line("no flaw in ");
        assert_eq!(vm.exit_code(), 0);
    });
}

#[test]
fn a_name_server_answers_at_any_address() {
    let zones = Image::release("dns").data.unwrap();
    let mut question = Message::new(0x1234, MessageType::Query, OpCode::Query);
    question.add_query(Query::query(Name::from_str("www.example.org.").unwrap(), RecordType::A));
    let question = question.to_vec().unwrap();
    everywhere(&Image::release("dns"), |image, machine| {
        let mut vm = Vm::of(image).machine(machine).network(&[(Protocol::Udp, 53)]).data(&zones).boot();
        vm.line("ready: dns");
        let answer = Message::from_vec(&vm.ask(53, &question)).unwrap();
        assert_eq!(answer.metadata.message_type, MessageType::Response);
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
        assert_eq!(answer.answers.len(), 2);
    });
}

#[test]
fn an_epitaph_names_the_same_functions_at_any_address() {
    for (app, cause) in [
        ("null_dereference", "fault page-fault error 0x0 address 0x0000000000000000 "),
        ("write_text", "fault page-fault error 0x3 "),
        ("write_table", "fault page-fault error 0x3 "),
        ("stack_overflow", "fault "),
    ] {
        let place = format!("examples/{app}.rs:");
        everywhere(&Image::debug(app), |image, machine| {
            let mut vm = Vm::of(image).machine(machine).boot();
            vm.line(&format!("epitaph: v1 {cause}"));
            vm.line("epitaph: exit 3");
            assert_eq!(vm.exit_code(), 3);
            let backtrace = vm.backtrace();
            if !backtrace.iter().any(|call| call.contains(&place)) {
                vm.fail(&format!("no {place} in {backtrace:#?}"));
            }
        });
    }
}
