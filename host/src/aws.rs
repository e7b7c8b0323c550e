//! The clients of AWS: one configuration for all of them, loaded at first use, once a process.
//!
//! Region, credentials, profile, retries (standard, three attempts) and `AWS_ENDPOINT_URL` come from where every tool of
//! AWS takes them: environment, profile files, and the metadata of the place where the process runs. What is set here is
//! what must not be left to chance: the TLS implementation, proxies (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`), and how long a
//! silent peer is waited for.
//!
//! Within Lambda every request carries the trace of its invocation (`X-Amzn-Trace-Id`), by which AWS also detects functions
//! that set themselves off without end: Lambda's runtime keeps it in `_X_AMZN_TRACE_ID`, where the SDK finds it.

pub(crate) mod body;

use std::sync::{Arc, Once};
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use tokio::sync::OnceCell;

/// The versions of the SDK's defaults that this program was tested with.
const BEHAVIOR: fn() -> BehaviorVersion = BehaviorVersion::v2026_01_12;

/// Within a region a connection takes milliseconds: after three seconds there is no way to the endpoint (a Lambda function
/// in a VPC without an endpoint or a NAT gateway is the usual cause), and the caller should hear of it soon.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// From the end of a request to the first byte of its answer. S3's first byte takes 0.1 to 0.2 s, seconds under load.
const READ_TIMEOUT: Duration = Duration::from_secs(15);

/// One attempt, until the head of its answer is read; the bodies of S3 objects are guarded by the SDK's protection against
/// stalled streams instead.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes ring the TLS implementation of every client in this process that does not name its own. Further calls do nothing.
pub fn install_tls_provider() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // An error means that the embedding program has already chosen a provider: its choice applies.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}

/// The configuration that all clients share.
pub async fn config() -> &'static SdkConfig {
    static CONFIG: OnceCell<SdkConfig> = OnceCell::const_new();
    CONFIG.get_or_init(load).await
}

async fn load() -> SdkConfig {
    install_tls_provider();
    // Proxies as for InfluxDB: the SDK's own client looks at no environment variable.
    let http = aws_smithy_http_client::Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder();
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.proxy_config(ProxyConfig::from_env()).tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
    });
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    aws_config::defaults(BEHAVIOR()).http_client(http).timeout_config(timeouts).load().await
}

/// A client of S3.
///
/// Where an endpoint is given (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_S3`, a profile), buckets are addressed by path:
/// what answers there is a private server, whose name has no subdomain for each bucket.
pub async fn s3() -> aws_sdk_s3::Client {
    let config = config().await;
    let elsewhere = config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
    aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(elsewhere).build())
}

/// A client of Secrets Manager.
pub async fn secrets_manager() -> aws_sdk_secretsmanager::Client {
    aws_sdk_secretsmanager::Client::new(config().await)
}

/// A client of CloudWatch.
pub async fn cloudwatch() -> aws_sdk_cloudwatch::Client {
    aws_sdk_cloudwatch::Client::new(config().await)
}

/// The HTTP status with which a service answered, if it did.
pub(crate) fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// What AWS answered, or what kept it from answering.
pub(crate) type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// An error as a sentence: the SDK's own `Display` is just `service error`, and its context is for its developers.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` asks for")]
pub(crate) fn words<E>(error: SdkError<E>) -> Cause
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = status(&error).map_or_else(String::new, |status| format!(" (HTTP {status})"));
    let words = match (&error, error.code(), error.message()) {
        (_, Some(code), Some(message)) => format!("{code}: {message}"),
        (_, Some(one), None) | (_, None, Some(one)) => one.to_owned(),
        (SdkError::ConstructionFailure(_), ..) => format!("the request cannot be made: {}", causes(&error)),
        (SdkError::TimeoutError(_), ..) => format!("no answer in time: {}", causes(&error)),
        (SdkError::DispatchFailure(_), ..) => {
            let causes = causes(&error);
            let lacks_credentials = causes.contains("credentials");
            let hint = if lacks_credentials {
                "\nhint: set `AWS_PROFILE`, or `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or log in with `aws sso login`"
            } else {
                ""
            };
            let what = if lacks_credentials { "there are no credentials" } else { "no connection" };
            format!("{what}: {causes}{hint}")
        }
        (SdkError::ResponseError(_), ..) => format!("the answer cannot be understood{status}: {}", causes(&error)),
        // An answer without a body, as those to `HEAD` are.
        _ => format!("the request is refused without a reason{status}"),
    };
    Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(words))
}

/// What an error comes from, each cause once: many contain the one below them.
fn causes(error: &dyn std::error::Error) -> String {
    let mut words = String::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !words.contains(&text) {
            if !words.is_empty() {
                words.push_str(": ");
            }
            words.push_str(&text);
        }
        next = cause.source();
    }
    words
}
