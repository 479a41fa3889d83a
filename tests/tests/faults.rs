//! Images that do wrong die with an epitaph and their exit code: never silently, never by a triple fault.
#![forbid(unsafe_code)]

use cargo_unik::options::Machine;
use unik_tests::{Image, Vm};

/// Who looks at the fences of a block.
const FREE: &str = "take_down";

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
fn page_tables_cannot_be_written() {
    dies("write_table", "fault page-fault error 0x3 ", 3, "examples/write_table.rs:");
}

#[test]
fn no_page_in_force_has_rights_it_does_not_need() {
    for machine in [Machine::Microvm, Machine::Q35, Machine::Pc] {
        let mut vm = Vm::of(&Image::release("self_check")).machine(machine).boot();
        let line = vm.line("no flaw in ");
        assert!(line.contains("device true"), "{line}");
        assert_eq!(vm.line("protections: ").trim_end(), "protections: nx wp");
        assert_eq!(vm.exit_code(), 0);
    }
}

#[test]
fn what_the_processor_has_against_being_misled_is_switched_on() {
    let mut vm = Vm::of(&Image::release("self_check")).qemu(["-cpu", "max"]).boot();
    assert_eq!(vm.line("protections: ").trim_end(), "protections: nx wp smep smap umip");
    assert_eq!(vm.exit_code(), 0);
}

#[test]
fn the_heap_cannot_be_executed() {
    // What jumps to where no function is leaves no frame of its own: its caller is found by the stack pointer.
    dies("execute_heap", "fault page-fault error 0x11 ", 3, "examples/execute_heap.rs:");
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
fn what_writes_past_a_block_of_the_heap_dies_when_it_is_given_back() {
    dies(
        "heap_overflow",
        "panic in task boot: somebody wrote past the end of the heap block of 24 bytes",
        2,
        FREE,
    );
}

#[test]
fn a_block_of_the_heap_is_given_back_once() {
    dies("double_free", "panic in task boot: the heap block of 24 bytes at 0x", 2, FREE);
    let mut vm = Vm::of(&Image::debug("double_free")).boot();
    let line = vm.line("epitaph: v1 panic");
    assert!(line.contains("was given back twice"), "{line}");
}

#[test]
fn memory_that_is_not_there_is_named_with_its_size() {
    for image in [Image::debug("out_of_memory"), Image::release("out_of_memory")] {
        let mut vm = Vm::of(&image).boot();
        vm.line("epitaph: v1 panic in task boot: memory allocation of 1099511627776 bytes failed");
        assert_eq!(vm.exit_code(), 2);
    }
}

#[test]
fn an_interrupt_that_cannot_be_masked_has_an_epitaph_even_while_the_image_sleeps() {
    let mut vm = Vm::of(&Image::debug("hello_monitor")).machine(Machine::Q35).controlled().boot();
    vm.line("ready: hello_monitor");
    vm.inject_nmi();
    vm.line("epitaph: v1 fault non-maskable-interrupt ");
    vm.line("epitaph: exit 3");
    assert_eq!(vm.exit_code(), 3);
}

#[test]
fn an_epitaph_comes_on_a_pc_as_well() {
    let mut vm = Vm::of(&Image::debug("null_dereference")).machine(Machine::Q35).boot();
    vm.line("epitaph: v1 fault page-fault ");
    assert_eq!(vm.exit_code(), 3);
}

#[test]
fn a_panic_in_a_task_is_told_with_its_name_and_what_was_inlined() {
    for image in [Image::debug("panic_in_task"), Image::release("panic_in_task")] {
        let mut vm = Vm::of(&image).boot();
        vm.line("epitaph: v1 panic in task sensor: measured 1000 at unik/examples/panic_in_task.rs:");
        assert_eq!(vm.exit_code(), 2);
        let backtrace = vm.backtrace();
        let expected = [
            "in async fn at unik/examples/panic_in_task.rs:",
            "in async block in panic_in_task::main at unik/",
        ];
        let check =
            backtrace.iter().position(|call| call.contains(" check at unik/examples/panic_in_task.rs:"));
        for (call, expected) in backtrace.iter().skip(check.map_or(usize::MAX, |at| at + 1)).zip(expected) {
            assert!(call.trim_start().starts_with(expected), "no {expected} in {backtrace:#?}");
        }
        assert!(check.is_some_and(|at| at + expected.len() < backtrace.len()), "{backtrace:#?}");
    }
}
