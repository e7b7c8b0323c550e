//! Nested columns: a row has a station, which is a struct, and a list of readings, each of which becomes a point of its own.
//!
//! ```text
//! station:  struct { name: text, position: struct { latitude: float, … } }
//! readings: list<struct { at: timestamp, celsius: float }>
//! ```

use converter_sdk::{
    ColumnType, Converter, Description, Input, Mapping, Mask, PlanBuilder, Point, Problem, Rejection, Source,
};

/// The converter.
#[derive(Debug)]
pub struct Stations;

impl Converter for Stations {
    fn describe() -> Description {
        Description {
            name: "stations".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            dataset: "stations".into(),
            summary: env!("CARGO_PKG_DESCRIPTION").into(),
        }
    }

    fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
        let mut plan = PlanBuilder::new(input);
        plan.each("readings");
        let time = plan.required("readings.at", &[ColumnType::Timestamp]);
        let celsius = plan.required("readings.celsius", &[ColumnType::Float]);
        let station = plan.required("station.name", &[ColumnType::Text]);

        let mut weather = Point::new("weather", time);
        weather.tag("station", station);
        weather.field("latitude", plan.required("station.position.latitude", &[ColumnType::Float]));
        weather.field("celsius", celsius);
        weather.field("reading", plan.required("readings.#", &[ColumnType::Integer]));
        weather.field("row", Source::RowNumber);

        // Each reading has a mask of its own: only those below zero give the second point.
        let is_cold = plan.mask([celsius], |[celsius]| {
            Ok(Mask::of(celsius.floats()?.map(|celsius| celsius.is_some_and(|celsius| celsius < 0.0))))
        });
        let mut frost = Point::new("frost", time);
        frost.when(is_cold);
        frost.tag("station", station);
        frost.field("celsius", celsius);

        // One impossible reading rejects its row, and the message shows which it is.
        plan.reject([celsius], |[celsius]| {
            let impossible = celsius.floats()?.zip(0..).filter(|(celsius, _)| *celsius > Some(100.0));
            let rejection = |row| Rejection { row, code: "impossible".into(), message: "above 100 °C".into() };
            Ok(impossible.map(|(_, row)| rejection(row)).collect())
        });
        plan.finish([weather, frost])
    }
}

converter_sdk::export!(Stations);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use converter_sdk::testing::Table;

    use super::*;

    /// Two readings of a row, and one of the next.
    fn table() -> Table {
        Table::new("stations")
            .texts("station.name", ["Oslo", "Oslo", "Bergen"])
            .floats("station.position.latitude", [59.9, 59.9, 60.4])
            .timestamps("readings.at", [1, 2, 3])
            .of_list("readings")
            .floats("readings.celsius", [-4.5, 101.0, 7.0])
            .of_list("readings")
            .integers("readings.#", [0, 1, 0])
            .of_list("readings")
    }

    #[test]
    fn each_reading_is_a_point_and_one_below_zero_gives_a_second() {
        let expected = [
            "weather,station=Oslo latitude=59.9,celsius=-4.5,reading=0i,row=0i 1\nfrost,station=Oslo celsius=-4.5 1",
            "rejected: impossible",
            "weather,station=Bergen latitude=60.4,celsius=7,reading=0i,row=2i 3",
        ];
        assert_eq!(table().convert::<Stations>().unwrap(), expected);
    }

    #[test]
    fn a_file_without_the_list_is_refused() {
        let problems = Table::new("stations").texts("station.name", ["Oslo"]).convert::<Stations>().unwrap_err();
        assert_eq!(problems[0].to_string(), "the dataset `stations` requires the list `readings` (missing-list)");
    }
}
