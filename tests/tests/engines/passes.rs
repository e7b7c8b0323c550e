//! A file that is read in several passes, and sorted for the server, leaves in it what one in the order of the file leaves.

use std::collections::BTreeMap;

use influxdb_loader_tests::{Loader, series_by_series};

use super::{BUCKET, Server, on_both};

/// The values of the bucket by region and time.
fn values(server: &Server, bucket: &str) -> BTreeMap<(String, i64), f64> {
    let csv = server.query_csv(bucket, "SELECT region, power_mw FROM consumption_data");
    let mut lines = csv.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| names.iter().position(|column| *column == name).unwrap();
    let (time, region, value) = (column("time"), column("region"), column("power_mw"));
    let parsed = lines.map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        ((cells[region].to_owned(), cells[time].parse().unwrap()), cells[value].parse().unwrap())
    });
    parsed.collect()
}

#[test]
fn the_order_for_the_server_writes_the_same_points_as_that_of_the_file() {
    on_both(|server| {
        let directory = tempfile::tempdir().unwrap();
        let (file, expected) = series_by_series(directory.path());
        server.create_bucket("sorted", None);
        for (order, bucket) in [("file", BUCKET), ("server", "sorted")] {
            // What is sorted together is a third of the file.
            let settings = server.settings(bucket).with("OBJECT_MEMORY_MIB", "16").with("LOAD_ORDER", order);
            let loaded = Loader::new(["load", "--json", "-v"]).argument(&file).settings(settings).run().succeeded();
            assert_eq!(loaded.stderr.contains("it is read in several passes"), order == "server", "{}", loaded.stderr);
            assert!(values(&server, bucket) == expected, "in the order of the {order}, the points differ");
            let count = server.number(bucket, "count(power_mw)", "consumption_data");
            assert_eq!(count, expected.len() as f64, "in the order of the {order}");
        }
    });
}
