//! `completions`, `man` and the reference of the commands, all made from the definition that parses arguments.

use std::fs;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;

use super::{CliError, print};

/// Prints the script that completes arguments in a shell. Returns true.
pub(super) fn completions(mut command: Command, shell: Shell) -> Result<bool, CliError> {
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    clap_complete::generate(shell, &mut command, &name, &mut script);
    // For bash, the `-` of the program's name is written in two ways, so that no command below it would be found.
    let script = String::from_utf8_lossy(&script).replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"));
    print(&script)?;
    Ok(true)
}

/// Writes a page for every command into a directory, which is made where it does not exist. Returns true.
pub(super) fn man(command: Command, directory: &Path) -> Result<bool, CliError> {
    let written = fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(command, directory));
    written.map_err(|cause| CliError::Write { path: directory.display().to_string(), cause })?;
    Ok(true)
}

/// Every command with its `--help`, as a document.
#[cfg(test)]
pub(super) fn reference(command: Command) -> String {
    let mut command = command.term_width(100);
    command.build();
    let mut text = String::from(
        "# Commands\n\nThis page is generated from `--help`: `UPDATE_DOCUMENTS=1 cargo test --release --workspace --lib \
         the_reference`.\n\n| command | purpose |\n|---|---|\n",
    );
    let mut pages = String::new();
    describe(&mut command, &mut text, &mut pages);
    text + &pages
}

/// Adds a line of the table and a section for a command that does something itself, else for each below it.
#[cfg(test)]
fn describe(command: &mut Command, table: &mut String, pages: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    if command.has_subcommands() {
        command.get_subcommands_mut().filter(|it| it.get_name() != "help").for_each(|it| describe(it, table, pages));
        return;
    }
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let anchor = name.replace(' ', "-");
    table.push_str(&format!("| [`{name}`](#{anchor}) | {} |\n", about.replace('|', "\\|")));
    let help = command.render_long_help().to_string();
    let lines: Vec<_> = help.lines().map(str::trim_end).collect();
    pages.push_str(&format!("\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end()));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;
    use crate::cli::Arguments;

    /// The words of a command, up to where the shell does something else with it.
    fn words(command: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for c in command.chars() {
            match (quote, c) {
                (Some(end), _) if c == end => quote = None,
                (None, '"' | '\'') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (None, '|' | '>' | '&' | ';' | ')') => break,
                (None, '#') if word.is_none() => break,
                (None, _) if c.is_whitespace() => words.extend(word.take()),
                _ => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        words
    }

    /// The commands in blocks, with true, and in running text, which may lack arguments.
    fn commands(text: &str) -> Vec<(bool, String)> {
        let text = text.replace("\\\n", " ");
        let (mut found, mut is_fenced) = (Vec::new(), false);
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                is_fenced = !is_fenced;
            }
            if is_fenced || line.starts_with("  ") {
                // Behind settings, and behind what else stands in the line.
                let starts = line.match_indices("influxdb-loader ").map(|(start, _)| line.split_at(start));
                let is_command = |before: &str| {
                    let before = before.rsplit(['|', '&']).next().unwrap_or_default();
                    before.split_whitespace().all(|word| word.contains('='))
                };
                found.extend(starts.filter(|(before, _)| is_command(before)).map(|(_, it)| (true, it.to_owned())));
            }
            if !is_fenced {
                let quoted = line.split('`').skip(1).step_by(2).filter(|it| it.starts_with("influxdb-loader "));
                found.extend(quoted.map(|it| (false, it.to_owned())));
            }
        }
        found
    }

    #[test]
    fn the_program_understands_every_command_of_the_documents_and_of_its_help() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let of = |directory: &str| fs::read_dir(root.join(directory)).unwrap().map(|entry| entry.unwrap().path());
        let files = ["", "docs", "docs/reference"].into_iter().flat_map(of);
        let (mut number, mut faults) = (0, Vec::new());
        for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
            for (is_whole, command) in commands(&fs::read_to_string(&path).unwrap()) {
                number += 1;
                let understood = match Arguments::command().try_get_matches_from(words(&command)) {
                    Ok(_) => true,
                    Err(error) => match error.kind() {
                        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
                        // Running text has placeholders, and lacks what does not matter to it.
                        ErrorKind::InvalidValue
                        | ErrorKind::ValueValidation
                        | ErrorKind::MissingRequiredArgument
                        | ErrorKind::MissingSubcommand
                        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => !is_whole,
                        _ => false,
                    },
                };
                if !understood {
                    faults.push(format!("{}: `{command}` is not understood", path.display()));
                }
            }
        }
        assert!(faults.is_empty(), "{faults:#?}");
        assert!(number > 150, "{number}");
    }
}
