//! The reference of the settings: grouped by task, each with an example and when to change it.
//!
//! [`markdown`] writes `docs/reference/settings.md`; a test holds the file to it, and reads every example.

use std::fmt::Write as _;

#[allow(clippy::wildcard_imports, reason = "every setting is named here")]
use super::settings::*;

/// Settings that one task needs.
struct Group {
    /// The heading.
    task: &'static str,
    /// What the reader should know before choosing one: Markdown, one line.
    introduction: &'static str,
    settings: &'static [Entry],
}

/// A setting, a value of it as lines of an environment, and when to change it.
struct Entry(&'static Setting, &'static str, &'static str);

const GROUPS: &[Group] = &[
    Group {
        task: "Connect to InfluxDB",
        introduction: "A URL, a bucket and a token are enough. `influxdb-loader health --deep` tests them.",
        settings: &[
            Entry(
                &INFLUXDB_URL,
                "INFLUXDB_URL=https://example.timestream-influxdb.us-east-1.on.aws:8086",
                "always, to write to InfluxDB.",
            ),
            Entry(
                &INFLUXDB_API,
                "INFLUXDB_API=v1",
                "the server is 1.x without authentication, or a proxy hides which engine it is. With `load --to FILE`, it names the engine that the file is for.",
            ),
            Entry(
                &INFLUXDB_ORG,
                "INFLUXDB_ORG=my-company",
                "the server is 2.x and your organization has another name.",
            ),
            Entry(
                &INFLUXDB_BUCKET,
                "INFLUXDB_BUCKET=measurements",
                "your data belongs in another bucket. In 1.x, `database/retention-policy` names a retention policy too.",
            ),
            Entry(&INFLUXDB_TOKEN, "INFLUXDB_TOKEN=8sKd0", "you load from a laptop. In Lambda, use a secret."),
            Entry(
                &INFLUXDB_TOKEN_SECRET_NAME,
                "INFLUXDB_TOKEN_SECRET_NAME=energy/influxdb-token",
                "the loader runs in AWS. After a 401 the secret is read again once, so you can rotate the token without a restart.",
            ),
            Entry(
                &INFLUXDB_READ_TOKEN,
                "INFLUXDB_READ_TOKEN=8sKd1",
                "the write token has no read access, and you want `preflight`, deep health and the retention check.",
            ),
            Entry(
                &INFLUXDB_READ_TOKEN_SECRET_NAME,
                "INFLUXDB_READ_TOKEN_SECRET_NAME=energy/influxdb-read-token",
                "the same, in AWS.",
            ),
            Entry(
                &INFLUXDB_USERNAME,
                "INFLUXDB_API=v1\nINFLUXDB_USERNAME=loader\nINFLUXDB_PASSWORD=secret",
                "the server is 1.x with authentication.",
            ),
            Entry(
                &INFLUXDB_PASSWORD,
                "INFLUXDB_API=v1\nINFLUXDB_USERNAME=loader\nINFLUXDB_PASSWORD=secret",
                "you set `INFLUXDB_USERNAME`.",
            ),
        ],
    },
    Group {
        task: "Network and TLS",
        introduction: "The proxy settings also work in lower case. [Connections](../operating.md#connections) explains the messages of a connection that fails.",
        settings: &[
            Entry(
                &INFLUXDB_CA_FILE,
                "INFLUXDB_CA_FILE=/opt/influxdb.pem",
                "InfluxDB's certificate is self-signed, or signed by a private authority.",
            ),
            Entry(&HTTPS_PROXY, "HTTPS_PROXY=http://proxy:3128", "the way out is a proxy."),
            Entry(&HTTP_PROXY, "HTTP_PROXY=http://proxy:3128", "InfluxDB has an `http` URL behind a proxy."),
            Entry(
                &NO_PROXY,
                "NO_PROXY=10.0.0.0/8,169.254.169.254,169.254.170.2",
                "InfluxDB or an AWS endpoint is reachable without the proxy.",
            ),
            Entry(
                &CONNECT_TIMEOUT_SECONDS,
                "CONNECT_TIMEOUT_SECONDS=10",
                "the network is slow. A longer timeout does not help if a security group blocks the connection.",
            ),
            Entry(
                &REQUEST_TIMEOUT_SECONDS,
                "REQUEST_TIMEOUT_SECONDS=60",
                "requests time out on a server that works: a request that the server applies after the timeout may bring back an older value.",
            ),
        ],
    },
    Group {
        task: "Tune writes",
        introduction: "Unset, each engine gets what suits it; the summary of a load shows the values and their origin.",
        settings: &[
            Entry(
                &MAX_BATCH_SIZE,
                "MAX_BATCH_SIZE=10000",
                "the server is busy and its processor is the limit: larger requests cost it less.",
            ),
            Entry(
                &MAX_BATCH_BYTES,
                "MAX_BATCH_BYTES=1048576",
                "a proxy answers 413. The loader halves requests by itself; a lower value saves the attempts.",
            ),
            Entry(
                &LOAD_ORDER,
                "LOAD_ORDER=file",
                "the order of requests must follow the file, as the loader in Python did.",
            ),
            Entry(&COMPRESSION, "COMPRESSION=none", "InfluxDB is so near that bytes cost less than processor time."),
            Entry(
                &WRITE_CONCURRENCY,
                "WRITE_CONCURRENCY=2",
                "queries are slow during a load: lower it. More rarely pays off.",
            ),
            Entry(&WRITE_RATE_POINTS, "WRITE_RATE_POINTS=20000", "loads run beside production and must leave it room."),
            Entry(
                &WRITE_NO_SYNC,
                "WRITE_NO_SYNC=true",
                "you watch a large load into InfluxDB 3, and load the last minutes again if the server fails.",
            ),
        ],
    },
    Group {
        task: "Retries and deadlines",
        introduction: "A retry sends the same bytes, after an exponential backoff with jitter or the server's `Retry-After`. The [circuit breaker](engines.md#retries-and-the-circuit-breaker) has no settings.",
        settings: &[
            Entry(
                &MAX_RETRIES,
                "MAX_RETRIES=3",
                "you would rather fail early than wait for a server that is down, as the loader in Python did.",
            ),
            Entry(
                &RETRY_SECONDS,
                "RETRY_SECONDS=1800",
                "InfluxDB restarts for longer than five minutes during a load from the command line.",
            ),
            Entry(
                &DEADLINE_MARGIN_SECONDS,
                "DEADLINE_MARGIN_SECONDS=20",
                "invocations end with `Task timed out`: requests in flight need longer than 10 s to complete.",
            ),
        ],
    },
    Group {
        task: "Memory and parallelism",
        introduction: "The defaults fit the function's memory. Change the memory of the function first.",
        settings: &[
            Entry(
                &OBJECT_MEMORY_MIB,
                "OBJECT_MEMORY_MIB=512",
                "the message `does not fit in memory` names a page or a value, or requests should touch fewer shards.",
            ),
            Entry(
                &OBJECT_CONCURRENCY,
                "OBJECT_CONCURRENCY=1",
                "one object at a time should load, such as to keep the order of two objects in one event.",
            ),
            Entry(&CONVERTER_THREADS, "CONVERTER_THREADS=1", "another program needs the other processors."),
            Entry(&ROWS_PER_BATCH, "ROWS_PER_BATCH=1024", "a converter needs too much memory for a batch."),
        ],
    },
    Group {
        task: "Choose and check what is loaded",
        introduction: "[Rejected rows](rejects.md) and [datasets](mapping.md) have pages of their own.",
        settings: &[
            Entry(
                &SOURCE_BUCKETS,
                "SOURCE_BUCKETS=energy-data,archive-*/landing/",
                "others can send events to the function: it then loads no other objects, whatever its role grants access to.",
            ),
            Entry(
                &DATASET_GUESS,
                "DATASET_GUESS=strict",
                "keys contain the names of several datasets and a wrong guess would cost more than a failure.",
            ),
            Entry(&VALIDATE_SCHEMA, "VALIDATE_SCHEMA=false", "some files lack columns that their points do not need."),
            Entry(
                &DROP_INVALID_RECORDS,
                "DROP_INVALID_RECORDS=false",
                "one bad row makes the whole object useless to you.",
            ),
            Entry(
                &REJECTS_URI,
                "REJECTS_URI=s3://operations/rejects",
                "you want to see and retry rejected rows. The template sets it.",
            ),
            Entry(
                &LEDGER_URI,
                "LEDGER_URI=s3://operations/ledger",
                "you want to know which objects are loaded, by which converter, and skip them in the next backfill.",
            ),
        ],
    },
    Group {
        task: "Use converters from a registry",
        introduction: "[Writing converters](../writing-converters.md) explains the registry.",
        settings: &[
            Entry(&CONVERTER_BUCKET, "CONVERTER_BUCKET=energy-converters", "you publish converters of your own."),
            Entry(&CONVERTER_PREFIX, "CONVERTER_PREFIX=team-a/converters", "several registries share a bucket."),
            Entry(&CONVERTER_CHANNEL, "CONVERTER_CHANNEL=canary", "one stack should use versions before the others."),
            Entry(
                &CONVERTER_REFRESH_SECONDS,
                "CONVERTER_REFRESH_SECONDS=300",
                "a promotion may take longer to arrive, and you want fewer requests to S3.",
            ),
            Entry(
                &CONVERTER_PUBLIC_KEYS,
                "CONVERTER_PUBLIC_KEYS=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
                "write access to the bucket should not be enough to change what the function runs.",
            ),
            Entry(
                &CONVERTER_REQUIRE_SIGNED_POINTERS,
                "CONVERTER_PUBLIC_KEYS=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\nCONVERTER_REQUIRE_SIGNED_POINTERS=true",
                "every channel is signed, so that an unsigned one is an attack or a mistake.",
            ),
            Entry(
                &CONVERTER_SHADOW_PERCENT,
                "CONVERTER_SHADOW_PERCENT=100",
                "many objects of a shadow are `not compared`, and loads may take longer.",
            ),
            Entry(
                &CONVERTER_CACHE_DIRECTORY,
                "CONVERTER_CACHE_DIRECTORY=/var/cache/influxdb-loader",
                "`/tmp` is cleared often, or shared with users that you do not trust.",
            ),
        ],
    },
    Group {
        task: "Limit what converters use",
        introduction: "A converter that exceeds a limit fails its object with an error that names the limit. The next object loads.",
        settings: &[
            Entry(
                &CONVERTER_MEMORY_MIB,
                "CONVERTER_MEMORY_MIB=512",
                "a converter in Python needs more for its batches.",
            ),
            Entry(&CONVERTER_TIME_SECONDS, "CONVERTER_TIME_SECONDS=30", "a slow converter exceeds its time limit."),
            Entry(
                &CONVERTER_RESULT_MIB,
                "CONVERTER_RESULT_MIB=128",
                "a converter computes many columns of long texts.",
            ),
            Entry(&CONVERTER_LOG_KIB, "CONVERTER_LOG_KIB=1024", "you debug a converter and its log is cut off."),
        ],
    },
    Group {
        task: "Observe",
        introduction: "[Metrics](metrics.md) and [the log](events.md#the-log) have reference pages.",
        settings: &[
            Entry(
                &METRICS_BACKEND,
                "METRICS_BACKEND=emf",
                "the function has no route to CloudWatch, or API calls cost too much.",
            ),
            Entry(
                &METRICS_STACK,
                "METRICS_STACK=energy-loader",
                "several stacks run in one account. The template sets it.",
            ),
            Entry(&ENABLE_METRICS, "ENABLE_METRICS=false", "nobody looks at metrics, such as on a laptop."),
            Entry(
                &LOG_LEVEL,
                "LOG_LEVEL=debug",
                "you look for the cause of a failure. At `debug`, the log may contain row contents.",
            ),
            Entry(&LOG_FORMAT, "LOG_FORMAT=text", "people read the log, not CloudWatch Logs Insights."),
        ],
    },
];

/// Every setting with its default, its allowed values, an example and when to change it, as a document.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Settings\n\nThis page is generated from the code: `UPDATE_DOCUMENTS=1 cargo test --release --workspace --lib \
         the_reference`.\n\nSettings are environment variables, for the Lambda function and the command line alike. \
         The template of the stack\nsets them from its parameters. A bad setting stops the start with one message that \
         names every bad one. AWS credentials,\nregion and endpoint are found as by every AWS tool.\n\n| task | settings |\n|---|---|\n",
    );
    // Writing to a string cannot fail.
    for Group { task, settings, .. } in GROUPS {
        let links: Vec<_> =
            settings.iter().map(|Entry(it, ..)| format!("[`{}`](#{})", it.name, anchor(it.name))).collect();
        let _ = writeln!(text, "| [{task}](#{}) | {} |", anchor(task), links.join(" "));
    }
    for Group { task, introduction, settings } in GROUPS {
        let _ = writeln!(text, "\n## {task}\n\n{introduction}");
        for Entry(Setting { name, default, kind, meaning }, example, when) in *settings {
            let default = default.map_or_else(|| "none".to_owned(), |default| format!("`{default}`"));
            let _ = writeln!(
                text,
                "\n### `{name}`\n\n{meaning}\n\n- Default: {default}. Allowed: {}.\n- Change it when: {when}\n\n      {}",
                kind.allowed(),
                example.replace('\n', "\n      ")
            );
        }
    }
    text
}

/// The anchor of a heading.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

    use super::*;
    use crate::config::Config;

    #[test]
    fn the_reference_of_the_settings_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/settings.md");
        if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap();
        assert!(
            written == markdown(),
            "docs/reference/settings.md differs from the code; UPDATE_DOCUMENTS=1 writes it"
        );
    }

    #[test]
    fn every_setting_is_in_one_group() {
        for setting in SETTINGS {
            let number = GROUPS.iter().flat_map(|group| group.settings).filter(|it| it.0.name == setting.name).count();
            assert_eq!(number, 1, "`{}` belongs in one group of config/reference.rs, with an example", setting.name);
        }
    }

    #[test]
    fn every_example_is_allowed_and_differs_from_the_default() {
        for Entry(setting, example, _) in GROUPS.iter().flat_map(|group| group.settings) {
            let lines: Vec<_> = example.lines().map(|line| line.split_once('=').expect(example)).collect();
            let read =
                Config::read(|name| lines.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned()));
            assert!(read.is_ok(), "{example}: {read:?}");
            let (_, value) = lines.iter().find(|(name, _)| *name == setting.name).expect(example);
            assert!(Some(*value) != setting.default, "{example}");
        }
    }
}
