//! What an object has to do with the trial of a converter.

use serde::Serialize;

use crate::registry::{Kind, Outcome, Points};

/// What an object has to do with the trial of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrialReport {
    /// How the candidate is tried.
    pub kind: Kind,
    /// Its version.
    pub candidate: String,
    /// Whether it has converted the object.
    pub converted: bool,
    /// How its points compare with those that were written; none where they were not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<Points>,
    /// Why they were not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<String>,
    /// Why the candidate failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// How the trial has ended, if this object ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

impl TrialReport {
    /// The report of an object of which nothing is known yet.
    pub fn of(kind: Kind, candidate: impl Into<String>) -> Self {
        Self {
            kind,
            candidate: candidate.into(),
            converted: false,
            points: None,
            not_compared: None,
            failure: None,
            outcome: None,
        }
    }
}
