//! From the first instruction to the application: the assembly entry and what follows it in Rust.

use crate::apic::LocalApic;
use crate::memory::{self, REGION_LIMIT, heapless::Regions};
use crate::start_info::{
    MEMORY_MAP_ENTRY_SIZE, MODULE_ENTRY_SIZE, Region, START_INFO_SIZE, StartInfo, module_region, ram_region,
};
use crate::{clock, command_line, console, power, trap};
use core::arch::x86_64::{__cpuid, __cpuid_count};
use x86_64::registers::control::{Cr4, Cr4Flags};

core::arch::global_asm!(include_str!("boot.s"), start = sym start);
core::arch::global_asm!(include_str!("mem.s"));

/// Bytes of the command line that are read; the rest is dropped.
pub const COMMAND_LINE_LIMIT: usize = 2048;
/// The boot page tables cover this much.
const BOOT_MAPPED: u64 = 1 << 30;

/// What the hypervisor gave to the image, beside its devices.
#[derive(Debug)]
pub struct Machine {
    /// The kernel command line.
    pub command_line: &'static str,
    /// The first module: what QEMU's `-initrd` names.
    pub module: Option<&'static [u8]>,
}

unsafe extern "Rust" {
    /// The application, defined by [`entry!`](crate::entry).
    safe fn unik_entry(machine: Machine) -> power::Exit;
}

/// Names the function that an image starts with: `fn(Machine) -> Exit`.
#[macro_export]
macro_rules! entry {
    ($function:path) => {
        #[unsafe(no_mangle)]
        extern "Rust" fn unik_entry(machine: $crate::Machine) -> $crate::power::Exit {
            $function(machine)
        }
    };
}

/// The first Rust function: `info` is the address of start_info.
extern "C" fn start(info: u64) -> ! {
    trap::start();
    harden();
    console::open();
    match machine(info) {
        Ok(machine) => power::end(unik_entry(machine)),
        Err(sentence) => {
            console::print(format_args!("error: {sentence}\n"));
            power::exit(power::Exit::Configuration)
        }
    }
}

/// Switches on what the processor has against being misled: no execution of and no access to pages of user mode, which
/// does not exist here, and no telling where descriptor tables are (Intel SDM 3A, 2.5: SMEP, SMAP, UMIP).
fn harden() {
    const SMEP: u32 = 1 << 7;
    const SMAP: u32 = 1 << 20;
    const UMIP: u32 = 1 << 2;
    if __cpuid(0).eax < 7 {
        return;
    }
    let features = __cpuid_count(7, 0);
    let mut flags = Cr4Flags::empty();
    flags.set(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, features.ebx & SMEP != 0);
    flags.set(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, features.ebx & SMAP != 0);
    flags.set(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, features.ecx & UMIP != 0);
    // SAFETY: no page of user mode exists, so nothing that works now stops working.
    unsafe { Cr4::write(Cr4::read() | flags) };
}

fn machine(info: u64) -> Result<Machine, &'static str> {
    let info = boot_bytes(info, START_INFO_SIZE).and_then(StartInfo::parse).ok_or(
        "the hypervisor passed no PVH start_info: boot this image with a PVH loader, such as qemu -kernel",
    )?;
    power::set_acpi_root(info.rsdp);
    let command_line = command_line_at(info.command_line);
    let module = match info.modules {
        0 => None,
        _ => boot_bytes(info.module_list, MODULE_ENTRY_SIZE).and_then(module_region),
    };
    let mut ram = Regions::new();
    for index in 0..REGION_LIMIT.min(info.memory_map_entries as usize) {
        let entry = info.memory_map.saturating_add((index * MEMORY_MAP_ENTRY_SIZE) as u64);
        if let Some(region) = boot_bytes(entry, MEMORY_MAP_ENTRY_SIZE).and_then(ram_region) {
            ram.push(region);
        }
    }
    let line = command_line.as_bytes().as_ptr_range();
    let line = Region { start: line.start.addr() as u64, end: line.end.addr() as u64 };
    memory::start(&ram, &[line, module.unwrap_or(line)]).map_err(|error| match error {
        memory::Error::NoMemory => "there is no memory behind the image: give the machine more (-m)",
        memory::Error::NoTables | memory::Error::NotDevice => {
            "the memory map needs more page tables than were kept for it"
        }
    })?;
    LocalApic::start(trap::SPURIOUS_VECTOR).ok_or("the local APIC cannot be mapped")?;
    clock::start();
    console::start_log(log_level(command_line));
    Ok(Machine { command_line, module: module.and_then(module_bytes) })
}

/// Bytes that the boot page tables make readable.
fn boot_bytes(address: u64, length: usize) -> Option<&'static [u8]> {
    let end = address.checked_add(length as u64)?;
    if address == 0 || end > BOOT_MAPPED {
        return None;
    }
    let start = core::ptr::with_exposed_provenance(address as usize);
    // SAFETY: 1. the first GiB is identity-mapped until the final tables are built, which is after the last call, and
    // what is kept beyond that (the command line) lies in memory those map; 2. boot data lies outside image and heap.
    Some(unsafe { core::slice::from_raw_parts(start, length) })
}

/// The command line where the hypervisor put it; the heap will be placed beside it. It ends at the first byte that is
/// not ASCII.
fn command_line_at(address: u64) -> &'static str {
    let mut length = 0;
    while length < COMMAND_LINE_LIMIT
        && let Some([1..128]) = boot_bytes(address.saturating_add(length as u64), 1)
        && address != 0
    {
        length += 1;
    }
    let bytes = boot_bytes(address, length).unwrap_or_default();
    // SAFETY: every byte was ASCII a moment ago, and nothing writes boot data.
    unsafe { str::from_utf8_unchecked(bytes) }
}

/// The module's bytes, which the final tables map for reading.
fn module_bytes(region: Region) -> Option<&'static [u8]> {
    let start = memory::paging::map_readable(region.start, region.length())?;
    // SAFETY: 1. the range is mapped for ever; 2. the heap was placed outside it, so nothing writes it.
    Some(unsafe { core::slice::from_raw_parts(start.as_ptr(), usize::try_from(region.length()).ok()?) })
}

/// `log=LEVEL` of the command line; `info` where it says nothing or nothing that is known.
fn log_level(line: &str) -> log::LevelFilter {
    let level = command_line::words(line).filter(|word| word.key == "log").last();
    level.and_then(|word| word.value.parse().ok()).unwrap_or(log::LevelFilter::Info)
}
