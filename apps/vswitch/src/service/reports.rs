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

    /// A connection is gone, whether anything was said of its end or not.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.all.retain(|report| report.is_called || report.id != Some(id));
        self.all.iter_mut().filter(|report| report.id == Some(id)).for_each(|report| report.id = None);
    }

    /// The report at a position, if there is one.
    pub(super) fn get(&self, position: usize) -> Option<&Report> {
        let behind = position.checked_sub(self.all.len());
        behind.map_or(self.all.get(position), |behind| self.gone.as_ref().filter(|_| behind == 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::{Description, MOST_CONNECTIONS, Switch};
    use crate::pipeline::Datapath;
    use crate::settings::Transport;
    use core::net::SocketAddr;
    use std::vec::Vec;

    fn controller(number: u8) -> Controller {
        Controller { transport: Transport::Tcp, address: SocketAddr::from(([192, 0, 2, number], 6653)) }
    }

    fn ids(count: usize) -> Vec<ConnectionId> {
        let mut switch = Switch::new(Datapath::new(1, 16).expect("memory"), 1, Description::default());
        (0..count).map(|_| switch.connect().expect("there is room")).collect()
    }

    fn all(reports: &Reports) -> Vec<(Controller, bool, Option<End>)> {
        let reports = (0..).map_while(|position| reports.get(position));
        reports.map(|report| (report.controller, report.id.is_some(), report.last)).collect()
    }

    #[test]
    fn who_is_called_is_there_or_not_and_the_last_end_stays() {
        let id = ids(1)[0];
        let mut reports = Reports::try_new(&[controller(1), controller(2)], 8).expect("memory");
        assert!(reports.end(controller(2), None, End::Unanswered), "that is news");
        assert!(!reports.end(controller(2), None, End::Unanswered));
        reports.begin(controller(2), true, id);
        let away = (controller(1), false, None);
        assert_eq!(all(&reports), [away, (controller(2), true, Some(End::Unanswered))]);
        assert!(reports.end(controller(2), Some(id), End::Silent));
        assert_eq!(all(&reports), [away, (controller(2), false, Some(End::Silent))]);
    }

    #[test]
    fn of_those_who_call_one_stays_that_is_gone() {
        let ids = ids(3);
        let mut reports = Reports::try_new(&[controller(1)], 8).expect("memory");
        for (number, id) in (2..).zip(&ids) {
            reports.begin(controller(number), false, *id);
        }
        assert!(reports.end(controller(3), Some(ids[1]), End::Over));
        reports.end(controller(2), Some(ids[0]), End::Closed);
        let here = [(controller(1), false, None), (controller(4), true, None)];
        assert_eq!(all(&reports), [&here[..], &[(controller(2), false, Some(End::Closed))]].concat());
    }

    #[test]
    fn connections_of_which_nothing_was_heard_leave_nothing_behind() {
        let id = ids(1)[0];
        let mut reports = Reports::try_new(&[controller(1)], MOST_CONNECTIONS).expect("memory");
        for _ in 0..100 {
            reports.begin(controller(2), false, id);
            reports.forget(id);
            reports.begin(controller(1), true, id);
            reports.forget(id);
        }
        assert_eq!(all(&reports), [(controller(1), false, None)]);
    }
}
