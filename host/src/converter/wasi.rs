//! WASI 0.2 for guests that were built for it (Rust's `wasm32-wasip2`, JavaScript, Python), granting nothing: no files, no
//! environment, no arguments, no network; fixed clocks, fixed random numbers, an ended standard input. Standard output and
//! standard error go to the log.
//!
//! Nothing here can block, so that a guest in a host call never outlives its time slice, which only interrupts code of the
//! guest: a sleep ends at once (the clocks stand still anyway), standard input has ended, the streams to the log always
//! take what is written, and there is no way to get a file, a socket or a name lookup that one could wait for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamResult, subscribe};
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView, async_trait};

use super::log::{Log, Stream};

/// The packages of WASI that are provided to guests, all of version 0.2.
pub(super) const PACKAGES: [&str; 6] =
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// How many streams and the like a guest may hold at once: a guest needs a dozen.
pub(super) const MAX_RESOURCES: usize = 1024;

/// The most random bytes that a guest is given at once: more than any seed.
const MAX_RANDOM_BYTES: u64 = 64 * 1024;

/// How much a guest may write to a stream at once, in bytes.
const WRITE_BYTES: usize = 64 * 1024;

/// The instant at which all clocks stand: 2000-01-01T00:00:00Z, in seconds. Late enough for code that subtracts from it.
const WALL_CLOCK: Duration = Duration::from_secs(946_684_800);

/// The WASI state of one instance.
pub(super) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl Wasi {
    pub(super) fn new(log: &Arc<Mutex<Log>>) -> Self {
        let random = || Deterministic::new(random_bytes());
        let context = WasiCtxBuilder::new()
            .stdout(LogStream { log: Arc::clone(log), stream: Stream::Output })
            .stderr(LogStream { log: Arc::clone(log), stream: Stream::Error })
            .wall_clock(FixedClock)
            .monotonic_clock(FixedClock)
            .secure_random(random())
            .insecure_random(random())
            .insecure_random_seed(0x9e37_79b9_7f4a_7c15)
            .max_random_size(MAX_RANDOM_BYTES)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Self { context, table }
    }

    pub(super) fn view(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.context, table: &mut self.table }
    }
}

/// Links WASI, with a monotonic clock that nobody can wait for.
pub(super) fn add_to_linker<T: WasiView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<T, Clock<'static>>(linker, |state| Clock { table: state.ctx().table })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Bytes that look random and are the same for every instance (SplitMix64).
fn random_bytes() -> Vec<u8> {
    let mut state = 0_u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    };
    (0..512).flat_map(|_| next().to_le_bytes()).collect()
}

/// Clocks that stand still: what a converter answers depends on its input alone.
struct FixedClock;

impl HostWallClock for FixedClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        WALL_CLOCK
    }
}

impl HostMonotonicClock for FixedClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        WALL_CLOCK.as_secs() * 1_000_000_000
    }
}

/// `wasi:clocks/monotonic-clock`, with waits that are over at once.
struct Clock<'a> {
    table: &'a mut ResourceTable,
}

impl HasData for Clock<'static> {
    type Data<'a> = Clock<'a>;
}

impl monotonic_clock::Host for Clock<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(HostMonotonicClock::now(&FixedClock))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(HostMonotonicClock::resolution(&FixedClock))
    }

    fn subscribe_instant(&mut self, _when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let over = self.table.push(Over)?;
        subscribe(self.table, over)
    }

    fn subscribe_duration(&mut self, _duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_instant(0)
    }
}

/// A wait that is over.
struct Over;

#[async_trait]
impl Pollable for Over {
    async fn ready(&mut self) {}
}

/// A standard stream of a guest.
#[derive(Clone)]
struct LogStream {
    log: Arc<Mutex<Log>>,
    stream: Stream,
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for it, which is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for LogStream {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        super::state::lock(&self.log).write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}
