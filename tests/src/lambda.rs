//! The function, run by the Lambda emulator of cargo-lambda.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::loader::{Settings, command, programs};
use crate::process::{Process, free_port};
use crate::programs::{Program, program};
use crate::{Request, request};

/// The function's name.
const NAME: &str = "influxdb-loader";

/// The function, waiting for events, with the emulator that hands them to it.
#[derive(Debug)]
pub struct Function {
    emulator: Process,
    function: Process,
    port: u16,
}

/// Starts the function with these settings, as Lambda does. `runtime` is where it asks for events.
pub(crate) fn start(runtime: &str, settings: Settings) -> Process {
    let settings = function_settings().with("AWS_LAMBDA_RUNTIME_API", runtime).and(settings);
    Process::start("lambda-function", |directory| {
        let mut command = command(&programs().lambda, &settings);
        command.env("TMPDIR", directory).current_dir(directory);
        command
    })
}

/// What Lambda sets in the environment of every function.
pub(crate) fn function_settings() -> Settings {
    Settings::from([
        ("AWS_LAMBDA_FUNCTION_NAME", NAME.to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{NAME}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2000/01/01/[$LATEST]1".to_owned()),
    ])
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// Whether the function failed: the answer is then its error, with `errorType` and `errorMessage`.
    pub failed: bool,
    /// The function's answer.
    pub answer: Value,
}

impl Function {
    /// Starts the emulator and the function with these settings.
    pub fn start(settings: Settings) -> Self {
        let port = free_port();
        let emulator = Process::start("lambda-emulator", |directory| {
            // The emulator knows functions by the names of the packages in its directory.
            let manifest =
                format!("[package]\nname = \"{NAME}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n");
            fs::write(directory.join("Cargo.toml"), manifest).unwrap();
            fs::create_dir(directory.join("src")).unwrap();
            fs::write(directory.join("src/main.rs"), "fn main() {}\n").unwrap();
            let mut command = Command::new(program(Program::CargoLambda));
            command
                .args(["lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1", "--invoke-port"])
                .arg(port.to_string())
                .env_remove("CARGO_TARGET_DIR")
                .current_dir(directory);
            command
        })
        .wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        let function = start(&format!("http://127.0.0.1:{port}/.rt/{NAME}"), settings);
        Self { emulator, function, port }
    }

    /// Hands the function an event and waits for its answer.
    ///
    /// # Panics
    ///
    /// Where no answer comes, with the logs of both.
    pub fn invoke(&self, event: &Value) -> Invocation {
        let call =
            Request::new("POST", &Self::target()).header("content-type", "application/json").body(event.to_string());
        let response = request(self.port, &call)
            .unwrap_or_else(|error| panic!("no answer: {error}\n{}\n{}", self.emulator.log_tail(), self.log()));
        // The emulator's own answers have other statuses.
        assert!([200, 500].contains(&response.status), "{}\n{}", response.text(), self.emulator.log_tail());
        Invocation { failed: response.status == 500, answer: response.json() }
    }

    /// Where any client can invoke it, as Lambda's API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, Self::target())
    }

    fn target() -> String {
        format!("/2015-03-31/functions/{NAME}/invocations")
    }

    /// Waits until the function ends by itself, which it does only where it cannot start. Returns its exit code and its
    /// log.
    pub fn wait(&mut self) -> (Option<i32>, String) {
        (self.function.wait(Duration::from_secs(30)).code(), self.log())
    }

    /// All that the function has logged.
    pub fn log(&self) -> String {
        self.function.log()
    }
}
