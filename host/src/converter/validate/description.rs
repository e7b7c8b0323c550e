//! The answer of `describe`.

use super::Invalid;
use super::wit;
use crate::converter::plan::Description;
use crate::converter::text::{is_kebab_case, is_semantic_version, one_line};

/// The longest name, version or dataset, in bytes: they are parts of keys in S3 and dimensions of metrics.
const MAX_NAME_BYTES: usize = 128;

/// The longest summary that is kept, in bytes: one line.
const MAX_SUMMARY_BYTES: usize = 256;

pub(in crate::converter) fn description(description: wit::Description) -> Result<Description, Invalid> {
    let wit::Description { name, version, dataset, summary } = description;
    let bounded = |item: &str, text: &str| {
        if text.len() <= MAX_NAME_BYTES {
            return Ok(());
        }
        Err(Invalid::new(format!("description.{item}"), format!("has more than {MAX_NAME_BYTES} bytes")))
    };
    bounded("name", &name)?;
    bounded("version", &version)?;
    bounded("dataset", &dataset)?;
    if !is_kebab_case(&name) {
        let reason = format!("must be words of lower case joined by `-`: `{}`", one_line(&name, MAX_NAME_BYTES));
        return Err(Invalid::new("description.name", reason));
    }
    if !is_semantic_version(&version) {
        let reason = format!("must be a semantic version such as 1.4.0: `{}`", one_line(&version, MAX_NAME_BYTES));
        return Err(Invalid::new("description.version", reason));
    }
    if dataset.is_empty() || dataset.chars().any(|c| c.is_control() || c == '/') {
        let dataset = one_line(&dataset, MAX_NAME_BYTES);
        let reason = format!("must be a name without `/` and control characters: `{dataset}`");
        return Err(Invalid::new("description.dataset", reason));
    }
    Ok(Description { name, version, dataset, summary: one_line(&summary, MAX_SUMMARY_BYTES) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn valid() -> wit::Description {
        wit::Description {
            name: "grid-load".into(),
            version: "1.4.0".into(),
            dataset: "ons-load".into(),
            summary: "Hourly load\nby region".into(),
        }
    }

    #[test]
    fn a_valid_description_is_kept_with_its_summary_on_one_line() {
        assert_eq!(description(valid()).unwrap().summary, "Hourly load by region");
    }

    #[test]
    fn names_versions_and_datasets_that_cannot_be_part_of_a_key_are_refused() {
        let refused = |description_of: wit::Description| description(description_of).unwrap_err().item;
        assert_eq!(refused(wit::Description { name: "Grid Load".into(), ..valid() }), "description.name");
        assert_eq!(refused(wit::Description { name: "a".repeat(200), ..valid() }), "description.name");
        assert_eq!(refused(wit::Description { version: "1.4".into(), ..valid() }), "description.version");
        assert_eq!(refused(wit::Description { dataset: "../load".into(), ..valid() }), "description.dataset");
        assert_eq!(refused(wit::Description { dataset: String::new(), ..valid() }), "description.dataset");
    }
}
