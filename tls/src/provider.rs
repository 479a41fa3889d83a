//! What of cryptography is used.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
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

static NEWEST: [SupportedCipherSuite; 3] = [
    SupportedCipherSuite::Tls13(&AES_128),
    SupportedCipherSuite::Tls13(&AES_256),
    SupportedCipherSuite::Tls13(&CHACHA20),
];

const fn without_quic(suite: &SupportedCipherSuite) -> Tls13CipherSuite {
    let Some(suite) = suite.tls13() else { panic!("those are suites of TLS 1.3") };
    Tls13CipherSuite {
        common: CipherSuiteCommon { ..suite.common },
        hkdf_provider: suite.hkdf_provider,
        aead_alg: suite.aead_alg,
        quic: None,
    }
}

/// The suites of TLS 1.3 and behind them `older` ones, in the order of who serves; and the signatures of others that can be verified.
pub fn provider(older: &[SupportedCipherSuite], signatures: WebPkiSupportedAlgorithms) -> CryptoProvider {
    let mut cipher_suites = Vec::from(NEWEST);
    cipher_suites.extend_from_slice(older);
    CryptoProvider {
        cipher_suites,
        kx_groups: Vec::from([kx_group::X25519, kx_group::SECP256R1]),
        signature_verification_algorithms: signatures,
        secure_random: &Machine,
        key_provider: &Machine,
    }
}

/// Fills `bytes` with numbers that nobody can guess; `None` where the machine has none.
pub fn random(bytes: &mut [u8]) -> Option<()> {
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
    /// Keys are read by [`key`](crate::key), whose callers say which file they are in.
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General(String::new()))
    }
}
