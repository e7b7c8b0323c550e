//! Long commands that somebody waits for.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often a command is asked whether it has ended.
const POLL: Duration = Duration::from_millis(20);

/// Runs a command to its end with nothing on standard input, and passes each line of its standard error to `tell`. Once `stop` is
/// true, the command is killed. Blocks.
///
/// # Errors
///
/// When it cannot be started, or does not let itself be read.
pub fn listen(command: &mut Command, tell: &mut (dyn FnMut(&str) + Send), stop: &AtomicBool) -> io::Result<Output> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        let stdout = scope.spawn(move || {
            let mut bytes = Vec::new();
            stdout.map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut bytes)).map(|_| bytes)
        });
        let stderr = scope.spawn(move || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            for line in stderr.into_iter().flat_map(|stderr| BufReader::new(stderr).split(b'\n')) {
                let line = line?;
                tell(&String::from_utf8_lossy(&line));
                bytes.extend_from_slice(&line);
                bytes.push(b'\n');
            }
            Ok(bytes)
        });
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if stop.load(Ordering::Relaxed) {
                child.kill()?;
                break child.wait()?;
            }
            thread::sleep(POLL);
        };
        // A thread fails only where a panic in `tell` ends it.
        let read = |thread: thread::ScopedJoinHandle<'_, io::Result<Vec<u8>>>| {
            thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
        };
        Ok(Output { status, stdout: read(stdout)?, stderr: read(stderr)? })
    })
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use super::*;

    #[test]
    fn each_line_is_told_as_it_comes_and_all_of_them_are_returned() {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo one >&2; printf two >&2; exit 3"]);
        let output = listen(&mut command, &mut |line| lines.push(line.to_owned()), &AtomicBool::new(false)).unwrap();
        assert_eq!(
            (output.status.code(), output.stdout, lines),
            (Some(3), b"out\n".to_vec(), vec!["one".into(), "two".into()])
        );
    }

    #[test]
    fn a_command_that_nobody_waits_for_any_more_is_killed() {
        let stop = AtomicBool::new(false);
        let mut command = Command::new("sh");
        command.args(["-c", "echo begun >&2; exec sleep 600"]);
        let output = listen(&mut command, &mut |_| stop.store(true, Ordering::Relaxed), &stop).unwrap();
        assert!(!output.status.success());
    }
}
