//! What a `zone:` clause says.

use super::access::Entry;
use super::{MAX_ENTRIES, NO_MEMORY, Reader, WireName};
use crate::master::decimal;
use alloc::vec::Vec;

/// The attributes. Those from `LISTS` on come as often as one likes.
const NAMES: [&[u8]; 14] = [
    b"name:",
    b"zonefile:",
    b"min-refresh-time:",
    b"max-refresh-time:",
    b"min-retry-time:",
    b"max-retry-time:",
    b"min-expire-time:",
    b"size-limit-xfr:",
    b"notify-retry:",
    b"allow-axfr-fallback:",
    b"provide-xfr:",
    b"allow-notify:",
    b"notify:",
    b"request-xfr:",
];
/// Places among them. Four limit times.
const NAME: usize = 0;
const FILE: usize = 1;
const TIMES: usize = 2;
const LEAST_EXPIRE: usize = 6;
const SIZE_LIMIT: usize = 7;
const NOTIFY_RETRY: usize = 8;
const FALLBACK: usize = 9;
const LISTS: usize = 10;
/// From here on they list servers.
const SERVERS: usize = 12;
/// What can stand in place of a least time of expire.
const SUM: &[u8] = b"refresh+retry+1";

/// What is said of a zone.
pub struct ZoneOptions<'f> {
    name: &'f [u8],
    file: Option<&'f str>,
    /// Least and longest time of refresh, then of retry.
    times: [u32; 4],
    /// Least time of expire; `None` for a second more than the other two together.
    least_expire: Option<u32>,
    size_limit: u32,
    notify_retry: u8,
    allows_axfr_fallback: bool,
    /// `provide-xfr:`, `allow-notify:`, `notify:` and `request-xfr:`.
    entries: [Vec<Entry>; 4],
}

impl<'f> ZoneOptions<'f> {
    pub(super) fn new() -> Self {
        Self {
            name: &[],
            file: None,
            times: [0, 4 * 7 * 24 * 60 * 60, 0, 2 * 7 * 24 * 60 * 60], // as with NSD
            least_expire: Some(0),
            size_limit: 0,
            notify_retry: 5,
            allows_axfr_fallback: true,
            entries: [const { Vec::new() }; 4],
        }
    }

    /// Its name as it is written, with or without a dot at its end.
    pub fn name(&self) -> &'f [u8] {
        self.name
    }

    /// Its name as on the wire.
    pub fn wire_name(&self) -> Option<WireName> {
        WireName::parse(self.name)
    }

    /// The path of its master file, from the root of the data on.
    pub fn file(&self) -> Option<&'f str> {
        self.file
    }

    /// Who may have the whole zone, or what changed in it: `provide-xfr:`.
    pub fn provide(&self) -> &[Entry] {
        let [provide, ..] = &self.entries;
        provide
    }

    /// Who may say that it has changed: `allow-notify:`.
    pub fn allow_notify(&self) -> &[Entry] {
        let [_, allow, ..] = &self.entries;
        allow
    }

    /// Who is told that it has changed: `notify:`.
    pub fn notify(&self) -> &[Entry] {
        let [.., notify, _] = &self.entries;
        notify
    }

    /// Whom it is fetched from: `request-xfr:`. If there is nobody, its master file is all there is.
    pub fn request(&self) -> &[Entry] {
        let [.., request] = &self.entries;
        request
    }

    /// How often those that do not answer are told again.
    pub fn notify_retry(&self) -> u8 {
        self.notify_retry
    }

    /// Whether the whole zone is fetched where only what changed cannot be had.
    pub fn allows_axfr_fallback(&self) -> bool {
        self.allows_axfr_fallback
    }

    /// The most octets that are fetched, if there is a limit.
    pub fn size_limit(&self) -> Option<u32> {
        Some(self.size_limit).filter(|limit| *limit > 0)
    }

    /// The times of refresh, retry and expire in seconds that are kept, where the SOA record says `times`.
    pub fn limit(&self, times: [u32; 3]) -> [u32; 3] {
        let ([refresh, retry, expire], [min_refresh, max_refresh, min_retry, max_retry]) =
            (times, self.times);
        let refresh = refresh.min(max_refresh).max(min_refresh);
        let retry = retry.min(max_retry).max(min_retry);
        let sum = refresh.saturating_add(retry).saturating_add(1);
        let least = self.least_expire.unwrap_or(sum);
        [refresh, retry, expire.max(least)]
    }
}

impl<'f> Reader<'f> {
    /// Reads an attribute of a zone.
    #[inline(never)]
    pub(super) fn zone_attribute(&mut self) -> Option<()> {
        let expected = "expected name:, zonefile:, provide-xfr:, allow-notify:, notify:, request-xfr:, or one of min- and \
                        max-refresh-time:, min- and max-retry-time:, min-expire-time:, size-limit-xfr:, notify-retry:, \
                        allow-axfr-fallback:, all that is known of a zone here, or another key: or zone:";
        let attribute = self.attribute(&NAMES, LISTS, expected)?;
        let value = self.value()?;
        if let Some(list) = attribute.checked_sub(LISTS) {
            let is_request = attribute + 1 == NAMES.len();
            let entry = if attribute < SERVERS { self.clients()? } else { self.server(is_request)? };
            return self.add(list, value.at, entry);
        }
        let number = match attribute {
            TIMES..=SIZE_LIMIT if value.text != SUM || attribute != LEAST_EXPIRE => {
                Some(self.number(u32::MAX)?)
            }
            NOTIFY_RETRY => Some(self.number(u8::MAX.into())?),
            NAME => {
                self.take_name()?;
                None
            }
            _ => None,
        };
        let zone = self.zones.last_mut()?; // there is one while there is a clause
        match attribute {
            NAME => zone.name = value.text,
            FILE => {
                let is_path =
                    value.text.first().is_some_and(|first| *first != b'/') && !value.text.contains(&b'%');
                zone.file = core::str::from_utf8(value.text).ok().filter(|_| is_path);
                if zone.file.is_none() {
                    let expected = "expected the path of a file of the data, from its root on, as in \
                                    zones/example.org.zone, without %";
                    return self.scanner.fail(value.at, expected);
                }
            }
            TIMES..LEAST_EXPIRE => {
                *zone.times.get_mut(attribute - TIMES)? = number?;
                // The other one of the two stands beside it. Where only the least is said, it goes before the longest.
                let has_both = self.seen & 1 << (attribute ^ 1) != 0;
                let [least, most] = *zone.times.as_chunks().0.get((attribute - TIMES) / 2)?;
                if has_both && least > most {
                    return self
                        .scanner
                        .fail(value.at, "expected a least time that is no longer than the longest");
                }
            }
            LEAST_EXPIRE => zone.least_expire = number,
            SIZE_LIMIT => zone.size_limit = number?,
            NOTIFY_RETRY => zone.notify_retry = number? as u8, // it is one
            FALLBACK => match value.text {
                b"yes" | b"no" => zone.allows_axfr_fallback = value.text == b"yes",
                _ => return self.scanner.fail(value.at, "expected yes or no"),
            },
            _ => {}
        }
        Some(())
    }

    /// Adds the entry that stands at the place `at` to a list of the zone.
    fn add(&mut self, list: usize, at: usize, entry: Entry) -> Option<()> {
        let list = self.zones.last_mut()?.entries.get_mut(list)?;
        if list.len() == MAX_ENTRIES {
            return self.scanner.fail(at, "expected at most 16 of these in a zone");
        }
        // There are few, so that they may grow one by one.
        if list.try_reserve_exact(1).is_err() {
            return self.scanner.fail(at, NO_MEMORY);
        }
        list.push(entry);
        Some(())
    }

    /// The number that the last word is.
    fn number(&mut self, most: u32) -> Option<u32> {
        let word = self.scanner.word;
        let number = decimal(word.text, most);
        if number.is_none() {
            let expected = if most == u32::MAX {
                "expected a number up to 4294967295"
            } else {
                "expected a number up to 255"
            };
            return self.scanner.fail(word.at, expected);
        }
        number
    }
}
