//! A spawned task panics in the middle of a call: the epitaph names the task, and the tool the functions that led there.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::Spawner;
use unik::time::{Duration, Time};

/// A measurement that no sensor gives.
const IMPOSSIBLE: u32 = 1000;

#[unik::main]
async fn main(spawner: Spawner, time: Time) {
    let worker = time.clone();
    let spawned = spawner.spawn("sensor", async move {
        worker.sleep(Duration::from_millis(1)).await;
        unik::log::warn!("the sensor is about to be read");
        read_sensor(&worker).await;
    });
    unik::log::info!("the task is there: {}", spawned.is_ok());
    time.sleep(Duration::from_secs(3600)).await;
}

async fn read_sensor(time: &Time) {
    time.sleep(Duration::from_millis(1)).await;
    check(core::hint::black_box(IMPOSSIBLE));
}

#[inline(always)]
fn check(measurement: u32) {
    assert!(measurement < IMPOSSIBLE, "measured {measurement}");
}
