//! Keeps values in a store on its disk, and commits again and again: `commits=` says how often, where 0 only looks.
//!
//! What the store holds after so many commits is known: commit `i` puts its number under `count`, and one value more.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use core::fmt;

use unik::disk::Disk;
use unik::store::{Flush, Store, StoreError};
use unik::{Config, Entropy, log};

/// Keys besides `count`.
const KEYS: u64 = 7;
/// The longest value.
const LONGEST: u64 = 20_000;

/// What was wrong with the first disk.
struct Failure(StoreError);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("disk0: ")?;
        self.0.fmt(f)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

/// Commit `number`: a value of its own length under one of the keys, or one removed.
async fn commit(store: &mut Store, number: u64) -> Result<(), StoreError> {
    let (key, length) = ([b'k', b'0' + (number % KEYS) as u8], number * 7919 % LONGEST);
    let mut transaction = store.begin(length).await?;
    if number.is_multiple_of(5) {
        transaction.delete(&key).await?;
    } else {
        transaction.put(&key).await?;
        let (words, rest) = (length / 8, length % 8);
        for word in 0..words {
            transaction.write(&(number << 32 | word).to_le_bytes()).await?;
        }
        for _ in 0..rest {
            transaction.write(b".").await?;
        }
    }
    transaction.put(b"count").await?;
    transaction.write(&number.to_le_bytes()).await?;
    transaction.commit().await
}

#[unik::main]
async fn main(disk: Disk, config: Config, entropy: Entropy) -> Result<(), Failure> {
    let commits = config.get("commits").and_then(|word| word.parse().ok()).unwrap_or(0);
    let mut store = Store::open_or_format(disk, Flush::Required, entropy.next_u64()).await?;
    let mut count = [0; 8];
    if let Some(mut value) = store.get(b"count")? {
        value.read(&mut count).await?;
    }
    let done = u64::from_le_bytes(count);
    log::info!("holds {done}");
    for number in done + 1..=done + commits {
        commit(&mut store, number).await?;
        log::info!("committed {number}");
    }
    Ok(())
}
