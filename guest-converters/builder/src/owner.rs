//! Whose build a shared target directory holds.
//!
//! Cargo names what it builds of a workspace by paths relative to the workspace's root, and takes it for fresh by the times of files.
//! To two workspaces that share a target directory, packages of one name are therefore one, and the module of the first is passed off
//! as the second's where the second's files are older: a copy, a checkout of another branch, an archive unpacked.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::process::Output;
use std::time::UNIX_EPOCH;

use serde_json::Value;

/// What distinguishes a workspace from all others that have been built: where it stands, and since when its directory has existed
/// there, where the file system records it.
pub(crate) fn identity(root: &Path) -> io::Result<String> {
    let created = fs::metadata(root)?.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok(format!("{}\n{}\n", root.display(), created.unwrap_or_default().as_nanos()))
}

/// Whether the last build that came to its beginning was this workspace's. From here to [`take`] the directory is nobody's, so that a
/// build that ends halfway leaves nothing that the next one relies on.
pub(crate) fn is(lock: &mut File, identity: &str) -> io::Result<bool> {
    let mut last = Vec::new();
    // No identity is longer, and a file that is is nobody's.
    lock.take(identity.len() as u64 + 1).read_to_end(&mut last)?;
    let same = last == identity.as_bytes();
    if !same {
        lock.set_len(0)?;
    }
    Ok(same)
}

/// Makes the directory this workspace's.
pub(crate) fn take(lock: &mut File, identity: &str) -> io::Result<()> {
    lock.rewind()?;
    lock.write_all(identity.as_bytes())
}

/// The packages that come from directories rather than from a registry, by what `cargo metadata` prints: each as a specification for
/// cargo's options.
pub(crate) fn packages_of_directories(metadata: &Output) -> Vec<String> {
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap_or_default();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter(|package| package["source"].is_null())
        .filter_map(|package| Some(package["id"].as_str()?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use super::*;

    fn open(path: &Path) -> File {
        File::options().create(true).truncate(false).read(true).write(true).open(path).unwrap()
    }

    #[test]
    fn a_directory_is_its_last_owners_until_another_asks() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        assert!(!is(&mut open(&path), "a\n1\n").unwrap(), "at first it is nobody's");
        take(&mut open(&path), "a\n1\n").unwrap();
        assert!(is(&mut open(&path), "a\n1\n").unwrap());
        assert!(!is(&mut open(&path), "a\n").unwrap());
        assert!(!is(&mut open(&path), "a\n1\n").unwrap(), "the one who asked has not taken it");
    }

    #[test]
    fn a_directory_that_is_made_anew_is_another_workspace() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("grid");
        fs::create_dir(&root).unwrap();
        let first = identity(&root).unwrap();
        assert_eq!(identity(&root).unwrap(), first);
        // Where the file system does not record it, the two are one.
        if fs::metadata(&root).unwrap().created().is_ok() {
            // File systems record times by ticks, of some milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(100));
            fs::rename(&root, parent.path().join("old")).unwrap();
            fs::create_dir(&root).unwrap();
            assert_ne!(identity(&root).unwrap(), first);
        }
    }
}
