//! The epitaph: what a dying image says, and its end.
//!
//! Plain text on the raw serial port, every line behind `epitaph: `, understood by people and by the tool:
//!
//! ```text
//! epitaph: v1 fault page-fault error 0x2 address 0x0000000000000000 at rip 0x0000000000103456
//! epitaph: registers rax=0x0000000000000000 rbx=0x...
//! epitaph: backtrace 0x0000000000103456 0x0000000000101234
//! epitaph: exit 3
//! ```
//!
//! A panic has `v1 panic in task NAME: MESSAGE at FILE:LINE:COLUMN` in its first line, and no registers. The grammar,
//! and what a later version may change, is in docs/epitaph.md. No lock is taken and nothing is allocated. A second
//! fault on the way ends the machine at once.

use crate::{command_line, layout, port, power};
use core::fmt::{self, Write};
use core::slice;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// Addresses printed in a backtrace.
const BACKTRACE_LIMIT: usize = 32;
/// How often a full transmit register is looked at before a byte is given up.
const SERIAL_PATIENCE: u32 = 100_000;

/// What the stubs push, lowest address first; from `RIP` on it comes from the processor (Intel SDM 3A, 6.14.2).
pub(super) type Frame = [u64; 21];

const RBP: usize = 8;
const VECTOR: usize = 15;
const ERROR: usize = 16;
const RIP: usize = 17;
const RSP: usize = 20;
/// The places in the frame that are printed as registers, in four columns.
const REGISTERS: &str =
    "r15 r14 r13 r12 r11 r10 r9 r8 rbp rdi rsi rdx rcx rbx rax vector error rip cs flags rsp";
/// The mnemonics of the exceptions in words, by vector (Intel SDM 3A, table 6-1).
const EXCEPTIONS: &str = "divide-error debug non-maskable-interrupt breakpoint overflow bound-range \
    invalid-opcode device-not-available double-fault unknown invalid-tss segment-not-present stack-fault \
    general-protection page-fault unknown x87-error alignment-check machine-check simd-error";

static DYING: AtomicBool = AtomicBool::new(false);

/// The name of the task that runs: where it begins, and its bytes, of which there are none while it changes.
static TASK: AtomicPtr<u8> = AtomicPtr::new(BOOT.as_ptr().cast_mut());
static TASK_LENGTH: AtomicUsize = AtomicUsize::new(BOOT.len());
/// What runs before the first task.
const BOOT: &str = "boot";

/// Names the task that runs from here on, for the epitaph.
#[inline]
pub fn set_task(name: &'static str) {
    TASK_LENGTH.store(0, Ordering::Release);
    TASK.store(name.as_ptr().cast_mut(), Ordering::Release);
    TASK_LENGTH.store(name.len(), Ordering::Release);
}

fn task() -> &'static str {
    let length = TASK_LENGTH.load(Ordering::Acquire);
    if length == 0 {
        return "?";
    }
    let start = TASK.load(Ordering::Acquire).cast_const();
    // SAFETY: 1. Tasks are named on the one processor that asks here, so where the length is not zero, both are those of
    // one name. 2. It is never freed.
    let bytes = unsafe { slice::from_raw_parts(start, length) };
    // SAFETY: as above: they are all the bytes of a `str`.
    unsafe { str::from_utf8_unchecked(bytes) }
}

/// The end of every exception.
pub(super) extern "C" fn fault(frame: &Frame) -> ! {
    die_once();
    let mut out = Serial;
    let address: u64;
    // SAFETY: reading CR2 has no effect.
    unsafe { core::arch::asm!("mov {}, cr2", out(reg) address, options(nomem, nostack)) };
    out.text("\nepitaph: v1 fault ");
    out.bytes(words(EXCEPTIONS).nth(frame[VECTOR] as usize).unwrap_or(b"unknown"));
    out.text(" error 0x");
    out.hex(frame[ERROR], 1);
    if frame[VECTOR] == 14 {
        out.text(" address 0x");
        out.hex(address, 16);
    }
    out.text(" at rip 0x");
    out.hex(frame[RIP], 16);
    out.text(" in task ");
    out.text(task());
    registers(&mut out, frame);
    backtrace(&mut out, frame[RIP], frame[RSP], frame[RBP]);
    end(&mut out, power::Exit::Fault)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    die_once();
    let mut out = Serial;
    out.text("\nepitaph: v1 panic in task ");
    out.text(task());
    out.text(": ");
    // The serial writer never fails; a Display that does loses its own text only.
    let _ = write!(out, "{}", info.message());
    if let Some(location) = info.location() {
        out.text(" at ");
        out.text(location.file());
        let _ = write!(out, ":{}:{}", location.line(), location.column());
    }
    let frame: u64;
    // SAFETY: reading RBP has no effect.
    unsafe { core::arch::asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack)) };
    backtrace(&mut out, 0, frame.wrapping_add(8), frame);
    end(&mut out, power::Exit::Panic)
}

fn die_once() {
    if DYING.swap(true, Ordering::Relaxed) {
        power::exit(power::Exit::Fault);
    }
}

fn end(out: &mut Serial, code: power::Exit) -> ! {
    out.text("\nepitaph: exit ");
    out.hex(code as u64, 1);
    out.text("\n");
    power::exit(code)
}

fn registers(out: &mut Serial, frame: &Frame) {
    for (number, (name, value)) in words(REGISTERS).zip(frame).enumerate() {
        out.text(if number % 4 == 0 { "\nepitaph: registers " } else { " " });
        out.bytes(name);
        out.text("=0x");
        out.hex(*value, 16);
    }
}

/// Prints where the instruction at `address` was called from, if it is not 0, and follows the saved frame pointers up the
/// main stack, or up the stack of a fault handler.
fn backtrace(out: &mut Serial, mut address: u64, mut stack: u64, mut frame: u64) {
    out.text("\nepitaph: backtrace");
    for _ in 0..BACKTRACE_LIMIT {
        if address != 0 {
            out.text(" 0x");
            out.hex(address, 16);
        }
        // What was called where no function is has made no frame: the stack pointer is at the way back to its caller.
        let is_text = (layout::text()..layout::text_limit()).contains(&address);
        let place = if is_text { frame } else { stack.wrapping_sub(8) };
        stack = 0;
        // Only whole, aligned frames inside the main stack are read: a wild pointer ends the walk.
        let inside = layout::main_stack_guard() + 4096..layout::main_stack() - 15;
        if !inside.contains(&place) || !place.is_multiple_of(8) {
            break;
        }
        let saved: *const u64 = core::ptr::with_exposed_provenance(place as usize);
        // SAFETY: 1. sixteen bytes at `place` lie inside the mapped stack; 2. they are aligned.
        let [next, caller] = unsafe { saved.cast::<[u64; 2]>().read_volatile() };
        address = caller;
        if place == frame {
            frame = if next > frame { next } else { 0 };
        }
    }
}

/// The words of a list.
fn words(list: &'static str) -> impl Iterator<Item = &'static [u8]> {
    command_line::words(list).map(|word| word.key.as_bytes())
}

/// The raw port: waits a bounded time for each byte.
struct Serial;

impl Serial {
    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.byte(*byte);
        }
    }

    /// At least `digits` hexadecimal digits.
    fn hex(&mut self, value: u64, digits: u32) {
        let needed = (16 - value.leading_zeros() / 4).max(digits);
        for digit in (0..needed).rev() {
            let nibble = (value >> (4 * digit)) as u8 & 15;
            self.byte(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
        }
    }

    fn byte(&mut self, byte: u8) {
        const TRANSMIT_EMPTY: u8 = 1 << 5;
        for _ in 0..SERIAL_PATIENCE {
            if port::read_u8(crate::console::PORT + 5) & TRANSMIT_EMPTY != 0 {
                break;
            }
        }
        port::write_u8(crate::console::PORT, byte);
    }
}

impl Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text);
        Ok(())
    }

    // Padding is all that arrives by the character.
    fn write_char(&mut self, character: char) -> fmt::Result {
        self.byte(u8::try_from(character).unwrap_or(b'?'));
        Ok(())
    }
}
