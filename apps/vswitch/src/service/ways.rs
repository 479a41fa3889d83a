//! Which way frames go: as the switch has learned, or as the tables of controllers say.
//!
//! [`Cards`] moves batches, and asks [`Ways`] of each frame whether it goes to one port as it is, and of how many behind it that is
//! true as well. All others are given back, one by one, to be done with. Invariant: each frame is looked up once, and is counted
//! once, alone or with those that are like it.

use super::cards::Cards;
use super::control::Control;
use super::outputs::{Carried, Outputs, index};
use crate::frame::parse::{Likeness, Parsed};
use crate::pipeline::{Look, ports};
use crate::switch::{HEAD, Route, Switch};
use core::mem;
use unik::ports::{Batch, Buffer, Frame, Train};
use unik_sched::time::Instant;

// Frames that begin alike go the same way.
const _: () = assert!(Train::HEAD == HEAD && Train::WORDS == Likeness::WORDS);

/// Who says where frames from one port go.
pub(super) trait Ways {
    /// The port to which the frame at a place of a batch goes as it is, and those behind it that go there with it. `None` if it
    /// is another kind of frame: then [`Ways::carry`] is called with it.
    fn straight(&mut self, batch: &Batch, place: usize) -> Option<(usize, Train)>;

    /// Looks up a frame for [`Ways::carry`], which is called with it.
    fn look(&mut self, frame: &Buffer);

    /// Does with the frame that was looked up last what is to be done with it.
    fn carry(&mut self, cards: &mut Cards, frame: Frame);

    /// So many frames have come in. It is said behind the batch that they came in, or before a frame that came alone: what was put off for
    /// a batch is counted now.
    fn receive(&mut self, frames: usize, octets: usize);
}

/// To where destinations were heard.
pub(super) struct Learned<'a> {
    pub(super) switch: &'a mut Switch,
    pub(super) ingress: usize,
    pub(super) route: Route,
}

impl Ways for Learned<'_> {
    fn straight(&mut self, batch: &Batch, place: usize) -> Option<(usize, Train)> {
        let frame = batch.get(place)?;
        self.look(frame);
        let egress = self.route.straight()?;
        let train = batch.train(place);
        self.switch.repeat(self.route, train.count - 1, train.octets - frame.len());
        Some((egress, train))
    }

    fn look(&mut self, frame: &Buffer) {
        self.route = self.switch.forward(self.ingress, frame, frame.total_len());
    }

    fn carry(&mut self, cards: &mut Cards, frame: Frame) {
        let length = frame.buffer.total_len();
        cards.carry(self.ingress, frame, self.route, length, self.switch);
    }

    fn receive(&mut self, frames: usize, octets: usize) {
        self.switch.receive(self.ingress, frames, octets);
    }
}

/// As the tables say.
pub(super) struct Programmed<'a> {
    pub(super) control: &'a mut Control,
    pub(super) switch: &'a mut Switch,
    pub(super) ingress: usize,
    pub(super) now: Instant,
    pub(super) parsed: Parsed,
    pub(super) found: Found,
    pub(super) tally: Tally,
}

/// Frames to one port that are not counted yet.
#[derive(Default)]
pub(super) struct Tally {
    port: u32,
    frames: usize,
    octets: usize,
}

/// What is known of a frame that was looked up.
#[derive(Clone, Copy)]
pub(super) enum Found {
    /// It is of the spanning tree.
    Greeting,
    /// Its place in the flow cache.
    Place(Look),
    /// An entry leaves it to the switch, which sends it this way.
    Normal(Route),
}

impl Ways for Programmed<'_> {
    fn straight(&mut self, batch: &Batch, place: usize) -> Option<(usize, Train)> {
        let frame = batch.get(place)?;
        self.look(frame);
        let Found::Place(look) = self.found else { return None };
        let port = look.simple?.port;
        if self.switch.mirrors_received(self.ingress) {
            return None;
        }
        let mut route = Route::default();
        let egress = if port == ports::NORMAL {
            route = self.switch.forward(self.ingress, frame, frame.len());
            let egress = route.straight();
            if egress.is_none() {
                self.count(&look, port, &Train::of(frame));
                self.found = Found::Normal(route);
            }
            egress?
        } else {
            let egress = index(port);
            if self.switch.mirrors_sent(egress) {
                return None;
            }
            egress
        };
        let train = match self.control.likeness(&look, &self.parsed, frame) {
            Some(likeness) => batch.train_under(place, likeness.least, &likeness.mask),
            None => Train::of(frame),
        };
        if port == ports::NORMAL {
            self.switch.repeat(route, train.count - 1, train.octets - frame.len());
        }
        self.count(&look, port, &train);
        Some((egress, train))
    }

    fn look(&mut self, frame: &Buffer) {
        self.found = if self.switch.is_greeting(frame) {
            Found::Greeting
        } else {
            Found::Place(self.control.look(self.ingress, frame, &mut self.parsed))
        };
    }

    fn carry(&mut self, cards: &mut Cards, frame: Frame) {
        if let Found::Normal(route) = self.found {
            let length = frame.buffer.total_len();
            return cards.carry(self.ingress, frame, route, length, self.switch);
        }
        if self.switch.mirrors_received(self.ingress) {
            cards.mirror(&frame, self.switch);
        }
        let mut outputs = Outputs { cards, switch: self.switch };
        let Found::Place(look) = self.found else { return outputs.learn(self.ingress, frame) };
        let mut carried = Carried(frame);
        let destination =
            self.control.proceed(self.ingress, &look, &self.parsed, &mut carried, self.now, &mut outputs);
        if let Some(destination) = destination {
            outputs.deliver(destination, carried.0);
        }
    }

    fn receive(&mut self, frames: usize, octets: usize) {
        self.settle();
        self.switch.receive(self.ingress, frames, octets);
    }
}

impl Programmed<'_> {
    /// Counts frames that go to a port: at once for their entry, and for the port together with those before, if these went there too.
    #[inline]
    fn count(&mut self, look: &Look, port: u32, train: &Train) {
        self.control.hit(look, train.count, train.octets, self.now);
        if self.tally.port != port {
            self.settle();
            self.tally.port = port;
        }
        self.tally.frames += train.count;
        self.tally.octets += train.octets;
    }

    /// Counts what was put together.
    #[inline(never)]
    fn settle(&mut self) {
        let Tally { port, frames, octets } = mem::take(&mut self.tally);
        if frames != 0 {
            self.control.count(self.ingress, port, frames, octets);
        }
    }
}
