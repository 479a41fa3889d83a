//! Refusals: what an ERROR message says.

/// The type and the code of an ERROR message, as OpenFlow 1.3 numbers them (1.3.5, 7.4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// OFPET_.
    pub kind: u16,
    /// The code of that type.
    pub code: u16,
}

macro_rules! refusals {
    ($($kind:literal { $($code:literal $name:ident),* $(,)? })*) => {
        impl Refusal {
            $($(
                #[doc = concat!("Type ", stringify!($kind), ", code ", stringify!($code), ".")]
                pub const $name: Refusal = Refusal { kind: $kind, code: $code };
            )*)*
        }
    };
}

refusals! {
    0 { 0 INCOMPATIBLE, 1 HELLO_EPERM }
    1 {
        0 BAD_VERSION, 1 BAD_TYPE, 2 BAD_MULTIPART, 3 BAD_EXPERIMENTER, 4 BAD_EXPERIMENTER_TYPE, 5 REQUEST_EPERM,
        6 BAD_LENGTH, 7 BUFFER_EMPTY, 8 BUFFER_UNKNOWN, 9 REQUEST_BAD_TABLE, 10 IS_SLAVE, 11 BAD_PORT, 12 BAD_PACKET,
        13 MULTIPART_OVERFLOW,
    }
    2 {
        0 ACTION_TYPE, 1 ACTION_LENGTH, 2 ACTION_EXPERIMENTER, 4 ACTION_OUT_PORT, 5 ACTION_ARGUMENT, 7 ACTION_TOO_MANY,
        8 ACTION_QUEUE, 9 ACTION_OUT_GROUP, 10 MATCH_INCONSISTENT, 12 ACTION_TAG, 13 SET_TYPE, 14 SET_LENGTH,
        15 SET_ARGUMENT,
    }
    3 {
        0 UNKNOWN_INSTRUCTION, 1 UNSUPPORTED_INSTRUCTION, 2 INSTRUCTION_TABLE, 3 UNSUPPORTED_METADATA,
        5 INSTRUCTION_EXPERIMENTER, 7 INSTRUCTION_LENGTH,
    }
    4 {
        0 MATCH_TYPE, 1 MATCH_LENGTH, 2 MATCH_TAG, 5 WILDCARDS, 6 FIELD, 7 VALUE, 8 MASK, 9 PREREQUISITE, 10 FIELD_TWICE,
    }
    5 {
        0 FLOW_UNKNOWN, 1 TABLE_FULL, 2 FLOW_TABLE, 3 OVERLAP, 6 FLOW_COMMAND, 7 FLOW_FLAGS,
    }
    6 {
        0 GROUP_EXISTS, 1 INVALID_GROUP, 2 WEIGHT_UNSUPPORTED, 3 OUT_OF_GROUPS, 4 OUT_OF_BUCKETS, 7 LOOP,
        8 UNKNOWN_GROUP, 9 CHAINED_GROUP, 10 GROUP_TYPE, 11 GROUP_COMMAND, 12 BAD_BUCKET, 13 BAD_WATCH,
    }
    7 { 0 PORT_MOD_PORT, 1 PORT_MOD_ADDRESS, 2 PORT_MOD_CONFIG, 3 PORT_MOD_ADVERTISE }
    8 { 0 TABLE_MOD_TABLE, 1 TABLE_MOD_CONFIG }
    9 { 0 QUEUE_PORT, 1 QUEUE }
    10 { 0 CONFIG_FLAGS, 1 CONFIG_LENGTH }
    11 { 0 STALE, 1 ROLE_UNSUPPORTED, 2 BAD_ROLE }
    12 {
        0 METER_UNKNOWN, 1 METER_EXISTS, 2 INVALID_METER, 3 UNKNOWN_METER, 4 METER_COMMAND, 5 METER_FLAGS, 6 METER_RATE,
        7 METER_BURST, 8 BAD_BAND, 9 BAND_VALUE, 10 OUT_OF_METERS, 11 OUT_OF_BANDS,
    }
    13 { 0 FEATURES_TABLE, 5 FEATURES_EPERM }
}

impl Refusal {
    /// The same as OpenFlow 1.0 numbers it (1.0.0, 5.4.4), which knows fewer kinds.
    pub(crate) fn in_1_0(self) -> Refusal {
        let (kind, code) = match (self.kind, self.code) {
            (0..=2, _) => (self.kind, if self.code <= 8 { self.code } else { 0 }),
            // A match or an instruction is part of a FLOW_MOD there: EPERM, as nothing says it better.
            (3 | 4, _) => (3, 2),
            (5, 1) => (3, 0),
            (5, 3) => (3, 1),
            (5, 6) => (3, 4),
            (5, _) => (3, 5),
            (7, code) => (4, code.min(1)),
            (9, code) => (5, code),
            _ => (1, 5),
        };
        Refusal { kind, code }
    }
}
