//! `completions` and `man`: the arguments as shells and `man` read them, made from the same definition that parses them.

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
