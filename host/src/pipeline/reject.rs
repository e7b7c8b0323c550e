//! What is done with the rejected rows of a load.

use std::time::Instant;

use super::Location;
use super::row_groups::RowGroups;
use crate::config::RejectsUri;
use crate::rejects::{Draft, Keeper, Origin, Place, RejectsError, Source};
use crate::report::{ConverterId, ObjectReport};
use crate::source::ParquetObject;

/// Where rejected rows are kept.
pub(super) enum Keep<'a> {
    /// Nowhere: they are counted.
    Nowhere,
    /// At the place of their object below this one.
    Below(&'a RejectsUri),
    /// In a draft, which somebody else publishes.
    Draft(Draft),
}

/// The rejected rows of a load, being kept.
pub(super) struct Rejects<'a> {
    keeper: Keeper,
    /// Where they are kept; `None` in a draft.
    place: Option<(&'a RejectsUri, Source)>,
}

impl<'a> Keep<'a> {
    /// Begins to keep the rejected rows of an object that has been opened; `None` where they are not kept.
    pub(super) fn start(
        self,
        location: &Location,
        object: &ParquetObject,
        dataset: &str,
        converter: ConverterId,
    ) -> Result<Option<Rejects<'a>>, RejectsError> {
        let (draft, place) = match self {
            Self::Nowhere => return Ok(None),
            Self::Below(uri) => {
                let source = source(location, object)?;
                (Draft::new(Place::of(uri, &source, None)), Some((uri, source)))
            }
            Self::Draft(draft) => (draft, None),
        };
        let origin = Origin { source: source(location, object)?, dataset: dataset.to_owned(), converter };
        Ok(Some(Rejects { keeper: Keeper::start(object.clone(), origin, draft), place }))
    }
}

impl Rejects<'_> {
    /// What takes them.
    pub(super) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// As [`Self::finish`], with an end in time.
    pub(super) async fn finish_before(
        self,
        end: Option<Instant>,
        loaded: bool,
        row_groups: &RowGroups,
        report: &mut ObjectReport,
    ) -> Result<Option<Draft>, RejectsError> {
        let finish = self.finish(loaded, row_groups, report);
        match end {
            Some(end) => tokio::time::timeout_at(end.into(), finish).await.unwrap_or(Err(RejectsError::NoTime)),
            None => finish.await,
        }
    }

    /// Writes them where they are kept, and that into the report; where others publish them, the draft is returned.
    ///
    /// What is kept of an earlier load of the same rows is replaced, also of parts of an object that is loaded as a whole. A load that
    /// rejected nothing removes it, unless it failed: it may not have come to the rows that would be rejected.
    async fn finish(
        self,
        loaded: bool,
        row_groups: &RowGroups,
        report: &mut ObjectReport,
    ) -> Result<Option<Draft>, RejectsError> {
        let stopped = report.remaining.is_some();
        // Rows of row groups that are loaded once more are rejected then.
        let end = stopped.then(|| row_groups.done_rows());
        let draft = self.keeper.finish(end).await?;
        let Some((uri, source)) = self.place else { return Ok(Some(draft)) };
        let part = if stopped { Some(row_groups.done()) } else { row_groups.part() };
        let place = Place::of(uri, &source, part.as_ref());
        let is_empty = draft.is_empty();
        if is_empty && !loaded {
            return Ok(None);
        }
        match draft.publish_at(place.clone(), None).await {
            Ok(()) => {
                report.rejects = Some(place.to_string()).filter(|_| !is_empty);
                if part.is_none()
                    && loaded
                    && let Err(error) = place.remove_parts().await
                {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(%place, error, "the rejected rows of parts of the object cannot be removed");
                }
            }
            // Nothing is lost: the rejected rows of an earlier load remain, though they are no longer true.
            Err(error) if is_empty => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(%place, error, "the rejected rows of an earlier load cannot be removed");
            }
            Err(error) => return Err(error),
        }
        Ok(None)
    }
}

fn source(location: &Location, object: &ParquetObject) -> Result<Source, RejectsError> {
    match location {
        Location::File(path) => Source::file(path),
        Location::S3(reference) => Ok(Source::S3 {
            bucket: reference.bucket.clone(),
            key: reference.key.clone(),
            version_id: object.state().and_then(|state| state.version).or_else(|| reference.version_id.clone()),
            etag: object.etag().map(str::to_owned),
        }),
    }
}
