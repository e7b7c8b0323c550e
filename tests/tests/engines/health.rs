//! Health checks with credentials that may do one thing and not another.

use influxdb_loader_tests::{Function, InfluxDb, InfluxDb2, Loader, Outcome, Settings};
use serde_json::{Value, json};

use super::BUCKET;

fn health(arguments: &[&str], settings: &Settings) -> Outcome {
    Loader::new(["health"]).arguments(arguments).settings(settings.clone()).run()
}

/// Checks the report for a writer that may not read: all is well, with a remark, unless reading is demanded.
fn assert_writes_alone(settings: &Settings) {
    let text = health(&["--deep"], settings).succeeded().stdout;
    for words in ["write    ", "read     not allowed", "remark   ", "the credentials do not grant read access"] {
        assert!(text.contains(words), "`{words}` is not in\n{text}");
    }
    let facts = health(&["--deep", "--json"], settings).succeeded().json();
    assert!(facts["write_ms"].is_number() && facts.get("read_ms").is_none(), "{facts}");
    assert!(facts["remark"].as_str().unwrap().contains("do not grant read access"), "{facts}");
    for arguments in [&["--deep", "--read"][..], &["--read", "--json"]] {
        let outcome = health(arguments, settings);
        assert_eq!(outcome.code, Some(1), "{outcome}");
        assert!(outcome.stderr.contains("the credentials do not grant read access"), "{outcome}");
        assert!(outcome.stderr.contains("hint: "), "{outcome}");
    }
}

#[test]
fn a_token_of_2_that_may_write_and_not_read_is_well() {
    let influxdb = InfluxDb2::start(BUCKET);
    let (_, writer) = influxdb.authorize(&[], &[BUCKET]);
    let settings = influxdb.settings_with(BUCKET, &writer);
    assert_writes_alone(&settings);
    assert_eq!(influxdb.number(BUCKET, "count(value)", "influxdb_loader_probe"), 4.0);

    let function = Function::start(settings.with("ENABLE_METRICS", "false"));
    let healthy = function.invoke(&json!({ "action": "health", "deep": true }));
    assert!(!healthy.failed, "{}", healthy.answer);
    assert_eq!(healthy.answer["status"], "healthy");
    assert!(healthy.answer["influxdb"]["remark"].as_str().unwrap().contains("do not grant read access"), "{healthy:?}");
}

#[test]
fn a_user_of_1_who_may_write_and_not_read_is_well() {
    let influxdb = InfluxDb::start_with_authentication(BUCKET);
    influxdb.query("", &format!("CREATE USER writer WITH PASSWORD 'secret'; GRANT WRITE ON {BUCKET} TO writer"));
    let settings = influxdb.settings(BUCKET).with("INFLUXDB_USERNAME", "writer").with("INFLUXDB_PASSWORD", "secret");
    assert_writes_alone(&settings);
}

#[test]
fn other_tokens_of_2_are_told_what_they_lack() {
    let influxdb = InfluxDb2::start(BUCKET);
    influxdb.create_bucket("other", None, None);
    let (_, both) = influxdb.authorize(&[BUCKET], &[BUCKET]);
    for arguments in [&["--deep", "--json"][..], &["--deep", "--read", "--json"]] {
        let facts: Value = health(arguments, &influxdb.settings_with(BUCKET, &both)).succeeded().json();
        assert!(facts["read_ms"].is_number() && facts.get("remark").is_none(), "{facts}");
    }
    let (_, reader) = influxdb.authorize(&[BUCKET], &[]);
    let (_, of_other) = influxdb.authorize(&["other"], &["other"]);
    for (token, words) in [
        (reader.as_str(), "the credentials do not grant access to bucket `energy_data`"),
        (&of_other, "the credentials do not grant access to bucket `energy_data`"),
        ("none", "the credentials are refused"),
    ] {
        let outcome = health(&["--deep"], &influxdb.settings_with(BUCKET, token));
        assert_eq!(outcome.code, Some(1), "{outcome}");
        assert!(outcome.stderr.contains(words), "{outcome}");
    }
    let outcome = health(&["--deep"], &influxdb.settings("nothing"));
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stderr.contains("bucket `nothing` of organization `ons-energy` does not exist"), "{outcome}");
}
