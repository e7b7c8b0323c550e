//! What an invocation leaves in the log, and the trace that it passes on to AWS.

use std::fs;

use influxdb_loader_tests::{
    Dialect, Fault, FaultServer, Function, Loader, Moto, Responder, Response, Rules, Settings, evil_component, parquet,
    small_consumption,
};
use serde_json::{Value, json};

use super::forms::{self, Told};
use super::{BUCKET, DATABASE, Site, key, rows};

/// What rows hold in [`Watched`].
const REGION: &str = "zanzibar";
const VALUE: f64 = 31_415.926_5;

/// The lines of a log: every one of them is a JSON object.
fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn every_line_of_the_log_tells_of_what_it_is() {
    let site = Site::start();
    let (_, secret) = site.influxdb.authorize(&[], &[DATABASE]);
    let function = Function::start(site.settings().with("INFLUXDB_TOKEN", &secret));
    let (good, broken) = (site.put("good"), site.put_broken("broken"));
    assert!(function.invoke(&forms::s3(&[Told::new(&good), Told::new(&broken)])).failed);
    function.invoke(&forms::sqs(&[json!("not JSON")]));
    let log = function.log();
    let lines = lines(&log);
    let line = |message: &str, key: &Value| {
        let is_it = |line: &&Value| line["message"].as_str().unwrap().contains(message) && line["key"] == *key;
        lines.iter().find(is_it).unwrap_or_else(|| panic!("no line `{message}` of {key} in\n{log}"))
    };
    for (line, level) in [
        (line("loaded", &json!(good)), "INFO"),
        (line("not a Parquet file", &json!(broken)), "ERROR"),
        (line("done", &Value::Null), "INFO"),
    ] {
        assert_eq!(line["level"], level, "{line}");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(line["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{line}");
        assert!(line["trace_id"].as_str().is_some_and(|id| id.starts_with("Root=1-")), "{line}");
    }
    // A failure is logged once.
    let errors: Vec<_> = lines.iter().filter(|line| line["level"] == "ERROR").collect();
    assert_eq!(errors.len(), 2, "{log}");
    let loaded = line("loaded", &json!(good));
    assert_eq!(
        (&loaded["bucket"], &loaded["dataset"], &loaded["rows"]),
        (&json!(BUCKET), &json!("consumption"), &json!(3))
    );
    assert!(loaded["converter_version"].as_str().unwrap().split('.').count() == 3, "{loaded}");
    assert_eq!(line("`Records[0].body` is not JSON", &Value::Null)["item"], "message-0");
    assert!(!log.contains(&secret) && !log.contains("X-Amz-Signature"), "{log}");
}

#[test]
fn invoke_prints_the_answer_alone_wherever_metrics_go() {
    let site = Site::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("event.json");
    fs::write(&path, json!({ "bucket": BUCKET, "key": site.put("alone") }).to_string()).unwrap();
    let settings = site.settings().with("ENABLE_METRICS", "true").with("METRICS_BACKEND", "emf");
    let invoke = Loader::new(["invoke", "-vv"]).argument(&path).settings(settings).run().succeeded();
    let answer: Value = serde_json::from_str(&invoke.stdout).unwrap_or_else(|error| panic!("{error}: {invoke}"));
    assert_eq!(answer["status"], "succeeded");
    assert!(invoke.stderr.contains("CloudWatchMetrics"), "{invoke}");
}

#[test]
fn what_a_converter_logs_tells_of_what_it_is() {
    let site = Site::start();
    let registry = "energy-converters";
    site.moto.create_bucket(registry);
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache").display().to_string();
    let settings = site
        .settings()
        .with("CONVERTER_BUCKET", registry)
        .with("CONVERTER_CACHE_DIRECTORY", cache)
        .with("LOG_LEVEL", "debug");
    let component = directory.path().join("evil.wasm");
    fs::write(&component, evil_component()).unwrap();
    for arguments in [&["publish", component.to_str().unwrap()][..], &["promote", "evil", "6.6.6"]] {
        Loader::new(["converter"]).arguments(arguments).settings(settings.clone()).run().succeeded();
    }
    let keys = ["1", "2"].map(|name| format!("dataset=evil/attack=talk-to-itself/{name}.parquet"));
    for key in &keys {
        site.moto.put_object(BUCKET, key, parquet(&small_consumption()));
    }
    let function = Function::start(settings);
    // Two objects in one invocation, and one of them in another.
    for objects in [&keys[..], &keys[..1]] {
        let told: Vec<Told<'_>> = objects.iter().map(|key| Told::new(key)).collect();
        let before = function.log().len();
        let invocation = function.invoke(&forms::s3(&told));
        assert!(!invocation.failed, "{}\n{}", invocation.answer, function.log());
        let log = &function.log()[before..];
        let lines = lines(log);
        let done = lines.iter().find(|line| line["message"] == "done").unwrap();
        for key in objects {
            for stage in ["prepare", "translate", "convert"] {
                for (way, level) in [
                    ("at debug", "DEBUG"),
                    ("at info", "INFO"),
                    ("at warn", "WARN"),
                    ("at error", "ERROR"),
                    ("by output", "INFO"),
                    ("by error", "WARN"),
                ] {
                    let message = format!("talks in {stage} {way}");
                    let line = lines.iter().find(|line| line["message"] == message && line["key"] == **key);
                    let line = line.unwrap_or_else(|| panic!("no line `{message}` of {key} in\n{log}"));
                    assert_eq!((&line["level"], &line["target"]), (&json!(level), &json!("converter")), "{line}");
                    assert_eq!(line["request_id"], done["request_id"], "{line}");
                    assert_eq!(line["trace_id"], done["trace_id"], "{line}");
                    assert_eq!((&line["bucket"], &line["dataset"]), (&json!(BUCKET), &json!("evil")), "{line}");
                    let converter = (&line["converter"], &line["converter_version"]);
                    assert_eq!(converter, (&json!("evil"), &json!("6.6.6")), "{line}");
                    assert!(line["converter_digest"].as_str().is_some_and(|digest| digest.len() == 64), "{line}");
                }
            }
        }
    }
}

/// A function that logs all that there is to log, in which what must not be seen is easily found.
struct Watched {
    _moto: Moto,
    function: Function,
}

impl Watched {
    const TOKEN: &str = "correct-horse-battery-staple";
    const KEY: &str = "incorrect-donkey-mains-staple";

    fn start(server: &FaultServer, settings: Settings) -> Self {
        let moto = Moto::start();
        moto.create_bucket(BUCKET);
        moto.put_object(BUCKET, &key("watched"), rows(REGION, 3, VALUE).parquet(3));
        let settings = moto
            .settings()
            .and(server.settings())
            .and(settings)
            .with("INFLUXDB_TOKEN", Self::TOKEN)
            .with("AWS_SECRET_ACCESS_KEY", Self::KEY)
            .with("ENABLE_METRICS", "false")
            .with("MAX_RETRIES", "1")
            .with("LOG_LEVEL", "debug");
        Self { function: Function::start(settings), _moto: moto }
    }

    /// Loads the object. Returns the error's message, where it fails, after a look at the log: from level info on it has
    /// nothing of what the rows hold, and on no level a secret.
    fn load(&self) -> Option<String> {
        let invocation = self.function.invoke(&forms::direct(&key("watched")));
        let log = self.function.log();
        for line in lines(&log) {
            let text = line.to_string();
            assert!(!text.contains(Self::TOKEN) && !text.contains(Self::KEY), "{text}");
            if line["level"] != "DEBUG" {
                assert!(!text.contains(REGION) && !text.contains("31415"), "{text}");
            }
        }
        let message = invocation.answer["errorMessage"].as_str().map(str::to_owned);
        assert_eq!(message.is_some(), invocation.failed, "{}\n{log}", invocation.answer);
        message
    }

    /// Whether a line of level debug shows why a row is rejected, in words that quote it.
    fn tells_why(&self) -> bool {
        let why = |line: &Value| line["level"] == "DEBUG" && line["message"].as_str().unwrap().contains(REGION);
        lines(&self.function.log()).iter().any(why)
    }
}

fn server_with_token(dialect: Dialect, banned: &str) -> FaultServer {
    let token = (dialect != Dialect::V1).then(|| Watched::TOKEN.to_owned());
    FaultServer::with(Rules { token, banned: Some(banned.to_owned()), ..Rules::of(dialect) })
}

#[test]
fn what_rows_hold_is_logged_at_debug_alone() {
    for dialect in [Dialect::V1, Dialect::V2, Dialect::V3] {
        let server = server_with_token(dialect, REGION);
        let message = Watched::start(&server, Settings::default()).load().unwrap();
        assert!(message.contains("no row is written: InfluxDB refuses 3 of 3 rows (3 `refused`)"), "{message}");
        let strict = Watched::start(&server, Settings::default().with("DROP_INVALID_RECORDS", "false"));
        let message = strict.load().unwrap();
        assert!(message.contains("row 0 is rejected as `refused`"), "{message}");
    }
}

#[test]
fn a_rejected_row_that_fails_its_object_is_told_without_what_it_holds() {
    // As 1.x reports it, of all three rows.
    let words = format!(
        "partial write: max-values-per-tag limit exceeded (1/1): measurement=\"consumption_data\" tag=\"region\" \
         value=\"{REGION}\" dropped=3"
    );
    let answer = json!({ "error": words }).to_string();
    let server = server_with_token(Dialect::V1, "nothing").failing(move |arrival| match arrival.write() {
        Some(_) => Fault::answer(400, &answer),
        None => Fault::None,
    });
    let watched = Watched::start(&server, Settings::default().with("DROP_INVALID_RECORDS", "false"));
    let message = watched.load().unwrap();
    assert!(message.contains("row 0 is rejected as `refused`"), "{message}");
    assert!(!message.contains(REGION), "{message}");
    assert!(watched.tells_why(), "{}", watched.function.log());
}

#[test]
fn a_refusal_that_nobody_understands_is_told_without_what_it_quotes() {
    let server = server_with_token(Dialect::V2, "nothing").failing(|arrival| match arrival.write() {
        Some(_) => Fault::answer(400, &json!({ "message": format!("not liked: {}", arrival.text()) }).to_string()),
        None => Fault::None,
    });
    let watched = Watched::start(&server, Settings::default());
    let message = watched.load().unwrap();
    assert!(message.contains("answered 400, not liked: "), "{message}");
    assert!(!message.contains(REGION) && !message.contains("31415"), "{message}");
    assert!(watched.tells_why(), "{}", watched.function.log());
}

#[test]
fn requests_to_aws_carry_on_the_trace_of_their_invocation() {
    let s3 = Responder::always(Response::new(404, "<Error><Code>NoSuchKey</Code></Error>"));
    let server = Responder::always(Response::new(204, ""));
    let settings = Settings::from([
        ("AWS_ENDPOINT_URL", s3.url()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "key".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ("INFLUXDB_API", "v1".to_owned()),
        ("INFLUXDB_URL", server.url()),
        ("ENABLE_METRICS", "false".to_owned()),
    ]);
    let function = Function::start(settings);
    for number in ["1", "2"] {
        assert!(function.invoke(&forms::direct(&key(number))).failed);
    }
    let log = function.log();
    let traces: Vec<Value> =
        lines(&log).iter().filter(|line| line["message"] != "done").map(|line| line["trace_id"].clone()).collect();
    let sent: Vec<Value> = s3.requests().iter().map(|request| json!(request.headers["x-amzn-trace-id"])).collect();
    assert_eq!(sent.len(), 2, "{log}");
    assert_ne!(sent[0], sent[1]);
    for trace in sent {
        assert!(traces.contains(&trace), "{trace} is not in\n{log}");
    }
}
