//! Cyclic checksums of 32 bits, reflected, four bits of the data at a time.

/// The polynomials, reflected: that of GPT, and Castagnoli's, which ext4 has (RFC 3720, 12.1).
const IEEE: [u32; 16] = table(0xedb8_8320);
const CASTAGNOLI: [u32; 16] = table(0x82f6_3b78);

/// A checksum on its way.
#[derive(Clone, Copy)]
pub(crate) struct Crc {
    table: &'static [u32; 16],
    value: u32,
}

impl Crc {
    /// As in GPT: begun and ended with all bits turned over.
    pub(crate) fn ieee() -> Self {
        Self { table: &IEEE, value: !0 }
    }

    /// As in ext4, where nothing is turned over at the end, and the value may be that of another one.
    pub(crate) fn castagnoli(value: u32) -> Self {
        Self { table: &CASTAGNOLI, value }
    }

    /// Takes bytes in.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.value ^= u32::from(byte);
            for _ in 0..2 {
                let low = self.table.get(self.value as usize & 0xf).copied().unwrap_or_default();
                self.value = self.value >> 4 ^ low;
            }
        }
    }

    /// The value with all bits turned over.
    pub(crate) fn finish(self) -> u32 {
        !self.value
    }

    /// The value as it is.
    pub(crate) fn value(self) -> u32 {
        self.value
    }
}

const fn table(polynomial: u32) -> [u32; 16] {
    let mut table = [0; 16];
    let mut index = 0;
    while index < 16 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 4 {
            value = if value & 1 == 1 { value >> 1 ^ polynomial } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_have_the_values_that_are_published_for_them() {
        let mut crc = Crc::ieee();
        crc.update(b"123456789");
        assert_eq!(crc.finish(), 0xcbf4_3926);
        let mut crc = Crc::castagnoli(!0);
        crc.update(b"1234");
        crc.update(b"56789");
        assert_eq!(!crc.value(), 0xe306_9283);
    }
}
