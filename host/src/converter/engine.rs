//! The engine: one for all converters of a process. Compiles components, links what they may import, and keeps the time.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, OptLevel, WasmBacktraceDetails};

use super::bindings::{v0_1, v0_2};
use super::cache::{CompileCache, Stored};
use super::code::{Code, Linked, Shelf};
use super::compiler::{self, Failed};
use super::contract::Contract;
use super::error::{ConverterError, Subject};
use super::instance::Converter;
use super::limits::Limits;
use super::room::Room;
use super::state::State;
use super::survey::survey;
use super::text::one_line;
use super::world::Exports;
use super::{inspect, wasi};

/// How often time is counted: a time slice ends at most so much late. A hundred times a second costs nothing measurable.
const TICK: Duration = Duration::from_millis(10);

/// The longest reason that is taken over from the engine, in bytes.
const MAX_REASON_BYTES: usize = 500;

/// Compiles converters. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    wasmtime: wasmtime::Engine,
    linker: Linker<State>,
    limits: Limits,
    room: Arc<Room>,
    shelf: Shelf,
    _ticker: Ticker,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Engine").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine whose converters have these limits. Starts the thread that keeps the time; it ends when the engine and
    /// everything that it compiled are gone.
    ///
    /// # Errors
    ///
    /// [`ConverterError::Engine`] if the limits contradict each other, or the system gives no thread.
    pub fn new(limits: Limits) -> Result<Self, ConverterError> {
        let failed = |error: &dyn std::fmt::Display| ConverterError::Engine { reason: error.to_string() };
        if limits.stack_bytes == 0 || limits.stack_bytes > Limits::MAX_STACK_BYTES {
            let (asked, max) = (limits.stack_bytes, Limits::MAX_STACK_BYTES);
            return Err(failed(&format_args!("a stack must have 1 to {max} bytes: {asked}")));
        }
        let wasmtime = wasmtime(limits.stack_bytes).map_err(|error| failed(&format_args!("{error:#}")))?;
        let linker = linker(&wasmtime).map_err(|error| failed(&format_args!("{error:#}")))?;
        let ticker = Ticker::start(wasmtime.clone()).map_err(|error| failed(&error))?;
        let room = Room::new(limits.process_bytes);
        let shelf = Shelf::new(limits.code_bytes);
        Ok(Self(Arc::new(Inner { wasmtime, linker, limits, room, shelf, _ticker: ticker })))
    }

    /// The limits of its converters.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Compiles a component and asks it what it is.
    ///
    /// Takes about 100 ms for a converter in Rust, and seconds for an interpreter; belongs on a thread that may block. One
    /// component is compiled at a time, others wait.
    ///
    /// # Errors
    ///
    /// One of those that [`ConverterError::is_unusable_component`] names, or what `describe` failed with.
    pub fn compile(&self, component: &[u8]) -> Result<Converter, ConverterError> {
        self.compile_into(component, None)
    }

    /// As [`Engine::compile`], and keeps what was compiled for [`Engine::cached`].
    ///
    /// # Errors
    ///
    /// As [`Engine::compile`].
    pub fn compile_cached(&self, component: &[u8], cache: &CompileCache) -> Result<Converter, ConverterError> {
        self.compile_into(component, Some(cache))
    }

    /// The converter with this digest, where the cache has it. Blocks, for some milliseconds.
    ///
    /// # Errors
    ///
    /// As [`Engine::compile`].
    pub fn cached(&self, digest: &str, cache: &CompileCache) -> Option<Result<Converter, ConverterError>> {
        let stored = cache.load(&self.0.wasmtime, digest)?;
        Some(self.take(stored, digest.to_owned()))
    }

    fn compile_into(&self, component: &[u8], cache: Option<&CompileCache>) -> Result<Converter, ConverterError> {
        let digest = digest(component);
        let subject = Subject::unnamed(&digest);
        let compile = |reason: String| ConverterError::Compile { subject: subject.clone(), reason };
        inspect::preamble(component, &subject)?;
        let max = self.0.limits.component_bytes;
        if component.len() > max {
            return Err(compile(format!("it has {} bytes, at most {max} are allowed", component.len())));
        }
        inspect::interfaces(survey(component, &subject)?, &subject)?;
        let code = compiler::compile(&self.0.wasmtime, component, &self.0.limits).map_err(|failed| match failed {
            Failed::Component(reason) => compile(reason),
            Failed::Machine(reason) => {
                ConverterError::Engine { reason: format!("{subject} does not compile: {reason}") }
            }
        })?;
        if let Some(stored) = cache.and_then(|cache| cache.store(&self.0.wasmtime, &digest, &code)) {
            drop(code);
            return self.take(stored, digest);
        }
        #[expect(unsafe_code, reason = "wasmtime cannot check native code; the comment explains why this is its own")]
        // SAFETY: The bytes must be what an engine like this one compiled: they have just been, by this process or by one of
        // the same program that it started, with the same configuration, and nobody else had them.
        let component = unsafe { Component::deserialize(&self.0.wasmtime, &code) };
        let component = component.map_err(|error| compile(one_line(&format!("{error:#}"), MAX_REASON_BYTES)))?;
        drop(code);
        self.converter(&component, None, digest)
    }

    fn take(&self, stored: Stored, digest: String) -> Result<Converter, ConverterError> {
        let component = self.map(&stored, &Subject::unnamed(&digest))?;
        self.converter(&component, Some(stored), digest)
    }

    fn map(&self, stored: &Stored, subject: &Subject) -> Result<Component, ConverterError> {
        let failed = |reason| ConverterError::Engine { reason: format!("{subject} cannot be mapped: {reason}") };
        stored.map(&self.0.wasmtime).map_err(failed)
    }

    fn converter(
        &self,
        component: &Component,
        stored: Option<Stored>,
        digest: String,
    ) -> Result<Converter, ConverterError> {
        let linked = self.link(component, &Subject::unnamed(&digest))?;
        let code = Code::new(component, stored, linked);
        Converter::new(self.clone(), code, digest)
    }

    fn link(&self, component: &Component, subject: &Subject) -> Result<Linked, ConverterError> {
        let exported = component.component_type();
        // What exports none was refused before it was compiled; linking reports what it lacks.
        let contract = Contract::exported(exported.exports(&self.0.wasmtime).map(|(name, _)| name));
        let contract = contract.unwrap_or(Contract::V0_1);
        let linked = self.0.linker.instantiate_pre(component);
        let linked = linked.and_then(|pre| Ok(Linked { exports: Exports::new(contract, &pre)?, pre }));
        linked.map_err(|error| {
            let reason = one_line(&format!("{error:#}"), MAX_REASON_BYTES);
            ConverterError::NotAConverter { subject: subject.clone(), reason }
        })
    }

    /// What instances are made of, mapped where it had been released.
    pub(super) fn linked(&self, code: &Arc<Code>, subject: &Subject) -> Result<Linked, ConverterError> {
        let linked = code.linked(|stored| self.link(&self.map(stored, subject)?, subject))?;
        self.0.shelf.used(code);
        Ok(linked)
    }

    /// The memory that its instances share.
    pub(super) fn room(&self) -> &Arc<Room> {
        &self.0.room
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0.wasmtime
    }

    /// A time slice in ticks. One more than it has, as the first may be nearly over.
    pub(super) fn ticks(slice: Duration) -> u64 {
        u64::try_from(slice.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// What compiles, and runs what was compiled by another one that was made so.
pub(super) fn wasmtime(stack_bytes: usize) -> wasmtime::Result<wasmtime::Engine> {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(stack_bytes)
        .cranelift_opt_level(OptLevel::Speed)
        // The same answer on every machine, which may be another at every invocation.
        .relaxed_simd_deterministic(true)
        // File and line, where a component still has its debug information. Not left to the environment.
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    wasmtime::Engine::new(&config)
}

/// What converters may import: the log, and a WASI that grants nothing.
fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    v0_1::ConverterWorld::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    v0_2::ConverterWorld::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    wasi::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// The lower-case hexadecimal SHA-256.
pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut digest, byte| {
        // Writing to a string does not fail.
        let _ = write!(digest, "{byte:02x}");
        digest
    })
}

/// The thread that counts time for the engine, without which nothing would stop a loop.
struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: wasmtime::Engine) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("converter-clock".into()).spawn(move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It waits for nothing but this, and does not panic.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn nothing_is_left_of_an_engine_that_is_gone_not_even_its_clock() {
        let engine = Engine::new(Limits::default()).unwrap();
        let wasmtime = engine.wasmtime().weak();
        let clone = engine.clone();
        drop(engine);
        assert!(wasmtime.upgrade().is_some());
        drop(clone);
        // The clock's thread has one, too.
        assert!(wasmtime.upgrade().is_none());
    }

    #[test]
    fn a_time_slice_is_never_shorter_than_it_says() {
        assert_eq!(Engine::ticks(Duration::from_millis(100)), 11);
        assert_eq!(Engine::ticks(Duration::from_millis(101)), 12);
        assert_eq!(Engine::ticks(Duration::ZERO), 1);
        assert_eq!(Engine::ticks(Duration::MAX), u64::MAX);
    }

    #[test]
    fn a_digest_is_lower_case_hexadecimal() {
        assert_eq!(digest(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
