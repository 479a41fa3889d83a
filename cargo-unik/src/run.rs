//! Boots an image, shows its console, and ends with its exit code.
//!
//! [`RunOptions::guest`] merges the command line with the application's manifest; [`boot`] starts QEMU and reads the console (`output`)
//! until QEMU ends; [`Ending`] says how; `autopsy` takes the memory of one that died. QEMU is a process group of its own, so that Ctrl-C reaches this tool alone, which then ends QEMU in order
//! (`stop`).

use std::ffi::OsString;
use std::fmt;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::autopsy::Autopsy;
use crate::base::{Base, Room};
use crate::check;
use crate::disk::{Disk, Drive};
use crate::epitaph;
use crate::error::{Context, Error, Result};
use crate::guest::{Command, Guest};
use crate::image::{self, Profile, Request};
use crate::monitor::find;
use crate::options::{Accelerator, Forward, Machine, Memory, Network, Protocol};
use crate::qmp::Qmp;
use crate::stop::{Button, Stop, Way};
use crate::symbols::{self, Symbols};
use crate::workspace::{App, Workspace};
use crate::{host, output, setup};

/// What the tool exits with when it had to end the guest from outside, by the custom of shells. A guest that hears
/// its power button ends by itself, and its code is the tool's.
pub const EXIT_INTERRUPTED: u8 = 130;
/// The time in which an image ends after the request, unless `shutdown=SECONDS` says otherwise, in seconds.
const BOUND: u64 = 10;
/// What a guest gets beyond that time before it is ended from outside.
const GRACE: Duration = Duration::from_secs(2);
/// What the symbols of an image that hears the power button contain.
const BUTTON: &str = "unik_kernel::button::Button";
/// What is in an image that serves its inspection channel.
const CHANNEL: &str = "unik_monitor::session::Session";

/// What `cargo unik run` was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// The application.
    pub app: Option<String>,
    /// How it is built.
    pub profile: Profile,
    /// As a process of this computer, without a machine around it.
    pub host: bool,
    /// Where it is loaded.
    pub base: Base,
    /// Files, as initrd.
    pub data: Option<PathBuf>,
    /// Files, compiled in.
    pub embed: Option<PathBuf>,
    /// Disks.
    pub disks: Vec<Disk>,
    /// The kind of machine.
    pub machine: Option<Machine>,
    /// Its memory.
    pub memory: Option<Memory>,
    /// Its networks; `None` where the command line does not say.
    pub networks: Option<Vec<Network>>,
    /// Forwarded ports.
    pub forwards: Vec<Forward>,
    /// Words of configuration, behind those of the manifest.
    pub cmdline: Option<String>,
    /// Who executes it.
    pub accelerator: Accelerator,
    /// Where the inspection channel is.
    pub monitor: Channel,
    /// What the inspection commands call the machine; the application's name where nothing is said.
    pub name: Option<String>,
    /// Where the memory of a guest that dies is written.
    pub core: Option<PathBuf>,
    /// The symbols know types and variables too, so that `cargo unik gdb` can tell what that memory means.
    pub types: bool,
    /// Print the QEMU command and do nothing.
    pub dry_run: bool,
    /// More arguments for QEMU.
    pub extra: Vec<OsString>,
}

/// Where the inspection channel of a guest is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Channel {
    /// In the folder where the inspection commands look for it.
    #[default]
    Usual,
    /// At this path.
    Path(PathBuf),
    /// Nowhere: nobody can look inside.
    None,
}

/// How a guest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It left through the exit port with this code.
    Guest(u8),
    /// It powered itself off, or was reset.
    PoweredOff,
    /// The user stopped it.
    Interrupted,
    /// QEMU could not make the machine, and has said why.
    NotStarted,
    /// QEMU was ended by a signal.
    Killed(i32),
}

impl RunOptions {
    /// The guest that command line and manifest together ask for.
    ///
    /// # Errors
    /// A folder or disk that is not there, or cannot be one.
    pub fn guest(&self, app: &App, output: &Path) -> Result<Guest> {
        let defaults = &app.defaults;
        let networks =
            self.networks.clone().or_else(|| defaults.networks.clone()).unwrap_or(vec![Network::User]);
        let mut forwards = self.forwards.clone();
        if forwards.is_empty() && networks.contains(&Network::User) {
            forwards.clone_from(&defaults.forwards);
        }
        let disks: Vec<Drive> = self.disks.iter().map(Disk::drive).collect::<Result<_>>()?;
        Ok(Guest {
            initrd: self.data_folder(app)?.map(|_| output.join(format!("{}.data.cpio", app.name))),
            cmdline: self.words(app),
            machine: self.machine.or(defaults.machine).unwrap_or_default(),
            memory: self.memory.or(defaults.memory).unwrap_or(Memory::DEFAULT),
            accelerator: self.accelerator,
            networks,
            forwards,
            disks,
            stays: self.core.is_some(),
            extra: self.extra.clone(),
            ..Guest::new(output.join(format!("{}.elf", app.name)))
        })
    }

    /// The manifest's words of configuration and those of the command line. A word of the manifest goes when the command line has one
    /// with its key, or when it is about a network device that the command line put another network behind.
    pub(crate) fn words(&self, app: &App) -> String {
        let given = self.cmdline.as_deref().unwrap_or_default();
        let key = |word: &str| word.split_once('=').map(|(key, _)| key.to_owned());
        let keys: Vec<String> = split(given).into_iter().filter_map(key).collect();
        let stays = |word: &&str| {
            key(word).is_none_or(|key| {
                !keys.contains(&key) && device(&key).is_none_or(|index| self.keeps_network(index))
            })
        };
        let manifest = app.defaults.cmdline.as_deref().unwrap_or_default();
        let mut words: Vec<&str> = split(manifest).into_iter().filter(stays).collect();
        words.extend(Some(given).filter(|given| !given.is_empty()));
        words.join(" ")
    }

    /// Whether what the manifest says about a network device still holds.
    fn keeps_network(&self, index: usize) -> bool {
        let given = self.networks.as_ref();
        !self.host && given.is_none_or(|networks| networks.get(index) == Some(&Network::User))
    }

    /// The socket of the inspection channel, in a folder that is there.
    ///
    /// # Errors
    /// The name or the path cannot be one, or the folder is not this user's alone.
    pub(crate) fn channel(&self, app: &App) -> Result<Option<PathBuf>> {
        match &self.monitor {
            Channel::None => Ok(None),
            Channel::Path(path) => {
                let path = std::path::absolute(path).or_cannot(|| format!("find {}", path.display()))?;
                find::fits(&path)?;
                Ok(Some(path))
            }
            Channel::Usual => {
                let folder = find::folder();
                let path = find::socket(&folder, self.name.as_deref().unwrap_or(&app.name))?;
                find::make(&folder)?;
                Ok(Some(path))
            }
        }
    }

    /// What the inspection commands call the machine with this socket.
    fn called<'a>(&'a self, app: &'a App, socket: &'a Path) -> std::borrow::Cow<'a, str> {
        match &self.monitor {
            Channel::Path(_) => socket.to_string_lossy(),
            _ => self.name.as_deref().unwrap_or(&app.name).into(),
        }
    }

    /// The folder whose files the guest receives; compiled-in files take the place of the manifest's, and so do those on a disk.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn data_folder(&self, app: &App) -> Result<Option<PathBuf>> {
        let is_on_disk = !self.disks.is_empty()
            && app.defaults.disk_features.iter().any(|feature| app.defaults.features.contains(feature));
        let default = app.defaults.data.clone().filter(|_| self.embed.is_none() && !is_on_disk);
        match self.data.clone().or(default) {
            Some(folder) if !folder.is_dir() => {
                Err(Error::usage(format!("there is no folder {}", folder.display())))
            }
            folder => Ok(folder),
        }
    }
}

/// The number of the network device that a key is about: 0 for `net0.ip`.
fn device(key: &str) -> Option<usize> {
    key.strip_prefix("net")?.split_once('.')?.0.parse().ok()
}

/// Splits words at blanks outside of quotation marks, as the image does.
pub(crate) fn split(words: &str) -> Vec<&str> {
    let mut quoted = false;
    let blank = |letter: char| {
        quoted ^= letter == '"';
        letter.is_whitespace() && !quoted
    };
    words.split(blank).filter(|word| !word.is_empty()).collect()
}

/// Builds and boots an application, and gives the exit code for the tool.
///
/// # Errors
/// Everything that can be wrong before the guest runs.
pub fn run(options: &RunOptions) -> Result<u8> {
    let here = std::env::current_dir().or_cannot(|| "find the current folder".to_owned())?;
    let workspace = Workspace::load(&here)?;
    let mut app = workspace.app(options.app.as_deref(), &here)?;
    if !options.disks.is_empty() {
        for feature in app.defaults.disk_features.clone() {
            workspace.add_feature(&mut app, &feature)?;
        }
    }
    if options.host {
        return host::run(options, &app, &workspace);
    }
    let request = Request { embed: options.embed.clone(), ..Request::new(&workspace, options.profile) };
    let request = if options.types { request.with_types() } else { request };
    let guest = Guest { monitor: options.channel(&app)?, ..options.guest(&app, &request.output)? };
    let command = guest.command()?;
    if options.dry_run {
        println!("{}", command.line());
        return Ok(0);
    }
    setup::qemu()?;
    setup::check_compiler()?;
    ports_are_free(&guest.forwards)?;
    guest.monitor.as_deref().map_or(Ok(()), find::clear)?;
    let mut files = 0;
    if let (Some(folder), Some(archive)) = (options.data_folder(&app)?, &guest.initrd) {
        let packed = check::pack(&workspace, &app, &folder, archive)?;
        files = packed.metadata().or_cannot(|| format!("read {}", packed.display()))?.len();
    }
    let room = Room { memory: u64::from(guest.memory.mebibytes()) << 20, files };
    let request = Request { base: options.base, room, ..request };
    let image = image::build_within_budget(&workspace, &app, &request)?;
    eprintln!("unik: {} on {}, {} bytes", app.name, command.summary, image.size);
    if let Some(words) = image.moved() {
        eprintln!("unik: {words}");
    }
    for forward in &guest.forwards {
        eprintln!("unik: {forward}");
    }
    if let Some(socket) = &guest.monitor {
        eprintln!("unik: look inside with: cargo unik ps {}", options.called(&app, socket));
    }
    let symbols = Symbols::of(&image.elf, &image.debug, &workspace.root);
    let symbols = symbols.inspect_err(|error| eprintln!("{}", symbols::missing(error))).ok();
    let has = |mark| symbols.as_ref().is_some_and(|symbols| is_linked(symbols, mark));
    let ask = if command.has_button() && has(BUTTON) {
        Some(Ask::Power)
    } else {
        guest.monitor.clone().filter(|_| has(CHANNEL)).map(Ask::Channel)
    };
    let button = ask.map(|ask| (ask, patience(&guest.cmdline)));
    let debugger = match options.types {
        true => format!("cargo unik gdb {} --core", app.name),
        false => format!("gdb {}", image.debug.display()),
    };
    let core = options.core.as_deref().map(|core| (core, &*debugger));
    let ending = boot(&command, symbols.as_ref(), button, core);
    // QEMU removes its socket where it ends in order. Where it could not even start, somebody else may be behind it.
    let _ = guest.monitor.as_deref().map(find::clear);
    let ending = ending?;
    if ending != Ending::Guest(0) {
        eprintln!("unik: {ending}");
    }
    Ok(ending.exit_code())
}

/// Whether something is in an image.
fn is_linked(symbols: &Symbols, mark: &str) -> bool {
    symbols.table().iter().any(|symbol| symbol.name.contains(mark))
}

/// How long a guest with these words of configuration may take to end in order.
fn patience(words: &str) -> Duration {
    let bound = split(words).into_iter().rev().find_map(|word| word.strip_prefix("shutdown="));
    Duration::from_secs(bound.and_then(|bound| bound.parse::<u16>().ok()).map_or(BOUND, u64::from)) + GRACE
}

/// How a guest that listens is asked to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// By the power button.
    Power,
    /// By the inspection channel at this path.
    Channel(PathBuf),
}

/// Starts the guest and shows its console until it ends. Ctrl-C asks one that listens to end, and waits for so long;
/// otherwise it ends QEMU. A second one kills it. One that dies leaves its memory in a `core` file, and what to read it with is said.
///
/// # Errors
/// QEMU cannot be started at all, or the core file cannot be written.
pub fn boot(
    command: &Command,
    symbols: Option<&Symbols>,
    button: Option<(Ask, Duration)>,
    core: Option<(&Path, &str)>,
) -> Result<Ending> {
    let mut process = command.process();
    process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let (autopsy, qmp) = match (core, &button) {
        (Some((core, _)), _) => {
            let (autopsy, qmp) = Autopsy::prepare(&mut process, core)?;
            (Some(autopsy), Some(qmp))
        }
        (None, Some((Ask::Power, _))) => (None, Some(Qmp::attach(&mut process)?)),
        (None, _) => (None, None),
    };
    let mut qemu = process.spawn().or_cannot(|| format!("start {}", command.program.to_string_lossy()))?;
    // It holds the other ends of the channels.
    drop(process);
    let button = button.and_then(|(ask, patience)| {
        let way = match ask {
            Ask::Power => Way::Power(qmp?),
            Ask::Channel(path) => Way::Channel(path),
        };
        Some(Button { way, patience })
    });
    let stop = Stop::new(&qemu, button);
    stop.on_ctrl_c();
    let autopsy = autopsy.map(|autopsy| autopsy.attend(Arc::clone(&stop)));
    let complaints = output::complaints(&mut qemu);
    let (interpreter, spoken) = output::console(&mut qemu, symbols);
    let status = qemu.wait().or_cannot(|| "wait for QEMU".to_owned())?;
    let complained = complaints.join().unwrap_or(false);
    let interrupted = stop.ended();
    if let (Some(autopsy), Some((core, debugger))) = (autopsy, core)
        && let Ok(findings) = autopsy.join()
        && let Some(findings) = findings?
    {
        let ending = findings.code.map_or(Ending::PoweredOff, Ending::Guest);
        findings.report(core, debugger, interpreter.registers())?;
        return Ok(ending);
    }
    match interrupted {
        true => Ok(Ending::Interrupted),
        false => Ok(Ending::decode(status, spoken, complained)),
    }
}

impl Ending {
    /// Reads QEMU's exit status. A guest that exits with 0 makes it 1, which is also what QEMU itself fails with: that is told apart by
    /// whether the guest has `spoken` on its console and QEMU has `complained` on standard error.
    pub fn decode(status: ExitStatus, spoken: bool, complained: bool) -> Ending {
        match (status.code(), status.signal()) {
            (Some(1), _) if complained && !spoken => Ending::NotStarted,
            (Some(0), _) => Ending::PoweredOff,
            // isa-debug-exit: (code << 1) | 1
            (Some(code), _) if code & 1 == 1 => Ending::Guest(u8::try_from(code >> 1).unwrap_or(u8::MAX)),
            (Some(_), _) => Ending::NotStarted,
            (None, signal) => Ending::Killed(signal.unwrap_or(0)),
        }
    }

    /// What the tool exits with.
    pub fn exit_code(self) -> u8 {
        match self {
            Ending::Guest(code) => code,
            Ending::PoweredOff => 0,
            Ending::Interrupted => EXIT_INTERRUPTED,
            Ending::NotStarted | Ending::Killed(_) => crate::error::EXIT_FAILED,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Guest(code) => {
                write!(formatter, "the guest exited with {code} ({})", epitaph::meaning(*code))
            }
            Ending::PoweredOff => formatter.write_str("the guest powered off"),
            Ending::Interrupted => formatter.write_str("stopped"),
            Ending::NotStarted => formatter.write_str("QEMU did not start the guest"),
            Ending::Killed(signal) => write!(formatter, "QEMU was ended by signal {signal}"),
        }
    }
}

/// A taken port is told by its number before anything is built.
fn ports_are_free(forwards: &[Forward]) -> Result<()> {
    for forward in forwards {
        let address = ("127.0.0.1", forward.host);
        let taken = match forward.protocol {
            Protocol::Udp => UdpSocket::bind(address).err(),
            Protocol::Tcp => TcpListener::bind(address).err(),
        };
        if let Some(error) = taken {
            let Forward { protocol, host, guest } = forward;
            return Err(Error::failed(format!(
                "{protocol} port {host} of 127.0.0.1 cannot be forwarded ({error}): try --forward {protocol}:OTHER:{guest}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
