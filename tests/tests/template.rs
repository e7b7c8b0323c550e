//! The template, held against the code: every setting that it passes, every permission, and every metric in an alarm or on
//! the dashboard. What only AWS knows is the matter of cfn-lint and sam, which `make check` runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use influxdb_loader::config::{Config, SETTINGS};
use influxdb_loader::metrics::{Metric, NAMESPACE, STACK};
use influxdb_loader_tests::{Settings, python};
use serde_json::Value;

/// What the function needs to be allowed, and why. Everything else in its role is a fault, and what is missing here too.
const FUNCTION_PERMISSIONS: [(&str, &str); 26] = [
    ("s3:GetObject", "objects, the converters of the registry, and reports of backfills"),
    ("s3:GetObjectVersion", "objects of which an event names the version"),
    (
        "s3:ListBucket",
        "S3 returns 404 for a missing object instead of 403; the registry's datasets and the pause object are listed",
    ),
    (
        "s3:PutObject",
        "rejected rows are kept (REJECTS_URI), plans of what a backfill has not loaded, and what is counted of trials",
    ),
    ("s3:DeleteObject", "rejected rows of a load before, where the object has none any more"),
    ("secretsmanager:GetSecretValue", "the token (INFLUXDB_TOKEN_SECRET_NAME)"),
    ("kms:Decrypt", "objects, converters and secrets under keys of one's own"),
    ("kms:GenerateDataKey", "rejected rows, plans and messages of the dead-letter queue under the stack's key"),
    ("cloudwatch:PutMetricData", "metrics (METRICS_BACKEND=cloudwatch)"),
    ("logs:CreateLogStream", "Lambda writes the log in the name of the role"),
    ("logs:PutLogEvents", "the same"),
    ("xray:PutTraceSegments", "Lambda traces in the name of the role"),
    ("xray:PutTelemetryRecords", "the same"),
    ("sqs:ReceiveMessage", "Lambda takes messages in the name of the role"),
    ("sqs:DeleteMessage", "the same"),
    ("sqs:GetQueueAttributes", "the same"),
    ("sqs:SendMessage", "asynchronous invocations that failed go to the dead-letter queue"),
    ("sts:AssumeRole", "Lambda takes the role"),
    ("ec2:CreateNetworkInterface", "Lambda joins the VPC in the name of the role"),
    ("ec2:DescribeNetworkInterfaces", "the same"),
    ("ec2:DescribeSubnets", "the same"),
    ("ec2:DeleteNetworkInterface", "the same"),
    ("ec2:AssignPrivateIpAddresses", "the same"),
    ("ec2:UnassignPrivateIpAddresses", "the same"),
    ("Deny ec2:*", "the loader's own code has no business with network interfaces"),
    ("Deny s3:*", "not in the role: the bucket's policy, for connections without TLS"),
];

/// The same of the state machine.
const BACKFILL_PERMISSIONS: [(&str, &str); 13] = [
    ("sts:AssumeRole", "Step Functions takes the role"),
    ("lambda:InvokeFunction", "every load"),
    ("s3:ListBucket", "ItemReader lists a prefix"),
    ("s3:GetObject", "ItemReader reads a plan, ResultWriter its report"),
    ("kms:Decrypt", "both under the stack's key"),
    ("kms:GenerateDataKey", "the same"),
    ("s3:PutObject", "ResultWriter writes the report"),
    ("s3:ListMultipartUploadParts", "the same, where it is large"),
    ("s3:AbortMultipartUpload", "the same"),
    ("states:StartExecution", "a distributed map starts its children as executions"),
    ("states:DescribeExecution", "the same"),
    ("states:StopExecution", "the same, when too many failed"),
    ("states:RedriveExecution", "the children of an execution that is redriven"),
];

/// The same of CodeDeploy.
const DEPLOYMENT_PERMISSIONS: [(&str, &str); 5] = [
    ("sts:AssumeRole", "CodeDeploy takes the role"),
    ("lambda:GetAlias", "the alias `live` is moved to a new version"),
    ("lambda:UpdateAlias", "the same"),
    ("lambda:GetProvisionedConcurrencyConfig", "the same"),
    ("cloudwatch:DescribeAlarms", "and back, where an alarm fires"),
];

/// Actions that IAM knows for all resources only.
const WITHOUT_RESOURCES: [&str; 4] = ["xray:", "ec2:", "cloudwatch:PutMetricData", "cloudwatch:DescribeAlarms"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The template as JSON, the short forms of functions (`!Ref`) as the long ones.
fn template() -> &'static Value {
    static TEMPLATE: OnceLock<Value> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let script =
            "import json; from cfnlint.decode import cfn_yaml; print(json.dumps(cfn_yaml.load('template.yaml')))";
        python(["-c", script], &Settings::default()).succeeded().json()
    })
}

fn resource(name: &str) -> &'static Value {
    let resource = &template()["Resources"][name];
    assert!(resource.is_object(), "no resource `{name}`");
    &resource["Properties"]
}

fn resources(kind: &str) -> Vec<(&'static str, &'static Value)> {
    let all = template()["Resources"].as_object().unwrap();
    all.iter().filter(|(_, it)| it["Type"] == kind).map(|(name, it)| (name.as_str(), &it["Properties"])).collect()
}

/// A value with the defaults of the parameters; names of resources stand for what they refer to.
fn resolve(value: &Value) -> String {
    let function = |name: &str| value.get(name).filter(|_| value.as_object().unwrap().len() == 1);
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Object(_) => {
            if let Some(name) = function("Ref").map(|name| name.as_str().unwrap()) {
                match &template()["Parameters"][name] {
                    Value::Null => name.to_owned(),
                    parameter if name == "InfluxDBUrl" => {
                        parameter["Description"].as_str().unwrap()[8..].trim_end_matches('.').to_owned()
                    }
                    parameter => parameter.get("Default").map(resolve).unwrap_or_default(),
                }
            } else if let Some(choice) = function("Fn::If") {
                resolve(&choice[1])
            } else if let Some(text) = function("Fn::Sub") {
                let text = text.as_str().unwrap_or_else(|| text[0].as_str().unwrap());
                fill(text)
            } else {
                function("Fn::GetAtt").map(|it| it.to_string()).unwrap_or_else(|| panic!("not understood: {value}"))
            }
        }
        other => panic!("not understood: {other}"),
    }
}

/// Text with the names of resources, and the defaults of parameters, for `${…}`.
fn fill(text: &str) -> String {
    let mut parts = text.split("${");
    let mut filled = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap();
        let default = template()["Parameters"][name].get("Default").map(resolve);
        filled.push_str(&default.unwrap_or_else(|| name.to_lowercase()));
        filled.push_str(rest);
    }
    filled
}

#[test]
fn the_loader_takes_every_setting_that_the_template_passes() {
    let variables = resource("Function")["Environment"]["Variables"].as_object().unwrap();
    let known: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    for name in variables.keys() {
        assert!(known.contains(name.as_str()), "`{name}` is no setting");
    }
    let config = Config::read(|name| variables.get(name).map(resolve)).unwrap();
    config.influxdb().unwrap();
}

/// The elements of a value that may be one, or many, or a choice between some and none.
fn many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().flat_map(many).collect(),
        Value::Object(object) if object.contains_key("Fn::If") => {
            object["Fn::If"].as_array().unwrap()[1..].iter().flat_map(many).collect()
        }
        Value::Object(object) if object.get("Ref").is_some_and(|name| name == "AWS::NoValue") => Vec::new(),
        value => vec![value],
    }
}

/// What a role may do, and must not.
fn actions(role: &str) -> BTreeSet<String> {
    let role = resource(role);
    let documents = role["Policies"].as_array().unwrap().iter().map(|policy| &policy["PolicyDocument"]);
    let mut actions = BTreeSet::new();
    for statement in documents.chain([&role["AssumeRolePolicyDocument"]]).flat_map(|it| many(&it["Statement"])) {
        for action in many(&statement["Action"]).into_iter().map(|action| action.as_str().unwrap()) {
            let allowed = statement["Effect"] == "Allow";
            assert!(!(allowed && action.contains('*')), "{action}");
            if statement["Resource"] == "*" {
                assert!(WITHOUT_RESOURCES.iter().any(|known| action.starts_with(known)), "{action} for everything");
            }
            actions.insert(if allowed { action.to_owned() } else { format!("Deny {action}") });
        }
    }
    actions
}

#[test]
fn the_roles_may_do_what_is_needed_and_nothing_else() {
    let needed = |permissions: &[(&str, &str)]| -> BTreeSet<String> {
        permissions.iter().map(|(action, _)| (*action).to_owned()).collect()
    };
    let mut function = actions("FunctionRole");
    let policy = &resource("OperationsBucketPolicy")["PolicyDocument"]["Statement"][0];
    function.insert(format!("{} {}", policy["Effect"].as_str().unwrap(), policy["Action"].as_str().unwrap()));
    assert_eq!(function, needed(&FUNCTION_PERMISSIONS));
    assert_eq!(actions("BackfillRole"), needed(&BACKFILL_PERMISSIONS));
    assert_eq!(actions("DeploymentRole"), needed(&DEPLOYMENT_PERMISSIONS));
}

#[test]
fn of_the_registry_the_function_may_write_to_trials_alone() {
    let documents = resource("FunctionRole")["Policies"].as_array().unwrap().iter();
    let statements = documents.flat_map(|policy| many(&policy["PolicyDocument"]["Statement"]));
    let of_the_registry = statements.filter(|statement| statement["Resource"].to_string().contains("ConverterBucket"));
    let mut allowed: Vec<(String, String)> = of_the_registry
        .flat_map(|statement| {
            let actions = many(&statement["Action"]).into_iter();
            actions.map(|action| (action.as_str().unwrap().to_owned(), fill_resource(&statement["Resource"])))
        })
        .collect();
    allowed.sort();
    let expected = [("s3:GetObject", "converters/*"), ("s3:ListBucket", ""), ("s3:PutObject", "converters/trials/*")];
    assert_eq!(allowed, expected.map(|(action, place)| (action.to_owned(), place.to_owned())));
}

/// What an ARN of the registry has after the bucket.
fn fill_resource(resource: &Value) -> String {
    let arn = resource["Fn::Sub"].as_str().unwrap().replace("${ConverterPrefix}", "converters");
    arn.split_once("${ConverterBucket}").unwrap().1.trim_start_matches('/').to_owned()
}

/// A metric as a dashboard or an alarm names it: namespace, name and names of dimensions.
type Named = (String, String, BTreeSet<String>);

/// The names in an expression: `SEARCH('{namespace,dimensions} MetricName="name" Stack="stack"', …)`.
fn named_by_expression(expression: &str) -> Named {
    let (_, rest) = expression.split_once("SEARCH('{").expect(expression);
    let (names, rest) = rest.split_once("} MetricName=\"").expect(expression);
    let (metric, rest) = rest.split_once('"').expect(expression);
    assert!(rest.starts_with(" Stack=\"aws::stackname\"'"), "the metrics of other stacks: {expression}");
    let mut names = names.split(',').map(str::to_owned);
    (names.next().unwrap(), metric.to_owned(), names.collect())
}

/// The metrics of a graph, whose rows abbreviate what stands in the row before: `.` a part, `...` all but the last ones.
fn named_by_graph(rows: &[Value]) -> Vec<Named> {
    let mut named = Vec::new();
    let mut before: Vec<String> = Vec::new();
    for row in rows {
        let row = row.as_array().unwrap();
        if let Some(expression) = row[0].get("expression") {
            named.push(named_by_expression(expression.as_str().unwrap()));
            continue;
        }
        let texts: Vec<&str> = row.iter().filter_map(Value::as_str).collect();
        let full: Vec<String> = match texts[..] {
            ["...", ref last @ ..] => {
                let kept = before[..before.len() - last.len()].iter().cloned();
                kept.chain(last.iter().map(|&text| text.to_owned())).collect()
            }
            ref texts => {
                let part = |(place, text): (usize, &&str)| {
                    if *text == "." { before[place].clone() } else { (*text).to_owned() }
                };
                texts.iter().enumerate().map(part).collect()
            }
        };
        named.push((full[0].clone(), full[1].clone(), full[2..].iter().step_by(2).cloned().collect()));
        before = full;
    }
    named
}

/// Holds a metric against those of the code, and against those of AWS that the template may use.
#[track_caller]
fn assert_emitted(place: &str, (namespace, name, dimensions): &Named) {
    let dimensions: Vec<&str> = dimensions.iter().map(String::as_str).collect();
    if namespace == NAMESPACE {
        let metric = Metric::ALL.into_iter().find(|metric| metric.name() == name);
        let metric = metric.unwrap_or_else(|| panic!("{place}: the loader has no metric `{name}`"));
        let mut expected = [metric.dimensions(), &[STACK]].concat();
        expected.sort_unstable();
        assert_eq!(dimensions, expected, "{place}: the dimensions of `{name}`");
        return;
    }
    let known: &[&[&str]] = match (namespace.as_str(), name.as_str()) {
        ("AWS/Lambda", "Errors") => &[&["FunctionName"], &["FunctionName", "Resource"]],
        ("AWS/Lambda", "Duration" | "Throttles" | "Invocations" | "ConcurrentExecutions") => &[&["FunctionName"]],
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible" | "ApproximateAgeOfOldestMessage") => &[&["QueueName"]],
        ("AWS/States", "ExecutionsFailed") => &[&["StateMachineArn"]],
        _ => panic!("{place}: {namespace} {name} is not known"),
    };
    assert!(known.contains(&&dimensions[..]), "{place}: {namespace} {name} has no dimensions {dimensions:?}");
}

/// What the alarms are on, and when they fire, is held against a run by `tests/dashboard.rs`.
#[test]
fn every_alarm_says_what_to_do() {
    let operating = fs::read_to_string(root().join("docs/operating.md")).unwrap();
    let headings = operating.lines().filter(|line| line.starts_with('#'));
    let anchors: BTreeSet<String> =
        headings.map(|heading| heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-")).collect();
    for (name, alarm) in resources("AWS::CloudWatch::Alarm") {
        let text = alarm["AlarmDescription"].as_str().unwrap();
        let (_, anchor) = text.split_once("docs/operating.md#").unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(anchors.contains(anchor.trim_end_matches('.')), "{name}: docs/operating.md has no `{anchor}`");
        assert!(operating.contains(&format!("*{name}")), "{name} is not in docs/operating.md");
    }
}

#[test]
fn every_metric_on_the_dashboard_is_emitted() {
    let body: Value = serde_json::from_str(&resolve(&resource("Dashboard")["DashboardBody"])).unwrap();
    let mut shown = BTreeSet::new();
    for widget in body["widgets"].as_array().unwrap().iter().filter(|widget| widget["type"] == "metric") {
        let title = widget["properties"]["title"].as_str().unwrap();
        for metric in named_by_graph(widget["properties"]["metrics"].as_array().unwrap()) {
            assert_emitted(title, &metric);
            shown.insert(metric.1);
        }
    }
    let hidden: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).filter(|it| !shown.contains(*it)).collect();
    // The rates follow from what is shown; rows that supersede others are logged, and nobody need act on them; what shadows find
    // exists only while something is tried, and is shown by `converter trial`.
    assert_eq!(hidden, ["ConversionRate", "BatchSuccessRate", "RowsWritten", "RowsSuperseded", "ShadowDifferences"]);
}

#[test]
fn the_widgets_of_the_dashboard_do_not_overlap() {
    let body: Value = serde_json::from_str(&resolve(&resource("Dashboard")["DashboardBody"])).unwrap();
    let mut taken: BTreeMap<(u64, u64), &Value> = BTreeMap::new();
    for widget in body["widgets"].as_array().unwrap() {
        let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| widget[name].as_u64().unwrap());
        assert!(x + width <= 24, "{widget}");
        for place in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(taken.insert(place, widget).is_none(), "{widget}");
        }
    }
}

#[test]
fn stacks_are_created_with_every_pair_of_parameters() {
    let settings = Settings::from(
        [("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "any")]
            .map(|(name, value)| (name, value.to_owned())),
    );
    let created = python(["tests/stacks.py"], &settings).succeeded().json();
    assert!(created["stacks"].as_u64() > Some(20), "{created}");
    // What is tuned is the function's to improve, unless somebody sets it.
    let tuned = [
        "MAX_BATCH_SIZE",
        "MAX_RETRIES",
        "WRITE_CONCURRENCY",
        "LOAD_ORDER",
        "WRITE_RATE_POINTS",
        "WRITE_NO_SYNC",
        "COMPRESSION",
        "ROWS_PER_BATCH",
    ];
    let passed: Vec<&str> = created["variables"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert!(passed.contains(&"INFLUXDB_URL"), "{created}");
    assert!(tuned.iter().all(|name| !passed.contains(name)), "{created}");
}
