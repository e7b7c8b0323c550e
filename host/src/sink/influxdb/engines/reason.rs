//! Why a server refuses a line, from its words.
//!
//! | engine | words | refusal |
//! |---|---|---|
//! | 1.x | `points beyond retention policy` | outside retention |
//! | 2.x | `dropped N points outside retention policy of duration D - oldest point … violates a Retention Policy Lower Bound at T` | outside retention |
//! | 3 | `… outside the retention period` | outside retention |
//! | 1.x, 2.x | `field type conflict: input field "f" on measurement "m" is type A, already exists as type B` | type conflict |
//! | 3 | `invalid column type for column 'f', expected A, got B` | type conflict |
//! | 1.x, 2.x | `max key length exceeded: N > 65535`, `input field "f" on measurement "m" is too long, N > M` | too long |
//! | 3 | `String is greater than 1MB` | too long |
//!
//! Words may quote names and values, which may hold the same words: so only what stands before the first quote counts, or
//! after the last.
//!
//! Source: `tsdb/errors.go`, `tsdb/shard.go`, `tsdb/field_validator.go` and `models/points.go` (1.x, 2.x),
//! `v1/coordinator/points_writer.go` (2.x), and what real servers answered.

use crate::points::{OUTSIDE_RETENTION, Refusal};
use crate::sink::error::clean;

/// What 1.x, 2.x and 3 call what they do not keep.
const RETENTION: [&str; 3] = ["beyond retention policy", "outside retention policy", "outside the retention period"];

/// A reason of a server not to take a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::sink::influxdb) struct Reason {
    pub(in crate::sink::influxdb) refusal: Refusal,
    /// The server's words, shortened. Of the retention our own, with its bound: the server's may quote points, and these stand
    /// in the failures of objects.
    pub(in crate::sink::influxdb) message: String,
}

impl Reason {
    /// What a server's words about lines mean.
    pub(in crate::sink::influxdb) fn of(text: &str) -> Self {
        let quotes = ['"', '\'', '`'];
        let words = text.split_once("partial write: ").filter(|(before, _)| !before.contains(quotes));
        let words = words.map_or(text, |(_, words)| words);
        let start = words.split(quotes).next().unwrap_or_default();
        let end = words.rsplit_once(quotes).map_or("", |(_, end)| end);
        let refusal = if RETENTION.iter().any(|words| start.contains(words)) {
            Refusal::OutsideRetention
        } else if start.contains("field type conflict") || start.starts_with("invalid column type for column") {
            Refusal::TypeConflict
        } else if start.starts_with("max key length exceeded")
            || start.starts_with("String is greater than")
            || end.starts_with(" is too long")
        {
            Refusal::TooLong
        } else {
            Refusal::Refused
        };
        let message = match refusal {
            Refusal::OutsideRetention => {
                format!("{OUTSIDE_RETENTION}{}", bound_of_retention(words).unwrap_or_default())
            }
            _ => clean(text),
        };
        Self { refusal, message }
    }
}

/// The retention in an answer of 2.x: its length, and the bound that the points are beyond. None in any other answer.
fn bound_of_retention(words: &str) -> Option<String> {
    let (_, rest) = words.split_once("outside retention policy of duration ")?;
    let (duration, points) = rest.split_once(' ')?;
    // Points are quoted before it.
    let (name, rest) = points.rsplit_once(" violates a ")?.1.split_once(" at ")?;
    let time = rest.split([' ', ',']).next()?;
    let is_of = |text: &str, signs: &str| {
        !text.is_empty() && text.chars().all(|sign| sign.is_ascii_alphanumeric() || signs.contains(sign))
    };
    (is_of(duration, ".µ") && is_of(name, " ") && is_of(time, "-:.+"))
        .then(|| format!(" of {duration}: {name} at {time}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let Reason { refusal, message } = Reason::of(text);
        format!("{}: {message}", refusal.code())
    }

    #[test]
    fn words_of_1_and_2_are_told_apart() {
        let of = |words: &str| told(&format!("partial write: {words} dropped=1"));
        assert_eq!(
            of(
                "field type conflict: input field \"v\" on measurement \"m\" is type float, already exists as type integer"
            ),
            "type-conflict: partial write: field type conflict: input field \"v\" on measurement \"m\" is type float, \
             already exists as type integer dropped=1"
        );
        assert_eq!(
            of("points beyond retention policy"),
            "outside-retention: the point is outside the bucket's retention policy"
        );
        let too_long = "input field \"s\" on measurement \"m\" is too long, 1048577 > 1048576";
        assert!(of(too_long).starts_with("too-long: "), "{}", of(too_long));
        assert_eq!(told("max key length exceeded: 70017 > 65535"), "too-long: max key length exceeded: 70017 > 65535");
        let limit = "max-values-per-tag limit exceeded (1/1): measurement=\"m\" tag=\"t\" value=\"v\"";
        assert!(of(limit).starts_with("refused: "), "{}", of(limit));
        for words in ["invalid number", "time outside range -1 - 1", "bad timestamp", ""] {
            assert_eq!(told(words), format!("refused: {words}"));
        }
    }

    #[test]
    fn version_2_tells_the_bound_of_retention_and_the_points_that_it_quotes_are_left_out() {
        let words = |point: &str| {
            format!(
                "failure writing points to database: partial write: dropped 2 points outside retention policy of duration \
                 1h0m0s - oldest point {point} at 2023-11-14T22:13:20Z dropped because it violates a Retention Policy Lower \
                 Bound at 2026-11-30T00:51:56.4621032Z, newest point {point} at 2023-11-14T22:13:20Z dropped because it \
                 violates a Retention Policy Lower Bound at 2026-11-30T00:51:56.4621032Z dropped=2 for database: 8 for \
                 retention policy: autogen"
            )
        };
        let bound = "outside-retention: the point is outside the bucket's retention policy of 1h0m0s: Retention Policy Lower \
                     Bound at 2026-11-30T00:51:56.4621032Z";
        assert_eq!(told(&words("m,t=a")), bound);
        assert_eq!(told(&words(&format!("m,t={}", "x".repeat(60_000)))), bound);
        assert_eq!(told(&words("m,t=it\\ violates\\ a\\ b at c \"field type conflict\"")), bound);
        // What is no duration, or no time, is not taken for one.
        let other = told(&words("m,t=a").replace("1h0m0s", "<b>").replace(", newest", ","));
        assert_eq!(other, "outside-retention: the point is outside the bucket's retention policy");
    }

    #[test]
    fn words_of_3_are_told_apart() {
        for (words, code) in [
            (
                "invalid column type for column 'v', expected iox::column_type::field::float, got a string",
                "type-conflict",
            ),
            ("String is greater than 1MB", "too-long"),
            ("No fields were provided", "refused"),
            ("Could not parse entire line. Found trailing content: `field type conflict`", "refused"),
            ("Expected tag value, got ` points beyond retention policy`", "refused"),
        ] {
            assert_eq!(told(words), format!("{code}: {words}"));
        }
        let retention = told("timestamp is outside the retention period");
        assert_eq!(retention, "outside-retention: the point is outside the bucket's retention policy");
    }

    #[test]
    fn names_that_hold_the_words_of_servers_mean_nothing() {
        let names = "partial write: field type conflict: input field \"beyond retention policy\" on measurement \"is too long\" \
                     is type float, already exists as type string dropped=1";
        assert!(told(names).starts_with("type-conflict: "), "{}", told(names));
        let quoted = "partial write: max-values-per-tag limit exceeded (1/1): value=\"partial write: field type conflict\" dropped=1";
        assert!(told(quoted).starts_with("refused: "), "{}", told(quoted));
    }
}
