//! What comes in: what is skipped, what may be named, by which method, and how long the caller waits.

use std::time::{Duration, Instant, SystemTime};

use influxdb_loader_tests::{Function, LambdaEmulator, Loader};
use serde_json::{Value, json};

use super::answers::LOADED;
use super::forms::{self, Told, Way};
use super::time::slow;
use super::{BUCKET, Site, key, rows};

#[test]
fn notifications_of_what_tools_leave_beside_data_are_skipped_and_names_need_no_ending() {
    let site = Site::start();
    let function = Function::start(site.settings());
    let hidden = ["out/_temporary/0/a.parquet", "out/_delta_log/0.json", "out/_SUCCESS", "out/.a.parquet.crc", "out/"];
    let keys: Vec<String> = hidden.iter().map(|key| format!("dataset=consumption/{key}")).collect();
    for key in &keys {
        site.moto.put_object(BUCKET, key, b"no Parquet".to_vec());
    }
    let athena = "dataset=consumption/20240301_000000_00000_abcde";
    site.moto.put_object(BUCKET, athena, rows("athena", 3, 1.0).parquet(3));
    let told: Vec<Told<'_>> = keys.iter().map(String::as_str).chain([athena]).map(Told::new).collect();
    let loaded = function.invoke(&forms::s3(&told));
    assert!(!loaded.failed, "{}\n{}", loaded.answer, function.log());
    assert_eq!((&loaded.answer["skipped"], &loaded.answer["totals"]["points"]), (&json!(5), &json!(3)));
    assert_eq!(site.points("athena"), LOADED);
    let messages: Vec<Value> = told.iter().map(forms::event_bridge).collect();
    assert_eq!(function.invoke(&forms::sqs(&messages)).answer, json!({ "batchItemFailures": [] }));

    // Listings keep to the same rule.
    let prefix = json!({ "bucket": BUCKET, "prefix": "dataset=consumption/" });
    let loaded = function.invoke(&prefix);
    assert!(!loaded.failed, "{}", loaded.answer);
    assert_eq!(loaded.answer["objects"].as_array().unwrap().len(), 1, "{}", loaded.answer);
}

#[test]
fn a_job_of_s3_batch_operations_gets_a_result_for_each_task() {
    let site = Site::start();
    let emulator = LambdaEmulator::start(site.settings(), Duration::from_secs(30));
    let [good, broken] = [site.put("task"), site.put_broken("task-broken")];
    let answered = emulator.invoke(&forms::batch_operations(&[&good, &broken, &key("task-missing")]));
    assert!(!answered.failed, "{}\n{}", answered.answer, emulator.log());
    assert_eq!(site.points("task"), LOADED);
    let results: Vec<Value> =
        answered.answer["results"].as_array().unwrap().iter().map(|result| result["resultCode"].clone()).collect();
    assert_eq!(results, ["Succeeded", "PermanentFailure", "PermanentFailure"], "{}", answered.answer);
    assert_eq!(answered.answer["invocationId"], "YXNk");

    let away = emulator.invoke(&forms::pipe(&forms::sqs(&[forms::direct(&good), forms::direct(&broken)])));
    assert_eq!(away.answer, json!({ "batchItemFailures": [{ "itemIdentifier": "message-1" }] }));
}

#[test]
fn an_event_may_name_only_what_the_settings_allow() {
    let site = Site::start();
    let [good, other] = [site.put("allowed"), "other/dataset=consumption/a.parquet".to_owned()];
    let pattern = format!("{BUCKET}/dataset=*/,another");
    let function = Function::start(site.settings().with("SOURCE_BUCKETS", pattern));
    let answered = function.invoke(&Way::FunctionUrl.post(&forms::list(&[&good, &other])));
    let (status, body) = Way::FunctionUrl.response(&answered);
    assert_eq!((status, &body["objects"][0]["failure"]), (403, &Value::Null), "{body}");
    let message = body["objects"][1]["failure"]["message"].as_str().unwrap();
    assert!(message.contains("SOURCE_BUCKETS") && message.contains("other/"), "{message}");
    assert_eq!(site.points("allowed"), LOADED);
    for refused in [
        json!({ "bucket": BUCKET, "prefix": "data" }),
        json!({ "bucket": "secrets", "key": good }),
        json!({ "action": "summarize", "bucket": BUCKET, "manifest": "m", "plan": "p" }),
    ] {
        let answered = function.invoke(&refused);
        assert!(answered.failed, "{refused}: {}", answered.answer);
        assert!(answered.answer["errorMessage"].as_str().unwrap().contains("SOURCE_BUCKETS"), "{}", answered.answer);
    }
    let messages = [forms::s3(&[Told::new(&good)]), forms::s3(&[Told::new(&other)])];
    let answered = function.invoke(&forms::sqs(&messages));
    assert_eq!(answered.answer, json!({ "batchItemFailures": [{ "itemIdentifier": "message-1" }] }));
}

#[test]
fn requests_load_by_post_alone() {
    let site = Site::start();
    let function = Function::start(site.settings());
    let event = forms::direct(&site.put("posted"));
    for way in Way::ALL {
        for method in ["GET", "PUT", "DELETE", "HEAD"] {
            let (status, body) = way.response(&function.invoke(&way.by(method, &event)));
            assert_eq!(status, 405, "{way:?} {method}: {body}");
            assert!(body["failure"]["message"].as_str().unwrap().contains("POST"), "{body}");
        }
    }
    assert_eq!(site.points("posted").0, 0.0);
}

#[test]
fn callers_by_way_of_api_gateway_get_what_is_done_before_it_gives_up_and_others_all() {
    let site = Site::start();
    let server = slow(&site.influxdb);
    // 60 row groups in 60 requests: nine seconds in all.
    site.moto.put_object(BUCKET, &key("gateway"), rows("gateway", 6000, 1.0).parquet(100));
    let settings = site
        .settings()
        .with("INFLUXDB_URL", server.url())
        .with("DEADLINE_MARGIN_SECONDS", "3")
        .with("MAX_BATCH_SIZE", "100")
        .with("ROWS_PER_BATCH", "100")
        .with("WRITE_CONCURRENCY", "1");
    let emulator = LambdaEmulator::start(settings, Duration::from_secs(60));
    // The gateway has waited for twenty of its seconds already, as for a function that took so long to start.
    let waited = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() - Duration::from_secs(20);
    let waited = json!(u64::try_from(waited.as_millis()).unwrap());
    let request = |way: Way, name: &str| {
        let mut request = way.post(&forms::direct(&key("gateway")));
        request["requestContext"][name] = waited.clone();
        request
    };
    let start = Instant::now();
    let (status, body) = Way::HttpApi.response(&emulator.invoke(&request(Way::HttpApi, "timeEpoch")));
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
    assert_eq!((status, &body["status"]), (200, &json!("partial")), "{body}");
    assert!(body["remaining"]["objects"][0]["row_groups"][0].as_u64().unwrap() > 0, "{body}");
    let (_, body) = Way::FunctionUrl.response(&emulator.invoke(&request(Way::FunctionUrl, "timeEpoch")));
    assert_eq!(body["status"], "succeeded", "{body}");
    assert_eq!(site.points("gateway"), (6000.0, 6000.0));
}

#[test]
fn the_command_line_takes_any_key_that_is_named() {
    let site = Site::start();
    let name = "dataset=consumption/20240301_000000_00000_abcde";
    site.moto.put_object(BUCKET, name, rows("named", 3, 1.0).parquet(3));
    let url = format!("s3://{BUCKET}/{name}");
    let converted = Loader::new(["convert", &url]).settings(site.settings()).run().succeeded();
    assert_eq!(converted.stdout.lines().count(), 3, "{}", converted.stdout);
    Loader::new(["load", &url]).settings(site.settings()).run().succeeded();
    assert_eq!(site.points("named"), LOADED);
    // The beginning of keys that is no key of its own is a prefix, as before.
    let prefix = format!("s3://{BUCKET}/dataset=cons");
    assert_eq!(Loader::new(["convert", &prefix]).settings(site.settings()).run().succeeded().stdout, converted.stdout);
}
