//! The reference of this crate: every public item, what it is in a sentence, and that it has an example.
//!
//! `UPDATE_DOCUMENTS=1 cargo test --release --workspace --test reference` writes `docs/reference/sdk-rust.md` anew.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The sources, in the order of the reference: the file, the prefix of its items, and the heading of their section.
/// Sources that follow each other under one heading are one section.
const SOURCES: [(&str, &str, &str); 11] = [
    ("export", "", "The converter"),
    ("plan", "", "The plan"),
    ("mapping", "", "The plan"),
    ("point", "", "Points"),
    ("column", "", "Columns of a batch"),
    ("types", "", "The records of the contract"),
    ("strings", "", "Strings"),
    ("parse", "parse::", "Text to values"),
    ("log", "log::", "Messages"),
    ("testing", "testing::", "Tests"),
    ("lib", "", "Modules"),
];

/// What no reference describes: what is generated, and the few lines that connect it.
const OTHERS: [&str; 5] = ["bindings", "bindings_0_2", "crossing", "generated", "generated_0_2"];

struct Item {
    name: String,
    /// Its documentation, a line each.
    lines: Vec<String>,
}

impl Item {
    fn has_example(&self) -> bool {
        let fences = self.lines.iter().filter(|line| line.starts_with("```"));
        // One in another language, or that is not run, is no proof.
        fences.step_by(2).any(|fence| fence == "```")
    }

    /// The first sentence, without the links of rustdoc.
    fn sentence(&self) -> String {
        let paragraph: Vec<_> = self.lines.iter().take_while(|line| !line.is_empty()).map(String::as_str).collect();
        let paragraph = paragraph.join(" ");
        let sentence = paragraph.split_once(". ").map_or(paragraph.as_str(), |(sentence, _)| sentence);
        let text = sentence.trim_end_matches('.').replace("[`", "`").replace("`]", "`");
        text.replace("crate::", "").replace("`Self::", "`").replace('|', "\\|")
    }
}

fn source(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name).with_extension("rs");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The name that stands at the beginning of a text.
fn name(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// The type that a line begins to implement itself, without a trait.
fn implemented(line: &str) -> Option<String> {
    let rest = line.strip_prefix("impl")?;
    let rest = if rest.starts_with('<') { rest.split_once("> ")?.1 } else { rest.trim_start() };
    (!rest.contains(" for ")).then(|| name(rest))
}

/// The public items of a source, in their order.
fn items(file: &str, prefix: &str) -> Vec<Item> {
    let (text, mut found) = (source(file), Vec::new());
    // The type of the block, and whether it is a trait, whose functions are all public.
    let (mut owner, mut in_trait) = (String::new(), false);
    let (mut lines, mut is_hidden, mut is_exported) = (Vec::new(), false, false);
    for line in text.lines() {
        let bare = line.trim_start();
        if let Some(text) = bare.strip_prefix("///") {
            lines.push(text.strip_prefix(' ').unwrap_or(text).to_owned());
            continue;
        }
        if bare.starts_with("#[") {
            if line == "#[cfg(test)]" && file != "lib" {
                break;
            }
            is_hidden |= bare == "#[doc(hidden)]";
            is_exported |= bare == "#[macro_export]";
            continue;
        }
        if line == "}" {
            (owner, in_trait) = (String::new(), false);
        } else if let Some(implemented) = implemented(line) {
            owner = implemented;
        }
        let of_owner = |name: String| if owner.is_empty() { name } else { format!("{owner}::{name}") };
        let item = if let Some(rest) = bare.strip_prefix("pub ") {
            let (kind, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            match kind {
                "fn" => Some(of_owner(name(rest))),
                "const" if rest.starts_with("fn ") => Some(of_owner(name(&rest[3..]))),
                "struct" | "enum" => Some(name(rest)),
                "trait" => {
                    (owner, in_trait) = (name(rest), true);
                    Some(owner.clone())
                }
                // What other sources define is found there.
                "use" if file == "lib" => None,
                "use" => Some(name(rest.rsplit("::").next().unwrap())),
                "mod" => {
                    let module = name(rest);
                    let inner = source(&module);
                    let inner = inner.lines().take_while(|line| line.starts_with("//!"));
                    lines = inner.map(|line| line[3..].strip_prefix(' ').unwrap_or_default().to_owned()).collect();
                    Some(module)
                }
                // A member, which the lint `missing_docs` is about.
                _ if kind.ends_with(':') => None,
                _ => panic!("{file}.rs: what is `{line}`?"),
            }
        } else if in_trait && line.starts_with("    fn ") {
            Some(of_owner(name(&line[7..])))
        } else {
            let exported = bare.strip_prefix("macro_rules! ").filter(|_| is_exported);
            exported.map(|rest| format!("{}!", name(rest)))
        };
        if let Some(name) = item.filter(|_| !is_hidden) {
            found.push(Item { name: format!("{prefix}{name}"), lines: std::mem::take(&mut lines) });
        }
        (lines, is_hidden, is_exported) = (Vec::new(), false, false);
    }
    found
}

fn sections() -> Vec<(&'static str, Vec<Item>)> {
    SOURCES.map(|(file, prefix, heading)| (heading, items(file, prefix))).into()
}

#[test]
fn every_public_item_has_an_example_that_is_run() {
    let items: Vec<_> = sections().into_iter().flat_map(|(_, items)| items).collect();
    let without: Vec<_> = items.iter().filter(|item| !item.has_example()).map(|item| &item.name).collect();
    assert!(without.is_empty(), "no example: {without:#?}");
    assert!(items.len() > 90, "{}", items.len());
}

#[test]
fn the_reference_knows_every_source_and_all_that_the_crate_exports() {
    let sources = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let sources: BTreeSet<_> = sources.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let known = SOURCES.into_iter().map(|(file, ..)| file).chain(OTHERS).chain(["plan_tests", "testing_tests"]);
    assert_eq!(sources, known.map(|file| format!("{file}.rs")).collect());

    let items: BTreeSet<_> = sections().into_iter().flat_map(|(_, items)| items).map(|item| item.name).collect();
    let lib = source("lib");
    let exported = lib.split("\npub use ").skip(1).map(|rest| rest.split_once(';').unwrap().0);
    let lists = exported.filter_map(|export| Some(export.split_once("::")?.1.trim_matches(['{', '}'])));
    let names: Vec<_> = lists.flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty()).collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names.into_iter().filter(|name| *name != "Exported") {
        assert!(items.contains(name), "{name}");
    }
}

#[test]
fn the_reference_of_the_sdk_is_that_of_the_code() {
    let mut generated = "# The SDK for Rust\n\nEvery item of `converter-sdk`, the crate that `influxdb-loader converter new` puts into \
                         `vendor/`. Each has an example in its documentation, which is compiled and run: `cargo doc --package \
                         converter-sdk --open` in a project shows them. [Writing converters](../writing-converters.md) is the guide.\n\n\
                         This page is generated from the code: `UPDATE_DOCUMENTS=1 cargo test --release --workspace --test reference`.\n"
        .to_owned();
    for (heading, items) in sections() {
        let heading = format!("\n## {heading}\n\n| item | what |\n|---|---|\n");
        if !generated.contains(&heading) {
            generated.push_str(&heading);
        }
        for item in items {
            // Two editions of one macro.
            let row = format!("| `{}` | {} |\n", item.name, item.sentence());
            let begin = format!("| `{}` |", item.name);
            if !generated.contains(&begin) {
                generated.push_str(&row);
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/sdk-rust.md");
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(path, &generated).unwrap();
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(written == generated, "docs/reference/sdk-rust.md differs from the code; UPDATE_DOCUMENTS=1 writes it");
}
