//! Where the documents of a ledger stand, how they get there, and how they are found.

use std::ops::Range;

use futures_util::{Stream, StreamExt, stream};

use super::document::{DOCUMENT_BYTES, Document, Subject};
use super::error::LedgerError;
use crate::config::RejectsUri;
use crate::rejects::{Depth, Draft, Place, RejectsError, Source, State, find_below, name};

/// The ending of documents.
const EXTENSION: &str = ".json";

/// How often a document is written where others write it at the same time.
const ATTEMPTS: usize = 8;

/// How many documents are read at a time.
const AT_A_TIME: usize = 16;

/// What documents that are held together may have, in bytes of their texts, and what one counts that cannot be read.
const HELD_BYTES: usize = 128 << 20;
const ERROR_BYTES: usize = 4096;

/// Where loads are recorded.
#[derive(Clone, Debug)]
pub struct Ledger {
    uri: RejectsUri,
}

impl Ledger {
    /// The ledger at a place.
    pub fn new(uri: RejectsUri) -> Self {
        Self { uri }
    }

    /// Records a load, in the place of an earlier one of the same rows. The record of one that began later stays: its points have
    /// replaced those of this one. Returns where it is recorded.
    ///
    /// # Errors
    ///
    /// When the place does not take it.
    pub async fn record(&self, document: &Document) -> Result<Place, LedgerError> {
        let place = self.place(document);
        let mut expected = State::Absent;
        for _ in 0..ATTEMPTS {
            let mut draft = Draft::new(place.clone());
            draft.append(&document.to_json())?;
            match draft.publish(Some(expected)).await {
                Ok(()) => return Ok(place),
                Err(RejectsError::Changed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            expected = match place.clone().read(DOCUMENT_BYTES).await {
                Ok((text, state)) => {
                    match parse(&place, text.as_deref()) {
                        Ok(there) if there.started_at > document.started_at && self.place(&there) == place => {
                            tracing::info!(%place, "a later load of the same rows is recorded already");
                            return Ok(place);
                        }
                        Ok(_) => {}
                        // Whatever it is, the points of this load are written, and nothing else shows it.
                        Err(problem) => tracing::warn!("a damaged document of the ledger is replaced: {problem}"),
                    }
                    state.unwrap_or(State::Absent)
                }
                Err(RejectsError::NotFound { .. }) => State::Absent,
                Err(error) => return Err(error.into()),
            };
        }
        Err(LedgerError::Contended { place: place.to_string() })
    }

    /// What is recorded of an object, in all of its versions.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be looked at, and when a document is none.
    pub async fn of(&self, source: &Source) -> Result<Vec<Document>, LedgerError> {
        let beginning = format!("{}/", directory(source));
        // Deeper down are those of other objects, whose keys begin with this one's and a slash.
        let places = self.places(&beginning, Depth::Own).await?;
        let shown = source.to_string();
        self.hold(places, |document| document.object.source().to_string() == shown).await?.into_iter().collect()
    }

    /// Gives what is recorded of all objects of a bucket whose keys begin with a prefix to `take`, each document, or why it cannot be
    /// read.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be looked at, and what `take` returns.
    pub async fn below<E: From<LedgerError>>(
        &self,
        bucket: &str,
        prefix: &str,
        mut take: impl FnMut(Result<Document, LedgerError>) -> Result<(), E>,
    ) -> Result<(), E> {
        let of = |key: &str| {
            directory(&Source::S3 { bucket: bucket.to_owned(), key: key.to_owned(), version_id: None, etag: None })
        };
        // The names of directories show what they are of; the rest of the prefix is compared.
        let mut beginning = match prefix.rsplit_once('/') {
            Some((directories, _)) if !of(directories).contains("/%~") => format!("{}/", of(directories)),
            Some(_) | None => of("x").strip_suffix('x').unwrap_or_default().to_owned(),
        };
        let mut places = self.places(&beginning, Depth::All).await?;
        if prefix.contains('/') {
            // Long keys have names that do not show them.
            beginning = format!("{}%~", of("x").strip_suffix('x').unwrap_or_default());
            places.extend(self.places(&beginning, Depth::All).await?);
        }
        places.sort();
        places.dedup();
        let is_below = |document: &Document| {
            document.object.bucket.as_deref() == Some(bucket)
                && document.object.key.as_deref().is_some_and(|key| key.starts_with(prefix))
        };
        let mut found = documents(places);
        while let Some(found) = found.next().await {
            match found {
                Ok((document, _)) if !is_below(&document) => {}
                found => take(found.map(|(document, _)| document))?,
            }
        }
        Ok(())
    }

    /// Everything that is recorded and wanted; each document, or why it cannot be read.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be looked at, or when so much is wanted that it has no room.
    pub async fn all(
        &self,
        is_wanted: impl Fn(&Document) -> bool,
    ) -> Result<Vec<Result<Document, LedgerError>>, LedgerError> {
        self.hold(self.places("", Depth::All).await?, is_wanted).await
    }

    async fn places(&self, beginning: &str, depth: Depth) -> Result<Vec<Place>, LedgerError> {
        match find_below(&self.uri, beginning, EXTENSION, depth).await {
            Err(RejectsError::NotFound { .. }) => Ok(Vec::new()),
            found => Ok(found?),
        }
    }

    /// Reads documents; only those that are wanted are held.
    async fn hold(
        &self,
        places: Vec<Place>,
        is_wanted: impl Fn(&Document) -> bool,
    ) -> Result<Vec<Result<Document, LedgerError>>, LedgerError> {
        let (mut found, mut held, mut bytes) = (documents(places), Vec::new(), 0);
        while let Some(found) = found.next().await {
            match found {
                Ok((document, _)) if !is_wanted(&document) => continue,
                Ok((document, length)) => {
                    bytes += length;
                    held.push(Ok(document));
                }
                Err(error) => {
                    bytes += ERROR_BYTES;
                    held.push(Err(error));
                }
            }
            if bytes > HELD_BYTES {
                return Err(LedgerError::TooMany { limit: HELD_BYTES });
            }
        }
        Ok(held)
    }

    fn place(&self, document: &Document) -> Place {
        let part = (!document.is_whole()).then(|| document.range());
        let ending = part.map_or_else(String::new, |Range { start, end }| format!(".row-groups-{start}-{end}"));
        let Subject { etag, .. } = &document.object;
        let directory = directory(&document.object.source());
        Place::below(&self.uri, format!("{directory}/{}{ending}{EXTENSION}", name::segment(etag, false)))
    }
}

fn directory(source: &Source) -> String {
    name::directory(source, EXTENSION)
}

/// The documents at places, in their order, each with the bytes of its text.
fn documents(places: Vec<Place>) -> impl Stream<Item = Result<(Document, usize), LedgerError>> {
    let read = async |place: Place| {
        let (text, _) = place.clone().read(DOCUMENT_BYTES).await?;
        let bytes = text.as_ref().map_or(0, Vec::len);
        parse(&place, text.as_deref()).map(|document| (document, bytes))
    };
    Box::pin(stream::iter(places.into_iter().map(read)).buffered(AT_A_TIME))
}

/// What stands at a place as a document; `text`: none where it is longer than any.
fn parse(place: &Place, text: Option<&[u8]>) -> Result<Document, LedgerError> {
    let place = place.to_string();
    match text.map(Document::parse) {
        None => Err(LedgerError::TooLarge { place, limit: DOCUMENT_BYTES }),
        Some(parsed) => parsed.map_err(|problem| LedgerError::Malformed { place, problem }),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
