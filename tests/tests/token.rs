//! The secrets that Timestream for InfluxDB makes by itself, and the token that only writes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;

use influxdb_loader_tests::{InfluxDb, InfluxDb2, Loader, Moto, Outcome, Settings, parquet, small_consumption};
use serde_json::{Value, json};

const DATABASE: &str = "energy_data";
const ADMIN: &str = "READONLY-InfluxDB-auth-parameters-abcdefghij";
const STORED: &str = "energy/influxdb-token";

/// Secrets Manager with a secret as Timestream makes it, and InfluxDB 2 with its user.
struct Site {
    moto: Moto,
    influxdb: InfluxDb2,
}

fn secret() -> Value {
    json!({
        "engine": "timestream-influxdb", "dbIdentifier": "abcdefghij", "organization": "ons-energy", "bucket": DATABASE,
        "username": "operator", "password": "correct-horse",
    })
}

impl Site {
    fn start() -> Self {
        let site = Self { moto: Moto::start(), influxdb: InfluxDb2::start(DATABASE) };
        site.moto.create_secret(ADMIN, &secret().to_string());
        site
    }

    fn settings(&self) -> Settings {
        self.influxdb.settings(DATABASE).and(self.moto.settings()).without("INFLUXDB_TOKEN")
    }

    fn token(&self, arguments: &[&str]) -> Outcome {
        Loader::new([&["token", ADMIN], arguments].concat()).settings(self.settings()).run()
    }
}

fn load(settings: Settings) -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.parquet");
    fs::write(&file, parquet(&small_consumption())).unwrap();
    Loader::new(["load", "--dataset", "consumption"]).argument(&file).settings(settings).run()
}

#[test]
fn a_token_that_only_writes_is_made_and_stored_where_the_loader_reads_it() {
    let site = Site::start();
    // Twice: the secret is made, and then replaced.
    for _ in 0..2 {
        let stored = site.token(&["--store", STORED]).succeeded();
        assert_eq!(stored.stdout, format!("stored in the secret {STORED}\n"));
        assert!(stored.stderr.contains("`energy_data` of organization `ons-energy`"), "{stored}");
        load(site.settings().with("INFLUXDB_TOKEN_SECRET_NAME", STORED)).succeeded();
    }
    assert_eq!(site.influxdb.number(DATABASE, "count(power_mw)", "consumption_data"), 1.0);

    let printed = site.token(&[]).succeeded();
    let settings = site.settings().with("INFLUXDB_TOKEN", printed.stdout.trim());
    load(settings.clone()).succeeded();
    // It reads nothing, and writes nowhere else.
    let health = Loader::new(["health", "--deep", "--read"]).settings(settings.clone()).run();
    assert!(health.code == Some(1) && health.stderr.contains("do not grant read access"), "{health}");
    site.influxdb.create_bucket("other", None, None);
    let elsewhere = load(settings.with("INFLUXDB_BUCKET", "other"));
    assert_eq!(elsewhere.code, Some(1), "{elsewhere}");
}

#[test]
fn what_keeps_a_token_from_being_made_is_told_without_a_password() {
    let site = Site::start();
    let refused = |arguments: &[&str], told: &str| {
        let run = site.token(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{run}");
        assert!(run.stderr.contains(told) && !run.stderr.contains("horse"), "{run}");
    };
    refused(&["--bucket", "nowhere"], "there is no bucket `nowhere`");
    refused(&["--organization", "nobody"], "there is no organization `nobody`");
    let mut wrong = secret();
    wrong["password"] = json!("wrong-horse");
    site.moto.put_secret(ADMIN, &wrong.to_string());
    refused(&[], "refuses user `operator`");
    wrong["password"] = Value::Null;
    site.moto.put_secret(ADMIN, &wrong.to_string());
    refused(&[], "is no JSON object with `password`");
    site.moto.put_secret(ADMIN, r#"{"token": "apiv3_horse"}"#);
    refused(&[], "holds a token already");
    // The loader shows what to do with such a secret.
    site.moto.put_secret(ADMIN, &secret().to_string());
    let run = load(site.settings().with("INFLUXDB_TOKEN_SECRET_NAME", ADMIN));
    assert!(run.code == Some(1) && run.stderr.contains(&format!("`influxdb-loader token {ADMIN}`")), "{run}");
}

#[test]
fn user_and_password_of_1_x_are_read_from_a_secret() {
    let (moto, influxdb) = (Moto::start(), InfluxDb::start_with_authentication(DATABASE));
    let settings = influxdb.settings(DATABASE);
    let login = json!({ "username": settings.get("INFLUXDB_USERNAME"), "password": settings.get("INFLUXDB_PASSWORD") });
    moto.create_secret(STORED, &login.to_string());
    let settings = settings.without("INFLUXDB_USERNAME").without("INFLUXDB_PASSWORD").and(moto.settings());
    load(settings.with("INFLUXDB_TOKEN_SECRET_NAME", STORED)).succeeded();
    assert_eq!(influxdb.number(DATABASE, "count(power_mw)", "consumption_data"), 1.0);
}
