//! Whether the loader is let in, and what it does where it is not.

use std::sync::{Arc, Once};

use influxdb_loader_tests::{Dialect, Fault, FaultServer, Moto, Rules};

use super::rows::Rows;
use super::{DIALECTS, Load};

const SECRET: &str = "influxdb-token";

/// Five batches, one after the other.
fn load() -> Load {
    Load::of(Rows::new(5000)).one_by_one()
}

/// The same with the token from Secrets Manager.
fn load_with_secret(moto: &Moto) -> Load {
    let load = load();
    Load { settings: load.settings.and(moto.settings()), ..load }.with("INFLUXDB_TOKEN_SECRET_NAME", SECRET)
}

#[test]
fn a_token_that_is_rotated_during_the_load_is_read_again() {
    let moto = Arc::new(Moto::start());
    for dialect in [Dialect::V2, Dialect::V3] {
        let name = format!("{SECRET}-{dialect:?}");
        moto.create_secret(&name, r#"{"token": "old"}"#);
        let (secrets, secret, rotate) = (Arc::clone(&moto), name.clone(), Once::new());
        let server = FaultServer::with(Rules { token: None, ..Rules::of(dialect) }).failing(move |arrival| {
            if !arrival.is_write_of(2..) {
                return Fault::None;
            }
            rotate.call_once(|| secrets.put_secret(&secret, r#"{"token": "new"}"#));
            let shown = arrival.request().headers["authorization"].rsplit(' ').next().unwrap();
            if shown == "new" { Fault::None } else { Fault::answer(401, "") }
        });
        let loaded = load_with_secret(&moto).with("INFLUXDB_TOKEN_SECRET_NAME", &name).with("MAX_RETRIES", 0);
        loaded.into(&server).succeeded().has_everything(&server);
        let statuses = server.requests().statuses();
        assert_eq!(statuses.iter().filter(|status| **status == Some(401)).count(), 1, "{statuses:?}");
        assert_eq!(statuses.len(), 6, "{statuses:?}");
    }
}

#[test]
fn a_secret_that_has_not_changed_is_not_tried_twice() {
    let moto = Moto::start();
    moto.create_secret(SECRET, "old");
    // The settings have no token, so that it is the one of the secret that is shown.
    let server = FaultServer::with(Rules { token: None, ..Rules::of(Dialect::V2) })
        .failing(|arrival| if arrival.write().is_some() { Fault::answer(401, "") } else { Fault::None });
    let loaded = load_with_secret(&moto).into(&server);
    loaded.failed("InfluxDBConnectionError", &["401", "INFLUXDB_TOKEN_SECRET_NAME"]);
    assert_eq!(server.requests().statuses(), [Some(401)]);
}

#[test]
fn who_is_not_let_in_is_told_at_once() {
    for dialect in DIALECTS {
        let server = FaultServer::with(Rules { token: Some("another".to_owned()), ..Rules::of(dialect) });
        let loaded = load().with("INFLUXDB_TOKEN", "very-secret").into(&server);
        let loaded = loaded.failed("InfluxDBConnectionError", &["401"]);
        assert!(!loaded.outcome.stderr.contains("very-secret"), "{}", loaded.outcome);
        assert_eq!(server.requests().statuses(), [Some(401)], "{dialect:?}");
    }
}

#[test]
fn who_may_not_write_is_told_at_once() {
    for dialect in DIALECTS {
        let server = FaultServer::with(Rules { may_write: false, ..Rules::of(dialect) });
        load().into(&server).failed("InfluxDBConnectionError", &["403"]);
        assert_eq!(server.requests().statuses(), [Some(403)], "{dialect:?}");
    }
}

#[test]
fn a_bucket_an_organization_and_a_database_that_are_not_there_are_told_at_once() {
    let asked = |dialect, setting, words: &[&str]| {
        let server = FaultServer::start(dialect);
        load().with(setting, "elsewhere").into(&server).failed("InfluxDBConnectionError", words);
        assert_eq!(server.requests().statuses(), [Some(404)], "{dialect:?} {setting}");
    };
    asked(Dialect::V1, "INFLUXDB_BUCKET", &["database not found"]);
    asked(Dialect::V2, "INFLUXDB_BUCKET", &["bucket \\\"elsewhere\\\" not found"]);
    asked(Dialect::V2, "INFLUXDB_ORG", &["organization name \\\"elsewhere\\\" not found"]);
}

#[test]
fn writes_at_once_that_are_not_let_in_do_not_go_on() {
    let server = FaultServer::start(Dialect::V2)
        .failing(|arrival| if arrival.is_write_of(10..) { Fault::answer(403, "") } else { Fault::None });
    let loaded = Load::of(Rows::new(100_000)).with("WRITE_CONCURRENCY", 4).into(&server);
    let loaded = loaded.failed("InfluxDBConnectionError", &["403"]).has_no_more_than_it_says(&server);
    // What was under way when the first was not let in is written or not, and not waited for.
    assert!((7_000..=10_000).contains(&loaded.count("written")), "{}", loaded.accounts());
    assert!((7_000..=10_000).contains(&server.store().len()), "{}", server.store().len());
    let writes = server.requests().writes().len();
    assert!(writes <= 10 + 4, "{writes} writes");
}
