//! What of cryptography is used: three ciphers, two ways to agree on keys, and nothing else, so that nothing else is linked.
//!
//! Invariant: all of it comes from ring, whose random numbers are those of the machine.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::crypto::ring::{cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{CipherSuiteCommon, Error, SupportedCipherSuite, Tls13CipherSuite};

// The suites of TLS 1.3 without what they have for QUIC, which would be linked with them.
static AES_128: Tls13CipherSuite = without_quic(&cipher_suite::TLS13_AES_128_GCM_SHA256);
static AES_256: Tls13CipherSuite = without_quic(&cipher_suite::TLS13_AES_256_GCM_SHA384);
static CHACHA20: Tls13CipherSuite = without_quic(&cipher_suite::TLS13_CHACHA20_POLY1305_SHA256);

const fn without_quic(suite: &SupportedCipherSuite) -> Tls13CipherSuite {
    match suite {
        SupportedCipherSuite::Tls13(suite) => Tls13CipherSuite {
            common: CipherSuiteCommon { ..suite.common },
            hkdf_provider: suite.hkdf_provider,
            aead_alg: suite.aead_alg,
            quic: None,
        },
        SupportedCipherSuite::Tls12(_) => panic!("those are suites of TLS 1.3"),
    }
}

/// The suites of this server, in its order, which matters where the client has none.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            SupportedCipherSuite::Tls13(&AES_128),
            SupportedCipherSuite::Tls13(&AES_256),
            SupportedCipherSuite::Tls13(&CHACHA20),
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519, kx_group::SECP256R1],
        // Certificates of others are never verified: clients have none.
        signature_verification_algorithms: WebPkiSupportedAlgorithms { all: &[], mapping: &[] },
        secure_random: &Machine,
        key_provider: &Machine,
    }
}

/// Fills `bytes` with numbers that nobody can guess; `None` where the machine has none.
pub(super) fn random(bytes: &mut [u8]) -> Option<()> {
    SystemRandom::new().fill(bytes).ok()
}

#[derive(Debug)]
struct Machine;

impl SecureRandom for Machine {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        random(bytes).ok_or(GetRandomFailed)
    }
}

impl KeyProvider for Machine {
    /// Keys are read by `credentials.rs`, which says which file they are in.
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General(String::new()))
    }
}
