//! How controllers are: those that are called, whether they are there or not, and those that call, as long as they do.

use super::talk::End;
use crate::openflow::ConnectionId;
use crate::settings::Controller;
use alloc::vec::Vec;

/// How a controller is.
#[derive(Clone, Copy)]
pub(super) struct Report {
    pub(super) controller: Controller,
    /// It is one of those that are called.
    pub(super) is_called: bool,
    /// Its connection, if there is one.
    pub(super) id: Option<ConnectionId>,
    /// Why it has none, or why the one before it ended.
    pub(super) last: Option<End>,
}

/// All of them. Invariant: its length has a bound, by those that are called and by connections.
#[derive(Default)]
pub(super) struct Reports {
    all: Vec<Report>,
    /// The last one that called and is gone.
    gone: Option<Report>,
}

impl Reports {
    /// Controllers that are called, none of which is there. `None` without memory for them and `more`.
    pub(super) fn try_new(called: &[Controller], more: usize) -> Option<Self> {
        let mut all = Vec::new();
        all.try_reserve_exact(called.len() + more).ok()?;
        let report = |controller: &Controller| Report {
            controller: *controller,
            is_called: true,
            id: None,
            last: None,
        };
        all.extend(called.iter().map(report));
        Some(Self { all, gone: None })
    }

    /// There is a connection.
    pub(super) fn begin(&mut self, controller: Controller, is_called: bool, id: ConnectionId) {
        if is_called {
            let known = |report: &&mut Report| report.is_called && report.controller == controller;
            self.all.iter_mut().find(known).into_iter().for_each(|report| report.id = Some(id));
        } else if self.all.len() < self.all.capacity() {
            self.all.push(Report { controller, is_called, id: Some(id), last: None });
        }
    }

    /// A connection has ended, or could not be made. True if it did not end like the one before it.
    pub(super) fn end(&mut self, controller: Controller, id: Option<ConnectionId>, end: End) -> bool {
        let known = |report: &Report| match id {
            Some(id) => report.id == Some(id),
            None => report.is_called && report.controller == controller,
        };
        let Some(at) = self.all.iter().position(known) else { return true };
        let Some(report) = self.all.get_mut(at) else { return true };
        report.id = None;
        let before = report.last.replace(end);
        if !report.is_called {
            self.gone = Some(self.all.remove(at));
        }
        before != Some(end)
    }

    /// The report at a position, if there is one.
    pub(super) fn get(&self, position: usize) -> Option<&Report> {
        let behind = position.checked_sub(self.all.len());
        behind.map_or(self.all.get(position), |behind| self.gone.as_ref().filter(|_| behind == 0))
    }
}
