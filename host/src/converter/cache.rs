//! Compiled components in files, so that a process which starts where another ran need not compile again.
//!
//! A file holds native code, which runs outside the sandbox: whoever can write it is the loader. So the directory must
//! belong to this user, with no rights for others, and be no link; files are made in it under another name and renamed,
//! so that none is ever half written, and none is ever changed. What is read is held against the digest of the component,
//! the engine's version and configuration, and the SHA-256 of the code; a file that is damaged, or made for something
//! else, is deleted and never loaded. Nothing here fails a load: without the cache, components are compiled.
//!
//! Code is mapped into memory from its file, not read: the system takes its pages back when memory is short, and a
//! converter that is released costs a file descriptor.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// What follows the code in a file begins with this: the format, and its version.
const MAGIC: &[u8; 16] = b"influxdb-loader2";

/// The compatibility hash, the digest of the component, and the digest of the code follow. All of it stands behind the
/// code, which is mapped from the file's first byte on.
const TRAILER_BYTES: usize = MAGIC.len() + 8 + 32 + 32;

/// How much of a file is read at a time.
const READ_BYTES: usize = 64 * 1024;

/// The largest file, in bytes. Native code is a few times as large as its component: an interpreter has some 100 MB.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// All files together, in bytes: half of what a Lambda function has under `/tmp` unless it pays for more.
const MAX_BYTES: u64 = 256 << 20;

/// All files together, in number.
const MAX_FILES: usize = 64;

/// The ends of the names of files: whole ones, and those being written.
const WHOLE: &str = "native";
const PARTIAL: &str = "partial";

/// A directory of compiled components.
#[derive(Debug)]
pub struct CompileCache {
    directory: PathBuf,
    owner: u32,
}

impl CompileCache {
    /// Opens the directory, and makes it where there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be made or written to, is a link, belongs to another user, or others have rights to it.
    pub fn open(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        match DirBuilder::new().mode(0o700).recursive(false).create(&directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let found = fs::symlink_metadata(&directory)?;
        if !found.is_dir() {
            return Err(io::Error::other("it is not a directory"));
        }
        if found.permissions().mode() & 0o077 != 0 {
            return Err(io::Error::other("users other than its owner have rights to it"));
        }
        // Who we are is seen from what we make.
        let probe = Partial::create(&directory)?;
        let owner = probe.file.metadata()?.uid();
        if found.uid() != owner {
            return Err(io::Error::other("it belongs to another user"));
        }
        Ok(Self { directory, owner })
    }

    /// The code of the component of this digest as an engine like this one compiled it.
    pub(super) fn load(&self, engine: &Engine, digest: &str) -> Option<Stored> {
        let path = self.path(engine, digest);
        let loaded = match self.read(&path) {
            Ok(file) => Stored::verify(file, engine, digest),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
        };
        loaded
            .inspect_err(|reason| {
                tracing::warn!(file = %path.display(), "a compiled converter in the cache is not used: {reason}");
                // If it stays, it is not used the next time either.
                drop(fs::remove_file(&path));
            })
            .ok()
    }

    /// Keeps the code of a component. What goes wrong is logged.
    pub(super) fn store(&self, engine: &Engine, digest: &str, code: &[u8]) -> Option<Stored> {
        let stored = self.try_store(engine, digest, code).inspect_err(|reason| {
            tracing::warn!(directory = %self.directory.display(), "a compiled converter is not cached: {reason}");
        });
        stored.ok().and_then(|()| self.load(engine, digest))
    }

    fn try_store(&self, engine: &Engine, digest: &str, code: &[u8]) -> Result<(), String> {
        let size = TRAILER_BYTES as u64 + code.len() as u64;
        if size > MAX_FILE_BYTES {
            return Err(format!("its {size} bytes of native code are more than {MAX_FILE_BYTES}"));
        }
        let trailer = trailer(engine, digest, &Sha256::digest(code)).ok_or("its digest is none")?;
        let write = || {
            self.make_room(size)?;
            let mut partial = Partial::create(&self.directory)?;
            partial.file.write_all(code)?;
            partial.file.write_all(&trailer)?;
            fs::rename(&partial.path, self.path(engine, digest))
        };
        write().map_err(|error: io::Error| error.to_string())
    }

    fn path(&self, engine: &Engine, digest: &str) -> PathBuf {
        self.directory.join(format!("{digest}-{:016x}.{WHOLE}", compatibility(engine)))
    }

    fn read(&self, path: &Path) -> io::Result<File> {
        if !fs::symlink_metadata(path)?.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.uid() != self.owner || metadata.permissions().mode() & 0o077 != 0 {
            return Err(io::Error::other("it belongs to others"));
        }
        if metadata.len() > MAX_FILE_BYTES {
            return Err(io::Error::other(format!("it has {} bytes, more than {MAX_FILE_BYTES}", metadata.len())));
        }
        Ok(file)
    }

    /// Deletes the oldest files until there is room for one more of this size.
    fn make_room(&self, size: u64) -> io::Result<()> {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == WHOLE || extension == PARTIAL) {
                // Another process may have deleted it by now.
                let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
                files.push((metadata.modified()?, metadata.len(), path));
            }
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, size, _)| size).sum();
        let mut count = files.len();
        for (_, file, path) in files {
            if count < MAX_FILES && bytes + size <= MAX_BYTES {
                break;
            }
            drop(fs::remove_file(path));
            count -= 1;
            bytes -= file;
        }
        Ok(())
    }
}

/// A file being written, deleted unless it is renamed.
struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    fn create(directory: &Path) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Random, as process numbers are reused and a file may have been left behind.
        let name = format!("{}-{number}-{:016x}.{PARTIAL}", std::process::id(), fastrand::u64(..));
        let path = directory.join(name);
        // Whoever opens the file later only reads it: what is copied over it in place would change code that is mapped.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(&path)?;
        Ok(Self { path, file })
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Fails where it was renamed.
        drop(fs::remove_file(&self.path));
    }
}

/// A number that differs where code compiled by one engine does not run in another.
fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Files of another format have other names: two releases may share a directory.
    MAGIC.hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    // The crates around wasmtime decide what is compiled, too.
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    hasher.finish()
}

fn trailer(engine: &Engine, digest: &str, code: &[u8]) -> Option<Vec<u8>> {
    let mut trailer = Vec::with_capacity(TRAILER_BYTES);
    trailer.extend_from_slice(MAGIC);
    trailer.extend_from_slice(&compatibility(engine).to_le_bytes());
    for pair in digest.as_bytes().chunks(2) {
        trailer.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
    }
    trailer.extend_from_slice(code);
    (trailer.len() == TRAILER_BYTES).then_some(trailer)
}

/// Code in a file of the cache, found to be whole. It can be mapped whenever it is needed, even when the file has lost its
/// name to make room for others.
#[derive(Debug)]
pub(super) struct Stored {
    file: File,
}

impl Stored {
    fn verify(mut file: File, engine: &Engine, digest: &str) -> Result<Self, String> {
        let broken = |error: io::Error| error.to_string();
        let bytes = file.metadata().map_err(broken)?.len();
        let code = bytes.checked_sub(TRAILER_BYTES as u64).ok_or("it is too short")?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; READ_BYTES];
        let mut left = code;
        while left > 0 {
            // No more than the buffer has.
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(READ_BYTES);
            file.read_exact(&mut buffer[..most]).map_err(broken)?;
            hash.update(&buffer[..most]);
            left -= most as u64;
        }
        let mut found = [0; TRAILER_BYTES];
        file.seek(SeekFrom::Start(code)).map_err(broken)?;
        file.read_exact(&mut found).map_err(broken)?;
        if !found.starts_with(MAGIC) {
            return Err("it is of another format".to_owned());
        }
        if trailer(engine, digest, &hash.finalize()).is_none_or(|expected| expected != found) {
            return Err("it is damaged, or was compiled from or for something else".to_owned());
        }
        Ok(Self { file })
    }

    /// Maps the code. Takes some milliseconds.
    pub(super) fn map(&self, engine: &Engine) -> Result<Component, String> {
        // By its descriptor: another file may have its name by now, or none.
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        #[expect(unsafe_code, reason = "wasmtime cannot check native code; the comment explains why this is its own")]
        // SAFETY: The file must hold what the engine compiled, and must not change while it is mapped. It lay in a directory
        // to which this user alone has had rights since it was made, under a name that ends so, with no rights for others,
        // all of which was checked. `try_store` is the only one to write there, to files that it makes, and that are renamed
        // when they are whole and never written to again. The trailer, which holds the code's SHA-256, was checked when this
        // descriptor was opened: it shows that the code is whole, of this component, and for an engine of this version and
        // configuration.
        unsafe { Component::deserialize_file(engine, path) }.map_err(|error| format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::converter::{Engine, Limits};

    fn cache() -> (tempfile::TempDir, CompileCache) {
        let directory = tempfile::tempdir().unwrap();
        let cache = CompileCache::open(directory.path().join("cache")).unwrap();
        (directory, cache)
    }

    fn only_file(cache: &CompileCache) -> PathBuf {
        let mut files = fs::read_dir(&cache.directory).unwrap();
        let file = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none(), "a partial file is left");
        file
    }

    #[test]
    fn what_was_compiled_once_is_loaded_by_the_next_engine() {
        let (_directory, cache) = cache();
        let compiled =
            Engine::new(Limits::default()).unwrap().compile_cached(converter_components::GENERATION, &cache).unwrap();
        let file = only_file(&cache);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o400);
        let engine = Engine::new(Limits::default()).unwrap();
        let loaded = engine.cached(compiled.digest(), &cache).unwrap().unwrap();
        assert_eq!(loaded.description(), compiled.description());
        assert!(engine.cached(&"0".repeat(64), &cache).is_none());
    }

    #[test]
    fn damaged_and_foreign_files_are_never_loaded_and_made_anew() {
        let (_directory, cache) = cache();
        let engine = Engine::new(Limits::default()).unwrap();
        let digest = engine.compile_cached(converter_components::GENERATION, &cache).unwrap().digest().to_owned();
        let file = only_file(&cache);
        let good = fs::read(&file).unwrap();
        let mut flipped = good.clone();
        flipped[good.len() / 2] ^= 1;
        let trailer = good.len() - TRAILER_BYTES;
        let mut other_engine = good.clone();
        other_engine[trailer + MAGIC.len()] ^= 1;
        let mut other_component = good.clone();
        other_component[trailer + MAGIC.len() + 8] ^= 1;
        for bad in
            [flipped, other_engine, other_component, good[..good.len() - 1].to_vec(), good[..20].to_vec(), vec![]]
        {
            // In its place, as everything that is written here.
            fs::remove_file(&file).unwrap();
            fs::write(&file, bad).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(engine.cached(&digest, &cache).is_none());
            assert!(!file.exists(), "a bad file is deleted");
            engine.compile_cached(converter_components::GENERATION, &cache).unwrap();
            assert!(fs::read(&file).unwrap() == good, "a good one takes its place");
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(engine.cached(&digest, &cache).is_none(), "a file that others may read was not made here");
        std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
        assert!(engine.cached(&digest, &cache).is_none(), "links are not followed");
    }

    #[test]
    fn code_that_is_not_used_is_released_and_mapped_again_even_if_its_file_is_gone() {
        let (_directory, cache) = cache();
        let engine = Engine::new(Limits { code_bytes: 1, ..Limits::default() }).unwrap();
        let first = engine.compile_cached(converter_components::GENERATION, &cache).unwrap();
        assert!(first.is_mapped(), "what was used last stays, whatever its size");
        let kept = first.instantiate().unwrap();
        let second = engine.compile_cached(converter_components::CONSUMPTION, &cache).unwrap();
        assert!(!first.is_mapped() && second.is_mapped());
        for entry in fs::read_dir(&cache.directory).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        drop(first.instantiate().unwrap());
        assert!(first.is_mapped() && !second.is_mapped());
        drop(kept);
    }

    #[test]
    fn code_without_a_file_is_never_released() {
        let engine = Engine::new(Limits { code_bytes: 1, ..Limits::default() }).unwrap();
        let first = engine.compile(converter_components::GENERATION).unwrap();
        let second = engine.compile(converter_components::CONSUMPTION).unwrap();
        assert!(first.is_mapped() && second.is_mapped());
    }

    #[test]
    fn a_directory_that_others_have_rights_to_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let shared = directory.path().join("shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(CompileCache::open(&shared).unwrap_err().to_string().contains("rights"));
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o700)).unwrap();
        CompileCache::open(&shared).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&shared, &link).unwrap();
        assert!(CompileCache::open(&link).unwrap_err().to_string().contains("not a directory"));
    }

    #[test]
    fn the_oldest_files_make_room() {
        let (_directory, cache) = cache();
        let name = |number: usize| cache.directory.join(format!("{number}.{WHOLE}"));
        for number in 0..MAX_FILES {
            let file = File::create(name(number)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number as u64)).unwrap();
        }
        cache.make_room(1).unwrap();
        assert!(!name(0).exists() && name(1).exists());
        let file = File::options().write(true).open(name(1)).unwrap();
        file.set_len(MAX_BYTES).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        cache.make_room(1).unwrap();
        assert!(!name(1).exists() && name(2).exists());
    }
}
