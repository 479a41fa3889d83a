//! Jumps into the heap: data is not executable, so the machine ends with exit code 3.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod image {
    extern crate alloc;

    use unik_kernel::{Machine, power::Exit};

    unik_kernel::entry!(start);

    fn start(_: Machine) -> Exit {
        let code = alloc::boxed::Box::leak(alloc::boxed::Box::new(0xc3_u8));
        // SAFETY: there is none; the page fault is what this image shows.
        let function: extern "C" fn() = unsafe { core::mem::transmute(&raw const *code) };
        function();
        unik_kernel::console::print(format_args!("ran on the heap\n"));
        Exit::Done
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this example is an image: build it for a machine");
}
