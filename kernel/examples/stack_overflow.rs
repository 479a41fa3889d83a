//! Recurses without end: the guard page below the stack is never mapped, so the machine ends with exit code 3.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod image {
    use unik_kernel::{Machine, power::Exit};

    unik_kernel::entry!(start);

    fn start(_: Machine) -> Exit {
        unik_kernel::console::print(format_args!("depth {}\n", deeper(1)));
        Exit::Done
    }

    #[expect(
        unconditional_recursion,
        reason = "the page fault at the end of the stack is what this image shows"
    )]
    fn deeper(depth: u64) -> u64 {
        let frame = core::hint::black_box([depth; 64]);
        deeper(frame[0] + 1) + frame[63]
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this example is an image: build it for a machine");
}
