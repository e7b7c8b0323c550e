//! What each stage costs by itself, on one thread: `cargo bench --workspace --bench stages`.
//!
//! `whole` is decode, plan, translate, convert and encode after each other, once with the converter in the sandbox, as the
//! loader does it, and once with the same mapping compiled into this program. The difference is what the sandbox costs.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::fmt::Debug;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use converter_builder::Build;
use criterion::{Criterion, Throughput};
use influxdb_loader::config::Config;
use influxdb_loader::converter::{Converter, Engine, Input, Limits, Plan};
use influxdb_loader::gzip::Gzip;
use influxdb_loader::points::{Chunk, ChunkBuilder, ChunkLimits, Dialect, Encoder, Mapping};
use influxdb_loader::source::{Batch, ParquetObject, Selection};
use native::{NativeComputed, NativeGeneration};

mod data;
mod native;

const ROWS: usize = 100_000;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("generation.parquet");
    data::write(&path, ROWS);
    let object = ParquetObject::open_file(&path).unwrap();
    let engine = Engine::new(Limits::default()).unwrap();
    let generation = Subject::new(&engine, &object, "generation", converter_components::GENERATION);
    let computed = Subject::new(&engine, &object, "computed", &build_computed());

    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .sample_size(50)
        .configure_from_args();
    decode(&mut criterion, &generation);
    guest(&mut criterion, &generation, &computed);
    encode(&mut criterion, &generation);
    compress(&mut criterion, &generation);
    whole(&mut criterion, &generation, NativeGeneration::prepare);
    whole(&mut criterion, &computed, |_| NativeComputed);
    criterion.final_summary();
}

/// The converter whose plan computes a column, built.
fn build_computed() -> Vec<u8> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/computed");
    // Beside those of the build script of `converter-components`.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("converters");
    let mut components = Build::new(package, target).workspace_profile().locked().run().unwrap();
    components.pop().unwrap().bytes
}

/// A converter and what it is measured on.
struct Subject<'a> {
    name: &'static str,
    object: &'a ParquetObject,
    converter: Converter,
    input: Input,
    plan: Plan,
    rows_per_batch: usize,
    limits: ChunkLimits,
}

impl<'a> Subject<'a> {
    fn new(engine: &Engine, object: &'a ParquetObject, name: &'static str, component: &[u8]) -> Self {
        // As the loader does it where nothing is set.
        let config = Config::read(|_| None).unwrap();
        let converter = engine.compile(component).unwrap();
        let input = Input {
            dataset: name.to_owned(),
            columns: object.columns().to_vec(),
            partitions: Vec::new(),
            strict: config.validate_schema,
        };
        let plan = converter.instantiate().unwrap().prepare(&input).unwrap();
        let limits = ChunkLimits { points: config.write.batch_points, bytes: config.write.batch_bytes };
        Self { name, object, converter, input, plan, rows_per_batch: config.rows_per_batch, limits }
    }

    fn encoder(&self) -> Encoder {
        Encoder::new(&self.plan, Dialect::Any).unwrap()
    }

    fn batches(&self) -> impl Iterator<Item = Batch> {
        let columns = self.encoder().columns().to_vec();
        self.object.read(columns, self.rows_per_batch, &Selection::All).unwrap().map(Result::unwrap)
    }

    /// Hands on every chunk that these batches give.
    fn encode<M: Mapping<Error: Debug>>(
        &self,
        batches: impl IntoIterator<Item = Batch>,
        mapping: &mut M,
        tokens: bool,
        mut take: impl FnMut(Chunk),
    ) {
        let mut encoder = self.encoder();
        let mut chunks = ChunkBuilder::new(self.limits).with_tokens(tokens);
        for batch in batches {
            let encoded = encoder.encode(&batch, mapping, &mut chunks).unwrap();
            assert!(encoded.rejected.is_empty() && encoded.filtered == 0);
            chunks.take_full().for_each(&mut take);
        }
        chunks.finish().into_iter().for_each(take);
    }

    /// An object's way up to its chunks, with a fresh instance.
    fn load_sandboxed(&self, take: impl FnMut(Chunk)) {
        let mut instance = self.converter.instantiate().unwrap();
        let plan = instance.prepare(&self.input).unwrap();
        assert_eq!(plan.points.len(), self.plan.points.len());
        self.encode(self.batches(), &mut instance, true, take);
    }

    /// The same without a sandbox.
    fn load_natively<M: Mapping<Error: Debug>>(&self, prepare: impl Fn(&Input) -> M, take: impl FnMut(Chunk)) {
        self.encode(self.batches(), &mut prepare(&self.input), true, take);
    }

    /// The columns that `convert` is given, batch by batch.
    fn reads(&self) -> Vec<RecordBatch> {
        let columns = self.encoder().columns().to_vec();
        let position = |read| columns.binary_search(read).unwrap();
        let positions: Vec<_> = self.plan.reads.iter().map(position).collect();
        self.batches().map(|batch| batch.columns.project(&positions).unwrap()).collect()
    }
}

fn rows() -> Throughput {
    Throughput::Elements(ROWS as u64)
}

fn decode(criterion: &mut Criterion, subject: &Subject<'_>) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(rows());
    group.bench_function(subject.name, |bencher| {
        bencher.iter(|| subject.batches().for_each(|batch| drop(black_box(batch))))
    });
    group.finish();
}

/// The calls into a converter, each level by itself.
fn guest(criterion: &mut Criterion, generation: &Subject<'_>, computed: &Subject<'_>) {
    let mut group = criterion.benchmark_group("guest");
    group.bench_function("instantiate", |bencher| bencher.iter(|| generation.converter.instantiate().unwrap()));
    let mut instance = generation.converter.instantiate().unwrap();
    group.bench_function("plan", |bencher| bencher.iter(|| instance.prepare(&generation.input).unwrap()));

    // Each plant once, as the encoder asks for those that it has not met.
    let plants = generation.input.columns.iter().position(|column| column.name == "plant_name").unwrap();
    let translation = generation.plan.translations.iter().position(|column| *column == plants).unwrap();
    let plants = distinct(generation, plants);
    group.throughput(Throughput::Elements(plants.len() as u64));
    group.bench_function("translate", |bencher| bencher.iter(|| instance.translate(translation, &plants).unwrap()));

    let mut instance = computed.converter.instantiate().unwrap();
    instance.prepare(&computed.input).unwrap();
    let batches = computed.reads();
    group.throughput(rows());
    group.bench_function("convert", |bencher| {
        bencher.iter(|| batches.iter().for_each(|batch| drop(black_box(instance.convert(batch).unwrap()))));
    });
    group.finish();
}

/// The values of a column of the first batch.
fn distinct(subject: &Subject<'_>, column: usize) -> StringArray {
    let position = subject.encoder().columns().binary_search(&column).unwrap();
    let batch = subject.batches().next().unwrap();
    batch.columns.column(position).as_any_dictionary().values().as_string().clone()
}

/// Columns to lines, with a mapping that takes no time to speak of.
fn encode(criterion: &mut Criterion, subject: &Subject<'_>) {
    let batches: Vec<_> = subject.batches().collect();
    let mut group = criterion.benchmark_group("encode");
    group.throughput(rows());
    for (name, tokens) in [("plain", false), ("tokens", true)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut mapping = NativeGeneration::prepare(&subject.input);
                subject.encode(batches.iter().cloned(), &mut mapping, tokens, |chunk| drop(black_box(chunk)));
            });
        });
    }
    group.finish();
}

/// Lines to gzip, chunk by chunk.
fn compress(criterion: &mut Criterion, subject: &Subject<'_>) {
    let mut chunks = Vec::new();
    subject.load_sandboxed(|chunk| chunks.push(chunk));
    let mut gzip = Gzip::default();
    let mut group = criterion.benchmark_group("compress");
    group.throughput(Throughput::Bytes(chunks.iter().map(|chunk| chunk.body().len() as u64).sum()));
    group.bench_function(subject.name, |bencher| {
        bencher.iter(|| {
            chunks.iter().for_each(|chunk| drop(black_box(gzip.compress(chunk.body(), chunk.tokens()))));
        });
    });
    group.finish();
}

/// A load up to its chunks, in the sandbox and without it.
fn whole<M: Mapping<Error: Debug>>(
    criterion: &mut Criterion,
    subject: &Subject<'_>,
    prepare: impl Fn(&Input) -> M + Copy,
) {
    let (mut sandboxed, mut native) = (Vec::new(), Vec::new());
    subject.load_sandboxed(|chunk| sandboxed.extend_from_slice(chunk.body()));
    subject.load_natively(prepare, |chunk| native.extend_from_slice(chunk.body()));
    assert!(sandboxed == native, "the sandbox makes other lines of `{}`", subject.name);

    let mut group = criterion.benchmark_group(format!("whole/{}", subject.name));
    group.throughput(rows());
    group.bench_function("native", |bencher| {
        bencher.iter(|| subject.load_natively(prepare, |chunk| drop(black_box(chunk))));
    });
    group.bench_function("sandbox", |bencher| {
        bencher.iter(|| subject.load_sandboxed(|chunk| drop(black_box(chunk))));
    });
    group.finish();
}
