//! Trials: a candidate beside the promoted version, until a rule decides between the two.
//!
//! The terms are part of the statement that vouches for a pointer (`pointers`): which candidate, how, on which objects, and
//! the rules. A function signs nothing. What it counts and decides lies below `trials/`, the only place of the registry where
//! its role may write, and decides between the two releases that the statement names, and nothing else:
//!
//! ```text
//! trials/<dataset>/<channel>/<sequence>-<digest>/state.json       what was counted, and the verdict; changes by If-Match alone
//!                                                objects/<id>.json  what became of an object; written once
//! ```
//!
//! Counting and deciding are one conditional write. So functions at the same time agree, and what is counted after the
//! verdict does not matter any more. The report of an object is written before it is counted, and only if none exists: an
//! object that comes a second time counts once, and one whose function ends between the two counts not at all.

mod counts;
mod follow;
mod rule;
mod state;
mod terms;

pub use counts::{Counts, Points, Side};
pub use follow::{Observed, Running};
pub use rule::{Rule, RuleError};
pub use state::{Outcome, State, Verdict};
pub use terms::{Candidacy, Kind, Share, Terms};

pub(super) use state::{Place, is_reserved};
