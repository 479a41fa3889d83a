//! The machine for port information: what is known of the tree at a port, and from whom (IEEE 802.1D-2004, 17.27).

use super::Tree;
use super::bpdu::{Config, Sender};
use super::port::{InfoIs, Port, Role};

/// What a message is, beside what is known (17.21.8).
enum Heard {
    Superior,
    Repeated,
    Inferior,
    NotDesignated,
    Other,
}

impl Tree {
    pub(super) fn inform(&mut self, index: usize) -> bool {
        let Some(port) = self.ports.get_mut(index) else { return false };
        match port.info_is {
            InfoIs::Disabled if port.is_enabled => port.age(InfoIs::Aged),
            InfoIs::Disabled => return false,
            _ if !port.is_enabled => {
                (port.proposing, port.proposed, port.agree, port.agreed) = (false, false, false, false);
                port.timers.received = 0;
                port.age(InfoIs::Disabled);
            }
            _ if port.selected && port.update_info => port.update(),
            InfoIs::Aged => return false,
            InfoIs::Received if port.timers.received == 0 && !port.update_info && port.message.is_none() => {
                port.age(InfoIs::Aged);
            }
            _ => match port.message.take_if(|_| !port.update_info) {
                Some(message) => port.hear(&message),
                None => return false,
            },
        }
        true
    }
}

impl Port {
    /// What was known is so no more.
    fn age(&mut self, info_is: InfoIs) {
        self.info_is = info_is;
        self.message = None;
        (self.reselect, self.selected) = (true, false);
    }

    /// What this bridge knows is now what is known here.
    fn update(&mut self) {
        (self.proposing, self.proposed) = (false, false);
        self.agreed &= self.info_is == InfoIs::Mine && self.designated <= self.vector;
        self.synced &= self.agreed;
        (self.vector, self.times) = (self.designated, self.designated_times);
        self.update_info = false;
        self.info_is = InfoIs::Mine;
        self.new_info = true;
    }

    fn hear(&mut self, message: &Config) {
        let heard = self.judge(message);
        if !matches!(heard, Heard::Inferior | Heard::Other) {
            self.heard_change |= message.is_changed;
            self.heard_acknowledgment |= message.is_acknowledged;
        }
        match heard {
            Heard::Superior => {
                (self.agreed, self.proposing) = (false, false);
                self.proposed |= message.proposes;
                self.agree &= self.info_is == InfoIs::Received && message.vector <= self.vector;
                (self.vector, self.times) = (message.vector, message.times);
                self.times.hello = self.times.hello.max(1);
                self.keep();
                self.info_is = InfoIs::Received;
                (self.reselect, self.selected) = (true, false);
            }
            Heard::Repeated => {
                self.proposed |= message.proposes;
                self.keep();
            }
            Heard::Inferior => {
                // Its sender forwards what this bridge would, and did not hear of it (17.21.10).
                if message.learns {
                    (self.disputed, self.agreed) = (true, false);
                }
            }
            Heard::NotDesignated => {
                self.agreed = message.agrees;
                self.proposing &= !message.agrees;
            }
            Heard::Other => {}
        }
    }

    /// Compares a message with what is known.
    fn judge(&self, message: &Config) -> Heard {
        let times = super::Times { hello: message.times.hello.max(1), ..message.times };
        match message.sender {
            Sender::Designated if message.vector.is_superior(&self.vector) => Heard::Superior,
            Sender::Designated if message.vector > self.vector => Heard::Inferior,
            Sender::Designated if times != self.times => Heard::Superior,
            Sender::Designated => Heard::Repeated,
            Sender::Root | Sender::Alternate if message.vector >= self.vector => Heard::NotDesignated,
            Sender::Root | Sender::Alternate => Heard::Other,
        }
    }

    /// Keeps what was heard for three times the time between two messages, unless it is too old (17.21.23).
    fn keep(&mut self) {
        let is_young = self.times.age < self.times.max_age;
        self.timers.received = if is_young { 3 * u16::from(self.times.hello) } else { 0 };
    }
}

impl Role {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Root => "root",
            Self::Designated => "designated",
            Self::Alternate => "alternate",
            Self::Backup => "backup",
        }
    }
}
