//! Follows its own page tables, maps a device and follows them again, and says what it found: exit code 0 without a flaw.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod image {
    use unik_kernel::{Machine, bus, console, power::Exit, protections, self_check};

    unik_kernel::entry!(start);

    fn start(machine: Machine) -> Exit {
        let before = self_check();
        // Opening a device maps its registers, after the tables were sealed.
        let opened = bus::devices(machine.command_line).into_iter().next().map(bus::Device::open);
        let opened = opened.is_some_and(|opened| opened.is_ok());
        match (before, self_check()) {
            (Ok(before), Ok(after)) => {
                console::print(format_args!("no flaw in {before} pages, none in {after}, device {opened}\n"));
                console::print(format_args!("protections: {}\n", protections()));
                Exit::Done
            }
            (Err(flaw), _) | (_, Err(flaw)) => {
                console::print(format_args!("flaw: {flaw}\n"));
                Exit::Error
            }
        }
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this example is an image: build it for a machine");
}
