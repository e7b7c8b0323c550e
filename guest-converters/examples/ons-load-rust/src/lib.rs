//! The converter of the `ons-load-raw` dataset: hourly load by distributor, as ONS, the operator of Brazil's grid,
//! publishes it. It gives the points that the `consumption` converter gives for the same data, cleaned.
//!
//! | column | becomes |
//! |---|---|
//! | `nom_seriehistorica`, `SP-` and the distributor | the tag `subsector`, without `SP-` |
//! | `din_ocorrencia`, São Paulo's time as text | the time |
//! | `val_itemserieoriginal`, MW | the field `power_mw` |

mod sao_paulo;

use converter_sdk::{
    Column, ColumnType, Constant, Converter, Description, Input, Mapping, PlanBuilder, Point, Problem, Rejection, Texts,
};
use sao_paulo::Instant;

/// What every row of the dataset has in common.
const TAGS: [(&str, &str); 4] =
    [("region", "sudeste"), ("consumer_type", "distributor"), ("measurement_type", "load"), ("sector", "distribution")];

/// The converter.
#[derive(Debug)]
pub struct OnsLoad;

impl Converter for OnsLoad {
    fn describe() -> Description {
        Description {
            name: "ons-load".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            dataset: "ons-load-raw".into(),
            summary: env!("CARGO_PKG_DESCRIPTION").into(),
        }
    }

    fn prepare(input: &Input) -> Result<Mapping, Vec<Problem>> {
        let mut plan = PlanBuilder::new(input);
        let series = plan.required("nom_seriehistorica", &[ColumnType::Text]);
        let local = plan.required("din_ocorrencia", &[ColumnType::Text]);
        let power = plan.required("val_itemserieoriginal", &[ColumnType::Float, ColumnType::Integer]);

        let distributor =
            plan.translate(series, |series| series.map(|series| series.strip_prefix("SP-").unwrap_or(series).into()));
        let time = plan.compute(ColumnType::Timestamp, [local], |[local]| {
            Ok(Column::timestamps(instants(local.texts()?).map(|instant| instant?.ok())))
        });
        plan.reject([local], |[local]| {
            let rejected = |(row, instant): (u32, Option<Instant>)| {
                let message = instant?.err()?.to_owned();
                Some(Rejection { row, code: "invalid-timestamp".into(), message })
            };
            Ok((0..).zip(instants(local.texts()?)).filter_map(rejected).collect())
        });

        let mut point = Point::new("consumption_data", time);
        for (key, value) in TAGS {
            point.tag(key, Constant::from(value));
        }
        point.tag("subsector", distributor);
        point.field("power_mw", power).write_as(converter_sdk::FieldType::Float).or_reject("invalid-value");
        point.field("unit", Constant::from("MW"));
        plan.finish([point])
    }
}

converter_sdk::export!(OnsLoad);

/// The instant of each row. Each distinct text is read once a batch.
fn instants(texts: Texts<'_>) -> impl Iterator<Item = Option<Instant>> {
    texts.map_distinct(|text| Some(sao_paulo::instant(text)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a test's to report")]

    use converter_sdk::testing::Table;

    use super::*;

    #[test]
    fn rows_become_points_of_the_consumption_dataset() {
        let rows = Table::new("ons-load-raw")
            .texts("nom_seriehistorica", ["SP-ELEKTRO"; 5])
            .texts(
                "din_ocorrencia",
                [
                    Some("2018-01-01 00:00:00.000"),
                    Some("2018-01-01 01:00:00.000"),
                    Some("2018-11-04 00:00:00.000"),
                    Some("2018-02-17 23:00:00.000"),
                    None,
                ],
            )
            .floats("val_itemserieoriginal", [Some(2569.5), None, None, Some(1.0), Some(1.0)])
            .convert::<OnsLoad>()
            .unwrap();
        let tags =
            "region=sudeste,consumer_type=distributor,measurement_type=load,sector=distribution,subsector=ELEKTRO";
        let expected = [
            &*format!("consumption_data,{tags} power_mw=2569.5,unit=\"MW\" 1514772000000000000"),
            "rejected: invalid-value",
            // An hour that does not exist; that it has no value does not matter any more.
            "rejected: invalid-timestamp",
            "rejected: invalid-timestamp",
            "rejected: invalid-timestamp",
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn its_columns_are_required() {
        let problems = OnsLoad::prepare(Table::new("ons-load-raw").input()).unwrap_err();
        let columns: Vec<_> = problems.iter().filter_map(|problem| problem.column.as_deref()).collect();
        assert_eq!(columns, ["nom_seriehistorica", "din_ocorrencia", "val_itemserieoriginal"]);
    }
}
