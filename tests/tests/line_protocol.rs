//! What InfluxDB 1.x and 2.x make of the lines that are written for them: every one is taken, and gives back what was
//! meant, also after the server has read its files again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchOptions, StringArray, TimestampNanosecondArray};
use arrow::datatypes::Schema;
use fastrand::Rng;
use influxdb_loader::converter::{Constant, Converted, Field, FieldType, Key, Missing, Plan, Point, Source, Tag};
use influxdb_loader::points::{ChunkLimits, Dialect, Encoder, Lanes, Mapping};
use influxdb_loader::source::{Batch, RowNumbers};
use influxdb_loader_tests::{
    Dialect as Engine, FaultServer, InfluxDb, InfluxDb2, InfluxServer, Loader, Value as Held, parquet,
};
use jiff::Timestamp;
use serde_json::{Value, json};

const DATABASE: &str = "energy_data";

/// What the parser of the server has a meaning for, or the programs around it.
const SPECIAL: &[&str] = &[
    "\\", "\\", ",", "=", " ", "\"", "'", "#", "#!~#", "\n", "\r", "\t", "\0", "\u{1b}", "\u{7f}", "\u{85}",
    "\u{2028}", "\u{feff}", "\u{fffd}", "i", "u", "t", "true", "1e9", "é", "北", "😀", "a", "b",
];

/// Texts that people have been caught by.
const PICKED: &[&str] = &[
    "C:\\data",
    "C:\\new",
    "\\\\server\\share",
    "a\\,b",
    "a\\=b",
    "a\\\"b",
    "say \"hi\"",
    "\"quoted\"",
    "\"",
    "\\\"",
    "''",
    "a=b, c=d",
    "key=\"value\",other=1i 5",
    "=",
    ",",
    ",,",
    "# comment",
    "#",
    "a#!~",
    "#!~#",
    "true",
    "1u",
    "NaN",
    "São Paulo",
    "ponto e vírgula; aspas”",
    "北京",
    "😀😀",
    "e\u{301}",
    "\u{202e}abc",
    "a\u{0}b",
    "a\tb",
    "a\rb",
    "two\nlines",
    "ends\\",
    "a\\ b",
    "a\\\\ b",
    "time",
    "_field",
    "_measurement",
    "SELECT * FROM x; --",
    "%s%n",
    "${HOME}",
];

/// Hand-picked texts, then as many made of special parts.
fn texts(random: &mut Rng, count: usize) -> Vec<String> {
    let mut texts: Vec<String> = PICKED.iter().map(|text| (*text).to_owned()).collect();
    while texts.len() < count {
        let parts = random.usize(1..7);
        texts.push((0..parts).map(|_| SPECIAL[random.usize(..SPECIAL.len())]).collect());
    }
    texts
}

/// Whether a tag of 1.x and 2.x can have this value: the loader's rule, in other words.
fn is_held(tag: &str) -> bool {
    let parts_series = tag.contains("#!~#") || tag.ends_with("#!~");
    !tag.is_empty() && !tag.contains('\n') && !tag.ends_with('\\') && !parts_series
}

/// Whether a measurement of 1.x and 2.x can have this name.
fn is_held_name(name: &str) -> bool {
    is_held(name) && !has_backslash_before(name, &[",", "=", " ", "\""]) && !name.starts_with(['\t', '\0'])
}

/// Whether a field of 1.x can have this key.
fn is_held_key(key: &str) -> bool {
    // A field's key may hold what ends a series, and pairs of backslashes.
    let odd = has_backslash_before(&key.replace("\\\\", ""), &[",", "=", " "]) || has_backslash_before(key, &["\""]);
    is_held(&key.replace("#!~", "-")) && !odd && !key.starts_with(['\t', '\0']) && key != "time"
}

fn has_backslash_before(text: &str, next: &[&str]) -> bool {
    next.iter().any(|next| text.contains(&format!("\\{next}")))
}

/// The rows of a series of a result, by time, without the columns that are null.
fn rows(series: &Value) -> BTreeMap<i64, BTreeMap<String, Value>> {
    let columns: Vec<&str> = series["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let row = |values: &Value| {
        let values = columns.iter().zip(values.as_array().unwrap());
        let row = values.filter(|(name, value)| **name != "time" && !value.is_null());
        row.map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let values = series["values"].as_array().unwrap();
    values.iter().map(|values| (values[0].as_i64().unwrap(), row(values))).collect()
}

/// A float of any size, the limits at first.
fn float(random: &mut Rng, row: usize) -> f64 {
    let limits = [0.0, -0.0, f64::MIN, f64::MAX, f64::MIN_POSITIVE, 5e-324, -5e-324, 1e21, 1e-7, 0.1, 1.0 / 3.0];
    loop {
        let value = limits.get(row).copied().unwrap_or_else(|| f64::from_bits(random.u64(..)));
        if value.is_finite() {
            return value;
        }
    }
}

/// A time of any size, the limits at first, each once.
fn times(random: &mut Rng, count: usize) -> Vec<i64> {
    let mut times = vec![i64::MIN + 2, i64::MAX - 1, -1, 0, 1];
    let mut known: BTreeSet<i64> = times.iter().copied().collect();
    while times.len() < count {
        // Years that share shards: the server keeps an open file for each week.
        let time = 1_600_000_000_000_000_000 + random.i64(0..1_000_000_000_000_000);
        if known.insert(time) {
            times.push(time);
        }
    }
    times
}

/// Rows of the consumption dataset with values of every kind.
struct Nasty {
    times: Vec<i64>,
    floats: Vec<f64>,
    texts: Vec<String>,
}

impl Nasty {
    fn new() -> Self {
        let mut random = Rng::with_seed(1);
        // The converter trims tags and units, and takes a word for none; it leaves these as they are.
        let stays = |text: &String| text.trim() == text && text != "NaN";
        let texts: Vec<String> = texts(&mut random, 700).into_iter().filter(stays).collect();
        let times = times(&mut random, texts.len());
        let floats = (0..texts.len()).map(|row| float(&mut random, row)).collect();
        Self { times, floats, texts }
    }

    fn count(&self) -> usize {
        self.times.len()
    }

    fn region(&self, row: usize) -> &str {
        &self.texts[row]
    }

    // Another order in each column, so that rows differ in more than one tag.
    fn sector(&self, row: usize) -> &str {
        &self.texts[row * 7 % self.count()]
    }

    fn unit(&self, row: usize) -> &str {
        &self.texts[row * 11 % self.count()]
    }

    /// Those that can be written.
    fn written(&self) -> Vec<usize> {
        (0..self.count()).filter(|row| is_held(self.region(*row)) && is_held(self.sector(*row))).collect()
    }

    fn parquet(&self) -> Vec<u8> {
        let texts = |text: &dyn Fn(usize) -> String| {
            Arc::new(StringArray::from_iter_values((0..self.count()).map(text))) as ArrayRef
        };
        let times = TimestampNanosecondArray::from(self.times.clone()).with_timezone("UTC");
        let columns = RecordBatch::try_from_iter([
            ("timestamp", Arc::new(times) as ArrayRef),
            ("region", texts(&|row| self.region(row).to_owned())),
            ("sector", texts(&|row| self.sector(row).to_owned())),
            ("value", Arc::new(Float64Array::from(self.floats.clone()))),
            ("unit", texts(&|row| self.unit(row).to_owned())),
            ("consumer_type", texts(&|_| "load".to_owned())),
            ("measurement_type", texts(&|_| "load".to_owned())),
        ]);
        parquet(&columns.unwrap())
    }

    /// Loads all rows, and holds the report against what can be written.
    fn load(&self, influxdb: &InfluxServer) {
        let load = Loader::new(["load", "--json"]).settings(influxdb.settings(DATABASE));
        self.run(load);
    }

    /// Loads all rows into a file for an engine, whose lines a plain client writes in one request.
    fn load_by_a_file(&self, influxdb: &InfluxServer, engine: &str) {
        let directory = tempfile::tempdir().unwrap();
        let to = directory.path().join("points.lp");
        self.run(Loader::new(["load", "--json", "--for", engine, "--to"]).argument(&to));
        let answer = influxdb.write(DATABASE, &fs::read_to_string(&to).unwrap());
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    fn run(&self, load: Loader) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("dataset=consumption.parquet");
        fs::write(&file, self.parquet()).unwrap();
        let report = load.arguments(["--dataset", "consumption"]).argument(&file).run().succeeded().json();
        let (accounts, written) = (&report["objects"][0]["accounts"], self.written().len());
        assert!(written > 250, "{written} of {} rows", self.count());
        assert_eq!(accounts["written"], written, "{accounts}");
        assert_eq!(accounts["rejected"], json!({ "unwritable": self.count() - written }), "{accounts}");
    }

    /// What InfluxQL gives back is what was meant.
    fn assert_given_back(&self, influxdb: &InfluxServer) {
        let kept = rows(&influxdb.query(DATABASE, "SELECT * FROM consumption_data")[0]);
        assert_eq!(kept.len(), self.written().len());
        // Numbers that are not rounded on the way: name, tags, time and value.
        let exact = influxdb.query_csv(DATABASE, "SELECT value FROM consumption_data");
        let exact = exact.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        let exact: BTreeMap<i64, u64> =
            exact.map(|cells| (cells[2].parse().unwrap(), cells[3].parse::<f64>().unwrap().to_bits())).collect();
        for row in self.written() {
            let (time, float) = (self.times[row], self.floats[row]);
            let point = &kept[&time];
            assert_eq!(point["region"], self.region(row));
            assert_eq!(point["sector"], self.sector(row));
            assert_eq!(point["unit"], self.unit(row));
            assert_eq!(exact[&time], float.to_bits(), "{float}");
        }
    }

    /// What Flux gives back is what was meant, without the carriage returns that it drops.
    fn assert_given_back_by_flux(&self, influxdb: &InfluxDb2) {
        let query = r#"from(bucket: "energy_data")
            |> range(start: time(v: -9223372036854775806), stop: time(v: 9223372036854775807))
            |> filter(fn: (r) => r._measurement == "consumption_data")"#;
        let mut fields: BTreeMap<(i64, String), BTreeMap<String, String>> = BTreeMap::new();
        for row in influxdb.flux_rows(query) {
            let time: Timestamp = row["_time"].parse().unwrap();
            let time = i64::try_from(time.as_nanosecond()).unwrap();
            fields.insert((time, row["_field"].clone()), row);
        }
        // The end of a range is not in it, and no range of Flux ends after the last nanosecond that a point can have.
        let found: Vec<usize> = self.written().into_iter().filter(|row| self.times[*row] != i64::MAX - 1).collect();
        assert_eq!(fields.len(), 2 * found.len());
        for row in found {
            let (time, float) = (self.times[row], self.floats[row]);
            let [value, unit] = ["value", "unit"].map(|field| &fields[&(time, field.to_owned())]);
            assert_eq!(value["_value"].parse::<f64>().unwrap().to_bits(), float.to_bits(), "{float}");
            assert_eq!(unit["_value"], self.unit(row).replace('\r', ""));
            for point in [value, unit] {
                assert_eq!(point["region"], self.region(row).replace('\r', ""));
                assert_eq!(point["sector"], self.sector(row).replace('\r', ""));
            }
        }
    }
}

#[test]
fn values_of_every_kind_are_loaded_into_influxdb_1_and_given_back() {
    let (nasty, mut influxdb) = (Nasty::new(), InfluxDb::start(DATABASE));
    nasty.load(&influxdb);
    nasty.assert_given_back(&influxdb);
    influxdb.restart();
    nasty.assert_given_back(&influxdb);
}

#[test]
fn values_of_every_kind_are_loaded_into_influxdb_2_and_given_back() {
    let (nasty, mut influxdb) = (Nasty::new(), InfluxDb2::start(DATABASE));
    nasty.load(&influxdb);
    nasty.assert_given_back(&influxdb);
    nasty.assert_given_back_by_flux(&influxdb);
    influxdb.restart_with_rebuilt_index();
    nasty.assert_given_back(&influxdb);
    nasty.assert_given_back_by_flux(&influxdb);
}

#[test]
fn values_of_every_kind_are_converted_for_influxdb_1_and_2_and_given_back() {
    let (nasty, v1, v2) = (Nasty::new(), InfluxDb::start(DATABASE), InfluxDb2::start(DATABASE));
    nasty.load_by_a_file(&v1, "v1");
    nasty.assert_given_back(&v1);
    nasty.load_by_a_file(&v2, "v2");
    nasty.assert_given_back(&v2);
}

#[test]
fn values_of_every_kind_are_converted_for_influxdb_3_and_given_back_by_its_model() {
    let (nasty, directory, model) = (Nasty::new(), tempfile::tempdir().unwrap(), FaultServer::start(Engine::V3));
    let [file, to] = ["a.parquet", "points.lp"].map(|name| directory.path().join(name));
    fs::write(&file, nasty.parquet()).unwrap();
    let load = Loader::new(["load", "--json", "--dataset", "consumption", "--for", "v3", "--to"]).argument(&to);
    let report = load.argument(&file).run().succeeded().json();
    model.seed(&fs::read_to_string(&to).unwrap());
    let rows: BTreeMap<i64, usize> = (0..nasty.count()).map(|row| (nasty.times[row], row)).collect();
    let store = model.store();
    assert!(store.len() > 150, "{} points", store.len());
    assert_eq!(report["totals"]["written"], store.len(), "{report}");
    for point in store.points() {
        let row = rows[&point.time];
        assert_eq!(point.tags["region"], nasty.region(row));
        assert_eq!(point.tags["sector"], nasty.sector(row));
        assert_eq!(point.fields["unit"], Held::Text(nasty.unit(row).to_owned()));
        let Held::Float(float) = point.fields["value"] else { panic!("{point:?}") };
        assert_eq!(float.to_bits(), nasty.floats[row].to_bits());
    }
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
struct Names {
    measurement: String,
    tag: String,
    value: String,
    fields: Vec<(String, Constant)>,
}

impl Names {
    /// The line for an engine, where it can have these names, and whether it has to be the last of its request.
    fn line(&self, dialect: Dialect) -> Option<(String, bool)> {
        let constant = |constant: &Constant| Source::Constant(constant.clone());
        let field = |(key, value): &(String, Constant)| Field {
            key: Key::Name(key.clone()),
            source: constant(value),
            write_as: match value {
                Constant::Boolean(_) => FieldType::Boolean,
                Constant::Integer(_) => FieldType::Integer,
                Constant::Unsigned(_) => FieldType::Unsigned,
                Constant::Float(_) => FieldType::Float,
                Constant::Text(_) => FieldType::Text,
            },
            when: None,
            missing: Missing::Omit,
        };
        let tag = Tag {
            key: Key::Name(self.tag.clone()),
            source: Source::Constant(Constant::Text(self.value.clone())),
            when: None,
            missing: Missing::Omit,
        };
        let point = Point {
            measurement: Key::Name(self.measurement.clone()),
            time: Source::Constant(Constant::Integer(1)),
            tags: vec![tag],
            fields: self.fields.iter().map(field).collect(),
            when: None,
        };
        let plan = Plan { points: vec![point], ..Plan::default() };
        let mut encoder = Encoder::new(&plan, dialect).ok()?;
        let one_row = RecordBatchOptions::new().with_row_count(Some(1));
        let columns = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &one_row).unwrap();
        let rows = RowNumbers::starting_at(0);
        let batch = Batch { row_group: 0, rows, elements: None, columns, invalid_texts: Vec::new() };
        let mut lanes = Lanes::single(ChunkLimits { points: 10, bytes: usize::MAX });
        let encoded = encoder.encode(&batch, &mut Nothing, &mut lanes).unwrap();
        let closed = lanes.take_full().next();
        let is_last = closed.is_some();
        match closed.or_else(|| lanes.finish().next()) {
            Some(full) => Some((String::from_utf8(full.chunk.body().to_vec()).unwrap(), is_last)),
            None => {
                assert_eq!(encoded.rejected[0].code, "unwritable", "{}", encoded.rejected[0].message);
                None
            }
        }
    }

    fn is_held(&self) -> bool {
        let tag = is_held(&self.value) && self.tag != "time";
        let key = !self.tag.contains('\n') && !self.tag.ends_with('\\') && !self.tag.contains("#!~#");
        let measurement = is_held_name(&self.measurement) && !self.measurement.starts_with('#');
        tag && key && measurement && self.fields.iter().all(|(key, _)| is_held_key(key))
    }
}

/// A name as InfluxQL has it.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

#[test]
fn names_of_every_kind_are_written_and_found_again_in_influxdb_1() {
    assert_names_are_found_again(Dialect::V1, &mut InfluxDb::start(DATABASE));
}

#[test]
fn names_of_every_kind_are_written_and_found_again_in_influxdb_2() {
    assert_names_are_found_again(Dialect::V2, &mut InfluxDb2::start(DATABASE));
}

fn assert_names_are_found_again(dialect: Dialect, influxdb: &mut InfluxServer) {
    let mut random = Rng::with_seed(2);
    let names = texts(&mut random, 300);
    let point = |index: usize| {
        // Each name is in each place once, beside names that are easy.
        let name = |place: usize| {
            let text = if index % 4 == place { names[index / 4].clone() } else { String::new() };
            format!("{text}{}", ["m", "t", "v", "f"][place])
        };
        Names {
            measurement: format!("{}{index}", name(0)),
            tag: name(1),
            value: name(2),
            fields: vec![
                (name(3), Constant::Text(names[index / 4].clone())),
                (format!("{} integer", name(3)), Constant::Integer([i64::MIN, i64::MAX][index % 2])),
                (format!("{},unsigned", name(3)), Constant::Unsigned(i64::MAX.unsigned_abs())),
                (format!("{}=boolean", name(3)), Constant::Boolean(index.is_multiple_of(2))),
                (format!("{}\"float\"", name(3)), Constant::Float(1.5)),
            ],
        }
    };
    let points: Vec<Names> = (0..names.len() * 4).map(point).collect();
    let mut bodies = vec![String::new()];
    let mut written = Vec::new();
    for point in &points {
        let line = point.line(dialect);
        assert_eq!(line.is_some(), point.is_held(), "{:?} {:?} {:?}", point.measurement, point.tag, point.fields);
        // A query cannot name a measurement with these: it reads a carriage return as a newline, and a NUL as its end.
        if let Some((line, is_last)) = line.filter(|_| !point.measurement.contains(['\r', '\0'])) {
            bodies.last_mut().unwrap().push_str(&line);
            bodies.extend(is_last.then(String::new));
            written.push(point);
        }
    }
    assert!(written.len() > 600, "{} of {} points", written.len(), points.len());

    for body in &bodies {
        let answer = influxdb.write(DATABASE, body);
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
    influxdb.restart();
    for chunk in written.chunks(100) {
        let statements: Vec<String> =
            chunk.iter().map(|point| format!("SELECT * FROM {}", identifier(&point.measurement))).collect();
        let results = influxdb.query_all(DATABASE, &statements.join(";"));
        for (point, series) in chunk.iter().zip(results) {
            assert_eq!(series[0]["name"], point.measurement);
            let mut meant = BTreeMap::from([(point.tag.clone(), json!(point.value))]);
            meant.extend(point.fields.iter().map(|(key, value)| {
                let value = match value {
                    Constant::Boolean(value) => json!(value),
                    Constant::Integer(value) => json!(value),
                    Constant::Unsigned(value) => json!(value),
                    Constant::Float(value) => json!(value),
                    Constant::Text(value) => json!(value),
                };
                (key.clone(), value)
            }));
            assert_eq!(rows(&series[0]), BTreeMap::from([(1, meant)]), "{:?}", point.measurement);
        }
    }
}

#[test]
fn what_is_not_written_would_be_refused_or_lost_or_bent() {
    let mut influxdb = InfluxDb::start(DATABASE);
    let key = |length: usize| format!("long,t={}", "x".repeat(length - "long,t=".len() - "#!~#".len() - "v".len()));
    for refused in [
        "low v=1 -9223372036854775807".to_owned(),
        "high v=1 9223372036854775807".to_owned(),
        "unsigned v=1u 1".to_owned(),
        "time,time=a v=1 1".to_owned(),
        "time time=1 1".to_owned(),
        "empty,t= v=1 1".to_owned(),
        "backslash,t=a\\ v=1 1".to_owned(),
        r"key a\\,b=1 1".to_owned(),
        format!("{} v=1 1", key(65_536)),
        // A tag that hides the end of its line, and of those after it.
        "hidden,a\\\\ b=\"c v=1 1\nlost v=1 1".to_owned(),
    ] {
        assert_eq!(influxdb.write(DATABASE, &refused).status, 400, "{refused}");
    }
    assert_eq!(influxdb.query(DATABASE, "SELECT * FROM /.*/"), Vec::<Value>::new());
    for taken in [
        &format!("{} v=1 1", key(65_535)),
        "low v=1 -9223372036854775806",
        "high v=1 9223372036854775806",
        "#comment v=1 1",
        "field time=1,v=1 1",
        r"measurement\\,a v=1 1",
        r#"measurement\"b v=1 1"#,
        "\tmeasurement v=1 1",
        "series,t=a#!~#b v=1 1",
    ] {
        assert_eq!(influxdb.write(DATABASE, taken).status, 204, "{taken}");
    }
    influxdb.restart();
    let names = |statement: &str| -> Vec<String> {
        let series = influxdb.query(DATABASE, statement);
        let rows = series.iter().flat_map(|series| series["values"].as_array().unwrap());
        rows.map(|row| row[0].as_str().unwrap().chars().take(20).collect()).collect()
    };
    let kept = names("SHOW SERIES").join(" | ");
    insta::assert_snapshot!(kept, @r#"field | high | long,t=xxxxxxxxxxxxx | low | measurement | measurement\"b | measurement\,a | series,t=a"#);
    insta::assert_snapshot!(names("SHOW MEASUREMENTS").join(" | "), @r#"field | high | long | low | measurement | measurement"b | measurement,a | series"#);
    insta::assert_snapshot!(names("SHOW FIELD KEYS").join(" | "), @"v | v | v | v | v | v | b#!~#v | v");
}
