//! Writes to its own code: text is read-only, so the machine ends with exit code 3.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod image {
    use unik_kernel::{Machine, power::Exit};

    unik_kernel::entry!(start);

    fn start(_: Machine) -> Exit {
        let code: *mut u8 = (start as fn(Machine) -> Exit) as *mut u8;
        // SAFETY: there is none; the page fault is what this image shows.
        unsafe { code.write_volatile(0xc3) };
        unik_kernel::console::print(format_args!("wrote to the code\n"));
        Exit::Done
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this example is an image: build it for a machine");
}
