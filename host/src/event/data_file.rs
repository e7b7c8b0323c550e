//! Which of the things in a directory, or below a prefix, are data.

const PARQUET: &str = ".parquet";

/// Whether a file's name ends as those of Parquet files do.
pub fn is_parquet(name: &str) -> bool {
    name.len() > PARQUET.len() && name.to_ascii_lowercase().ends_with(PARQUET)
}

/// Whether the name of a file or a directory says that it is no data: what tools leave beside it, such as `_SUCCESS`,
/// `_temporary`, `_delta_log` or `.part.crc`.
pub fn is_hidden(name: &str) -> bool {
    name.starts_with(['_', '.'])
}

/// Whether the object at `key`, which was listed below `prefix`, is data: a Parquet file, neither hidden itself nor in
/// something hidden below the last `/` of the prefix.
pub fn is_data_file(key: &str, prefix: &str) -> bool {
    let above = prefix.rfind('/').map_or(0, |slash| slash + 1);
    let below = key.get(above..).unwrap_or(key);
    is_parquet(below.rsplit('/').next().unwrap_or(below)) && !below.split('/').any(is_hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parquet_files_are_data_in_whatever_case() {
        assert!(is_data_file("dataset=generation/a.parquet", ""));
        assert!(is_data_file("a.PARQUET", ""));
        assert!(!is_data_file("a.csv", ""));
        assert!(!is_data_file("a.parquet/", ""));
        assert!(!is_data_file("dataset=generation/.parquet", ""));
    }

    #[test]
    fn what_tools_leave_beside_data_is_none() {
        for key in ["d/_SUCCESS", "d/_temporary/0/a.parquet", "d/_delta_log/1.checkpoint.parquet", "d/.a.parquet"] {
            assert!(!is_data_file(key, ""), "{key}");
        }
    }

    #[test]
    fn what_is_above_the_prefix_does_not_hide() {
        assert!(is_data_file("_landing/d/a.parquet", "_landing/"));
        assert!(is_data_file("_landing/d/a.parquet", "_landing/d"));
        assert!(!is_data_file("_landing/a.parquet", "_land"));
        assert!(!is_data_file("_landing/a.parquet", ""));
    }

    #[test]
    fn a_prefix_that_is_not_the_keys_own_hides_nothing_more() {
        assert!(is_data_file("a.parquet", "something/else/"));
        assert!(is_data_file("é/a.parquet", "x/"));
    }
}
