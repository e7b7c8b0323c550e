//! The documents of the registry: manifests and pointers, as JSON without members that are not known.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use super::error::RegistryError;
use super::names::Version;
use crate::converter;

/// The largest manifest, in bytes: a few hundred bytes, and a hundred for each signature.
pub(super) const MAX_MANIFEST_BYTES: u64 = 64 * 1024;

/// The largest pointer, in bytes: a few hundred bytes.
pub(super) const MAX_POINTER_BYTES: u64 = 8 * 1024;

/// The longest text in a document, in bytes: more than a converter's description of itself may have.
const MAX_LINE_BYTES: usize = 512;

/// What a version of a converter is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The dataset that it converts.
    #[serde(deserialize_with = "line")]
    pub dataset: String,
    /// Its version.
    pub version: Version,
    /// Its own name.
    #[serde(deserialize_with = "line")]
    pub name: String,
    /// One line for people.
    #[serde(deserialize_with = "line")]
    pub description: String,
    /// The version of the contract that it speaks.
    #[serde(deserialize_with = "line")]
    pub contract: String,
    /// The lower-case hexadecimal SHA-256 of the component.
    #[serde(deserialize_with = "digest")]
    pub sha256: String,
    /// The size of the component, in bytes.
    pub size: u64,
    /// Who vouches for it.
    pub signatures: Vec<Signature>,
}

/// A signature of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The id of the key; see [`super::key_id`].
    #[serde(deserialize_with = "line")]
    pub key: String,
    /// The Ed25519 signature, in base64.
    pub ed25519: String,
}

/// A version, and the digest that its component had when it was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The version.
    pub version: Version,
    /// The lower-case hexadecimal SHA-256 of the component.
    #[serde(deserialize_with = "digest")]
    pub sha256: String,
    /// The lower-case hexadecimal SHA-256 of its parameters. Never in a pointer, in which the first edition does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_digest")]
    pub parameters: Option<String>,
}

impl Release {
    /// The same with these parameters.
    #[must_use]
    pub(super) fn with(self, parameters: Option<String>) -> Self {
        Self { parameters, ..self }
    }

    /// What an object is named by that was begun with it: the digest of the component, or of that and its parameters.
    pub(super) fn identity(&self) -> String {
        converter::identity(&self.sha256, self.parameters.as_deref())
    }
}

/// Which version a channel's users get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pointer {
    /// The version.
    pub version: Version,
    /// The lower-case hexadecimal SHA-256 of its component.
    #[serde(deserialize_with = "digest")]
    pub sha256: String,
    /// What it was before.
    pub previous: Option<Release>,
    /// How often it has been changed.
    pub sequence: u64,
}

impl Pointer {
    /// What it points at.
    pub fn release(&self) -> Release {
        Release { version: self.version.clone(), sha256: self.sha256.clone(), parameters: None }
    }
}

/// A SHA-256.
fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() == 64 && text.bytes().all(digit) {
        return Ok(text);
    }
    Err(serde::de::Error::custom("a digest has 64 lower-case hexadecimal digits"))
}

/// A SHA-256, or none.
pub(super) fn optional_digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    digest(deserializer).map(Some)
}

/// Text that may be shown.
pub(super) fn line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.len() <= MAX_LINE_BYTES && !text.contains(char::is_control) {
        return Ok(text);
    }
    Err(serde::de::Error::custom("a text is too long, or has control characters"))
}

/// Reads a document. `object` names it in errors.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(object: &str, bytes: &[u8]) -> Result<T, RegistryError> {
    serde_json::from_slice(bytes)
        .map_err(|cause| RegistryError::Malformed { object: object.to_owned(), cause: Arc::new(cause) })
}

/// Writes a document, for machines and people.
pub(super) fn render(document: &impl Serialize) -> Result<Vec<u8>, RegistryError> {
    let rendered = serde_json::to_vec_pretty(document).map(|mut bytes| {
        bytes.push(b'\n');
        bytes
    });
    // It has no map with keys that are no text.
    rendered.map_err(|cause| RegistryError::Malformed { object: "document".to_owned(), cause: Arc::new(cause) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn pointer() -> Pointer {
        Pointer {
            version: "1.0.1".parse().unwrap(),
            sha256: "0f".repeat(32),
            previous: Some(Release { version: "1.0.0".parse().unwrap(), sha256: "f0".repeat(32), parameters: None }),
            sequence: 7,
        }
    }

    #[test]
    fn a_pointer_reads_as_it_was_written() {
        let bytes = render(&pointer()).unwrap();
        assert_eq!(parse::<Pointer>("stable.json", &bytes).unwrap(), pointer());
        insta::assert_snapshot!(String::from_utf8(bytes).unwrap(), @r#"
        {
          "version": "1.0.1",
          "sha256": "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
          "previous": {
            "version": "1.0.0",
            "sha256": "f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0"
          },
          "sequence": 7
        }
        "#);
    }

    #[test]
    fn what_is_no_pointer_is_malformed() {
        let digest = "0f".repeat(32);
        let of = |json: &str| parse::<Pointer>("stable.json", json.replace("DIGEST", &digest).as_bytes());
        of(r#"{"version":"1.0.0","sha256":"DIGEST","previous":null,"sequence":1}"#).unwrap();
        for bad in [
            "",
            "null",
            "[]",
            r#"{"version":"1.0.0","sha256":"DIGEST"}"#,
            r#"{"version":"1.0.0","sha256":"../..","previous":null,"sequence":1}"#,
            r#"{"version":"../../other/1.0.0","sha256":"DIGEST","previous":null,"sequence":1}"#,
            r#"{"version":"1.0.0","sha256":"DIGEST","previous":null,"sequence":-1}"#,
            r#"{"version":"1.0.0","sha256":"DIGEST","previous":null,"sequence":1,"more":1}"#,
            r#"{"version":"1.0.0","version":"1.0.1","sha256":"DIGEST","previous":null,"sequence":1}"#,
            r#"{"version":"1.0.0","sha256":"DIGEST","previous":null,"sequence":1} trailing"#,
        ] {
            assert_eq!(of(bad).unwrap_err().to_string(), "`stable.json` is malformed", "{bad}");
        }
    }

    #[test]
    fn a_manifest_lacks_nothing_and_has_nothing_more() {
        let manifest = Manifest {
            dataset: "load".into(),
            version: "1.0.0".parse().unwrap(),
            name: "load".into(),
            description: "Hourly load".into(),
            contract: "0.1.0".into(),
            sha256: "0f".repeat(32),
            size: 7,
            signatures: vec![Signature { key: "k".into(), ed25519: "s".into() }],
        };
        let whole = serde_json::to_value(&manifest).unwrap();
        assert_eq!(parse::<Manifest>("m", whole.to_string().as_bytes()).unwrap(), manifest);
        for member in whole.as_object().unwrap().keys() {
            let mut less = whole.clone();
            less.as_object_mut().unwrap().remove(member);
            assert!(parse::<Manifest>("m", less.to_string().as_bytes()).is_err(), "without `{member}`");
        }
        let mut more = whole;
        more["native_code"] = true.into();
        assert!(parse::<Manifest>("m", more.to_string().as_bytes()).is_err());
        let mut escape = serde_json::to_value(&manifest).unwrap();
        escape["description"] = "\u{1b}[31m".into();
        assert!(parse::<Manifest>("m", escape.to_string().as_bytes()).is_err());
    }
}
