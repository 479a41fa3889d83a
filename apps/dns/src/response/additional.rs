//! What an answer has beside what was asked for: referrals, name servers, and the addresses of hosts.

use super::{Response, Section};
use crate::kind::Kind;
use crate::labels::Labels;
use crate::settings::Minimal;
use crate::tree::NodeId;
use crate::writer::Owner;
use crate::zone::{Set, Zone};

/// The most records whose targets are looked up for addresses that are only a convenience.
const MAX_TARGETS: usize = 64;

/// Which of the hosts that a set names get their addresses.
#[derive(Clone, Copy)]
enum Hosts {
    /// Those that the zone answers for itself.
    Own,
    /// Those of name servers, also below a delegation.
    Servers,
    /// Name servers below this delegation: without their addresses nobody finds them.
    Glue(NodeId),
    /// The other name servers of this delegation.
    Siblings(NodeId),
}

impl<'s> Response<'s, '_> {
    /// Tells who serves the zone below the delegation at `cut`, whose name is `name` without `above` labels.
    pub(super) fn refer(&mut self, zone: &'s Zone, cut: NodeId, name: &Labels, above: usize) {
        self.server.counters().referrals.increment();
        let Some(set) = zone.set(cut, Kind::NS) else { return };
        if self.require(Section::Authority, zone, cut, set, Owner::At(name.offset(above))).is_some() {
            if self.wants_proofs {
                self.prove_expansions();
                self.prove_delegation(zone, cut, name, above);
            }
            // RFC 9471, 3: the former must be there, the latter if they fit.
            self.add_addresses(zone, set, None, Hosts::Glue(cut));
            self.add_addresses(zone, set, None, Hosts::Siblings(cut));
        }
    }

    /// Adds to `set`, which answers for `node`, what the client is going to ask next.
    #[inline(never)]
    pub(super) fn add(&mut self, zone: &Zone, node: NodeId, set: &Set, name: &Labels) {
        let minimal = self.server.settings().minimal;
        if minimal == Minimal::No && self.add_servers(zone, node, set, name).is_some() {
            return;
        }
        let hosts = match set.kind {
            Kind::NS => Some(Hosts::Servers),
            kind if kind.names_hosts() && minimal != Minimal::Yes => Some(Hosts::Own),
            _ => None,
        };
        // The keys of a zone are long, and who asks for them or for any of its sets knows its servers.
        let is_wanted = minimal == Minimal::No && !matches!(set.kind, Kind::DS | Kind::DNSKEY);
        let is_wanted = is_wanted && !self.is_any_class && !(set.kind == Kind::NS && node == zone.apex);
        let servers = zone.set(zone.apex, Kind::NS).filter(|servers| {
            is_wanted
                && self.write(Section::Authority, zone, zone.apex, servers, Owner::Node(zone.apex)).is_ok()
        });
        if self.proofs.is_some() {
            self.prove_expansions();
        }
        // What a wildcard stands for is told under the name asked for, which data may mention.
        self.answered = zone.mentioned(name, self.writer.written()).map(|name| (name, set.kind));
        if let Some(hosts) = hosts {
            self.add_addresses(zone, set, None, hosts);
        }
        if let Some(servers) = servers {
            self.add_addresses(zone, servers, hosts.map(|_| set), Hosts::Servers);
        }
    }

    /// Adds the name servers of `zone` and their addresses as they were written before, if that is all there is to add to `set`, and
    /// if they fit as a whole.
    fn add_servers(&mut self, zone: &Zone, node: NodeId, set: &Set, name: &Labels) -> Option<()> {
        let servers = zone.servers.as_ref()?;
        let is_all = !set.kind.names_hosts() && !matches!(set.kind, Kind::DS | Kind::DNSKEY);
        let is_plain = is_all && !self.is_any_class && !self.wants_proofs && self.answered.is_none();
        if !is_plain || servers.has_host(node) {
            return None;
        }
        let apex = name.offset(name.count().saturating_sub(zone.depth));
        servers.write(&mut self.writer, apex).ok()?;
        let [authority, additional] = servers.records;
        self.counts[Section::Authority as usize] += authority;
        self.counts[Section::Additional as usize] += additional;
        Some(())
    }

    /// Adds the addresses of the hosts that `set` names, as far as the zone has them, and `earlier` has not named them.
    fn add_addresses(&mut self, zone: &Zone, set: &Set, earlier: Option<&Set>, hosts: Hosts) {
        for (place, mut target) in zone.targets(set).take(MAX_TARGETS).enumerate() {
            // RFC 9460, 2.5: the root is no host. A service without an alias is where its record is.
            if let Some((owner, Kind::SVCB | Kind::HTTPS)) = self.answered
                && target == NodeId::ROOT
                && place == 0
            {
                target = owner;
            }
            let is_told = |earlier: &Set| {
                names(zone, earlier, MAX_TARGETS, target)
                    && (earlier.kind == Kind::NS || !zone.is_delegated(target))
            };
            if names(zone, set, place, target) || earlier.is_some_and(is_told) {
                continue;
            }
            let is_wanted = match hosts {
                Hosts::Own => !zone.is_delegated(target),
                Hosts::Servers => true,
                Hosts::Glue(cut) => zone.tree.is_within(target, cut),
                Hosts::Siblings(cut) => !zone.tree.is_within(target, cut),
            };
            let Some(node) = zone.host(target).filter(|_| is_wanted) else { continue };
            for kind in [Kind::A, Kind::AAAA] {
                let Some(addresses) = zone.set(node, kind) else { continue };
                if self.answered == Some((target, kind)) {
                    continue;
                }
                let written = self.write(Section::Additional, zone, node, addresses, Owner::Node(target));
                self.is_truncated |= written.is_err() && matches!(hosts, Hosts::Glue(_));
            }
        }
    }
}

/// Whether one of the first `count` records of `set` names `host`.
#[inline(never)]
fn names(zone: &Zone, set: &Set, count: usize, host: NodeId) -> bool {
    zone.targets(set).take(count).any(|target| target == host)
}
