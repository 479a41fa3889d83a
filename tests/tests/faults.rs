//! Images that do wrong die with an epitaph and their exit code: never silently, never by a triple fault.
#![forbid(unsafe_code)]

use unik_tests::{Image, Vm};

/// What every epitaph has, and that the tool finds `function` among the callers.
#[track_caller]
fn dies(app: &str, cause: &str, code: u8, function: &str) {
    let mut vm = Vm::of(&Image::debug(app)).boot();
    vm.line(&format!("epitaph: v1 {cause}"));
    vm.line("epitaph: backtrace 0x");
    vm.line(&format!("epitaph: exit {code}"));
    assert_eq!(vm.exit_code(), code);
    let backtrace = vm.backtrace();
    if !backtrace.iter().any(|call| call.contains(function)) {
        vm.fail(&format!("no {function} in {backtrace:#?}"));
    }
}

#[test]
fn a_null_pointer_is_a_page_fault() {
    dies(
        "null_dereference",
        "fault page-fault error 0x0 address 0x0000000000000000 ",
        3,
        "examples/null_dereference.rs:",
    );
}

#[test]
fn text_cannot_be_written() {
    dies("write_text", "fault page-fault error 0x3 ", 3, "examples/write_text.rs:");
}

#[test]
fn the_heap_cannot_be_executed() {
    // What jumps to where no function is leaves no frame of its own: its caller is the first that is known.
    dies("execute_heap", "fault page-fault error 0x11 ", 3, "unik_kernel::boot::start");
}

#[test]
fn a_stack_that_overflows_meets_its_guard_page() {
    dies("stack_overflow", "fault ", 3, "examples/stack_overflow.rs:");
}

#[test]
fn a_panic_says_its_message_and_its_place() {
    dies("panic", "panic in task ", 2, "examples/panic.rs:");
    let mut vm = Vm::of(&Image::debug("panic")).boot();
    let line = vm.line("epitaph: v1 panic");
    assert!(line.contains("as asked") && line.contains("examples/panic.rs:"), "{line}");
}

#[test]
fn an_epitaph_comes_on_a_pc_as_well() {
    let mut vm = Vm::of(&Image::debug("null_dereference")).machine(cargo_unik::options::Machine::Q35).boot();
    vm.line("epitaph: v1 fault page-fault ");
    assert_eq!(vm.exit_code(), 3);
}
