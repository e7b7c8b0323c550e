//! What the encoder writes, read back by readers of line protocol that know nothing of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, UInt64Array};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::readers::{self, Read, Value};
use super::rules::Element;
use super::tests::{Native, batch, field, plan, tag, text, times};
use super::*;
use crate::converter::{Converted, FieldType, Key, Plan, Source};

static DIALECTS: [Dialect; 4] = [Dialect::V1, Dialect::V2, Dialect::V3, Dialect::Any];

/// Characters that mean something to a reader, or nearly so.
const SPECIAL: &[char] = &['\\', ',', '=', ' ', '"', '#', '!', '~', '\n', '\r', '\t', '\0', '\'', 'i', 'u', '_'];

/// A character of any kind, the special ones often.
fn character() -> impl Strategy<Value = char> {
    prop_oneof![2 => select(SPECIAL), 1 => any::<char>(), 1 => proptest::char::range('a', 'c')]
}

fn nasty() -> BoxedStrategy<String> {
    prop_oneof![
        8 => proptest::collection::vec(character(), 0..10).prop_map(String::from_iter),
        1 => select(&["time", "_field", "_measurement", "a#!~#b", "#!~", "\\\"", "a\\ ", "a", "b"][..]).prop_map(str::to_owned),
    ]
    .boxed()
}

/// Text without any character that has a meaning in line protocol, and that is no reserved key.
fn plain(_: Element, _: Dialect) -> BoxedStrategy<String> {
    let harmless = any::<char>().prop_filter("it is special", |character| !SPECIAL[..12].contains(character));
    let text = proptest::collection::vec(harmless, 1..10).prop_map(String::from_iter);
    text.prop_filter("it is reserved", |text| !matches!(text.as_str(), "time" | "_field" | "_measurement")).boxed()
}

fn time() -> impl Strategy<Value = i64> {
    let ends = [i64::MIN, i64::MIN + 1, i64::MIN + 2, -1, 0, i64::MAX - 1, i64::MAX];
    prop_oneof![9 => any::<i64>(), 1 => select(ends.to_vec())]
}

fn float() -> impl Strategy<Value = f64> {
    let limits = [0.0, -0.0, f64::MIN, f64::MAX, f64::MIN_POSITIVE, 5e-324, f64::NAN, f64::INFINITY, 1e21, 0.1, -1e-7];
    prop_oneof![3 => any::<u64>().prop_map(f64::from_bits), 1 => select(limits.to_vec())]
}

fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), select(&[i64::MIN, -1, 0, 1, i64::MAX][..])]
}

fn unsigned() -> impl Strategy<Value = u64> {
    let limits = [0, i64::MAX.unsigned_abs(), i64::MAX.unsigned_abs() + 1, u64::MAX];
    prop_oneof![any::<u64>(), select(limits.to_vec())]
}

/// The names of a plan.
#[derive(Clone, Debug)]
struct Names {
    measurement: String,
    tags: [String; 2],
    /// Of the float, the integer, the unsigned integer, the boolean and the text.
    fields: [String; 5],
}

/// A row: what each tag and field of the plan has there.
#[derive(Clone, Debug)]
struct Row {
    time: i64,
    tags: [Option<String>; 3],
    /// The key of the third tag, and of the float and the last field.
    translated: (Option<String>, Option<String>),
    float: Option<f64>,
    integer: Option<i64>,
    unsigned: Option<u64>,
    boolean: Option<bool>,
    text: Option<String>,
    last: Option<f64>,
}

/// What texts an element is filled with.
type Texts = fn(Element, Dialect) -> BoxedStrategy<String>;

/// Nasty texts, most of which the engine takes in this element.
fn mostly_taken(element: Element, dialect: Dialect) -> BoxedStrategy<String> {
    let taken = nasty().prop_filter("it is refused", move |text| element.check(text, dialect).is_ok());
    prop_oneof![60 => taken, 1 => nasty()].boxed()
}

/// An engine, a plan, and rows.
type Case = (Dialect, Names, Vec<Row>);

fn case(dialects: &'static [Dialect], texts: Texts) -> impl Strategy<Value = Case> {
    select(dialects).prop_flat_map(move |dialect| {
        (Just(dialect), names(texts, dialect), proptest::collection::vec(row(texts, dialect), 1..6))
    })
}

fn names(texts: Texts, dialect: Dialect) -> impl Strategy<Value = Names> {
    let tag = || texts(Element::TagKey, dialect);
    let field = || texts(Element::FieldKey, dialect);
    (texts(Element::Measurement, dialect), [tag(), tag()], [field(), field(), field(), field(), field()])
        .prop_map(|(measurement, tags, fields)| Names { measurement, tags, fields })
}

fn row(texts: Texts, dialect: Dialect) -> impl Strategy<Value = Row> {
    let value = || option::of(texts(Element::TagValue, dialect));
    let keys = (option::of(texts(Element::TagKey, dialect)), option::of(texts(Element::FieldKey, dialect)));
    (
        (time(), [value(), value(), value()], keys),
        (option::of(float()), option::of(integer()), option::of(unsigned()), any::<Option<bool>>()),
        (option::of(nasty()), option::of(float())),
    )
        .prop_map(|((time, tags, translated), (float, integer, unsigned, boolean), (text, last))| Row {
            time,
            tags,
            translated,
            float,
            integer,
            unsigned,
            boolean,
            text,
            last,
        })
}

impl Names {
    /// A plan of two tags with these names and one with a translated key, five fields with these names and one with a
    /// translated key. The columns are those of [`columns`].
    fn plan(&self) -> Plan {
        let translated = |key| Key::Translated(key);
        let mut tags: Vec<_> = (0..2).map(|index| tag(&self.tags[index], Source::Column(index + 1))).collect();
        tags.push(tag("", Source::Column(3)));
        tags[2].key = translated(0);
        let types = [FieldType::Float, FieldType::Integer, FieldType::Unsigned, FieldType::Boolean, FieldType::Text];
        let named = types.into_iter().zip(&self.fields).enumerate();
        let mut fields: Vec<_> =
            named.map(|(index, (write_as, name))| field(name, Source::Column(index + 4), write_as)).collect();
        fields.push(field("", Source::Column(9), FieldType::Float));
        fields[5].key = translated(1);
        let mut plan = plan(tags, fields);
        plan.points[0].measurement = Key::Name(self.measurement.clone());
        plan.translations = vec![10, 11];
        plan
    }
}

fn columns(rows: &[Row]) -> Vec<ArrayRef> {
    let texts =
        |of: fn(&Row) -> Option<&String>| text(&rows.iter().map(|row| of(row).map(String::as_str)).collect::<Vec<_>>());
    vec![
        times(rows.iter().map(|row| Some(row.time)).collect()),
        texts(|row| row.tags[0].as_ref()),
        texts(|row| row.tags[1].as_ref()),
        texts(|row| row.tags[2].as_ref()),
        Arc::new(rows.iter().map(|row| row.float).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.integer).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.unsigned).collect::<UInt64Array>()),
        Arc::new(rows.iter().map(|row| row.boolean).collect::<BooleanArray>()),
        texts(|row| row.text.as_ref()),
        Arc::new(rows.iter().map(|row| row.last).collect::<Float64Array>()),
        texts(|row| row.translated.0.as_ref()),
        texts(|row| row.translated.1.as_ref()),
    ]
}

/// The point that a row means.
fn meant(names: &Names, row: &Row, dialect: Dialect) -> Read {
    let key = |key: &Option<String>| key.clone().filter(|key| !key.is_empty());
    let tag_keys = [Some(names.tags[0].clone()), Some(names.tags[1].clone()), key(&row.translated.0)];
    let mut tags: Vec<(String, String)> = Vec::new();
    for (key, value) in tag_keys.into_iter().zip(&row.tags) {
        if let (Some(key), Some(value)) = (key, value)
            && !value.is_empty()
            && tags.iter().all(|(known, _)| *known != key)
        {
            tags.push((key, value.clone()));
        }
    }
    tags.sort();
    let float = |value: Option<f64>| value.filter(|value| value.is_finite()).map(|value| Value::Float(value.to_bits()));
    let unsigned = |value| match (dialect, i64::try_from(value)) {
        (Dialect::V1 | Dialect::Any, Ok(value)) => Value::Integer(value),
        _ => Value::Unsigned(value),
    };
    let values = [
        float(row.float),
        row.integer.map(Value::Integer),
        row.unsigned.map(unsigned),
        row.boolean.map(Value::Boolean),
        row.text.clone().map(Value::Text),
        float(row.last),
    ];
    let keys = names.fields.iter().cloned().map(Some).chain([key(&row.translated.1)]);
    let mut fields: Vec<(String, Value)> = Vec::new();
    for (key, value) in keys.zip(values) {
        if let (Some(key), Some(value)) = (key, value)
            && fields.iter().all(|(known, _)| *known != key)
        {
            fields.push((key, value));
        }
    }
    Read { measurement: names.measurement.clone(), tags, fields, time: row.time }
}

/// The points that are meant, the bodies of requests, and the rejected rows.
type Written = (Vec<Read>, Vec<String>, Vec<RejectedRow>);

/// What the encoder makes of rows.
fn encode(names: &Names, rows: &[Row], dialect: Dialect) -> Result<Written, LayoutError> {
    let mut encoder = Encoder::new(&names.plan(), dialect)?;
    let translate: fn(usize, Option<&str>) -> Option<String> = |_, key| key.map(str::to_owned);
    let convert: fn(&RecordBatch) -> Converted = |_| unreachable!("the plan does not convert");
    let mut mapping = Native { translate, convert, asked: Vec::new() };
    let mut chunks = Lanes::single(ChunkLimits { points: 1_000, bytes: usize::MAX });
    let encoded = encoder.encode(&batch(columns(rows)), &mut mapping, &mut chunks).unwrap();
    let is_rejected = |row: usize| encoded.rejected.iter().any(|rejected| rejected.row == row as u64);
    let kept = rows.iter().enumerate().filter(|(row, _)| !is_rejected(*row));
    let meant = kept.map(|(_, row)| meant(names, row, dialect)).collect();
    let bodies = chunks.finish().map(|full| String::from_utf8(full.chunk.body().to_vec()).unwrap()).collect();
    Ok((meant, bodies, encoded.rejected))
}

/// Holds points against what a reader makes of the lines. Readers list tags in the order of the line, which is that of
/// the keys; 1.x and 2.x would sort keys with escapes otherwise.
#[track_caller]
fn assert_read(reader: fn(&str) -> Vec<Result<Read, String>>, meant: &[Read], bodies: &[String]) {
    let read = bodies.iter().flat_map(|body| reader(body));
    let read: Vec<Read> = read.map(|line| line.unwrap_or_else(|error| panic!("{error}: {bodies:?}"))).collect();
    assert_eq!(read, meant, "{bodies:?}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_024,
        max_local_rejects: u32::MAX,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_written_is_read_back_as_it_was_meant(
        (dialect, names, rows) in case(&DIALECTS, mostly_taken),
    ) {
        let (meant, bodies, rejected) = match encode(&names, &rows, dialect) {
            Ok(encoded) => encoded,
            Err(error) => {
                prop_assert!(is_reason(error.reason, &error.name), "{error}: {}", error.reason);
                return Ok(());
            }
        };
        if dialect.suits_v3() {
            assert_read(readers::v3, &meant, &bodies);
        }
        if dialect.suits_v1_or_v2() {
            assert_read(readers::v1, &meant, &bodies);
        }
        for RejectedRow { code, message, .. } in rejected {
            prop_assert!(matches!(code.as_str(), "unwritable" | "invalid-timestamp" | "no-fields"), "{code}: {message}");
        }
    }

    #[test]
    fn the_parser_of_3_reads_the_lines_for_1_and_2_alike_where_nothing_is_escaped_otherwise(
        (dialect, names, rows) in case(&[Dialect::V1, Dialect::V2], mostly_taken),
    ) {
        // It differs from the readers of 1.x and 2.x in three points: a backslash escapes a backslash, a tab ends a name,
        // and a NUL ends a measurement.
        let differs = |text: &str| text.contains(['\t', '\0']) || text.contains("\\\\") || {
            text.as_bytes().windows(2).any(|pair| pair[0] == b'\\' && b",= ".contains(&pair[1]))
        };
        let Ok((meant, bodies, _)) = encode(&names, &rows, dialect) else { return Ok(()) };
        let name_differs = |point: &Read| {
            let tags = point.tags.iter().flat_map(|(key, value)| [key, value]);
            let mut names = tags.chain(point.fields.iter().map(|(key, _)| key)).chain([&point.measurement]);
            names.any(|name| differs(name))
        };
        if !meant.iter().any(name_differs) {
            assert_read(readers::v3, &meant, &bodies);
        }
    }

    #[test]
    fn there_are_never_more_lines_than_points(
        (dialect, names, rows) in case(&DIALECTS, mostly_taken),
    ) {
        let Ok((meant, bodies, _)) = encode(&names, &rows, dialect) else { return Ok(()) };
        prop_assert_eq!(bodies.iter().map(|body| readers::v1(body).len()).sum::<usize>(), meant.len(), "{:?}", bodies);
        // What hides the end of its line stands alone, or at the end.
        for body in bodies.iter().filter(|body| !body.contains("\\\\ ")) {
            // The lines of 3, which are found as in 1.x and 2.x; the last is what follows the last newline: nothing.
            let lines: Vec<&str> = influxdb_line_protocol::split_lines(body).collect();
            prop_assert_eq!(lines.len(), readers::v1(body).len() + 1, "{:?}", body);
            // Outside of quotes there is no line break at all.
            let quoted = |line: &&str| line.matches('\n').count();
            prop_assert_eq!(body.matches('\n').count() + 1, lines.len() + lines.iter().map(quoted).sum::<usize>());
        }
    }

    #[test]
    fn what_has_no_special_character_is_never_rejected(
        (dialect, names, mut rows) in case(&DIALECTS, plain),
    ) {
        for row in &mut rows {
            row.time = row.time.clamp(i64::MIN + 2, i64::MAX - 1);
            row.unsigned = row.unsigned.map(|value| value >> 1);
            row.integer = row.integer.or(Some(1));
        }
        match encode(&names, &rows, dialect) {
            Ok((meant, _, rejected)) => {
                // Random names may happen to be the same.
                let names_clash = |row: &RejectedRow| row.message.contains("a tag and a field of the same name");
                prop_assert!(rejected.iter().all(names_clash), "{rejected:?}");
                prop_assert_eq!(meant.len() + rejected.len(), rows.len());
            }
            Err(error) => prop_assert!(matches!(error.reason, Unwritable::TagAndField(_)), "{}", error.reason),
        }
    }

    #[test]
    fn what_is_refused_has_what_it_is_refused_for(text in nasty(), dialect in select(&DIALECTS[..])) {
        for kind in [Element::Measurement, Element::TagKey, Element::TagValue, Element::FieldKey] {
            if let Err(reason) = kind.check(&text, dialect) {
                prop_assert!(is_reason(reason, &text), "{text:?}: {reason}");
            }
        }
    }
}

/// Whether a text has what a reason names.
fn is_reason(reason: Unwritable, text: &str) -> bool {
    match reason {
        Unwritable::LineBreak => text.contains(['\n', '\r']),
        Unwritable::TrailingBackslash => text.ends_with('\\'),
        Unwritable::Backslash(next, _) => text.contains(&format!("\\{next}")),
        Unwritable::Comment => text.starts_with('#'),
        Unwritable::LeadingBlank(_) => text.starts_with(['\t', '\0']),
        Unwritable::Tab(_) => text.contains('\t'),
        Unwritable::Nul(_) => text.contains('\0'),
        Unwritable::SeriesEnd(_) => text.contains("#!~"),
        Unwritable::ReservedKey(_) => matches!(text, "time" | "_field" | "_measurement" | "\0"),
        Unwritable::Empty => text.is_empty(),
        Unwritable::TooLong(most, _) => text.len() > most,
        Unwritable::TagAndField(_) | Unwritable::HiddenEnd(_) => true,
        Unwritable::SeriesTooLong(..)
        | Unwritable::TooManyColumns(..)
        | Unwritable::TooLarge(_)
        | Unwritable::Inexact(_) => false,
    }
}
