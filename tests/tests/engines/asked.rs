//! What the server is asked before the first point: how long the bucket keeps points, and how long its shards are.

use std::path::Path;
use std::time::Duration;

use influxdb_loader_tests::{Loader, Outcome, Settings};
use serde_json::json;

use super::refusals::{DAY, MINUTE, rows, write};
use super::{BUCKET, Server, on_both};

/// A bucket that keeps points for an hour.
const SHORT: &str = "short";

fn load(settings: Settings, file: &Path, arguments: &[&str]) -> Outcome {
    Loader::new(["load"]).argument(file).arguments(arguments).settings(settings).run()
}

#[test]
fn what_the_bucket_does_not_keep_is_not_sent_and_what_lies_near_the_bound_is() {
    on_both(|server| {
        server.create_bucket(SHORT, Some(3600));
        let directory = tempfile::tempdir().unwrap();
        let file = write(directory.path(), &rows(&[400 * DAY, DAY]));
        let report = load(server.settings(SHORT), &file, &["--json"]).json();
        let object = &report["objects"][0];
        assert_eq!(object["accounts"]["rejected"], json!({ "outside-retention": 2 }), "{object}");
        assert_eq!(object["accounts"]["requests"], 0, "{object}");
        let reason = object["rejections"][0]["message"].as_str().unwrap();
        assert!(reason.contains("retention policy of 1h0m0s: Retention Policy Lower Bound at 20"), "{reason}");

        let file = write(directory.path(), &rows(&[400 * DAY, 90 * MINUTE, MINUTE]));
        let object = load(server.settings(SHORT), &file, &["--json"]).succeeded().json()["objects"][0].clone();
        let accounts = &object["accounts"];
        assert!(accounts["requests"].as_u64().unwrap() > 0, "{object}");
        // Where both lie in one shard, the server takes the older one with the newer.
        let written = accounts["written"].as_u64().unwrap();
        assert_eq!(server.number(SHORT, "count(power_mw)", "consumption_data"), written as f64);
        assert_eq!(accounts["rejected"]["outside-retention"].as_u64().unwrap(), 3 - written, "{object}");
    });
}

#[test]
fn an_object_is_loaded_after_its_bucket_keeps_it() {
    on_both(|server| {
        server.create_bucket(SHORT, Some(3600));
        server.create_bucket("long", None);
        let directory = tempfile::tempdir().unwrap();
        let file = write(directory.path(), &rows(&[30 * DAY]));
        assert_eq!(load(server.settings(SHORT), &file, &["--json"]).json()["status"], "rejected");
        assert_eq!(load(server.settings("long"), &file, &["--json"]).succeeded().json()["status"], "succeeded");
    });
}

#[test]
fn a_token_that_may_only_write_is_enough_and_the_server_refuses_what_it_does_not_keep() {
    on_both(|server| {
        let Server::V2(server) = &server else { return };
        server.create_bucket(SHORT, Some(3600), None);
        let directory = tempfile::tempdir().unwrap();
        let file = write(directory.path(), &rows(&[400 * DAY, MINUTE]));
        let (_, writer) = server.authorize(&[], &[SHORT]);
        let loaded = load(server.settings_with(SHORT, &writer), &file, &["--json", "-v"]).succeeded();
        let object = &loaded.json()["objects"][0];
        assert_eq!(object["accounts"]["rejected"], json!({ "outside-retention": 1 }), "{object}");
        let remarks = loaded.stderr.matches("the retention and the shards of bucket `short`").count();
        assert_eq!(remarks, 1, "{loaded}");

        let (_, reader) = server.authorize(&[SHORT], &[]);
        let settings = server.settings_with(SHORT, &writer).with("INFLUXDB_READ_TOKEN", reader);
        let file = write(directory.path(), &rows(&[400 * DAY]));
        let object = load(settings, &file, &["--json"]).json()["objects"][0].clone();
        assert_eq!(object["accounts"]["requests"], 0, "{object}");
    });
}

#[test]
fn an_object_of_many_shards_says_so_with_the_command_that_makes_them_longer() {
    on_both(|server| {
        let directory = tempfile::tempdir().unwrap();
        let ages: Vec<Duration> = (0..120).map(|row| 7 * DAY * (row / 2)).collect();
        let file = write(directory.path(), &rows(&ages));
        let warned = load(server.settings(BUCKET), &file, &[]).succeeded();
        assert_eq!(warned.stderr.matches("more than 50 shards of 168h0m0s").count(), 1, "{warned}");
        let command = warned.stderr.split('`').find(|text| text.ends_with("52w")).unwrap().to_owned();
        match &server {
            Server::V1(server) => drop(server.query("", &command)),
            Server::V2(server) => {
                let id = command.split(' ').nth(4).unwrap();
                assert_eq!(command, format!("influx bucket update --id {id} --shard-group-duration 52w"));
                server.set_shard_seconds(BUCKET, 52 * 7 * 24 * 3600);
                assert_eq!(server.bucket_id(BUCKET), id);
            }
        }
        let file = write(directory.path(), &rows(&ages.iter().map(|age| *age + MINUTE).collect::<Vec<_>>()));
        let quiet = load(server.settings(BUCKET), &file, &[]).succeeded();
        assert!(!quiet.stderr.contains("shards"), "{quiet}");
        assert_eq!(server.number(BUCKET, "count(power_mw)", "consumption_data"), 120.0);
    });
}
