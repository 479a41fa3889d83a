//! One connection of TLS: octets of records on one side, plain octets on the other.
//!
//! Invariants: what a connection holds is bounded, by [`INPUT_LIMIT`] of records that arrived, as much of plain octets, and
//! [`OUTPUT`] of records to be sent, or one flight of a handshake; rustls is called only where there is memory for what it does.

use super::Moment;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::min;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic};
use rustls::{AlertDescription, CertificateError, Error};
use unik_sched::has_memory;

/// Octets of records that are read at a time, as long as no record is longer.
const INPUT: usize = 2048;
/// The longest record (RFC 8446, 5.2), with some to spare. A message of a handshake has to fit too.
const INPUT_LIMIT: usize = HEADER + 16_384 + 2048;
/// The header of a record (RFC 8446, 5.1).
const HEADER: usize = 5;
/// Octets of records that are prepared to be sent.
const OUTPUT: usize = 8192;
/// What a record is longer than what it carries: header, nonce, kind and tag, with some to spare.
const OVERHEAD: usize = 64;
/// Memory of a queue that is kept while nothing moves.
const KEPT: usize = INPUT;
/// What rustls takes in one turn of a handshake, chains of both sides among it, and behind that. That it is enough is tried in
/// tests/tls_memory.rs.
const HANDSHAKE_MEMORY: usize = 64 * 1024;
const TURN_MEMORY: usize = 4 * 1024;
const TURN_BLOCKS: usize = 64;
/// Turns in which rustls hands out its last words.
const LAST_TURNS: usize = 4;

/// Why a connection cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// There is no memory for it.
    Memory,
    /// What is wrong with the other side, as a sentence that begins with it.
    Refused(&'static str),
}

/// A connection of rustls, in either role.
pub(super) enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// A connection.
pub struct Channel {
    side: Side,
    moment: Arc<Moment>,
    /// Records that arrived, `filled` octets of them.
    input: Vec<u8>,
    filled: usize,
    /// Records to be sent, of which so many octets were.
    output: Vec<u8>,
    sent: usize,
    /// Plain octets that arrived, of which so many were taken.
    plain: Vec<u8>,
    taken: usize,
    /// Both sides have agreed on keys.
    is_open: bool,
    /// The other side has said that nothing more comes.
    is_over: bool,
}

/// What is to be sent.
#[derive(Clone, Copy)]
enum Outgoing<'o> {
    Nothing,
    Data(&'o [u8]),
    /// That nothing more comes.
    End,
}

impl Channel {
    pub(super) fn new(side: Side, moment: Arc<Moment>) -> Self {
        let (input, output, plain) = (Vec::new(), Vec::new(), Vec::new());
        let (filled, sent, taken, is_open, is_over) = (0, 0, 0, false, false);
        Self { side, moment, input, filled, output, sent, plain, taken, is_open, is_over }
    }

    /// Records that are to be sent.
    pub fn output(&self) -> &[u8] {
        self.output.get(self.sent..).unwrap_or_default()
    }

    /// So many octets of them were.
    pub fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.output().is_empty() {
            empty(&mut self.output);
            self.sent = 0;
        }
    }

    /// Where records go that arrive.
    ///
    /// # Errors
    /// There is no memory, or a record is longer than any may be.
    pub fn space(&mut self) -> Result<&mut [u8], Trouble> {
        if self.filled == 0 && self.input.len() > KEPT {
            self.input = Vec::new();
        }
        if self.filled == self.input.len() {
            if self.filled >= INPUT_LIMIT {
                return Err(Trouble::Refused(BROKEN));
            }
            let length = (2 * self.filled).clamp(INPUT, INPUT_LIMIT);
            self.input.try_reserve_exact(length - self.input.len()).map_err(|_| Trouble::Memory)?;
            self.input.resize(length, 0);
        }
        Ok(self.input.get_mut(self.filled..).unwrap_or_default())
    }

    /// So many octets have arrived there, at this date in seconds since the Unix epoch.
    ///
    /// # Errors
    /// The other side is refused; what tells it so is in [`Channel::output`].
    pub fn received(&mut self, count: usize, now: Option<u64>) -> Result<(), Trouble> {
        self.filled = min(self.filled + count, self.input.len());
        self.pump(now, Outgoing::Nothing)
    }

    /// Begins, where this side has the first word.
    ///
    /// # Errors
    /// There is no memory.
    pub fn begin(&mut self, now: Option<u64>) -> Result<(), Trouble> {
        self.pump(now, Outgoing::Nothing)
    }

    /// Whether [`Channel::write`] takes anything: both sides have agreed on keys, and what was prepared is sent.
    pub fn has_room(&self) -> bool {
        self.is_open && self.output.is_empty()
    }

    /// Puts octets into records; how many of them.
    ///
    /// # Errors
    /// There is no memory.
    pub fn write(&mut self, octets: &[u8]) -> Result<usize, Trouble> {
        let octets = octets.get(..OUTPUT - OVERHEAD).unwrap_or(octets);
        self.pump(None, Outgoing::Data(octets))?;
        Ok(octets.len())
    }

    /// Says that nothing more comes, lest somebody else could end it unnoticed (RFC 8446, 6.1).
    pub fn end(&mut self) {
        if self.is_open {
            // Without memory for that it ends unsaid.
            let _ = self.pump(None, Outgoing::End);
        }
    }

    /// Takes plain octets that have arrived; how many.
    pub fn read(&mut self, space: &mut [u8]) -> usize {
        let plain = self.plain.get(self.taken..).unwrap_or_default();
        let length = min(space.len(), plain.len());
        space.iter_mut().zip(plain).for_each(|(place, octet)| *place = *octet);
        self.taken += length;
        if self.taken == self.plain.len() {
            empty(&mut self.plain);
            self.taken = 0;
        }
        length
    }

    /// Whether the other side has said that nothing more comes.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether both sides have agreed on keys.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Reads what has arrived to the end, and then sends.
    #[inline(never)]
    fn pump(&mut self, now: Option<u64>, outgoing: Outgoing<'_>) -> Result<(), Trouble> {
        if !self.is_open {
            self.moment.set(now);
        }
        loop {
            let memory = if self.is_open { TURN_MEMORY } else { HANDSHAKE_MEMORY };
            let size = match outgoing {
                Outgoing::Data(data) => data.len() + OVERHEAD,
                _ => 0,
            };
            if !has_memory(memory + 2 * self.filled + size, TURN_BLOCKS) {
                return Err(Trouble::Memory);
            }
            match self.step(outgoing) {
                Turn::More => {}
                Turn::Over => self.is_over = true,
                Turn::Blocked => return Ok(()),
                Turn::Open => {
                    self.is_open = true;
                    return Ok(());
                }
                Turn::Failed(trouble) => {
                    if trouble != Trouble::Memory {
                        self.complain();
                    }
                    return Err(trouble);
                }
            }
        }
    }

    /// Prepares the alert that says what is wrong, where rustls has one. It is to look at nothing else: what it would find has been
    /// found wrong before.
    #[inline(never)]
    fn complain(&mut self) {
        for _ in 0..LAST_TURNS {
            let has_more = match &self.side {
                Side::Client(side) => side.wants_write(),
                Side::Server(side) => side.wants_write(),
            };
            if !has_more || !matches!(self.step(Outgoing::Nothing), Turn::More) {
                return;
            }
        }
    }

    /// Has rustls look at what has arrived.
    fn step(&mut self, outgoing: Outgoing<'_>) -> Turn {
        let input = self.input.get_mut(..self.filled).unwrap_or_default();
        let (plain, output) = (&mut self.plain, &mut self.output);
        let (discard, turn) = match &mut self.side {
            Side::Client(side) => step(side.process_tls_records(input), plain, output, outgoing),
            Side::Server(side) => step(side.process_tls_records(input), plain, output, outgoing),
        };
        let discard = min(discard, self.filled);
        self.input.copy_within(discard..self.filled, 0);
        self.filled -= discard;
        turn
    }
}

/// What came of a turn of rustls.
enum Turn {
    /// There may be more to do.
    More,
    /// The other side sends nothing more.
    Over,
    /// The handshake waits for the other side.
    Blocked,
    /// It is over, and all is done.
    Open,
    Failed(Trouble),
}

/// Does what rustls asks for. How many octets of records are done with.
fn step<T>(
    UnbufferedStatus { mut discard, state }: UnbufferedStatus<'_, '_, T>,
    plain: &mut Vec<u8>,
    output: &mut Vec<u8>,
    outgoing: Outgoing<'_>,
) -> (usize, Turn) {
    let turn = match state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                None => break Turn::More,
                Some(Err(error)) => break Turn::Failed(Trouble::Refused(sentence(&error))),
                Some(Ok(record)) => {
                    discard += record.discard;
                    if plain.try_reserve(record.payload.len()).is_err() {
                        break Turn::Failed(Trouble::Memory);
                    }
                    plain.extend_from_slice(record.payload);
                }
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            encode(output, OVERHEAD, &mut |space| data.encode(space).map_err(required), Turn::More)
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Turn::More
        }
        Ok(ConnectionState::BlockedHandshake) => Turn::Blocked,
        Ok(ConnectionState::WriteTraffic(traffic)) => write(output, traffic, outgoing),
        Ok(ConnectionState::PeerClosed) => Turn::Over,
        // Both sides are done.
        Ok(ConnectionState::Closed) => Turn::Open,
        Ok(_) => Turn::Failed(Trouble::Refused(BROKEN)),
        Err(error) => Turn::Failed(Trouble::Refused(sentence(&error))),
    };
    (discard, turn)
}

/// Sends what there is to send.
fn write<T>(output: &mut Vec<u8>, mut traffic: WriteTraffic<'_, T>, outgoing: Outgoing<'_>) -> Turn {
    let missing = |error| match error {
        EncryptError::InsufficientSize(error) => Some(error.required_size),
        EncryptError::EncryptExhausted => None,
    };
    match outgoing {
        Outgoing::Nothing => Turn::Open,
        Outgoing::Data(data) => {
            let room = data.len() + OVERHEAD;
            encode(output, room, &mut |space| traffic.encrypt(data, space).map_err(missing), Turn::Open)
        }
        Outgoing::End => {
            let end = &mut |space: &mut [u8]| traffic.queue_close_notify(space).map_err(missing);
            encode(output, OVERHEAD, end, Turn::Open)
        }
    }
}

/// Writes into a space; how much, or how long that has to be, where rustls knows it.
type Encode<'e> = &'e mut dyn FnMut(&mut [u8]) -> Result<usize, Option<usize>>;

/// Appends what `encode` writes into so much room, or into as much as it says that it needs.
fn encode(output: &mut Vec<u8>, mut room: usize, encode: Encode<'_>, done: Turn) -> Turn {
    let start = output.len();
    for _ in 0..2 {
        if output.try_reserve(room).is_err() {
            return Turn::Failed(Trouble::Memory);
        }
        output.resize(start + room, 0);
        let written = encode(output.get_mut(start..).unwrap_or_default());
        output.truncate(start + written.unwrap_or(0));
        match written {
            Ok(_) => return done,
            Err(Some(required)) => room = required,
            Err(None) => break,
        }
    }
    Turn::Failed(Trouble::Refused(BROKEN))
}

fn required(error: EncodeError) -> Option<usize> {
    match error {
        EncodeError::InsufficientSize(error) => Some(error.required_size),
        EncodeError::AlreadyEncoded => None,
    }
}

/// Empties a queue, whose memory is kept where it is little.
fn empty(queue: &mut Vec<u8>) {
    if queue.capacity() > KEPT {
        *queue = Vec::new();
    } else {
        queue.clear();
    }
}

const BROKEN: &str = "it does not keep to TLS";

/// What is wrong with the other side.
#[inline(never)]
fn sentence(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(error) => match error {
            CertificateError::BadSignature => {
                "no authority in tls/cacert.pem has signed its certificate, or that is not its own"
            }
            CertificateError::UnknownIssuer => "no authority in tls/cacert.pem has signed its certificate",
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet"
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                "its certificate is for another purpose"
            }
            _ => "its certificate is damaged, or of a kind that is not known here",
        },
        Error::NoCertificatesPresented => "it shows no certificate",
        Error::FailedToGetCurrentTime => {
            "its certificate cannot be checked: nobody knows the date, ntp= finds it out"
        }
        Error::PeerIncompatible(_) => {
            "it has no version, suite or signature of TLS in common with this switch"
        }
        Error::InvalidMessage(_) => "it does not speak TLS",
        Error::AlertReceived(alert) => match alert {
            AlertDescription::UnknownCA => {
                "it does not know the authority that has signed the certificate of this switch"
            }
            AlertDescription::CertificateExpired => "it says that the certificate of this switch has expired",
            AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::AccessDenied => "it does not accept the certificate of this switch",
            AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion => {
                "it finds no version, suite or signature of TLS in common with this switch"
            }
            _ => "it ends TLS with an alert",
        },
        _ => BROKEN,
    }
}
