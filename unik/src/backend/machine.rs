//! An image on its machine.

use crate::outcome::Failure;
use crate::startup::Startup;
use crate::system::{System, TASK_LIMIT};
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{OnceCell, RefCell};
use core::fmt;
use core::mem::ManuallyDrop;
use unik_kernel::bus::{self, DeviceType, KernelHal, MachineTransport};
pub(crate) use unik_kernel::console::{levels, records};
use unik_kernel::interrupt::{self, Line};
use unik_kernel::power::Exit;
use unik_kernel::{Machine, clock, console, entropy};
use unik_monitor::{Console, Port};
use unik_net::{Nic, VirtioNet};
use unik_sched::Executor;
use unik_sched::sync::Event;
use unik_sched::time::{Duration, Instant, Platform, Time};
use unik_virtio::{Device, Direction, Pool};

/// Packet buffers of a network device: its receive queue, what waits to be sent, and what sockets hold.
const NIC_BUFFERS: usize = 128;
/// How long a random number device may take.
const RANDOM_PATIENCE: u64 = 10_000_000;

/// The machine's part of a system.
pub(crate) struct Backend {
    machine: Machine,
    platform: MachinePlatform,
    devices: OnceCell<RefCell<Vec<bus::Device>>>,
}

/// Runs an appliance on the machine; what it returns is the exit code.
pub fn run<F>(name: &'static str, machine: Machine, application: impl FnOnce(System) -> F) -> Exit
where
    F: Future<Output = Result<(), Failure>>,
{
    let startup = Startup::begin(name);
    let lines = Box::leak(Box::new([const { OnceCell::new() }; interrupt::LINES]));
    let platform = MachinePlatform { startup, lines };
    // The machine ends with the image: what would tear clock, tasks, devices and outcome down is left out of it.
    let time = &*Box::leak(Box::new(Time::new(Rc::new(platform))));
    let mut executor = ManuallyDrop::new(Executor::new(time, TASK_LIMIT));
    let command_line = machine.command_line;
    let backend = Backend { machine, platform, devices: OnceCell::new() };
    let system = System::new(time, &executor, command_line, startup, backend);
    let mut main = ManuallyDrop::new(Box::pin(application(system)));
    let outcome = ManuallyDrop::new(executor.block_on("main", main.as_mut()));
    match &*outcome {
        Ok(()) => {
            startup.waits(&|| time.now());
            Exit::Done
        }
        Err(Failure::Error(error)) => {
            print(format_args!("error: {error}\n"));
            Exit::Error
        }
        Err(Failure::Configuration(sentence)) => {
            print(format_args!("error: {sentence}\n"));
            Exit::Configuration
        }
    }
}

#[derive(Clone, Copy)]
struct MachinePlatform {
    startup: &'static Startup,
    /// The event of each interrupt line that has one.
    lines: &'static [OnceCell<Event>; interrupt::LINES],
}

impl Platform for MachinePlatform {
    fn now(&self) -> Instant {
        Instant::from_nanos(clock::now())
    }

    fn poll_events(&self) {
        interrupt::poll(|line| {
            if let Some(event) = self.lines.get(line.number()).and_then(OnceCell::get) {
                event.set();
            }
        });
    }

    fn idle(&self, until: Option<Instant>) {
        self.startup.waits(&|| self.now());
        interrupt::wait(until.map(Instant::as_nanos));
    }

    fn running(&self, task: Option<&'static str>) {
        unik_kernel::set_task(task.unwrap_or("executor"));
    }
}

/// Writes to the console.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    console::print(text);
}

/// Time since the Unix epoch.
pub(crate) fn wall_clock() -> Option<Duration> {
    clock::wall()
}

/// The archive that the hypervisor handed over.
pub(crate) fn archive(backend: &Backend) -> Option<&'static [u8]> {
    backend.machine.module
}

impl Backend {
    fn devices(&self) -> &RefCell<Vec<bus::Device>> {
        self.devices.get_or_init(|| RefCell::new(bus::devices(self.machine.command_line)))
    }

    fn has_device(&self, kind: DeviceType) -> bool {
        self.devices().borrow().iter().any(|device| device.kind() == kind)
    }

    /// The event of an interrupt line.
    fn listen(&self, line: Line) -> Event {
        let slot = self.platform.lines.get(line.number());
        slot.map_or_else(Event::new, |slot| slot.get_or_init(Event::new).clone())
    }

    /// Takes the first device of a kind.
    fn take_device(&self, kind: DeviceType) -> Option<bus::Device> {
        let mut devices = self.devices().borrow_mut();
        let index = devices.iter().position(|device| device.kind() == kind)?;
        Some(devices.remove(index))
    }
}

/// Whether there is a network device.
pub(crate) fn has_nic(backend: &Backend) -> bool {
    backend.has_device(DeviceType::Network)
}

/// Bytes of the heap that are in use, and all of them.
pub(crate) fn heap_usage() -> Option<(usize, usize)> {
    Some(unik_kernel::heap_usage())
}

/// Whether there is a device for the inspection channel.
pub(crate) fn has_channel(backend: &Backend) -> bool {
    backend.has_device(DeviceType::Console)
}

/// Opens the inspection channel, whose event is set by new records of the log too.
pub(crate) fn open_channel(backend: &Backend) -> Result<impl Port + use<>, String> {
    let device = backend.take_device(DeviceType::Console).ok_or(
        "this image needs a device for its inspection channel: start it with --monitor PATH (virtio-serial with a \
         virtserialport)",
    )?;
    let opened = device.open().map_err(|error| format!("the inspection channel cannot be used: {error}"))?;
    let event = backend.listen(opened.line);
    if let Some(slot) = backend.platform.lines.get(Line::LOG.number()) {
        slot.get_or_init(|| event.clone());
    }
    let pool = Pool::try_new::<KernelHal>(Console::<KernelHal, MachineTransport>::BUFFERS)
        .map_err(|error| format!("no memory for the inspection channel: {error}"))?;
    Console::<KernelHal, MachineTransport>::try_new(opened.transport, pool, event)
        .map_err(|error| format!("the inspection channel cannot be used: {error}"))
}

/// Opens the first network device.
pub(crate) fn open_nic(backend: &Backend) -> Result<Box<dyn Nic>, String> {
    let device = backend.take_device(DeviceType::Network).ok_or(
        "this image needs a network device: start it with -device virtio-net-device (microvm) or \
         virtio-net-pci (q35, pc)",
    )?;
    let opened = device.open().map_err(|error| format!("the network device cannot be used: {error}"))?;
    let event = backend.listen(opened.line);
    let pool = Pool::try_new::<KernelHal>(NIC_BUFFERS)
        .map_err(|error| format!("no memory for the network device: {error}"))?;
    let nic = VirtioNet::<KernelHal, MachineTransport>::try_new(opened.transport, pool, event)
        .map_err(|error| format!("the network device cannot be used: {error}"))?;
    Ok(Box::new(nic))
}

/// Unpredictable bits: from the processor, or from a virtio-rng device.
pub(crate) fn random_seed(backend: &Backend) -> u64 {
    let mut seed = [0];
    if entropy::fill(&mut seed) {
        return seed[0];
    }
    random_device(backend).unwrap_or_else(|| {
        log::warn!("no source of random numbers: give the machine one with -device virtio-rng or -cpu max");
        clock::now()
    })
}

/// Eight bytes of a virtio-rng device (virtio 1.2, 5.4).
fn random_device(backend: &Backend) -> Option<u64> {
    let opened = backend.take_device(DeviceType::EntropySource)?.open().ok()?;
    let mut device = Device::<KernelHal, _>::try_new(opened.transport, 0, &[1]).ok()?;
    let pool = Pool::try_new::<KernelHal>(1).ok()?;
    device.start();
    device.submit(0, pool.allocate()?, Direction::FromDevice).ok()?;
    device.kick(0);
    let deadline = clock::now() + RANDOM_PATIENCE;
    while clock::now() < deadline {
        if let Some(buffer) = device.complete(0).ok()? {
            return buffer.get(..8)?.try_into().ok().map(u64::from_le_bytes);
        }
    }
    None
}
