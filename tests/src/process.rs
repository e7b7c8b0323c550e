//! Processes: servers that end with the value that stands for them, and commands with a time limit.

use std::fmt;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long a server may take until it answers. Generous: the machine may be busy compiling.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a server may take to end when it is asked to.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// How often a process is looked at while it is waited for.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How often children are looked for.
const CHILDREN_INTERVAL: Duration = Duration::from_millis(100);

/// How much of a log a panic shows.
const LOG_TAIL_LINES: usize = 40;

/// Ports are taken below the range from which the system gives ports to outgoing connections (32768 and above on Linux),
/// so that no connection takes a port between its choice and the server's start.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A free port of the loopback interface, never the same twice in one process.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let size = u32::from(PORTS.end - PORTS.start);
    // Test programs that run at the same time start far from each other.
    let start = std::process::id().wrapping_mul(2_654_435_761) % size;
    for _ in 0..size {
        let offset = (start + u32::from(TAKEN.fetch_add(1, Ordering::Relaxed))) % size;
        let port = PORTS.start + u16::try_from(offset).expect("smaller than a range of ports");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port of {PORTS:?} is free")
}

/// A running process with its log and a directory of its own. Dropping it ends the process and deletes the directory.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    command: Command,
    child: Child,
    directory: TempDir,
}

impl Process {
    /// Starts what `command` makes of the new process's directory. What it prints goes to its log.
    pub(crate) fn start(name: &str, command: impl FnOnce(&Path) -> Command) -> Self {
        let directory = tempfile::Builder::new().prefix(name).tempdir().unwrap();
        let log = File::create(log_path(directory.path())).unwrap();
        let mut command = command(directory.path());
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = spawn(&mut command);
        Self { name: name.to_owned(), command, child, directory }
    }

    /// Itself, once `ready` returns true.
    ///
    /// # Panics
    ///
    /// Where the process ends first, or takes too long, with the end of its log.
    #[must_use]
    pub(crate) fn wait_until(mut self, ready: impl Fn() -> bool) -> Self {
        self.wait_for(ready);
        self
    }

    /// Asks the process to end, and waits until it has.
    ///
    /// # Panics
    ///
    /// Where it takes too long.
    pub(crate) fn stop(&mut self) {
        // The standard library only knows the signal that leaves a process no time to write what it has in memory.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success(), "{} has ended before it was asked to\n{}", self.name, self.log_tail());
        self.wait(STOP_LIMIT);
    }

    /// Ends the process at once, without asking it.
    ///
    /// # Panics
    ///
    /// If it has ended before.
    pub(crate) fn kill(&mut self) {
        assert!(
            self.child.try_wait().unwrap().is_none(),
            "{} has ended before it was killed\n{}",
            self.name,
            self.log_tail()
        );
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts a process that has been stopped again, with what is in its directory, and waits until `ready` returns true.
    ///
    /// # Panics
    ///
    /// As [`Self::wait_until`].
    pub(crate) fn start_again(&mut self, ready: impl Fn() -> bool) {
        self.child = spawn(&mut self.command);
        self.wait_for(ready);
    }

    /// Waits until it has printed a text.
    ///
    /// # Panics
    ///
    /// As [`Self::wait_until`].
    pub(crate) fn wait_for_log(&mut self, text: &str) {
        let log = log_path(self.directory());
        self.wait_for(|| String::from_utf8_lossy(&fs::read(&log).unwrap()).contains(text));
    }

    fn wait_for(&mut self, ready: impl Fn() -> bool) {
        let deadline = Instant::now() + START_LIMIT;
        while !ready() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended before it was ready: {status}\n{}", self.name, self.log_tail());
            }
            assert!(Instant::now() < deadline, "{} is not ready after {START_LIMIT:?}\n{}", self.name, self.log_tail());
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Waits until the process ends by itself.
    ///
    /// # Panics
    ///
    /// Where it does not within `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        wait(&mut self.child, limit)
            .unwrap_or_else(|| panic!("{} still runs after {limit:?}\n{}", self.name, self.log_tail()))
    }

    /// The number by which the system knows it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The processes that it has started.
    pub(crate) fn children(&self) -> Vec<u32> {
        // Each thread has those that it has started itself.
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let children =
            threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("children")).unwrap_or_default());
        children.flat_map(|pids| pids.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
    }

    /// The directory that is deleted with the process.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// All that the process has printed so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(log_path(self.directory())).unwrap()).into_owned()
    }

    /// The last lines that it has printed.
    pub(crate) fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only where the process has ended and has been waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(command: &mut Command) -> Child {
    command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
}

fn log_path(directory: &Path) -> PathBuf {
    directory.join("log")
}

/// What a command did.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it printed to standard output.
    pub stdout: String,
    /// What it printed to standard error.
    pub stderr: String,
    /// How long it ran.
    pub elapsed: Duration,
    /// The memory that it had at most, in KiB, except for what it took in its last hundredth of a second.
    pub peak_memory_kib: u64,
    /// The most that it and its children had together, each taken for its largest so far, in KiB; except for children that live for less
    /// than a tenth of a second.
    pub peak_memory_of_all_kib: u64,
}

impl Outcome {
    /// Itself, after a run without an error.
    ///
    /// # Panics
    ///
    /// Where the exit code is not 0, with all that was printed.
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// What it printed to standard output, as JSON.
    ///
    /// # Panics
    ///
    /// Where it is not.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON: {error}\n{self}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr, elapsed, .. } = self;
        write!(formatter, "exit code {code:?} after {elapsed:?}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }
}

/// Runs a command to its end, with nothing on standard input.
///
/// # Panics
///
/// Where it cannot be started, prints what is not UTF-8, or runs for longer than `limit`.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Outcome {
    // Files, unlike pipes, never make the process wait for a reader.
    let directory = tempfile::tempdir().unwrap();
    let [stdout, stderr] = ["stdout", "stderr"].map(|name| directory.path().join(name));
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&stdout).unwrap())
        .stderr(File::create(&stderr).unwrap())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let (mut peak_memory_kib, mut peak_memory_of_all_kib, mut children_at) = (0, 0, start);
    let deadline = start + limit;
    let status = loop {
        // Gone as soon as the process has ended.
        if let Some(peak) = peak_memory_kib_of(child.id()) {
            peak_memory_kib = peak;
            let mut of_all = peak;
            if Instant::now() >= children_at {
                of_all += children_of(child.id()).filter_map(peak_memory_kib_of).sum::<u64>();
                children_at = Instant::now() + CHILDREN_INTERVAL;
            }
            peak_memory_of_all_kib = peak_memory_of_all_kib.max(of_all);
        }
        let status = wait(&mut child, POLL_INTERVAL);
        if status.is_some() || Instant::now() >= deadline {
            break status;
        }
    };
    let elapsed = start.elapsed();
    if status.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let [stdout, stderr] = [stdout, stderr].map(|path| {
        String::from_utf8(fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{command:?} printed: {error}"))
    });
    let code = status.and_then(|status| status.code());
    let outcome = Outcome { code, stdout, stderr, elapsed, peak_memory_kib, peak_memory_of_all_kib };
    assert!(status.is_some(), "{command:?} still ran after {limit:?}\n{outcome}");
    outcome
}

/// Its largest resident set so far, as Linux counts it.
fn peak_memory_kib_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok())
}

/// The processes that a process started. Looks at every process of the machine.
fn children_of(process: u32) -> impl Iterator<Item = u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(move |id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The number of the parent comes second after the name, which may have anything in it but is in parentheses.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        parent == Some(process)
    })
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        let status = child.try_wait().unwrap();
        if status.is_some() || Instant::now() >= deadline {
            return status;
        }
        thread::sleep(POLL_INTERVAL);
    }
}
