//! The converters that are built into the loader.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use arrow::array::types::Int32Type;
use arrow::array::{Array, AsArray, DictionaryArray, StringArray};
use insta::{assert_debug_snapshot, assert_snapshot};

use super::super::{Catalog, CompileCache, Constant, FieldType, Key, Missing, Source};
use super::*;

fn catalog() -> Catalog {
    Catalog::built_in(engine(), None)
}

/// The columns that a file of the dataset always has.
fn columns(time: ColumnType, value: ColumnType) -> Input {
    input([
        ("timestamp", time),
        ("region", ColumnType::Text),
        ("energy_source", ColumnType::Text),
        ("measurement_type", ColumnType::Text),
        ("value", value),
        ("unit", ColumnType::Text),
        ("ignored", ColumnType::Other),
    ])
}

#[test]
fn the_catalog_knows_the_three_energy_datasets() {
    let catalog = catalog();
    assert_eq!(catalog.known(), ["consumption", "generation", "transmission"]);
    for dataset in catalog.known() {
        let converter = catalog.converter(&dataset).unwrap();
        let description = converter.description();
        assert_eq!((&description.name, &description.dataset), (&dataset, &dataset));
        assert_eq!(converter.digest().len(), 64);
        // The second time it is the same one.
        assert_eq!(catalog.converter(&dataset).unwrap().digest(), converter.digest());
    }
    assert_snapshot!(catalog.converter("weather").unwrap_err(), @"no converter for dataset `weather`, known: `consumption`, `generation`, `transmission`");
}

#[test]
fn what_one_catalog_has_compiled_another_one_finds() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("cache");
    let cached = || Catalog::built_in(engine(), Some(Arc::new(CompileCache::open(&place).unwrap())));
    let first = cached().converter("generation").unwrap();
    let files = || std::fs::read_dir(&place).unwrap().map(|file| file.unwrap().path()).collect::<Vec<_>>();
    let [file] = &files()[..] else { panic!("one file") };
    let written = std::fs::metadata(file).unwrap().modified().unwrap();
    let second = cached().converter("generation").unwrap();
    assert_eq!((first.digest(), first.description()), (second.digest(), second.description()));
    assert_eq!(std::fs::metadata(file).unwrap().modified().unwrap(), written);
    // What is damaged is not used. Another file in its place, since code that is mapped must not change.
    let damaged = directory.path().join("damaged");
    std::fs::write(&damaged, b"nonsense").unwrap();
    std::fs::set_permissions(&damaged, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&damaged, file).unwrap();
    assert_eq!(cached().converter("generation").unwrap().digest(), first.digest());
    assert_ne!(std::fs::read(file).unwrap(), b"nonsense");
}

#[test]
fn a_converter_that_is_put_into_the_catalog_serves_from_then_on() {
    let catalog = catalog();
    let before = catalog.converter("generation").unwrap();
    let converter = engine().compile(&Guest::default().component()).unwrap();
    assert!(catalog.insert("generation", converter.clone()));
    assert!(!catalog.insert("weather", converter));
    assert_eq!(catalog.converter("generation").unwrap().description().name, "wat-guest");
    assert_eq!(catalog.known(), ["consumption", "generation", "transmission", "weather"]);
    assert_eq!(before.description().name, "generation");
    assert!(Catalog::empty(engine()).known().is_empty());
}

#[test]
fn clean_columns_pass_by_the_guest() {
    let mut instance = catalog().converter("generation").unwrap().instantiate().unwrap();
    let plan = instance.prepare(&columns(ColumnType::Timestamp, ColumnType::Float)).unwrap();
    assert!(!plan.converts());
    let [point] = &plan.points[..] else { panic!("one point") };
    assert_eq!((&point.measurement, &point.time), (&Key::Name("generation_data".into()), &Source::Column(0)));
    assert_eq!(point.tags.len(), 3);
    let field = &point.fields[0];
    assert_eq!((field.source.clone(), field.write_as), (Source::Column(4), FieldType::Float));
    assert_eq!(field.missing, Missing::Reject("invalid-value".into()));

    let Key::Translated(unit) = field.key else { panic!("the unit names the field") };
    assert_eq!(plan.translations[unit], 5);
    let values = StringArray::from(vec![Some(" MW "), None, Some("furlongs"), Some("%")]);
    let keys = instance.translate(unit, &values).unwrap();
    assert_eq!(keys, StringArray::from(vec!["power_mw", "value", "value", "percentage"]));
    // Slices, and nothing at all, cross as well.
    assert_eq!(instance.translate(unit, &values.slice(2, 2)).unwrap(), StringArray::from(vec!["value", "percentage"]));
    assert_eq!(instance.translate(unit, &values.slice(4, 0)).unwrap().len(), 0);

    let Source::Translated(region) = point.tags[0].source else { panic!("tags are trimmed") };
    let regions = StringArray::from(vec![Some(" São Paulo "), Some("NaN"), Some(""), None]);
    assert_eq!(
        instance.translate(region, &regions).unwrap(),
        StringArray::from(vec![Some("São Paulo"), None, None, None])
    );
}

#[test]
fn times_and_values_in_text_are_computed() {
    let mut instance = catalog().converter("generation").unwrap().instantiate().unwrap();
    let plan = instance.prepare(&columns(ColumnType::Text, ColumnType::Text)).unwrap();
    assert_eq!(plan.reads, [0, 4]);
    assert_eq!(plan.computed, [ColumnType::Timestamp, ColumnType::Float]);

    let text = |values: Vec<Option<&str>>| -> ArrayRef {
        Arc::new(values.into_iter().collect::<DictionaryArray<Int32Type>>())
    };
    let times = text(vec![
        Some("2024-01-01T00:00:00Z"),
        None,
        Some("2024-01-01 00:00:00.5"),
        Some("yesterday"),
        Some("2024-01-01T00:00:00Z"),
    ]);
    let values = text(vec![Some("1.5"), Some("2"), Some("NaN"), None, Some("-1e3")]);
    for (offset, length) in [(0, 5), (1, 4), (2, 1), (3, 0)] {
        let batch = batch([times.slice(offset, length), values.slice(offset, length)], length);
        let converted = instance.convert(&batch).unwrap();
        let second = 1_000_000_000;
        let new_year = 1_704_067_200 * second;
        let expected = [Some(new_year), None, Some(new_year + second / 2), None, Some(new_year)];
        let computed = converted.computed[0].as_primitive::<arrow::datatypes::TimestampNanosecondType>();
        assert_eq!(computed.iter().collect::<Vec<_>>(), expected[offset..offset + length]);
        let expected = [Some(1.5), Some(2.0), None, None, Some(-1000.0)];
        let computed = converted.computed[1].as_primitive::<arrow::datatypes::Float64Type>();
        let computed: Vec<_> = computed.iter().map(|value| value.filter(|value| value.is_finite())).collect();
        assert_eq!(computed, expected[offset..offset + length]);
    }
}

#[test]
fn every_problem_of_a_schema_is_told_at_once() {
    let mut instance = catalog().converter("generation").unwrap().instantiate().unwrap();
    let error = instance.prepare(&input([("timestamp", ColumnType::Boolean)])).unwrap_err();
    assert!(error.is_rejection() && !error.is_converter_fault());
    assert!(error.to_string().starts_with("converter `generation` 1.0.0 rejected the input: "), "{error}");
    let ConverterError::Rejected { problems, .. } = error else { panic!("it was a rejection") };
    let problems: Vec<_> =
        problems.iter().map(|problem| (problem.code.as_str(), problem.column.as_deref().unwrap_or_default())).collect();
    let missing = ["region", "energy_source", "measurement_type", "value", "unit"].map(|name| ("missing-column", name));
    assert_eq!(problems, [&[("invalid-column-type", "timestamp")][..], &missing].concat());
    // A converter that rejected an object can have the next.
    instance.prepare(&columns(ColumnType::Timestamp, ColumnType::Float)).unwrap();
}

#[test]
fn the_schema_need_not_be_strict() {
    let mut lenient = input([("timestamp", ColumnType::Timestamp), ("value", ColumnType::Integer)]);
    lenient.strict = false;
    let mut instance = catalog().converter("transmission").unwrap().instantiate().unwrap();
    let plan = instance.prepare(&lenient).unwrap();
    assert_debug_snapshot!(plan.points, @r#"
    [
        Point {
            measurement: Name(
                "transmission_data",
            ),
            time: Column(
                0,
            ),
            tags: [],
            fields: [
                Field {
                    key: Name(
                        "value",
                    ),
                    source: Column(
                        1,
                    ),
                    write_as: Float,
                    when: None,
                    missing: Reject(
                        "invalid-value",
                    ),
                },
            ],
            when: None,
        },
    ]
    "#);
    assert!(!matches!(plan.points[0].time, Source::Constant(Constant::Integer(_))));
}
