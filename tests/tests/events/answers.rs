//! Events that load, and what their callers are answered.

use influxdb_loader_tests::{Function, Invocation, Moto};
use serde_json::{Value, json};

use super::forms::{self, Told, Way};
use super::{BUCKET, Site, key};

/// A form of event that names several objects, with the form's name.
pub(super) type Form = (&'static str, fn(&[&str]) -> Value);

/// A form of event that names one object.
pub(super) type Single = (&'static str, fn(&str) -> Value);

fn told<'a>(keys: &[&'a str]) -> Vec<Told<'a>> {
    keys.iter().map(|key| Told::new(key)).collect()
}

/// Who asks in such a way reads the report, or sees the invocation fail.
pub(super) const WHOLE: [Form; 5] = [
    ("s3", |keys| forms::s3(&told(keys))),
    ("sns", |keys| forms::sns(&forms::s3(&told(keys)))),
    ("list", forms::list),
    ("dead-letter", |keys| forms::dead_letter(&forms::s3(&told(keys)))),
    ("pipe", |keys| forms::pipe(&json!(keys.iter().map(|key| forms::direct(key)).collect::<Vec<_>>()))),
];

/// Such events name one object.
pub(super) const SINGLE: [Single; 3] = [
    ("event-bridge", |key| forms::event_bridge(&Told::new(key))),
    ("event-bridge-in-sns", |key| forms::sns(&forms::event_bridge(&Told::new(key)))),
    ("direct", forms::direct),
];

/// What a message in a queue may be.
pub(super) const MESSAGES: [Single; 7] = [
    ("s3-in-sqs", |key| forms::s3(&[Told::new(key)])),
    ("event-bridge-in-sqs", |key| forms::event_bridge(&Told::new(key))),
    ("s3-in-sns-in-sqs", |key| forms::envelope(&forms::s3(&[Told::new(key)]))),
    ("event-bridge-in-sns-in-sqs", |key| forms::envelope(&forms::event_bridge(&Told::new(key)))),
    ("direct-in-sqs", forms::direct),
    ("list-in-sqs", |key| forms::list(&[key])),
    ("dead-letter-in-sqs", |key| forms::dead_letter(&forms::s3(&[Told::new(key)]))),
];

pub(super) const MAPS: [Form; 2] =
    [("map-of-listing", forms::map_of_listing), ("map-of-objects", forms::map_of_objects)];

/// The points of an object that [`Site::put`] has stored.
pub(super) const LOADED: (f64, f64) = (3.0, 3.0);

fn assert_failed(invocation: &Invocation, error_type: &str, object: &str) {
    let Invocation { failed, answer } = invocation;
    assert!(*failed, "{answer}");
    assert_eq!(answer["errorType"], error_type);
    assert!(answer["errorMessage"].as_str().unwrap().contains(object), "{answer}");
}

#[test]
fn events_that_are_answered_as_a_whole_load_every_object_and_fail_with_one_of_them() {
    let site = Site::start();
    let function = Function::start(site.settings());
    for (form, event) in WHOLE {
        let [first, second, third] = ["1", "2", "3"].map(|number| site.put(&format!("{form}-{number}")));
        let loaded = function.invoke(&event(&[&first, &second]));
        assert!(!loaded.failed, "{form}: {}\n{}", loaded.answer, function.log());
        assert_eq!((&loaded.answer["status"], &loaded.answer["totals"]["points"]), (&json!("succeeded"), &json!(6)));
        // In the order of the event, however they were loaded.
        let objects = loaded.answer["objects"].as_array().unwrap();
        assert_eq!(objects.iter().map(|object| &object["key"]).collect::<Vec<_>>(), [&first, &second], "{form}");

        let broken = site.put_broken(&format!("{form}-broken"));
        assert_failed(&function.invoke(&event(&[&broken, &third])), "DataConversionError", &broken);
        for number in ["1", "2", "3"] {
            assert_eq!(site.points(&format!("{form}-{number}")), LOADED, "{form}-{number}");
        }
        let missing = key(&format!("{form}-missing"));
        let gone = function.invoke(&event(&[&missing]));
        // A caller who names what does not exist is wrong; a notification is late.
        if ["list", "pipe"].contains(&form) {
            assert_failed(&gone, "UnexpectedError", &missing);
        } else {
            assert_eq!((gone.failed, &gone.answer["skipped"]), (false, &json!(1)), "{form}: {}", gone.answer);
            assert!(function.log().contains("the object does not exist any more"), "{}", function.log());
        }
    }
    for (form, event) in SINGLE {
        let loaded = function.invoke(&event(&site.put(form)));
        assert!(!loaded.failed, "{form}: {}\n{}", loaded.answer, function.log());
        assert_eq!(site.points(form), LOADED, "{form}");
        let broken = site.put_broken(&format!("{form}-broken"));
        assert_failed(&function.invoke(&event(&broken)), "DataConversionError", &broken);
    }
}

#[test]
fn of_a_batch_of_messages_those_that_failed_come_again() {
    let site = Site::start();
    let function = Function::start(site.settings());
    let failures = |bodies: &[Value]| {
        let invocation = function.invoke(&forms::sqs(bodies));
        assert!(!invocation.failed, "{}\n{}", invocation.answer, function.log());
        assert_eq!(invocation.answer.as_object().unwrap().len(), 1, "{}", invocation.answer);
        let failures = invocation.answer["batchItemFailures"].as_array().unwrap().clone();
        failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (form, body) in MESSAGES {
        assert_eq!(failures(&[body(&site.put(form))]), [""; 0], "{form}\n{}", function.log());
        assert_eq!(site.points(form), LOADED, "{form}");
        let broken = site.put_broken(&format!("{form}-broken"));
        let beside = format!("{form}-beside");
        assert_eq!(failures(&[body(&broken), body(&site.put(&beside))]), ["message-0"], "{form}");
        assert_eq!(site.points(&beside), LOADED, "{form}");
        let missing = key(&format!("{form}-missing"));
        let both = ["message-0", "message-1"];
        let expected = if form.starts_with("direct") || form.starts_with("list") { &both[..] } else { &both[1..] };
        assert_eq!(failures(&[body(&missing), body(&broken)]), expected, "{form}");
    }

    // A message that cannot be read is its own failure, and so is one of several objects of which one fails.
    let [broken, good] = [site.put_broken("several-broken"), site.put("several")];
    let several = forms::s3(&told(&[&good, &broken]));
    let bodies = [json!("not JSON"), forms::direct(&good), several, json!({ "bucket": BUCKET, "prefix": "" })];
    assert_eq!(failures(&bodies), ["message-0", "message-2", "message-3"]);
    assert_eq!(site.points("several"), LOADED);
    // An event that names no object to load succeeds, alone and in an envelope.
    let test = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET });
    let removed = json!({ "source": "aws.s3", "detail-type": "Object Deleted", "detail": {} });
    assert_eq!(failures(&[test.clone(), forms::envelope(&test), removed]), [""; 0]);
    for event in [&test, &forms::sns(&test)] {
        assert!(!function.invoke(event).failed);
    }
    // Without a name for each message nothing can be answered but that the whole batch has failed.
    let mut nameless = forms::sqs(&[forms::direct(&good)]);
    nameless["Records"][0]["messageId"].take();
    assert_failed(&function.invoke(&nameless), "UnexpectedError", "`Records[0].messageId` is missing");
}

#[test]
fn a_distributed_map_is_told_of_each_item() {
    let site = Site::start();
    let function = Function::start(site.settings());
    for (form, event) in MAPS {
        let statuses = |keys: &[&str]| {
            let invocation = function.invoke(&event(keys));
            assert!(!invocation.failed, "{form}: {}\n{}", invocation.answer, function.log());
            let items = invocation.answer["items"].as_array().unwrap().clone();
            let statuses: Vec<_> = items.iter().map(|item| item["status"].as_str().unwrap().to_owned()).collect();
            (invocation.answer, statuses)
        };
        let (good, broken) = (site.put(form), site.put_broken(&format!("{form}-broken")));
        let (answer, items) = statuses(&[&good]);
        assert_eq!((&answer["status"], &items[..]), (&json!("succeeded"), &["succeeded".to_owned()][..]));
        let beside = site.put(&format!("{form}-beside"));
        let (answer, items) = statuses(&[&broken, &beside]);
        assert_eq!((&answer["status"], items), (&json!("failed"), vec!["failed".to_owned(), "succeeded".to_owned()]));
        assert_eq!(answer["items"][0]["name"], format!("s3://{BUCKET}/{broken}"));
        assert_eq!(answer["items"][0]["failure"]["error_type"], "DataConversionError");
        assert_eq!(site.points(&format!("{form}-beside")), LOADED);
        // A child of which nothing succeeded fails, by the type that `Retry` looks at.
        assert_failed(&function.invoke(&event(&[&broken])), "DataConversionError", &broken);
    }
    // A listing has things in it that are no data.
    let keys = ["dataset=consumption/_SUCCESS", "dataset=consumption/", &site.put("listed")];
    let answer = function.invoke(&forms::map_of_listing(&keys)).answer;
    let statuses = [0, 1, 2].map(|item| answer["items"][item]["status"].as_str().unwrap().to_owned());
    assert_eq!(statuses, ["skipped", "skipped", "succeeded"], "{answer}");
}

#[test]
fn requests_are_answered_with_a_status_and_the_report() {
    let site = Site::start();
    let function = Function::start(site.settings());
    for (number, http) in Way::ALL.into_iter().enumerate() {
        let ask = |body: &Value| http.response(&function.invoke(&http.post(body)));
        let name = format!("http-{number}");
        let (good, broken) = (site.put(&name), site.put_broken(&format!("{name}-broken")));
        let (status, report) = ask(&forms::direct(&good));
        assert_eq!((status, &report["status"], &report["totals"]["points"]), (200, &json!("succeeded"), &json!(3)));
        assert_eq!(site.points(&name), LOADED, "{http:?}");
        let beside = format!("{name}-beside");
        let (status, report) = ask(&forms::list(&[&broken, &site.put(&beside)]));
        assert_eq!((status, &report["status"], &report["totals"]["points"]), (400, &json!("failed"), &json!(3)));
        assert_eq!(site.points(&beside), LOADED, "{http:?}");
        let (status, report) = ask(&forms::direct(&key("missing")));
        assert_eq!((status, &report["objects"][0]["failure"]["kind"]), (404, &json!("not_found")));
        let (status, report) = ask(&json!({ "key": "no bucket" }));
        assert_eq!((status, &report["failure"]["kind"]), (400, &json!("bad_event")));
    }
}

#[test]
fn without_a_server_each_caller_is_told_in_its_own_way() {
    let site = Site::start();
    let good = site.put("good");
    let function = Function::start(site.settings().with("MAX_RETRIES", "1"));
    assert!(!function.invoke(&forms::direct(&good)).failed);
    drop(site.influxdb);
    assert_failed(&function.invoke(&forms::direct(&good)), "InfluxDBConnectionError", "");
    assert_failed(&function.invoke(&forms::s3(&told(&[&good]))), "InfluxDBConnectionError", "");
    assert_failed(&function.invoke(&forms::map_of_objects(&[&good, &good])), "InfluxDBConnectionError", "");
    let answer = function.invoke(&forms::sqs(&[forms::direct(&good), json!("not JSON")])).answer;
    let expected = json!([{ "itemIdentifier": "message-0" }, { "itemIdentifier": "message-1" }]);
    assert_eq!(answer["batchItemFailures"], expected);
    let (status, _) = Way::RestApi.response(&function.invoke(&Way::RestApi.post(&forms::direct(&good))));
    assert_eq!(status, 503);
}

#[test]
fn everything_below_a_prefix_is_loaded_page_by_page() {
    let site = Site::of(Moto::start_with_pages_of(4));
    let regions: Vec<String> = (0..10).map(|number| format!("year-2024/part-{number}")).collect();
    regions.iter().for_each(|region| drop(site.put(region)));
    site.put("year-2025/other");
    for name in ["_SUCCESS", ".part-0.parquet.crc", "_temporary/0/part-0.parquet", "notes.txt"] {
        site.moto.put_object(BUCKET, &format!("dataset=consumption/year-2024/{name}"), b"no data".to_vec());
    }
    let function = Function::start(site.settings());
    let prefix = |prefix: &str| json!({ "bucket": BUCKET, "prefix": prefix });
    let loaded = function.invoke(&prefix("dataset=consumption/year-2024/"));
    assert!(!loaded.failed, "{}\n{}", loaded.answer, function.log());
    let objects = loaded.answer["objects"].as_array().unwrap();
    let keys: Vec<_> = objects.iter().map(|object| object["key"].as_str().unwrap().to_owned()).collect();
    assert_eq!(keys, regions.iter().map(|region| key(region)).collect::<Vec<_>>());
    assert!(regions.iter().all(|region| site.points(region) == LOADED));
    assert_eq!(site.points("year-2025/other").0, 0.0);

    site.put_broken("year-2025/broken");
    let broken = function.invoke(&prefix("dataset=consumption/year-2025/"));
    assert_failed(&broken, "DataConversionError", "year-2025/broken");
    assert_eq!(site.points("year-2025/other"), LOADED);
    assert_failed(&function.invoke(&prefix("dataset=consumption/year-1999/")), "UnexpectedError", "no Parquet files");
    let elsewhere = json!({ "bucket": "no-such-bucket", "prefix": "" });
    assert_failed(&function.invoke(&elsewhere), "UnexpectedError", "s3://no-such-bucket/");
}
