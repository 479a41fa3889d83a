//! Names, types and addresses as the log and the operator read them.

use crate::kind::Kind;
use core::fmt::{self, Write};
use core::net::{IpAddr, SocketAddr};

/// Writes a label and the dot behind it (RFC 1035, 5.1): special characters are escaped.
pub(crate) fn write_label(f: &mut fmt::Formatter<'_>, label: &[u8]) -> fmt::Result {
    for &byte in label {
        match byte {
            b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => f.write_char('\\')?,
            b'!'..=b'~' => {}
            _ => {
                write!(f, "\\{byte:03}")?;
                continue;
            }
        }
        f.write_char(char::from(byte))?;
    }
    f.write_char('.')
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.name() {
            return f.write_str(name);
        }
        f.write_str("TYPE")?;
        self.code().fmt(f)
    }
}

/// An address: all groups of an IPv6 address, because what leaves out zeros takes more than a kilobyte.
pub(crate) struct Address(pub(crate) IpAddr);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => {
                for (number, group) in address.segments().into_iter().enumerate() {
                    if number > 0 {
                        f.write_char(':')?;
                    }
                    write!(f, "{group:x}")?;
                }
                Ok(())
            }
        }
    }
}

/// An address and a port.
pub(crate) struct End(pub(crate) SocketAddr);

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_six = self.0.is_ipv6();
        if is_six {
            f.write_char('[')?;
        }
        Address(self.0.ip()).fmt(f)?;
        f.write_str(if is_six { "]:" } else { ":" })?;
        self.0.port().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn ends_of_connections_read_back() {
        for text in ["192.0.2.1:53", "[2001:db8:0:0:0:0:0:1]:5300"] {
            assert_eq!(format!("{}", End(text.parse().unwrap())), text);
        }
    }

    #[test]
    fn types_have_their_names_or_their_numbers() {
        let names = [1, 65, 251, 252, 255, 65_280].map(|code| format!("{}", Kind::new(code)));
        assert_eq!(names, ["A", "HTTPS", "IXFR", "AXFR", "ANY", "TYPE65280"]);
    }
}
