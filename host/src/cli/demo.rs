//! `demo`: four years of real data that the program carries, loaded into a file. It needs no server, no settings and no network.
//!
//! ```text
//! DIRECTORY/dataset=consumption/sao-paulo.parquet   the sample
//! DIRECTORY/points.lp                               its points
//! DIRECTORY/rejects/                                its rejected rows
//! ```

use std::fs;
use std::path::Path;

use super::output::Output;
use super::progress::Bar;
use super::{CliError, complain, print, summary};
use crate::config::{Compression, Config, RejectsUri};
use crate::pipeline::{LoadRequest, Loader, Location};
use crate::report::Report;

/// Hourly load of São Paulo's distributors, 2018 to 2021, as published by the Brazilian grid operator.
const SAMPLE: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/data/dataset=consumption/sao-paulo-load-2018-2021.parquet"
));

/// Where the sample is stored below the directory: its dataset is in the path.
const KEY: &str = "dataset=consumption/sao-paulo.parquet";

/// The points that are shown.
const SHOWN: usize = 3;

/// Loads the sample into `DIRECTORY/points.lp`, with the built-in converter. Returns whether it was loaded.
pub(super) async fn demo(config: &Config, directory: &Path) -> Result<bool, CliError> {
    let (sample, points, rejects) = (directory.join(KEY), directory.join("points.lp"), directory.join("rejects"));
    let cannot = |path: &Path| {
        let path = path.display().to_string();
        |cause| CliError::Write { path, cause }
    };
    fs::create_dir_all(sample.with_file_name("")).map_err(cannot(directory))?;
    fs::write(&sample, SAMPLE).map_err(cannot(&sample))?;
    // The same result whatever the settings of this machine are for.
    let mut config = config.clone();
    config.registry = None;
    config.write.compression = Compression::None;
    config.rejects = Some(RejectsUri::Directory(rejects.clone()));

    let (loader, location) = (Loader::new(&config)?, Location::File(sample.clone()));
    let output = Output::open(&config, &points.to_string_lossy(), None, false).await?;
    let bar = Bar::new(1);
    let object = loader.load(&LoadRequest::new(&location), &output.sink, None, &bar).await;
    bar.clear();
    if let Some(failure) = &object.failure {
        complain(failure, Some(&object.object));
    }
    let report = Report { objects: vec![object], ..Report::default() };
    let number = summary::grouped(report.totals().points);
    if !output.finish(&report).await? {
        return Ok(false);
    }
    let lines =
        fs::read_to_string(&points).map_err(|cause| CliError::Read { path: points.display().to_string(), cause })?;
    let first: String = lines.lines().take(SHOWN).map(|line| format!("  {line}\n")).collect();
    let (sample, points, rejects) = (sample.display(), points.display(), rejects.display());
    print(&format!(
        "\n{number} points are in {points}; the first are\n{first}\n\
         next:\n  influxdb-loader rejects show {rejects}\n  influxdb-loader converter new my-data --from {sample}\n  \
         INFLUXDB_URL=… INFLUXDB_TOKEN=… influxdb-loader load {sample}\n"
    ))?;
    Ok(true)
}
