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
