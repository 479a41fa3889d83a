//! Checksums that follow a change: RFC 1624 for those of the Internet, CRC32c for SCTP (RFC 9260, appendix A).

use super::parse::be16;

/// What the sum of the octets from `at` to `end` gains when `new` is written there. All headers begin at even places.
pub(super) fn difference(bytes: &[u8], at: usize, new: &[u8]) -> u64 {
    let end = at + new.len();
    let mut sum = 0;
    let mut place = at & !1;
    while place < end {
        let word = be16(bytes, place).unwrap_or(0);
        let [high, low] = word.to_be_bytes();
        let fresh = |old: u8, place: usize| {
            place.checked_sub(at).and_then(|index| new.get(index)).copied().unwrap_or(old)
        };
        let changed = u16::from_be_bytes([fresh(high, place), fresh(low, place + 1)]);
        sum += u64::from(!word) + u64::from(changed);
        place += 2;
    }
    sum
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Adds a difference to the checksum at `at`. The sum is stored as it is where it is `partial`.
pub(super) fn adjust(bytes: &mut [u8], at: usize, difference: u64, is_partial: bool) {
    let Some(old) = be16(bytes, at) else { return };
    let new =
        if is_partial { fold(u64::from(old) + difference) } else { !fold(u64::from(!old) + difference) };
    put(bytes, at, &new.to_be_bytes());
}

/// Stores the checksum of the octets from `start` on at `at`, where the sum of the pseudo header stands.
pub(crate) fn complete(bytes: &mut [u8], start: usize, at: usize) {
    let Some((words, last)) = bytes.get(start..).map(<[u8]>::as_chunks) else { return };
    let sum: u64 = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum();
    let last = last.first().map_or(0, |octet| u64::from(*octet) << 8);
    // Zero would say that there is none (RFC 768); the other zero is as good for TCP.
    let value = match !fold(sum + last) {
        0 => !0,
        value => value,
    };
    put(bytes, at, &value.to_be_bytes());
}

/// Writes octets, if there is room for all of them.
pub(super) fn put(bytes: &mut [u8], at: usize, octets: &[u8]) -> bool {
    let Some(place) = bytes.get_mut(at..at + octets.len()) else { return false };
    place.copy_from_slice(octets);
    true
}

/// The remainders of the sixteen half octets, lowest bit first.
static HALVES: [u32; 16] = {
    let mut table = [0; 16];
    let mut at = 0;
    while at < 16 {
        let mut value = at as u32;
        let mut bit = 0;
        while bit < 4 {
            value = value >> 1 ^ (0x82f6_3b78 & (value & 1).wrapping_neg());
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
};

/// The CRC32c of `octets`, behind what `before` holds (at first all ones; inverted at the end).
fn crc(octets: &[u8], before: u32) -> u32 {
    octets.iter().fold(before, |mut crc, octet| {
        crc ^= u32::from(*octet);
        for _ in 0..2 {
            crc = crc >> 4 ^ HALVES[(crc & 15) as usize];
        }
        crc
    })
}

/// Stores the checksum of the SCTP packet from `start` to `end`, and says so if there is one.
pub(super) fn seal_sctp(bytes: &mut [u8], start: usize, end: usize) -> bool {
    if !put(bytes, start + 8, &[0; 4]) {
        return false;
    }
    let Some(packet) = bytes.get(start..end) else { return false };
    let value = !crc(packet, u32::MAX);
    put(bytes, start + 8, &value.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_crc32c_comes_out() {
        assert_eq!(!crc(b"123456789", u32::MAX), 0xe306_9283);
    }

    #[test]
    fn a_difference_is_that_of_the_words_it_touches() {
        let bytes = [0x12, 0x34, 0x56, 0x78];
        // 0x34 becomes 0x35, and 0x56 0x58.
        let sum = difference(&bytes, 1, &[0x35, 0x58]);
        assert_eq!(fold(sum), 0x0201);
    }
}
