//! Whom the loader trusts, and how it gets through proxies: servers behind real TLS, and a real proxy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::time::{Duration, Instant};

use influxdb_loader_tests::{
    Certificates, InfluxDb2, Loader, Moto, Outcome, Proxy, Settings, Tls, parquet, small_consumption,
};

const DATABASE: &str = "energy_data";
const BUCKET: &str = "energy";
const KEY: &str = "dataset=consumption/a.parquet";

/// InfluxDB, behind TLS with one of the certificates.
struct Site {
    influxdb: InfluxDb2,
    certificates: Certificates,
    tls: Tls,
}

impl Site {
    fn with(certificate: &str) -> Self {
        let (influxdb, certificates) = (InfluxDb2::start(DATABASE), Certificates::new());
        let tls = Tls::in_front_of(influxdb.port(), &certificates, certificate);
        Self { influxdb, certificates, tls }
    }

    fn settings(&self) -> Settings {
        self.influxdb.settings(DATABASE).with("INFLUXDB_URL", self.tls.url())
    }

    fn trusting(&self, file: String) -> Settings {
        self.settings().with("INFLUXDB_CA_FILE", file)
    }

    fn points(&self) -> f64 {
        self.influxdb.number(DATABASE, "count(power_mw)", "consumption_data")
    }
}

fn load(settings: Settings) -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dataset=consumption.parquet");
    fs::write(&file, parquet(&small_consumption())).unwrap();
    Loader::new(["load", "--dataset", "consumption"]).argument(&file).settings(settings).run()
}

/// The error is reported at once, with a hint on what to do.
fn assert_untrusted(settings: Settings) {
    let started = Instant::now();
    let run = load(settings);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("is not trusted"), "{run}");
    assert!(run.stderr.contains("hint: set `INFLUXDB_CA_FILE`"), "{run}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}\n{run}", started.elapsed());
}

#[test]
fn a_server_is_trusted_whose_authority_is_in_the_file_and_no_other() {
    let site = Site::with("signed");
    assert_untrusted(site.settings());
    assert_untrusted(site.trusting(site.certificates.file("stranger")));
    load(site.trusting(site.certificates.bundle(&["stranger", "ca"]))).succeeded();
    assert_eq!(site.points(), 1.0);
}

#[test]
fn a_self_signed_certificate_is_a_configuration_error_until_it_is_in_the_file() {
    let site = Site::with("self-signed");
    assert_untrusted(site.settings());
    assert_untrusted(site.trusting(site.certificates.file("ca")));
    load(site.trusting(site.certificates.file("self-signed"))).succeeded();
    assert_eq!(site.points(), 1.0);
}

#[test]
fn a_file_that_holds_no_certificate_is_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem");
    fs::write(&empty, "no certificate\n").unwrap();
    let settings = Settings::default().with("INFLUXDB_URL", "https://127.0.0.1:1").with("INFLUXDB_TOKEN", "token");
    for (file, told) in [("/nowhere/ca.pem", "no readable file"), (empty.to_str().unwrap(), "has no certificate")] {
        let run = load(settings.clone().with("INFLUXDB_CA_FILE", file));
        assert_eq!(run.code, Some(1), "{run}");
        assert!(run.stderr.contains("INFLUXDB_CA_FILE") && run.stderr.contains(told), "{run}");
    }
}

#[test]
fn aws_and_influxdb_are_reached_by_the_same_proxy() {
    let (site, moto, proxy) = (Site::with("signed"), Moto::start(), Proxy::start());
    moto.create_bucket(BUCKET);
    moto.put_object(BUCKET, KEY, parquet(&small_consumption()));
    let s3 = Tls::in_front_of(moto.port(), &site.certificates, "signed");
    let ca = site.certificates.file("ca");
    // AWS is trusted by what this machine trusts.
    let settings = moto.settings().with("AWS_ENDPOINT_URL", s3.url()).with("SSL_CERT_FILE", &ca);
    let settings = settings.and(site.trusting(ca)).with("HTTPS_PROXY", proxy.url());
    let load = |settings: &Settings| {
        Loader::new(["load", &format!("s3://{BUCKET}/{KEY}")]).settings(settings.clone()).run().succeeded();
    };
    load(&settings);
    let by_proxy = [format!("CONNECT {}", s3.address()), format!("CONNECT {}", site.tls.address())];
    let asked = proxy.asked();
    assert!(by_proxy.iter().all(|one| asked.contains(one)), "{asked:?}");
    // Both leave it out, or neither.
    load(&settings.with("NO_PROXY", "127.0.0.0/8"));
    assert_eq!(proxy.asked().len(), asked.len(), "{:?}", proxy.asked());
    assert_eq!(site.points(), 1.0);
}

#[test]
fn without_tls_both_are_reached_by_the_proxy_of_such_urls() {
    let (influxdb, moto, proxy) = (InfluxDb2::start(DATABASE), Moto::start(), Proxy::start());
    moto.create_bucket(BUCKET);
    moto.put_object(BUCKET, KEY, parquet(&small_consumption()));
    let settings = moto.settings().and(influxdb.settings(DATABASE)).with("HTTP_PROXY", proxy.url());
    Loader::new(["load", &format!("s3://{BUCKET}/{KEY}")]).settings(settings).run().succeeded();
    let asked = proxy.asked();
    // Connections are kept: their first requests read.
    for port in [moto.port(), influxdb.port()] {
        assert!(asked.contains(&format!("GET 127.0.0.1:{port}")), "{asked:?}");
    }
}
