//! VictoriaMetrics, which takes InfluxDB's line protocol.

use std::collections::BTreeMap;
use std::process::Command;

use crate::loader::Settings;
use crate::process::{Process, free_port};
use crate::programs::{Program, program};
use crate::{Request, Response, request};

/// A running VictoriaMetrics. It keeps numbers only, one series for each field and set of tags, and drops text fields.
#[derive(Debug)]
pub struct VictoriaMetrics {
    process: Process,
    port: u16,
}

/// A series as VictoriaMetrics exports it.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The measurement and the field, joined by `_`.
    pub name: String,
    /// The tags, and `db` where the bucket was named.
    pub labels: BTreeMap<String, String>,
    /// Milliseconds since the epoch.
    pub timestamps: Vec<i64>,
    /// A value for each of the timestamps.
    pub values: Vec<f64>,
}

impl VictoriaMetrics {
    /// Starts a server that keeps points of any age.
    pub fn start() -> Self {
        let port = free_port();
        let process = Process::start("victoria-metrics", |directory| {
            let mut command = Command::new(program(Program::VictoriaMetrics));
            command
                .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
                .arg(format!("-storageDataPath={}", directory.join("data").display()))
                .arg("-retentionPeriod=100y");
            command
        })
        .wait_until(|| answers(port));
        Self { process, port }
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

    /// Such as `http://127.0.0.1:8428`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The settings with which the loader writes to it.
    pub fn settings(&self) -> Settings {
        Settings::from([
            ("INFLUXDB_API", "v2".to_owned()),
            ("INFLUXDB_URL", self.url()),
            ("INFLUXDB_TOKEN", "any".to_owned()),
        ])
    }

    /// Writes line protocol, as any client does.
    pub fn write(&self, lines: &str) -> Response {
        request(self.port, &Request::new("POST", "/api/v2/write?precision=ns").body(lines)).unwrap()
    }

    /// Every series whose name is `name`.
    pub fn export(&self, name: &str) -> Vec<Series> {
        // Points become visible when they are flushed.
        request(self.port, &Request::new("GET", "/internal/force_flush")).unwrap().succeeded();
        let target = format!("/api/v1/export?match[]={name}&start=0");
        let lines = request(self.port, &Request::new("GET", &target)).unwrap().succeeded().text();
        lines.lines().map(|line| parse(line).unwrap_or_else(|| panic!("not a series: {line}"))).collect()
    }
}

fn answers(port: u16) -> bool {
    request(port, &Request::new("GET", "/health")).is_ok_and(|response| response.status == 200)
}

fn parse(line: &str) -> Option<Series> {
    let series: serde_json::Value = serde_json::from_str(line).ok()?;
    let mut labels = BTreeMap::new();
    for (name, value) in series["metric"].as_object()? {
        labels.insert(name.clone(), value.as_str()?.to_owned());
    }
    let name = labels.remove("__name__")?;
    let timestamps = series["timestamps"].as_array()?.iter().map(serde_json::Value::as_i64).collect::<Option<_>>()?;
    let values = series["values"].as_array()?.iter().map(serde_json::Value::as_f64).collect::<Option<_>>()?;
    Some(Series { name, labels, timestamps, values })
}
