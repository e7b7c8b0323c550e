//! Buckets of time as a calendar: a line for each month and a mark for each day, or for whatever a bucket is.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::verify::BucketOutcome;

const DAY: i64 = 24 * 3600;

/// Marks in a line where a bucket is not a day.
const MARKS: usize = 50;

/// A line of a calendar.
pub(super) struct Line<'a> {
    /// The month, or when the first bucket starts.
    pub(super) name: String,
    /// The days of the month, or the buckets; none where there is nothing.
    pub(super) marks: Vec<Option<&'a BucketOutcome>>,
}

/// The lines of a measurement. Months without anything have none.
pub(super) fn lines(buckets: &[BucketOutcome], seconds: i64) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for bucket in buckets {
        let time = Timestamp::from_nanosecond(bucket.start.into()).unwrap_or_default().to_zoned(TimeZone::UTC);
        if seconds == DAY {
            let month = time.strftime("%Y-%m").to_string();
            if lines.last().is_none_or(|line| line.name != month) {
                let days = usize::try_from(time.days_in_month()).unwrap_or(31);
                lines.push(Line { name: month, marks: vec![None; days] });
            }
            let day = usize::try_from(time.day()).unwrap_or(1).saturating_sub(1);
            if let Some(place) = lines.last_mut().and_then(|line| line.marks.get_mut(day)) {
                *place = Some(bucket);
            }
            continue;
        }
        if lines.last().is_none_or(|line| line.marks.len() == MARKS) {
            lines.push(Line { name: date(bucket.start), marks: Vec::new() });
        }
        if let Some(line) = lines.last_mut() {
            line.marks.push(Some(bucket));
        }
    }
    lines
}

/// How much a bucket has, from 0 to 3, beside the one that has most.
pub(super) fn heat(bucket: &BucketOutcome, most: u64) -> usize {
    let share = u128::from(bucket.expected) * 4 / u128::from(most.max(1));
    usize::try_from(share).unwrap_or(3).min(3)
}

/// A time in nanoseconds since 1970.
pub(super) fn date(nanoseconds: i64) -> String {
    // Every time of 64 bits is one.
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_day_has_its_place_in_its_month() {
        let day = |day: i64| BucketOutcome { start: day * DAY * 1_000_000_000, ..BucketOutcome::default() };
        // 1970-01-01, 1970-01-31, 1970-03-01.
        let buckets = [day(0), day(30), day(59)];
        let lines = lines(&buckets, DAY);
        let shown: Vec<(&str, usize, Vec<usize>)> = lines
            .iter()
            .map(|line| {
                let there = line.marks.iter().enumerate().filter(|(_, mark)| mark.is_some()).map(|(day, _)| day);
                (line.name.as_str(), line.marks.len(), there.collect())
            })
            .collect();
        assert_eq!(shown, [("1970-01", 31, vec![0, 30]), ("1970-03", 31, vec![0])]);
    }
}
