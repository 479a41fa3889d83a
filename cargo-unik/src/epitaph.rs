//! The last words of an image, version 1: lines that start with `epitaph: `, with addresses that [`Symbols`] can name.
//!
//! ```text
//! epitaph: v1 fault page-fault error 0x2 address 0x0000000000000000 at rip 0x0000000000103456 in task main
//! epitaph: registers rax=0x0000000000000000 rbx=0x0000000000000000
//! epitaph: backtrace 0x0000000000103456 0x0000000000101234
//! epitaph: exit 3
//! ```
//!
//! The grammar is in `docs/epitaph.md`.

use std::collections::BTreeMap;

use crate::symbols::Symbols;

/// How each line of an epitaph starts.
pub const PREFIX: &str = "epitaph: ";

/// An address in an epitaph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// As printed.
    pub value: u64,
    /// Where the call stands: a return address is the instruction behind it.
    pub call: u64,
}

/// The registers that an epitaph tells, by name: those of a fault. A panic tells none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registers(BTreeMap<String, u64>);

impl Registers {
    /// The most that are kept: an image has 21.
    const MAX: usize = 64;

    /// What is in a register.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    fn add(&mut self, words: &str) {
        for word in words.split_whitespace() {
            if let Some((name, value)) = word.split_once('=')
                && let Some(value) = address(value)
                && self.0.len() < Self::MAX
            {
                self.0.insert(name.to_owned(), value);
            }
        }
    }
}

/// Reads a console line by line and names what can be named.
#[derive(Debug, Default)]
pub struct Interpreter {
    /// Where the fault happened: this address is no return address, wherever it stands in the backtrace.
    instruction: Option<u64>,
    registers: Registers,
}

impl Interpreter {
    /// One who has heard nothing yet.
    pub fn new() -> Interpreter {
        Interpreter::default()
    }

    /// The registers told so far.
    pub fn registers(&self) -> &Registers {
        &self.registers
    }

    /// The addresses of a line that deserve a name: the instruction of a fault and the backtrace, not the registers.
    pub fn addresses(&mut self, line: &str) -> Vec<Address> {
        let Some(words) = line.trim_end().strip_prefix(PREFIX) else { return Vec::new() };
        if let Some((_, rip)) = words.rsplit_once(" at rip ") {
            self.instruction = rip.split_whitespace().next().and_then(address);
            return self.instruction.map(|value| Address { value, call: value }).into_iter().collect();
        }
        if let Some(registers) = words.strip_prefix("registers ") {
            self.registers.add(registers);
        }
        let Some(backtrace) = words.strip_prefix("backtrace ") else { return Vec::new() };
        let values = backtrace.split_whitespace().filter_map(address);
        let instruction = self.instruction;
        let place = |value: u64| if Some(value) == instruction { value } else { value.saturating_sub(1) };
        values.map(|value| Address { value, call: place(value) }).collect()
    }

    /// What to print below a line of the console: a line for each call.
    pub fn explain(&mut self, line: &str, symbols: Option<&Symbols>) -> Vec<String> {
        let mut explanation = Vec::new();
        let addresses = self.addresses(line);
        let Some(symbols) = symbols else { return explanation };
        for Address { value, call } in addresses {
            let frames = symbols.frames(call);
            if frames.is_empty() {
                explanation.push(format!("    {value:#018x} ?"));
            }
            for (index, frame) in frames.iter().enumerate() {
                match index {
                    0 => explanation.push(format!("    {value:#018x} {frame}")),
                    _ => explanation.push(format!("    {:18} in {frame}", "")),
                }
            }
        }
        explanation
    }
}

fn address(word: &str) -> Option<u64> {
    u64::from_str_radix(word.trim().strip_prefix("0x")?, 16).ok()
}

/// What an exit code of an image means.
pub fn meaning(code: u8) -> &'static str {
    match code {
        0 => "done",
        1 => "main returned an error, or not in time",
        2 => "panic",
        3 => "fault",
        4 => "configuration",
        _ => "a code of its own",
    }
}

/// Whether an image with this exit code died, rather than ended.
pub(crate) fn is_death(code: u8) -> bool {
    matches!(code, 2 | 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_its_instruction_and_its_callers() {
        let mut interpreter = Interpreter::new();
        let fault = "epitaph: v1 fault page-fault error 0x2 address 0x0000000000000000 at rip 0x0000000000103456 \
                     in task main\r\n";
        assert_eq!(interpreter.addresses(fault), [Address { value: 0x103456, call: 0x103456 }]);
        let backtrace = "epitaph: backtrace 0x0000000000103456 0x0000000000101234";
        let expected =
            [Address { value: 0x103456, call: 0x103456 }, Address { value: 0x101234, call: 0x101233 }];
        assert_eq!(interpreter.addresses(backtrace), expected);
    }

    #[test]
    fn in_a_panic_every_address_is_a_return_address() {
        let mut interpreter = Interpreter::new();
        assert_eq!(interpreter.addresses("epitaph: v1 panic in task main: no at rip at apps/x.rs:1:1"), []);
        let addresses = interpreter.addresses("epitaph: backtrace 0x101234");
        assert_eq!(addresses, [Address { value: 0x101234, call: 0x101233 }]);
    }

    #[test]
    fn registers_are_remembered_over_all_their_lines() {
        let mut interpreter = Interpreter::new();
        for line in ["epitaph: registers r15=0x1 r14=0x2\r\n", "epitaph: registers rip=0x10 rsp=no =0x1"] {
            assert_eq!(interpreter.addresses(line), []);
        }
        let registers = interpreter.registers();
        assert_eq!([registers.get("r14"), registers.get("rip")], [Some(2), Some(0x10)]);
        assert_eq!(registers.get("rsp"), None);
    }

    #[test]
    fn other_lines_and_broken_ones_have_no_addresses() {
        let mut interpreter = Interpreter::new();
        for line in [
            "",
            "backtrace 0x1",
            "epitaph: registers rax=0x1",
            "epitaph: backtrace",
            "epitaph: backtrace zz 12 0x",
        ] {
            assert_eq!(interpreter.addresses(line), [], "{line}");
        }
    }
}
