//! What UNLOAD of Timestream for LiveAnalytics writes beside its results, read. It may come from anywhere.

use serde::Deserialize;

/// The longest of these files, in bytes: UNLOAD writes a hundred thousand results at most.
pub(super) const FILE_BYTES: u64 = 64 << 20;

/// What the names of these files end in, after the identifier of their query.
pub(super) const MANIFEST: &str = "_manifest.json";
pub(super) const METADATA: &str = "_metadata.json";

/// The directory of the results, beside both.
pub(super) const RESULTS: &str = "results/";

/// `*_manifest.json`: which files a query has written, and how many rows. A query that failed has none.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) result_files: Vec<ResultFile>,
    pub(super) query_metadata: QueryMetadata,
}

#[derive(Debug, Deserialize)]
pub(super) struct ResultFile {
    /// `s3://bucket/key`, as it was written.
    pub(super) url: String,
    pub(super) file_metadata: FileMetadata,
}

#[derive(Debug, Deserialize)]
pub(super) struct FileMetadata {
    pub(super) content_length_in_bytes: u64,
    pub(super) row_count: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct QueryMetadata {
    pub(super) total_row_count: u64,
    /// `PARQUET` or `CSV`.
    pub(super) result_format: String,
}

/// `*_metadata.json`: the columns of a query, those included that are only in keys.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    #[serde(rename = "ColumnInfo")]
    pub(super) columns: Vec<Column>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Column {
    #[serde(rename = "Name")]
    pub(super) name: String,
    #[serde(rename = "Type")]
    kind: Kind,
}

#[derive(Debug, Deserialize)]
struct Kind {
    #[serde(rename = "ScalarType")]
    scalar: Option<String>,
}

impl Column {
    /// The name of its type; none where it is an array, a row or a time series.
    pub(super) fn scalar(&self) -> Option<&str> {
        self.kind.scalar.as_deref()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

    use super::*;

    #[test]
    fn the_files_of_a_query_are_read_whatever_more_they_say() {
        let text = r#"{"result_files": [{"url": "s3://b/t/results/x_1.parquet", "file_metadata":
            {"content_length_in_bytes": 12, "row_count": 3}}], "query_metadata": {"total_content_length_in_bytes": 12,
            "total_row_count": 3, "result_format": "PARQUET", "result_version": "Amazon Timestream version 1.0.0"},
            "author": {"name": "Amazon Timestream", "manifest_file_version": "1.0"}}"#;
        let manifest: Manifest = serde_json::from_str(text).unwrap();
        assert_eq!((manifest.result_files[0].file_metadata.row_count, manifest.query_metadata.total_row_count), (3, 3));
        let text = r#"{"ColumnInfo": [{"Name": "host", "Type": {"ScalarType": "VARCHAR"}}, {"Name": "all", "Type":
            {"ArrayColumnInfo": {"Type": {"ScalarType": "DOUBLE"}}}}], "Author": {"Name": "Amazon Timestream",
            "MetadataFileVersion": "1.0"}}"#;
        let metadata: Metadata = serde_json::from_str(text).unwrap();
        assert_eq!(metadata.columns.iter().map(Column::scalar).collect::<Vec<_>>(), [Some("VARCHAR"), None]);
    }
}
