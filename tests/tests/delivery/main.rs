//! Nothing is lost and everything is counted, whatever the server, the network or the data do.
//!
//! Each test loads rows into a server that fails in one way. Afterwards the report accounts for every row, the server has
//! the points of every row that is not rejected and no others, and it was asked as often and as soon as it takes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod busy;
mod connections;
mod events;
mod health;
mod held;
mod lies;
mod order;
mod passes;
mod refused;
mod restarts;
mod rows;
mod sizes;
mod ticks;
mod twins;

use std::collections::BTreeMap;

use influxdb_loader_tests::{Dialect, FaultServer, Loader, Outcome, Settings, Store};
use rows::{Rows, row_of};
use serde_json::Value;

const DIALECTS: [Dialect; 3] = [Dialect::V1, Dialect::V2, Dialect::V3];

/// A load of rows by `influxdb-loader load`.
struct Load {
    rows: Rows,
    arguments: Vec<String>,
    settings: Settings,
}

impl Load {
    fn of(rows: Rows) -> Self {
        Self { rows, arguments: Vec::new(), settings: Settings::default() }
    }

    /// With a setting.
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts are written as they are")]
    fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.settings = self.settings.with(name, value.to_string());
        self
    }

    /// With a further argument.
    fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// With these settings as well.
    fn settings(mut self, settings: Settings) -> Self {
        self.settings = self.settings.and(settings);
        self
    }

    /// All in one request, where nothing is wrong with them.
    fn in_one_batch(self) -> Self {
        let rows = self.rows.len();
        self.with("MAX_BATCH_SIZE", rows)
    }

    /// One request after the other.
    fn one_by_one(self) -> Self {
        self.with("WRITE_CONCURRENCY", 1)
    }

    fn into(self, server: &FaultServer) -> Loaded {
        let directory = tempfile::tempdir().unwrap();
        let loader = Loader::new(["load", "--json"]).argument(self.rows.write_to(directory.path()));
        let outcome = loader.arguments(self.arguments).settings(server.settings().and(self.settings)).run();
        Loaded { rows: self.rows, report: outcome.json(), outcome }
    }

    /// Checks that the loader does not begin, since it cannot write as the settings demand, and reports it in these words.
    #[track_caller]
    fn refused_at_once(self, words: &[&str]) {
        let directory = tempfile::tempdir().unwrap();
        let loader = Loader::new(["load", "--json"]).argument(self.rows.write_to(directory.path()));
        let outcome = loader.settings(self.settings).run();
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{outcome}");
        for word in words {
            assert!(outcome.stderr.contains(word), "`{word}` is not reported: {outcome}");
        }
    }
}

/// A load that is over.
struct Loaded {
    rows: Rows,
    report: Value,
    outcome: Outcome,
}

impl Loaded {
    /// Itself, where the object was loaded.
    #[track_caller]
    fn succeeded(self) -> Self {
        assert_eq!(self.outcome.code, Some(0), "{}", self.outcome);
        assert_eq!(self.report["status"], "succeeded", "{}", self.report);
        self
    }

    /// Itself, where the object failed with this type of error and these words.
    #[track_caller]
    fn failed(self, error_type: &str, words: &[&str]) -> Self {
        assert_eq!(self.outcome.code, Some(1), "{}", self.outcome);
        let failure = self.failure();
        assert_eq!(failure["error_type"], error_type, "{failure}");
        let told = format!("{} {}", failure["message"], failure["hint"]);
        for word in words {
            assert!(told.contains(word), "`{word}` is not reported: {failure}");
        }
        self
    }

    /// Itself, where not one row was written because the server refuses them, which is reported in these words.
    #[track_caller]
    fn rejected_as_a_whole(self, words: &[&str]) -> Self {
        assert_eq!(self.report["status"], "rejected", "{}", self.report);
        assert_eq!(self.failure()["kind"], "rejected", "{}", self.report);
        assert_eq!(self.count("written"), 0, "{}", self.report);
        self.failed("InfluxDBWriteError", words)
    }

    fn failure(&self) -> &Value {
        let of_object = &self.report["objects"][0]["failure"];
        if of_object.is_null() { &self.report["failure"] } else { of_object }
    }

    fn accounts(&self) -> &Value {
        &self.report["objects"][0]["accounts"]
    }

    fn count(&self, of: &str) -> usize {
        usize::try_from(self.accounts()[of].as_u64().unwrap_or_default()).unwrap()
    }

    fn rejected(&self) -> BTreeMap<String, usize> {
        serde_json::from_value(self.accounts()["rejected"].clone()).unwrap_or_default()
    }

    /// The messages of the rejected rows that the report names.
    fn reasons(&self) -> Vec<&str> {
        let rejections = self.report["objects"][0]["rejections"].as_array().unwrap();
        rejections.iter().map(|rejection| rejection["message"].as_str().unwrap()).collect()
    }

    /// Checks that the report accounts for every row, that `rejected` of them are rejected under `code`, and that the
    /// server has the points of all others and no more.
    #[track_caller]
    fn has_all_but(self, server: &FaultServer, code: &str, rejected: &[usize]) -> Self {
        self.has_all_but_those(server, &[(code, rejected)])
    }

    /// The same of rows that are rejected under several codes.
    #[track_caller]
    fn has_all_but_those(self, server: &FaultServer, rejected: &[(&str, &[usize])]) -> Self {
        let codes = rejected.iter().filter(|(_, rows)| !rows.is_empty());
        let codes = codes.map(|(code, rows)| ((*code).to_owned(), rows.len())).collect();
        assert_eq!(self.rejected(), codes, "{}", self.report);
        let rejected: Vec<usize> = rejected.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
        assert_eq!(self.count("rows"), self.rows.len(), "{}", self.accounts());
        assert_eq!(self.count("written"), self.rows.len() - rejected.len(), "{}", self.accounts());
        assert_eq!(self.count("points"), self.rows.len() - rejected.len(), "{}", self.accounts());
        assert_eq!(self.count("filtered"), 0, "{}", self.accounts());
        assert_eq!(self.count("failed_batches"), 0, "{}", self.accounts());
        let expected = self.rows.store().filtered(|point| !rejected.contains(&row_of(point)));
        let found = stored(server);
        assert_eq!(found.difference(&expected), "");
        assert_eq!(found.written_otherwise(), [] as [String; 0]);
        self
    }

    /// Checks that the server has the points of all rows.
    #[track_caller]
    fn has_everything(self, server: &FaultServer) -> Self {
        self.has_all_but(server, "", &[])
    }

    /// Checks of a load that failed that the server has no point but those of the rows, and at least as many as are reported
    /// as written.
    #[track_caller]
    fn has_no_more_than_it_says(self, server: &FaultServer) -> Self {
        let found = stored(server);
        let all = self.rows.store();
        let of_rows = found.clone().filtered(|point| all.points().any(|known| known == point));
        assert_eq!(found.difference(&of_rows), "");
        assert!(found.len() >= self.count("points"), "{} points, but {}", found.len(), self.accounts());
        self
    }
}

/// The points of rows that a server has.
fn stored(server: &FaultServer) -> Store {
    server.store().filtered(|point| !rows::is_seed(point))
}
