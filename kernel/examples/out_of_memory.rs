//! Asks for more memory than there is, in a way that cannot fail: the epitaph names the size, and the machine ends with
//! exit code 2.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod image {
    use alloc::vec::Vec;
    use unik_kernel::{Machine, power::Exit};

    unik_kernel::entry!(start);

    fn start(_: Machine) -> Exit {
        let block = Vec::<u8>::with_capacity(1 << 40);
        unik_kernel::console::print(format_args!("there are {} bytes\n", block.capacity()));
        Exit::Done
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this example is an image: build it for a machine");
}
