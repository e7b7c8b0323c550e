//! `converter bench`: what a converter costs on a real file.

use std::fmt::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use arrow::array::{Array, RecordBatch, StringArray};
use arrow::error::ArrowError;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::cli::component::Component;
use crate::cli::summary::grouped;
use crate::cli::{CliError, print};
use crate::config::Config;
use crate::converter::{Converted, Converter, ConverterError, Input, Instance, Mask};
use crate::dataset::DatasetName;
use crate::pipeline::{LoadError, Loader};
use crate::points::{
    Chunk, ChunkLimits, Dialect, EncodeError, Encoded, Encoder, Full, FullChunks, Lanes, Mapping, PointKey,
};
use crate::source::{Batch, Memory, ParquetObject, Selection};

/// Chunks as those of a file.
const CHUNKS: ChunkLimits = ChunkLimits { points: 1_000, bytes: 5 << 20 };

/// The arguments of `converter bench`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The component: a file, or a version of the registry.
    #[arg(value_name = "FILE.wasm|DATASET@VERSION|DATASET@CHANNEL")]
    component: Component,
    /// A file like those that it converts.
    #[arg(value_name = "FILE.parquet")]
    file: PathBuf,
    /// The dataset that the converter gets, instead of its own.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// For how long the file is worked through again and again.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The figures of a converter and a file. Times are medians; counts are those of one pass over the file.
pub(super) struct Figures {
    name: String,
    version: String,
    digest: String,
    dataset: String,
    file: String,
    component_bytes: usize,
    rows: u64,
    points: u64,
    rejected: u64,
    passes: usize,
    compile: Compile,
    instantiate: Duration,
    memory_bytes: usize,
    memory_limit: usize,
    prepare: Duration,
    translate: Level,
    convert: Level,
    /// Parquet to columns.
    decode: Duration,
    /// Columns to line protocol, without the converter's calls.
    encode: Duration,
}

/// How native code was had.
pub(super) enum Compile {
    /// It was compiled, which took so long.
    Compiled(Duration),
    /// It was loaded from the compile cache.
    Cached(Duration),
}

impl Compile {
    /// The seconds that compiling took, and those that loading from the cache took.
    fn seconds(&self) -> (Option<f64>, Option<f64>) {
        match self {
            Self::Compiled(time) => (Some(time.as_secs_f64()), None),
            Self::Cached(time) => (None, Some(time.as_secs_f64())),
        }
    }
}

impl fmt::Display for Compile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiled(time) => write!(formatter, "{time:.1?}"),
            Self::Cached(time) => write!(formatter, "from the cache in {time:.1?}"),
        }
    }
}

/// What the calls of `translate` or of `convert` cost.
struct Level {
    calls: u64,
    /// Values that were translated, or rows that were converted.
    items: u64,
    bytes_in: u64,
    bytes_out: u64,
    /// The time of a call.
    call: Duration,
    /// The time of all calls of a pass.
    total: Duration,
}

/// A component as native code, and how that was had. Blocks.
pub(super) fn compiled(loader: &Loader, component: &[u8]) -> Result<(Converter, Compile), CliError> {
    let (compiled, load) = timed(|| loader.catalog().compiled(component));
    if let Some(converter) = compiled {
        return Ok((converter, Compile::Cached(load)));
    }
    let (converter, time) = timed(|| loader.catalog().compile(component));
    Ok((converter.map_err(LoadError::Converter)?, Compile::Compiled(time)))
}

/// Prints what a converter costs. Returns true: that it is slow is no error.
pub(super) async fn bench(config: &Config, arguments: &Arguments) -> Result<bool, CliError> {
    let Arguments { component, file, dataset, seconds, json } = arguments;
    let object = ParquetObject::open_file(file, Memory::default())?;
    let loader = Loader::new(config)?;
    let component = component.bytes(config, &loader).await?;
    // Hidden where standard error is not a terminal.
    let progress = ProgressBar::new_spinner();
    progress.set_message("compiling");
    let (converter, compile) = compiled(&loader, &component)?;
    let dataset = dataset.as_deref().unwrap_or(&converter.description().dataset);
    let dataset = dataset.parse::<DatasetName>().map_err(LoadError::from)?;
    let object = object.in_types_of(converter.contract().edition());
    let input = Input::new(dataset.as_str(), &object, config.validate_schema);
    let memory_limit = loader.catalog().engine().limits().memory_bytes;
    let subject = Subject { config, converter: &converter, object: &object, input, selection: Selection::All };
    let passes = measure(&subject, Duration::from_secs(*seconds), &mut Ticks { progress: &progress, passes: 0 })?;
    progress.finish_and_clear();
    let figures = Figures::of(&subject, &passes, component.len(), compile, memory_limit);
    print(&if *json { format!("{}\n", figures.json()) } else { figures.text() })?;
    Ok(true)
}

/// A converter and the rows that it is measured on.
pub(super) struct Subject<'a> {
    pub(super) config: &'a Config,
    pub(super) converter: &'a Converter,
    pub(super) object: &'a ParquetObject,
    pub(super) input: Input,
    pub(super) selection: Selection,
}

/// Looks on while a converter works.
pub(super) trait Onlooker {
    /// A pass over the rows begins.
    fn begin(&mut self) {}

    /// A batch has been encoded, into points with these keys.
    fn batch(&mut self, _batch: &Batch, _encoded: &Encoded, _keys: &[PointKey]) {}

    /// These points are complete.
    fn points(&mut self, _chunk: &Chunk) {}

    /// Whether the pass may end before the last of its rows.
    fn is_enough(&self) -> bool {
        false
    }
}

/// Shows progress on a terminal.
struct Ticks<'a> {
    progress: &'a ProgressBar,
    passes: usize,
}

impl Onlooker for Ticks<'_> {
    fn begin(&mut self) {
        self.passes += 1;
        self.progress.set_message(format!("pass {}", self.passes));
    }

    fn batch(&mut self, _batch: &Batch, _encoded: &Encoded, _keys: &[PointKey]) {
        self.progress.tick();
    }
}

/// Works through the rows again and again for some time, at least once. Blocks.
pub(super) fn measure(
    subject: &Subject<'_>,
    limit: Duration,
    onlooker: &mut impl Onlooker,
) -> Result<Vec<Pass>, CliError> {
    let (mut passes, started) = (Vec::new(), Instant::now());
    while passes.is_empty() || started.elapsed() < limit {
        onlooker.begin();
        passes.push(pass(subject, onlooker)?);
    }
    Ok(passes)
}

/// What one pass over the file took, by a fresh instance, as an object is loaded.
pub(super) struct Pass {
    rows: u64,
    points: u64,
    rejected: u64,
    memory_bytes: usize,
    instantiate: Duration,
    prepare: Duration,
    translate: Tally,
    convert: Tally,
    decode: Duration,
    encode: Duration,
}

/// The calls of one level in one pass.
#[derive(Default)]
struct Tally {
    calls: Vec<Duration>,
    items: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl Tally {
    fn total(&self) -> Duration {
        self.calls.iter().sum()
    }
}

/// An instance whose calls are measured.
struct Measured {
    instance: Instance,
    translate: Tally,
    convert: Tally,
}

impl Mapping for Measured {
    type Error = ConverterError;

    fn translate(&mut self, translation: usize, values: &StringArray) -> Result<StringArray, ConverterError> {
        let pushed = self.instance.pushed_bytes();
        let (answer, time) = timed(|| self.instance.translate(translation, values));
        let answer = answer?;
        let tally = &mut self.translate;
        tally.calls.push(time);
        tally.items += values.len() as u64;
        tally.bytes_in += (self.instance.pushed_bytes() - pushed) as u64;
        tally.bytes_out += array_bytes(&answer) as u64;
        Ok(answer)
    }

    fn convert(&mut self, columns: &RecordBatch) -> Result<Converted, ConverterError> {
        let pushed = self.instance.pushed_bytes();
        let (answer, time) = timed(|| self.instance.convert(columns));
        let answer = answer?;
        let tally = &mut self.convert;
        tally.calls.push(time);
        tally.items += columns.num_rows() as u64;
        tally.bytes_in += (self.instance.pushed_bytes() - pushed) as u64;
        tally.bytes_out += converted_bytes(&answer) as u64;
        Ok(answer)
    }
}

fn pass(subject: &Subject<'_>, onlooker: &mut impl Onlooker) -> Result<Pass, CliError> {
    let Subject { config, converter, object, input, selection } = subject;
    let (instance, instantiate) = timed(|| converter.instantiate());
    let mut instance = instance.map_err(LoadError::Converter)?;
    let (plan, prepare) = timed(|| instance.prepare(input));
    let mut encoder = Encoder::new(&plan.map_err(LoadError::Converter)?, Dialect::Any).map_err(LoadError::from)?;
    let mut lanes = Lanes::single(CHUNKS);
    let mut points = 0;
    let mut take = |full: FullChunks, onlooker: &mut _| {
        for Full { chunk, .. } in full {
            points += chunk.points() as u64;
            Onlooker::points(onlooker, &chunk);
        }
    };
    let mut mapping = Measured { instance, translate: Tally::default(), convert: Tally::default() };
    let (mut rows, mut rejected) = (0, 0);
    let (mut decode, mut encode) = (Duration::ZERO, Duration::ZERO);
    let mut batches = object.read(encoder.columns().to_vec(), config.rows_per_batch, selection)?;
    while !onlooker.is_enough() {
        let (batch, time) = timed(|| batches.next().transpose());
        decode += time;
        let Some(batch) = batch? else { break };
        let (encoded, time) = timed(|| encoder.encode(&batch, &mut mapping, &mut lanes));
        encode += time;
        let encoded = encoded.map_err(|error| match error {
            EncodeError::Mapping(error) => LoadError::Converter(error),
            EncodeError::Column(error) => LoadError::Column(error),
        })?;
        rows += batch.columns.num_rows() as u64;
        rejected += encoded.rejected.len() as u64;
        onlooker.batch(&batch, &encoded, encoder.keys());
        take(lanes.take_full(), onlooker);
    }
    take(lanes.finish(), onlooker);
    let Measured { instance, translate, convert } = mapping;
    let encode = encode.saturating_sub(translate.total() + convert.total());
    let memory_bytes = instance.memory_bytes();
    Ok(Pass { rows, points, rejected, memory_bytes, instantiate, prepare, translate, convert, decode, encode })
}

impl Level {
    /// What the passes agree in, and the medians of what they do not.
    fn of(passes: &[Pass], tally: impl Fn(&Pass) -> &Tally) -> Self {
        let most = |count: fn(&Tally) -> u64| passes.iter().map(|pass| count(tally(pass))).max().unwrap_or_default();
        Self {
            calls: most(|tally| tally.calls.len() as u64),
            items: most(|tally| tally.items),
            bytes_in: most(|tally| tally.bytes_in),
            bytes_out: most(|tally| tally.bytes_out),
            call: median(passes.iter().flat_map(|pass| tally(pass).calls.iter().copied()).collect()),
            total: median(passes.iter().map(|pass| tally(pass).total()).collect()),
        }
    }
}

impl Figures {
    /// What the passes show.
    pub(super) fn of(
        subject: &Subject<'_>,
        passes: &[Pass],
        component_bytes: usize,
        compile: Compile,
        memory_limit: usize,
    ) -> Self {
        let description = subject.converter.description();
        let most = |count: fn(&Pass) -> u64| passes.iter().map(count).max().unwrap_or_default();
        let middle = |time: fn(&Pass) -> Duration| median(passes.iter().map(time).collect());
        Self {
            name: description.name.clone(),
            version: description.version.clone(),
            digest: subject.converter.digest().to_owned(),
            dataset: subject.input.dataset.clone(),
            file: subject.object.name().to_owned(),
            component_bytes,
            rows: most(|pass| pass.rows),
            points: most(|pass| pass.points),
            rejected: most(|pass| pass.rejected),
            passes: passes.len(),
            compile,
            instantiate: middle(|pass| pass.instantiate),
            memory_bytes: passes.iter().map(|pass| pass.memory_bytes).max().unwrap_or_default(),
            memory_limit,
            prepare: middle(|pass| pass.prepare),
            translate: Level::of(passes, |pass| &pass.translate),
            convert: Level::of(passes, |pass| &pass.convert),
            decode: middle(|pass| pass.decode),
            encode: middle(|pass| pass.encode),
        }
    }

    /// All calls of the converter in a pass.
    fn converter(&self) -> Duration {
        self.prepare + self.translate.total + self.convert.total
    }

    /// The stages of a pass, with their share of its time in percent.
    fn stages(&self) -> [(&'static str, Duration, f64); 3] {
        let stages = [("decode", self.decode), ("converter", self.converter()), ("encode", self.encode)];
        let all: Duration = stages.iter().map(|(_, time)| *time).sum();
        stages.map(|(name, time)| (name, time, 100.0 * time.as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE)))
    }

    fn text(&self) -> String {
        let digest = self.digest.get(..12).unwrap_or(&self.digest);
        let mut text = format!(
            "converter    {} {} ({digest}), {} bytes\nfile         {}, dataset {}\n\
             a pass       {} rows: {} points, {} rejected; {} passes\ncompile      {}\ninstantiate  {:.1?}\n\
             memory       {} bytes at the peak, of {}\n\n",
            self.name,
            self.version,
            grouped(self.component_bytes as u64),
            self.file,
            self.dataset,
            grouped(self.rows),
            grouped(self.points),
            grouped(self.rejected),
            grouped(self.passes as u64),
            self.compile,
            self.instantiate,
            grouped(self.memory_bytes as u64),
            grouped(self.memory_limit as u64),
        );
        let per = |time, count, unit| each(time, count).map_or_else(String::new, |each| format!("{each:.1}{unit}"));
        let level = |name: &str, level: &Level, unit| {
            [
                name.to_owned(),
                grouped(level.calls),
                if level.calls > 0 { format!("{:.1?}", level.call) } else { String::new() },
                per(level.total, level.items, unit),
                per(level.total, self.rows, ""),
                grouped(level.bytes_in),
                grouped(level.bytes_out),
            ]
        };
        let prepare = format!("{:.1?}", self.prepare);
        let plan = ["plan", "1", &prepare, "", &per(self.prepare, self.rows, ""), "", ""].map(str::to_owned);
        let levels = [plan, level("translate", &self.translate, " a value"), level("convert", &self.convert, " a row")];
        table(["level", "calls", "a call", "ns", "ns a row of the file", "bytes in", "bytes out"], levels, &mut text);
        text.push('\n');
        let stages = self.stages().map(|(name, time, share)| {
            let rows = rows_per_second(self.rows, time).map_or_else(String::new, grouped);
            [name.to_owned(), format!("{time:.1?}"), rows, format!("{share:.1} %")]
        });
        table(["stage", "a pass", "rows/s", "share"], stages, &mut text);
        text
    }

    pub(super) fn json(&self) -> Value {
        let level = |level: &Level, items: &str, per_item: &str| {
            let mut facts = json!({
                "calls": level.calls, "call_seconds": (level.calls > 0).then_some(level.call.as_secs_f64()),
                "seconds": level.total.as_secs_f64(), "ns_per_file_row": each(level.total, self.rows),
                "bytes_in": level.bytes_in, "bytes_out": level.bytes_out,
            });
            facts[items] = json!(level.items);
            facts[per_item] = json!(each(level.total, level.items));
            facts
        };
        let stages = self.stages().map(|(name, time, share)| {
            let rows = rows_per_second(self.rows, time);
            (name.to_owned(), json!({ "seconds": time.as_secs_f64(), "rows_per_second": rows, "percent": share }))
        });
        let prepare = self.prepare.as_secs_f64();
        let (compiled, cached) = self.compile.seconds();
        json!({
            "converter": {
                "name": self.name, "version": self.version, "digest": self.digest, "bytes": self.component_bytes,
            },
            "dataset": self.dataset, "file": self.file, "rows": self.rows, "points": self.points,
            "rejected": self.rejected, "passes": self.passes, "compile_seconds": compiled, "cache_seconds": cached,
            "instantiate_seconds": self.instantiate.as_secs_f64(), "memory_bytes": self.memory_bytes,
            "memory_limit_bytes": self.memory_limit,
            "levels": {
                "plan": {
                    "calls": 1, "call_seconds": prepare, "seconds": prepare,
                    "ns_per_file_row": each(self.prepare, self.rows),
                },
                "translate": level(&self.translate, "values", "ns_per_value"),
                "convert": level(&self.convert, "rows", "ns_per_row"),
            },
            "stages": stages.into_iter().collect::<serde_json::Map<_, _>>(),
        })
    }
}

/// Appends a table whose columns but the first are numbers.
fn table<const COLUMNS: usize, const ROWS: usize>(
    header: [&str; COLUMNS],
    rows: [[String; COLUMNS]; ROWS],
    text: &mut String,
) {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    // Writing to a string does not fail.
    _ = writeln!(text, "{}", table.trim_fmt());
}

fn timed<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}

/// The middle one, the later of two; zero where there is none.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Nanoseconds for each of so many; `None` where there are none.
fn each(time: Duration, count: u64) -> Option<f64> {
    (count > 0).then(|| time.as_secs_f64() * 1e9 / count as f64)
}

/// `None` where no time passed.
fn rows_per_second(rows: u64, time: Duration) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is not negative, and saturates"
    )]
    (time > Duration::ZERO).then(|| (rows as f64 / time.as_secs_f64()).round() as u64)
}

/// What an answer's values take, in bytes.
fn converted_bytes(converted: &Converted) -> usize {
    let computed = converted.computed.iter().map(|column| array_bytes(column));
    let masks = converted.masks.iter().map(|mask| match mask {
        Mask::All | Mask::None => 0,
        Mask::Rows(rows) => rows.len().div_ceil(8),
    });
    let rejected = converted.rejected.iter().map(|row| size_of::<u32>() + row.code.len() + row.message.len());
    computed.chain(masks).chain(rejected).sum()
}

/// What an array's values take, in bytes.
fn array_bytes(array: &dyn Array) -> usize {
    // Fails for types only that no converter answers with.
    array.to_data().get_slice_memory_size().unwrap_or_else(|_: ArrowError| array.get_buffer_memory_size())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        Figures {
            name: "load".into(),
            version: "1.2.0".into(),
            digest: "0123456789abcdef".repeat(4),
            dataset: "consumption".into(),
            file: "2024.parquet".into(),
            component_bytes: 123_456,
            rows: 80_000,
            points: 79_990,
            rejected: 10,
            passes: 41,
            compile: Compile::Compiled(Duration::from_millis(120)),
            instantiate: Duration::from_micros(35),
            memory_bytes: 1_114_112,
            memory_limit: 268_435_456,
            prepare: Duration::from_micros(80),
            translate: Level {
                calls: 2,
                items: 40,
                bytes_in: 900,
                bytes_out: 1_000,
                call: Duration::from_micros(20),
                total: Duration::from_micros(40),
            },
            convert: Level {
                calls: 10,
                items: 80_000,
                bytes_in: 960_000,
                bytes_out: 640_000,
                call: Duration::from_micros(790),
                total: Duration::from_micros(7_880),
            },
            decode: Duration::from_millis(4),
            encode: Duration::from_millis(8),
        }
    }

    #[test]
    fn the_tables_show_what_each_level_costs_and_what_share_the_converter_has() {
        insta::assert_snapshot!(figures().text(), @"
        converter    load 1.2.0 (0123456789ab), 123,456 bytes
        file         2024.parquet, dataset consumption
        a pass       80,000 rows: 79,990 points, 10 rejected; 41 passes
        compile      120.0ms
        instantiate  35.0µs
        memory       1,114,112 bytes at the peak, of 268,435,456

         level      calls   a call              ns  ns a row of the file  bytes in  bytes out
         plan           1   80.0µs                                   1.0
         translate      2   20.0µs  1000.0 a value                   0.5       900      1,000
         convert       10  790.0µs      98.5 a row                  98.5   960,000    640,000

         stage      a pass      rows/s   share
         decode      4.0ms  20,000,000  20.0 %
         converter   8.0ms  10,000,000  40.0 %
         encode      8.0ms  10,000,000  40.0 %
        ");
    }

    #[test]
    fn what_did_not_happen_has_no_time() {
        let nothing = Level::of(&[], |pass| &pass.convert);
        let empty = Figures { rows: 0, convert: nothing, ..figures() };
        let facts = empty.json();
        assert_eq!(facts["levels"]["convert"]["call_seconds"], Value::Null);
        assert_eq!(facts["levels"]["convert"]["ns_per_row"], Value::Null);
        assert_eq!(facts["levels"]["translate"]["ns_per_value"], 1_000.0);
        assert_eq!((&facts["compile_seconds"], &facts["cache_seconds"]), (&json!(0.12), &Value::Null));
        let cached = Figures { compile: Compile::Cached(Duration::from_millis(3)), ..figures() };
        assert!(cached.text().contains("\ncompile      from the cache in 3.0ms\n"));
        assert_eq!((&cached.json()["compile_seconds"], &cached.json()["cache_seconds"]), (&Value::Null, &json!(0.003)));
        assert_eq!(facts["levels"]["translate"]["ns_per_file_row"], Value::Null);
    }
}
