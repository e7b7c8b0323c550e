//! Keeping rejected rows while their object is loaded, on a thread of its own.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::draft::Draft;
use super::writer::RejectWriter;
use super::{Origin, RejectsError, blocking, stopped};
use crate::logs::on_a_thread;
use crate::report::RejectedRow;
use crate::source::ParquetObject;

/// Batches of rows that wait for the thread: whoever brings more waits, too.
const WAITING: usize = 1;

/// A [`RejectWriter`] on a thread that may block. Without [`Self::finish`] nothing is kept.
pub struct Keeper {
    rows: mpsc::Sender<Vec<RejectedRow>>,
    thread: JoinHandle<Result<RejectWriter, RejectsError>>,
}

/// No more rows are taken, for the reason that [`Keeper::finish`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl Keeper {
    /// Begins to keep the rejected rows of an object in a draft.
    pub fn start(object: ParquetObject, origin: Origin, draft: Draft) -> Self {
        let (rows, mut received) = mpsc::channel::<Vec<RejectedRow>>(WAITING);
        let thread = on_a_thread(move || {
            let mut writer = RejectWriter::new(object, &origin, draft);
            while let Some(rows) = received.blocking_recv() {
                for row in rows {
                    writer.push(row)?;
                }
            }
            Ok(writer)
        });
        Self { rows, thread }
    }

    /// Takes rejected rows, in any order.
    ///
    /// # Errors
    ///
    /// When rows before them could not be kept.
    pub async fn push(&self, rows: Vec<RejectedRow>) -> Result<(), Gone> {
        self.rows.send(rows).await.map_err(|_| Gone)
    }

    /// Waits until all rows are in the draft; with `end`, rows from this number on are skipped as far as they have not
    /// been written down already.
    ///
    /// # Errors
    ///
    /// When they cannot be kept.
    pub async fn finish(self, end: Option<u64>) -> Result<Draft, RejectsError> {
        let Self { rows, thread } = self;
        drop(rows);
        let writer = thread.await.map_err(stopped)??;
        blocking(move || writer.finish(end)).await
    }
}
