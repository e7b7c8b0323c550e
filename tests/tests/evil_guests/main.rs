//! Converters that attack the loader: each comes to nothing, is reported in one line, takes little time and memory, and leaves
//! the loader as it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod attacks;
mod components;
mod module;
mod processes;

use std::fs;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use influxdb_loader::config::{Compression, Config};
use influxdb_loader::converter::{Converter, ConverterError};
use influxdb_loader::pipeline::{LoadRequest, Loader, Location};
use influxdb_loader::report::ObjectReport;
use influxdb_loader::sink::{LineWriter, Sink};
use influxdb_loader_tests::{evil_component, parquet, small_consumption};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long an attack may keep the processor busy: the second that a call without end has, and as much for all the rest.
/// Not by the clock on the wall, since the machine may have other work.
const MAX_TIME: Duration = Duration::from_secs(2);

/// What an attack may cost, in KiB: the memory that a converter has by default.
const MAX_MEMORY_KIB: u64 = 256 * 1024;

/// A converter for the dataset that it is asked for.
const HONEST: &str = "consumption";

/// A loader as it is in a function, and a small file.
struct Victim {
    runtime: Runtime,
    loader: Loader,
    /// A loader in which a call has one second, for attacks that do not end by themselves.
    hasty: Loader,
    directory: TempDir,
    evil: Converter,
    evil_without_end: Converter,
    /// What the honest converter makes of the file.
    honest_lines: String,
}

impl Victim {
    /// Gives it to one test at a time: memory is measured for the process.
    fn with<T>(attack: impl FnOnce(&Self) -> T) -> T {
        static VICTIM: LazyLock<Mutex<Victim>> = LazyLock::new(|| Mutex::new(Victim::new()));
        attack(&VICTIM.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn new() -> Self {
        let loader = |seconds: &str| {
            let config = Config::read(|name| (name == "CONVERTER_TIME_SECONDS").then(|| seconds.to_owned()));
            Loader::new(&config.unwrap()).unwrap()
        };
        let (loader, hasty) = (loader("10"), loader("1"));
        let evil = loader.catalog().engine().compile(evil_component()).unwrap();
        let evil_without_end = hasty.catalog().engine().compile(evil_component()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("small.parquet"), parquet(&small_consumption())).unwrap();
        let runtime = Runtime::new().unwrap();
        let honest_lines = String::new();
        let mut victim = Self { runtime, loader, hasty, directory, evil, evil_without_end, honest_lines };
        victim.honest_lines = victim.load(HONEST).unwrap();
        assert_eq!(victim.honest_lines.lines().count(), 2);
        victim
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("small.parquet")
    }

    /// The lines of the file, converted for `dataset`, or the failure that the user sees.
    fn load(&self, dataset: &str) -> Result<String, String> {
        self.load_into(0, dataset)
    }

    /// As [`Self::load`], beside other loads that have other numbers.
    fn load_into(&self, number: usize, dataset: &str) -> Result<String, String> {
        let lines = self.directory.path().join(format!("lines-{number}"));
        let sink: Sink = LineWriter::file(&lines, Compression::None).unwrap().into();
        let location = Location::File(self.file());
        let report = self.runtime.block_on(async {
            let report =
                self.loader.load(&LoadRequest::new(&location).as_dataset(Some(dataset)), &sink, None, &()).await;
            sink.finish().await.unwrap();
            report
        });
        let lines = fs::read_to_string(lines).unwrap();
        match failure(&report) {
            None => {
                assert!(report.accounts.balances(), "{:?}", report.accounts);
                Ok(lines)
            }
            Some(failure) => {
                assert_eq!(lines, "", "a failed object of one batch wrote points");
                Err(failure)
            }
        }
    }

    /// Loads the file while the evil converter makes the attack of this name.
    fn attack(&self, name: &str) -> Result<String, String> {
        let dataset = name.replace('_', "-");
        let evil = if name.contains("endless") { &self.evil_without_end } else { &self.evil };
        self.loader.catalog().insert(dataset.clone(), evil.clone());
        self.survives(|| self.load(&dataset))
    }

    /// What comes of compiling a component.
    fn compile(&self, component: &[u8]) -> Result<Converter, ConverterError> {
        self.survives(|| self.hasty.catalog().engine().compile(component))
    }

    /// What comes of `attack`, which must be over soon, have taken little memory, and have done no harm.
    fn survives<T>(&self, attack: impl FnOnce() -> T) -> T {
        // What was used at most is counted anew from here on.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = memory_kib("VmHWM");
        let start = processor_time();
        let outcome = attack();
        let elapsed = processor_time() - start;
        let taken = memory_kib("VmHWM").saturating_sub(before);
        assert!(elapsed < MAX_TIME, "it took {elapsed:?}");
        assert!(taken < MAX_MEMORY_KIB, "it took {taken} KiB");
        assert_eq!(self.load(HONEST).as_ref(), Ok(&self.honest_lines), "the honest converter does not work any more");
        outcome
    }
}

/// What the user sees of an object that failed.
fn failure(report: &ObjectReport) -> Option<String> {
    let failure = report.failure.as_ref()?;
    let (error_type, message) = (failure.error_type().name(), failure.message());
    assert!(message.len() <= 2048, "{} bytes of message", message.len());
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(!message.contains(char::is_control), "{message:?}");
    Some(failure.hint().map_or(format!("{error_type}: {message}"), |hint| format!("{error_type}: {message} ({hint})")))
}

/// What this process has of a kind of memory; see `proc_pid_status(5)`.
fn memory_kib(kind: &str) -> u64 {
    memory_kib_of(&fs::read_to_string("/proc/self/status").unwrap(), kind).unwrap()
}

fn memory_kib_of(status: &str, kind: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// What this process has kept processors busy for.
fn processor_time() -> Duration {
    // The fields after the name, which stands in brackets; 14 and 15 in all, in hundredths of a second.
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |field: usize| fields[field - 3].parse::<u64>().unwrap();
    Duration::from_millis(10 * (ticks(14) + ticks(15)))
}

/// The text of a component whose instances double at each of 26 levels.
fn nest() -> String {
    let levels: String = (1..=26)
        .map(|level| {
            let before = level - 1;
            let twice = "(instance (instantiate $c))".repeat(2);
            format!("(component $c{level} (alias outer 1 $c{before} (component $c)) {twice})")
        })
        .collect();
    format!("(component (component $c0) {levels} (instance (instantiate $c26)))")
}
