//! Whether bytes are a component, and a component is a converter, before anything of it runs.

use super::contract::{Contract, EXPORT, PACKAGE};
use super::error::{ConverterError, Subject};
use super::survey::Survey;
use super::text::one_line;
use super::wasi;

/// How many names of imports or exports an error lists.
const MAX_NAMES: usize = 20;

/// The longest name that an error shows, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// Looks at the first eight bytes, which show what a WebAssembly file is.
pub(super) fn preamble(bytes: &[u8], subject: &Subject) -> Result<(), ConverterError> {
    let refused = |reason: &str, hint| {
        Err(ConverterError::NotAComponent { subject: subject.clone(), reason: reason.to_owned(), hint })
    };
    match bytes {
        // The version of the format, then its layer: 0 for modules, 1 for components.
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', _, _, 0, 0, ..] => refused(
            "is a core WebAssembly module, not a component",
            Some("build it with `influxdb-loader converter build`"),
        ),
        [b'\0', b'a', b's', b'm', _, _, _, _, ..] => refused("is of a WebAssembly format that is not known", None),
        [] => refused("is empty", None),
        _ if b"\0asm".starts_with(&bytes[..bytes.len().min(4)]) => refused("ends in its first eight bytes", None),
        _ if bytes.trim_ascii_start().starts_with(b"(") => {
            refused("is WebAssembly text, not binary", Some("translate it with `wasm-tools parse`"))
        }
        _ => refused("is no WebAssembly at all", None),
    }
}

/// Looks at what the component imports and exports.
pub(super) fn interfaces(survey: Survey<'_>, subject: &Subject) -> Result<(), ConverterError> {
    let Survey { imports, exports } = survey;
    let ours = imports.iter().chain(&exports).filter(|name| name.starts_with(PACKAGE));
    if let Some(found) = ours.filter_map(|name| version(name)).find(|version| Contract::of_version(version).is_none()) {
        let found = one_line(found, MAX_NAME_BYTES);
        return Err(ConverterError::ContractVersion { subject: subject.clone(), found });
    }
    let unsupported = quoted(imports.into_iter().filter(|name| !is_supported(name)));
    if !unsupported.is_empty() {
        return Err(ConverterError::UnsupportedImports { subject: subject.clone(), imports: unsupported });
    }
    if !exports.iter().any(|name| interface(name) == EXPORT) {
        let exports = quoted(exports.into_iter());
        let exports = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        let reason = format!("it exports {exports}, a converter exports `{EXPORT}@{}`", Contract::V0_2);
        return Err(ConverterError::NotAConverter { subject: subject.clone(), reason });
    }
    Ok(())
}

/// Whether there is something for the import. Whether it is of the right type is seen when it is linked.
fn is_supported(import: &str) -> bool {
    let wasi = || {
        wasi::PACKAGES.iter().any(|package| import.starts_with(package))
            && version(import).is_some_and(|version| version.starts_with("0.2."))
    };
    import.starts_with(PACKAGE) || wasi()
}

fn version(name: &str) -> Option<&str> {
    name.split_once('@').map(|(_, version)| version)
}

fn interface(name: &str) -> &str {
    name.split_once('@').map_or(name, |(interface, _)| interface)
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.take(MAX_NAMES).map(|name| format!("`{}`", one_line(name, MAX_NAME_BYTES))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wasi_0_2_and_the_contract_are_supported() {
        assert!(is_supported("influxdb-loader:converter/host@0.1.0"));
        assert!(is_supported("wasi:cli/stdout@0.2.6"));
        assert!(!is_supported("wasi:cli/stdout@0.3.0"));
        assert!(!is_supported("wasi:cli/stdout"));
        assert!(!is_supported("wasi:http/outgoing-handler@0.2.0"));
        assert!(!is_supported("wasi:client/x@0.2.0"));
        assert!(!is_supported("log"));
    }
}
