//! Levels of the log: one for all, and others for single modules.
//!
//! Pure. The `log` facade knows one level, below which nothing is even formatted: [`Levels::most`] is it.

use log::LevelFilter;

/// Modules that have a level of their own.
const MODULE_LIMIT: usize = 8;
/// The most bytes of a module's path.
pub const PATH_LIMIT: usize = 80;

/// Which records are written.
pub struct Levels {
    all: LevelFilter,
    modules: [Module; MODULE_LIMIT],
    used: usize,
}

#[derive(Clone, Copy)]
struct Module {
    path: [u8; PATH_LIMIT],
    length: usize,
    level: LevelFilter,
}

impl Levels {
    /// Nothing is written.
    pub const fn new() -> Self {
        let none = Module { path: [0; PATH_LIMIT], length: 0, level: LevelFilter::Off };
        Self { all: LevelFilter::Off, modules: [none; MODULE_LIMIT], used: 0 }
    }

    /// The level of a target: that of the longest path that it lies in.
    pub fn of(&self, target: &str) -> LevelFilter {
        let mut found = (0, self.all);
        for module in self.modules() {
            if module.length > found.0 && module.contains(target) {
                found = (module.length, module.level);
            }
        }
        found.1
    }

    /// Sets the level of all that have none of their own.
    pub fn all(&mut self, level: LevelFilter) {
        self.all = level;
    }

    /// Sets the level of the module `path` and of all below it, or lets it go the way of what it lies in. An empty path
    /// stands for everything. False where as many modules as possible have a level, or the path is too long.
    pub fn set(&mut self, path: &str, level: Option<LevelFilter>) -> bool {
        if path.is_empty() {
            self.all(level.unwrap_or(LevelFilter::Info));
            return true;
        }
        let known = self.modules().iter().position(|module| module.path() == path.as_bytes());
        let Some(level) = level else {
            if let Some(index) = known {
                // The last one moves to its place.
                self.used -= 1;
                if let Some(last) = self.modules.get(self.used).copied()
                    && let Some(place) = self.modules.get_mut(index)
                {
                    *place = last;
                }
            }
            return true;
        };
        let index = known.unwrap_or(self.used);
        let Some(module) = self.modules.get_mut(index) else { return false };
        let Some(place) = module.path.get_mut(..path.len()) else { return false };
        place.copy_from_slice(path.as_bytes());
        (module.length, module.level) = (path.len(), level);
        self.used = self.used.max(index + 1);
        true
    }

    /// The most that any target has.
    pub fn most(&self) -> LevelFilter {
        self.modules().iter().fold(self.all, |most, module| most.max(module.level))
    }

    /// Calls `visit` with each path that has a level, the empty one first.
    pub fn visit(&self, visit: &mut dyn FnMut(&str, LevelFilter)) {
        visit("", self.all);
        for module in self.modules() {
            visit(str::from_utf8(module.path()).unwrap_or_default(), module.level);
        }
    }

    fn modules(&self) -> &[Module] {
        self.modules.get(..self.used).unwrap_or_default()
    }
}

impl Default for Levels {
    fn default() -> Self {
        Self::new()
    }
}

impl Module {
    fn path(&self) -> &[u8] {
        self.path.get(..self.length).unwrap_or_default()
    }

    fn contains(&self, target: &str) -> bool {
        let rest = target.as_bytes().strip_prefix(self.path());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"::"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    fn info() -> Levels {
        let mut levels = Levels::new();
        assert!(levels.set("", Some(LevelFilter::Info)));
        levels
    }

    #[test]
    fn the_longest_path_that_a_target_lies_in_counts() {
        let mut levels = info();
        assert!(levels.set("unik_net", Some(LevelFilter::Debug)));
        assert!(levels.set("unik_net::tcp", Some(LevelFilter::Off)));
        assert_eq!(levels.of("unik_net"), LevelFilter::Debug);
        assert_eq!(levels.of("unik_net::udp::table"), LevelFilter::Debug);
        assert_eq!(levels.of("unik_net::tcp::table"), LevelFilter::Off);
        assert_eq!(levels.of("unik_network"), LevelFilter::Info);
        assert_eq!(levels.most(), LevelFilter::Debug);
    }

    #[test]
    fn a_level_is_replaced_and_given_up() {
        let mut levels = info();
        for level in [LevelFilter::Debug, LevelFilter::Trace] {
            assert!(levels.set("a", Some(level)));
        }
        assert!(levels.set("b", Some(LevelFilter::Warn)));
        assert_eq!(levels.of("a"), LevelFilter::Trace);
        assert!(levels.set("a", None) && levels.set("a", None));
        assert_eq!((levels.of("a"), levels.of("b")), (LevelFilter::Info, LevelFilter::Warn));
        assert!(levels.set("", Some(LevelFilter::Error)));
        let mut seen = std::vec::Vec::new();
        levels.visit(&mut |path, level| seen.push(format!("{path}={level}")));
        assert_eq!(seen, ["=ERROR", "b=WARN"]);
        assert!(levels.set("", None));
        assert_eq!(levels.of(""), LevelFilter::Info);
    }

    #[test]
    fn there_is_room_for_a_fixed_number_of_modules_and_no_path_is_too_long() {
        let mut levels = info();
        for index in 0..MODULE_LIMIT {
            assert!(levels.set(&format!("module{index}"), Some(LevelFilter::Debug)));
        }
        assert!(!levels.set("one_more", Some(LevelFilter::Debug)));
        assert!(levels.set("module3", None));
        assert!(!levels.set(&"x".repeat(PATH_LIMIT + 1), Some(LevelFilter::Debug)));
        assert!(levels.set("one_more", Some(LevelFilter::Debug)));
    }
}
