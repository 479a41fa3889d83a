//! A server: a site, how it is served, and what was counted. All connections share one.

use crate::access::Log;
use crate::counters::Counters;
use crate::date;
use crate::metrics::{self, Numbers};
use crate::settings::Settings;
use crate::site::{File, LoadError, Site};
use crate::status::Status;
use crate::stored::{Ledger, Storage};
use alloc::vec::Vec;
use core::cell::Cell;
use unik_sched::counter::CounterSet;
use unik_sched::sync::Lines;

/// How most responses begin: the status line and the date.
const BEGINNING: &[u8; 23] = b"HTTP/1.1 200 OK\r\nDate: ";
type Beginning = [u8; BEGINNING.len() + date::LENGTH + 2];

#[inline(never)]
fn begin(wall: u64) -> Beginning {
    let mut text = [0; size_of::<Beginning>()];
    let date = date::write(wall);
    let bytes = BEGINNING.iter().chain(&date).chain(b"\r\n");
    text.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
    text
}

/// What answers requests.
pub struct Server<'a> {
    site: Site<'a>,
    settings: Settings,
    counters: Counters,
    ledger: Ledger,
    log: Option<Log>,
    metrics: Option<Numbers>,
    /// Connections that have a seat.
    open: Cell<usize>,
    /// How most responses begin, and the moment whose date it tells.
    beginning: Cell<(u64, Beginning)>,
}

impl<'a> Server<'a> {
    /// A server of these files. Their types, hashes and fields are found now, so that a request need not, or read from an index
    /// that was made when they were packed.
    ///
    /// # Errors
    /// [`LoadError`].
    #[inline(never)]
    pub fn load(
        files: &mut dyn Iterator<Item = File<'a>>,
        settings: Settings,
    ) -> Result<Self, LoadError<'a>> {
        Self::load_with(files, Storage::NONE, settings)
    }

    /// The same, with files that are elsewhere.
    #[inline]
    pub(crate) fn load_with(
        files: &mut dyn Iterator<Item = File<'a>>,
        storage: Storage<'_>,
        settings: Settings,
    ) -> Result<Self, LoadError<'a>> {
        let site = Site::load(files, storage)?;
        let beginning = Cell::new((0, begin(0)));
        Ok(Self {
            site,
            settings,
            counters: Counters::new(),
            ledger: Ledger::new(),
            log: None,
            metrics: None,
            open: Cell::new(0),
            beginning,
        })
    }

    /// How many files it serves.
    pub fn files(&self) -> usize {
        self.site.len()
    }

    /// The index of its files: what it would find out of them at each start. `None` where there is no memory, or a path or the fields of
    /// a file are longer than 64 KiB.
    pub fn index(&self) -> Option<Vec<u8>> {
        let mut index = Vec::new();
        self.site.write_index(&mut index)?;
        Some(index)
    }

    /// How it serves them.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What it has counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    #[cfg_attr(not(feature = "disk"), expect(dead_code, reason = "nothing is counted there"))]
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Connections that are served at this moment.
    pub fn open_connections(&self) -> usize {
        self.open.get()
    }

    /// Takes notice that a connection is served from now on, or not any more.
    pub(crate) fn is_open(&self, is_open: bool) {
        let open = self.open.get();
        self.open.set(if is_open { open + 1 } else { open.saturating_sub(1) });
    }

    /// Serves these numbers as `/metrics`, where the site has no such file.
    pub fn show(&mut self, metrics: Numbers) {
        self.metrics = Some(metrics);
    }

    /// The numbers that are found under a path.
    pub(crate) fn metrics(&self, path: &[u8]) -> Option<&Numbers> {
        self.metrics.as_ref().filter(|_| path == metrics::PATH)
    }

    /// Writes the access log, where the settings want one, into `lines` from now on.
    pub fn log_into(&mut self, lines: Lines) {
        self.log = self.settings.log.map(|format| Log { lines, format });
    }

    #[inline]
    pub(crate) fn log(&self) -> Option<&Log> {
        self.log.as_ref()
    }

    pub(crate) fn site(&self) -> &Site<'a> {
        &self.site
    }

    /// How a response with the status 200 begins at a moment, of which those of one second share one.
    #[inline]
    pub(crate) fn good_news(&self, wall: u64) -> Beginning {
        let (moment, text) = self.beginning.get();
        if moment == wall {
            return text;
        }
        let text = begin(wall);
        self.beginning.set((wall, text));
        text
    }

    /// Whether a path asks whether the server is well.
    pub(crate) fn is_health(&self, path: &[u8]) -> bool {
        self.settings.health.is_some_and(|health| health.as_bytes() == path)
    }

    /// Whether the body of a request that is allowed there is echoed: a path as it came, which is written one way.
    pub(crate) fn is_echo(&self, path: &[u8]) -> bool {
        self.settings.echo.is_some_and(|echo| path.strip_prefix(b"/") == Some(echo.as_bytes()))
    }

    /// Counts a response.
    pub(crate) fn count(&self, status: Status) {
        match status.class() {
            b'2' => self.counters.successes.increment(),
            b'3' => self.counters.redirections.increment(),
            b'4' => self.counters.client_errors.increment(),
            _ => self.counters.server_errors.increment(),
        }
    }
}

/// What it has counted, for whoever keeps a register of such.
impl CounterSet for Server<'_> {
    fn visit(&self, visit: &mut dyn FnMut(&'static str, u64)) {
        self.counters.visit(visit);
        self.ledger.visit(visit);
    }
}
