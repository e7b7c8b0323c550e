//! Every short text of the characters that mean something, in every place of a line: what the loader writes comes back as it
//! was, and what it rejects would have been refused or bent.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::Schema;
use fastrand::Rng;
use influxdb_loader::converter::{Constant, Converted, Field, FieldType, Key, Missing, Plan, Point, Source, Tag};
use influxdb_loader::points::{ChunkLimits, Dialect, Encoder, Lanes, Mapping};
use influxdb_loader::source::{Batch, RowNumbers};
use serde_json::{Value, json};

use super::{BUCKET, Server, on_both};

const ALPHABET: [char; 6] = ['a', '\\', ' ', ',', '=', '"'];

/// Where a text stands. Each has buckets of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Measurement,
    TagKey,
    TagValue,
    FieldKey,
}

/// All texts of the alphabet of up to so many characters, then some with long rows of backslashes.
fn texts(longest: usize) -> Vec<String> {
    let mut texts = Vec::new();
    let mut last = vec![String::new()];
    for _ in 0..longest {
        last = last.iter().flat_map(|text| ALPHABET.map(|next| format!("{text}{next}"))).collect();
        texts.extend(last.iter().cloned());
    }
    for backslashes in (1..10).map(|count| "\\".repeat(count)) {
        for next in ALPHABET {
            texts.extend(["", "a"].map(|before| format!("{before}{backslashes}{next}b")));
        }
    }
    texts
}

/// A plan needs no converter.
struct Nothing;

impl Mapping for Nothing {
    type Error = Infallible;

    fn translate(&mut self, _: usize, values: &StringArray) -> Result<StringArray, Infallible> {
        Ok(values.clone())
    }

    fn convert(&mut self, _: &RecordBatch) -> Result<Converted, Infallible> {
        Ok(Converted { computed: Vec::new(), masks: Vec::new(), rejected: Vec::new() })
    }
}

/// A point of constants.
#[derive(Clone, Debug)]
struct Constants {
    measurement: String,
    tags: Vec<(String, String)>,
    fields: Vec<(String, Constant)>,
}

impl Constants {
    fn new(measurement: &str, tag: (&str, &str), field: (&str, usize)) -> Self {
        Self {
            measurement: measurement.to_owned(),
            tags: vec![(tag.0.to_owned(), tag.1.to_owned())],
            fields: vec![(field.0.to_owned(), Constant::Integer(i64::try_from(field.1).unwrap()))],
        }
    }

    fn plan(&self, time: usize) -> Plan {
        let constant = |constant: &Constant| Source::Constant(constant.clone());
        let tag = |(key, value): &(String, String)| Tag {
            key: Key::Name(key.clone()),
            source: constant(&Constant::Text(value.clone())),
            when: None,
            missing: Missing::Omit,
        };
        let field = |(key, value): &(String, Constant)| Field {
            key: Key::Name(key.clone()),
            source: constant(value),
            write_as: if matches!(value, Constant::Text(_)) { FieldType::Text } else { FieldType::Integer },
            when: None,
            missing: Missing::Omit,
        };
        let point = Point {
            measurement: Key::Name(self.measurement.clone()),
            time: constant(&Constant::Integer(i64::try_from(time).unwrap())),
            tags: self.tags.iter().map(tag).collect(),
            fields: self.fields.iter().map(field).collect(),
            when: None,
        };
        Plan { points: vec![point], ..Plan::default() }
    }

    /// The line as everybody writes it, whether it can be read or not.
    fn line(&self, time: usize) -> String {
        let escaped = |text: &str, reserved: &str| {
            let escape = |next: char| reserved.contains(next).then_some('\\').into_iter().chain([next]);
            text.chars().flat_map(escape).collect::<String>()
        };
        let name = |text: &str| escaped(text, ",= ");
        let value = |value: &Constant| match value {
            Constant::Integer(value) => format!("{value}i"),
            other => unreachable!("{other:?} is not written"),
        };
        let tags: String = self.tags.iter().map(|(key, value)| format!(",{}={}", name(key), name(value))).collect();
        let fields: Vec<String> =
            self.fields.iter().map(|(key, field)| format!("{}={}", name(key), value(field))).collect();
        format!("{}{tags} {} {time}", escaped(&self.measurement, ", "), fields.join(","))
    }
}

/// Points as the loader makes requests of them.
struct Requests {
    dialect: Dialect,
    lanes: Lanes,
}

impl Requests {
    fn to(server: &Server) -> Self {
        let dialect = if matches!(server, Server::V1(_)) { Dialect::V1 } else { Dialect::V2 };
        Self { dialect, lanes: Lanes::single(ChunkLimits { points: 5_000, bytes: usize::MAX }) }
    }

    /// Adds a point, the row with this number, which is its time. Returns whether the loader writes it.
    fn add(&mut self, point: &Constants, row: usize) -> bool {
        let Ok(mut encoder) = Encoder::new(&point.plan(row), self.dialect) else { return false };
        let one_row = RecordBatchOptions::new().with_row_count(Some(1));
        let columns = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &one_row).unwrap();
        let rows = RowNumbers::starting_at(row as u64);
        let batch = Batch { row_group: 0, rows, elements: None, columns, invalid_texts: Vec::new() };
        let encoded = encoder.encode(&batch, &mut Nothing, &mut self.lanes).unwrap();
        assert!(encoded.rejected.iter().all(|row| row.code == "unwritable"), "{:?}", encoded.rejected);
        encoded.rejected.is_empty()
    }

    /// Sends them all. Returns how many requests that took.
    fn send(self, server: &Server, bucket: &str) -> usize {
        let full: Vec<_> = self.lanes.finish().collect();
        for request in &full {
            let body = std::str::from_utf8(request.chunk.body()).unwrap();
            let answer = server.write(bucket, body);
            assert_eq!(answer.status, 204, "{}", answer.text());
        }
        full.len()
    }
}

impl Place {
    const ALL: [Self; 4] = [Self::Measurement, Self::TagKey, Self::TagValue, Self::FieldKey];

    fn longest(self) -> usize {
        if self == Self::TagValue { 5 } else { 4 }
    }

    /// The point with this number, which has the text in this place.
    fn point(self, text: &str, number: usize) -> Constants {
        match self {
            Self::Measurement => Constants::new(text, ("t", "v"), ("f", number)),
            Self::TagKey => Constants::new(&format!("m{number}"), (text, "v"), ("f", number)),
            Self::TagValue => Constants::new("m", ("t", text), ("f", number)),
            Self::FieldKey => Constants::new(&format!("m{number}"), ("t", "v"), (text, number)),
        }
    }

    /// What the points of a bucket have in this place, by their numbers. A point of another form has nothing. Measurements are
    /// asked for by their names: a wrong name may be shown as the right one by who asks for all of them.
    fn found<'a>(
        self,
        server: &Server,
        bucket: &str,
        texts: impl IntoIterator<Item = &'a String>,
    ) -> BTreeMap<usize, BTreeSet<String>> {
        let all = if self == Self::Measurement {
            let identifier = |text: &String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            let statements: Vec<String> =
                texts.into_iter().map(|text| format!("SELECT * FROM {}", identifier(text))).collect();
            let results = statements.chunks(100).flat_map(|some| server.query_all(bucket, &some.join(";")));
            results.flatten().collect()
        } else {
            server.query(bucket, "SELECT * FROM /.*/")
        };
        let mut found: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        for series in all {
            let columns: Vec<&str> =
                series["columns"].as_array().unwrap().iter().map(|column| column.as_str().unwrap()).collect();
            for row in series["values"].as_array().unwrap() {
                let cells = columns.iter().copied().zip(row.as_array().unwrap()).filter(|(_, cell)| !cell.is_null());
                let cells: BTreeMap<&str, &Value> = cells.collect();
                let number = usize::try_from(cells["time"].as_u64().unwrap()).unwrap();
                let rest: Vec<(&str, &Value)> =
                    cells.iter().filter(|(name, _)| **name != "time").map(|(name, cell)| (*name, *cell)).collect();
                let is = |(name, cell): &(&str, &Value), key: &str, value: Value| *name == key && **cell == value;
                let value = json!(number);
                let text = match (self, rest.as_slice()) {
                    (Self::Measurement, [field, tag]) if is(field, "f", value.clone()) && is(tag, "t", json!("v")) => {
                        series["name"].as_str()
                    }
                    (Self::TagKey, [one, other]) if series["name"] == format!("m{number}") => {
                        let (field, tag) = if one.0 == "f" { (one, other) } else { (other, one) };
                        (is(field, "f", value) && *tag.1 == json!("v")).then_some(tag.0)
                    }
                    (Self::TagValue, [field, tag]) if series["name"] == "m" && is(field, "f", value.clone()) => {
                        (tag.0 == "t").then(|| tag.1.as_str().unwrap())
                    }
                    (Self::FieldKey, [one, other]) if series["name"] == format!("m{number}") => {
                        let (tag, field) = if one.0 == "t" { (one, other) } else { (other, one) };
                        (is(tag, "t", json!("v")) && *field.1 == value).then_some(field.0)
                    }
                    _ => None,
                };
                found.entry(number).or_default().extend(text.map(str::to_owned));
            }
        }
        found
    }
}

/// Writes lines, each in a request of its own, and counts those that are refused.
fn write_one_by_one(server: &Server, bucket: &str, lines: &[String]) -> usize {
    let (next, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(line) = lines.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match server.write(bucket, line).status {
                        204 => {}
                        400 => drop(refused.fetch_add(1, Ordering::Relaxed)),
                        status => panic!("{status}: {line}"),
                    }
                }
            });
        }
    });
    refused.into_inner()
}

/// The texts of the points that the loader writes, by their numbers, after they are written and read back.
fn write_all(server: &Server, place: Place, texts: &[String], bucket: &str) -> BTreeMap<usize, BTreeSet<String>> {
    server.create_bucket(bucket, None);
    let mut requests = Requests::to(server);
    let is_written = |(number, text): &(usize, &String)| requests.add(&place.point(text, *number), *number);
    let written: BTreeMap<usize, BTreeSet<String>> =
        (1..).zip(texts).filter(is_written).map(|(number, text)| (number, BTreeSet::from([text.clone()]))).collect();
    let requests = requests.send(server, bucket);
    assert_eq!(place.found(server, bucket, written.values().flatten()), written, "{place:?}");
    println!("{place:?}: {} texts come back, from {requests} requests", written.len());
    written
}

/// Checks that texts which the loader does not write would have been refused or bent.
fn write_in_vain(server: &Server, place: Place, rejected: &[(usize, &String)]) {
    // Each number of backslashes has a bucket of its own: a name that has lost one may be that of another text, whose points
    // would be found under it.
    let backslashes = |text: &str| text.matches('\\').count();
    let mut refused = 0;
    for count in 0..=rejected.iter().map(|(_, text)| backslashes(text)).max().unwrap_or_default() {
        let rejected: Vec<_> = rejected.iter().filter(|(_, text)| backslashes(text) == count).collect();
        // What is rejected is rejected for its backslashes.
        assert!(count > 0 || rejected.is_empty(), "{place:?} {rejected:?}");
        let bucket = format!("rejected_{place:?}_{count}");
        server.create_bucket(&bucket, None);
        let lines: Vec<String> =
            rejected.iter().map(|(number, text)| place.point(text, *number).line(*number)).collect();
        refused += write_one_by_one(server, &bucket, &lines);
        let found = place.found(server, &bucket, rejected.iter().map(|(_, text)| *text));
        for ((number, text), line) in rejected.into_iter().zip(lines) {
            let exact = found.get(number).is_some_and(|texts| texts.contains(*text));
            assert!(!exact, "{place:?} {text:?} comes back: {line}");
        }
    }
    println!("{place:?}: {} texts are rejected, {refused} of which the server refuses", rejected.len());
}

#[test]
fn what_is_written_comes_back_and_what_is_rejected_would_not() {
    on_both(|mut server| {
        let mut all = Vec::new();
        for place in Place::ALL {
            let (texts, bucket) = (texts(place.longest()), format!("written_{place:?}"));
            let written = write_all(&server, place, &texts, &bucket);
            let rejected: Vec<_> = (1..).zip(&texts).filter(|(number, _)| !written.contains_key(number)).collect();
            write_in_vain(&server, place, &rejected);
            all.push((place, bucket, written));
        }
        server.restart_with_rebuilt_index();
        for (place, bucket, written) in all {
            assert_eq!(place.found(&server, &bucket, written.values().flatten()), written, "{place:?} after a restart");
        }
    });
}

#[test]
fn texts_beside_each_other_hide_no_line_and_make_none() {
    const POINTS: usize = 4_000;
    on_both(|server| {
        let mut random = Rng::with_seed(7);
        let mut text = |characters: &[char]| -> String {
            (0..random.usize(1..7)).map(|_| characters[random.usize(..characters.len())]).collect()
        };
        let with_newline = [&ALPHABET[..], &['\n']].concat();
        let mut requests = Requests::to(&server);
        let mut meant = BTreeMap::new();
        for number in 1..=POINTS {
            // Names that differ from each other.
            let point = Constants {
                measurement: format!("m{number}"),
                tags: (0..2).map(|tag| (format!("{}{tag}", text(&ALPHABET)), text(&ALPHABET))).collect(),
                fields: (2..4)
                    .map(|field| (format!("{}{field}", text(&ALPHABET)), Constant::Text(text(&with_newline))))
                    .collect(),
            };
            if requests.add(&point, number) {
                let texts = point.fields.iter().map(|(key, value)| match value {
                    Constant::Text(value) => (key.clone(), value.clone()),
                    other => unreachable!("{other:?}"),
                });
                meant.insert(format!("m{number}"), point.tags.iter().cloned().chain(texts).collect::<BTreeMap<_, _>>());
            }
        }
        assert!(meant.len() > POINTS / 8, "{} of {POINTS}", meant.len());
        let requests = requests.send(&server, BUCKET);
        println!("{} of {POINTS} points in {requests} requests", meant.len());
        let mut found = BTreeMap::new();
        for series in server.query(BUCKET, "SELECT * FROM /.*/") {
            let (columns, rows) = (series["columns"].as_array().unwrap(), series["values"].as_array().unwrap());
            assert_eq!(rows.len(), 1, "{series}");
            let cells = columns.iter().zip(rows[0].as_array().unwrap());
            let cells = cells.filter(|(column, value)| **column != "time" && !value.is_null());
            let cells =
                cells.map(|(key, value)| (key.as_str().unwrap().to_owned(), value.as_str().unwrap().to_owned()));
            found.insert(series["name"].as_str().unwrap().to_owned(), cells.collect());
        }
        assert_eq!(found, meant);
    });
}
