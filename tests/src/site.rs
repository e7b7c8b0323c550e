//! Where objects are loaded from and to, and where loads keep something beside their points.

use crate::{InfluxDb2, Loader, Outcome, Settings, Versitygw};

/// S3 with a bucket of data and one of what loads keep, and InfluxDB.
pub struct Site {
    /// Where the objects are, and what is kept.
    pub s3: Versitygw,
    /// Where the points go.
    pub influxdb: InfluxDb2,
    kept_in: &'static str,
    settings: Settings,
}

impl Site {
    /// The bucket of the data.
    pub const DATA: &str = "energy";
    /// The bucket of InfluxDB.
    pub const DATABASE: &str = "energy_data";

    /// Loads keep what they keep below `uri`, which `setting` names: `s3://BUCKET/PREFIX`.
    pub fn start(setting: &str, uri: &'static str) -> Self {
        let (s3, influxdb) = (Versitygw::start(), InfluxDb2::start(Self::DATABASE));
        let (kept_in, _) = uri.strip_prefix("s3://").unwrap().split_once('/').unwrap();
        s3.create_bucket(Self::DATA);
        s3.create_bucket(kept_in);
        let settings = s3.settings().and(influxdb.settings(Self::DATABASE));
        let settings = settings.with("ENABLE_METRICS", "false").with(setting, uri);
        Self { s3, influxdb, kept_in, settings }
    }

    /// What a loader of this site is set to.
    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    /// Runs the loader.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        Loader::new(arguments).settings(self.settings()).run()
    }

    /// The keys of all that loads have kept.
    pub fn kept(&self) -> Vec<String> {
        self.s3.keys(self.kept_in, "")
    }

    /// How many points have a field.
    pub fn points(&self, field: &str, measurement: &str) -> f64 {
        self.influxdb.number(Self::DATABASE, &format!("count({field})"), measurement)
    }
}
