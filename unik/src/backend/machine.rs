//! An image on its machine.

use super::Memory;
use crate::disk::unusable;
use crate::entropy::{Sample, Sources};
use crate::outcome::Failure;
use crate::shutdown::Ending;
use crate::startup::Startup;
use crate::system::{System, TASK_LIMIT};
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell, RefCell};
use core::fmt;
use core::hint::spin_loop;
use core::mem::ManuallyDrop;
use unik_block::{BlockDevice, Disk, VirtioBlock};
use unik_kernel::bus::{self, DeviceType, KernelHal, MachineTransport};
pub(crate) use unik_kernel::console::{levels, note, records};
use unik_kernel::interrupt::{self, Line};
use unik_kernel::power::{self, Exit};
use unik_kernel::{Machine, button, clock, console, entropy, source};
use unik_monitor::{Console, Port};
use unik_net::{BatchNic, Nic, VirtioNet};
use unik_sched::Executor;
use unik_sched::counter::CounterSet;
use unik_sched::sync::Event;
use unik_sched::time::{Duration, Instant, Platform, Time};
use unik_virtio::{Buffer, Pool, RandomDevice};

/// Packet buffers of a network device: its receive queue, what waits to be sent, and what sockets hold.
const NIC_BUFFERS: usize = VirtioNet::<KernelHal, MachineTransport>::BUFFERS;
/// In a small machine they take this part of the memory that is free, and are at least so many.
const NIC_SHARE: usize = 8;
const NIC_BUFFERS_LEAST: usize = 16;
/// Those of all ports together take this part.
const PORT_SHARE: usize = 4;
/// Buffers for TCP packets that a device cuts, and the bytes of each. They take as large a part of the memory, and if that
/// holds less than two, there are none and packets are cut here.
const LARGE_BUFFERS: usize = 8;
const LARGE_BUFFER: usize = 65472;
/// As many of these are received into, or none where memory holds less than half of them.
const RECEIVE_BUFFERS: usize = 32;
/// Buffers of a disk: two of its longest requests, and some of a page. In a small machine they take this part of the memory that
/// is free, and are at least so many.
const DISK_BUFFERS: usize = 80;
const DISK_SHARE: usize = 8;
const DISK_BUFFERS_LEAST: usize = 8;
/// Those of a disk with a cache, which is what they are for.
const CACHE_BUFFERS: usize = 8192;
const CACHE_SHARE: usize = 4;
const CACHE_BUFFERS_LEAST: usize = 32;
/// What is said where no card is left for ports.
const NO_PORTS: &str = "this image needs network devices of its own: start it with --net, once for each";
/// How long a random number device may take for the first seed, in nanoseconds. It takes microseconds, unless the host is
/// busy; one that never answers is to cost a late start and no more.
const RANDOM_PATIENCE: u64 = 2_000_000_000;

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
    let lines = Box::leak(Box::new(Lines::default()));
    let platform = MachinePlatform { startup, lines };
    // The machine ends with the image: what would tear clock, tasks, devices and outcome down is left out of it.
    let time = &*Box::leak(Box::new(Time::new(Rc::new(platform))));
    let mut executor = ManuallyDrop::new(Executor::new(time, TASK_LIMIT));
    let command_line = machine.command_line;
    let backend = Backend { machine, platform, devices: OnceCell::new() };
    let system = System::new(time, &executor, command_line, backend);
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
    lines: &'static Lines,
}

/// What happens on interrupts.
#[derive(Default)]
struct Lines {
    /// Sets the events of those who wait for a line that was raised so often. An image without any is linked without that.
    attend: Cell<Option<&'static dyn Fn(Line, u32) -> bool>>,
    events: [OnceCell<Event>; interrupt::LINES],
}

impl Platform for MachinePlatform {
    fn now(&self) -> Instant {
        Instant::from_nanos(clock::now())
    }

    fn poll_events(&self) {
        interrupt::poll(|line, times| self.lines.attend.get().is_some_and(|attend| attend(line, times)));
    }

    fn idle(&self, until: Option<Instant>) {
        self.startup.waits(&|| self.now());
        interrupt::wait(until.map(Instant::as_nanos));
    }

    fn running(&self, task: Option<&'static str>) {
        unik_kernel::set_task(task.unwrap_or("executor"));
    }
}

/// The start of the appliance.
pub(crate) fn startup(backend: &Backend) -> &'static Startup {
    backend.platform.startup
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

    /// Takes the first device of a kind.
    #[inline(never)]
    fn take_device(&self, kind: DeviceType) -> Option<bus::Device> {
        let mut devices = self.devices().borrow_mut();
        let index = devices.iter().position(|device| device.kind() == kind)?;
        Some(devices.remove(index))
    }

    /// Lets an interrupt line set `event`.
    fn connect(&self, line: Line, event: &Event) {
        if let Some(slot) = self.platform.lines.events.get(line.number()) {
            slot.get_or_init(|| event.clone());
        }
        self.attend();
    }

    /// Lets interrupt lines set the events that they are connected to.
    fn attend(&self) {
        let Lines { attend, events } = self.platform.lines;
        let tell = |line: Line| events.get(line.number()).and_then(OnceCell::get).map(Event::set).is_some();
        if attend.get().is_none() {
            attend.set(Some(Box::leak(Box::new(move |line, times| {
                source::attend(line, times, &mut { tell })
            }))));
        }
    }
}

/// Whether there is a network device.
pub(crate) fn has_nic(backend: &Backend) -> bool {
    backend.has_device(DeviceType::Network)
}

/// Bytes of the heap that are free.
pub(crate) fn heap_free() -> Option<usize> {
    let heap = unik_kernel::heap_usage();
    Some(heap.size - heap.used)
}

/// What is counted of interrupts.
pub(crate) struct Interrupts;

impl CounterSet for Interrupts {
    fn visit(&self, visit: &mut dyn FnMut(&'static str, u64)) {
        interrupt::visit_counters(visit);
        source::visit_counters(visit);
    }
}

/// What is and was in use of heap and stack.
pub(crate) fn memory() -> Option<Memory> {
    let (heap, stack) = (unik_kernel::heap_usage(), unik_kernel::stack_usage());
    Some(Memory {
        heap: heap.size,
        heap_used: heap.used,
        heap_peak: heap.peak,
        stack: stack.size,
        stack_peak: stack.peak,
    })
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
    let event = Event::new();
    backend.connect(opened.line, &event);
    backend.connect(Line::LOG, &event);
    let pool = Pool::try_new::<KernelHal>(Console::<KernelHal, MachineTransport>::BUFFERS)
        .map_err(|error| format!("no memory for the inspection channel: {error}"))?;
    Console::<KernelHal, MachineTransport>::try_new(opened.transport, pool, event)
        .map_err(|error| format!("the inspection channel cannot be used: {error}"))
}

/// Lets new records of the log set `event`, whoever else is told of them.
pub(crate) fn follow_log(backend: &Backend, event: &Event) {
    backend.attend();
    let (attend, event) = (&backend.platform.lines.attend, event.clone());
    let others = attend.get();
    attend.set(Some(Box::leak(Box::new(move |line, times| {
        let is_log = line == Line::LOG;
        if is_log {
            event.set();
        }
        others.is_some_and(|others| others(line, times)) || is_log
    }))));
}

/// Opens the first network device.
#[inline(never)]
pub(crate) fn open_nic(backend: &Backend) -> Result<Box<dyn Nic>, String> {
    let device = backend.take_device(DeviceType::Network).ok_or(
        "this image needs a network device: start it with -device virtio-net-device (microvm) or \
         virtio-net-pci (q35, pc)",
    )?;
    let free = heap_free().unwrap_or_default();
    let buffers = (free / NIC_SHARE / Buffer::CAPACITY).clamp(NIC_BUFFERS_LEAST, NIC_BUFFERS);
    Ok(Box::new(start_nic(backend, device, nic_pool(buffers)?, None)?))
}

/// Opens the network devices that are left, at most `limit`, with one pool for all.
pub(crate) fn open_nics(backend: &Backend, limit: usize) -> Result<Vec<Box<dyn BatchNic>>, String> {
    let devices =
        backend.devices().borrow().iter().filter(|device| device.kind() == DeviceType::Network).count();
    let count = devices.min(limit);
    let mut nics: Vec<Box<dyn BatchNic>> = Vec::with_capacity(count);
    if count == 0 {
        return Err(NO_PORTS.into());
    }
    // What all queues hold: a card that keeps what it is to send leaves the others theirs.
    let room = heap_free().unwrap_or_default() / PORT_SHARE / Buffer::CAPACITY / count;
    let buffers = room.clamp(NIC_BUFFERS_LEAST, VirtioNet::<KernelHal, MachineTransport>::PORT_BUFFERS);
    let pool = nic_pool(count * buffers)?;
    while nics.len() < count
        && let Some(device) = backend.take_device(DeviceType::Network)
    {
        nics.push(Box::new(start_nic(backend, device, pool.clone(), Some(buffers / 2))?));
    }
    Ok(nics)
}

/// The buffers of network devices.
fn nic_pool(buffers: usize) -> Result<Pool, String> {
    Pool::try_new::<KernelHal>(buffers).map_err(|error| format!("no memory for the network device: {error}"))
}

/// Starts a network device: a port where it is said how many buffers are `posted`.
#[inline(never)]
fn start_nic(
    backend: &Backend,
    device: bus::Device,
    pool: Pool,
    posted: Option<usize>,
) -> Result<VirtioNet<KernelHal, MachineTransport>, String> {
    let opened = device.open().map_err(|error| format!("the network device cannot be used: {error}"))?;
    let event = Event::new();
    backend.connect(opened.line, &event);
    let nic = match posted {
        Some(posted) => VirtioNet::try_port(opened.transport, pool, posted, event),
        None => VirtioNet::try_receiving(opened.transport, pool, &receive_pool, event),
    };
    let nic = nic.map_err(|error| format!("the network device cannot be used: {error}"))?;
    Ok(if posted.is_none() { with_large(nic) } else { nic })
}

/// Gives a network device buffers for TCP packets that it cuts, if it does and there is memory.
fn with_large(nic: VirtioNet<KernelHal, MachineTransport>) -> VirtioNet<KernelHal, MachineTransport> {
    if !cfg!(feature = "segmentation") || !nic.offloads().segment_ipv4 {
        return nic;
    }
    match large_pool(2, LARGE_BUFFERS) {
        Some(pool) => nic.with_large(pool),
        None => nic,
    }
}

/// Buffers for TCP packets that a device has put together.
fn receive_pool() -> Option<Pool> {
    if cfg!(feature = "segmentation") { large_pool(RECEIVE_BUFFERS / 2, RECEIVE_BUFFERS) } else { None }
}

/// As many large buffers as their part of the memory holds: from `least` to `most`, or none.
fn large_pool(least: usize, most: usize) -> Option<Pool> {
    let buffers = (heap_free().unwrap_or_default() / NIC_SHARE / LARGE_BUFFER).min(most);
    if buffers < least { None } else { Pool::try_sized::<KernelHal>(buffers, LARGE_BUFFER).ok() }
}

/// Whether there is a disk that is not in use.
pub(crate) fn has_disk(backend: &Backend) -> bool {
    backend.has_device(DeviceType::Block)
}

/// Opens the next disk, with buffers for what is under way, and if it `is_cached`, for what is kept.
#[inline(never)]
pub(crate) fn open_disk(
    backend: &Backend,
    name: &'static str,
    is_cached: bool,
) -> Result<(Box<dyn BlockDevice>, Pool), String> {
    let device = backend.take_device(DeviceType::Block).ok_or(
        "this image needs a disk: start it with --disk FILE (-drive, and -device virtio-blk-device on microvm or \
         virtio-blk-pci on q35 and pc)",
    )?;
    let opened = device.open().map_err(|error| unusable(name, &error))?;
    let event = Event::new();
    backend.connect(opened.line, &event);
    let (share, least, most) = if is_cached {
        (CACHE_SHARE, CACHE_BUFFERS_LEAST, CACHE_BUFFERS)
    } else {
        (DISK_SHARE, DISK_BUFFERS_LEAST, DISK_BUFFERS)
    };
    let buffers = (heap_free().unwrap_or_default() / share / Disk::BUFFER).clamp(least, most);
    let pool = Pool::try_sized::<KernelHal>(buffers, Disk::BUFFER).map_err(|error| unusable(name, &error))?;
    let device = VirtioBlock::<KernelHal, MachineTransport>::try_new(name, opened.transport, event)
        .map_err(|error| unusable(name, &error))?;
    Ok((Box::new(device), pool))
}

/// The power button.
pub(crate) struct Button(button::Button);

impl Button {
    /// Whether it was pressed since the last call.
    pub(crate) fn take(&self) -> bool {
        self.0.take()
    }
}

/// Opens the power button, where the machine has one; its interrupt sets `news`.
pub(crate) fn open_button(backend: &Backend, news: &Event) -> Option<Button> {
    let button = button::Button::open()?;
    backend.connect(button.line(), news);
    Some(Button(button))
}

/// From here on the end of `main` is a reset.
pub(crate) fn reset_at_end() {
    power::reset_at_end();
}

/// Ends the machine, `in_order` or with the code of an error.
pub(crate) fn end(ending: Ending, in_order: bool) -> ! {
    if ending == Ending::Reboot {
        reset_at_end();
    }
    power::end(if in_order { Exit::Done } else { Exit::Error })
}

/// What is said where there are no random numbers.
pub(crate) const NO_RANDOMNESS: &str = "this image needs random numbers: start it with -device virtio-rng-device (microvm) or virtio-rng-pci (q35, pc), \
     or with -cpu max, or take some that can be guessed with random=weak";

/// The processor and a virtio-rng device as sources of random numbers.
pub(crate) struct RandomSources(Option<RandomDevice<KernelHal, MachineTransport>>);

impl RandomSources {
    pub(crate) fn open(backend: &Backend) -> Self {
        let Some(device) = backend.take_device(DeviceType::EntropySource) else { return Self(None) };
        let opened = device.open().inspect_err(|error| left(error)).ok();
        Self(
            opened.and_then(|opened| {
                RandomDevice::try_new(opened.transport).inspect_err(|error| left(error)).ok()
            }),
        )
    }
}

/// Says that the device for random numbers is used no more, or never was.
#[inline(never)]
fn left(why: &dyn fmt::Display) {
    log::warn!("the device for random numbers is not used: {why}");
}

impl Sources for RandomSources {
    fn visit(&mut self, wait: bool, absorb: &mut dyn FnMut(&Sample)) {
        let mut words = [0; size_of::<Sample>() / 8];
        if entropy::fill(&mut words) {
            let mut sample = Sample::default();
            for (bytes, word) in sample.chunks_exact_mut(8).zip(words) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
            absorb(&sample);
        }
        let Some(device) = &mut self.0 else { return };
        device.request();
        let deadline = clock::now() + if wait { RANDOM_PATIENCE } else { 0 };
        loop {
            match device.poll() {
                Ok(Some(sample)) => return absorb(&sample),
                Ok(None) if clock::now() < deadline => spin_loop(),
                Ok(None) => return,
                // A device that breaks the rules is used no more.
                Err(error) => {
                    left(&error);
                    return self.0 = None;
                }
            }
        }
    }
}
