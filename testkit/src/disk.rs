//! A modelled disk: a virtio-blk device over memory, with a cache that loses what was not flushed (virtio 1.2, 5.2).
//!
//! It panics where a driver breaks the rules of the device. It answers when it is told to, in the order it is told to;
//! its bad days are the test's choice: sectors that fail, statuses that mean nothing, lengths that are lies.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use virtio_drivers::transport::DeviceType;

use crate::{Chain, DeviceModel, FakeTransport, Setup};

/// Bytes of a sector.
const SECTOR: usize = 512;
/// The only queue.
const QUEUE: usize = 0;

/// Features (virtio 1.2, 5.2.3).
const SIZE_MAX: u64 = 1 << 1;
const SEG_MAX: u64 = 1 << 2;
const RO: u64 = 1 << 5;
const BLK_SIZE: u64 = 1 << 6;
const FLUSH: u64 = 1 << 9;
const DISCARD: u64 = 1 << 13;
const WRITE_ZEROES: u64 = 1 << 14;

/// Statuses of requests (virtio 1.2, 5.2.6).
const OK: u8 = 0;
const IOERR: u8 = 1;
const UNSUPP: u8 = 2;

/// What kind of disk it is to be.
#[derive(Clone, Debug)]
pub struct DiskSetup {
    /// Its sectors.
    pub sectors: u64,
    /// Whether it can only be read.
    pub is_read_only: bool,
    /// Whether it flushes.
    pub flushes: bool,
    /// Bytes of its blocks, if it says.
    pub block_size: Option<u32>,
    /// The most bytes of a part, if it says.
    pub size_max: Option<u32>,
    /// The most parts of a request, if it says.
    pub seg_max: Option<u32>,
    /// The most sectors of a request to discard, if it does.
    pub discard: Option<u32>,
    /// The most sectors of a request for zeroes, if it does.
    pub write_zeroes: Option<u32>,
    /// More features that it offers.
    pub features: u64,
    /// Entries of its queue.
    pub queue_size: u16,
    /// Whether it has the legacy interface.
    pub legacy: bool,
}

impl Default for DiskSetup {
    /// A modern disk of 1 MiB that does all there is.
    fn default() -> Self {
        Self {
            sectors: 2048,
            is_read_only: false,
            flushes: true,
            block_size: None,
            size_max: None,
            seg_max: Some(126),
            discard: Some(1024),
            write_zeroes: Some(1024),
            features: 1 << 29,
            queue_size: 128,
            legacy: false,
        }
    }
}

impl DiskSetup {
    /// The device, without the disk in it: for whoever wants to change what it says of itself.
    pub fn device(&self) -> Setup {
        let mut features = self.features;
        let mut set = |feature: u64, has: bool| features |= if has { feature } else { 0 };
        set(RO, self.is_read_only);
        set(FLUSH, self.flushes);
        set(BLK_SIZE, self.block_size.is_some());
        set(SIZE_MAX, self.size_max.is_some());
        set(SEG_MAX, self.seg_max.is_some());
        set(DISCARD, self.discard.is_some());
        set(WRITE_ZEROES, self.write_zeroes.is_some());
        let said = |field: Option<u32>| field.unwrap_or_default();
        let mut words = [0; 15];
        words[0] = self.sectors as u32;
        words[1] = (self.sectors >> 32) as u32;
        words[2] = said(self.size_max);
        words[3] = said(self.seg_max);
        words[5] = said(self.block_size);
        words[9] = said(self.discard);
        words[10] = 1;
        words[12] = said(self.write_zeroes);
        words[13] = 1;
        Setup {
            device_type: DeviceType::Block,
            features,
            queue_sizes: vec![self.queue_size],
            configuration: words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect(),
            legacy: self.legacy,
        }
    }
}

/// A handle of one modelled disk.
#[derive(Clone)]
pub struct DiskModel {
    device: DeviceModel,
    state: Rc<RefCell<State>>,
}

struct State {
    setup: DiskSetup,
    /// What a reader sees.
    bytes: Vec<u8>,
    /// What is there after the power was cut.
    stable: Vec<u8>,
    /// Sectors that can be neither read nor written, and what is said of them.
    bad: Option<(Range<u64>, u8)>,
    fails_to_flush: bool,
}

/// A request, as the disk understands it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskRequest {
    /// Its type: 0 reads, 1 writes, 4 flushes, 11 discards, 13 writes zeroes.
    pub kind: u32,
    /// Where it begins.
    pub sector: u64,
    /// How many sectors it is about.
    pub sectors: u64,
}

impl DiskModel {
    /// A disk full of zeroes.
    pub fn new(setup: DiskSetup) -> Self {
        let device = DeviceModel::new(setup.device());
        let bytes = vec![0; setup.sectors as usize * SECTOR];
        let state = State { setup, stable: bytes.clone(), bytes, bad: None, fails_to_flush: false };
        Self { device, state: Rc::new(RefCell::new(state)) }
    }

    /// The device, for what all devices have.
    pub fn device(&self) -> &DeviceModel {
        &self.device
    }

    /// The driver's way to this disk.
    pub fn transport(&self) -> FakeTransport {
        self.device.transport()
    }

    /// What is stored from a sector on.
    pub fn stored(&self, sector: u64, sectors: usize) -> Vec<u8> {
        let start = sector as usize * SECTOR;
        self.state.borrow().bytes[start..start + sectors * SECTOR].to_vec()
    }

    /// Stores bytes, as if they had always been there.
    pub fn store(&self, sector: u64, bytes: &[u8]) {
        let state = &mut *self.state.borrow_mut();
        let range = sector as usize * SECTOR..sector as usize * SECTOR + bytes.len();
        state.bytes[range.clone()].copy_from_slice(bytes);
        state.stable[range].copy_from_slice(bytes);
    }

    /// Makes requests fail with this status that touch one of these sectors.
    pub fn spoil(&self, sectors: Range<u64>, status: u8) {
        self.state.borrow_mut().bad = Some((sectors, status));
    }

    /// Makes flushes fail, or succeed again.
    pub fn spoil_flushes(&self, fail: bool) {
        self.state.borrow_mut().fails_to_flush = fail;
    }

    /// Loses all that was written and not flushed.
    pub fn cut_power(&self) {
        let state = &mut *self.state.borrow_mut();
        state.bytes.clone_from(&state.stable);
    }

    /// Changes the number of sectors and says so.
    pub fn resize(&self, sectors: u64) {
        let state = &mut *self.state.borrow_mut();
        state.setup.sectors = sectors;
        state.bytes.resize(sectors as usize * SECTOR, 0);
        state.stable.resize(sectors as usize * SECTOR, 0);
        let configuration = state.setup.device().configuration;
        self.device.reconfigure(configuration);
    }

    /// Takes the next request without answering it.
    pub fn take(&self) -> Option<(DiskRequest, Chain)> {
        let chain = self.device.take(QUEUE)?;
        Some((self.state.borrow().understand(&chain, self.device.features()), chain))
    }

    /// Answers a request, without an interrupt yet.
    pub fn answer(&self, request: DiskRequest, chain: &Chain) {
        let answer = self.state.borrow_mut().work(request, chain);
        self.device.give_back(QUEUE, chain, &answer);
    }

    /// Raises an interrupt if the driver wants one.
    pub fn signal(&self) -> bool {
        self.device.signal(QUEUE)
    }

    /// Answers all requests in their order: how many there were.
    pub fn serve(&self) -> usize {
        let mut served = 0;
        if !self.device.is_running() {
            return served;
        }
        loop {
            while let Some((request, chain)) = self.take() {
                self.answer(request, &chain);
                served += 1;
            }
            if !self.device.want_notifications(QUEUE) {
                break;
            }
        }
        if served > 0 {
            self.signal();
        }
        served
    }
}

impl State {
    /// Takes a request apart, and checks that the driver keeps the rules (virtio 1.2, 5.2.6).
    fn understand(&self, chain: &Chain, features: u64) -> DiskRequest {
        let has = |feature: u64| features & feature != 0;
        let (header, data) = chain.readable.split_first().expect("a request has a header");
        let header: [u8; 16] = header[..].try_into().expect("a header has 16 bytes, in a part of its own");
        let (status, room) = chain.writable.split_last().expect("a request has a status");
        assert_eq!(status.1, 1, "the status is a byte in a part of its own");
        let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
        let long = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
        let (kind, sector) = (word(&header, 0), long(&header, 8));
        assert_eq!(word(&header, 4), 0, "what is reserved is zero");
        let lengths: Vec<usize> = match kind {
            0 => room.iter().map(|part| part.1 as usize).collect(),
            _ => data.iter().map(Vec::len).collect(),
        };
        assert!(data.is_empty() || room.is_empty(), "data goes one way");
        assert!(
            lengths.len() <= self.setup.seg_max.unwrap_or(1).max(1) as usize,
            "a request has too many parts"
        );
        let longest = self.setup.size_max.unwrap_or(u32::MAX) as usize;
        assert!(lengths.iter().all(|length| *length <= longest), "a part is too long");
        let length: usize = lengths.iter().sum();
        let block = self.setup.block_size.unwrap_or(SECTOR as u32) as usize;
        let (sector, sectors) = match kind {
            0 | 1 => {
                assert!(length > 0 && length.is_multiple_of(block), "data comes in whole blocks");
                (sector, (length / SECTOR) as u64)
            }
            4 => {
                assert!(has(FLUSH), "a disk is flushed that says it can be");
                assert_eq!((sector, length), (0, 0), "a flush is about everything");
                (0, 0)
            }
            11 | 13 => {
                assert!(
                    has(if kind == 11 { DISCARD } else { WRITE_ZEROES }),
                    "the disk says that it does so"
                );
                let segment = data.concat();
                assert_eq!((segment.len(), sector, word(&segment, 12)), (16, 0, 0), "one plain segment");
                let (sector, sectors) = (long(&segment, 0), word(&segment, 8));
                let most = if kind == 11 { self.setup.discard } else { self.setup.write_zeroes };
                assert!(sectors > 0 && sectors <= most.expect("it does so"), "so many at once");
                (sector, u64::from(sectors))
            }
            _ => panic!("there are no requests of type {kind}"),
        };
        assert!(matches!(kind, 0 | 4) || !self.setup.is_read_only, "nothing is written to this disk");
        assert!(sector.is_multiple_of((block / SECTOR) as u64), "requests begin where a block does");
        let end = sector.checked_add(sectors).expect("requests end");
        assert!(end <= self.setup.sectors, "the disk ends before the request does");
        DiskRequest { kind, sector, sectors }
    }

    /// Does it; what is written into the chain.
    fn work(&mut self, request: DiskRequest, chain: &Chain) -> Vec<u8> {
        let DiskRequest { kind, sector, sectors } = request;
        let mut answer = if kind == 0 { vec![0xee; sectors as usize * SECTOR] } else { Vec::new() };
        let touches = |bad: &Range<u64>| bad.start < sector + sectors && sector < bad.end;
        if let Some((_, status)) = self.bad.as_ref().filter(|(bad, _)| touches(bad)) {
            answer.push(*status);
            return answer;
        }
        let range = sector as usize * SECTOR..(sector + sectors) as usize * SECTOR;
        let mut status = OK;
        match kind {
            0 => answer.copy_from_slice(&self.bytes[range]),
            1 => self.bytes[range].copy_from_slice(&chain.readable[1..].concat()),
            4 if self.fails_to_flush => status = IOERR,
            4 => self.stable.clone_from(&self.bytes),
            // Anything may be there afterwards.
            11 => self.bytes[range].fill(0xdd),
            13 => self.bytes[range].fill(0),
            _ => status = UNSUPP,
        }
        answer.push(status);
        answer
    }
}
