#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test must panic")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::{Api, Config, ConfigError, Kind, LogFormat, Login, MetricsBackend, SETTINGS, Secret, Token, unknown};

/// Reads these settings and no others.
fn read(settings: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::read(|name| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
}

/// The message of the error that these settings give.
fn refusal(settings: &[(&str, &str)]) -> String {
    read(settings).expect_err("bad settings are refused").to_string()
}

const URL: (&str, &str) = ("INFLUXDB_URL", "https://influx.example.com:8086");

#[test]
fn without_settings_the_defaults_of_the_documentation_hold() {
    insta::assert_debug_snapshot!(read(&[]).unwrap(), @r#"
    Config {
        influxdb: InfluxDb {
            url: None,
            api: Auto,
            organization: "ons-energy",
            bucket: "energy_data",
            token: None,
            read_token: None,
            login: None,
            ca_file: None,
        },
        write: WriteSettings {
            batch_points: None,
            batch_bytes: None,
            order: Server,
            compression: Auto,
            concurrency: None,
            rate: None,
            no_sync: false,
            retries: None,
            patience: 300s,
            request_timeout: 30s,
            connect_timeout: 5s,
        },
        converter: ConverterSettings {
            time: 10s,
            result_bytes: 67108864,
            log_bytes: 65536,
            shadow_percent: 25,
            cache_directory: "/tmp/influxdb-loader",
        },
        registry: None,
        rows_per_batch: 8192,
        threads: None,
        memory: MemorySettings {
            object_mib: 128,
            objects: 8,
            instance_bytes: 268435456,
            instances_bytes: 822083584,
            compile_bytes: 3187671040,
            code_bytes: 411041792,
        },
        validate_schema: true,
        strict_guess: false,
        drop_invalid_records: true,
        source_buckets: None,
        rejects: None,
        ledger: None,
        metrics: CloudWatch,
        metrics_stack: None,
        deadline_margin: 10s,
        log_level: LevelFilter::INFO,
        log_format: Json,
    }
    "#);
}

#[test]
fn every_setting_of_the_table_is_read_and_no_other() {
    let asked = RefCell::new(BTreeSet::new());
    Config::read(|name| {
        asked.borrow_mut().insert(name.to_owned());
        None
    })
    .unwrap();
    let table: BTreeSet<String> = SETTINGS.iter().map(|setting| setting.name.to_owned()).collect();
    assert_eq!(asked.into_inner(), table);
    assert_eq!(table.len(), SETTINGS.len(), "a name stands in the table twice");
}

#[test]
fn every_word_that_a_setting_allows_is_taken() {
    for setting in SETTINGS {
        let Kind::Choice(words) = setting.kind else { continue };
        for word in words {
            read(&[(setting.name, word)]).unwrap();
            read(&[(setting.name, &word.to_uppercase())]).unwrap();
        }
    }
}

#[test]
fn the_bounds_of_every_number_are_taken_and_what_lies_beyond_is_not() {
    for setting in SETTINGS {
        let Kind::Integer { minimum, maximum } = setting.kind else { continue };
        read(&[(setting.name, &minimum.to_string())]).unwrap();
        read(&[(setting.name, &maximum.to_string())]).unwrap();
        let beyond = [(i128::from(minimum) - 1).to_string(), (maximum + 1).to_string()];
        for value in beyond.iter().map(String::as_str).chain(["1.5", "1e3", "1_000", "x", "99999999999999999999999"]) {
            assert!(read(&[(setting.name, value)]).is_err(), "`{}` takes {value}", setting.name);
        }
    }
}

#[test]
fn settings_become_types() {
    let config = read(&[
        ("MAX_BATCH_SIZE", "5000"),
        ("MAX_BATCH_BYTES", "1048576"),
        ("COMPRESSION", "none"),
        ("MAX_RETRIES", "0"),
        ("REQUEST_TIMEOUT_SECONDS", "60"),
        ("DROP_INVALID_RECORDS", "No"),
        ("CONVERTER_MEMORY_MIB", "64"),
        ("LOG_FORMAT", "TEXT"),
        ("LOG_LEVEL", "Debug"),
    ])
    .unwrap();
    assert_eq!(
        (config.write.batch_points, config.write.batch_bytes, config.write.retries),
        (Some(5000), Some(1_048_576), Some(0))
    );
    assert_eq!(config.write.request_timeout, Duration::from_secs(60));
    assert!(!config.drop_invalid_records);
    assert_eq!(config.memory.instance_bytes, 64 * 1024 * 1024);
    assert_eq!((config.log_format, config.log_level), (LogFormat::Text, tracing::level_filters::LevelFilter::DEBUG));
}

#[test]
fn booleans_have_their_usual_names_in_any_case() {
    for (value, expected) in [
        ("true", true),
        ("1", true),
        ("YES", true),
        ("On", true),
        ("False", false),
        ("0", false),
        ("no", false),
        ("OFF", false),
    ] {
        assert_eq!(read(&[("VALIDATE_SCHEMA", value)]).unwrap().validate_schema, expected, "{value}");
    }
}

#[test]
fn metrics_are_turned_off_by_either_of_their_settings() {
    let metrics = |settings: &[(&str, &str)]| read(settings).unwrap().metrics;
    assert_eq!(metrics(&[("METRICS_BACKEND", "EMF")]), MetricsBackend::Emf);
    assert_eq!(metrics(&[("METRICS_BACKEND", "none")]), MetricsBackend::None);
    assert_eq!(metrics(&[("METRICS_BACKEND", "emf"), ("ENABLE_METRICS", "false")]), MetricsBackend::None);
}

#[test]
fn an_empty_value_is_as_good_as_none() {
    let config = read(&[("MAX_BATCH_SIZE", ""), ("VALIDATE_SCHEMA", " \t"), ("INFLUXDB_TOKEN", ""), URL]).unwrap();
    assert_eq!(config.write.batch_points, None);
    assert!(config.validate_schema);
    assert!(config.influxdb().is_err());
}

#[test]
fn white_space_around_a_value_is_no_part_of_it() {
    let config = read(&[("INFLUXDB_TOKEN", " t0ken\n"), URL]).unwrap();
    assert_eq!(config.influxdb().unwrap().token, Some(Token::Value(Secret::new("t0ken"))));
}

#[test]
fn one_message_names_every_bad_setting() {
    let message = refusal(&[
        ("INFLUXDB_URL", "influx.example.com:8086"),
        ("INFLUXDB_API", "v4"),
        ("INFLUXDB_BUCKET", "energy\u{7}data"),
        ("INFLUXDB_TOKEN", "two words"),
        ("INFLUXDB_USERNAME", "loader"),
        ("MAX_BATCH_SIZE", "0"),
        ("MAX_RETRIES", "many"),
        ("VALIDATE_SCHEMA", "maybe"),
        ("LOG_LEVEL", "loud"),
    ]);
    insta::assert_snapshot!(message, @r"
    9 bad settings:
      `INFLUXDB_URL` is `influx.example.com:8086`; allowed: a URL that starts with `http://` or `https://`, without user name, password, query and fragment
      `INFLUXDB_API` is `v4`; allowed: `auto`, `v1`, `v2` or `v3`
      `INFLUXDB_BUCKET` is `energy\u{7}data`; allowed: text without control characters
      `INFLUXDB_TOKEN` is [redacted]; allowed: visible ASCII characters without spaces
      `INFLUXDB_PASSWORD` is unset; `INFLUXDB_USERNAME` needs it
      `MAX_BATCH_SIZE` is `0`; allowed: a whole number from 1 to 100000
      `MAX_RETRIES` is `many`; allowed: a whole number from 0 to 20
      `VALIDATE_SCHEMA` is `maybe`; allowed: `true` or `false` (also `1`, `0`, `yes`, `no`, `on`, `off`)
      `LOG_LEVEL` is `loud`; allowed: `off`, `error`, `warn`, `info`, `debug` or `trace`
    ");
}

#[test]
fn one_bad_setting_takes_one_line() {
    insta::assert_snapshot!(refusal(&[("MAX_BATCH_SIZE", "1000 points")]), @"bad setting: `MAX_BATCH_SIZE` is `1000 points`; allowed: a whole number from 1 to 100000");
}

#[test]
fn a_value_without_end_is_shortened_in_the_message() {
    insta::assert_snapshot!(refusal(&[("MAX_RETRIES", &"9".repeat(100_000))]), @"bad setting: `MAX_RETRIES` is `9999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999…`; allowed: a whole number from 0 to 20");
}

#[test]
fn a_bad_secret_is_not_shown() {
    let message = refusal(&[
        ("INFLUXDB_TOKEN", "hunter2 \u{e9}"),
        ("INFLUXDB_USERNAME", "me"),
        ("INFLUXDB_PASSWORD", "hun\u{0}ter2"),
    ]);
    assert!(!message.contains("hun"), "{message}");
}

#[test]
fn credentials_in_a_url_are_refused_and_not_shown() {
    insta::assert_snapshot!(refusal(&[("INFLUXDB_URL", "https://admin:hunter2@influx.example.com")]), @"bad setting: `INFLUXDB_URL` is `[redacted]@influx.example.com`; allowed: a URL that starts with `http://` or `https://`, without user name, password, query and fragment");
    insta::assert_snapshot!(refusal(&[("INFLUXDB_URL", "https://influx.example.com/?token=hunter2")]), @"bad setting: `INFLUXDB_URL` is `https://influx.example.com/?[redacted]`; allowed: a URL that starts with `http://` or `https://`, without user name, password, query and fragment");
    insta::assert_snapshot!(refusal(&[("INFLUXDB_URL", "admin:hunter2@influx.example.com:8086?x#y@z")]), @"bad setting: `INFLUXDB_URL` is `[redacted]@influx.example.com:8086?[redacted]`; allowed: a URL that starts with `http://` or `https://`, without user name, password, query and fragment");
}

#[test]
fn a_url_loses_its_trailing_slashes_and_keeps_its_path() {
    for (url, expected) in [
        ("http://localhost:8086/", "http://localhost:8086"),
        ("HTTPS://Influx.Example.Com", "https://influx.example.com"),
        ("https://proxy.example.com/influx//", "https://proxy.example.com/influx"),
        ("http://[::1]:8086", "http://[::1]:8086"),
    ] {
        let config = read(&[("INFLUXDB_URL", url), ("INFLUXDB_TOKEN", "t")]).unwrap();
        assert_eq!(config.influxdb().unwrap().url, expected);
    }
}

#[test]
fn a_url_of_another_scheme_or_without_a_host_is_refused() {
    for url in ["ftp://influx.example.com", "https://", "localhost", "file:///etc/passwd", "https://x/#a"] {
        assert!(read(&[("INFLUXDB_URL", url)]).is_err(), "{url}");
    }
}

#[test]
fn writing_to_influxdb_needs_a_url_and_a_token() {
    insta::assert_snapshot!(read(&[]).unwrap().influxdb().unwrap_err(), @"
    InfluxDB cannot be written to without `INFLUXDB_URL`, and without `INFLUXDB_TOKEN` or `INFLUXDB_TOKEN_SECRET_NAME`
    hint: for a 1.x server without authentication, set `INFLUXDB_API=v1`
    ");
    insta::assert_snapshot!(read(&[("INFLUXDB_TOKEN", "t")]).unwrap().influxdb().unwrap_err(), @"InfluxDB cannot be written to without `INFLUXDB_URL`");
    insta::assert_snapshot!(read(&[URL]).unwrap().influxdb().unwrap_err(), @"
    InfluxDB cannot be written to without `INFLUXDB_TOKEN` or `INFLUXDB_TOKEN_SECRET_NAME`
    hint: for a 1.x server without authentication, set `INFLUXDB_API=v1`
    ");
}

#[test]
fn a_login_serves_1_x_alone() {
    let login = [("INFLUXDB_USERNAME", "loader"), ("INFLUXDB_PASSWORD", "hunter 2"), URL];
    let settings = |api| read(&[login[0], login[1], login[2], ("INFLUXDB_API", api)]).unwrap().influxdb();
    let expected = Login { username: "loader".to_owned(), password: Secret::new("hunter 2") };
    assert_eq!(settings("v1").unwrap().login, Some(expected.clone()));
    assert_eq!(settings("auto").unwrap().login, Some(expected));
    assert!(settings("v2").is_err());
    assert!(settings("v3").is_err());
}

#[test]
fn a_server_of_1_x_may_do_without_authentication() {
    let settings = read(&[URL, ("INFLUXDB_API", "v1")]).unwrap().influxdb().unwrap();
    assert_eq!((settings.api, settings.token, settings.login), (Api::V1, None, None));
}

#[test]
fn half_a_login_is_a_bad_setting() {
    insta::assert_snapshot!(refusal(&[("INFLUXDB_USERNAME", "loader")]), @"bad setting: `INFLUXDB_PASSWORD` is unset; `INFLUXDB_USERNAME` needs it");
    insta::assert_snapshot!(refusal(&[("INFLUXDB_PASSWORD", "hunter2")]), @"bad setting: `INFLUXDB_USERNAME` is unset; `INFLUXDB_PASSWORD` needs it");
}

#[test]
fn a_token_wins_over_the_name_of_its_secret() {
    let name = ("INFLUXDB_TOKEN_SECRET_NAME", "influxdb/token");
    let token = |settings: &[(&str, &str)]| read(settings).unwrap().influxdb().unwrap().token.unwrap();
    assert_eq!(token(&[URL, name]), Token::SecretName("influxdb/token".to_owned()));
    assert_eq!(token(&[URL, name, ("INFLUXDB_TOKEN", "t")]), Token::Value(Secret::new("t")));
}

#[test]
fn what_is_read_can_be_logged_without_its_secrets() {
    let config =
        read(&[URL, ("INFLUXDB_TOKEN", "hunter2"), ("INFLUXDB_USERNAME", "me"), ("INFLUXDB_PASSWORD", "hunter3")]);
    let debug = format!("{config:?} {:?}", config.as_ref().unwrap().influxdb());
    assert!(debug.contains("[redacted]") && !debug.contains("hunter"), "{debug}");
}

#[test]
fn variables_that_look_like_settings_are_found_out() {
    let environment = [
        "MAX_RETRY",
        "DROP_INVALID_RECORD",
        "max_retries",
        "INFLUXDB_DATABASE",
        "CONVERTER_TIME_SECOND",
        "MAX_RETRIES",
        "INFLUXDB_URL",
        "PATH",
        "LANG",
        "AWS_REGION",
        "AWS_LAMBDA_LOG_LEVEL",
        "MAX_MEMORY",
    ];
    let found: Vec<String> = unknown(environment.map(str::to_owned)).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(found.join("\n"), @"
    `CONVERTER_TIME_SECOND` is no setting; `CONVERTER_TIME_SECONDS` may be meant
    `DROP_INVALID_RECORD` is no setting; `DROP_INVALID_RECORDS` may be meant
    `INFLUXDB_DATABASE` is no setting
    `MAX_RETRY` is no setting; `MAX_RETRIES` may be meant
    `max_retries` is no setting; `MAX_RETRIES` may be meant
    ");
}

proptest! {
    #[test]
    fn any_value_of_any_setting_is_read_or_refused_by_name(index in 0..SETTINGS.len(), value in "\\PC*") {
        let name = SETTINGS[index].name;
        if let Err(error) = read(&[(name, &value)]) {
            prop_assert!(error.to_string().contains(name));
        }
    }

    #[test]
    fn a_slip_of_one_letter_is_found_out(index in 0..SETTINGS.len(), place in any::<prop::sample::Index>(), letter in "[A-Z_]") {
        let mut name = SETTINGS[index].name.to_owned();
        let place = place.index(name.len());
        name.replace_range(place..=place, &letter);
        prop_assume!(SETTINGS.iter().all(|setting| setting.name != name));
        let found = unknown([name]);
        prop_assert!(found[0].meant.is_some());
    }
}

#[test]
fn a_proxy_that_http_clients_would_ignore_is_refused_and_its_password_is_not_shown() {
    for proxy in ["http://proxy:3128", "https://user:secret@proxy", "proxy:3128", "10.0.0.1:3128"] {
        read(&[("HTTPS_PROXY", proxy), ("HTTP_PROXY", proxy), ("NO_PROXY", "10.0.0.0/8,.internal")]).unwrap();
    }
    for proxy in ["socks5://proxy:1080", "http://", "user:secret@"] {
        assert!(refusal(&[("HTTPS_PROXY", proxy)]).contains("HTTPS_PROXY"), "{proxy}");
    }
    assert!(!refusal(&[("HTTP_PROXY", "ftp://user:secret@proxy")]).contains("secret"));
    let known = ["https_proxy", "no_proxy", "ALL_PROXY"].map(str::to_owned);
    assert!(unknown(known).is_empty());
}

#[test]
fn a_bucket_turns_the_registry_on() {
    assert_eq!(read(&[("CONVERTER_CHANNEL", "canary")]).unwrap().registry, None);
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let config = read(&[
        ("CONVERTER_BUCKET", "energy-converters"),
        ("CONVERTER_PREFIX", "/team/converters/"),
        ("CONVERTER_REFRESH_SECONDS", "0"),
        ("CONVERTER_PUBLIC_KEYS", &format!("{key}, {key}")),
    ]);
    insta::assert_debug_snapshot!(config.unwrap().registry.map(|registry| (registry.prefix, registry.channel, registry.refresh, registry.public_keys.len())), @r#"
    Some(
        (
            "team/converters",
            "stable",
            0ns,
            2,
        ),
    )
    "#);
}

#[test]
fn places_in_the_registry_are_no_paths_and_keys_have_32_bytes() {
    for (name, value) in [
        ("CONVERTER_PREFIX", "a/../b"),
        ("CONVERTER_PREFIX", "a//b"),
        ("CONVERTER_PREFIX", "/"),
        ("CONVERTER_CHANNEL", "../stable"),
        ("CONVERTER_CHANNEL", "Stable"),
        ("CONVERTER_PUBLIC_KEYS", "AAAA"),
        ("CONVERTER_PUBLIC_KEYS", "not base64"),
        ("CONVERTER_PUBLIC_KEYS", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=@"),
        ("CONVERTER_PUBLIC_KEYS", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=@load+/stable"),
        ("CONVERTER_PUBLIC_KEYS", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=@load/a/b"),
        ("CONVERTER_PUBLIC_KEYS", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=@*load"),
        ("CONVERTER_PUBLIC_KEYS", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=@load+**"),
        ("DATASET_GUESS", "first"),
    ] {
        assert!(refusal(&[(name, value)]).contains(name), "`{name}` takes {value}");
    }
}

#[test]
fn a_key_signs_for_what_it_is_limited_to() {
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let covers = |limits: &str, dataset: &str, channel: Option<&str>| {
        let keys = format!("{key}{limits}");
        let config = read(&[("CONVERTER_BUCKET", "b"), ("CONVERTER_PUBLIC_KEYS", &keys)]).unwrap();
        config.registry.unwrap().public_keys[0].covers(dataset, channel)
    };
    assert!(covers("", "load", Some("stable")) && covers("@*", "load", Some("stable")));
    assert!(covers("@load+weather", "weather", Some("canary")) && !covers("@load+weather", "wind", None));
    assert!(covers("@load/canary", "load", Some("canary")) && !covers("@load/canary", "load", Some("stable")));
    // A version has no channel.
    assert!(covers("@load/canary", "load", None));
    assert!(covers("@*/canary", "wind", Some("canary")) && !covers("@*/canary", "wind", Some("stable")));
    // Patterns, of which it covers those that match nothing more.
    assert!(covers("@a-*", "a-b", None) && covers("@a-*", "a-*", None) && covers("@a-*", "a-b*", None));
    assert!(!covers("@a-*", "a", None) && !covers("@a-*", "a*", None) && !covers("@a-*", "b*", None));
    assert!(!covers("@a-b", "a-b*", None) && !covers("@a-b", "a-*", None) && covers("@*", "a-*", None));
}

#[test]
fn pointers_that_must_be_signed_need_a_key() {
    assert!(refusal(&[("CONVERTER_REQUIRE_SIGNED_POINTERS", "true")]).contains("CONVERTER_PUBLIC_KEYS"));
}
