//! Aliases: CNAME records, those that a DNAME record stands for, and the end of chains of them (RFC 6672).

use super::{Response, Section};
use crate::kind::Kind;
use crate::labels::{Labels, skip};
use crate::query::{CLASS_IN, Code};
use crate::tree::{MAX_NAME, NodeId};
use crate::writer::{Full, Owner};
use crate::zone::{Set, Zone};

/// The most aliases followed for one question. One more is not told, and the answer ends before it.
const MAX_ALIASES: usize = 10;

/// The names that aliases led away from.
pub(super) struct Chain<'s> {
    /// Where they stand in the message.
    names: [u16; MAX_ALIASES],
    /// DNAME records that were told.
    told: [Option<&'s Set>; MAX_ALIASES],
    count: usize,
}

impl<'s> Chain<'s> {
    pub(super) fn new() -> Self {
        Self { names: [0; MAX_ALIASES], told: [None; MAX_ALIASES], count: 0 }
    }

    /// Whether no more aliases are followed.
    pub(super) fn is_full(&self) -> bool {
        self.count >= MAX_ALIASES
    }

    /// Whether `set`, of the type DNAME, is in the answer.
    #[inline(never)]
    pub(super) fn has_told(&self, set: &Set) -> bool {
        self.told.iter().flatten().any(|told| core::ptr::eq(*told, set))
    }
}

impl<'s> Response<'s, '_> {
    /// Writes the alias of `node` that stands at `name`, and goes on to the name that it stands for; `None` at the end of the chain.
    #[inline(never)]
    pub(super) fn follow(
        &mut self,
        zone: &Zone,
        node: NodeId,
        alias: &Set,
        name: &mut Labels,
        chain: &mut Chain<'s>,
    ) -> Option<()> {
        let at = self.writer.at();
        self.require(Section::Answer, zone, node, alias, Owner::At(name.offset(0)))?;
        self.go_on(at, name, chain)
    }

    /// Writes the DNAME record of `encloser`, a name above `name`, and the alias that it makes of `name`, and goes on to
    /// the name that it stands for; `None` at the end of the chain.
    #[inline(never)]
    pub(super) fn redirect(
        &mut self,
        zone: &'s Zone,
        encloser: NodeId,
        redirection: &'s Set,
        name: &mut Labels,
        chain: &mut Chain<'s>,
    ) -> Option<()> {
        let target = zone.targets(redirection).next()?;
        let above = name.count().saturating_sub(zone.tree.depth(encloser));
        if chain.has_told(redirection) {
            // A name that is led below the DNAME record itself would come back longer each time.
            if zone.tree.is_within(target, encloser) {
                return None;
            }
        } else {
            self.require(Section::Answer, zone, encloser, redirection, Owner::At(name.offset(above)))?;
            *chain.told.get_mut(chain.count)? = Some(redirection);
        }
        let mark = self.writer.mark();
        let at = self.writer.at();
        if self.synthesize(zone, redirection, target, name, above).is_err() {
            self.writer.rewind(mark);
            self.is_truncated = self.code == Code::NoError;
            return None;
        }
        self.counts[Section::Answer as usize] += 1; // far fewer than 65535
        self.go_on(at, name, chain)
    }

    /// Writes the CNAME record that leads from `name` to its first `above` labels under `target`. RFC 6672, 3.1: its TTL is
    /// that of the DNAME record.
    #[inline(never)]
    fn synthesize(
        &mut self,
        zone: &Zone,
        redirection: &Set,
        target: NodeId,
        name: &Labels,
        above: usize,
    ) -> Result<(), Full> {
        let writer = &mut self.writer;
        writer.pointer(name.offset(0))?;
        let start = writer.fixed(Kind::CNAME, CLASS_IN, redirection.time_to_live)?;
        for index in 0..above {
            let length = name.octets(writer.written(), index).len();
            writer.copy(name.offset(index).into(), 1 + length)?;
        }
        // RFC 6672, 2.2: a name that gets too long is told so.
        if writer.at() - start + zone.tree.length(target) > MAX_NAME {
            self.code = Code::NameTooLong;
            return Err(Full);
        }
        writer.name(&zone.tree, target, true)?;
        writer.close(start);
        Ok(())
    }

    /// Makes `name` that which the alias at `at` leads to, unless an alias led away from it before: then what was said is
    /// all there is to say.
    fn go_on(&mut self, at: usize, name: &mut Labels, chain: &mut Chain<'s>) -> Option<()> {
        *chain.names.get_mut(chain.count)? = name.offset(0);
        chain.count += 1;
        // Behind the owner stand ten octets and the name.
        let message = self.writer.written();
        name.follow(message, skip(message, at)? + 10)?;
        let is_new = !chain.names.iter().take(chain.count).any(|&earlier| name.is_at(message, earlier));
        is_new.then_some(())
    }
}
