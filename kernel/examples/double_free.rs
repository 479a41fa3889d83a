//! Gives a block of the heap back twice: the image that one debugs ends with exit code 2.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod image {
    use alloc::boxed::Box;
    use core::hint::black_box;
    use unik_kernel::{Machine, power::Exit};

    unik_kernel::entry!(start);

    fn start(_: Machine) -> Exit {
        // A compiler that saw both would leave the block out.
        let block = black_box(Box::into_raw(Box::new([1_u8; 24])));
        for _ in 0..2 {
            // SAFETY: there is none the second time, which is what this image shows.
            drop(unsafe { Box::from_raw(black_box(block)) });
        }
        unik_kernel::console::print(format_args!("nobody noticed\n"));
        Exit::Done
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this example is an image: build it for a machine");
}
