//! The actions that change a frame.

use super::{
    Reason,
    action::Action,
    fields::{Field, ICMP, ICMPV6, TCP, UDP, VLAN},
    run::{Dropped, Run},
};
use crate::frame::{
    rewrite::{self, Change, Ttl, set_field},
    tags,
};

/// Tags that are put in and taken out for one frame.
const MOST_TAGS: u32 = 32;

impl Run<'_> {
    pub(super) fn rewrite(&mut self, action: &Action) -> Result<(), Dropped> {
        let Run { frame, parsed, .. } = self;
        match *action {
            Action::SetField(field, value) => self.set_field(field, u128::from_be_bytes(value)),
            Action::CopyTtlOut => {
                rewrite::copy_ttl(*frame, parsed, true);
            }
            Action::CopyTtlIn => {
                rewrite::copy_ttl(*frame, parsed, false);
            }
            Action::SetMplsTtl(ttl) => {
                rewrite::set_mpls_ttl(*frame, parsed, ttl);
            }
            Action::SetNwTtl(ttl) => {
                rewrite::set_ip_ttl(*frame, parsed, ttl);
            }
            Action::DecMplsTtl | Action::DecNwTtl => {
                let is_mpls = *action == Action::DecMplsTtl;
                if rewrite::decrement_ttl(*frame, parsed, is_mpls) == Ttl::Invalid {
                    self.counters.invalid_ttl.increment();
                    self.packet_in(Reason::InvalidTtl, u16::MAX);
                    return Err(Dropped);
                }
            }
            Action::SetVlanVid(vlan) => return self.set_vlan(Field::VLAN_VID, vlan),
            Action::SetVlanPcp(priority) => return self.set_vlan(Field::VLAN_PCP, priority.into()),
            Action::SetPort { is_source, port } => self.set_port(is_source, port),
            _ => return self.tag(action),
        }
        Ok(())
    }

    fn set_field(&mut self, field: Field, value: u128) {
        let change = set_field(self.frame, &mut self.parsed, field, value);
        self.is_stale |= change == Change::Layout;
    }

    /// OpenFlow 1.0, 5.2.4: a frame without a tag gets one.
    fn set_vlan(&mut self, field: Field, value: u16) -> Result<(), Dropped> {
        if self.parsed.fields.get(Field::VLAN_VID) == 0 {
            self.tag(&Action::PushVlan(VLAN))?;
            self.read();
        }
        self.set_field(field, value.into());
        Ok(())
    }

    fn set_port(&mut self, is_source: bool, port: u16) {
        let field = match (self.parsed.fields.protocol(), is_source) {
            (TCP, true) => Field::TCP_SRC,
            (TCP, false) => Field::TCP_DST,
            (UDP, true) => Field::UDP_SRC,
            (UDP, false) => Field::UDP_DST,
            (ICMP, true) => Field::ICMPV4_TYPE,
            (ICMP, false) => Field::ICMPV4_CODE,
            (ICMPV6, true) => Field::ICMPV6_TYPE,
            (ICMPV6, false) => Field::ICMPV6_CODE,
            (_, true) => Field::SCTP_SRC,
            (_, false) => Field::SCTP_DST,
        };
        self.set_field(field, port.into());
    }

    /// Puts a tag in or takes one out. A frame that has no room for one more is dropped.
    fn tag(&mut self, action: &Action) -> Result<(), Dropped> {
        self.tags_done += 1;
        let Run { frame, parsed, .. } = self;
        let (is_done, is_in, length) = match *action {
            _ if self.tags_done > MOST_TAGS => (false, true, 0),
            Action::PushVlan(kind) => (tags::push_vlan(*frame, kind), true, 4),
            Action::PushMpls(kind) => (tags::push_mpls(*frame, parsed, kind), true, 4),
            Action::PushPbb(kind) => (tags::push_pbb(*frame, parsed, kind), true, tags::SERVICE as isize),
            Action::PopVlan => (tags::pop_vlan(*frame), false, -4),
            Action::PopMpls(kind) => (tags::pop_mpls(*frame, parsed, kind), false, -4),
            _ => (tags::pop_pbb(*frame, parsed), false, -(tags::SERVICE as isize)),
        };
        if is_done {
            self.is_stale = true;
            self.moved += length;
        }
        // What has no tag to take out stays as it is.
        if is_done || !is_in {
            return Ok(());
        }
        self.counters.no_room.increment();
        Err(Dropped)
    }
}
