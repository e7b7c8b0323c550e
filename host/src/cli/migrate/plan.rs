//! What lies below a prefix → what is migrated, and what is wrong with it. Does no input or output.

use std::collections::{BTreeMap, BTreeSet};

use super::manifest::{Column, MANIFEST, METADATA, Manifest, Metadata, RESULTS, ResultFile};
use crate::source::Listed;

/// The types of dimensions, measures and times.
const SUPPORTED: [&str; 7] = ["VARCHAR", "BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "TIMESTAMP", "DATE"];

/// The results of one query of UNLOAD.
#[derive(Debug)]
pub(super) struct Unload {
    /// What all of its keys begin with: the directory of the manifest, with the slash at its end; may be empty.
    pub(super) directory: String,
    /// In the order of the manifest.
    pub(super) files: Vec<File>,
    /// The rows of all of them.
    pub(super) rows: u64,
    pub(super) columns: Vec<Column>,
}

/// A result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) key: String,
    pub(super) etag: Option<String>,
    pub(super) rows: u64,
}

/// What is below a prefix.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The keys of manifests and metadata, by the query that wrote them.
    pub(super) queries: BTreeMap<String, Query>,
    /// Everything else, by key.
    others: BTreeMap<String, Listed>,
}

/// The files of one query.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) manifest: Option<String>,
    pub(super) metadata: Option<String>,
}

/// Why something cannot be migrated as it lies.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// There is nothing of UNLOAD.
    #[error("there is no manifest (`*{MANIFEST}`)\nhint: name the folder that UNLOAD wrote into, or one above it")]
    NoManifest,
    /// Its columns are not known.
    #[error("`{0}` has no metadata (`*{METADATA}`) beside it")]
    NoMetadata(String),
    /// It is no Parquet.
    #[error("`{0}` was unloaded as {1}\nhint: unload it with `format = 'PARQUET'`")]
    Format(String, String),
    /// A result is gone.
    #[error("`{0}` is in its manifest, and does not exist")]
    Missing(String),
    /// A result is another one.
    #[error("`{key}` has {found} bytes, and {expected} in its manifest")]
    Size {
        /// The result.
        key: String,
        expected: u64,
        found: u64,
    },
    /// A result has other rows than its manifest lists.
    #[error("`{key}` has {found} rows, and {expected} in its manifest")]
    FileRows {
        /// The result.
        key: String,
        expected: u64,
        found: u64,
    },
    /// The manifest contradicts itself.
    #[error("the files of `{directory}` have {files} rows together, and {total} in their manifest")]
    Rows { directory: String, files: u64, total: u64 },
    /// There is no time.
    #[error("`{0}` has no column `time` of type TIMESTAMP\nhint: unload whole rows, such as by `SELECT *`")]
    NoTime(String),
    /// No point can have it.
    #[error(
        "the column `{column}` of `{directory}` is {kind}, which no field or tag can be\nhint: unload without it, or `--drop {column}`"
    )]
    Type { directory: String, column: String, kind: String },
}

impl Found {
    /// Sorts what was listed.
    pub(super) fn of(listed: Vec<Listed>) -> Self {
        let mut found = Self::default();
        for object in listed {
            let query = |ending| object.key.strip_suffix(ending).map(str::to_owned);
            if let Some(query) = query(MANIFEST) {
                found.queries.entry(query).or_default().manifest = Some(object.key);
            } else if let Some(query) = query(METADATA) {
                found.queries.entry(query).or_default().metadata = Some(object.key);
            } else {
                found.others.insert(object.key.clone(), object);
            }
        }
        // Metadata without a manifest is of a query that failed.
        found.queries.retain(|_, query| query.manifest.is_some());
        found
    }

    /// What a query has unloaded, and all that is wrong with it.
    pub(super) fn unload(
        &mut self,
        query: &str,
        manifest: Manifest,
        metadata: Metadata,
        drop: &BTreeSet<String>,
    ) -> (Unload, Vec<Trouble>) {
        let directory = query.rfind('/').map_or("", |slash| &query[..=slash]).to_owned();
        let mut troubles = Vec::new();
        let Manifest { result_files, query_metadata } = manifest;
        if !query_metadata.result_format.eq_ignore_ascii_case("PARQUET") {
            troubles.push(Trouble::Format(directory.clone(), query_metadata.result_format));
        }
        let mut files = Vec::new();
        for ResultFile { url, file_metadata } in result_files {
            let key = self.place(&directory, &url);
            match self.others.remove(&key) {
                None => troubles.push(Trouble::Missing(key)),
                Some(Listed { size: Some(found), .. }) if found != file_metadata.content_length_in_bytes => {
                    troubles.push(Trouble::Size { key, expected: file_metadata.content_length_in_bytes, found });
                }
                Some(Listed { etag, .. }) => files.push(File { key, etag, rows: file_metadata.row_count }),
            }
        }
        let rows = files.iter().map(|file| file.rows).fold(0, u64::saturating_add);
        if troubles.is_empty() && rows != query_metadata.total_row_count {
            let (directory, total) = (directory.clone(), query_metadata.total_row_count);
            troubles.push(Trouble::Rows { directory, files: rows, total });
        }
        let Metadata { columns } = metadata;
        if !columns.iter().any(|column| column.name == "time" && column.scalar() == Some("TIMESTAMP")) {
            troubles.push(Trouble::NoTime(directory.clone()));
        }
        for column in columns.iter().filter(|column| !drop.contains(&column.name)) {
            let kind = column.scalar().unwrap_or("no scalar");
            if !SUPPORTED.contains(&kind) {
                let (directory, column, kind) = (directory.clone(), column.name.clone(), kind.to_owned());
                troubles.push(Trouble::Type { directory, column, kind });
            }
        }
        (Unload { directory, files, rows, columns }, troubles)
    }

    /// Results that no manifest names: those of queries that failed, which UNLOAD leaves behind.
    pub(super) fn left_behind(&self) -> Vec<&str> {
        let is_result = |key: &&String| key.starts_with(RESULTS) || key.contains(&format!("/{RESULTS}"));
        self.others.keys().filter(is_result).map(String::as_str).collect()
    }

    /// The key of a result: as the manifest has it, or where it stands beside its manifest, since both were copied.
    fn place(&self, directory: &str, url: &str) -> String {
        let key = url.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).map_or(url, |(_, key)| key);
        if self.others.contains_key(key) && key.starts_with(directory) {
            return key.to_owned();
        }
        let at = key.rfind(&format!("/{RESULTS}")).map_or(0, |slash| slash + 1);
        format!("{directory}{}", &key[at..])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

    use serde_json::json;

    use super::*;

    fn listed(key: &str) -> Listed {
        Listed { key: key.to_owned(), size: Some(10), etag: Some("e".to_owned()) }
    }

    /// What `a/x_manifest.json` lists of these results, of 5 rows and 10 bytes each.
    fn unload(found: &[&str], urls: &[&str], format: &str, columns: &[(&str, &str)]) -> (Unload, Vec<Trouble>, usize) {
        let files: Vec<_> = urls
            .iter()
            .map(|url| json!({ "url": url, "file_metadata": { "content_length_in_bytes": 10, "row_count": 5 } }))
            .collect();
        let total = json!({ "total_row_count": 5 * urls.len(), "result_format": format });
        let manifest = json!({ "result_files": files, "query_metadata": total });
        let columns: Vec<_> =
            columns.iter().map(|(name, kind)| json!({ "Name": name, "Type": { "ScalarType": kind } })).collect();
        let metadata = json!({ "ColumnInfo": columns });
        let keys = found.iter().chain(&["a/x_manifest.json", "a/x_metadata.json"]).map(|key| listed(key)).collect();
        let mut found = Found::of(keys);
        assert_eq!(found.queries.keys().collect::<Vec<_>>(), ["a/x"]);
        let (manifest, metadata) =
            (serde_json::from_value(manifest).unwrap(), serde_json::from_value(metadata).unwrap());
        let (unload, troubles) = found.unload("a/x", manifest, metadata, &BTreeSet::from(["all".to_owned()]));
        (unload, troubles, found.left_behind().len())
    }

    const COLUMNS: [(&str, &str); 2] = [("host", "VARCHAR"), ("time", "TIMESTAMP")];

    #[test]
    fn what_the_manifest_names_is_migrated_and_what_a_failed_query_left_is_not() {
        let found = ["a/results/x_1.parquet", "a/results/r=1/x_2.parquet", "a/results/failed.parquet", "a/note"];
        let urls = ["s3://b/a/results/x_1.parquet", "s3://b/a/results/r=1/x_2.parquet"];
        let (unload, troubles, left) = unload(&found, &urls, "PARQUET", &COLUMNS);
        assert_eq!((troubles, left, unload.rows, &*unload.directory), (vec![], 1, 10, "a/"));
        assert_eq!(unload.files.iter().map(|file| &*file.key).collect::<Vec<_>>(), found[..2]);
    }

    #[test]
    fn results_that_were_copied_with_their_manifest_are_found_beside_it() {
        let (unload, troubles, _) =
            unload(&["a/results/r=1/x_1.parquet"], &["s3://other/db/t/results/r=1/x_1.parquet"], "PARQUET", &COLUMNS);
        assert_eq!((troubles, &*unload.files[0].key), (vec![], "a/results/r=1/x_1.parquet"));
    }

    #[test]
    fn all_that_is_wrong_is_named() {
        let columns = [("host", "VARCHAR"), ("time", "VARCHAR"), ("day", "TIME"), ("all", "INTERVAL_DAY_TO_SECOND")];
        let (_, troubles, _) = unload(&[], &["s3://b/a/results/x_1.parquet"], "CSV", &columns);
        let told: Vec<String> = troubles.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "`a/` was unloaded as CSV\nhint: unload it with `format = 'PARQUET'`",
                "`a/results/x_1.parquet` is in its manifest, and does not exist",
                "`a/` has no column `time` of type TIMESTAMP\nhint: unload whole rows, such as by `SELECT *`",
                "the column `day` of `a/` is TIME, which no field or tag can be\nhint: unload without it, or `--drop day`",
            ]
        );
    }
}
