//! Whom the lines are for, and what the engines differ in.
//!
//! 1.x and 2.x read lines with the same code and keep them in the same files; 3 reads them with another parser into
//! another storage. Each number and each rule names the file of the engine that it comes from.

use std::fmt;
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

/// Engines that a rule comes from, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engines {
    /// 1.x.
    V1,
    /// 1.x and 2.x, which read and keep lines alike.
    V1AndV2,
    /// 2.x.
    V2,
    /// 3.
    V3,
    /// All of them.
    Every,
}

impl fmt::Display for Engines {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::V1 => "InfluxDB 1.x",
            Self::V1AndV2 => "InfluxDB 1.x and 2.x",
            Self::V2 => "InfluxDB 2.x",
            Self::V3 => "InfluxDB 3",
            Self::Every => "every InfluxDB",
        })
    }
}

/// The most of something, and the engines that set this limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) most: usize,
    pub(super) of: Engines,
}

/// A series key, as it is escaped, with [`SERIES_AND_FIELD`] and a field's key, as it is escaped.
///
/// Source: `MaxKeyLength` and `seriesKeySize` in `models/points.go`.
const SERIES_KEY_BYTES: usize = 65_535;

/// What 1.x and 2.x keep between the series and the field in the keys of their files.
///
/// Source: `keyFieldSeparator` in `tsdb/engine/tsm1`.
pub(super) const SERIES_AND_FIELD: &[u8] = b"#!~#";

/// The text of a field. 1.x before 1.9 sets no limit, but cannot compact what is much longer.
///
/// Source: `MaxFieldValueLength` in `tsdb/field_validator.go`.
const V1_AND_V2_TEXT_BYTES: usize = 1024 * 1024;

/// A name, a tag's value or the text of a field, before it is escaped.
///
/// Source: `STRING_LENGTH_LIMIT_IN_BYTES` in `influxdb_line_protocol`.
const V3_TEXT_BYTES: usize = 64 * 1024;

/// Columns of a table, the time among them.
///
/// Source: `NUM_COLUMNS_PER_TABLE_LIMIT` in `influxdb3_catalog`.
const V3_COLUMNS: usize = 500;

impl Dialect {
    /// Whether lines have to suit 1.x.
    pub(super) fn suits_v1(self) -> bool {
        matches!(self, Self::V1 | Self::Any)
    }

    /// Whether lines have to suit 2.x.
    pub(super) fn suits_v2(self) -> bool {
        matches!(self, Self::V2 | Self::Any)
    }

    /// Whether lines have to suit 1.x or 2.x.
    pub(super) fn suits_v1_or_v2(self) -> bool {
        self.suits_v1() || self.suits_v2()
    }

    /// Whether lines have to suit 3.
    pub(super) fn suits_v3(self) -> bool {
        matches!(self, Self::V3 | Self::Any)
    }

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

    /// How many bytes a series key may have, as it is written, together with the key of any field of the point. None: any.
    pub(super) fn series_key_bytes(self) -> Option<usize> {
        self.suits_v1_or_v2().then_some(SERIES_KEY_BYTES - SERIES_AND_FIELD.len())
    }

    /// How many bytes a measurement, a key or a tag's value may have. Those of 1.x and 2.x are held to
    /// [`Self::series_key_bytes`] with the rest of their series; this keeps what can never fit from being copied.
    pub(super) fn name_bytes(self) -> Limit {
        match self {
            Self::V1 | Self::V2 | Self::Any => Limit { most: SERIES_KEY_BYTES, of: Engines::V1AndV2 },
            Self::V3 => Limit { most: V3_TEXT_BYTES, of: Engines::V3 },
        }
    }

    /// How many bytes the text of a field may have.
    pub(super) fn text_bytes(self) -> Limit {
        match self {
            Self::V1 | Self::V2 => Limit { most: V1_AND_V2_TEXT_BYTES, of: Engines::V1AndV2 },
            Self::V3 | Self::Any => Limit { most: V3_TEXT_BYTES, of: Engines::V3 },
        }
    }

    /// How many columns a measurement may have, the time among them. None: any.
    pub fn columns(self) -> Option<usize> {
        self.suits_v3().then_some(V3_COLUMNS)
    }

    /// Whether lines have their tags in the order of their keys, in which 1.x and 2.x keep them. A table of 3 is sorted by its tags
    /// in the order of the line that makes it: the converter knows which of them queries are about.
    ///
    /// Source: `ParsePoints` in `models/points.go` of 1.x and 2.x, "Sort key" in the documentation of 3's schema design.
    pub(super) fn sorts_tags(self) -> bool {
        self != Self::V3
    }

    /// The largest unsigned integer, and what stands behind it. 1.x has none: as it is built, it refuses the `u` (`invalid
    /// number`). There, and where it must be understood, they are written as integers, in which all but the largest are
    /// exact.
    ///
    /// Source: `enableUint64Support` in `models/points.go` of 1.x.
    pub(super) fn unsigned(self) -> (u64, u8) {
        if self.suits_v1() { (i64::MAX.unsigned_abs(), b'i') } else { (u64::MAX, b'u') }
    }
}
