//! Rows that give two points: they are accounted for as rows.

use std::fs;
use std::path::Path;

use influxdb_loader_tests::{Dialect, FaultServer, Loader, Rules, parquet, small_consumption};

use super::rows::Rows;
use super::{DIALECTS, Load};

/// Builds a converter that gives each row of the consumption dataset two points. Returns the path of the component.
fn converter(directory: &Path) -> String {
    let (project, sample) = (directory.join("twins"), directory.join("sample.parquet"));
    fs::write(&sample, parquet(&small_consumption())).unwrap();
    let project = project.to_str().unwrap();
    let arguments = ["converter", "new", "twins", "--from", sample.to_str().unwrap(), "--directory", project];
    Loader::new(arguments).build().succeeded();
    let source = Path::new(project).join("src/lib.rs");
    let code = fs::read_to_string(&source).unwrap();
    let finish = "plan.finish([point])";
    assert!(code.contains(finish), "{code}");
    let twin = r#"let mut twin = Point::new("twin", time);
        twin.tag("region", plan.required("region", &[ColumnType::Text]));
        twin.field("value", plan.required("value", &[ColumnType::Float]));
        plan.finish([point, twin])"#;
    fs::write(&source, code.replace(finish, twin)).unwrap();
    Loader::new(["converter", "build", project]).build().succeeded();
    format!("{project}/converter.wasm")
}

#[test]
fn a_row_is_written_when_both_of_its_points_are() {
    const ROWS: usize = 1000;
    let bad = [0, 1, 500, 999];
    let directory = tempfile::tempdir().unwrap();
    let converter = converter(directory.path());
    for dialect in DIALECTS {
        // Only the second point of each of these rows is refused.
        let server = FaultServer::with(Rules { banned: Some("twin,region=bad".to_owned()), ..Rules::of(dialect) });
        let rows = Rows::new(ROWS).with_region(&bad, "bad");
        let loaded = Load::of(rows).argument("--converter").argument(&converter).with("MAX_BATCH_SIZE", 501);
        let loaded = loaded.with("LOAD_ORDER", "file");
        let loaded = loaded.into(&server).succeeded();
        assert_eq!(loaded.rejected(), [("refused".to_owned(), bad.len())].into(), "{dialect:?}");
        assert_eq!(loaded.count("written"), ROWS - bad.len(), "{dialect:?}");
        assert_eq!(loaded.count("points"), 2 * (ROWS - bad.len()), "{dialect:?}");
        let store = server.store();
        let count = |measurement: &str| store.points().filter(|point| point.measurement == measurement).count();
        assert_eq!(count("twin"), ROWS - bad.len(), "{dialect:?}");
        // 1.x and 3 have kept the first points of these rows before anybody could know; 2.x has not.
        let kept = if dialect == Dialect::V2 { 0 } else { bad.len() };
        assert_eq!(store.len() - count("twin"), ROWS - bad.len() + kept, "{dialect:?}");
        // An odd number of points is not cut within a row.
        for entry in server.requests().writes() {
            assert_eq!(entry.lines().count() % 2, 0, "{dialect:?}");
        }
    }
}
