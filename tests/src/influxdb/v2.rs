//! InfluxDB 2.x.

use std::collections::BTreeMap;
use std::fs;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Access, InfluxServer, answers};
use crate::http::form_encode;
use crate::process::{Process, free_port, run};
use crate::programs::{Program, program};
use crate::{Request, Response, Settings, request};

/// The organization that everything belongs to.
const ORGANIZATION: &str = "ons-energy";

/// The token of the operator, who may do everything.
const OPERATOR_TOKEN: &str = "operator-token";

/// How long the index may take to be rebuilt.
const REBUILD_LIMIT: Duration = Duration::from_secs(60);

/// A running InfluxDB 2.x.
#[derive(Debug)]
pub struct InfluxDb2 {
    server: InfluxServer,
    organization_id: String,
}

impl InfluxDb2 {
    /// Starts a server with a bucket that keeps points forever.
    pub fn start(bucket: &str) -> Self {
        let port = free_port();
        let process = Process::start("influxdb2", |directory| {
            let mut command = Command::new(program(Program::Influxd2));
            command
                .arg("--reporting-disabled")
                .arg(format!("--http-bind-address=127.0.0.1:{port}"))
                .arg(format!("--bolt-path={}", directory.join("influxd.bolt").display()))
                .arg(format!("--sqlite-path={}", directory.join("influxd.sqlite").display()))
                .arg(format!("--engine-path={}", directory.join("engine").display()))
                // It takes settings from its home, its working directory and the environment, too.
                .env_clear()
                .env("HOME", directory)
                .current_dir(directory);
            command
        })
        .wait_until(|| answers(port));
        let server = InfluxServer { process, port, access: Access::V2(ORGANIZATION, OPERATOR_TOKEN) };
        let setup = json!({
            "username": "operator", "password": "correct-horse", "org": ORGANIZATION, "bucket": bucket,
            "token": OPERATOR_TOKEN,
        });
        let call = Request::new("POST", "/api/v2/setup").body(setup.to_string());
        let answer = request(port, &call).unwrap().succeeded().json();
        Self { server, organization_id: answer["org"]["id"].as_str().unwrap().to_owned() }
    }

    /// The settings with which the loader writes to `bucket` with this token.
    pub fn settings_with(&self, bucket: &str, token: &str) -> Settings {
        self.settings(bucket).with("INFLUXDB_TOKEN", token)
    }

    /// Makes a bucket. Without `retention_seconds` it keeps points forever; without `shard_seconds` the server chooses how
    /// much time a shard spans.
    pub fn create_bucket(&self, name: &str, retention_seconds: Option<u64>, shard_seconds: Option<u64>) {
        let mut rule = json!({ "type": "expire", "everySeconds": retention_seconds.unwrap_or(0) });
        if let Some(seconds) = shard_seconds {
            rule["shardGroupDurationSeconds"] = seconds.into();
        }
        self.call(
            "POST",
            "/api/v2/buckets",
            &json!({ "orgID": self.organization_id, "name": name, "retentionRules": [rule] }),
        );
    }

    /// Sets how much time the shards of a bucket span that are made from now on.
    pub fn set_shard_seconds(&self, name: &str, seconds: u64) {
        let rule = json!({ "type": "expire", "everySeconds": 0, "shardGroupDurationSeconds": seconds });
        let target = format!("/api/v2/buckets/{}", self.bucket_id(name));
        self.call("PATCH", &target, &json!({ "retentionRules": [rule] }));
    }

    /// Deletes a bucket with its points.
    pub fn delete_bucket(&self, name: &str) {
        self.call("DELETE", &format!("/api/v2/buckets/{}", self.bucket_id(name)), &Value::Null);
    }

    /// Makes a token that may read and write these buckets and nothing else. Returns the authorization's identifier, by
    /// which it is deleted, and the token.
    pub fn authorize(&self, read: &[&str], write: &[&str]) -> (String, String) {
        let permission = |action: &str, bucket: &str| {
            let resource = json!({ "type": "buckets", "id": self.bucket_id(bucket), "orgID": self.organization_id });
            json!({ "action": action, "resource": resource })
        };
        let mut permissions: Vec<Value> = read.iter().map(|bucket| permission("read", bucket)).collect();
        permissions.extend(write.iter().map(|bucket| permission("write", bucket)));
        let authorization = json!({ "orgID": self.organization_id, "permissions": permissions });
        let answer = self.call("POST", "/api/v2/authorizations", &authorization);
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        (text("id"), text("token"))
    }

    /// Deletes an authorization: its token is refused from now on.
    pub fn delete_authorization(&self, id: &str) {
        self.call("DELETE", &format!("/api/v2/authorizations/{id}"), &Value::Null);
    }

    /// Runs a query in Flux and returns its result as annotated comma-separated values. They lack carriage returns, which
    /// the server drops: read text back by [`InfluxServer::query`].
    ///
    /// # Panics
    ///
    /// If the server reports an error.
    pub fn flux(&self, query: &str) -> String {
        let call = Request::new("POST", &format!("/api/v2/query?org={ORGANIZATION}"))
            .header("content-type", "application/vnd.flux")
            .header("accept", "application/csv")
            .body(query);
        self.server.send(call).succeeded().text()
    }

    /// As [`Self::flux`], as [`flux_rows`].
    ///
    /// # Panics
    ///
    /// If the server reports an error, or answers what is not comma-separated values.
    pub fn flux_rows(&self, query: &str) -> Vec<BTreeMap<String, String>> {
        flux_rows(&self.flux(query))
    }

    /// Stops the server, deletes its index, rebuilds it from the data files by `influxd inspect build-tsi`, and starts the
    /// server again.
    ///
    /// # Panics
    ///
    /// If there was no index, or it cannot be rebuilt.
    pub fn restart_with_rebuilt_index(&mut self) {
        self.stop();
        let engine = self.server.process.directory().join("engine");
        let (data, wal) = (engine.join("data"), engine.join("wal"));
        assert!(delete_indexes(&data) > 0, "no index below {}", data.display());
        let mut command = Command::new(program(Program::Influxd2));
        command.args(["inspect", "build-tsi", "--data-path"]).arg(&data).arg("--wal-path").arg(&wal);
        run(command.env_clear().env("HOME", &engine), REBUILD_LIMIT).succeeded();
        self.start_again();
    }

    /// The identifier of a bucket.
    ///
    /// # Panics
    ///
    /// Where there is none of this name.
    pub fn bucket_id(&self, name: &str) -> String {
        let target = format!("/api/v2/buckets?orgID={}&name={}", self.organization_id, form_encode(name));
        let answer = self.call("GET", &target, &Value::Null);
        answer["buckets"][0]["id"].as_str().unwrap_or_else(|| panic!("no bucket `{name}`: {answer}")).to_owned()
    }

    /// Calls the API as its operator. Returns `null` for an answer without a body.
    fn call(&self, method: &str, target: &str, body: &Value) -> Value {
        let call = Request::new(method, target);
        let call = if body.is_null() { call } else { call.body(body.to_string()) };
        let answer: Response = self.server.send(call).succeeded();
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }
}

impl Deref for InfluxDb2 {
    type Target = InfluxServer;

    fn deref(&self) -> &InfluxServer {
        &self.server
    }
}

impl DerefMut for InfluxDb2 {
    fn deref_mut(&mut self) -> &mut InfluxServer {
        &mut self.server
    }
}

/// Deletes every series file and every shard's index below a directory, and returns how many there were.
fn delete_indexes(directory: &Path) -> usize {
    let mut deleted = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        if ["_series", "index"].contains(&path.file_name().unwrap().to_str().unwrap()) {
            fs::remove_dir_all(&path).unwrap();
            deleted += 1;
        } else {
            deleted += delete_indexes(&path);
        }
    }
    deleted
}

/// The rows of what a query in Flux answers: what stands in each column, and under `#datatype` the type of `_value`.
///
/// # Panics
///
/// If it is not comma-separated values.
pub fn flux_rows(answer: &str) -> Vec<BTreeMap<String, String>> {
    let (mut rows, mut header, mut types): (_, Option<Vec<String>>, Vec<String>) = (Vec::new(), None, Vec::new());
    for record in csv(answer) {
        // A table is annotations, which begin with `#`, a header, and rows; an empty line ends it.
        match &header {
            _ if record[0] == "#datatype" => (header, types) = (None, record),
            _ if record == [""] || record[0].starts_with('#') => header = None,
            None => header = Some(record),
            Some(header) => {
                let place = header.iter().position(|column| column == "_value");
                let kind = place.and_then(|place| types.get(place)).map(|kind| ("#datatype".to_owned(), kind.clone()));
                rows.push(header.iter().cloned().zip(record).chain(kind).collect());
            }
        }
    }
    rows
}

/// The records of comma-separated values as 2.x writes them, whose texts may be quoted and hold newlines.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut characters) = (false, text.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(mem::take(&mut cell)),
            // Before each newline one is added, and others are dropped.
            '\r' => {}
            '\n' if !quoted => {
                record.push(mem::take(&mut cell));
                records.push(mem::take(&mut record));
            }
            other => cell.push(other),
        }
    }
    assert!(!quoted && record.is_empty() && cell.is_empty(), "not comma-separated values: {text}");
    records
}
