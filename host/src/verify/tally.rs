//! What a field has in a bucket of time, and whether two of these are the same.

use serde::Serialize;

use crate::sink::reading::{Summary, Value};
use crate::sink::survey::Kind;

/// What differs of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// How many points there are.
    Count,
    /// The least value.
    Minimum,
    /// The greatest value.
    Maximum,
    /// The sum.
    Sum,
    /// The time of the first point.
    First,
    /// The time of the last point.
    Last,
    /// Of how many series the points are.
    Series,
    /// How often each text or boolean comes.
    Values,
}

/// The most texts of a field that are counted.
pub(super) const MOST_TEXTS: usize = 8;

/// Numbers, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Numbers {
    #[default]
    None,
    Float {
        least: f64,
        greatest: f64,
        sum: Sum,
    },
    /// Sums of integers overflow, here as in the server.
    Integer {
        least: i64,
        greatest: i64,
        sum: i64,
    },
    Unsigned {
        least: u64,
        greatest: u64,
        sum: u64,
    },
}

/// A sum of floats with what its additions have lost (Neumaier's variant of Kahan's), and the sum of their magnitudes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sum {
    sum: f64,
    lost: f64,
    magnitude: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.sum = sum;
        self.magnitude += value.abs();
    }
}

/// What a field has in a bucket of time.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) series: u64,
    numbers: Numbers,
    /// How often each text or boolean comes, by its number.
    texts: Option<Box<[u64; MOST_TEXTS]>>,
    /// Whether a point may have been counted twice, or a series: then points have to be looked at one by one.
    pub(super) unsure: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            count: 0,
            first: i64::MAX,
            last: i64::MIN,
            series: 0,
            numbers: Numbers::None,
            texts: None,
            unsure: false,
        }
    }
}

impl Tally {
    /// Adds a value as it is written. A text or a boolean has a number where there are few of them.
    pub(super) fn add(&mut self, time: i64, kind: Kind, value: &[u8], text: Option<usize>) {
        self.count += 1;
        (self.first, self.last) = (self.first.min(time), self.last.max(time));
        if let Some(text) = text {
            self.texts.get_or_insert_default()[text] += 1;
            return;
        }
        match super::value(kind, value) {
            Some(Value::Float(value)) => match &mut self.numbers {
                Numbers::Float { least, greatest, sum } => {
                    (*least, *greatest) = (least.min(value), greatest.max(value));
                    sum.add(value);
                }
                Numbers::None => {
                    let mut sum = Sum::default();
                    sum.add(value);
                    self.numbers = Numbers::Float { least: value, greatest: value, sum };
                }
                Numbers::Integer { .. } | Numbers::Unsigned { .. } => self.unsure = true,
            },
            Some(Value::Integer(value)) => match &mut self.numbers {
                Numbers::Integer { least, greatest, sum } => {
                    (*least, *greatest, *sum) = ((*least).min(value), (*greatest).max(value), sum.wrapping_add(value));
                }
                Numbers::None => self.numbers = Numbers::Integer { least: value, greatest: value, sum: value },
                Numbers::Float { .. } | Numbers::Unsigned { .. } => self.unsure = true,
            },
            Some(Value::Unsigned(value)) => match &mut self.numbers {
                Numbers::Unsigned { least, greatest, sum } => {
                    (*least, *greatest, *sum) = ((*least).min(value), (*greatest).max(value), sum.wrapping_add(value));
                }
                Numbers::None => self.numbers = Numbers::Unsigned { least: value, greatest: value, sum: value },
                Numbers::Float { .. } | Numbers::Integer { .. } => self.unsure = true,
            },
            // Too many to be counted: whoever has such fields compares points.
            Some(Value::Boolean(_) | Value::Text(_)) | None => self.unsure = true,
        }
    }

    /// What a database has answered about a bucket.
    pub(super) fn of(summary: &Summary, ends: Option<(i64, i64)>) -> Self {
        let (first, last) = ends.unwrap_or((i64::MAX, i64::MIN));
        let numbers = match (&summary.least, &summary.greatest, &summary.sum) {
            (Some(Value::Float(least)), Some(Value::Float(greatest)), Some(Value::Float(sum))) => {
                let magnitude = float(summary.count) * least.abs().max(greatest.abs());
                Numbers::Float { least: *least, greatest: *greatest, sum: Sum { sum: *sum, lost: 0.0, magnitude } }
            }
            (Some(Value::Integer(least)), Some(Value::Integer(greatest)), Some(Value::Integer(sum))) => {
                Numbers::Integer { least: *least, greatest: *greatest, sum: *sum }
            }
            (Some(Value::Unsigned(least)), Some(Value::Unsigned(greatest)), Some(Value::Unsigned(sum))) => {
                Numbers::Unsigned { least: *least, greatest: *greatest, sum: *sum }
            }
            _ => Numbers::None,
        };
        Self {
            count: summary.count,
            first,
            last,
            series: summary.series.unwrap_or_default(),
            numbers,
            ..Self::default()
        }
    }

    /// Whether a server can be asked for the sum: one that is infinite it cannot answer.
    pub(super) fn has_a_sum(&self) -> bool {
        match &self.numbers {
            Numbers::Float { sum, .. } => sum.magnitude.is_finite(),
            Numbers::None | Numbers::Integer { .. } | Numbers::Unsigned { .. } => true,
        }
    }

    /// What of the database's answer is not the same. The sum of floats may differ by what additions in any order can lose: the number of
    /// points times 2⁻⁵² times the sum of their magnitudes.
    pub(super) fn compare(&self, found: &Summary, ends: Option<(i64, i64)>) -> Vec<Aspect> {
        let mut differs = Vec::new();
        let mut hold = |same: bool, aspect| {
            if !same {
                differs.push(aspect);
            }
        };
        hold(found.count == self.count, Aspect::Count);
        if let Some(texts) = &self.texts {
            let found = found.values.iter().copied().chain(std::iter::repeat(0));
            hold(texts.iter().copied().zip(found).all(|(expected, found)| expected == found), Aspect::Values);
        }
        let (least, greatest, sum) = match self.numbers {
            Numbers::None => (true, true, true),
            Numbers::Float { least, greatest, sum } => {
                let tolerance = float(self.count) * f64::EPSILON * sum.magnitude;
                let exact = sum.sum + sum.lost;
                (
                    matches!(found.least, Some(Value::Float(value)) if value == least),
                    matches!(found.greatest, Some(Value::Float(value)) if value == greatest),
                    matches!(found.sum, Some(Value::Float(value)) if (value - exact).abs() <= tolerance),
                )
            }
            Numbers::Integer { least, greatest, sum } => (
                found.least == Some(Value::Integer(least)),
                found.greatest == Some(Value::Integer(greatest)),
                found.sum == Some(Value::Integer(sum)),
            ),
            Numbers::Unsigned { least, greatest, sum } => (
                found.least == Some(Value::Unsigned(least)),
                found.greatest == Some(Value::Unsigned(greatest)),
                found.sum == Some(Value::Unsigned(sum)),
            ),
        };
        hold(least, Aspect::Minimum);
        hold(greatest, Aspect::Maximum);
        hold(sum, Aspect::Sum);
        hold(ends.is_some_and(|(first, _)| first == self.first), Aspect::First);
        hold(ends.is_some_and(|(_, last)| last == self.last), Aspect::Last);
        hold(found.series == Some(self.series), Aspect::Series);
        differs
    }
}

#[expect(clippy::cast_precision_loss, reason = "of counts, which are far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(values: &[f64]) -> Tally {
        let mut tally = Tally::default();
        for (time, value) in (0..).zip(values) {
            tally.add(time, Kind::Float, format!("{value}").as_bytes(), None);
        }
        tally.series = 1;
        tally
    }

    fn summary(values: &[f64], sum: f64) -> Summary {
        Summary {
            count: values.len() as u64,
            least: values.iter().copied().reduce(f64::min).map(Value::Float),
            greatest: values.iter().copied().reduce(f64::max).map(Value::Float),
            sum: Some(Value::Float(sum)),
            series: Some(1),
            values: Vec::new(),
        }
    }

    #[test]
    fn a_sum_in_another_order_is_the_same_and_one_without_a_point_is_not() {
        let values: Vec<f64> = (0..10_000).map(|number| f64::from(number * 7919 % 997) * 0.1).collect();
        let backwards: f64 = values.iter().rev().sum();
        assert_ne!(backwards, values.iter().sum::<f64>());
        let ends = Some((0, 9_999));
        assert_eq!(tally(&values).compare(&summary(&values, backwards), ends), []);
        assert_eq!(tally(&values).compare(&summary(&values, backwards - 0.1), ends), [Aspect::Sum]);
    }

    #[test]
    fn each_aspect_is_held() {
        let values = [1.0, 2.0, 4.0];
        let ends = Some((0, 2));
        let differs = |change: &dyn Fn(&mut Summary)| {
            let mut found = summary(&values, 7.0);
            change(&mut found);
            tally(&values).compare(&found, ends)
        };
        assert_eq!(differs(&|_| {}), []);
        assert_eq!(differs(&|found| found.count = 2), [Aspect::Count]);
        assert_eq!(differs(&|found| found.least = Some(Value::Float(1.5))), [Aspect::Minimum]);
        assert_eq!(differs(&|found| found.greatest = Some(Value::Float(3.0))), [Aspect::Maximum]);
        assert_eq!(differs(&|found| found.series = Some(2)), [Aspect::Series]);
        assert_eq!(tally(&values).compare(&summary(&values, 7.0), Some((1, 2))), [Aspect::First]);
        assert_eq!(tally(&values).compare(&summary(&values, 7.0), Some((0, 3))), [Aspect::Last]);
        let nothing = tally(&values).compare(&Summary::default(), None);
        assert_eq!(nothing.len(), 7, "{nothing:?}");
    }

    #[test]
    fn integers_are_compared_exactly_also_beyond_what_floats_hold() {
        let mut tally = Tally { series: 1, ..Tally::default() };
        tally.add(5, Kind::Integer, b"9007199254740993i", None);
        tally.add(6, Kind::Integer, b"9223372036854775807i", None);
        let sum = 9_007_199_254_740_993_i64.wrapping_add(i64::MAX);
        let mut found = Summary {
            count: 2,
            least: Some(Value::Integer(9_007_199_254_740_993)),
            greatest: Some(Value::Integer(i64::MAX)),
            sum: Some(Value::Integer(sum)),
            series: Some(1),
            values: Vec::new(),
        };
        assert_eq!(tally.compare(&found, Some((5, 6))), []);
        found.sum = Some(Value::Integer(sum - 1));
        assert_eq!(tally.compare(&found, Some((5, 6))), [Aspect::Sum]);
    }

    #[test]
    fn texts_are_held_by_how_often_each_comes() {
        let mut tally = Tally { series: 1, ..Tally::default() };
        for (time, text) in [(1, 0), (2, 1), (3, 0)] {
            tally.add(time, Kind::Text, b"\"\"", Some(text));
        }
        let found = |values: &[u64]| Summary { count: 3, series: Some(1), values: values.into(), ..Summary::default() };
        assert_eq!(tally.compare(&found(&[2, 1]), Some((1, 3))), []);
        assert_eq!(tally.compare(&found(&[1, 1]), Some((1, 3))), [Aspect::Values]);
        assert_eq!(tally.compare(&found(&[]), Some((1, 3))), [Aspect::Values]);
    }

    #[test]
    fn a_sum_that_overflows_is_not_asked_for() {
        assert!(!tally(&[f64::MAX, f64::MAX]).has_a_sum());
        assert!(tally(&[f64::MAX, -1.0]).has_a_sum());
    }
}
