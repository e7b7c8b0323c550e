//! What is measured: names, units and dimensions, as dashboards and alarms know them.

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Points that InfluxDB has.
    PointsWritten,
    /// Requests, written or given up.
    BatchesProcessed,
    /// Seconds that an object took.
    ProcessingTime,
    /// Rows read.
    SourceRecords,
    /// The share of the rows read of which points were made, in percent. Absent where no row was read.
    ConversionRate,
    /// The share of requests that wrote their points, in percent. Absent where there was no request.
    BatchSuccessRate,
    /// Requests given up.
    FailedBatches,
    /// Objects that failed or were rejected, by the type of their error.
    ProcessingErrors,
    /// Rows of which every point is written. With those rejected and filtered, all that were read.
    RowsWritten,
    /// Rows rejected, by code.
    RowsRejected,
    /// Rows of which the converter chose to make no point.
    RowsFiltered,
    /// Rows that replace an earlier row of the same series and time, as far as that is seen.
    RowsSuperseded,
    /// Milliseconds from handing a batch on to InfluxDB's answer, waits and retries included; one value a batch, right
    /// to a sixteenth.
    WriteLatency,
    /// Retries of requests, after a transient failure.
    Retries,
    /// Bytes read from S3.
    BytesRead,
    /// Bytes sent to InfluxDB, after compression.
    BytesWritten,
    /// Seconds that an object took in its converter and the encoder.
    ConvertTime,
    /// Objects converted, by the version of their converter.
    ConverterVersion,
    /// Objects converted by the previous version of a converter, because the promoted one is unusable.
    ConverterFallbacks,
    /// Points of an object that a candidate would make differently than the version in service.
    ShadowDifferences,
    /// Trials of which the candidate was put into service by its rule.
    TrialPromotions,
    /// Trials of which the candidate was taken back by its rule.
    TrialRollbacks,
    /// Objects of which InfluxDB has refused every row.
    ObjectsRejected,
    /// How often the circuit breaker opened since the invocation before.
    BreakerOpen,
    /// 1 for the first invocation of a process.
    ColdStart,
}

/// The units of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Time.
    Seconds,
    /// A share, from 0 to 100.
    Percent,
    /// Short time.
    Milliseconds,
    /// A size.
    Bytes,
}

impl Unit {
    /// The name in CloudWatch.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Seconds => "Seconds",
            Self::Percent => "Percent",
            Self::Milliseconds => "Milliseconds",
            Self::Bytes => "Bytes",
        }
    }
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 25] = [
        Self::PointsWritten,
        Self::BatchesProcessed,
        Self::ProcessingTime,
        Self::SourceRecords,
        Self::ConversionRate,
        Self::BatchSuccessRate,
        Self::FailedBatches,
        Self::ProcessingErrors,
        Self::RowsWritten,
        Self::RowsRejected,
        Self::RowsFiltered,
        Self::RowsSuperseded,
        Self::WriteLatency,
        Self::Retries,
        Self::BytesRead,
        Self::BytesWritten,
        Self::ConvertTime,
        Self::ConverterVersion,
        Self::ConverterFallbacks,
        Self::ShadowDifferences,
        Self::TrialPromotions,
        Self::TrialRollbacks,
        Self::ObjectsRejected,
        Self::BreakerOpen,
        Self::ColdStart,
    ];

    /// The name in CloudWatch.
    pub fn name(self) -> &'static str {
        match self {
            Self::PointsWritten => "PointsWritten",
            Self::BatchesProcessed => "BatchesProcessed",
            Self::ProcessingTime => "ProcessingTime",
            Self::SourceRecords => "SourceRecords",
            Self::ConversionRate => "ConversionRate",
            Self::BatchSuccessRate => "BatchSuccessRate",
            Self::FailedBatches => "FailedBatches",
            Self::ProcessingErrors => "ProcessingErrors",
            Self::RowsWritten => "RowsWritten",
            Self::RowsRejected => "RowsRejected",
            Self::RowsFiltered => "RowsFiltered",
            Self::RowsSuperseded => "RowsSuperseded",
            Self::WriteLatency => "WriteLatency",
            Self::Retries => "Retries",
            Self::BytesRead => "BytesRead",
            Self::BytesWritten => "BytesWritten",
            Self::ConvertTime => "ConvertTime",
            Self::ConverterVersion => "ConverterVersion",
            Self::ConverterFallbacks => "ConverterFallbacks",
            Self::ShadowDifferences => "ShadowDifferences",
            Self::TrialPromotions => "TrialPromotions",
            Self::TrialRollbacks => "TrialRollbacks",
            Self::ObjectsRejected => "ObjectsRejected",
            Self::BreakerOpen => "BreakerOpen",
            Self::ColdStart => "ColdStart",
        }
    }

    /// The unit.
    pub fn unit(self) -> Unit {
        match self {
            Self::PointsWritten
            | Self::BatchesProcessed
            | Self::SourceRecords
            | Self::FailedBatches
            | Self::ProcessingErrors
            | Self::RowsWritten
            | Self::RowsRejected
            | Self::RowsFiltered
            | Self::RowsSuperseded
            | Self::Retries
            | Self::ConverterVersion
            | Self::ConverterFallbacks
            | Self::ShadowDifferences
            | Self::TrialPromotions
            | Self::TrialRollbacks
            | Self::ObjectsRejected
            | Self::BreakerOpen
            | Self::ColdStart => Unit::Count,
            Self::ProcessingTime | Self::ConvertTime => Unit::Seconds,
            Self::ConversionRate | Self::BatchSuccessRate => Unit::Percent,
            Self::WriteLatency => Unit::Milliseconds,
            Self::BytesRead | Self::BytesWritten => Unit::Bytes,
        }
    }

    /// The names of its dimensions, in alphabetical order. A metric of CloudWatch is found by exactly its dimensions.
    pub fn dimensions(self) -> &'static [&'static str] {
        match self {
            // They describe the process, which loads objects of every dataset.
            Self::BreakerOpen | Self::ColdStart => &["Function"],
            Self::ProcessingErrors => &["DatasetType", "ErrorType", "Function"],
            Self::RowsRejected => &["Code", "DatasetType", "Function"],
            // In the Embedded Metric Format a dimension cannot have the name of a metric.
            Self::ConverterVersion => &["DatasetType", "Function", "Version"],
            Self::PointsWritten
            | Self::BatchesProcessed
            | Self::ProcessingTime
            | Self::SourceRecords
            | Self::ConversionRate
            | Self::BatchSuccessRate
            | Self::FailedBatches
            | Self::RowsWritten
            | Self::RowsFiltered
            | Self::RowsSuperseded
            | Self::WriteLatency
            | Self::Retries
            | Self::BytesRead
            | Self::BytesWritten
            | Self::ConvertTime
            | Self::ConverterFallbacks
            | Self::ShadowDifferences
            | Self::TrialPromotions
            | Self::TrialRollbacks
            | Self::ObjectsRejected => &["DatasetType", "Function"],
        }
    }
}
