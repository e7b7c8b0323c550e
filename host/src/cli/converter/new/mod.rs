//! `converter new`: a sample → a project.

mod guess;
mod python;
mod rust;
mod sdk;

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use guess::Guess;

use super::project::{Language, ProjectError};
use crate::cli::{CliError, print};
use crate::dataset;
use crate::source::{ColumnType, Memory, ParquetObject, Selection};

/// The rows of the sample that the project keeps: enough to see what a row becomes, few enough to review.
const SAMPLE_ROWS: usize = 20;

/// The names of a project.
struct Names {
    /// The converter's and the dataset's: words of lower case, joined by `-`.
    name: String,
    /// The package's: no keyword, and no other package's.
    package: String,
    /// The structure's that the converter is in Rust.
    structure: String,
    measurement: String,
}

impl Names {
    fn new(name: &str) -> Result<Self, ProjectError> {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !begins || !name.split('-').all(is_word) || name.len() > 64 {
            return Err(ProjectError::Name(name.to_owned()));
        }
        let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
        Ok(Self {
            name: name.to_owned(),
            package: format!("{name}-converter"),
            structure: name.split('-').map(capital).collect::<String>() + "Converter",
            measurement: name.replace('-', "_"),
        })
    }
}

/// Makes a project. Returns true: what cannot be made is an error.
pub(super) fn new(name: &str, language: Language, sample: &Path, directory: Option<&Path>) -> Result<bool, CliError> {
    let names = Names::new(name)?;
    let directory = directory.unwrap_or(Path::new(name));
    if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(ProjectError::NotEmpty(directory.to_owned()).into());
    }
    let object = ParquetObject::open_file(sample, Memory::default())?;
    let guess = guess(sample, &object)?;
    let (files, sdk, source, test) = match language {
        Language::Rust => {
            (rust::files(&names, &guess), &sdk::RUST[..], "src/lib.rs", "- `cargo test` tests it row by row.\n")
        }
        Language::Python => (python::files(&names, &guess), &sdk::PYTHON[..], "src/converter.py", ""),
    };
    let golden = Path::new("golden").join(partitions(sample, &guess)).join("sample.parquet");
    let in_readme = golden.with_extension("").display().to_string();
    let readme = [("name", name), ("source", source), ("test", test), ("sample", &in_readme)];
    let readme = fill(include_str!("templates/README.md.txt"), &readme);
    for (path, text) in sdk::CONTRACT.iter().chain(sdk) {
        write(&directory.join(path), text.as_bytes())?;
    }
    for (path, text) in files {
        write(&directory.join(path), text.as_bytes())?;
    }
    write(&directory.join("README.md"), readme.as_bytes())?;
    write(&directory.join(golden), &object.head(SAMPLE_ROWS)?)?;
    let columns = |columns: &[_]| columns.iter().map(column_name).collect::<Vec<_>>();
    let tags = guess.partitions.iter().map(|name| format!("{name} (of the key)")).chain(columns(&guess.tags));
    print(&format!(
        "{directory}: a converter for the dataset `{name}`, guessed from `{sample}`\n\
         time    {}\ntags    {}\nfields  {}\n\
         next    review `{directory}/{source}`, then `influxdb-loader converter build {directory}`\n",
        guess.time.name,
        tags.collect::<Vec<_>>().join(", "),
        columns(&guess.fields).join(", "),
        directory = directory.display(),
        sample = sample.display(),
    ))?;
    Ok(true)
}

fn column_name(column: &crate::source::ColumnSchema) -> String {
    column.name.clone()
}

/// The directories of the sample that are partitions which the converter uses: its golden sample lies below the same.
fn partitions(sample: &Path, guess: &Guess) -> PathBuf {
    let directories = sample.parent().into_iter().flat_map(Path::components);
    let is_used = |directory: &Component<'_>| {
        let segment = directory.as_os_str().to_string_lossy();
        dataset::partitions(&format!("{segment}/")).iter().any(|(name, _)| guess.partitions.contains(name))
    };
    directories.filter(is_used).collect()
}

fn guess(sample: &Path, object: &ParquetObject) -> Result<Guess, CliError> {
    let readable = object.columns().iter().enumerate().filter(|(_, column)| column.column_type != ColumnType::Other);
    let readable = readable.map(|(index, _)| index).collect();
    let rows = object.read(readable, SAMPLE_ROWS, &Selection::All)?.next().transpose()?;
    let rows = rows.map(|batch| batch.columns);
    let rows = rows.unwrap_or_else(|| arrow::array::RecordBatch::new_empty(arrow::datatypes::Schema::empty().into()));
    Ok(Guess::new(&sample.display().to_string(), object.columns(), &rows)?)
}

/// A template with `{name}` replaced by what stands for it. Other braces stay as they are.
fn fill(template: &str, placeholders: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let (before, after) = rest.split_at(open);
        text.push_str(before);
        let known = placeholders
            .iter()
            .find_map(|(name, value)| Some((value, after.strip_prefix('{')?.strip_prefix(name)?.strip_prefix('}')?)));
        match known {
            Some((value, after)) => {
                text.push_str(value);
                rest = after;
            }
            None => {
                text.push('{');
                rest = &after[1..];
            }
        }
    }
    text + rest
}

/// Writes a file that is not there yet, and the directories above it.
fn write(path: &Path, bytes: &[u8]) -> Result<(), ProjectError> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
        let mut file = fs::File::create_new(path)?;
        io::Write::write_all(&mut file, bytes)
    };
    write().map_err(ProjectError::file(path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use super::*;

    #[test]
    fn a_template_is_filled_and_its_own_braces_stay() {
        let text = fill("fn {name}() { {other} {name} }", &[("name", "{other}")]);
        assert_eq!(text, "fn {other}() { {other} {other} }");
    }

    #[test]
    fn names_are_made_of_the_converters() {
        let names = Names::new("grid-load2").unwrap();
        assert_eq!(
            [names.package, names.structure, names.measurement],
            ["grid-load2-converter", "GridLoad2Converter", "grid_load2"]
        );
        for name in ["", "Grid", "grid_load", "grid-", "2grid", "../grid", "gríd", &"a".repeat(65)] {
            assert!(Names::new(name).is_err(), "{name}");
        }
    }
}
