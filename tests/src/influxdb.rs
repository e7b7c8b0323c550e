//! InfluxDB 1.x.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::loader::Settings;
use crate::process::{Process, free_port};
use crate::programs::{Program, program};
use crate::{Request, Response, request};

/// The name and the password of the administrator where the server asks for one.
const ADMINISTRATOR: (&str, &str) = ("admin", "correct-horse");

/// A running InfluxDB 1.x.
#[derive(Debug)]
pub struct InfluxDb {
    process: Process,
    port: u16,
    authentication: bool,
}

impl InfluxDb {
    /// Starts a server that lets everyone in, with a database.
    pub fn start(database: &str) -> Self {
        let server = Self::launch(false);
        server.query("", &format!("CREATE DATABASE {database}"));
        server
    }

    /// Starts a server that lets only its administrator in, with a database.
    pub fn start_with_authentication(database: &str) -> Self {
        let server = Self::launch(true);
        let (name, password) = ADMINISTRATOR;
        server.query("", &format!("CREATE USER {name} WITH PASSWORD '{password}' WITH ALL PRIVILEGES"));
        server.query("", &format!("CREATE DATABASE {database}"));
        server
    }

    fn launch(authentication: bool) -> Self {
        let (port, rpc_port) = (free_port(), free_port());
        let process = Process::start("influxdb", |directory| {
            let configuration = directory.join("influxdb.conf");
            let root = directory.display();
            let text = format!(
                r#"reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
dir = "{root}/meta"
[data]
dir = "{root}/data"
wal-dir = "{root}/wal"
[http]
bind-address = "127.0.0.1:{port}"
auth-enabled = {authentication}
[monitor]
store-enabled = false
"#
            );
            fs::write(&configuration, text).unwrap();
            let mut command = Command::new(program(Program::Influxd));
            command.arg("run").arg("-config").arg(configuration).env("HOME", directory);
            command
        })
        .wait_until(|| answers(port));
        Self { process, port, authentication }
    }

    /// Stops the server. What it was given stays where it is.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Starts the server again after it was stopped, at the same address and with the same data.
    pub fn start_again(&mut self) {
        let port = self.port;
        self.process.start_again(|| answers(port));
    }

    /// Stops the server and starts it again: it reads all that it keeps from its files.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Such as `http://127.0.0.1:8086`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The settings with which the loader writes to `database`.
    pub fn settings(&self, database: &str) -> Settings {
        let settings = Settings::from([
            ("INFLUXDB_API", "v1".to_owned()),
            ("INFLUXDB_URL", self.url()),
            ("INFLUXDB_BUCKET", database.to_owned()),
        ]);
        let (name, password) = ADMINISTRATOR;
        if self.authentication {
            settings.with("INFLUXDB_USERNAME", name).with("INFLUXDB_PASSWORD", password)
        } else {
            settings
        }
    }

    /// Writes line protocol, as any client does.
    pub fn write(&self, database: &str, lines: &str) -> Response {
        let target = format!("/write?db={database}&precision=ns{}", self.credentials());
        request(self.port, &Request::new("POST", &target).body(lines)).unwrap()
    }

    /// Runs a statement of InfluxQL and returns the series of its result; times are nanoseconds.
    ///
    /// # Panics
    ///
    /// Where the server reports an error.
    pub fn query(&self, database: &str, statement: &str) -> Vec<Value> {
        self.query_all(database, statement).swap_remove(0)
    }

    /// Runs statements of InfluxQL, joined by `;`, and returns the series of each result, as [`Self::query`].
    ///
    /// # Panics
    ///
    /// Where the server reports an error.
    pub fn query_all(&self, database: &str, statements: &str) -> Vec<Vec<Value>> {
        let target = format!("/query?db={database}&epoch=ns{}", self.credentials());
        let body = format!("q={}", form_encode(statements));
        let query =
            Request::new("POST", &target).header("content-type", "application/x-www-form-urlencoded").body(body);
        let answer = request(self.port, &query).unwrap().succeeded().json();
        let series = |result: &Value| {
            assert!(result["error"].is_null(), "{statements}: {result}\n{}", self.process.log_tail());
            result["series"].as_array().cloned().unwrap_or_default()
        };
        answer["results"].as_array().unwrap().iter().map(series).collect()
    }

    /// Runs a statement of InfluxQL and returns its result as comma-separated values, in which numbers are exact.
    pub fn query_csv(&self, database: &str, statement: &str) -> String {
        let target = format!("/query?db={database}&epoch=ns{}&q={}", self.credentials(), form_encode(statement));
        request(self.port, &Request::new("GET", &target).header("accept", "application/csv"))
            .unwrap()
            .succeeded()
            .text()
    }

    /// The number in the one row of `SELECT {expression} FROM {measurement}`; 0 where there is no point.
    pub fn number(&self, database: &str, expression: &str, measurement: &str) -> f64 {
        let series = self.query(database, &format!("SELECT {expression} FROM {measurement}"));
        series.first().map_or(0.0, |series| series["values"][0][1].as_f64().unwrap())
    }

    fn credentials(&self) -> String {
        let (name, password) = ADMINISTRATOR;
        if self.authentication { format!("&u={name}&p={password}") } else { String::new() }
    }
}

fn answers(port: u16) -> bool {
    request(port, &Request::new("GET", "/ping")).is_ok_and(|response| response.status == 204)
}

/// Encodes all but letters and digits.
fn form_encode(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        encoded
    })
}
