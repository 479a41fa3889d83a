//! The self-check: what the page tables in force really allow.
//!
//! It follows the tables the way the processor does and trusts nothing that was remembered from building them. Pure but
//! for the way an entry is read, so that tables that lie are checked on the host. Intel SDM 3A, 4.5.

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// Bits of an address that the entries of one level leave open, from the first level of tables to the last.
const LEVELS: [u32; 4] = [39, 30, 21, 12];
/// Tables that are looked at; more are a loop.
const TABLE_LIMIT: usize = 4096;

/// What is wrong with the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// A page can be written and executed.
    WritableCode(u64),
    /// A page that must never be reached is mapped: page zero, or the guard below a stack.
    MappedGuard(u64),
    /// A table of pages can be written.
    WritableTable(u64),
    /// A page is open to user mode, which does not exist here.
    UserPage(u64),
    /// There are more tables than memory is mapped by.
    TooManyTables,
}

impl core::fmt::Display for Flaw {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (sentence, address) = match self {
            Self::WritableCode(address) => ("a page can be written and executed", address),
            Self::MappedGuard(address) => ("a page that must not be reached is mapped", address),
            Self::WritableTable(address) => ("a page table can be written", address),
            Self::UserPage(address) => ("a page is open to user mode", address),
            Self::TooManyTables => return f.write_str("the page tables have no end"),
        };
        write!(f, "{sentence}: {address:#x}")
    }
}

impl core::error::Error for Flaw {}

/// Follows all tables from `root`; the number of pages that are mapped, large ones as one. `guards` are addresses that
/// must not be.
///
/// # Errors
/// The first [`Flaw`].
pub fn check(root: u64, entry: &dyn Fn(u64) -> u64, guards: &[u64]) -> Result<usize, Flaw> {
    let mut walk = Walk { root, entry, guards, tables: 0, pages: 0 };
    walk.table(root, 0, 0, WRITABLE | USER)?;
    Ok(walk.pages)
}

struct Walk<'a> {
    root: u64,
    entry: &'a dyn Fn(u64) -> u64,
    guards: &'a [u64],
    tables: usize,
    pages: usize,
}

impl Walk<'_> {
    /// One table, whose first entry stands for `base`. `rights` are the bits that all entries above agree on: writing
    /// needs all of them, and not executing any of them.
    fn table(&mut self, table: u64, level: usize, base: u64, rights: u64) -> Result<(), Flaw> {
        self.tables += 1;
        if self.tables > TABLE_LIMIT {
            return Err(Flaw::TooManyTables);
        }
        if self.rights_of(table) & WRITABLE != 0 {
            return Err(Flaw::WritableTable(table));
        }
        let Some(shift) = LEVELS.get(level) else { return Ok(()) };
        for index in 0..512 {
            let value = (self.entry)(table + index * 8);
            if value & PRESENT == 0 {
                continue;
            }
            let address = base | index << shift;
            let combined = (rights & value & (WRITABLE | USER)) | ((rights | value) & NO_EXECUTE);
            if level + 1 < LEVELS.len() && value & LARGE == 0 {
                self.table(value & ADDRESS, level + 1, address, combined)?;
            } else {
                self.page(address, 1 << shift, combined)?;
            }
        }
        Ok(())
    }

    fn page(&mut self, address: u64, size: u64, rights: u64) -> Result<(), Flaw> {
        self.pages += 1;
        if rights & WRITABLE != 0 && rights & NO_EXECUTE == 0 {
            return Err(Flaw::WritableCode(address));
        }
        if rights & USER != 0 {
            return Err(Flaw::UserPage(address));
        }
        match self.guards.iter().find(|guard| (address..address + size).contains(guard)) {
            Some(guard) => Err(Flaw::MappedGuard(*guard)),
            None => Ok(()),
        }
    }

    /// The rights of the page at an address, as the processor finds them.
    fn rights_of(&self, address: u64) -> u64 {
        let (mut table, mut rights) = (self.root, WRITABLE);
        for (level, shift) in LEVELS.iter().enumerate() {
            let value = (self.entry)(table + (address >> shift & 511) * 8);
            if value & PRESENT == 0 {
                return 0;
            }
            rights &= value;
            if value & LARGE != 0 && level > 0 {
                break;
            }
            table = value & ADDRESS;
        }
        rights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The tables lie here.
    const TABLES: u64 = 0x20_0000;

    /// Four tables below each other, the entries of the last one, and the page that maps them all.
    fn tables(last: &[(u64, u64)]) -> BTreeMap<u64, u64> {
        let mut memory = BTreeMap::new();
        let below = |level: u64| TABLES + level * 4096;
        memory.insert(TABLES, below(1) | PRESENT | WRITABLE);
        memory.insert(below(1), below(2) | PRESENT | WRITABLE);
        memory.insert(below(2), below(3) | PRESENT | WRITABLE);
        memory.insert(below(2) + 8, 0x20_0000 | PRESENT | LARGE | NO_EXECUTE);
        for (index, value) in last {
            memory.insert(below(3) + index * 8, index << 12 | value);
        }
        memory
    }

    fn verdict(memory: &BTreeMap<u64, u64>) -> Result<usize, Flaw> {
        check(TABLES, &|address| memory.get(&address).copied().unwrap_or(0), &[0, 0x5000])
    }

    #[test]
    fn tables_that_give_each_page_what_it_needs_have_no_flaw() {
        let pages = [(1, PRESENT), (2, PRESENT | NO_EXECUTE), (3, PRESENT | WRITABLE | NO_EXECUTE)];
        assert_eq!(verdict(&tables(&pages)), Ok(4));
    }

    #[test]
    fn a_page_that_can_be_written_and_executed_is_found() {
        assert_eq!(verdict(&tables(&[(7, PRESENT | WRITABLE)])), Err(Flaw::WritableCode(0x7000)));
    }

    #[test]
    fn a_right_counts_only_where_all_tables_give_it() {
        let mut memory = tables(&[(7, PRESENT | WRITABLE | USER)]);
        memory.insert(TABLES + 2 * 4096, (TABLES + 3 * 4096) | PRESENT);
        assert_eq!(verdict(&memory), Ok(2), "the table above does not let anybody write");
        for level in 0..3 {
            let entry = memory.get_mut(&(TABLES + level * 4096)).expect("it is there");
            *entry |= USER;
        }
        assert_eq!(verdict(&memory), Err(Flaw::UserPage(0x7000)));
    }

    #[test]
    fn a_guard_that_is_mapped_is_found() {
        assert_eq!(verdict(&tables(&[(0, PRESENT | NO_EXECUTE)])), Err(Flaw::MappedGuard(0)));
        assert_eq!(verdict(&tables(&[(5, PRESENT | NO_EXECUTE)])), Err(Flaw::MappedGuard(0x5000)));
    }

    #[test]
    fn a_table_that_can_be_written_is_found() {
        let mut memory = tables(&[]);
        memory.insert(TABLES + 2 * 4096 + 8, 0x20_0000 | PRESENT | LARGE | WRITABLE | NO_EXECUTE);
        assert_eq!(verdict(&memory), Err(Flaw::WritableTable(TABLES)));
    }

    #[test]
    fn tables_that_lead_back_to_themselves_come_to_an_end() {
        // Each entry of the first table leads to a second one, whose entries lead to a third, and so on without an end to
        // count to.
        let mut memory = BTreeMap::new();
        for level in 0..3 {
            for index in 0..512 {
                let below = TABLES + (level + 1) * 4096;
                memory.insert(TABLES + level * 4096 + index * 8, below | PRESENT | NO_EXECUTE);
            }
        }
        assert_eq!(verdict(&memory), Err(Flaw::TooManyTables));
    }
}
