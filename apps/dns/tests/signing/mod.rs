//! Keys, messages, and TSIG records with MACs by another implementation of HMAC, also such as nobody should write.
#![allow(dead_code, reason = "each test file uses its part")]

use ring::hmac;
use unik_dns::tsig::{Algorithm, Key, Verifier};

pub(crate) const NAME: &[u8] = b"\x08transfer\x07example\x03org\0";
pub(crate) const SECRET: &[u8] = b"thirty-two octets of some secret";
/// When all this happens.
pub(crate) const NOW: u64 = 1_800_000_000;

/// A key of ours.
pub(crate) fn key(algorithm: Algorithm) -> Key {
    Key::try_new(NAME, algorithm, SECRET).expect("it is a name")
}

/// A request for `example.org AXFR`.
pub(crate) fn request() -> Vec<u8> {
    let mut request = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    request.extend(b"\x07example\x03org\0\0\xfc\0\x01");
    request
}

/// An answer to it, with one record whose owner is a pointer and whose data are `text`.
pub(crate) fn answer(text: u8) -> Vec<u8> {
    let mut answer = request();
    answer[2..8].copy_from_slice(&[0x84, 0, 0, 1, 0, 1]);
    answer.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 5, 0, 2, 1, text]);
    answer
}

/// `message` in a buffer that has room for a record.
pub(crate) fn roomy(message: &[u8]) -> Vec<u8> {
    let mut buffer = message.to_vec();
    buffer.resize(message.len() + 500, 0xa5);
    buffer
}

/// The request signed at `now`, and what verifies its answers.
pub(crate) fn signed_request(key: &Key, now: u64) -> (Vec<u8>, Verifier) {
    let mut buffer = roomy(&request());
    let (length, verifier) = Verifier::sign(key, &mut buffer, request().len(), now).expect("there is room");
    buffer.truncate(length);
    (buffer, verifier)
}

/// The fields of a record.
#[derive(Clone)]
pub(crate) struct Fields {
    pub(crate) name: Vec<u8>,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    pub(crate) algorithm: Vec<u8>,
    pub(crate) time: u64,
    pub(crate) fudge: u16,
    /// Octets of the MAC that are left.
    pub(crate) mac: usize,
    /// Another identifier than that of the message.
    pub(crate) id: Option<u16>,
    pub(crate) error: u16,
    pub(crate) other: Vec<u8>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            name: NAME.to_vec(),
            class: 255,
            ttl: 0,
            algorithm: b"\x0bhmac-sha256\0".to_vec(),
            time: NOW,
            fudge: 300,
            mac: 32,
            id: None,
            error: 0,
            other: Vec::new(),
        }
    }
}

impl Fields {
    /// Signs `message` with HMAC-SHA256 over `prior`, itself, and these fields, of which all but the times are left out if
    /// `is_later`; gives the message and the MAC.
    pub(crate) fn sign(&self, prior: &[u8], is_later: bool, message: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let id = self.id.unwrap_or(u16::from_be_bytes([message[0], message[1]])).to_be_bytes();
        let time = self.time.to_be_bytes();
        let mut digested = [prior, &id, &message[2..]].concat();
        let (other, fudge) = ((self.other.len() as u16).to_be_bytes(), self.fudge.to_be_bytes());
        if !is_later {
            digested.extend(self.name.to_ascii_lowercase());
            digested.extend(self.class.to_be_bytes());
            digested.extend(self.ttl.to_be_bytes());
            digested.extend(self.algorithm.to_ascii_lowercase());
        }
        digested.extend(&time[2..]);
        digested.extend(fudge);
        if !is_later {
            digested.extend(self.error.to_be_bytes());
            digested.extend(other);
            digested.extend(&self.other);
        }
        let mut mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), &digested).as_ref().to_vec();
        mac.resize(self.mac, 0x77);
        (self.append(message, id, &mac), mac)
    }

    fn append(&self, message: &[u8], id: [u8; 2], mac: &[u8]) -> Vec<u8> {
        let mut data = self.algorithm.clone();
        data.extend(&self.time.to_be_bytes()[2..]);
        data.extend(self.fudge.to_be_bytes());
        data.extend((mac.len() as u16).to_be_bytes());
        data.extend(mac);
        data.extend(id);
        data.extend(self.error.to_be_bytes());
        data.extend((self.other.len() as u16).to_be_bytes());
        data.extend(&self.other);
        let mut signed = message.to_vec();
        signed.extend(&self.name);
        signed.extend(250_u16.to_be_bytes());
        signed.extend(self.class.to_be_bytes());
        signed.extend(self.ttl.to_be_bytes());
        signed.extend((data.len() as u16).to_be_bytes());
        signed.extend(&data);
        signed[11] += 1;
        signed
    }
}

/// A MAC as it is digested with the next message (RFC 8945, 4.3.1).
pub(crate) fn prior(mac: &[u8]) -> Vec<u8> {
    [&(mac.len() as u16).to_be_bytes(), mac].concat()
}

/// The MAC of a message signed by a key of [`NAME`] whose record has no Other Data.
pub(crate) fn mac(message: &[u8], length: usize) -> &[u8] {
    &message[message.len() - 6 - length..message.len() - 6]
}
