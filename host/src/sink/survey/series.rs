//! How many series there are: exactly while they are few, else estimated by HyperLogLog.
//!
//! Source: Flajolet, Fusy, Gandouet and Meunier, "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm",
//! 2007. Hashes have 64 bits, so that large counts need no correction; small ones are exact.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

/// How many bits of a hash choose its register.
const PRECISION: u32 = 14;

const REGISTERS: usize = 1 << PRECISION;

/// The standard error of an estimate, 1.04 / √16,384.
pub const ERROR: f64 = 0.008_125;

/// The most series that are counted exactly, in some 3 MiB.
pub const EXACT: usize = 100_000;

/// Counts what differs.
#[derive(Clone, Debug)]
pub struct Series {
    /// The hashes; none where there are too many.
    exact: Option<HashSet<u64>>,
    registers: Box<[u8]>,
}

impl Default for Series {
    fn default() -> Self {
        Self { exact: Some(HashSet::new()), registers: vec![0; REGISTERS].into() }
    }
}

impl Series {
    /// Adds the key of a series, as it is written.
    pub(super) fn add(&mut self, key: &[u8]) {
        let hash = hash(key);
        if let Some(exact) = &mut self.exact {
            if !exact.insert(hash) {
                return;
            }
            if exact.len() > EXACT {
                self.exact = None;
            }
        }
        let register = (hash >> (u64::BITS - PRECISION)) as usize;
        // With a bit behind the last one, so that the rank is bounded.
        let rank = ((hash << PRECISION) | (1 << (PRECISION - 1))).leading_zeros() + 1;
        let register = &mut self.registers[register];
        *register = (*register).max(u8::try_from(rank).unwrap_or(u8::MAX));
    }

    /// Adds those of another count.
    pub(super) fn merge(&mut self, other: &Self) {
        self.exact = match (self.exact.take(), &other.exact) {
            (Some(mut one), Some(other)) => {
                one.extend(other);
                Some(one).filter(|exact| exact.len() <= EXACT)
            }
            _ => None,
        };
        for (one, other) in self.registers.iter_mut().zip(&other.registers) {
            *one = (*one).max(*other);
        }
    }

    /// How many there are, and whether that is exact; else [`ERROR`] is the standard error.
    pub fn count(&self) -> (u64, bool) {
        if let Some(exact) = &self.exact {
            return (exact.len() as u64, true);
        }
        let sum: f64 = self.registers.iter().map(|rank| 0.5_f64.powi(i32::from(*rank))).sum();
        #[expect(clippy::cast_precision_loss, reason = "16,384")]
        let registers = REGISTERS as f64;
        let estimate = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / sum;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and of counts")]
        let estimate = estimate as u64;
        (estimate, false)
    }

    /// How many are not among these keys; none where there are too many to compare.
    pub fn not_among<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> Option<u64> {
        let exact = self.exact.as_ref()?;
        let there: HashSet<u64> = keys.into_iter().map(|key| hash(key.as_bytes())).collect();
        Some(exact.difference(&there).count() as u64)
    }
}

fn hash(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_precision_loss, reason = "counts of tests are small")]

    use super::*;

    fn series(numbers: std::ops::Range<u32>) -> Series {
        let mut series = Series::default();
        for number in numbers {
            series.add(format!("m,t={number}").as_bytes());
            series.add(format!("m,t={}", number / 2).as_bytes());
        }
        series
    }

    #[test]
    fn few_are_counted_exactly_and_many_within_four_standard_errors() {
        assert_eq!(Series::default().count(), (0, true));
        assert_eq!(series(0..90_000).count(), (90_000, true));
        for many in [120_000, 1_000_000] {
            let (count, exact) = series(0..many).count();
            let error = (count as f64 / f64::from(many) - 1.0).abs();
            assert!(!exact && error < 4.0 * ERROR, "{count} of {many}");
        }
    }

    #[test]
    fn counts_are_joined() {
        let mut exact = series(0..10);
        exact.merge(&series(5..20));
        assert_eq!(exact.count(), (20, true));
        let mut many = series(0..80_000);
        many.merge(&series(0..160_000));
        let (count, exact) = many.count();
        assert!(!exact && (count as f64 / 160_000.0 - 1.0).abs() < 4.0 * ERROR, "{count}");
        assert_eq!(many.not_among(["m,t=1"]), None);
    }

    #[test]
    fn what_is_there_already_is_not_new() {
        assert_eq!(series(0..10).not_among(["m,t=1", "m,t=11"]), Some(9));
    }
}
