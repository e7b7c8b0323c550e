//! Which of the things in a directory, or below a prefix, are data.

const PARQUET: &str = ".parquet";

/// Whether a file's name ends as those of Parquet files do.
pub fn is_parquet(name: &str) -> bool {
    name.len() > PARQUET.len() && name.to_ascii_lowercase().ends_with(PARQUET)
}

/// Whether the name of a file or a directory marks it as no data: what tools leave beside it, such as `_SUCCESS`,
/// `_temporary`, `_delta_log` or `.part.crc`.
pub fn is_hidden(name: &str) -> bool {
    name.starts_with(['_', '.'])
}

/// Whether the object at `key` is none of data: a marker without bytes, or hidden itself or by a directory that is below the
/// last `/` of `prefix`. The one rule for notifications and listings; names need no ending.
pub(super) fn is_hidden_object(key: &str, prefix: &str, size: Option<u64>) -> bool {
    let below = below(key, prefix);
    size == Some(0) || below.ends_with('/') || below.split('/').any(is_hidden)
}

/// Whether the object at `key`, which was listed below `prefix`, is loaded: it is not hidden, and its name ends as those of
/// Parquet files do, or has no ending, as those of Athena have none.
pub fn is_listed(key: &str, prefix: &str, size: Option<u64>) -> bool {
    let below = below(key, prefix);
    let name = below.rsplit('/').next().unwrap_or(below);
    !is_hidden_object(key, prefix, size) && (is_parquet(name) || !name.contains('.'))
}

/// What of `key` is below the last `/` of `prefix`.
fn below<'a>(key: &'a str, prefix: &str) -> &'a str {
    let above = prefix.rfind('/').map_or(0, |slash| slash + 1);
    key.get(above..).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(key: &str, prefix: &str) -> bool {
        is_listed(key, prefix, Some(4))
    }

    #[test]
    fn parquet_files_are_listed_in_whatever_case_and_names_without_an_ending() {
        for key in ["dataset=generation/a.parquet", "a.PARQUET", "d.2/20240301_000000_00000_abcde"] {
            assert!(listed(key, ""), "{key}");
        }
        for key in ["a.csv", "a.parquet/", "dataset=generation/.parquet"] {
            assert!(!listed(key, ""), "{key}");
        }
    }

    #[test]
    fn what_tools_leave_beside_data_is_hidden() {
        for key in ["d/_SUCCESS", "d/_temporary/0/a.parquet", "d/_delta_log/1.checkpoint.parquet", "d/.a.parquet", "d/"]
        {
            assert!(is_hidden_object(key, "", Some(4)) && !listed(key, ""), "{key}");
        }
    }

    #[test]
    fn an_object_without_bytes_is_hidden_and_one_of_unknown_size_is_not() {
        assert!(is_hidden_object("d/a_$folder$", "", Some(0)));
        assert!(!is_hidden_object("d/a_$folder$", "", None));
        assert!(!is_listed("d/a.parquet", "", Some(0)));
    }

    #[test]
    fn an_ending_is_no_part_of_the_rule() {
        assert!(!is_hidden_object("d/20240301_000000_00000_abcde", "", Some(4)));
        assert!(!is_hidden_object("d/a.snappy", "", Some(4)));
    }

    #[test]
    fn what_is_above_the_prefix_does_not_hide() {
        assert!(listed("_landing/d/a.parquet", "_landing/"));
        assert!(listed("_landing/d/a.parquet", "_landing/d"));
        assert!(!listed("_landing/a.parquet", "_land"));
        assert!(!listed("_landing/a.parquet", ""));
    }

    #[test]
    fn a_prefix_that_is_not_the_keys_own_hides_nothing_more() {
        assert!(listed("a.parquet", "something/else/"));
        assert!(listed("é/a.parquet", "x/"));
    }
}
