//! Writes to the page table that the processor starts from: tables are sealed, so the machine ends with exit code 3.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod image {
    use unik_kernel::{Machine, power::Exit};

    unik_kernel::entry!(start);

    fn start(_: Machine) -> Exit {
        let root: usize;
        // SAFETY: reading CR3 has no effect.
        unsafe { core::arch::asm!("mov {}, cr3", out(reg) root, options(nomem, nostack)) };
        let entry: *mut u64 = core::ptr::with_exposed_provenance_mut(root);
        // SAFETY: there is none; the page fault is what this image shows.
        unsafe { entry.write_volatile(0) };
        unik_kernel::console::print(format_args!("the table was written\n"));
        Exit::Done
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this example is an image: build it for a machine");
}
