//! Line protocol as text: to a file, or to standard output.
//!
//! A file appears under its name when it is complete and not before. Until then its lines are in a temporary file beside
//! it, which goes away when the writer is abandoned or dropped.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinError;

use super::{Delivery, Gzip, Parcel, SinkError, Tries};
use crate::config::Compression;
use crate::points::Dialect;

/// Writes line protocol as text. Chunks written at the same time come out in any order, each in one piece.
#[derive(Clone, Debug)]
pub struct LineWriter {
    output: Arc<Mutex<Output>>,
    compresses: bool,
    dialect: Dialect,
}

impl LineWriter {
    /// A writer to standard output, which compresses only on request.
    pub fn stdout(compression: Compression) -> Self {
        Self::stream(Box::new(io::stdout()), compression == Compression::Gzip)
    }

    /// A writer to what stands for standard output.
    pub(super) fn stream(stream: Box<dyn Write + Send>, compresses: bool) -> Self {
        Self::new(Output { destination: Destination::Stdout, state: State::Stream(stream), bytes: 0 }, compresses)
    }

    /// A writer to the file `path`, which is replaced when [`LineWriter::finish`] is called. Where compression is not
    /// set, a name that ends with `.gz` selects it.
    ///
    /// What exists and is not a regular file (a device, a named pipe) is written to directly.
    ///
    /// # Errors
    /// [`SinkError::File`] where no file can be created there.
    pub fn file(path: &Path, compression: Compression) -> Result<Self, SinkError> {
        let compresses = match compression {
            Compression::Gzip => true,
            Compression::None => false,
            Compression::Auto => path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz")),
        };
        let output = Output::file(path).map_err(|source| SinkError::File { path: path.to_owned(), source })?;
        Ok(Self::new(output, compresses))
    }

    fn new(output: Output, compresses: bool) -> Self {
        Self { output: Arc::new(Mutex::new(output)), compresses, dialect: Dialect::Any }
    }

    /// The same, whose lines are for this engine alone.
    #[must_use]
    pub fn speaking(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// Whom the lines are for.
    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether lines are compressed.
    pub(super) fn compresses(&self) -> bool {
        self.compresses
    }

    /// Writes the lines of a parcel; see [`Sink::write`](super::Sink::write).
    /// Threads that make parcels write them on the spot with [`Self::write_here`].
    pub(super) async fn write(&self, parcel: Parcel, deadline: Option<Instant>) -> Result<Delivery, SinkError> {
        let this = self.clone();
        blocking(move || this.write_here(&parcel, deadline)).await
    }

    /// The same on this thread, for as long as that takes: the disk, and the reader of a pipe, take the time that they take.
    pub(crate) fn write_here(&self, parcel: &Parcel, deadline: Option<Instant>) -> Result<Delivery, SinkError> {
        let started = Instant::now();
        let chunk = parcel.chunk();
        if chunk.points() == 0 {
            return Ok(Delivery::default());
        }
        let mut output = self.output();
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            let (destination, tries) = (output.destination.to_string(), Tries { attempts: 0, elapsed: Duration::ZERO });
            return Err(SinkError::DeadlineReached { destination, tries, source: None });
        }
        let bytes_written = output.write(parcel.body())?;
        Ok(Delivery {
            rows: chunk.rows().len(),
            points: chunk.points() as u64,
            line_protocol_bytes: chunk.body().len() as u64,
            requests: 1,
            bytes_written,
            latency: started.elapsed(),
            ..Delivery::default()
        })
    }

    /// Gives the file its name; see [`Sink::finish`](super::Sink::finish).
    pub(super) async fn finish(&self) -> Result<(), SinkError> {
        let this = self.clone();
        blocking(move || {
            let mut output = this.output();
            if this.compresses && output.bytes == 0 {
                // Nothing at all is no gzip file.
                output.write(&Gzip::default().compress(&[]))?;
            }
            output.finish()
        })
        .await
    }

    /// Removes an unfinished file; see [`Sink::abandon`](super::Sink::abandon).
    pub(super) async fn abandon(&self) {
        let this = self.clone();
        blocking(move || this.output().state = State::Closed).await;
    }

    /// The output, when whoever has it is done with it.
    fn output(&self) -> MutexGuard<'_, Output> {
        // A lock is poisoned by a panic, and what panicked here has left the output as it is: errors close it.
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does `work` where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await.map_err(JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // Cancelled, which happens to blocking work only when the runtime shuts down: then nobody waits here.
        Err(Err(_)) => std::future::pending().await,
    }
}

/// Where lines go, and how far that is.
#[derive(Debug)]
struct Output {
    destination: Destination,
    state: State,
    /// Bytes written.
    bytes: u64,
}

/// What the user calls it.
#[derive(Clone, Debug)]
enum Destination {
    Stdout,
    File(PathBuf),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// What is behind it.
enum State {
    /// What is written to directly.
    Stream(Box<dyn Write + Send>),
    /// What gets its name when it is complete.
    Unfinished(Unfinished),
    /// A file that is complete, and whatever has failed or was abandoned.
    Closed,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream(_) => "Stream",
            Self::Unfinished(_) => "Unfinished",
            Self::Closed => "Closed",
        })
    }
}

impl Output {
    fn file(path: &Path) -> io::Result<Self> {
        let state = match fs::metadata(path) {
            // Through links, so that the file is replaced and not the link to it.
            Ok(metadata) if metadata.is_file() => State::Unfinished(Unfinished::create(fs::canonicalize(path)?)?),
            Ok(_) => State::Stream(Box::new(File::options().write(true).open(path)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                State::Unfinished(Unfinished::create(path.to_owned())?)
            }
            Err(error) => return Err(error),
        };
        Ok(Self { destination: Destination::File(path.to_owned()), state, bytes: 0 })
    }

    /// Writes whole lines, and returns how many bytes they are. After an error, which may leave half a line behind, the
    /// output is closed.
    fn write(&mut self, lines: &[u8]) -> Result<u64, SinkError> {
        let written = match &mut self.state {
            State::Stream(stream) => stream.write_all(lines),
            State::Unfinished(unfinished) => unfinished.file.write_all(lines),
            State::Closed => Err(ErrorKind::BrokenPipe.into()),
        };
        written.map_err(|error| self.fail(error))?;
        self.bytes += lines.len() as u64;
        Ok(lines.len() as u64)
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        let finished = match &mut self.state {
            State::Stream(stream) => stream.flush(),
            State::Unfinished(unfinished) => unfinished.finish(),
            State::Closed => Err(ErrorKind::BrokenPipe.into()),
        };
        finished.map_err(|error| self.fail(error))?;
        if let State::Unfinished(_) = self.state {
            self.state = State::Closed;
        }
        Ok(())
    }

    fn fail(&mut self, source: io::Error) -> SinkError {
        self.state = State::Closed;
        match &self.destination {
            Destination::Stdout if source.kind() == ErrorKind::BrokenPipe => SinkError::Closed,
            Destination::Stdout => SinkError::Output(source),
            Destination::File(path) => SinkError::File { path: path.clone(), source },
        }
    }
}

/// A file under a temporary name, which is removed with this value unless it is finished.
struct Unfinished {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
}

impl Unfinished {
    /// Creates the temporary file beside the target: a file can be renamed within one file system only.
    fn create(target: PathBuf) -> io::Result<Self> {
        let Some(name) = target.file_name() else { return Err(ErrorKind::InvalidFilename.into()) };
        let mut temporary_name = OsString::from(".");
        temporary_name.push(name);
        temporary_name.push(format!(".{:016x}.partial", fastrand::u64(..)));
        let temporary = target.with_file_name(temporary_name);
        let file = File::options().write(true).create_new(true).open(&temporary)?;
        Ok(Self { file, temporary, target })
    }

    /// Gives the file its name, once its content is on the disk.
    fn finish(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.target)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Of a finished file there is none left under this name; of any other, an error would have no reader.
        drop(fs::remove_file(&self.temporary));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use std::error::Error;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use flate2::read::MultiGzDecoder;

    use super::*;
    use crate::points::Chunk;
    use crate::sink::Packer;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    async fn write(lines: &LineWriter, text: &str) -> Result<Delivery, SinkError> {
        lines.write(Packer::new(lines.compresses()).pack(Chunk::of_lines(text)), None).await
    }

    #[tokio::test]
    async fn a_file_has_its_name_only_when_it_is_finished() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("points.lp");
        fs::write(&path, "before").unwrap();
        let lines = LineWriter::file(&path, Compression::Auto).unwrap();
        write(&lines, "a x=1 1\n").await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(names(directory.path()).len(), 2);
        lines.finish().await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a x=1 1\n");
        assert_eq!(names(directory.path()), ["points.lp"]);
    }

    #[tokio::test]
    async fn a_file_that_is_named_gz_is_compressed_unless_the_setting_says_otherwise() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("points.lp.gz");
        let text = async |compression, chunks: &[&str]| {
            let lines = LineWriter::file(&path, compression).unwrap();
            for chunk in chunks {
                write(&lines, chunk).await.unwrap();
            }
            lines.finish().await.unwrap();
            let mut text = String::new();
            MultiGzDecoder::new(File::open(&path).unwrap()).read_to_string(&mut text).map(|_| text)
        };
        assert_eq!(text(Compression::Auto, &["a x=1 1\n", "b x=1 1\n"]).await.unwrap(), "a x=1 1\nb x=1 1\n");
        assert_eq!(text(Compression::Auto, &[]).await.unwrap(), "");
        assert!(text(Compression::None, &["a x=1 1\n"]).await.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "a x=1 1\n");
    }

    #[tokio::test]
    async fn an_unfinished_file_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("points.lp");
        let abandoned = LineWriter::file(&path, Compression::Auto).unwrap();
        write(&abandoned, "a x=1 1\n").await.unwrap();
        abandoned.abandon().await;
        let dropped = LineWriter::file(&path, Compression::Auto).unwrap();
        write(&dropped, "a x=1 1\n").await.unwrap();
        drop(dropped);
        assert_eq!(names(directory.path()), [""; 0]);
    }

    #[tokio::test]
    async fn a_closed_file_takes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let lines = LineWriter::file(&directory.path().join("points.lp"), Compression::Auto).unwrap();
        lines.finish().await.unwrap();
        assert!(matches!(write(&lines, "a x=1 1\n").await, Err(SinkError::File { .. })));
        assert!(matches!(lines.finish().await, Err(SinkError::File { .. })));
    }

    #[tokio::test]
    async fn a_link_is_followed_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("target.lp"), directory.path().join("link.lp"));
        fs::write(&target, "").unwrap();
        symlink(&target, &link).unwrap();
        let lines = LineWriter::file(&link, Compression::Auto).unwrap();
        write(&lines, "a x=1 1\n").await.unwrap();
        lines.finish().await.unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "a x=1 1\n");
    }

    #[tokio::test]
    async fn a_device_is_written_to_and_not_replaced() {
        let lines = LineWriter::file(Path::new("/dev/full"), Compression::Auto).unwrap();
        let error = write(&lines, "a x=1 1\n").await.unwrap_err();
        assert_eq!(error.to_string(), "`/dev/full` cannot be written");
        assert!(error.source().unwrap().to_string().contains("No space left"));
        assert!(!fs::metadata("/dev/full").unwrap().is_file());
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let error = LineWriter::file(Path::new("/nowhere/points.lp"), Compression::Auto).unwrap_err();
        assert_eq!(error.to_string(), "`/nowhere/points.lp` cannot be written");
    }

    #[tokio::test]
    async fn a_reader_that_goes_is_told_from_an_error() {
        let (reader, writer) = io::pipe().unwrap();
        let lines = LineWriter::stream(Box::new(writer), false);
        write(&lines, "a x=1 1\n").await.unwrap();
        drop(reader);
        assert!(matches!(write(&lines, "a x=1 1\n").await, Err(SinkError::Closed)));
        assert!(matches!(write(&lines, "a x=1 1\n").await, Err(SinkError::Closed)));
        assert!(matches!(lines.finish().await, Err(SinkError::Closed)));
    }
}
