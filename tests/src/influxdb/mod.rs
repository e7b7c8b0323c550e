//! InfluxDB. [`InfluxDb2`] is what the loader is made for, and what a test starts unless it is about 1.x.

mod points;
mod v1;
mod v2;

use serde_json::Value;

pub use v1::InfluxDb;
pub use v2::{InfluxDb2, flux_rows};

use crate::http::form_encode;
use crate::loader::Settings;
use crate::process::Process;
use crate::{Request, Response, request};

/// A running InfluxDB of any version that answers InfluxQL: what [`InfluxDb`] and [`InfluxDb2`] have in common.
#[derive(Debug)]
pub struct InfluxServer {
    process: Process,
    port: u16,
    access: Access,
}

/// How a client is let in, which also distinguishes the versions.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Access {
    /// 1.x, with the name and the password of its administrator if it asks for them.
    V1(Option<(&'static str, &'static str)>),
    /// 2.x, with the name of its organization and the token of its operator.
    V2(&'static str, &'static str),
}

impl InfluxServer {
    /// Asks the server to end, and waits until it has. Its data stays.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Ends the server at once with SIGKILL. Its data stays, as far as it was written.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the server again after it was stopped or killed, at the same address and with the same data.
    pub fn start_again(&mut self) {
        let port = self.port;
        self.process.start_again(|| answers(port));
    }

    /// Stops the server and starts it again: it reads all that it keeps from its files.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Such as `http://127.0.0.1:8086`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The settings with which the loader writes to `bucket`, which is a database in 1.x.
    pub fn settings(&self, bucket: &str) -> Settings {
        let api = match self.access {
            Access::V1(_) => "v1",
            Access::V2(..) => "v2",
        };
        let settings = Settings::from([
            ("INFLUXDB_API", api.to_owned()),
            ("INFLUXDB_URL", self.url()),
            ("INFLUXDB_BUCKET", bucket.to_owned()),
        ]);
        match self.access {
            Access::V1(None) => settings,
            Access::V1(Some((name, password))) => {
                settings.with("INFLUXDB_USERNAME", name).with("INFLUXDB_PASSWORD", password)
            }
            Access::V2(organization, token) => {
                settings.with("INFLUXDB_ORG", organization).with("INFLUXDB_TOKEN", token)
            }
        }
    }

    /// Writes line protocol, as any client does.
    pub fn write(&self, bucket: &str, lines: &str) -> Response {
        let target = match self.access {
            Access::V1(_) => format!("/write?db={bucket}&precision=ns"),
            Access::V2(organization, _) => format!("/api/v2/write?org={organization}&bucket={bucket}&precision=ns"),
        };
        self.send(Request::new("POST", &target).body(lines))
    }

    /// Runs a statement of InfluxQL and returns the series of its result; times are nanoseconds.
    ///
    /// # Panics
    ///
    /// Where the server reports an error.
    pub fn query(&self, bucket: &str, statement: &str) -> Vec<Value> {
        self.query_all(bucket, statement).into_iter().next().unwrap_or_default()
    }

    /// Runs statements of InfluxQL, joined by `;`, and returns the series of each result, as [`Self::query`].
    ///
    /// # Panics
    ///
    /// Where the server reports an error.
    pub fn query_all(&self, bucket: &str, statements: &str) -> Vec<Vec<Value>> {
        let query = Request::new("POST", &format!("/query?db={bucket}&epoch=ns"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("q={}", form_encode(statements)));
        let answer = self.send(query).succeeded().json();
        let series = |result: &Value| {
            assert!(result["error"].is_null(), "{statements}: {result}\n{}", self.process.log_tail());
            result["series"].as_array().cloned().unwrap_or_default()
        };
        assert!(answer["error"].is_null(), "{statements}: {answer}");
        // 2.x answers a statement that changes something with an object that has nothing in it.
        answer["results"].as_array().map(|results| results.iter().map(series).collect()).unwrap_or_default()
    }

    /// Runs a statement of InfluxQL and returns its result as comma-separated values, in which numbers are exact.
    pub fn query_csv(&self, bucket: &str, statement: &str) -> String {
        let target = format!("/query?db={bucket}&epoch=ns&q={}", form_encode(statement));
        self.send(Request::new("GET", &target).header("accept", "application/csv")).succeeded().text()
    }

    /// The number in the one row of `SELECT {expression} FROM {measurement}`; 0 where there is no point.
    pub fn number(&self, bucket: &str, expression: &str, measurement: &str) -> f64 {
        let series = self.query(bucket, &format!("SELECT {expression} FROM {measurement}"));
        series.first().map_or(0.0, |series| series["values"][0][1].as_f64().unwrap())
    }

    /// Sends a request as one that is let in.
    fn send(&self, mut call: Request) -> Response {
        match self.access {
            Access::V1(None) => {}
            Access::V1(Some((name, password))) => call.target.push_str(&format!("&u={name}&p={password}")),
            Access::V2(_, token) => call = call.header("authorization", &format!("Token {token}")),
        }
        let line = format!("{} {}", call.method, call.target);
        request(self.port, &call).unwrap_or_else(|error| panic!("{line}: {error}\n{}", self.process.log_tail()))
    }
}

fn answers(port: u16) -> bool {
    request(port, &Request::new("GET", "/ping")).is_ok_and(|response| response.status == 204)
}
