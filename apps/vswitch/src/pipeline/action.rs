//! What is done with a frame: actions, and the program of a flow entry that they make.

use super::fields::Field;
use alloc::vec::Vec;

/// One action, of either version of OpenFlow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To a port, real or reserved; a controller gets so many octets at most.
    Output {
        /// The port.
        port: u32,
        /// Octets for a controller.
        most: u16,
    },
    /// The TTL of what is inside becomes that of the outermost header.
    CopyTtlOut,
    /// The other way.
    CopyTtlIn,
    /// Of the outermost MPLS header.
    SetMplsTtl(u8),
    /// Of the outermost MPLS header.
    DecMplsTtl,
    /// A new outermost VLAN tag of this EtherType.
    PushVlan(u16),
    /// Without the outermost VLAN tag.
    PopVlan,
    /// A new outermost MPLS header under this EtherType.
    PushMpls(u16),
    /// Without the outermost MPLS header, behind which is what this EtherType says.
    PopMpls(u16),
    /// The queue of later outputs.
    SetQueue(u32),
    /// Through a group.
    Group(u32),
    /// Of an IP packet.
    SetNwTtl(u8),
    /// Of an IP packet.
    DecNwTtl,
    /// A field gets a value.
    SetField(Field, [u8; 16]),
    /// A new outermost service tag.
    PushPbb(u16),
    /// Without the outermost service tag.
    PopPbb,
    /// OpenFlow 1.0: of the VLAN tag, which is made if there is none.
    SetVlanVid(u16),
    /// OpenFlow 1.0: the same for its priority.
    SetVlanPcp(u8),
    /// OpenFlow 1.0: the source or the destination of TCP or UDP, or type or code of ICMP.
    SetPort {
        /// The source, or the type.
        is_source: bool,
        /// The value.
        port: u16,
    },
    /// OpenFlow 1.0: to a queue of a port.
    Enqueue {
        /// The port.
        port: u32,
        /// The queue.
        queue: u32,
    },
}

impl Action {
    /// A field gets a value.
    pub fn set_field(field: Field, value: u128) -> Action {
        Action::SetField(field, value.to_be_bytes())
    }

    /// When it is done in an action set (OpenFlow 1.3.5, 5.10). Of those with one rank the set holds one, but for fields, of which
    /// it holds one each.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Action::CopyTtlIn => 0,
            Action::PopVlan => 1,
            Action::PopMpls(_) => 2,
            Action::PopPbb => 3,
            Action::PushMpls(_) => 4,
            Action::PushPbb(_) => 5,
            Action::PushVlan(_) => 6,
            Action::CopyTtlOut => 7,
            Action::DecNwTtl => 8,
            Action::DecMplsTtl => 9,
            Action::SetField(..) | Action::SetVlanVid(_) | Action::SetVlanPcp(_) | Action::SetPort { .. } => {
                10
            }
            Action::SetNwTtl(_) => 11,
            Action::SetMplsTtl(_) => 12,
            Action::SetQueue(_) => 13,
            Action::Group(_) => 14,
            Action::Output { .. } | Action::Enqueue { .. } => 15,
        }
    }

    /// Whether `other` takes its place in an action set.
    pub(crate) fn gives_way_to(&self, other: &Action) -> bool {
        match (self, other) {
            (Action::SetField(one, _), Action::SetField(two, _)) => one == two,
            _ => self.rank() == other.rank(),
        }
    }

    /// Whether it leaves the frame as it is.
    pub(crate) fn is_output(&self) -> bool {
        matches!(
            self,
            Action::Output { .. } | Action::Group(_) | Action::SetQueue(_) | Action::Enqueue { .. }
        )
    }
}

/// One step of the program of a flow entry. The steps stand in the order in which instructions are executed (OpenFlow 1.3.5,
/// 5.9); actions belong to the list or the set that was begun last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Measured, and perhaps dropped.
    Meter(u32),
    /// Here begins what is done at once.
    Apply,
    /// The action set is emptied.
    Clear,
    /// Here begins what goes into the action set.
    Write,
    /// An action.
    Action(Action),
    /// The metadata get these bits under this mask.
    Metadata(u64, u64),
    /// The next table.
    Goto(u8),
}

/// The program of a flow entry.
pub type Program = Vec<Step>;
