#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod properties;
mod real;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::{Asked, Caller, Event, Item, Load, MAXIMUM_PAYLOAD_BYTES, ObjectReference, Target, Verify, parse, read};

/// The payloads of a folder of fixtures, by name.
fn payloads(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/events").join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.is_file())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect()
}

/// What is wrong and why, without the list of forms.
fn story(error: &dyn Error) -> String {
    let mut story = error.to_string().lines().next().unwrap().to_owned();
    let mut next = error.source();
    while let Some(error) = next {
        let _ = write!(story, ": {error}");
        next = error.source();
    }
    story
}

/// The objects that an event names one by one.
fn objects(event: Event) -> Vec<ObjectReference> {
    let Asked::Load(load) = event.asked else { panic!("not one load: {:?}", event.asked) };
    let object = |target| match target {
        Target::Object(object) => object,
        Target::Prefix(prefix) => panic!("a prefix: {prefix}"),
    };
    load.targets.into_iter().map(object).collect()
}

/// A notification of one created object with this key, as S3 would encode it.
fn notification(encoded_key: &str) -> Value {
    json!({"Records": [{
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "ons-energy-data"}, "object": {"key": encoded_key}},
    }]})
}

/// What is to be loaded, a line a target.
fn tell(load: &Load, table: &mut String) {
    if load.skipped > 0 {
        let _ = writeln!(table, "  skipped {}", load.skipped);
    }
    for target in &load.targets {
        let _ = write!(table, "  {target}");
        let details = match target {
            Target::Object(object) => vec![
                ("version", object.version_id.clone()),
                ("etag", object.etag.clone()),
                ("size", object.size.map(|size| size.to_string())),
                ("sequencer", object.sequencer.clone()),
                ("dataset", object.dataset.clone()),
                ("if-match", object.if_match.clone()),
                ("row-groups", object.row_groups.as_ref().map(|range| format!("{range:?}"))),
            ],
            Target::Prefix(prefix) => vec![
                ("everything below after", prefix.start_after.clone().or(Some("nothing".to_owned()))),
                ("dataset", prefix.dataset.clone()),
            ],
        };
        for (name, value) in details {
            let _ = value.map_or(Ok(()), |value| write!(table, " {name}={value}"));
        }
        table.push('\n');
    }
}

#[test]
fn every_form_of_event_gives_its_objects_and_its_caller() {
    let mut table = String::new();
    for (name, payload) in payloads("") {
        let Event { caller, asked } = parse(&payload).unwrap_or_else(|error| panic!("{name}: {}", story(&error)));
        let _ = write!(table, "{name}: {caller:?}");
        match asked {
            Asked::Health { deep } => table.push_str(&format!(", health, deep: {deep}\n")),
            Asked::Verify(asked) => {
                let Verify { load, exact, ignore_extra, bucket_seconds } = asked;
                table.push_str(&format!(", verify, {exact} {ignore_extra} {bucket_seconds:?}\n"));
                tell(&load, &mut table);
            }
            Asked::Summarize(asked) => table.push_str(&format!(", {asked:?}\n")),
            Asked::Load(load) => {
                table.push('\n');
                tell(&load, &mut table);
            }
            Asked::Each(items) => {
                table.push('\n');
                for Item { id, group, load } in items {
                    let group = group.map_or_else(String::new, |group| format!(" of group {group}"));
                    let _ = writeln!(table, " {id}{group}");
                    match load {
                        Ok(load) => tell(&load, &mut table),
                        Err(broken) => table.push_str(&format!("  broken: {}\n", story(&broken))),
                    }
                }
            }
        }
    }
    insta::assert_snapshot!(table, @r#"
    api-gateway-http: ApiGateway
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet
    api-gateway-http-base64: ApiGateway
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet
    api-gateway-http-health: ApiGateway, health, deep: false
    api-gateway-http-v1: ApiGateway
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet
    api-gateway-rest: ApiGateway
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet
    api-gateway-rest-base64: ApiGateway
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet
    api-gateway-rest-health: ApiGateway, health, deep: false
    api-gateway-rest-health-deep: ApiGateway, health, deep: true
    dead-letter: Asynchronous
      s3://ons-energy-data/dataset=generation/year=2024/month=03/day=01/part-00000.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    dead-letter-event-bridge: Asynchronous
      s3://ons-energy-data/dataset=generation/year=2024/load + losses 100%.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    direct: Direct
      s3://ons-energy-data/dataset=generation/year=2024/load + losses 100%.parquet
    distributed-map-broken-items: Map
     Items[0]
      broken: `BatchInput.bucket` is missing
     Items[1]
      broken: `Items[1]` is a text; expected an object
     Items[2]
      s3://ons-energy-data/generation/c.parquet
     Items[3]
      broken: `Items[3].key` is missing
     Items[4]
      broken: `Items[4].row_groups` is no range of row groups; expected `[from, to]`, the first and the one after the last, such as `[0, 4]`
    distributed-map-listed: Map
     Items[0]
      s3://ons-energy-data/_landing/dataset=generation/load + losses 100%.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312
     Items[1]
      skipped 1
     Items[2]
      skipped 1
     Items[3]
      s3://ons-energy-data/_landing/dataset=generation/2024-03-02.PARQUET etag=d41d8cd98f00b204e9800998ecf8427e size=1840312
    distributed-map-objects: Map
     Items[0]
      s3://ons-energy-archive/landing/2023.parquet dataset=consumption row-groups=0..2
     Items[1]
      s3://ons-energy-data/landing/2024-03-01.parquet dataset=generation
     Items[2]
      s3://ons-energy-data/landing/2024-04/ everything below after=nothing dataset=generation
    distributed-map-plan: Map
     Items[0]
      s3://ons-energy-data/landing/without-an-ending
     Items[1]
      s3://ons-energy-data/landing/a.parquet
      s3://ons-energy-archive/landing/2023/ everything below after=nothing
     Items[2]
    event-bridge-object-created: Asynchronous
      s3://ons-energy-data/dataset=generation/year=2024/load + losses 100%.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    event-bridge-object-created-versioned: Asynchronous
      s3://ons-energy-data/transmission/lines-2024-03.parquet version=096fKKXTRTtl3on89fVO.nfljtsv6qko etag=8d8a1d3c7b0c6d52f0d8b1c0f4a3f6a1-9 size=73400320 sequencer=0055AED6DCD90281E5
    event-bridge-object-deleted: Asynchronous
      skipped 1
    event-bridge-schedule: Asynchronous, health, deep: false
    event-bridge-scheduler: Asynchronous, health, deep: false
    function-url: FunctionUrl
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet
    function-url-action: FunctionUrl, health, deep: false
    function-url-health-deep: FunctionUrl, health, deep: true
    function-url-list: FunctionUrl
      s3://ons-energy-data/generation/a.parquet
      s3://ons-energy-data/consumption/ everything below after=nothing
    health: Direct, health, deep: false
    health-deep: Direct, health, deep: true
    load-balancer: LoadBalancer { multi_value_headers: false }
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet
    load-balancer-base64: LoadBalancer { multi_value_headers: false }
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet
    load-balancer-health: LoadBalancer { multi_value_headers: false }, health, deep: false
    load-balancer-health-deep-multi-value: LoadBalancer { multi_value_headers: true }, health, deep: true
    load-balancer-multi-value: LoadBalancer { multi_value_headers: true }
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet
    pipe-sqs: Queue
     059f36b4-87a3-44ab-83d2-661975830a7d
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
      s3://ons-energy-data/dataset=generation/2024-03-02.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
     2e1424d4-f796-459a-8184-9c92662be6da
      s3://ons-energy-data/dataset=generation/São Paulo.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    pipe-transformed: Asynchronous
      s3://ons-energy-data/dataset=generation/year=2024/load + losses 100%.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
      s3://ons-energy-data/dataset=generation/year=2024/load + losses 100%.parquet
    s3-batch-operations-1: BatchOperations { schema: "1.0", invocation: "YXNkbGZqYWRmaiBhc2RmdW9hZHNmZGpmaGFzbGtkaGZza2RmaAo" }
     dGFza2lkZ29lc2hlcmUK
      s3://ons-energy-data/dataset=generation/a b.parquet version=1
    s3-batch-operations-2: BatchOperations { schema: "2.0", invocation: "YXNkbGZqYWRmaiBhc2RmdW9hZHNmZGpmaGFzbGtkaGZza2RmaAo" }
     dGFza2lkZ29lc2hlcmUK
      s3://ons-energy-data/landing/2024-03-01.parquet dataset=generation
     dGFza2lkZ29lc2hlcmUL
      broken: `tasks[1].s3Key` is not URL-encoded: the `%` at byte 8 is not followed by two hexadecimal digits
    s3-encoded-key: Asynchronous
      s3://ons-energy-data/dataset=consumption/region=São Paulo/load + losses 100%.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    s3-hidden: Asynchronous
      skipped 6
      s3://ons-energy-data/dataset=generation/20240301_000000_00000_abcde etag=d41d8cd98f00b204e9800998ecf8427e size=9 sequencer=0055AED6DCD90281E5
    s3-least: Asynchronous
      s3://ons-energy-data/generation/2024-03-01.parquet
    s3-many-records: Asynchronous
      skipped 1
      s3://ons-energy-data/generation/2024-03-01.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
      s3://ons-energy-data/generation/2024-03-02.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    s3-multipart-versioned: Asynchronous
      s3://ons-energy-data/transmission/lines-2024-03.parquet version=096fKKXTRTtl3on89fVO.nfljtsv6qko etag=8d8a1d3c7b0c6d52f0d8b1c0f4a3f6a1-9 size=73400320 sequencer=0055AED6DCD90281E5
    s3-put: Asynchronous
      s3://ons-energy-data/dataset=generation/year=2024/month=03/day=01/part-00000.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    s3-removals-alone: Asynchronous
      skipped 1
    s3-test-event: Asynchronous
    sns-event-bridge: Asynchronous
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    sns-s3: Asynchronous
      s3://ons-energy-data/dataset=generation/São Paulo.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    sns-s3-test-event: Asynchronous
    sqs-broken-messages: Queue
     059f36b4-87a3-44ab-83d2-661975830a7d
      broken: `Records[0].body` is not JSON: expected ident at line 1 column 2
     2e1424d4-f796-459a-8184-9c92662be6da
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
     b0a1c2d3-0f1e-4a5b-9c8d-7e6f5a4b3c2d
      broken: `Records[2].body` is no event that a message may carry: an S3 notification, an S3 event of EventBridge, or `{"bucket": "…", "key": "…"}`
     c3f0a9b8-1234-4cde-8f00-0a1b2c3d4e5f
      broken: `Records[3].body.Message` is not JSON: expected ident at line 1 column 2
     d4e5f6a7-89ab-4cde-9f01-23456789abcd
      broken: `Records[4].body.Records[0].s3.object.key` is not URL-encoded: the `%` at byte 7 is not followed by two hexadecimal digits
     e5f6a7b8-9abc-4def-8012-3456789abcde
      broken: `Records[5].body` names a prefix, which a message must not: nothing would resume such a load
     f6a7b8c9-abcd-4ef0-9123-456789abcdef
      broken: `Records[6].body` is no event that a message may carry: an S3 notification, an S3 event of EventBridge, or `{"bucket": "…", "key": "…"}`
     07b8c9da-bcde-4f01-8234-56789abcdef0
      broken: `Records[7].body` is a number; expected a text
    sqs-dead-letters: Queue
     059f36b4-87a3-44ab-83d2-661975830a7d
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
     2e1424d4-f796-459a-8184-9c92662be6da
      s3://ons-energy-data/dataset=generation/São Paulo.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
     a1b2c3d4-5678-4abc-9def-0123456789ab
      broken: `Records[2].body.requestPayload` is no event that a message may carry: an S3 notification, an S3 event of EventBridge, or `{"bucket": "…", "key": "…"}`
    sqs-direct: Queue
     059f36b4-87a3-44ab-83d2-661975830a7d
      s3://ons-energy-data/landing/2024-03-01.parquet dataset=generation if-match=d41d8cd98f00b204e9800998ecf8427e row-groups=3..12
     2e1424d4-f796-459a-8184-9c92662be6da
      s3://ons-energy-data/generation/a.parquet
      s3://ons-energy-data/generation/b.parquet
    sqs-event-bridge: Queue
     059f36b4-87a3-44ab-83d2-661975830a7d
      s3://ons-energy-data/dataset=generation/load + losses 100%.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
     2e1424d4-f796-459a-8184-9c92662be6da
      skipped 1
    sqs-fifo: Queue
     059f36b4-87a3-44ab-83d2-661975830a7d of group generation
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
     2e1424d4-f796-459a-8184-9c92662be6da of group consumption
      s3://ons-energy-data/dataset=consumption/2024-03-01.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    sqs-s3: Queue
     059f36b4-87a3-44ab-83d2-661975830a7d
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
      s3://ons-energy-data/dataset=generation/2024-03-02.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
     2e1424d4-f796-459a-8184-9c92662be6da
      s3://ons-energy-data/dataset=generation/São Paulo.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    sqs-s3-test-event: Queue
     059f36b4-87a3-44ab-83d2-661975830a7d
     2e1424d4-f796-459a-8184-9c92662be6da
    sqs-sns-event-bridge: Queue
     059f36b4-87a3-44ab-83d2-661975830a7d
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    sqs-sns-s3: Queue
     059f36b4-87a3-44ab-83d2-661975830a7d
      s3://ons-energy-data/dataset=generation/São Paulo.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    sqs-sns-s3-raw-delivery: Queue
     059f36b4-87a3-44ab-83d2-661975830a7d
      s3://ons-energy-data/dataset=generation/2024-03-01.parquet etag=d41d8cd98f00b204e9800998ecf8427e size=1840312 sequencer=0055AED6DCD90281E5
    step-functions: Direct
      s3://ons-energy-data/landing/2024-03-01.parquet version=096fKKXTRTtl3on89fVO.nfljtsv6qko dataset=generation
    step-functions-list: Direct
      s3://ons-energy-data/landing/2024-03-01.parquet version=096fKKXTRTtl3on89fVO.nfljtsv6qko dataset=generation
      s3://ons-energy-archive/generation/2023.parquet if-match=d41d8cd98f00b204e9800998ecf8427e row-groups=0..4
      s3://ons-energy-data/consumption/2024/ everything below after=nothing
    step-functions-list-empty: Direct
    step-functions-prefix: Direct
      s3://ons-energy-data/landing/2024/ everything below after=nothing dataset=generation
    step-functions-prefix-resumed: Direct
      s3://ons-energy-data/ everything below after=dataset=generation/load + losses 100%.parquet
    step-functions-row-groups: Direct
      s3://ons-energy-data/landing/2024-03-01.parquet version=096fKKXTRTtl3on89fVO.nfljtsv6qko dataset=generation if-match=d41d8cd98f00b204e9800998ecf8427e row-groups=3..12
    summarize: Direct, Summarize { bucket: "ons-energy-operations", manifest: "backfill/11111111-2222-3333-4444-555555555555/manifest.json", plan: "plans/again/66666666.jsonl" }
    verify: Direct, verify, true false Some(3600)
      s3://ons-energy-data/dataset=generation/2024/ everything below after=nothing
    "#);
}

#[test]
fn a_broken_event_is_told_with_the_place() {
    let mut table = String::new();
    for (name, payload) in payloads("broken") {
        let error = parse(&payload).err().unwrap_or_else(|| panic!("{name} is read as if it were sound"));
        let _ = writeln!(table, "{name}: {:?}: {}", error.caller(), story(&error));
    }
    insta::assert_snapshot!(table, @r#"
    action-unknown: Direct: the event is a broken action: `action` is no action: `dance`; known are `health`, `summarize` and `verify`
    api-gateway-http-body-is-a-list: ApiGateway: the event is a broken API Gateway HTTP request: `body` is a list; expected an object
    api-gateway-http-body-not-base64: ApiGateway: the event is a broken API Gateway HTTP request: `body` is not base64, although `isBase64Encoded` is `true`: Invalid symbol 125, offset 76.
    api-gateway-http-body-not-json: ApiGateway: the event is a broken API Gateway HTTP request: `body` is not JSON: expected value at line 1 column 1
    api-gateway-http-body-without-key: ApiGateway: the event is a broken API Gateway HTTP request: `body.key` is missing
    api-gateway-rest-get: ApiGateway: the event is a broken API Gateway REST request: `httpMethod` is `GET`; objects are loaded by `POST`, and `GET …/health` is a health check
    api-gateway-rest-without-body: ApiGateway: the event is a broken API Gateway REST request: `body` is missing
    dead-letter-unknown: Asynchronous: the event is a broken invocation record of the function: `requestPayload` is no event of a known form
    direct-bucket-is-a-url: Direct: the event is a broken direct invocation: `bucket` is no bucket's name: `s3://ons-energy-data`; allowed are 3 to 255 letters, digits, `.`, `-` and `_`
    direct-dataset-is-a-list: Direct: the event is a broken direct invocation: `dataset` is a list; expected a text
    direct-key-empty: Direct: the event is a broken direct invocation: `key` is empty
    direct-row-groups-empty: Direct: the event is a broken direct invocation: `row_groups` is no range of row groups; expected `[from, to]`, the first and the one after the last, such as `[0, 4]`
    direct-row-groups-negative: Direct: the event is a broken direct invocation: `row_groups[0]` is a number; expected a whole number from 0
    direct-row-groups-three: Direct: the event is a broken direct invocation: `row_groups` is no range of row groups; expected `[from, to]`, the first and the one after the last, such as `[0, 4]`
    direct-without-bucket: Direct: the event is a broken direct invocation: `bucket` is missing
    direct-without-key: Direct: the event is a broken direct invocation: `key` is missing
    event-bridge-bucket-is-a-text: Asynchronous: the event is a broken S3 event of EventBridge: `detail.bucket` is a text; expected an object
    event-bridge-key-empty: Asynchronous: the event is a broken S3 event of EventBridge: `detail.object.key` is empty
    event-bridge-without-detail: Asynchronous: the event is a broken S3 event of EventBridge: `detail` is missing
    function-url-get: FunctionUrl: the event is a broken API Gateway HTTP request: `requestContext.http.method` is `GET`; objects are loaded by `POST`, and `GET …/health` is a health check
    function-url-health-deep-is-yes: FunctionUrl: the event is a broken API Gateway HTTP request: `queryStringParameters.deep` is neither `true` nor `false`
    function-url-put: FunctionUrl: the event is a broken API Gateway HTTP request: `requestContext.http.method` is `PUT`; objects are loaded by `POST`, and `GET …/health` is a health check
    list-element-is-a-text: Direct: the event is a broken direct invocation for a list: `objects[0]` is a text; expected an object
    list-is-an-object: Direct: the event is a broken direct invocation for a list: `objects` is an object; expected a list
    list-second-element-without-key: Direct: the event is a broken direct invocation for a list: `objects[1].key` is missing
    load-balancer-body-not-base64: LoadBalancer { multi_value_headers: false }: the event is a broken load balancer request: `body` is not base64, although `isBase64Encoded` is `true`: Invalid symbol 125, offset 76.
    load-balancer-delete: LoadBalancer { multi_value_headers: false }: the event is a broken load balancer request: `httpMethod` is `DELETE`; objects are loaded by `POST`, and `GET …/health` is a health check
    load-balancer-multi-value-body-empty: LoadBalancer { multi_value_headers: true }: the event is a broken load balancer request: `body` is not JSON: EOF while parsing a value at line 1 column 0
    map-bucket-is-a-url: Map: the event is a broken Distributed Map batch: `BatchInput.bucket` is no bucket's name: `s3://ons-energy-data`; allowed are 3 to 255 letters, digits, `.`, `-` and `_`
    map-items-not-a-list: Map: the event is a broken Distributed Map batch: `Items` is an object; expected a list
    pipe-without-message-id: Queue: the event is a broken EventBridge Pipes batch: `[0].messageId` is empty
    prefix-is-a-number: Direct: the event is a broken direct invocation for a prefix: `prefix` is a number; expected a text
    prefix-too-long: Direct: the event is a broken direct invocation for a prefix: `prefix` is too long: 1025 bytes; at most 1024 are allowed
    prefix-without-bucket: Direct: the event is a broken direct invocation for a prefix: `bucket` is missing
    s3-batch-operations-without-invocation: BatchOperations { schema: "2.0", invocation: "" }: the event is a broken S3 Batch Operations job: `invocationId` is missing
    s3-bucket-with-slash: Asynchronous: the event is a broken S3 notification: `Records[0].s3.bucket.name` is no bucket's name: `ons/../other\u{7}`; allowed are 3 to 255 letters, digits, `.`, `-` and `_`
    s3-is-a-list: Asynchronous: the event is a broken S3 notification: `Records[0].s3` is a list; expected an object
    s3-key-empty: Asynchronous: the event is a broken S3 notification: `Records[0].s3.object.key` is empty
    s3-key-is-a-number: Asynchronous: the event is a broken S3 notification: `Records[0].s3.object.key` is a number; expected a text
    s3-key-not-url-encoded: Asynchronous: the event is a broken S3 notification: `Records[0].s3.object.key` is not URL-encoded: the `%` at byte 8 is not followed by two hexadecimal digits
    s3-key-not-utf-8: Asynchronous: the event is a broken S3 notification: `Records[0].s3.object.key` does not decode to UTF-8: invalid utf-8 sequence of 1 bytes from index 4
    s3-key-too-long: Asynchronous: the event is a broken S3 notification: `Records[0].s3.object.key` is too long: 1026 bytes; at most 1024 are allowed
    s3-mixed-with-another-service: Asynchronous: the event is a broken S3 notification: `Records[1].eventSource` is another service than that of the first record; expected `aws:s3`
    s3-size-negative: Asynchronous: the event is a broken S3 notification: `Records[0].s3.object.size` is a number; expected a whole number from 0
    s3-third-record-without-key: Asynchronous: the event is a broken S3 notification: `Records[2].s3.object.key` is missing
    s3-version-with-newline: Asynchronous: the event is a broken S3 notification: `Records[0].s3.object.versionId` holds characters other than visible ASCII
    s3-without-event-name: Asynchronous: the event is a broken S3 notification: `Records[0].eventName` is missing
    sns-message-names-a-prefix: Asynchronous: the event is a broken SNS notification: `Records[0].Sns.Message` names a prefix, which a message must not: nothing would resume such a load
    sns-message-not-json: Asynchronous: the event is a broken SNS notification: `Records[0].Sns.Message` is not JSON: expected ident at line 1 column 2
    sns-message-unknown: Asynchronous: the event is a broken SNS notification: `Records[0].Sns.Message` is no event that a message may carry: an S3 notification, an S3 event of EventBridge, or `{"bucket": "…", "key": "…"}`
    sns-message-without-key: Asynchronous: the event is a broken SNS notification: `Records[0].Sns.Message.Records[0].s3.object.key` is missing
    sns-without-message: Asynchronous: the event is a broken SNS notification: `Records[0].Sns.Message` is missing
    sqs-mixed-with-another-service: Queue: the event is a broken SQS batch: `Records[1].eventSource` is another service than that of the first record; expected `aws:sqs`
    sqs-without-message-id: Queue: the event is a broken SQS batch: `Records[1].messageId` is missing
    unknown-event-bridge: Direct: the event has no known form; known are:
    unknown-no-records: Direct: the event has no known form; known are:
    unknown-nothing: Direct: the event has no known form; known are:
    unknown-text: Direct: the event has no known form; known are:
    "#);
}

#[test]
fn an_unknown_event_is_answered_with_the_known_forms() {
    insta::assert_snapshot!(read(&json!({"hello": "world"})).unwrap_err(), @r#"
    the event has no known form; known are:
      S3 notification: {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {…}}]}
      S3 test event: {"Service": "Amazon S3", "Event": "s3:TestEvent", …}
      S3 event of EventBridge: {"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {…}, "object": {…}}}
      schedule of EventBridge: {"source": "aws.events", "detail-type": "Scheduled Event", …}, which is a health check
      SNS notification: {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "{\"Records\": …}", …}}]}
      SQS batch: {"Records": [{"eventSource": "aws:sqs", "messageId": "…", "body": "{\"Records\": …}", …}]}
      S3 Batch Operations job: {"invocationSchemaVersion": "2.0", "invocationId": "…", "job": {…}, "tasks": [{"taskId": "…", "s3Key": "…", …}]}
      invocation record of the function: {"requestContext": {"condition": "RetriesExhausted", …}, "requestPayload": {…}}
      API Gateway REST request: {"httpMethod": "POST", "requestContext": {…}, "body": "{\"bucket\": …, \"key\": …}"}
      API Gateway HTTP request: {"version": "2.0", "requestContext": {"http": {…}}, "body": "{\"bucket\": …, \"key\": …}"}
      load balancer request: {"httpMethod": "POST", "requestContext": {"elb": {…}}, "body": "{\"bucket\": …, \"key\": …}"}
      action: {"action": "health"}, optionally with "deep": true; {"action": "summarize", "bucket": "…", "manifest": "…", "plan": "…"}; {"action": "verify", "bucket": "…", "prefix": "…"}, or any other object or list, optionally with "exact", "ignore_extra" and "bucket_seconds"
      Distributed Map batch: {"Items": [{"bucket": "…", "key": "…"} or {"Key": "…", "Size": …}, …], "BatchInput": {"bucket": "…"}}
      direct invocation for a list: {"objects": [{"bucket": "…", "key": "…"}, …]}
      direct invocation for a prefix: {"bucket": "…", "prefix": "…"}, optionally with "start_after", "dataset" and "skip_loaded"
      direct invocation: {"bucket": "…", "key": "…"}, optionally with "version_id", "etag", "dataset", "row_groups": [from, to] and "skip_loaded"
      EventBridge Pipes batch: [{"eventSource": "aws:sqs", "messageId": "…", "body": "{\"Records\": …}", …}, …]
    "#);
}

#[test]
fn bytes_that_are_not_json_are_refused() {
    insta::assert_snapshot!(story(&parse(b"{\"bucket\": ").unwrap_err()), @"the event is not JSON: EOF while parsing a value at line 1 column 11");
    insta::assert_snapshot!(story(&parse(b"\"\xff\"").unwrap_err()), @"the event is not JSON: invalid unicode code point at line 1 column 2");
}

#[test]
fn json_that_is_nested_without_end_is_refused() {
    insta::assert_snapshot!(story(&parse("[".repeat(MAXIMUM_PAYLOAD_BYTES).as_bytes()).unwrap_err()), @"the event is not JSON: recursion limit exceeded at line 1 column 128");
}

#[test]
fn a_payload_beyond_the_limit_of_lambda_is_refused_unread() {
    let error = parse(&vec![b' '; MAXIMUM_PAYLOAD_BYTES + 1]).unwrap_err();
    insta::assert_snapshot!(story(&error), @"the event is too large: 6291457 bytes; at most 6291456 are allowed");
}

#[test]
fn every_record_of_the_largest_notification_is_read() {
    let record = |number: usize| notification(&format!("{number:08}"))["Records"][0].clone();
    let count = (MAXIMUM_PAYLOAD_BYTES - 100) / (record(0).to_string().len() + 1);
    let payload = json!({"Records": (0..count).map(record).collect::<Vec<_>>()}).to_string();
    assert_eq!(objects(parse(payload.as_bytes()).unwrap()).len(), count);
}

#[test]
fn a_key_of_1024_bytes_is_taken_and_one_of_1025_is_not() {
    let longest = "k".repeat(1024);
    assert_eq!(objects(read(&notification(&longest)).unwrap())[0].key, longest);
    assert!(read(&notification(&format!("{longest}k"))).is_err());
}

#[test]
fn what_matches_no_form_counts_as_a_direct_invocation() {
    assert_eq!(read(&json!([])).unwrap_err().caller(), Caller::Direct);
}

#[test]
fn what_a_state_machine_passes_on_does_not_hide_the_object_that_it_names() {
    let event = json!({
        "bucket": "ons-energy-data", "key": "a.parquet",
        "prefix": "b/", "objects": [], "Items": [], "BatchInput": {}, "action": "load", "status": "partial",
    });
    let named = objects(read(&event).unwrap());
    assert_eq!(named, [ObjectReference::new("ons-energy-data", "a.parquet")]);
    let list = json!({ "objects": [{ "bucket": "ons-energy-data", "key": "b.parquet" }], "action": "load" });
    assert_eq!(objects(read(&list).unwrap())[0].key, "b.parquet");
}
