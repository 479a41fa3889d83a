//! The machine that selects roles, for all ports at once (IEEE 802.1D-2004, 17.28 and 17.21.25).

use super::Tree;
use super::port::{InfoIs, Role};
use super::vector::{Times, Vector};

impl Tree {
    pub(super) fn select_roles(&mut self) {
        self.find_root();
        let (root_times, own) = (self.root_times, self.times.hello);
        for (index, port) in self.ports.iter_mut().enumerate() {
            port.reselect = false;
            port.designated =
                Vector { root: self.root.root, cost: self.root.cost, bridge: self.bridge, port: port.id };
            port.designated_times = Times { hello: own, ..root_times };
            (port.selected_role, port.update_info) = match port.info_is {
                InfoIs::Disabled => (Role::Disabled, false),
                InfoIs::Aged => (Role::Designated, true),
                InfoIs::Mine => {
                    let is_news = port.vector != port.designated || port.times != port.designated_times;
                    (Role::Designated, is_news)
                }
                InfoIs::Received if self.root_port == Some(index) => (Role::Root, false),
                InfoIs::Received if port.designated < port.vector => (Role::Designated, true),
                InfoIs::Received if port.vector.is_from(self.bridge) => (Role::Backup, false),
                InfoIs::Received => (Role::Alternate, false),
            };
            port.selected = true;
        }
    }

    /// Finds the root, and the way to it.
    fn find_root(&mut self) {
        let own = Vector { root: self.bridge, cost: 0, bridge: self.bridge, port: 0 };
        let heard = self.ports.iter().enumerate().filter(|(_, port)| port.info_is == InfoIs::Received);
        let ways = heard.filter(|(_, port)| !port.vector.is_from(self.bridge)).map(|(index, port)| {
            let cost = port.vector.cost.saturating_add(port.cost);
            (Vector { cost, ..port.vector }, port.id, index)
        });
        match ways.min().filter(|(vector, ..)| *vector < own) {
            Some((vector, _, index)) => {
                self.root = vector;
                self.root_port = Some(index);
                let times = self.ports.get(index).map_or(self.times, |port| port.times);
                self.root_times = Times { age: times.age.saturating_add(1), ..times };
            }
            None => (self.root, self.root_port, self.root_times) = (own, None, self.times),
        }
    }
}
