//! Questions of our own: is there a newer version, what is in it, and that there is one.

use super::TransferError;
use crate::draft::wire::Record;
use crate::kind::Kind;
use crate::labels::Labels;
use crate::query::{CLASS_IN, HEADER, flag, header, u16_at};
use crate::writer::{Full, Owner, Writer};
use crate::zone::Zone;

/// Room for a question: a name, a SOA record with two others, and what signs it.
pub(crate) const ROOM: usize = 1232;
/// Octets of a question behind its name.
pub(super) const QUESTION: usize = 4;
/// The bits of the flags that hold the code of an answer.
pub(super) const CODE: u16 = 0xf;

/// Writes the question with the identifier `id` for records of type `kind` of the zone called `name`, a name on the wire, into
/// `out`, and gives its length. With `current`, the version that we have, it is a question for differences to that.
///
/// # Errors
/// [`Full`] where `out` is shorter than [`ROOM`].
pub(crate) fn question(
    out: &mut [u8],
    id: u16,
    name: &[u8],
    kind: Kind,
    current: Option<&Zone>,
) -> Result<usize, Full> {
    begin(out, id, 0, name, kind)?;
    let end = HEADER + name.len() + QUESTION;
    let mut writer = Writer::try_new(out, end, ROOM, 0).ok_or(Full)?;
    if let Some(zone) = current {
        // RFC 1995, 3: the version is told by its SOA record, in the section of authority.
        own_record(&mut writer, zone, 8)?;
    }
    Ok(writer.at())
}

/// Writes the message with the identifier `id` that tells a secondary of the version `zone` (RFC 1996, 3.7), likewise.
///
/// # Errors
/// [`Full`] where `out` is shorter than [`ROOM`].
pub(crate) fn notice(out: &mut [u8], id: u16, zone: &Zone) -> Result<usize, Full> {
    let name = zone.wire_name.get(..zone.length).ok_or(Full)?;
    begin(out, id, flag::NOTIFY | flag::AUTHORITATIVE, name, Kind::SOA)?;
    let mut writer = Writer::try_new(out, HEADER + name.len() + QUESTION, ROOM, 0).ok_or(Full)?;
    own_record(&mut writer, zone, 6)?;
    Ok(writer.at())
}

/// Checks that `message` answers the question of ours with the identifier `id` for records of type `kind` of the zone `name`.
///
/// # Errors
/// It does not, or says why it does not give what was asked for.
pub(crate) fn check(message: &[u8], id: u16, name: &[u8], kind: Kind) -> Result<(), TransferError> {
    let [its_id, flags, questions, ..] = header(message).ok_or(TransferError::Malformed)?;
    if its_id != id || flags & (flag::RESPONSE | flag::OPCODE) != flag::RESPONSE {
        return Err(TransferError::Malformed);
    }
    if flags & CODE != 0 {
        return Err(TransferError::Code((flags & CODE) as u8));
    }
    // RFC 5936, 2.2.1: only the first message of a transfer has to have the question.
    let mut labels = Labels::new();
    let mut is_ours = || {
        let end = labels.read(message, HEADER)?;
        Some(u16_at(message, end)? == kind.code() && labels.is_wire_name(message, name))
    };
    let is_ours = questions == 0 && kind != Kind::SOA || questions == 1 && is_ours() == Some(true);
    if is_ours && flags & flag::TRUNCATED == 0 { Ok(()) } else { Err(TransferError::Malformed) }
}

/// The number of the version that `message`, an answer with its question, tells of the zone `name`.
///
/// # Errors
/// [`TransferError::Lame`] if it does not know.
pub(crate) fn serial(message: &[u8], name: &[u8]) -> Result<u32, TransferError> {
    let [_, flags, _, answers, ..] = header(message).ok_or(TransferError::Malformed)?;
    if answers == 0 || flags & flag::AUTHORITATIVE == 0 {
        return Err(TransferError::Lame);
    }
    let record = Record::read(message, HEADER + name.len() + QUESTION);
    let serial = record.filter(|record| record.is_owned_by(name)).and_then(|record| record.serial());
    serial.ok_or(TransferError::Malformed)
}

/// The identifier and the code of an answer to a notice.
pub(crate) fn answer_to_notice(message: &[u8]) -> Option<(u16, u8)> {
    let [id, flags, ..] = header(message)?;
    let wanted = flag::RESPONSE | flag::NOTIFY;
    (flags & (flag::RESPONSE | flag::OPCODE) == wanted).then_some((id, (flags & CODE) as u8))
}

fn begin(out: &mut [u8], id: u16, flags: u16, name: &[u8], kind: Kind) -> Result<(), Full> {
    let (header, rest) = out.split_first_chunk_mut::<HEADER>().ok_or(Full)?;
    *header = [0; HEADER];
    for (octets, field) in header.as_chunks_mut().0.iter_mut().zip([id, flags, 1]) {
        *octets = field.to_be_bytes();
    }
    let (place, rest) = rest.split_at_mut_checked(name.len()).ok_or(Full)?;
    place.copy_from_slice(name);
    let [k0, k1] = kind.code().to_be_bytes();
    let [c0, c1] = CLASS_IN.to_be_bytes();
    *rest.first_chunk_mut().ok_or(Full)? = [k0, k1, c0, c1];
    Ok(())
}

/// Adds the SOA record of `zone`, whose name is that of the question, to the section that is counted at `count`.
fn own_record(writer: &mut Writer<'_>, zone: &Zone, count: usize) -> Result<(), Full> {
    let (set, data) = zone.authority().ok_or(Full)?;
    writer.record(&zone.tree, Owner::At(HEADER as u16), set, set.time_to_live, data)?;
    writer.patch(count, 1_u16.to_be_bytes());
    Ok(())
}
