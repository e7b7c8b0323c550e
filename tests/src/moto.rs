//! moto, which stands in for Secrets Manager, CloudWatch and Step Functions, and for S3 where neither its conditions nor its
//! versions matter.

use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::loader::Settings;
use crate::process::{Process, free_port};
use crate::programs::{Program, program};
use crate::s3::{ACCESS_KEY, REGION, S3, SECRET_KEY, registry_settings, settings_of};
use crate::{Request, Response, request};

/// A running moto server. Its state is empty at first and gone with it.
#[derive(Debug)]
pub struct Moto {
    _process: Process,
    port: u16,
    s3: S3,
}

impl Moto {
    /// Starts a server. Until [`Moto::settings_without_permissions`] is called, everyone may do everything.
    pub fn start() -> Self {
        Self::start_with_pages_of(1000)
    }

    /// As [`Self::start`], with so many keys in each page of a listing, so that few objects make several pages.
    pub fn start_with_pages_of(keys: usize) -> Self {
        Self::start_as(keys, None)
    }

    /// As [`Self::start`], for a [`crate::Stack`].
    pub fn start_for_stacks() -> Self {
        Self::start_as(1000, Some("stacks"))
    }

    fn start_as(keys: usize, mode: Option<&str>) -> Self {
        let port = free_port();
        let process = Process::start("moto", |_| {
            let mut command = Command::new(program(Program::Python));
            command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("moto_server.py")).arg(port.to_string()).args(mode);
            command.env("MOTO_S3_DEFAULT_MAX_KEYS", keys.to_string());
            command
        })
        .wait_until(|| request(port, &Request::new("GET", "/moto-api/")).is_ok_and(|response| response.status == 200));
        Self { _process: process, port, s3: S3::at(port) }
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The settings with which the AWS clients reach it.
    pub fn settings(&self) -> Settings {
        settings_of("AWS_ENDPOINT_URL", &self.url(), ACCESS_KEY, SECRET_KEY)
    }

    /// As [`Self::settings`], with a registry of converters in a bucket that is asked for every object.
    pub fn registry_settings(&self, bucket: &str, cache: &Path) -> Settings {
        self.settings().and(registry_settings(bucket, cache))
    }

    /// The settings of a user who may do nothing. From now on, nobody else may do anything either.
    pub fn settings_without_permissions(&self) -> Settings {
        let user = Request::new("POST", "/").body("Action=CreateUser&UserName=nobody&Version=2010-05-08");
        self.send_to("iam", user.header("content-type", "application/x-www-form-urlencoded")).succeeded();
        let key = Request::new("POST", "/").body("Action=CreateAccessKey&UserName=nobody&Version=2010-05-08");
        let answer =
            self.send_to("iam", key.header("content-type", "application/x-www-form-urlencoded")).succeeded().text();
        let element = |name: &str| {
            let (_, rest) = answer.split_once(&format!("<{name}>")).expect(name);
            rest.split_once('<').expect(name).0.to_owned()
        };
        request(self.port, &Request::new("POST", "/moto-api/reset-auth").body("0")).unwrap().succeeded();
        settings_of("AWS_ENDPOINT_URL", &self.url(), &element("AccessKeyId"), &element("SecretAccessKey"))
    }

    /// Has invocations of a function go to where it runs.
    pub fn run_function(&self, name: &str, url: &str) {
        request(self.port, &Request::new("PUT", &format!("/tests/functions/{name}")).body(url)).unwrap().succeeded();
    }

    /// Stores a secret as text.
    pub fn create_secret(&self, name: &str, secret: &str) {
        self.call("secretsmanager", "secretsmanager.CreateSecret", &json!({ "Name": name, "SecretString": secret }));
    }

    /// Replaces a secret's text.
    pub fn put_secret(&self, name: &str, secret: &str) {
        self.call(
            "secretsmanager",
            "secretsmanager.PutSecretValue",
            &json!({ "SecretId": name, "SecretString": secret }),
        );
    }

    /// Every metric of a namespace that CloudWatch has been given: namespace, name and dimensions.
    pub fn metrics(&self, namespace: &str) -> Vec<Value> {
        let parameters = json!({ "Namespace": namespace });
        let answer = self.call("monitoring", "GraniteServiceVersion20100801.ListMetrics", &parameters);
        answer["Metrics"].as_array().unwrap().clone()
    }

    /// The sum over all that has been put into one metric, given as [`Moto::metrics`] returns it; none where there is
    /// nothing.
    pub fn metric_sum(&self, metric: &Value) -> Option<f64> {
        // From 2000 to 2100 in one period.
        let parameters = json!({
            "Namespace": metric["Namespace"], "MetricName": metric["MetricName"], "Dimensions": metric["Dimensions"],
            "StartTime": 946_684_800, "EndTime": 4_102_444_800_u64, "Period": 3_155_760_000_u64, "Statistics": ["Sum"],
        });
        let answer = self.call("monitoring", "GraniteServiceVersion20100801.GetMetricStatistics", &parameters);
        let sums: Vec<f64> =
            answer["Datapoints"].as_array().unwrap().iter().map(|point| point["Sum"].as_f64().unwrap()).collect();
        (!sums.is_empty()).then(|| sums.iter().sum())
    }

    fn call(&self, service: &str, target: &str, parameters: &Value) -> Value {
        let call = Request::new("POST", "/")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target)
            .body(parameters.to_string());
        self.send_to(service, call).succeeded().json()
    }

    /// Sends a request in the name of a service: moto looks at the scope of the signature, and not at the signature.
    fn send_to(&self, service: &str, unsigned: Request) -> Response {
        let scope = format!("{ACCESS_KEY}/20000101/{REGION}/{service}/aws4_request");
        let signature = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none");
        request(self.port, &unsigned.header("authorization", &signature)).unwrap()
    }
}

impl Deref for Moto {
    type Target = S3;

    fn deref(&self) -> &S3 {
        &self.s3
    }
}
