//! Converters and their instances: every call into a guest is made here, under limits, and every answer leaves checked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, RecordBatch, StringArray, new_empty_array};
use wasmtime::{Store, Trap, UpdateDeadline, WasmBacktrace};

use super::bindings::v0_2::influxdb_loader::converter::types as wit;
use super::code::{Code, Linked};
use super::columns::{Column, Strings};
use super::contract::Contract;
use super::engine::{self, Engine};
use super::error::{Call, ConverterError, Subject};
use super::log::{Log, Warnings};
use super::plan::{Converted, Description, Input, Mask, Plan};
use super::state::State;
use super::text::one_line;
use super::validate::{self, Invalid};
use super::wasi;
use super::world::World;
use crate::source::ColumnType;

/// The longest message of a failure, in bytes.
const MAX_MESSAGE_BYTES: usize = 1024;

/// The most lines of a stack that are shown.
const MAX_FRAMES: usize = 100;

/// How many different codes an instance may reject rows with: reports and metrics keep an account of each.
const MAX_CODES: usize = 100;

/// The largest document of parameters, in bytes: a table of some ten thousand names. Each instance has a copy of its own.
pub const MAX_PARAMETERS_BYTES: usize = 1024 * 1024;

/// A converter, compiled. Cheap to clone; may be used from many threads.
#[derive(Clone)]
pub struct Converter {
    compiled: Arc<Compiled>,
    /// What its instances are given in `prepare`, with its digest.
    parameters: Option<(Arc<str>, Arc<str>)>,
}

/// What distinguishes a converter from others: the digest of its component, or one of that and of its parameters. An object that
/// was begun with a converter continues with it.
pub fn identity(component: &str, parameters: Option<&str>) -> String {
    match parameters {
        None => component.to_owned(),
        Some(parameters) => engine::digest(format!("component {component}\nparameters {parameters}\n").as_bytes()),
    }
}

struct Compiled {
    engine: Engine,
    code: Arc<Code>,
    description: Description,
    digest: String,
    contract: Contract,
    subject: Subject,
}

impl Converter {
    pub(super) fn new(engine: Engine, code: Arc<Code>, digest: String) -> Result<Self, ConverterError> {
        let subject = Subject::unnamed(&digest);
        let linked = engine.linked(&code, &subject)?;
        let contract = linked.exports.contract();
        let log = Log::new(&subject.to_string(), "", engine.limits().log_bytes, Warnings::default());
        let mut instance = Instance::start(&engine, &linked, subject, log, None, None)?;
        let description = instance.describe()?;
        let subject = Subject::of(&description);
        let compiled = Compiled { engine, code, description, digest, contract, subject };
        Ok(Self { compiled: Arc::new(compiled), parameters: None })
    }

    /// The same converter, whose instances are given `parameters` in `prepare`: a JSON document that is published beside its
    /// version.
    ///
    /// # Errors
    ///
    /// [`ConverterError::Parameters`] where the document is no JSON or larger than 1 MiB, and where the converter speaks
    /// contract 0.1, which has no parameters.
    pub fn with_parameters(&self, parameters: Arc<str>) -> Result<Self, ConverterError> {
        let (length, max) = (parameters.len(), MAX_PARAMETERS_BYTES);
        let reason = if self.contract() < Contract::V0_2 {
            Some(format!("it speaks contract {}, parameters came with {}", self.contract(), Contract::V0_2))
        } else if length > max {
            Some(format!("they have {length} bytes, at most {max} are allowed"))
        } else {
            let read = serde_json::from_str::<serde::de::IgnoredAny>(&parameters);
            read.err().map(|error| format!("they are no JSON: {}", one_line(&error.to_string(), MAX_MESSAGE_BYTES)))
        };
        match reason {
            Some(reason) => Err(ConverterError::Parameters { subject: self.compiled.subject.clone(), reason }),
            None => {
                let digest = engine::digest(parameters.as_bytes()).into();
                Ok(Self { compiled: Arc::clone(&self.compiled), parameters: Some((parameters, digest)) })
            }
        }
    }

    /// What its instances are given in `prepare`, as [`Self::with_parameters`] received it.
    pub fn parameters(&self) -> Option<&Arc<str>> {
        self.parameters.as_ref().map(|(parameters, _)| parameters)
    }

    /// The lower-case hexadecimal SHA-256 of its parameters.
    pub fn parameters_digest(&self) -> Option<&str> {
        self.parameters.as_ref().map(|(_, digest)| &**digest)
    }

    /// What distinguishes it from others: see [`identity`].
    pub fn identity(&self) -> String {
        identity(self.digest(), self.parameters_digest())
    }

    /// The version of the contract that it speaks.
    pub fn contract(&self) -> Contract {
        self.compiled.contract
    }

    /// What it is, in its own words.
    pub fn description(&self) -> &Description {
        &self.compiled.description
    }

    /// The lower-case hexadecimal SHA-256 of the component.
    pub fn digest(&self) -> &str {
        &self.compiled.digest
    }

    /// What an instance may have, in bytes.
    pub(crate) fn memory_limit(&self) -> usize {
        self.compiled.engine.limits().memory_bytes
    }

    /// Whether it costs next to nothing while it is not used, since its code can be mapped again.
    pub(crate) fn is_stored(&self) -> bool {
        self.compiled.code.is_stored()
    }

    /// Whether its code is mapped.
    #[cfg(test)]
    pub(super) fn is_mapped(&self) -> bool {
        self.compiled.code.held() > 0
    }

    /// A fresh instance, which shares nothing with any other.
    ///
    /// # Errors
    ///
    /// What the component did wrong while it started, and limits that it ran into.
    pub fn instantiate(&self) -> Result<Instance, ConverterError> {
        self.instantiate_beside(&Warnings::default())
    }

    /// As [`Self::instantiate`], for an object on which other instances work: it does not log their warnings once more.
    ///
    /// # Errors
    ///
    /// As [`Self::instantiate`].
    pub fn instantiate_beside(&self, others: &Warnings) -> Result<Instance, ConverterError> {
        self.start(others, None)
    }

    /// As [`Self::instantiate_beside`], for what must not disturb: it takes what memory others leave, and ends at a moment.
    ///
    /// # Errors
    ///
    /// As [`Self::instantiate`].
    pub(crate) fn instantiate_aside(&self, others: &Warnings, end: Instant) -> Result<Instance, ConverterError> {
        self.start(others, Some(end))
    }

    fn start(&self, others: &Warnings, aside: Option<Instant>) -> Result<Instance, ConverterError> {
        let Compiled { engine, code, description, subject, .. } = &*self.compiled;
        let linked = engine.linked(code, subject)?;
        let log = Log::new(&description.name, &description.version, engine.limits().log_bytes, others.clone());
        Instance::start(engine, &linked, subject.clone(), log, self.parameters().cloned(), aside)
    }
}

impl std::fmt::Debug for Converter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Compiled { description, digest, contract, .. } = &*self.compiled;
        formatter
            .debug_struct("Converter")
            .field("description", description)
            .field("digest", digest)
            .field("contract", contract)
            .finish_non_exhaustive()
    }
}

/// An instance of a converter: one for each worker on an object. Calls block, on any thread that may block.
pub struct Instance {
    engine: Engine,
    world: World,
    contract: Contract,
    parameters: Option<Arc<str>>,
    store: Store<State>,
    subject: Subject,
    /// What the calls after `prepare` are checked against.
    plan: Option<Arc<Plan>>,
    /// The types of [`Plan::reads`].
    reads: Vec<ColumnType>,
    /// The codes that rows were rejected with.
    codes: BTreeSet<String>,
    /// Whether a call failed inside the guest, which is then in a state that nobody knows.
    spent: bool,
    /// What `translate` and `convert` were given, in bytes.
    pushed_bytes: usize,
    /// When it ends, whatever the time slice of a call.
    end: Option<Instant>,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Instance")
            .field("subject", &self.subject)
            .field("spent", &self.spent)
            .finish_non_exhaustive()
    }
}

impl Instance {
    fn start(
        engine: &Engine,
        Linked { pre, exports }: &Linked,
        subject: Subject,
        log: Log,
        parameters: Option<Arc<str>>,
        end: Option<Instant>,
    ) -> Result<Self, ConverterError> {
        let limits = engine.limits();
        let mut store = Store::new(engine.wasmtime(), State::new(log, limits, engine.room(), end.is_some()));
        store.limiter(State::limiter);
        // Time that was spent waiting for memory is no time of the guest's.
        store.epoch_deadline_callback(|mut store| match store.data_mut().waited() {
            Duration::ZERO => Ok(UpdateDeadline::Interrupt),
            waited => Ok(UpdateDeadline::Continue(Engine::ticks(waited))),
        });
        store.set_hostcall_fuel(limits.result_bytes);
        store.set_max_component_handles(wasi::MAX_RESOURCES);
        store.set_epoch_deadline(Engine::ticks(limits.prepare_time));
        let instance = pre
            .instantiate(&mut store)
            .map_err(|error| failure(&subject, Call::Instantiate, limits.prepare_time, engine, store.data(), &error))?;
        let world = exports.load(&mut store, &instance).map_err(|error| {
            let reason = one_line(&format!("{error:#}"), MAX_MESSAGE_BYTES);
            ConverterError::NotAConverter { subject: subject.clone(), reason }
        })?;
        store.data().log().end();
        Ok(Self {
            engine: engine.clone(),
            world,
            contract: exports.contract(),
            parameters,
            store,
            subject,
            plan: None,
            reads: Vec::new(),
            codes: BTreeSet::new(),
            spent: false,
            pushed_bytes: 0,
            end,
        })
    }

    fn describe(&mut self) -> Result<Description, ConverterError> {
        let description = self.call(Call::Describe, World::describe)?;
        validate::description(description).map_err(|invalid| self.invalid(invalid))
    }

    /// Plans an object: the first call for it.
    ///
    /// # Errors
    ///
    /// [`ConverterError::Rejected`] with everything that the converter misses in the input; and all errors of a converter
    /// that breaks.
    pub fn prepare(&mut self, input: &Input) -> Result<Plan, ConverterError> {
        self.plan = None;
        let parameters = self.parameters.clone();
        let answer = self.call(Call::Prepare, |world, store| world.prepare(store, input, parameters.as_deref()))?;
        let plan = answer.map_err(|problems| self.rejected(problems))?;
        let plan =
            validate::plan(plan, input, self.contract).map_err(|invalid| self.invalid(invalid.within("plan")))?;
        self.reads = plan.reads.iter().map(|&column| input.columns[column].column_type).collect();
        self.plan = Some(Arc::new(plan.clone()));
        Ok(plan)
    }

    /// Translates values of the column `plan.translations[translation]`, null for rows without one. The answer has as many;
    /// a null in it means no value.
    ///
    /// # Errors
    ///
    /// As [`Instance::prepare`].
    pub fn translate(&mut self, translation: usize, values: &StringArray) -> Result<StringArray, ConverterError> {
        let translations = self.plan.as_ref().map_or(0, |plan| plan.translations.len());
        if translation >= translations {
            return Err(misuse(format_args!("translation {translation} of {translations}")));
        }
        let index = u32::try_from(translation).map_err(misuse)?;
        if values.is_empty() {
            return Ok(values.clone());
        }
        let strings = Strings::new(values);
        self.pushed_bytes += strings.bytes();
        let answer = self.call(Call::Translate, |world, store| world.translate(store, index, &strings))?;
        let answer = answer.map_err(|problem| self.rejected(vec![problem]))?;
        validate::translated(answer, values.len()).map_err(|invalid| self.invalid(invalid))
    }

    /// Converts a batch: the columns that `plan.reads` names, in its order, in the types of [`ColumnType::arrow`].
    ///
    /// # Errors
    ///
    /// As [`Instance::prepare`]; [`ConverterError::Engine`] if the columns are not those of the plan.
    pub fn convert(&mut self, columns: &RecordBatch) -> Result<Converted, ConverterError> {
        let Some(plan) = self.plan.clone() else { return Err(misuse("a batch came before the plan")) };
        if columns.num_columns() != self.reads.len() {
            let (found, expected) = (columns.num_columns(), self.reads.len());
            return Err(misuse(format_args!("a batch has {found} columns, the plan reads {expected}")));
        }
        let crossing = columns.columns().iter().zip(&self.reads).enumerate().map(|(index, (column, &column_type))| {
            Column::new(column, column_type).ok_or_else(|| {
                let found = column.data_type();
                misuse(format_args!("column {index} of a batch is of type `{found}`, expected {column_type:?}"))
            })
        });
        let crossing = crossing.collect::<Result<Vec<_>, _>>()?;
        let rows = columns.num_rows();
        if rows == 0 {
            return Ok(nothing(&plan));
        }
        self.pushed_bytes += crossing.iter().map(Column::bytes).sum::<usize>();
        let count = u32::try_from(rows).map_err(misuse)?;
        let answer = self.call(Call::Convert, |world, store| world.convert(store, count, &crossing))?;
        let answer = answer.map_err(|problem| self.rejected(vec![problem]))?;
        let converted = validate::converted(answer, &plan, rows).map_err(|invalid| self.invalid(invalid))?;
        for rejection in &converted.rejected {
            if !self.codes.contains(&rejection.code) {
                self.codes.insert(rejection.code.clone());
            }
        }
        if self.codes.len() > MAX_CODES {
            let reason = format!("has more than {MAX_CODES} different codes");
            return Err(self.invalid(Invalid { item: "rejected".into(), reason }));
        }
        Ok(converted)
    }

    /// The most memory that it had, in bytes: its linear memories and tables, which never shrink.
    pub fn memory_bytes(&self) -> usize {
        self.store.data().memory_bytes()
    }

    /// The values that `translate` and `convert` have copied into its memory so far, in bytes.
    pub fn pushed_bytes(&self) -> usize {
        self.pushed_bytes
    }

    /// Calls the guest within its time slice.
    fn call<R>(
        &mut self,
        call: Call,
        enter: impl FnOnce(&World, &mut Store<State>) -> wasmtime::Result<R>,
    ) -> Result<R, ConverterError> {
        if self.spent {
            return Err(ConverterError::Spent { subject: self.subject.clone() });
        }
        let limits = self.engine.limits();
        let slice = match call {
            Call::Instantiate | Call::Describe | Call::Prepare => limits.prepare_time,
            Call::Translate | Call::Convert => limits.call_time,
        };
        let left = self.end.map_or(slice, |end| end.saturating_duration_since(Instant::now()));
        let slice = slice.min(left);
        self.store.data_mut().begin();
        self.store.set_epoch_deadline(Engine::ticks(slice));
        let answer = enter(&self.world, &mut self.store);
        self.store.data().log().end();
        answer.map_err(|error| {
            self.spent = true;
            failure(&self.subject, call, slice, &self.engine, self.store.data(), &error)
        })
    }

    fn rejected(&self, problems: Vec<wit::Problem>) -> ConverterError {
        match validate::problems(problems) {
            Ok(problems) => ConverterError::Rejected { subject: self.subject.clone(), problems },
            Err(invalid) => self.invalid(invalid),
        }
    }

    fn invalid(&self, invalid: Invalid) -> ConverterError {
        let Invalid { item, reason } = invalid;
        ConverterError::InvalidResult { subject: self.subject.clone(), item, reason }
    }
}

/// Finds out why a call did not return, by what the error carries.
fn failure(
    subject: &Subject,
    call: Call,
    slice: Duration,
    engine: &Engine,
    state: &State,
    error: &wasmtime::Error,
) -> ConverterError {
    let subject = subject.clone();
    let trap = error.downcast_ref::<Trap>();
    let backtrace = error.downcast_ref::<WasmBacktrace>();
    let log = state.log();
    let mut detail: Vec<String> = log.errors().map(str::to_owned).collect();
    if let Some(backtrace) = backtrace {
        // The first line only announces that what follows is a backtrace.
        detail.extend(backtrace.to_string().lines().skip(1).take(MAX_FRAMES).map(frame));
    }
    if trap == Some(&Trap::Interrupt) {
        return ConverterError::RanOutOfTime { subject, call, limit: slice, detail };
    }
    if let Some(asked) = state.refused_memory() {
        // What it may have by itself was refused only because of what others have.
        let (own, all) = (engine.limits().memory_bytes, engine.limits().process_bytes);
        let (limit, who) = if asked > own { (own, "may have") } else { (all, "all converters together may have") };
        return ConverterError::RanOutOfMemory { subject, call, asked, limit, who, detail };
    }
    let cause = one_line(&error.root_cause().to_string(), MAX_MESSAGE_BYTES);
    if trap.is_some() || backtrace.is_some() {
        // A guest that panics logs why before it traps.
        let message = log.last_error().map_or(cause, |message| one_line(message, MAX_MESSAGE_BYTES));
        return ConverterError::Trapped { subject, call, message, detail };
    }
    match call {
        // No code of the guest ran: the system has no room for it.
        Call::Instantiate => ConverterError::Engine { reason: format!("{subject} cannot start: {cause}") },
        // The guest returned, and what it returned cannot be read.
        Call::Describe | Call::Prepare | Call::Translate | Call::Convert => {
            let max = engine.limits().result_bytes;
            let reason = format!("cannot be read: {cause} (at most {max} bytes are allowed)");
            ConverterError::InvalidResult { subject, item: call.answer().to_owned(), reason }
        }
    }
}

/// A line of a backtrace, without its noise: that a module has no name, and the hashes that Rust gives to crates.
fn frame(line: &str) -> String {
    let line = line.trim().replace("<unknown>!", "");
    let mut short = String::with_capacity(line.len());
    for part in line.split_inclusive(']') {
        match part.rsplit_once('[') {
            // Longer than the name of any type that consists of such digits, such as `f64`.
            Some((before, hash)) if hash.len() > 10 && hash.bytes().all(|b| b.is_ascii_hexdigit() || b == b']') => {
                short.push_str(before);
            }
            Some(_) | None => short.push_str(part),
        }
    }
    one_line(&short, MAX_MESSAGE_BYTES)
}

/// What a batch without rows becomes, which guests never receive.
fn nothing(plan: &Plan) -> Converted {
    let computed = plan.computed.iter().filter_map(|computed| computed.arrow());
    Converted {
        computed: computed.map(|data_type| new_empty_array(&data_type)).collect(),
        masks: vec![Mask::All; plan.masks],
        rejected: Vec::new(),
    }
}

/// The host broke the rules of this module.
fn misuse(reason: impl std::fmt::Display) -> ConverterError {
    ConverterError::Engine { reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_short() {
        let line =
            "  7:   0x1230 - <unknown>!core[14d469399b14da0]::slice::<impl [f64]>::get::<panicky[dcb0960b7b9e7be8]::P>";
        assert_eq!(frame(line), "7:   0x1230 - core::slice::<impl [f64]>::get::<panicky::P>");
        assert_eq!(frame("  at src/lib.rs:3:4"), "at src/lib.rs:3:4");
    }
}
