//! `ledger show`.

use serde_json::json;

use crate::cli::{CliError, complain, inputs, print};
use crate::config::Config;
use crate::ledger::{Document, Ledger, LedgerError};
use crate::pipeline::Location;
use crate::rejects::Source;
use crate::report::{Failure, FailureKind};

/// The arguments of `ledger show`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// s3://bucket/key, s3://bucket/prefix/, files, or directories; what is below a prefix need not exist any more.
    #[arg(required = true, value_name = "S3-URL|FILE|DIRECTORY")]
    inputs: Vec<String>,
}

/// Prints documents, one after the other. Returns whether each could be read.
pub(super) async fn show(config: &Config, arguments: &Arguments) -> Result<bool, CliError> {
    let ledger = config.ledger.clone().map(Ledger::new).ok_or(LedgerError::NotConfigured)?;
    let mut complete = true;
    let mut tell = |document: Result<Document, LedgerError>| -> Result<(), CliError> {
        match document {
            Ok(document) => print(&format!("{:#}\n", json!(document)))?,
            Err(error) => {
                complain(&Failure::new(FailureKind::Unexpected, &error), None);
                complete = false;
            }
        }
        Ok(())
    };
    for input in &arguments.inputs {
        match input.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
            Some((bucket, prefix)) => ledger.below(bucket, prefix, &mut tell).await?,
            None => {
                for location in inputs::find(std::slice::from_ref(input)).await? {
                    if let Location::File(path) = location {
                        ledger.of(&Source::file(&path)?).await?.into_iter().map(Ok).try_for_each(&mut tell)?;
                    }
                }
            }
        }
    }
    Ok(complete)
}
