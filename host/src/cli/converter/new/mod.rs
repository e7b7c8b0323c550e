//! `converter new`: a sample → a project.

mod guess;
mod python;
mod rust;
mod sdk;

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde_json::json;

pub(super) use guess::Choices;
use guess::{Guess, Unit};

use super::project::{Language, ProjectError};
use crate::cli::{CliError, print};
use crate::dataset;
use crate::source::{ColumnSchema, ColumnType, Memory, ParquetObject, Selection};

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
pub(super) fn new(
    name: &str,
    language: Language,
    sample: &Path,
    directory: Option<&Path>,
    choices: &Choices,
    as_json: bool,
) -> Result<bool, CliError> {
    let mut names = Names::new(name)?;
    if let Some(measurement) = &choices.measurement {
        names.measurement.clone_from(measurement);
    }
    let directory = directory.unwrap_or(Path::new(name));
    if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(ProjectError::NotEmpty(directory.to_owned()).into());
    }
    let object = ParquetObject::open_file(sample, Memory::default())?;
    let guess = guess(sample, &object, choices)?;
    let (files, sdk, source, test) = match language {
        Language::Rust => {
            (rust::files(&names, &guess), &sdk::RUST[..], "src/lib.rs", "- `cargo test` tests it row by row.\n")
        }
        Language::Python => (
            python::files(&names, &guess),
            &sdk::PYTHON[..],
            "src/converter.py",
            "- `requirements.txt` names the packages that it imports. They are in the component if they are pure Python.\n",
        ),
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
    let source = directory.join(source);
    print(&if as_json {
        format!("{}\n", facts(&names, directory, &source, &guess))
    } else {
        summary(&names, directory, &source, sample, &guess)
    })?;
    Ok(true)
}

/// What was made, for people.
fn summary(names: &Names, directory: &Path, source: &Path, sample: &Path, guess: &Guess) -> String {
    let (directory, source, sample) = (directory.display(), source.display(), sample.display());
    let columns = |columns: &[ColumnSchema]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    let tags = guess.partitions.iter().map(|name| format!("{name} (of the key)")).chain(columns(&guess.tags));
    let time = match (guess.has_time, guess.time.column_type) {
        (false, _) => "TODO: no column looks like one".to_owned(),
        (true, ColumnType::Integer) => format!("{} ({} since 1970)", guess.time.name, guess.unit.name()),
        (true, _) => guess.time.name.clone(),
    };
    let mut text = format!(
        "{directory}: a converter for the dataset `{}`, guessed from `{sample}`\n\
         point   {}\ntime    {time}\ntags    {}\nfields  {}\n",
        names.name,
        names.measurement,
        tags.collect::<Vec<_>>().join(", "),
        columns(&guess.fields).join(", "),
    );
    for (column, reason) in &guess.unused {
        text.push_str(&format!("unused  {} ({}): {reason}\n", column.name, column.source_type));
    }
    let todo = if guess.has_time { "review" } else { "name the time: `--time COLUMN`, or in" };
    text.push_str(&format!("next    {todo} `{source}`, then `influxdb-loader converter build {directory}`\n"));
    text
}

/// What was made, as JSON.
fn facts(names: &Names, directory: &Path, source: &Path, guess: &Guess) -> serde_json::Value {
    let columns = |columns: &[ColumnSchema]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    let unused = guess
        .unused
        .iter()
        .map(|(column, reason)| json!({ "name": column.name, "type": column.source_type, "reason": reason }));
    let is_counted = guess.unit != Unit::Nanoseconds || guess.time.column_type == ColumnType::Integer;
    json!({
        "directory": directory.display().to_string(), "source": source.display().to_string(),
        "dataset": names.name, "measurement": names.measurement,
        "time": guess.has_time.then_some(&guess.time.name), "unit": is_counted.then(|| guess.unit.name()),
        "partitions": guess.partitions, "tags": columns(&guess.tags), "fields": columns(&guess.fields),
        "unused": unused.collect::<Vec<_>>(),
    })
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

fn guess(sample: &Path, object: &ParquetObject, choices: &Choices) -> Result<Guess, CliError> {
    let readable = object.columns().iter().enumerate().filter(|(_, column)| column.column_type != ColumnType::Other);
    let readable = readable.map(|(index, _)| index).collect();
    let rows = object.read(readable, SAMPLE_ROWS, &Selection::All)?.next().transpose()?;
    let rows = rows.map(|batch| batch.columns);
    let rows = rows.unwrap_or_else(|| arrow::array::RecordBatch::new_empty(arrow::datatypes::Schema::empty().into()));
    Ok(Guess::new(&sample.display().to_string(), object.columns(), &rows, choices)?)
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

/// Writes a file that does not exist yet, and the directories above it.
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
