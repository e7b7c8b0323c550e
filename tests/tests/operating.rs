//! docs/operating.md, followed step by step: every command of it that can run against moto and a local run does, with the names of a
//! stack that moto's CloudFormation has created of the template.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use influxdb_loader_tests::{Function, InfluxDb2, Moto, Outcome, Stack, parquet, small_consumption};
use serde_json::{Value, json};

const DATA: &str = "energy";
const CONVERTERS: &str = "energy-converters";
const DATABASE: &str = "energy_data";
const KEY: &str = "dataset=consumption/a.parquet";

/// How long an execution may take.
const EXECUTION_LIMIT: Duration = Duration::from_secs(60);

/// What cannot run here, and why.
const NOT_RUN: [(&str, &str); 2] = [
    ("aws sqs start-message-move-task", "moto has no StartMessageMoveTask; the test below notices when it has"),
    ("influx bucket update --retention", "InfluxDB's own command line is in no package registry that the tests use"),
];

/// The guide, and which of its commands have not been run yet.
struct Guide {
    text: String,
    commands: Vec<String>,
    left: RefCell<BTreeSet<String>>,
}

impl Guide {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
        let text = fs::read_to_string(path).unwrap();
        let commands = commands(&text);
        let left = RefCell::new(commands.iter().cloned().collect());
        Self { text, commands, left }
    }

    /// The one command that starts like this, with the reader's own names, and `parts` in the place of each `…`.
    #[track_caller]
    fn command(&self, start: &str, parts: &[&str]) -> String {
        let found: BTreeSet<&String> = self.commands.iter().filter(|command| command.starts_with(start)).collect();
        let [command] = Vec::from_iter(found)[..] else { panic!("not one command starts with `{start}`") };
        self.left.borrow_mut().remove(command);
        assert_eq!(command.matches('…').count(), parts.len(), "{command}");
        let own = command
            .replace("DATASET", "consumption")
            .replace("DATA-BUCKET", DATA)
            .replace("CONVERTER-BUCKET", CONVERTERS);
        parts.iter().fold(own, |line, part| line.replacen('…', part, 1))
    }

    /// The queries of CloudWatch Logs Insights.
    fn queries(&self) -> Vec<&str> {
        let starts = self.text.match_indices("fields ").map(|(start, _)| &self.text[start..]);
        let queries = starts.map(|rest| rest.split(['\n', '`']).next().unwrap());
        queries.filter(|query| query.contains(" | filter ")).collect()
    }
}

fn is_command(line: &str) -> bool {
    ["aws ", "influxdb-loader ", "influx "].iter().any(|program| line.starts_with(program))
}

/// The commands of a document: in fenced and indented blocks, over several lines, and in running text.
fn commands(text: &str) -> Vec<String> {
    let (mut commands, mut prose, mut fenced) = (Vec::new(), String::new(), false);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if line.starts_with("```") {
            fenced = !fenced;
        } else if (fenced || line.starts_with("    ")) && is_command(trimmed) {
            let mut command = trimmed.to_owned();
            while let Some(begun) = command.strip_suffix('\\') {
                command = format!("{}{}", begun, lines.next().unwrap().trim());
            }
            commands.push(command.split("  #").next().unwrap().trim_end().to_owned());
        } else {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    let spans = prose.split('`').skip(1).step_by(2).filter(|span| is_command(span));
    commands.extend(spans.map(|span| span.replace('\n', " ")));
    commands
}

/// A stack with its function, InfluxDB, and whoever follows the guide at a laptop.
struct Site {
    stack: Stack,
    influxdb: InfluxDb2,
    function: Function,
    guide: Guide,
}

impl Site {
    fn start() -> Self {
        let (moto, influxdb) = (Moto::start_for_stacks(), InfluxDb2::start(DATABASE));
        moto.create_bucket(DATA);
        moto.create_bucket(CONVERTERS);
        let url = influxdb.settings(DATABASE).get("INFLUXDB_URL");
        let parameters = [
            format!("DataBucket={DATA}"),
            "CreateDataBucket=false".to_owned(),
            format!("InfluxDBUrl={url}"),
            format!("InfluxDBBucket={DATABASE}"),
            format!("ConverterBucket={CONVERTERS}"),
            "BackfillToleratedFailurePercentage=100".to_owned(),
        ];
        let stack = Stack::create(moto, &parameters.each_ref().map(String::as_str));
        let settings = stack.moto.settings().and(stack.variables.clone());
        let function = Function::start(settings.with("CONVERTER_REFRESH_SECONDS", "0"));
        stack.run(&function);
        Self { stack, influxdb, function, guide: Guide::read() }
    }

    /// Stores InfluxDB's token where the function looks for it.
    fn store_token(&self) {
        let token = self.influxdb.settings(DATABASE).get("INFLUXDB_TOKEN");
        self.stack.moto.put_secret(&self.stack.outputs["SecretArn"], &json!({ "token": token }).to_string());
    }

    fn put(&self, key: &str) {
        self.stack.moto.put_object(DATA, key, parquet(&small_consumption()));
    }

    /// Runs the command that starts like this.
    #[track_caller]
    fn run(&self, start: &str, parts: &[&str]) -> Outcome {
        self.shell(&self.guide.command(start, parts))
    }

    fn shell(&self, line: &str) -> Outcome {
        let laptop = self.influxdb.settings(DATABASE).with("CONVERTER_BUCKET", CONVERTERS);
        self.stack.shell(&self.stack.fill_in(line), laptop)
    }

    /// Invokes the function as the guide shows, and returns its answer.
    fn check_health(&self) -> Value {
        // A pipe, as a terminal is one: what is written to a file by both would be on top of each other.
        let line = format!("{} | cat", self.guide.command("aws lambda invoke", &[]));
        let told = self.shell(&line).succeeded();
        let mut values = serde_json::Deserializer::from_str(&told.stdout).into_iter::<Value>();
        let (answer, status) = (values.next().unwrap().unwrap(), values.next().unwrap().unwrap());
        assert_eq!(status["StatusCode"], 200, "{told}");
        answer
    }

    /// Starts a backfill, waits for its end, and returns its description.
    fn backfill(&self, command: &str) -> Value {
        let execution = self.shell(command).succeeded().json();
        let line = format!("aws stepfunctions describe-execution --execution-arn {}", execution["executionArn"]);
        let deadline = Instant::now() + EXECUTION_LIMIT;
        loop {
            let told = self.shell(&line).succeeded().json();
            if told["status"] != "RUNNING" {
                return told;
            }
            assert!(Instant::now() < deadline, "{told}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn points(&self) -> f64 {
        self.influxdb.number(DATABASE, "count(power_mw)", "consumption_data")
    }
}

#[test]
fn every_command_of_the_guide_does_what_the_guide_says() {
    let site = Site::start();
    influxdb_is_not_well(&site);
    objects_fail(&site);
    rows_are_rejected(&site);
    nothing_comes(&site);
    letters_are_dead(&site);
    a_converter_falls_back(&site);
    a_trial_ends(&site);
    loads_are_paused(&site);
    a_backfill_fails(&site);
    queries_find_lines(&site);
    for (start, _) in NOT_RUN {
        site.guide.command(start, &[]);
    }
    assert_eq!(*site.guide.left.borrow(), BTreeSet::new(), "neither run, nor among those that cannot be");
}

fn influxdb_is_not_well(site: &Site) {
    // The secret holds what the stack has made up.
    let answer = site.check_health();
    let (error, message) = (&answer["errorType"], answer["errorMessage"].as_str().unwrap());
    assert!(error == "InfluxDBConnectionError" && message.contains("401") && message.contains("hint: "), "{answer}");
    site.store_token();
    let answer = site.check_health();
    assert_eq!(answer["status"], "healthy", "{answer}");
    site.run("influxdb-loader health --deep --read", &[]).succeeded();
    site.shell(&exact(site, "influxdb-loader health")).succeeded();

    // The queue is stopped, and shows it.
    site.run("aws lambda update-event-source-mapping", &[]).succeeded();
    let mapping = site.run("aws lambda get-event-source-mapping", &[]).succeeded().json();
    assert_eq!(mapping["State"], "Disabled", "{mapping}");
}

/// A command that others start like.
fn exact(site: &Site, command: &str) -> String {
    assert!(site.guide.left.borrow_mut().remove(command), "the guide has no `{command}`");
    command.to_owned()
}

fn objects_fail(site: &Site) {
    site.put(KEY);
    site.run("influxdb-loader convert ", &[]).succeeded();
    assert_eq!(fs::read_to_string(site.stack.file("points.lp")).unwrap().lines().count(), 2);
    site.run("influxdb-loader load", &[]).succeeded();
    let report: Value = serde_json::from_slice(&fs::read(site.stack.file("report.json")).unwrap()).unwrap();
    assert_eq!((&report["totals"]["written"], site.points()), (&json!(2), 1.0), "{report}");
    fs::write(site.stack.file("converter.wasm"), converter_components::CONSUMPTION).unwrap();
    fs::write(site.stack.file("a.parquet"), parquet(&small_consumption())).unwrap();
    let line = site.guide.command("influxdb-loader converter bench", &[]);
    site.shell(&format!("{line} converter.wasm a.parquet")).succeeded();
}

fn rows_are_rejected(site: &Site) {
    site.influxdb.query(DATABASE, "DROP MEASUREMENT consumption_data");
    // Somebody has written text where the loader writes a number.
    site.influxdb.write(DATABASE, "consumption_data,region=north power_mw=\"much\" 1514764800000000001").succeeded();
    let found = site.run("influxdb-loader preflight", &[]);
    assert!(found.code == Some(1) && found.stdout.contains("type-conflict"), "{found}");
    let loaded = site.function.invoke(&json!({ "bucket": DATA, "key": KEY }));
    assert!(!loaded.failed, "{}", loaded.answer);
    let show = site.run("influxdb-loader rejects show", &[]).succeeded();
    assert!(show.stdout.contains("type-conflict") && show.stdout.contains("invalid-timestamp"), "{show}");
    let dry = site.run("influxdb-loader rejects retry s3://OPERATIONS-BUCKET/rejects/ --to -", &[]).succeeded();
    assert!(dry.stdout.contains("power_mw=1.5"), "{dry}");
    // The cause is removed.
    site.influxdb.query(DATABASE, "DROP MEASUREMENT consumption_data");
    site.shell(&exact(site, "influxdb-loader rejects retry s3://OPERATIONS-BUCKET/rejects/")).succeeded();
    assert_eq!(site.influxdb.number(DATABASE, "sum(power_mw)", "consumption_data"), 1.5);
}

fn nothing_comes(site: &Site) {
    let listing = site.run("aws s3 ls", &[]).succeeded();
    assert!(listing.stdout.contains(KEY), "{listing}");
    // moto takes an `EventBridgeConfiguration` and acts by it, but does not show it.
    site.run("aws s3api get-bucket-notification-configuration", &[]).succeeded();
}

fn letters_are_dead(site: &Site) {
    site.influxdb.query(DATABASE, "DROP MEASUREMENT consumption_data");
    let created = json!({
        "version": "0", "id": "1", "source": "aws.s3", "detail-type": "Object Created", "account": "123456789012",
        "time": "2024-01-01T00:00:00Z", "region": "us-east-1", "resources": [],
        "detail": { "version": "0", "bucket": { "name": DATA }, "object": { "key": KEY } },
    });
    // What the queue or EventBridge gave up, and what Lambda did.
    let given_up = json!({
        "version": "1.0", "timestamp": "2024-01-01T00:00:00Z", "requestContext": {
            "requestId": "1", "functionArn": site.stack.outputs["FunctionArn"], "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": created, "responseContext": { "statusCode": 200, "executedVersion": "1" },
        "responsePayload": { "errorType": "InfluxDBConnectionError", "errorMessage": "away" },
    });
    for letter in [&created, &given_up] {
        fs::write(site.stack.file("letter.json"), letter.to_string()).unwrap();
        site.shell("aws sqs send-message --queue-url DEAD-LETTERS --message-body file://letter.json").succeeded();
    }
    let letters = site.run("aws sqs receive-message", &[]).succeeded().json();
    let letters = letters["Messages"].as_array().unwrap();
    assert_eq!(letters.len(), 2, "{letters:?}");
    let failed = site.run("aws sqs start-message-move-task", &[]);
    assert_ne!(failed.code, Some(0), "moto can redrive: let it\n{failed}");
    // As the queue hands them to the function once they are redriven.
    let records = letters.iter().map(|letter| {
        json!({
            "messageId": letter["MessageId"], "receiptHandle": letter["ReceiptHandle"], "body": letter["Body"],
            "attributes": {}, "messageAttributes": {}, "eventSource": "aws:sqs",
            "eventSourceARN": site.stack.outputs["QueueArn"], "awsRegion": "us-east-1",
        })
    });
    let answer = site.function.invoke(&json!({ "Records": Value::from_iter(records) }));
    assert_eq!((answer.failed, &answer.answer["batchItemFailures"]), (false, &json!([])), "{}", answer.answer);
    assert_eq!(site.points(), 1.0);
    site.run("aws sqs purge-queue", &[]).succeeded();
    let count = "aws sqs get-queue-attributes --queue-url DEAD-LETTERS --attribute-names All";
    let told = site.shell(count).succeeded().json();
    assert_eq!(told["Attributes"]["ApproximateNumberOfMessages"], "0", "{told}");
}

fn a_converter_falls_back(site: &Site) {
    let component = |version: &str| {
        let mut bytes = converter_components::CONSUMPTION.to_vec();
        let place = bytes.windows(5).position(|window| window == b"1.0.0").unwrap();
        bytes[place..place + 5].copy_from_slice(version.as_bytes());
        bytes
    };
    for version in ["1.0.1", "1.0.2"] {
        fs::write(site.stack.file("converter.wasm"), component(version)).unwrap();
        site.shell("influxdb-loader converter publish converter.wasm").succeeded();
        site.shell(&format!("influxdb-loader converter promote consumption {version}")).succeeded();
    }
    // The registry's newest pointer names a version that does not exist.
    let key = "converters/consumption/channels/stable.json";
    let mut pointer: Value = serde_json::from_slice(&site.stack.moto.get_object(CONVERTERS, key)).unwrap();
    pointer["previous"] = json!({ "version": pointer["version"], "sha256": pointer["sha256"] });
    pointer["version"] = json!("1.0.3");
    pointer["sha256"] = json!("0".repeat(64));
    pointer["sequence"] = json!(pointer["sequence"].as_u64().unwrap() + 1);
    site.stack.moto.put_object(CONVERTERS, key, pointer.to_string().into());
    let loaded = site.function.invoke(&json!({ "bucket": DATA, "key": KEY }));
    assert!(!loaded.failed, "{}", loaded.answer);
    let verified = site.run("influxdb-loader converter verify", &[]);
    assert!(verified.code == Some(1) && verified.stderr.contains("1.0.3"), "{verified}");
    let history = site.run("influxdb-loader converter history", &[]).succeeded();
    assert!(history.stdout.contains("1.0.1") && history.stdout.contains("1.0.2"), "{history}");
    site.shell("influxdb-loader converter keygen --out key.pem").succeeded();
    let sign = site.guide.command("influxdb-loader converter sign", &[]);
    let signed = site.shell(&sign.replace("VERSION", "1.0.2").replace("KEY-FILE", "key.pem")).succeeded();
    assert!(signed.stdout.starts_with("signed: consumption 1.0.2 "), "{signed}");
    site.run("influxdb-loader converter rollback", &[]).succeeded();
    let verified = site.run("influxdb-loader converter verify", &[]).succeeded();
    assert!(verified.to_string().contains("1.0.2"), "{verified}");
}

fn a_trial_ends(site: &Site) {
    site.shell("influxdb-loader converter promote consumption --shadow 1.0.1").succeeded();
    let loaded = site.function.invoke(&json!({ "bucket": DATA, "key": KEY }));
    assert!(!loaded.failed, "{}", loaded.answer);
    let trial = site.run("influxdb-loader converter trial DATASET", &[]);
    assert!(trial.succeeded().stdout.contains("1.0.1"));
    site.run("aws s3 sync", &[]).succeeded();
    let diff = site.guide.command("influxdb-loader converter diff", &[&format!("{DATA}/{KEY}")]);
    site.shell(&diff.replace("OLD", "1.0.2").replace("NEW", "1.0.1")).succeeded();
    site.run("influxdb-loader converter trial --end", &[]).succeeded();
}

fn loads_are_paused(site: &Site) {
    let is_paused = || !site.stack.moto.keys(CONVERTERS, "converters/control/").is_empty();
    site.run("aws s3api put-object", &[]).succeeded();
    assert!(is_paused());
    site.run("aws s3api delete-object", &[]).succeeded();
    assert!(!is_paused());
}

fn a_backfill_fails(site: &Site) {
    let bad = "dataset=consumption/2024/bad.parquet";
    site.put("dataset=consumption/2024/good.parquet");
    site.stack.moto.put_object(DATA, bad, b"not Parquet".to_vec());
    let input = json!({ "prefix": "dataset=consumption/2024/" });
    let told =
        site.backfill(&format!("aws stepfunctions start-execution --state-machine-arn BACKFILL --input '{input}'"));
    assert_eq!(told["status"], "FAILED", "{told}");
    let execution = told["executionArn"].as_str().unwrap();
    let cause = site.run("aws stepfunctions describe-execution", &[execution]).succeeded().json();
    assert_eq!((&cause["counts"]["objects"], &cause["counts"]["failed"]), (&json!(1), &json!(1)), "{cause}");
    let report = cause["report"].as_str().unwrap();
    let (_, report) = report.split_once("/backfill/").unwrap();
    let failed = site.run("aws s3 cp", &[report.strip_suffix("/manifest.json").unwrap()]).succeeded();
    assert!(failed.stdout.starts_with(&format!("DataConversionError s3://{DATA}/{bad}: ")), "{failed}");

    // What it has made of the cause is what the guide shows.
    let shown: Value = {
        let start = site.guide.text.find("{ \"report\"").unwrap();
        let end = start + site.guide.text[start..].find("\" }\n").unwrap() + 3;
        serde_json::from_str(&site.guide.text[start..end]).unwrap()
    };
    let names = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!((names(&cause), names(&cause["counts"])), (names(&shown), names(&shown["counts"])));

    site.put(bad);
    let plan = cause["plan"].as_str().unwrap();
    let plan = plan.strip_prefix("plans/again/").and_then(|rest| rest.strip_suffix(".jsonl")).unwrap();
    // Of itself, moto gives every execution the same name.
    let command = site.guide.command("aws stepfunctions start-execution", &[plan]);
    let told = site.backfill(&format!("{command} --name again"));
    assert_eq!(told["status"], "SUCCEEDED", "{told}");
}

/// The fields that a query names are in a line of the log that it chooses.
fn queries_find_lines(site: &Site) {
    let lines: Vec<Value> = site.function.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let queries = site.guide.queries();
    assert_eq!(queries.len(), 3, "{queries:?}");
    for query in queries {
        let mut stages = query.trim_end().split(" | ");
        let fields = stages.next().unwrap().strip_prefix("fields ").unwrap();
        let filters = stages.find_map(|stage| stage.strip_prefix("filter ")).unwrap();
        let chosen = |line: &&Value| {
            filters.split(" and ").all(|filter| match filter.split_once(" like ") {
                Some((name, text)) => line[name].as_str().is_some_and(|value| value.contains(text.trim_matches('/'))),
                None => {
                    let (name, value) = filter.split_once(" = ").unwrap();
                    line[name] == value.trim_matches('"')
                }
            })
        };
        let named = || fields.split(", ").filter(|name| !name.starts_with('@'));
        let found = lines.iter().filter(chosen).any(|line| named().all(|name| !line[name].is_null()));
        assert!(found, "no line of the log has what `{query}` asks for");
    }
}
