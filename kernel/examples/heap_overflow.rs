//! Writes one byte past a block of the heap: its fence falls, so the image that one debugs ends with exit code 2.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod image {
    use alloc::vec;
    use unik_kernel::{Machine, power::Exit};

    unik_kernel::entry!(start);

    fn start(_: Machine) -> Exit {
        let mut block = vec![1_u8; 24];
        // SAFETY: there is none; the byte behind the block is what this image shows.
        unsafe { block.as_mut_ptr().add(24).write_volatile(0x55) };
        drop(block);
        unik_kernel::console::print(format_args!("nobody noticed\n"));
        Exit::Done
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this example is an image: build it for a machine");
}
