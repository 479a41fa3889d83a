//! A picture and a film, as small as they can be.

/// Octets of nothing between the beginning of the film and its end.
pub(crate) const GAP: usize = 3 << 20;

/// A picture of one colour (RFC 2083), not compressed.
pub(crate) fn png(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    // Each line as it is: no filter (6.2).
    let row = [vec![0], colour.repeat(width as usize)].concat();
    let rows = row.repeat(height as usize);
    let length = u16::try_from(rows.len()).unwrap();
    // One block that is stored (RFC 1950, 2.2 and RFC 1951, 3.2.4).
    let mut packed = vec![0x78, 0x01, 0x01];
    packed.extend(length.to_le_bytes());
    packed.extend((!length).to_le_bytes());
    packed.extend(&rows);
    packed.extend(adler(&rows).to_be_bytes());
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 2, 0, 0, 0]); // eight bits of each colour, no palette
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, contents) in [(b"IHDR", header), (b"IDAT", packed), (b"IEND", Vec::new())] {
        png.extend(u32::try_from(contents.len()).unwrap().to_be_bytes());
        let checked = [&kind[..], &contents].concat();
        png.extend(&checked);
        png.extend(crc(&checked).to_be_bytes());
    }
    png
}

/// RFC 1950, 8.2.
fn adler(octets: &[u8]) -> u32 {
    let (low, high) = octets.iter().fold((1, 0), |(low, high), octet| {
        let low = (low + u32::from(*octet)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

/// RFC 2083, 3.4.
fn crc(octets: &[u8]) -> u32 {
    !octets.iter().fold(!0, |crc: u32, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

/// Key frames of VP8 (RFC 6386), 64 by 48: red, and blue.
const RED: [u8; 64] = *b"\x90\x03\x00\x9d\x01\x2a\x40\x00\x30\x00\x3f\x11\x88\xbe\x58\xac\x29\x26\xa3\xa2\xa8\x01\x80\x22\x09\x67\x00\x76\x00\x00\x2a\x34\xc6\x38\x7c\x19\x80\x00\xfe\xe6\xce\xdf\xf5\xde\x2d\x28\xd7\xff\xfc\xb3\xfe\xf2\xbd\x10\xef\xf7\x5c\x5e\x07\x6a\x60\x00\x00\x00";
const BLUE: [u8; 64] = *b"\x70\x03\x00\x9d\x01\x2a\x40\x00\x30\x00\x3f\x11\x88\xbe\x58\xac\x29\x26\xa3\xa2\xa8\x01\x80\x22\x09\x67\x00\xd2\x34\x07\x7b\xb5\x34\xf8\x41\x00\x00\xfe\xee\xa6\x3f\xff\xcb\x3f\xff\x28\xbf\xde\x57\x53\x9b\x93\xf5\x66\x68\xbc\xb6\x8b\x7f\x48\x1e\x00\x00\x00";

/// A film of four seconds (RFC 9559): two red, [`GAP`], and two blue. Where the parts lie is told at its end.
pub(crate) fn webm() -> Vec<u8> {
    // The version of EBML, and the one to read it with; octets of the longest identifier, and of the longest length; what it is,
    // its version, and the one to read it with.
    let head = [
        element(&[0x42, 0x86], &[1]),
        element(&[0x42, 0xf7], &[1]),
        element(&[0x42, 0xf2], &[4]),
        element(&[0x42, 0xf3], &[8]),
        element(&[0x42, 0x82], b"webm"),
        element(&[0x42, 0x87], &[2]),
        element(&[0x42, 0x85], &[2]),
    ];
    let information = [
        element(&[0x2a, 0xd7, 0xb1], &1_000_000_u32.to_be_bytes()), // nanoseconds of a tick
        element(&[0x44, 0x89], &4000_f64.to_be_bytes()),            // ticks of the film
        element(&[0x4d, 0x80], b"test"),
        element(&[0x57, 0x41], b"test"),
    ];
    let video = [element(&[0xb0], &[64]), element(&[0xba], &[48])].concat();
    let track = [
        element(&[0xd7], &[1]),
        element(&[0x73, 0xc5], &[1]),
        element(&[0x83], &[1]), // video
        element(&[0x86], b"V_VP8"),
        element(&[0xe0], &video),
    ];
    let body = [
        element(&[0x15, 0x49, 0xa9, 0x66], &information.concat()),
        element(&[0x16, 0x54, 0xae, 0x6b], &element(&[0xae], &track.concat())),
        cluster(0, &RED),
        element(&[0xec], &vec![0; GAP]),
        cluster(2000, &BLUE),
    ];
    // The length of this does not depend on what it says.
    let ahead = seek(0).len();
    let place = |parts: usize| ahead + body.iter().take(parts).map(Vec::len).sum::<usize>();
    let point = |time: u16, place: usize| {
        let position = [element(&[0xf7], &[1]), element(&[0xf1], &number(place))].concat();
        element(&[0xbb], &[element(&[0xb3], &time.to_be_bytes()), element(&[0xb7], &position)].concat())
    };
    let cues = element(&[0x1c, 0x53, 0xbb, 0x6b], &[point(0, place(2)), point(2000, place(4))].concat());
    let segment = [seek(place(body.len())), body.concat(), cues].concat();
    [element(&[0x1a, 0x45, 0xdf, 0xa3], &head.concat()), element(&[0x18, 0x53, 0x80, 0x67], &segment)]
        .concat()
}

/// Where the cues are.
fn seek(place: usize) -> Vec<u8> {
    let cues = [element(&[0x53, 0xab], &[0x1c, 0x53, 0xbb, 0x6b]), element(&[0x53, 0xac], &number(place))];
    element(&[0x11, 0x4d, 0x9b, 0x74], &element(&[0x4d, 0xbb], &cues.concat()))
}

/// Two seconds of one frame, which is shown twice a second.
fn cluster(time: u16, frame: &[u8]) -> Vec<u8> {
    let mut parts = element(&[0xe7], &time.to_be_bytes());
    for ticks in [0_i16, 500, 1000, 1500] {
        let [high, low] = ticks.to_be_bytes();
        // The first track, and a frame that needs no other.
        parts.extend(element(&[0xa3], &[&[0x81, high, low, 0x80], frame].concat()));
    }
    element(&[0x1f, 0x43, 0xb6, 0x75], &parts)
}

/// An element with its length in eight octets (RFC 8794, 4 to 6).
fn element(identifier: &[u8], contents: &[u8]) -> Vec<u8> {
    let length = contents.len() as u64 | 1 << 56;
    [identifier, &length.to_be_bytes(), contents].concat()
}

fn number(value: usize) -> [u8; 8] {
    (value as u64).to_be_bytes()
}
