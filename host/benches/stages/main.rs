//! What each stage costs by itself, on one thread: `cargo bench --workspace --bench stages`.
//!
//! `whole` is decode, plan, translate, convert and encode after each other, once with the converter in the sandbox, as the
//! loader does it, and once with the same mapping compiled into this program. `sandbox` is how much more the one takes than
//! the other.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::fmt::Debug;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use converter_builder::Build;
use criterion::measurement::Measurement;
use criterion::{Criterion, SamplingMode, Throughput};
use influxdb_loader::config::Config;
use influxdb_loader::converter::{Converter, Engine, Input, Instance, Limits, Plan};
use influxdb_loader::points::{Chunk, ChunkLimits, Dialect, Encoder, Lanes, Mapping};
use influxdb_loader::sink::Gzip;
use influxdb_loader::source::{Batch, Memory, ParquetObject, Selection};
use native::{NativeComputed, NativeGeneration};
use ratio::Ratio;

mod data;
mod native;
mod ratio;

const ROWS: usize = 100_000;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("generation.parquet");
    data::write(&path, ROWS);
    let object = ParquetObject::open_file(&path, Memory::default()).unwrap();
    let engine = Engine::new(Limits::default()).unwrap();
    let generation = Subject::new(&engine, &object, "generation", converter_components::GENERATION);
    let computed = Subject::new(&engine, &object, "computed", &build_computed());

    let mut criterion = configured(Criterion::default(), 3, 50);
    decode(&mut criterion, &generation);
    guest(&mut criterion, &generation, &computed);
    encode(&mut criterion, &generation);
    compress(&mut criterion, &generation);
    whole(&mut criterion, &generation, NativeGeneration::prepare);
    whole(&mut criterion, &computed, |_| NativeComputed);
    // Longer, since what it looks for is small; and of so many samples that each is a few loads, of which the median is
    // taken.
    let mut criterion = configured(Criterion::default().with_measurement(Ratio), 10, 80);
    sandbox(&mut criterion, &generation, NativeGeneration::prepare);
    sandbox(&mut criterion, &computed, |_| NativeComputed);
    criterion.final_summary();
}

fn configured<M: Measurement + 'static>(criterion: Criterion<M>, seconds: u64, samples: usize) -> Criterion<M> {
    let (warm_up, measurement) = (Duration::from_secs(1), Duration::from_secs(seconds));
    criterion.warm_up_time(warm_up).measurement_time(measurement).sample_size(samples).configure_from_args()
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
        let input = Input::new(name, object, config.validate_schema);
        let plan = converter.instantiate().unwrap().prepare(&input).unwrap();
        let limits = ChunkLimits { points: 1_000, bytes: 5 << 20 };
        Self { name, object, converter, input, plan, rows_per_batch: config.rows_per_batch, limits }
    }

    fn encoder(&self) -> Encoder {
        Encoder::new(&self.plan, Dialect::Any).unwrap()
    }

    fn batches(&self) -> impl Iterator<Item = Batch> {
        let columns = self.encoder().columns().to_vec();
        self.object.read(columns, self.rows_per_batch, &Selection::All).unwrap().map(Result::unwrap)
    }

    /// A load with a fresh instance.
    fn sandboxed(&self) -> Load<impl Iterator<Item = Batch>, Instance> {
        let mut instance = self.converter.instantiate().unwrap();
        let plan = instance.prepare(&self.input).unwrap();
        assert_eq!(plan.points.len(), self.plan.points.len());
        Load::new(self, self.batches(), instance)
    }

    /// The same without a sandbox.
    fn native<M: Mapping<Error: Debug>>(&self, prepare: impl Fn(&Input) -> M) -> Load<impl Iterator<Item = Batch>, M> {
        Load::new(self, self.batches(), prepare(&self.input))
    }

    /// The columns that `convert` is given, batch by batch.
    fn reads(&self) -> Vec<RecordBatch> {
        let columns = self.encoder().columns().to_vec();
        let position = |read| columns.binary_search(read).unwrap();
        let positions: Vec<_> = self.plan.reads.iter().map(position).collect();
        self.batches().map(|batch| batch.columns.project(&positions).unwrap()).collect()
    }
}

/// An object's way up to its chunks.
struct Load<B, M> {
    batches: B,
    mapping: M,
    encoder: Encoder,
    lanes: Lanes,
}

impl<B: Iterator<Item = Batch>, M: Mapping<Error: Debug>> Load<B, M> {
    fn new(subject: &Subject<'_>, batches: B, mapping: M) -> Self {
        Self { batches, mapping, encoder: subject.encoder(), lanes: Lanes::single(subject.limits) }
    }

    /// Takes the next batch; returns whether there was one.
    fn step(&mut self, take: impl FnMut(Chunk)) -> bool {
        let Some(batch) = self.batches.next() else { return false };
        let encoded = self.encoder.encode(&batch, &mut self.mapping, &mut self.lanes).unwrap();
        assert!(encoded.rejected.is_empty() && encoded.filtered == 0);
        self.lanes.take_full().map(|full| full.chunk).for_each(take);
        true
    }

    fn end(self, take: impl FnMut(Chunk)) {
        self.lanes.finish().map(|full| full.chunk).for_each(take);
    }

    /// From the first batch to the last.
    fn run(mut self, mut take: impl FnMut(Chunk)) {
        while self.step(&mut take) {}
        self.end(take);
    }
}

/// Runs what is measured. Callgrind counts the instructions from its first to its last, by the name of this function: see
/// benches/parts/stages.py.
#[inline(never)]
fn counted<R>(work: impl FnOnce() -> R) -> R {
    black_box(work())
}

/// As if it had been sent.
fn discard(chunk: Chunk) {
    drop(black_box(chunk));
}

fn rows() -> Throughput {
    Throughput::Elements(ROWS as u64)
}

fn decode(criterion: &mut Criterion, subject: &Subject<'_>) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(rows());
    group.bench_function(subject.name, |bencher| {
        bencher.iter(|| counted(|| subject.batches().for_each(|batch| drop(black_box(batch)))))
    });
    group.finish();
}

/// The calls into a converter, each level by itself.
fn guest(criterion: &mut Criterion, generation: &Subject<'_>, computed: &Subject<'_>) {
    let mut group = criterion.benchmark_group("guest");
    group.bench_function("instantiate", |bencher| {
        bencher.iter(|| counted(|| generation.converter.instantiate().unwrap()))
    });
    let mut instance = generation.converter.instantiate().unwrap();
    // Benchmarks can be chosen: none relies on one before it.
    instance.prepare(&generation.input).unwrap();
    group.bench_function("plan", |bencher| bencher.iter(|| counted(|| instance.prepare(&generation.input).unwrap())));

    // Each plant once, as the encoder asks for those that it has not met.
    let plants = generation.input.columns.iter().position(|column| column.name == "plant_name").unwrap();
    let translation = generation.plan.translations.iter().position(|column| *column == plants).unwrap();
    let plants = distinct(generation, plants);
    group.throughput(Throughput::Elements(plants.len() as u64));
    group.bench_function("translate", |bencher| {
        bencher.iter(|| counted(|| instance.translate(translation, &plants).unwrap()))
    });

    let mut instance = computed.converter.instantiate().unwrap();
    instance.prepare(&computed.input).unwrap();
    let batches = computed.reads();
    group.throughput(rows());
    group.bench_function("convert", |bencher| {
        bencher.iter(|| counted(|| batches.iter().for_each(|batch| drop(black_box(instance.convert(batch).unwrap())))));
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
    group.bench_function(subject.name, |bencher| {
        bencher.iter(|| {
            counted(|| {
                let mapping = NativeGeneration::prepare(&subject.input);
                Load::new(subject, batches.iter().cloned(), mapping).run(discard);
            })
        });
    });
    group.finish();
}

/// Lines to gzip, chunk by chunk.
fn compress(criterion: &mut Criterion, subject: &Subject<'_>) {
    let mut chunks = Vec::new();
    subject.sandboxed().run(|chunk| chunks.push(chunk));
    let mut gzip = Gzip::default();
    let mut group = criterion.benchmark_group("compress");
    group.throughput(Throughput::Elements(chunks.iter().map(|chunk| chunk.rows().len()).sum()));
    group.bench_function(subject.name, |bencher| {
        bencher.iter(|| counted(|| chunks.iter().for_each(|chunk| drop(black_box(gzip.compress(chunk.body()))))));
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
    subject.sandboxed().run(|chunk| sandboxed.extend_from_slice(chunk.body()));
    subject.native(prepare).run(|chunk| native.extend_from_slice(chunk.body()));
    assert!(sandboxed == native, "the sandbox makes other lines of `{}`", subject.name);

    let mut group = criterion.benchmark_group(format!("whole/{}", subject.name));
    group.throughput(rows());
    group.bench_function("native", |bencher| bencher.iter(|| counted(|| subject.native(prepare).run(discard))));
    group.bench_function("sandbox", |bencher| bencher.iter(|| counted(|| subject.sandboxed().run(discard))));
    group.finish();
}

/// How much more such a load takes in the sandbox than without it.
fn sandbox<M: Mapping<Error: Debug>>(
    criterion: &mut Criterion<Ratio>,
    subject: &Subject<'_>,
    prepare: impl Fn(&Input) -> M + Copy,
) {
    let mut group = criterion.benchmark_group("sandbox");
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function(subject.name, |bencher| {
        bencher.iter_custom(|iterations| {
            let (mut sandboxed, mut native) = (Duration::ZERO, Duration::ZERO);
            for leads in (0..iterations).flat_map(|_| [true, false]) {
                let took = in_turns(subject, prepare, leads);
                sandboxed += took.0;
                native += took.1;
            }
            sandboxed.div_duration_f64(native) * iterations as f64
        });
    });
    group.finish();
}

/// Two loads of which each in turn takes a batch, and what they took: that in the sandbox, which may lead, and that without
/// it. Steps so short fall into the same state of a machine that does something else, too; whoever comes second finds memory
/// and caches as the first has left them, so that both do.
fn in_turns<M: Mapping<Error: Debug>>(
    subject: &Subject<'_>,
    prepare: impl Fn(&Input) -> M,
    sandbox_leads: bool,
) -> (Duration, Duration) {
    let begin = || timed(|| subject.sandboxed());
    let begin_native = || timed(|| subject.native(&prepare));
    let ((mut sandboxed, mut in_sandbox), (mut native, mut natively)) = both(sandbox_leads, begin, begin_native);
    let mut leads = sandbox_leads;
    loop {
        let step = || timed(|| sandboxed.step(discard));
        let step_native = || timed(|| native.step(discard));
        let ((more, took), (_, took_natively)) = both(leads, step, step_native);
        in_sandbox += took;
        natively += took_natively;
        if !more {
            break;
        }
        leads = !leads;
    }
    let end = || timed(|| sandboxed.end(discard));
    let end_native = || timed(|| native.end(discard));
    let (((), took), ((), took_natively)) = both(sandbox_leads, end, end_native);
    (in_sandbox + took, natively + took_natively)
}

/// Does both, the first of them first or second.
fn both<A, B>(first_leads: bool, first: impl FnOnce() -> A, second: impl FnOnce() -> B) -> (A, B) {
    if first_leads {
        let first = first();
        (first, second())
    } else {
        let second = second();
        (first(), second)
    }
}

fn timed<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}
