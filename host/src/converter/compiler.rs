//! Compiling, in a process of its own that has a limit of memory and of processor time.
//!
//! ```text
//! loader  -- component -->  the same program, as compiler  -- native code -->  loader
//!                           limited by the system, and ended by it beyond
//! ```
//!
//! What it takes to compile a component cannot be derived from its bytes, and a thread that compiles cannot be stopped. A
//! process can: a component that takes too much is an error with a name, whatever else the loader is doing, and what the
//! compiler needed is given back as a whole. The loader's two programs compile so; what uses the library compiles in its own
//! process unless it begins with [`run_compiler`] as they do.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, setrlimit};

use super::engine;
use super::limits::Limits;
use super::text::one_line;

/// The argument that makes a program of the loader the compiler. Limits follow it.
const ARGUMENT: &str = "--compile-converter";

/// The running program, even where the file that it was started from has been replaced.
const PROGRAM: &str = "/proc/self/exe";

/// The longest reason that is taken over from the engine, in bytes.
const MAX_REASON_BYTES: usize = 500;

/// With less memory, a function has less than one processor, and each thread of the compiler takes memory for itself.
const ONE_THREAD_BYTES: usize = 1769 << 20;

/// The most native code that is taken from the compiler, in bytes.
const MAX_CODE_BYTES: u64 = 1 << 30;

/// Whether this program began with [`run_compiler`].
static IS_PREPARED: AtomicBool = AtomicBool::new(false);

/// Why there is no code.
#[derive(Debug)]
pub(super) enum Failed {
    /// The component is at fault.
    Component(String),
    /// The machine is.
    Machine(String),
}

/// What a program of the loader begins with: where this process was started to compile, it does, and the program ends with
/// the code that is returned. Else the loader compiles in such processes from now on.
pub fn run_compiler() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|argument| argument != ARGUMENT) {
        IS_PREPARED.store(true, Ordering::Relaxed);
        return None;
    }
    let failed = match serve(arguments) {
        Ok(()) => return Some(ExitCode::SUCCESS),
        Err(failed) => failed,
    };
    // The code distinguishes them: 1 is the component's fault.
    let (reason, code) = match failed {
        Failed::Component(reason) => (reason, 1),
        Failed::Machine(reason) => (reason, 2),
    };
    // A reader that cannot be reached is gone.
    drop(io::stderr().write_all(reason.as_bytes()));
    Some(ExitCode::from(code))
}

/// Compiles what standard input has to standard output.
fn serve(mut arguments: impl Iterator<Item = OsString>) -> Result<(), Failed> {
    let machine = |error: &dyn std::fmt::Display| Failed::Machine(error.to_string());
    let mut number = || {
        let argument = arguments.next().and_then(|argument| argument.to_str()?.parse::<u64>().ok());
        argument.ok_or_else(|| Failed::Machine("a limit is missing".to_owned()))
    };
    let (stack, memory, seconds) = (number()?, number()?, number()?);
    let limit = |resource, current, maximum| {
        let limits = Rlimit { current: Some(current), maximum: Some(maximum) };
        setrlimit(resource, limits).map_err(|error| machine(&error))
    };
    limit(Resource::Data, memory, memory)?;
    // At the second one it would be killed, as by anybody.
    limit(Resource::Cpu, seconds, seconds.saturating_add(10))?;
    // A process that the system ends leaves no image of itself.
    limit(Resource::Core, 0, 0)?;
    // If the machine has no memory, this process is to end, not the loader. Where that cannot be set, nothing is lost.
    drop(std::fs::write("/proc/self/oom_score_adj", "1000"));
    let mut component = Vec::new();
    io::stdin().read_to_end(&mut component).map_err(|error| machine(&error))?;
    let stack = usize::try_from(stack).map_err(|error| machine(&error))?;
    let engine = engine::wasmtime(stack).map_err(|error| machine(&error))?;
    let code = here(&engine, &component)?;
    io::stdout().write_all(&code).map_err(|error| machine(&error))
}

/// Compiles a component.
pub(super) fn compile(engine: &wasmtime::Engine, component: &[u8], limits: &Limits) -> Result<Vec<u8>, Failed> {
    /// One at a time: each takes all cores, and may take all the memory that there is for it.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if IS_PREPARED.load(Ordering::Relaxed) { elsewhere(component, limits) } else { here(engine, component) }
}

fn here(engine: &wasmtime::Engine, component: &[u8]) -> Result<Vec<u8>, Failed> {
    let compiled = engine.precompile_component(component);
    compiled.map_err(|error| Failed::Component(one_line(&format!("{error:#}"), MAX_REASON_BYTES)))
}

fn elsewhere(component: &[u8], limits: &Limits) -> Result<Vec<u8>, Failed> {
    let failed = |error: io::Error| Failed::Machine(format!("the compiler does not run: {error}"));
    let Limits { stack_bytes, compile_bytes, compile_time, .. } = limits;
    let seconds = compile_time.max(&Duration::from_secs(1)).as_secs();
    let mut command = Command::new(PROGRAM);
    command.arg(ARGUMENT).args([*stack_bytes, *compile_bytes].map(|bytes| bytes.to_string())).arg(seconds.to_string());
    // Nothing that the loader knows, its secrets least of all.
    command.env_clear();
    if *compile_bytes < ONE_THREAD_BYTES {
        command.env("RAYON_NUM_THREADS", "1");
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (code, words) = std::thread::scope(|scope| {
        // One that ended does not read to the end, and reports why.
        let write = scope.spawn(move || drop(stdin.map(|mut stdin| stdin.write_all(component))));
        let words = scope.spawn(move || read(stderr, MAX_REASON_BYTES as u64));
        let code = read(stdout, MAX_CODE_BYTES);
        // Neither of them panics.
        drop(write.join());
        (code, words.join().unwrap_or_default())
    });
    let status = child.wait().map_err(failed)?;
    if status.success() {
        return Ok(code);
    }
    let is = |signal: Signal| status.signal() == Some(signal.as_raw());
    let words = one_line(&String::from_utf8_lossy(&words), MAX_REASON_BYTES);
    // The last words of Rust where memory is short; the system's where a thread's stack is.
    Err(if is(Signal::XCPU) {
        Failed::Component(format!("it takes more than {seconds} s of a processor"))
    } else if is(Signal::ABORT) || words.contains("Cannot allocate memory") || words.contains("memory allocation of") {
        Failed::Component(format!("it takes more than {} MiB of memory", compile_bytes >> 20))
    } else if is(Signal::KILL) {
        Failed::Machine("the compiler was killed; the machine may have no memory left".to_owned())
    } else if status.code() == Some(1) {
        Failed::Component(words)
    } else {
        Failed::Machine(format!("the compiler failed with {status}: {words}"))
    })
}

/// What a stream has until it ends, up to `most` bytes. What is beyond is read, and dropped.
fn read(stream: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What was not read is seen by what it is for: code has a digest of its own.
        drop(stream.by_ref().take(most).read_to_end(&mut bytes));
        drop(io::copy(&mut stream, &mut io::sink()));
    }
    bytes
}
