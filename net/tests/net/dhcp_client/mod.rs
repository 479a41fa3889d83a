//! The client of DHCP against a server that says what each test wants said, in virtual time.

mod client;
mod hostile;
mod lease;

use std::net::Ipv4Addr;

use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr};
use unik_net::dhcp::{Client, Hostname, LENGTH, Lease, Outgoing};
use unik_sched::time::{Duration, Instant};
use unik_testkit::Random;

const HARDWARE: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);
const LEASED: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 33);

/// The kinds of answers.
const OFFER: u8 = 2;
const ACK: u8 = 5;
const NAK: u8 = 6;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A message of the client, as another reader understands it.
#[derive(Clone)]
struct Said {
    at: Instant,
    kind: DhcpMessageType,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    own: Ipv4Addr,
    requested: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    transaction: u32,
    seconds: u16,
    bytes: [u8; LENGTH],
}

/// A client and its time.
struct Conversation {
    client: Client,
    now: Instant,
    random: Random,
}

impl Conversation {
    fn new() -> Self {
        Self::named(None)
    }

    fn named(hostname: Option<Hostname>) -> Self {
        Self { client: Client::new(HARDWARE, hostname), now: Instant::ZERO, random: Random::new(1) }
    }

    /// One that has got this lease at the beginning of time.
    fn leased(change: impl Fn(Answer) -> Answer) -> Self {
        let mut conversation = Self::new();
        let discover = conversation.next();
        assert!(conversation.hear(change(discover.answer(OFFER))));
        let request = conversation.next();
        assert!(conversation.hear(change(request.answer(ACK))));
        assert!(conversation.client.lease().is_some());
        conversation
    }

    /// Lets it do what is due now.
    fn poll(&mut self) -> Option<Said> {
        let mut bytes = [0x5a; LENGTH];
        let random = &mut || self.random.next_u64();
        let Outgoing { source, destination } = self.client.poll(self.now, random, &mut bytes)?;
        assert!(self.client.due().is_none_or(|due| due > self.now), "it has said what it had to say");
        let packet = DhcpPacket::new_checked(&bytes[..]).expect("the client writes well");
        let repr = DhcpRepr::parse(&packet).expect("the client writes well");
        assert_eq!(repr.client_hardware_address.as_bytes(), HARDWARE);
        assert_eq!((repr.your_ip, repr.server_ip, repr.relay_agent_ip), ([Ipv4Addr::UNSPECIFIED; 3]).into());
        assert!(!repr.broadcast);
        assert_eq!(source, repr.client_ip, "it says the address at which it can be reached, and no other");
        Some(Said {
            at: self.now,
            kind: repr.message_type,
            source,
            destination,
            own: repr.client_ip,
            requested: repr.requested_ip,
            server: repr.server_identifier,
            transaction: repr.transaction_id,
            seconds: repr.secs,
            bytes,
        })
    }

    /// Jumps to when it has something to do, up to this moment, and lets it.
    fn until(&mut self, end: Instant) -> Option<Said> {
        while let Some(due) = self.client.due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            if let Some(said) = self.poll() {
                return Some(said);
            }
        }
        self.now = end;
        None
    }

    /// Its next message, whenever that comes.
    fn next(&mut self) -> Said {
        self.until(self.now + seconds(1 << 32)).expect("it has something to say")
    }

    fn hear(&mut self, answer: Answer) -> bool {
        self.client.receive(self.now, &answer.bytes())
    }

    fn pass(&mut self, duration: Duration) {
        self.now += duration;
    }

    fn lease(&self) -> Lease {
        *self.client.lease().expect("it has a lease")
    }

    fn address(&self) -> Option<Ipv4Addr> {
        self.client.lease().map(|lease| lease.address)
    }
}

impl Said {
    /// What an honest server answers.
    fn answer(&self, kind: u8) -> Answer {
        let answer = Answer {
            transaction: self.transaction,
            address: if kind == NAK { Ipv4Addr::UNSPECIFIED } else { LEASED },
            options: Vec::new(),
            file: Vec::new(),
            name: Vec::new(),
        };
        let answer = answer.with(53, &[kind]).with(54, &SERVER.octets());
        if kind == NAK {
            return answer;
        }
        answer.with(1, &[255, 255, 255, 0]).with(3, &SERVER.octets()).with(51, &600_u32.to_be_bytes())
    }
}

/// A message of a server in the making.
#[derive(Clone)]
struct Answer {
    transaction: u32,
    address: Ipv4Addr,
    options: Vec<(u8, Vec<u8>)>,
    /// What stands in the fields for a file and a name.
    file: Vec<u8>,
    name: Vec<u8>,
}

impl Answer {
    /// With this option, in place of one like it.
    fn with(mut self, code: u8, data: &[u8]) -> Self {
        match self.options.iter_mut().find(|option| option.0 == code) {
            Some(option) => option.1 = data.to_vec(),
            None => self.options.push((code, data.to_vec())),
        }
        self
    }

    fn without(mut self, code: u8) -> Self {
        self.options.retain(|option| option.0 != code);
        self
    }

    fn from(self, server: Ipv4Addr) -> Self {
        self.with(54, &server.octets())
    }

    fn of(mut self, address: Ipv4Addr) -> Self {
        self.address = address;
        self
    }

    fn lasting(self, seconds: u32) -> Self {
        self.with(51, &seconds.to_be_bytes())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![2, 1, 6, 0];
        bytes.extend(self.transaction.to_be_bytes());
        bytes.extend([0; 8]);
        bytes.extend(self.address.octets());
        bytes.extend([0; 8]);
        bytes.extend(HARDWARE);
        bytes.resize(44, 0);
        bytes.extend(&self.name);
        bytes.resize(108, 0);
        bytes.extend(&self.file);
        bytes.resize(236, 0);
        bytes.extend([99, 130, 83, 99]);
        for (code, data) in &self.options {
            bytes.extend([*code, data.len() as u8]);
            bytes.extend(data);
        }
        bytes.push(255);
        bytes
    }
}
