//! How much more one thing takes than another, as criterion measures it: the two are timed in turns and divided, so that
//! what else the machine does falls on both.

use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter};

/// Values are ratios, one for each iteration.
pub(crate) struct Ratio;

impl Measurement for Ratio {
    type Intermediate = ();
    type Value = f64;

    fn start(&self) {}

    fn end(&self, (): ()) -> f64 {
        unreachable!("only `iter_custom` knows a ratio")
    }

    fn add(&self, one: &f64, other: &f64) -> f64 {
        one + other
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, ratio: &f64) -> f64 {
        *ratio
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

/// In percent beyond the same.
impl ValueFormatter for Ratio {
    fn scale_values(&self, _: f64, values: &mut [f64]) -> &'static str {
        values.iter_mut().for_each(|value| *value = (*value - 1.0) * 100.0);
        "%"
    }

    fn scale_throughputs(&self, _: f64, _: &Throughput, _: &mut [f64]) -> &'static str {
        unreachable!("a ratio has no throughput")
    }

    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        "ratio"
    }
}
