//! Whom the lines are for.

use std::ops::RangeInclusive;

/// The engine that lines are written for. Engines differ in what they can hold; what one cannot hold exactly is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// InfluxDB 1.x.
    V1,
    /// InfluxDB 2.x.
    V2,
    /// InfluxDB 3.
    V3,
    /// No engine in particular: lines that every one of them holds exactly. For files and standard output, whose reader
    /// is not known, and for golden pairs and comparisons, which have to mean the same everywhere.
    Any,
}

impl Dialect {
    /// The nanoseconds since the epoch that a point may have. 1.x and 2.x refuse the few values of 64 bits around them; 3
    /// reads them, but compares times to the same two ends.
    ///
    /// Source: `MinNanoTime` and `MaxNanoTime` in `models/time.go` of 1.x and 2.x, `MIN_NANO_TIME` and `MAX_NANO_TIME` in
    /// `data_types` of 3.
    pub(super) fn times(self) -> RangeInclusive<i64> {
        match self {
            Self::V1 | Self::V2 | Self::V3 | Self::Any => i64::MIN + 2..=i64::MAX - 1,
        }
    }
}
