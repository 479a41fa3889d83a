//! What card and device do for each other: checksums, long packets, the state of the link, and what a device says of it.

use unik_net::{Checksum, Config, Frame, Limits, Net, Nic, Offload, Offloads, Segment, SegmentKind};
use unik_sched::{Executor, sync::Event, time::Time};
use unik_testkit::{DeviceModel, HostHal, Random, Setup, VirtualClock};
use unik_virtio::Pool;

use crate::{
    frames::{read_udp, udp},
    virtio::{
        ANY_LAYOUT, Card, EVENT_INDEX, MAC, RECEIVE, STATUS, TRANSMIT, card, card_with, count, send, setup,
    },
    world::{LEFT, RIGHT, at, fixed, pattern},
};

const CSUM: u64 = 1;
const GUEST_CSUM: u64 = 1 << 1;
const MTU: u64 = 1 << 3;
const GUEST_TSO: u64 = 1 << 7 | 1 << 8;
const HOST_TSO: u64 = 1 << 11 | 1 << 12;
const MRG_RXBUF: u64 = 1 << 15;
const INDIRECT: u64 = 1 << 28;
const ALL: u64 = EVENT_INDEX
    | MAC
    | STATUS
    | CSUM
    | GUEST_CSUM
    | MTU
    | GUEST_TSO
    | HOST_TSO
    | MRG_RXBUF
    | INDIRECT
    | ANY_LAYOUT;

/// Flags and kinds of segmentation in the header of a frame (virtio 1.2, 5.1.6).
const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const TCPV4: u8 = 1;
const UDP: u8 = 3;
const TCPV6: u8 = 4;
const ECN: u8 = 0x80;

/// A device that offers `features`, with its link up and an MTU of 1400.
fn offering(features: u64) -> Setup {
    let mut configuration = setup().configuration;
    configuration.extend([0, 0, 0x78, 0x05]);
    Setup { features, configuration, ..setup() }
}

fn full() -> (DeviceModel, Card) {
    card_with(offering(ALL), 256)
}

/// The header of a frame.
#[derive(Clone, Copy, Default)]
struct Header {
    flags: u8,
    kind: u8,
    headers: u16,
    size: u16,
    start: u16,
    offset: u16,
    buffers: u16,
}

impl Header {
    fn whole() -> Self {
        Header { buffers: 1, ..Header::default() }
    }

    /// That of a TCP packet over IPv4 to be cut.
    fn long() -> Self {
        Header { flags: NEEDS_CSUM, kind: TCPV4, headers: 54, size: 1448, start: 34, offset: 16, buffers: 1 }
    }

    fn bytes(self) -> Vec<u8> {
        let numbers = [self.headers, self.size, self.start, self.offset, self.buffers];
        [self.flags, self.kind].into_iter().chain(numbers.into_iter().flat_map(u16::to_le_bytes)).collect()
    }

    fn read(bytes: &[u8]) -> Self {
        let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Header {
            flags: bytes[0],
            kind: bytes[1],
            headers: number(2),
            size: number(4),
            start: number(6),
            offset: number(8),
            buffers: number(10),
        }
    }
}

/// The device receives a frame, into as many buffers as it takes, whatever the header says of their number.
fn arrive(model: &DeviceModel, header: Header, frame: &[u8]) -> u16 {
    let bytes = [header.bytes(), frame.to_vec()].concat();
    let mut rest = &bytes[..];
    let mut buffers = 0;
    while !rest.is_empty() {
        let chain = model.take(RECEIVE).expect("a buffer is posted");
        let (now, later) = rest.split_at(rest.len().min(chain.room()));
        model.give_back(RECEIVE, &chain, now);
        rest = later;
        buffers += 1;
    }
    buffers
}

/// As [`arrive`], with a header that says how many buffers there are.
fn arrive_merged(model: &DeviceModel, header: Header, frame: &[u8]) {
    let buffers = (frame.len() + 12).div_ceil(1984 + 12) as u16;
    assert_eq!(arrive(model, Header { buffers, ..header }, frame), buffers);
}

/// A frame with a TCP packet over IPv4 and `length` bytes of data, whose checksum is left to somebody else.
fn long_frame(length: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    frame.extend(((40 + length) as u16).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1]);
    frame.extend([0x12, 0x34, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    frame.extend(pattern(length));
    let mut sum = 0_u32;
    for pair in frame[14..34].chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
    }
    sum = (sum & 0xffff) + (sum >> 16);
    frame[24..26].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    frame
}

fn bytes(frame: &Frame) -> Vec<u8> {
    frame.buffer.parts().collect::<Vec<_>>().concat()
}

/// What the device is given of the next frame: its header and its bytes.
fn sent(model: &DeviceModel) -> Option<(Header, Vec<u8>)> {
    let chain = model.take(TRANSMIT)?;
    let bytes = chain.bytes();
    model.give_back(TRANSMIT, &chain, &[]);
    Some((Header::read(&bytes), bytes[12..].to_vec()))
}

#[test]
fn any_subset_of_the_features_serves_and_none_is_accepted_without_those_it_needs() {
    let single = [CSUM, GUEST_CSUM, GUEST_TSO, HOST_TSO, MRG_RXBUF, MTU, STATUS, MAC, EVENT_INDEX, INDIRECT];
    for subset in 0..1_u32 << single.len() {
        let chosen = single.iter().enumerate().filter(|(bit, _)| subset >> bit & 1 == 1);
        let features: u64 = chosen.map(|(_, feature)| feature).sum();
        for (legacy, layout) in [(false, 0), (true, 0), (true, ANY_LAYOUT)] {
            let (model, mut card) = card(Setup { legacy, ..offering(features | layout) });
            let accepted = model.features();
            let has = |feature: u64| accepted & feature != 0;
            assert!(!has(HOST_TSO) || has(CSUM));
            assert!(!has(GUEST_TSO) || has(GUEST_CSUM) && has(MRG_RXBUF));
            assert!(!(has(GUEST_TSO) || has(HOST_TSO)) || !legacy || layout != 0);
            assert_eq!(card.mtu(), if has(MTU) { 1400 } else { 1500 });
            let length = if legacy && !has(MRG_RXBUF) { 10 } else { 12 };
            let frame = udp((RIGHT, 1), (LEFT, 2), b"hello");
            let chain = model.take(RECEIVE).unwrap();
            model.give_back(RECEIVE, &chain, &[&Header::whole().bytes()[..length], &frame].concat());
            let received = card.receive().expect("a frame has come");
            assert!(received.is_intact());
            assert_eq!(bytes(&received), frame, "features {features:x}");
            assert!(card.transmit(received).is_ok());
            assert_eq!(model.take(TRANSMIT).unwrap().bytes(), [&vec![0; length][..], &frame].concat());
        }
    }
}

#[test]
fn without_buffers_for_the_longest_packet_none_is_asked_for() {
    let (model, card) = card_with(offering(ALL), 64);
    assert_eq!(model.features() & (GUEST_TSO | MRG_RXBUF), 0);
    assert!(!card.offloads().merge && card.offloads().segment_ipv4);
    assert_eq!(full().0.features() & !(1 << 32), ALL & !ANY_LAYOUT);
}

#[test]
fn what_the_device_says_of_a_checksum_is_what_the_frame_says() {
    let frame = udp((RIGHT, 1), (LEFT, 2), b"hello");
    let cases = [
        (Header::whole(), Checksum::Unverified),
        (Header { flags: DATA_VALID, ..Header::whole() }, Checksum::Verified),
        (
            Header { flags: NEEDS_CSUM, start: 34, offset: 6, ..Header::whole() },
            Checksum::Partial { start: 34, offset: 6 },
        ),
    ];
    for (header, checksum) in cases {
        let (model, mut card) = full();
        arrive(&model, header, &frame);
        assert_eq!(card.receive().unwrap().offload, Offload { checksum, segment: None });
        let (model, mut card) = card_with(offering(ALL & !GUEST_CSUM), 256);
        arrive(&model, header, &frame);
        let received = card.receive().unwrap();
        assert_eq!(received.offload, Offload::default(), "it was not asked for");
    }
}

#[test]
fn a_checksum_is_left_to_the_device_that_completes_it_and_made_for_one_that_does_not() {
    let frame = udp((RIGHT, 1), (LEFT, 2), b"hello");
    let (from, mut receiver) = full();
    for offers in [ALL, ALL & !CSUM] {
        let mut spoilt = frame.clone();
        // What Linux leaves there: the sum of the pseudo header.
        let mut made = Frame::from(Pool::heap(1).allocate().unwrap());
        made.buffer.copy_from(&frame).unwrap();
        made.seal(Offloads { checksum: true, ..Offloads::default() });
        spoilt.copy_from_slice(&made.buffer);
        assert_ne!(spoilt, frame);
        arrive(&from, Header { flags: NEEDS_CSUM, start: 34, offset: 6, ..Header::whole() }, &spoilt);
        let received = receiver.receive().unwrap();
        let (to, mut sender) = card_with(offering(offers), 256);
        assert!(sender.transmit(received).is_ok());
        let (header, bytes) = sent(&to).unwrap();
        if offers & CSUM != 0 {
            assert_eq!((header.flags, header.start, header.offset), (NEEDS_CSUM, 34, 6));
            assert_eq!(bytes, spoilt);
        } else {
            assert_eq!(header.bytes(), Header::default().bytes());
            assert_eq!(read_udp(&bytes).unwrap().2, b"hello");
        }
    }
}

#[test]
fn a_long_packet_comes_in_several_buffers_and_goes_on_in_them_uncopied() {
    for length in [1960, 9000, 30_000, 65_226] {
        let (from, mut receiver) = full();
        let frame = long_frame(length);
        arrive_merged(&from, Header::long(), &frame);
        let received = receiver.receive().expect("a frame has come");
        assert_eq!(bytes(&received), frame);
        assert!(received.is_intact());
        let size = 1448.try_into().unwrap();
        let segment = Segment { kind: SegmentKind::Ipv4, size, headers: 54 };
        assert_eq!(received.offload.segment, Some(segment));
        assert!(receiver.receive().is_none());
        let place = received.buffer.as_ptr();
        for features in [ALL, ALL & !INDIRECT] {
            let (to, mut sender) = card_with(offering(features), 256);
            arrive_merged(&from, Header::long(), &frame);
            let received = receiver.receive().unwrap();
            assert!(sender.transmit(received).is_ok());
            sender.flush();
            let (header, bytes) = sent(&to).unwrap();
            assert_eq!(header.bytes(), Header { buffers: 0, ..Header::long() }.bytes());
            assert_eq!(bytes, frame);
            sender.allocate(1500);
        }
        assert_eq!(received.buffer.as_ptr(), place);
    }
}

#[test]
fn long_packets_are_merged_for_ever_and_no_buffer_is_lost() {
    let seed = 0x10ad;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let (model, mut card) = full();
    for _ in 0..2000 {
        let frame = long_frame(random.below(65_000));
        arrive_merged(&model, Header::long(), &frame);
        let received = card.receive().unwrap();
        assert_eq!(bytes(&received), frame);
        card.flush();
    }
    assert_eq!((count(&card, "rx_malformed"), count(&card, "rx_no_buffer")), (0, 0));
}

#[test]
fn a_port_hears_of_it_when_what_another_one_has_sent_is_free_again() {
    let models = [DeviceModel::new(offering(ALL)), DeviceModel::new(offering(ALL))];
    let pool = Pool::try_new::<HostHal>(320).unwrap();
    let port =
        |model: &DeviceModel| Card::try_port(model.transport(), pool.clone(), 128, Event::new()).unwrap();
    let [mut near, mut far] = models.each_ref().map(port);
    let frame = long_frame(65_000);
    let pass = |near: &mut Card, far: &mut Card| {
        arrive_merged(&models[0], Header::long(), &frame);
        assert!(far.transmit(near.receive().expect("a frame has come")).is_ok());
        near.flush();
        far.flush();
    };
    // The other device sends nothing yet, until the next long packet finds no room.
    for _ in 0..5 {
        pass(&mut near, &mut far);
    }
    assert_eq!(pool.available(), 0);
    assert!(!near.arm() && !far.arm());
    near.disarm();
    far.disarm();
    for _ in 0..5 {
        assert_eq!(sent(&models[1]).expect("a frame was sent").1, frame);
    }
    assert!(far.arm(), "what it has sent is free");
    near.flush();
    for _ in 0..3 {
        pass(&mut near, &mut far);
    }
}

#[test]
fn a_long_packet_comes_in_one_piece_where_buffers_are_large() {
    let model = DeviceModel::new(offering(ALL));
    let (pool, large) =
        (Pool::try_new::<HostHal>(256).unwrap(), Pool::try_sized::<HostHal>(8, 65472).unwrap());
    let mut card =
        Card::try_receiving(model.transport(), pool, &|| Some(large.clone()), Event::new()).unwrap();
    assert_eq!(large.available(), 4, "half of them are posted");
    for length in (1..1000).map(|number| number * 65).chain([65_226, 65_400]) {
        let frame = long_frame(length);
        // One that is longer than a large buffer takes two.
        let buffers = 1 + u16::from(frame.len() + 12 > 65472 - 64 + 12);
        assert_eq!(arrive(&model, Header { buffers, ..Header::long() }, &frame), buffers);
        let received = card.receive().expect("a frame has come");
        assert_eq!(received.buffer.is_chained(), buffers > 1);
        assert_eq!(bytes(&received), frame);
        assert!(send(&mut card, &[0; 60]), "what is sent has other buffers");
        drop(received);
        card.flush();
        assert!(sent(&model).is_some());
    }
    assert_eq!(count(&card, "rx_no_buffer"), 0);
    assert!((4..=5).contains(&large.available()), "none is lost");
}

#[test]
fn large_buffers_are_not_taken_where_no_long_packet_comes() {
    let pool = Pool::try_new::<HostHal>(256).unwrap();
    let large = || panic!("the device does not merge");
    let model = DeviceModel::new(offering(ALL & !MRG_RXBUF));
    assert!(Card::try_receiving(model.transport(), pool, &large, Event::new()).is_ok());
}

#[test]
fn a_long_packet_for_a_card_that_does_not_cut_it_is_dropped_and_counted() {
    let (from, mut receiver) = full();
    for features in [ALL & !HOST_TSO, ALL & !CSUM, MAC] {
        arrive_merged(&from, Header::long(), &long_frame(20_000));
        let received = receiver.receive().unwrap();
        let (to, mut sender) = card_with(offering(features), 256);
        assert!(sender.transmit(received).is_ok());
        assert!(sent(&to).is_none());
        assert_eq!(count(&sender, "tx_unsupported"), 1);
    }
}

#[test]
fn a_long_packet_that_never_fits_into_the_queue_is_dropped_and_one_that_does_not_now_is_given_back() {
    let (from, mut receiver) = full();
    let setup = offering(ALL & !INDIRECT);
    let (_small, mut sender) = card_with(Setup { queue_sizes: vec![64, 16], ..setup }, 256);
    arrive_merged(&from, Header::long(), &long_frame(40_000));
    assert!(sender.transmit(receiver.receive().unwrap()).is_ok());
    assert_eq!(count(&sender, "tx_unsupported"), 1);
    assert!(send(&mut sender, &[0; 60]));
    receiver.flush();
    arrive_merged(&from, Header::long(), &long_frame(30_000));
    let Err(refused) = sender.transmit(receiver.receive().unwrap()) else { panic!("there is no room") };
    assert_eq!(bytes(&refused), long_frame(30_000));
    assert!(refused.offload.segment.is_some());
}

#[test]
fn a_device_that_lies_about_a_frame_loses_it_and_nothing_panics() {
    let long = Header::long();
    let lies = [
        ("no buffers", Header { buffers: 0, ..long }),
        ("more buffers than there are", Header { buffers: 2, ..long }),
        ("absurdly many buffers", Header { buffers: 34, ..long }),
        ("as many as the number holds", Header { buffers: u16::MAX, ..long }),
        ("a place outside", Header { start: 2000, ..long }),
        ("a field outside", Header { offset: 2000, ..long }),
        ("a place far outside", Header { start: u16::MAX, offset: u16::MAX, ..long }),
        ("no checksum", Header { flags: 0, ..long }),
        ("a checksum that is verified", Header { flags: DATA_VALID, ..long }),
        ("a datagram", Header { kind: UDP, ..long }),
        ("what was not agreed on", Header { kind: TCPV4 | ECN, ..long }),
        ("an unknown kind", Header { kind: 77, ..long }),
        ("segments of nothing", Header { size: 0, ..long }),
        ("no TCP packet", Header { offset: 6, ..long }),
        ("a TCP header that ends outside", Header { start: 600, ..long }),
        ("a TCP header without a length", Header { start: 20, ..long }),
    ];
    let mut frame = long_frame(1000);
    frame[612] = 0xf0;
    for (lie, header) in lies {
        let (model, mut card) = full();
        if lie == "a TCP header that ends outside" {
            arrive(&model, header, &frame[..640]);
        } else {
            arrive(&model, header, &frame);
        }
        assert!(card.receive().is_none(), "{lie}");
        assert_eq!(count(&card, "rx_malformed"), 1, "{lie}");
        arrive(&model, Header::whole(), &frame);
        assert_eq!(bytes(&card.receive().expect("the card goes on")), frame, "{lie}");
    }
    // The length of the headers is a hint, which may be wrong.
    for headers in [0, 1, 2000, u16::MAX] {
        let (model, mut card) = full();
        arrive(&model, Header { headers, ..long }, &frame);
        assert_eq!(card.receive().unwrap().offload.segment.unwrap().headers, 54);
    }
    let (model, mut card) = full();
    arrive(&model, Header { kind: TCPV6, ..long }, &frame);
    assert_eq!(card.receive().unwrap().offload.segment.unwrap().kind, SegmentKind::Ipv6);
}

#[test]
fn a_long_packet_is_only_taken_where_it_was_asked_for_and_is_a_tcp_packet() {
    let (model, mut card) = card_with(offering(ALL & !GUEST_TSO), 256);
    arrive(&model, Header::long(), &long_frame(100));
    assert!(card.receive().is_none());
    let (model, mut card) = full();
    arrive_merged(&model, Header::whole(), &long_frame(9000));
    assert!(card.receive().is_none(), "a frame of several buffers is one to be cut");
    // One of the buffers is empty.
    arrive(&model, Header { buffers: 2, ..Header::long() }, &long_frame(100));
    let chain = model.take(RECEIVE).unwrap();
    model.give_back(RECEIVE, &chain, &[]);
    assert!(card.receive().is_none());
    assert_eq!(count(&card, "rx_malformed"), 2);
}

#[test]
fn headers_at_random_never_panic_and_no_buffer_is_lost() {
    let seed = 0xbad;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let (model, mut card) = full();
    let (other_model, mut other) = card_with(offering(ALL), 256);
    for _ in 0..20_000 {
        let mut number = || random.below(100) as u16;
        let header = Header {
            flags: number() as u8 & 3,
            kind: number() as u8 & 5,
            headers: number(),
            size: number(),
            start: number(),
            offset: number() & 31,
            buffers: number() & 3,
        };
        let length = random.below(200);
        let chain = model.take(RECEIVE).expect("a buffer is posted");
        model.give_back(RECEIVE, &chain, &[header.bytes(), pattern(length)].concat());
        while let Some(received) = card.receive() {
            received.is_intact();
            assert!(other.transmit(received).is_ok());
        }
        card.flush();
        other.flush();
        other_model.serve(TRANSMIT, |_| Vec::new());
    }
    assert_eq!((count(&card, "failures"), count(&other, "failures")), (0, 0));
}

#[test]
fn the_link_goes_up_and_down_by_interrupt_and_changes_are_counted() {
    let (model, mut card) = full();
    assert!(card.is_link_up());
    let mut configuration = offering(ALL).configuration;
    for (round, state) in (1..).zip([0, 1, 0]) {
        configuration[6] = state;
        model.reconfigure(configuration.clone());
        assert_eq!(card.is_link_up(), state == 0, "nobody has looked yet");
        card.event().set();
        card.disarm();
        assert_eq!(card.is_link_up(), state == 1);
        assert_eq!(count(&card, "link_changes"), round);
    }
    model.reconfigure(configuration);
    card.event().set();
    card.disarm();
    assert_eq!(count(&card, "link_changes"), 3, "it is as it was");
    let mut down = offering(ALL);
    down.configuration[6] = 0;
    assert!(!card_with(down.clone(), 256).1.is_link_up());
    down.features &= !STATUS;
    assert!(card_with(down, 256).1.is_link_up(), "it does not say");
}

#[test]
fn the_mtu_is_that_of_the_device_within_reason() {
    for (says, is) in
        [(0, 68), (68, 68), (1280, 1280), (1500, 1500), (1970, 1970), (9000, 1970), (65535, 1970)]
    {
        let mut setup = offering(ALL);
        setup.configuration[10..12].copy_from_slice(&u16::to_le_bytes(says));
        assert_eq!(card(setup).1.mtu(), is);
    }
}

/// A host between two cards: what one sends, the other receives, with all that is left to do about it.
fn pass(from: &DeviceModel, to: &DeviceModel, frames: &mut Vec<usize>) -> bool {
    let mut passed = false;
    while let Some((header, frame)) = sent(from) {
        passed = true;
        frames.push(frame.len());
        arrive_merged(to, header, &frame);
        to.signal(RECEIVE);
    }
    from.signal(TRANSMIT);
    passed
}

/// A megabyte from one stack to another over devices that offer `features`: the lengths of the frames with it.
fn transfer(features: u64) -> Vec<usize> {
    let clock = VirtualClock::new();
    let time = Time::new(clock.clone());
    let mut executor = Executor::new(&time, 8);
    let make = |last: u8| {
        let mut setup = offering(features);
        setup.configuration[5] = last;
        let model = DeviceModel::new(setup);
        let event = Event::new();
        let pool = Pool::try_new::<HostHal>(256).unwrap();
        let mut card = Card::try_new(model.transport(), pool, event.clone()).unwrap();
        if card.offloads().segment_ipv4 {
            card = card.with_large(Pool::try_sized::<HostHal>(4, 65472).unwrap());
        }
        (model, card, event)
    };
    let (left_model, left, left_event) = make(1);
    let (right_model, right, right_event) = make(2);
    let frames = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    clock.add_world({
        let frames = frames.clone();
        move || {
            let there = pass(&left_model, &right_model, &mut frames.borrow_mut());
            let back = pass(&right_model, &left_model, &mut Vec::new());
            for (model, event) in [(&left_model, &left_event), (&right_model, &right_event)] {
                if model.interrupt_pending() {
                    event.set();
                }
            }
            there || back
        }
    });
    let limits = Limits { tcp_receive: 128 * 1024, tcp_transmit: 128 * 1024, ..Limits::default() };
    let stack = |name, card: Card, config: Config, seed| {
        let config = config.with_limits(limits);
        let (net, driver) =
            Net::new(name, Box::new(card), config, time.clone(), unik_net::wire::numbers(seed));
        executor.spawner().spawn(name, driver.run()).unwrap();
        net
    };
    let (left, right) = (stack("left", left, fixed(LEFT), 1), stack("right", right, fixed(RIGHT), 2));
    let (data, spawner) = (pattern(1_000_000), executor.spawner());
    executor.block_on("test", async {
        use embedded_io_async::{Read, Write};
        let mut listener = right.listen(80).await.unwrap();
        let mut client = left.connect(at(RIGHT, 80)).await.unwrap();
        let (mut service, _) = listener.accept().await.unwrap();
        let mut received = vec![0; data.len()];
        let sent = data.clone();
        let send = async move {
            client.write_all(&sent).await.unwrap();
            client.flush().await.unwrap();
        };
        spawner.spawn("send", send).unwrap();
        service.read_exact(&mut received).await.unwrap();
        assert!(received == data, "the bytes are those that were sent");
    });
    assert_eq!(right.counters().rx_spoilt.get(), 0);
    frames.take()
}

#[test]
fn bulk_takes_long_packets_where_both_devices_have_them_and_is_the_same_without() {
    let long = transfer(ALL);
    assert!(long.iter().any(|length| *length > 40_000), "{long:?}");
    assert!(long.len() < 200, "{} frames", long.len());
    for features in [ALL & !HOST_TSO, ALL & !CSUM & !GUEST_CSUM, MAC] {
        let short = transfer(features);
        assert!(short.iter().all(|length| *length <= 1514));
        assert!(short.len() > 650);
    }
}
