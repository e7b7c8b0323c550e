//! How many rows a second the server takes: as given, or as its own statistics show.

use crate::cli::summary::grouped;
use crate::report::Accounts;
use crate::sink::{PastWrites, SchemaError};

/// What is known of it.
pub(super) enum Pace {
    /// Rows a second.
    Given(u32),
    /// Points a second, with one request in flight.
    Measured(f64, PastWrites),
    /// Why nothing is.
    Unknown(String),
}

impl Pace {
    /// By the server's statistics.
    pub(super) fn measured(past: Result<Option<PastWrites>, SchemaError>) -> Self {
        match past {
            Ok(Some(past)) => match past.points_a_second() {
                Some(points) => Self::Measured(points, past),
                None => Self::Unknown("the server has not written large requests since it was started".to_owned()),
            },
            Ok(None) => Self::Unknown("the server does not report how quickly it writes".to_owned()),
            Err(error) => Self::Unknown(format!("the server's statistics are not known: {error}")),
        }
    }

    /// Whose figure it is, for scripts.
    pub(super) fn name(&self) -> Option<&'static str> {
        match self {
            Self::Given(_) => Some("setting"),
            Self::Measured(..) => Some("server"),
            Self::Unknown(_) => None,
        }
    }

    /// For rows that make so many points.
    pub(super) fn rows_a_second(&self, accounts: &Accounts) -> Option<u32> {
        match self {
            Self::Given(rows) => Some(*rows),
            Self::Measured(points, _) => Some(rows_of(*points, accounts)),
            Self::Unknown(_) => None,
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Given(rows) => format!("the server accepts {} rows a second", grouped((*rows).into())),
            Self::Measured(points, past) => format!(
                "at most, with one request in flight: by its statistics the server has written {} points a second in {} requests",
                whole(*points),
                whole(past.requests),
            ),
            Self::Unknown(why) => {
                format!("of work here alone: {why}; --rate sets the rows a second that the server accepts")
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "rows and points are far fewer than 2^53")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float stays within u32")]
fn rows_of(points: f64, accounts: &Accounts) -> u32 {
    let points_a_row = accounts.points.max(1) as f64 / accounts.rows.max(1) as f64;
    ((points / points_a_row) as u32).max(1)
}

fn whole(number: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float stays within u64")]
    grouped(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_fewer_than_their_points() {
        let accounts = Accounts { rows: 10, points: 30, ..Accounts::default() };
        let past = PastWrites { points: 60_000.0, requests: 10.0, seconds: 2.0 };
        let measured = Pace::measured(Ok(Some(past)));
        assert_eq!((measured.rows_a_second(&accounts), measured.name()), (Some(10_000), Some("server")));
        let text = measured.text();
        assert!(text.contains("30,000 points a second in 10 requests"), "{text}");
        assert_eq!(Pace::Given(7).rows_a_second(&accounts), Some(7));
    }

    #[test]
    fn a_server_that_reports_nothing_leaves_it_open() {
        for past in [None, Some(PastWrites::default())] {
            let pace = Pace::measured(Ok(past));
            assert_eq!((pace.rows_a_second(&Accounts::default()), pace.name()), (None, None));
            assert!(pace.text().contains("--rate"));
        }
    }
}
