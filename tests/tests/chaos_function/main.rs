//! Chaos around the function: several processes of it take notifications from one queue, of objects in S3 that are replaced
//! and deleted, and write into InfluxDB 2.7 behind a proxy. Processes are killed and frozen, connections treated badly, the
//! token rotated, converters promoted. At rest InfluxDB matches the newest versions, every other row of theirs is among the rejects,
//! and nothing waits.
//!
//! A seed decides what happens, in which order and how long after each other:
//!
//! ```sh
//! cargo test --release --workspace --test chaos_function -- --nocapture
//! CHAOS_SEEDS=500 cargo test --release --workspace --test chaos_function -- --nocapture
//! CHAOS_SEED=17 cargo test --release --workspace --test chaos_function -- --nocapture
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "what the seeds came to is what one wants to know of a run by hand")]

mod objects;
mod queue;
mod site;

use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use site::Site;

/// How many seeds run by default.
const SEEDS: u64 = 20;

/// How many of them run at a time: they wait more than they work.
const AT_A_TIME: usize = 4;

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("`{variable}` is `{text}`: {error}")))
}

#[test]
fn at_rest_influxdb_has_the_newest_versions_every_other_row_is_rejected_and_nothing_waits() {
    let seeds: Vec<u64> = match number("CHAOS_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("CHAOS_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let next = AtomicUsize::new(0);
    let wrong: Vec<u64> = thread::scope(|scope| {
        let work = || {
            let mut wrong = Vec::new();
            let mut site = None;
            while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::SeqCst)) {
                let live = || site.get_or_insert_with(Site::start).live_through(*seed);
                match panic::catch_unwind(AssertUnwindSafe(live)) {
                    Ok(story) => eprintln!("seed {seed}: {story}"),
                    Err(_) => {
                        eprintln!("seed {seed} is wrong");
                        wrong.push(*seed);
                        // What is left of it may disturb others.
                        site = None;
                    }
                }
            }
            wrong
        };
        let workers: Vec<_> = (0..AT_A_TIME.min(seeds.len())).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    eprintln!("{} seeds, {} were wrong", seeds.len(), wrong.len());
    assert!(wrong.is_empty(), "replay with CHAOS_SEED: {wrong:?}");
}
