//! The function, run by AWS's own emulator of Lambda's runtime interface, which starts it with the first event.

use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::lambda::function_settings;
use crate::loader::{Settings, command, programs};
use crate::process::{Process, free_port};
use crate::programs::{Program, program};
use crate::{Invocation, Request, Response, request};

/// The emulator, which starts the function when the first event comes, and again after it has ended.
#[derive(Debug)]
pub struct LambdaEmulator {
    process: Process,
    port: u16,
}

impl LambdaEmulator {
    /// Starts the emulator for the function with these settings, which has `timeout` for each event, in whole seconds.
    pub fn start(settings: Settings, timeout: Duration) -> Self {
        let (port, runtime_port) = (free_port(), free_port());
        let settings =
            function_settings().with("AWS_LAMBDA_FUNCTION_TIMEOUT", timeout.as_secs().to_string()).and(settings);
        let process = Process::start("aws-lambda-rie", |directory| {
            let mut command = command(&program(Program::LambdaEmulator), &settings);
            command
                .arg("--runtime-interface-emulator-address")
                .arg(format!("127.0.0.1:{port}"))
                .arg("--runtime-api-address")
                .arg(format!("127.0.0.1:{runtime_port}"))
                .arg(&programs().lambda)
                .env("TMPDIR", directory)
                .current_dir(directory);
            command
        })
        .wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        Self { process, port }
    }

    /// Sends the function an event and returns what it answers.
    ///
    /// # Panics
    ///
    /// If no answer comes, or none of the function, with the log of both.
    pub fn invoke(&self, event: &Value) -> Invocation {
        let response = self.send(event);
        assert_eq!(response.status, 200, "{}\n{}", response.text(), self.process.log_tail());
        let answer = response.json();
        // Unlike Lambda, the emulator has no header for an error of the function.
        Invocation { failed: answer["errorType"].is_string(), answer }
    }

    /// Sends the function an event. Returns the emulator's answer as it is: status 200 for all that the function answers,
    /// its errors too, and 502 if the function ends. When the time is over, it is 200 with a line of text.
    ///
    /// # Panics
    ///
    /// If no answer comes, with the log of both.
    pub fn send(&self, event: &Value) -> Response {
        let call = Request::new("POST", "/2015-03-31/functions/function/invocations").body(event.to_string());
        request(self.port, &call).unwrap_or_else(|error| panic!("no answer: {error}\n{}", self.process.log_tail()))
    }

    /// Ends the function at once with SIGKILL, as Lambda does when it takes too much memory.
    pub fn kill_function(&self) {
        self.signal_function("-KILL");
    }

    /// Freezes the function, so that it answers nothing any more.
    pub fn freeze_function(&self) {
        self.signal_function("-STOP");
    }

    fn signal_function(&self, signal: &str) {
        let pids = self.process.children();
        let [pid] = pids[..] else { panic!("the function is one process: {pids:?}\n{}", self.process.log_tail()) };
        assert!(Command::new("kill").arg(signal).arg(pid.to_string()).status().unwrap().success());
    }

    /// All that the emulator and the function have printed.
    pub fn log(&self) -> String {
        self.process.log()
    }
}
