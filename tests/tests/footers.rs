//! Footers of a few kilobytes that would take the process: their objects fail, and the others of the same load are loaded.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;

use influxdb_loader_tests::{InfluxDb2, Loader, parquet, small_consumption};

const BUCKET: &str = "energy_data";

/// An element of a schema in Thrift's compact protocol: a required group that claims so many columns, or a required leaf.
fn element(name: &str, columns: Option<u64>) -> Vec<u8> {
    let mut bytes = if columns.is_none() { vec![0x15, 0x02, 0x25, 0x00, 0x18] } else { vec![0x35, 0x00, 0x18] };
    bytes.extend(varint(name.len() as u64));
    bytes.extend(name.as_bytes());
    if let Some(columns) = columns {
        bytes.push(0x15);
        bytes.extend(varint(columns << 1));
    }
    bytes.push(0);
    bytes
}

fn varint(mut rest: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while rest > 0x7f {
        bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// A file without rows whose schema has these elements below its root.
fn file(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut footer = vec![0x15, 0x02, 0x19, 0xfc];
    footer.extend(varint(elements.len() as u64 + 1));
    footer.extend(element("schema", Some(1)));
    footer.extend(elements.concat());
    footer.extend([0x16, 0x00, 0x19, 0x0c, 0x00]);
    let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
    [b"PAR1", &footer[..], &length, b"PAR1"].concat()
}

#[test]
fn a_footer_that_would_take_the_process_fails_its_object_alone() {
    let leaf = || element("x", None);
    let deep = |depth: usize| [vec![element("group", Some(1)); depth], vec![leaf()]].concat();
    let path = [vec![element(&"n".repeat(300_000), Some(10_000))], vec![leaf(); 10_000]].concat();
    let claims = [vec![element("group", Some(i32::MAX as u64)); 10], vec![leaf()]].concat();
    let hostile = [
        ("deep", file(&deep(1_000)), "its columns lie more than 64 groups deep"),
        ("deepest", file(&deep(200_000)), "its columns lie more than 64 groups deep"),
        ("claims", file(&claims), "element 1 of its schema claims 2147483647 columns, more than follow"),
        ("path", file(&path), "its metadata, with a schema of 10002 columns and groups,"),
    ];
    let server = InfluxDb2::start(BUCKET);
    let directory = tempfile::tempdir().unwrap();
    let mut loader = Loader::new(["load", "--dataset", "consumption", "--json"]).settings(server.settings(BUCKET));
    for (name, bytes, _) in &hostile {
        let path = directory.path().join(format!("{name}.parquet"));
        fs::write(&path, bytes).unwrap();
        loader = loader.argument(path);
    }
    let good = directory.path().join("good.parquet");
    fs::write(&good, parquet(&small_consumption())).unwrap();
    let run = loader.argument(good).run();
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.peak_memory_kib < 200 * 1024, "{} KiB", run.peak_memory_kib);
    let report = run.json();
    let objects = report["objects"].as_array().unwrap();
    for ((name, _, reason), object) in hostile.iter().zip(objects) {
        let message = object["failure"]["message"].as_str().unwrap();
        assert!(message.contains(reason), "{name}: {message}");
    }
    assert_eq!(objects[4]["accounts"]["written"], 2, "{report}");
}
