//! Reads through a null pointer: page zero is never mapped, so the machine ends with exit code 3.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod image {
    use unik_kernel::{Machine, power::Exit};

    unik_kernel::entry!(start);

    fn start(_: Machine) -> Exit {
        let nowhere: *const u8 = core::hint::black_box(core::ptr::null());
        // SAFETY: there is none; the page fault is what this image shows.
        let byte = unsafe { nowhere.read_volatile() };
        unik_kernel::console::print(format_args!("read {byte}\n"));
        Exit::Done
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this example is an image: build it for a machine");
}
