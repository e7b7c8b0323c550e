//! What the ledger shows of an object before it is loaded.

use super::{LoadError, LoadRequest, Loader, Location};
use crate::event::ObjectReference;
use crate::ledger::{Document, Ledger, LedgerError, Standing, Subject, Target, Wanted, standing};
use crate::sink::Sink;
use crate::source::Selection;

impl Loader {
    /// The ledger of the settings.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn ledger(&self) -> Result<Ledger, LedgerError> {
        self.options.ledger.clone().map(Ledger::new).ok_or(LedgerError::NotConfigured)
    }

    /// How far an object is loaded in the version that it has now, by the converter that it would get now, into where the sink
    /// writes. What is asked for as an older version, or in one that it does not have, is not loaded.
    ///
    /// # Errors
    ///
    /// When there is no ledger, when it cannot be looked at, or when the object or its converter cannot be determined.
    pub async fn standing(&self, request: &LoadRequest<'_>, sink: &Sink) -> Result<Standing, LoadError> {
        let Sink::InfluxDb(influxdb) = sink else { return Ok(Standing::Missing) };
        let if_match = match request.location {
            Location::S3(ObjectReference { version_id: Some(_), .. }) => return Ok(Standing::Missing),
            Location::S3(object) => object.if_match.as_deref(),
            Location::File(_) => None,
        };
        let Some(subject) = request.location.state().await? else { return Ok(Standing::Missing) };
        if if_match.is_some_and(|etag| etag != subject.etag) {
            return Ok(Standing::Missing);
        }
        let documents = self.ledger()?.of(&subject.source()).await?;
        self.stand(request, &subject, &documents, Some(&Target::of(influxdb.settings()))).await
    }

    /// The same of an object and all of its versions, with what is recorded of them.
    ///
    /// # Errors
    ///
    /// As [`Self::standing`], and when the object does not exist.
    pub async fn recorded(
        &self,
        request: &LoadRequest<'_>,
        target: Option<&Target>,
    ) -> Result<(Standing, Vec<Document>), LoadError> {
        let subject =
            request.location.state().await?.ok_or_else(|| LedgerError::Gone(request.location.key().into_owned()))?;
        let documents = self.ledger()?.of(&subject.source()).await?;
        Ok((self.stand(request, &subject, &documents, target).await?, documents))
    }

    async fn stand(
        &self,
        request: &LoadRequest<'_>,
        subject: &Subject,
        documents: &[Document],
        target: Option<&Target>,
    ) -> Result<Standing, LoadError> {
        if documents.is_empty() {
            return Ok(Standing::Missing);
        }
        let dataset = self.dataset(request).await?;
        let converter = self.resolution(&dataset, request.location).await?.converter;
        let row_groups = match &request.selection {
            Selection::RowGroups(range) => Some(range.start as u64..range.end as u64),
            Selection::All | Selection::Rows(_) => None,
        };
        let converter = Some((converter.digest(), converter.parameters_digest()));
        let (etag, dataset) = (&*subject.etag, Some(dataset.as_str()));
        Ok(standing(documents, Wanted { etag, target, converter, dataset, row_groups }))
    }
}
