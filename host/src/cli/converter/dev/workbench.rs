//! What the page shows, and the one task that keeps it up to date.
//!
//! ```text
//! files change ─┐                       ┌ build ─ component ┐
//! a sample     ─┼→ wishes → one task →  ┤                   ├→ sections of the page → events
//! an action    ─┘                       └ look at the sample┘
//! ```
//!
//! A wish that comes while the task works ends that work at its next step: what is shown is never older than it must be.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

use super::super::build::{self, Built, Watcher};
use super::super::project::Language;
use super::super::test::{self, GOLDEN};
use super::super::{bench, diff, inspect};
use super::actions::Action;
use super::look;
use super::samples::{self, Sample};
use super::watch::{Files, INTERVAL};
use super::{DevError, ends};
use crate::cli::CliError;
use crate::cli::component::{Component, Which, release};
use crate::config::Config;
use crate::logs::on_a_thread;
use crate::pipeline::Loader;
use crate::registry::Pattern;
use crate::report::{Failure, FailureKind};

/// The largest sample that is compared with the promoted version: both versions' points are in memory.
const COMPARED_ROWS: u64 = 1_000_000;

/// How long the golden pairs, and the comparison, may take. A converter that needs longer is looked at in a shell.
const PATIENCE: Duration = Duration::from_secs(120);

/// The longest list that the page gets.
const ITEMS: usize = 1_000;

/// A project that is worked on.
pub(super) struct Workbench {
    pub(super) config: Config,
    pub(super) project: PathBuf,
    language: Language,
    loader: Loader,
    /// The key that releases are signed with.
    pub(super) sign: Option<PathBuf>,
    /// Which other datasets they serve.
    pub(super) serves: Option<Vec<Pattern>>,
    /// Samples that were dropped on the page.
    pub(super) dropped: TempDir,
    state: Mutex<State>,
    /// Whoever builds, and whoever publishes what was built, has it.
    turn: tokio::sync::Mutex<()>,
    is_acting: AtomicBool,
    /// True once the workbench ends: what runs for it ends, too.
    pub(super) stop: AtomicBool,
    /// Counts what changes.
    changes: watch::Sender<u64>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    wishes: Wishes,
    files: Files,
    samples: Vec<Sample>,
    chosen: Option<Sample>,
    built: Option<Arc<Built>>,
    sections: BTreeMap<&'static str, Value>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wishes {
    build: bool,
    look: bool,
}

impl Workbench {
    pub(super) fn new(
        config: &Config,
        project: PathBuf,
        language: Language,
        sign: Option<PathBuf>,
        serves: Option<Vec<Pattern>>,
        sample: Option<Sample>,
    ) -> Result<Arc<Self>, CliError> {
        let dropped = tempfile::tempdir().map_err(DevError::Temporary)?;
        let mut config = config.clone();
        // What is rejected here is shown, and not to be loaded again.
        config.rejects = None;
        let loader = Loader::new(&config)?;
        let state = State { chosen: sample, ..State::default() };
        let workbench = Self {
            config,
            project,
            language,
            loader,
            sign,
            serves,
            dropped,
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::default(),
            is_acting: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            changes: watch::channel(0).0,
            wake: Notify::new(),
        };
        Ok(Arc::new(workbench))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|number| *number += 1);
    }

    /// Reports each change, the last one at once.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        let mut changes = self.changes.subscribe();
        changes.mark_changed();
        changes
    }

    /// All that the page shows.
    pub(super) fn shown(&self) -> Value {
        let state = self.state();
        let registry = self.config.registry.as_ref().map(|registry| {
            json!({ "bucket": registry.bucket, "prefix": registry.prefix, "channel": registry.channel, "signs": self.sign.is_some(), "serves": self.serves })
        });
        let samples: Vec<Value> =
            state.samples.iter().chain(samples::dropped(self.dropped.path()).iter()).map(Sample::facts).collect();
        json!({
            "change": *self.changes.borrow(),
            "project": { "directory": self.project.display().to_string(), "language": format!("{:?}", self.language).to_lowercase() },
            "unwatched": state.files.notice(),
            "registry": registry,
            "samples": samples,
            "chosen": state.chosen.as_ref().map(|sample| sample.name.clone()),
            "sections": state.sections,
        })
    }

    /// Shows something else in a part of the page.
    pub(super) fn show(&self, section: &'static str, mut value: Value) {
        bound(&mut value);
        self.state().sections.insert(section, value);
        self.changed();
    }

    /// The component that is shown.
    pub(super) fn built(&self) -> Option<Arc<Built>> {
        self.state().built.clone()
    }

    /// Looks at another sample from now on.
    pub(super) fn choose(&self, sample: Sample) {
        {
            let mut state = self.state();
            state.chosen = Some(sample);
            state.wishes.look = true;
        }
        self.changed();
        self.wake.notify_one();
    }

    /// The sample of this name.
    pub(super) fn sample(&self, name: &str) -> Option<Sample> {
        let dropped = samples::dropped(self.dropped.path());
        self.state().samples.iter().chain(&dropped).find(|sample| sample.name == name).cloned()
    }

    /// Looks at the project's files for as long as the workbench exists.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut seen: Option<Files> = None;
        let mut last = Files::default();
        loop {
            let project = self.project.clone();
            let Ok(files) = on_a_thread(move || Files::of(&project)).await else { return };
            let is_settled = files == last;
            last = files;
            if is_settled && seen.as_ref() != Some(&last) {
                let builds = seen.as_ref().is_none_or(|seen| !seen.builds_as(&last));
                seen = Some(last.clone());
                self.found(last.clone(), builds);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn found(&self, files: Files, builds: bool) {
        {
            let mut state = self.state();
            if state.files.notice().is_none()
                && let Some(notice) = files.notice()
            {
                // When standard error is closed, the page has it.
                drop(writeln!(std::io::stderr(), "{notice}"));
            }
            state.samples = samples::of_project(&self.project, &files);
            if state.chosen.is_none() {
                state.chosen = state.samples.first().cloned();
            }
            state.files = files;
            state.wishes.build |= builds;
            state.wishes.look = true;
        }
        self.changed();
        self.wake.notify_one();
    }

    /// Does what is wished for, for as long as the workbench exists.
    pub(super) async fn work(self: Arc<Self>) {
        loop {
            let wishes = std::mem::take(&mut self.state().wishes);
            if wishes == Wishes::default() {
                self.wake.notified().await;
                continue;
            }
            if wishes.build {
                self.build().await;
            }
            if !self.is_interrupted() {
                self.look().await;
            }
        }
    }

    /// Whether what is done now is to be done anew.
    fn is_interrupted(&self) -> bool {
        self.state().wishes.build
    }

    async fn build(self: &Arc<Self>) {
        let _turn = self.turn.lock().await;
        self.show("build", json!({ "status": "working" }));
        let this = Arc::clone(self);
        let built = on_a_thread(move || {
            let mut tell = |doing: &str| this.show("build", json!({ "status": "working", "doing": doing }));
            build::built(&this.loader, &this.project, &mut Watcher { tell: &mut tell, stop: &this.stop })
        });
        let built = built.await;
        match flat(built) {
            Ok(built) => {
                let facts = built.facts();
                self.state().built = Some(Arc::new(built));
                self.show("build", json!({ "status": "done", "component": facts }));
            }
            Err(error) => {
                // What does not build is not published: what is shown below is of the build before.
                self.state().built = None;
                self.show("build", failed(&error));
            }
        }
    }

    /// Looks at the sample, in the order of what takes longer and longer.
    async fn look(self: &Arc<Self>) {
        let (chosen, built) = {
            let state = self.state();
            (state.chosen.clone(), state.built.clone())
        };
        if let Some(sample) = &chosen {
            let file = match sample.parquet(self.dropped.path()) {
                Ok(file) => file,
                Err(error) => return self.show("sample", failed(&error)),
            };
            self.step("sample", {
                let file = file.clone();
                move |_| look::sample(&file)
            })
            .await;
            let Some(built) = &built else { return };
            self.convert(built, &file).await;
            self.compare(built, &file).await;
        }
        if let Some(built) = &built
            && !self.wants_another()
        {
            self.test(built).await;
        }
    }

    /// Whether another build or another sample is wished for.
    fn wants_another(&self) -> bool {
        self.state().wishes != Wishes::default()
    }

    /// Does what blocks for a part of the page, and shows it there. Returns whether the next step may run.
    async fn step(
        self: &Arc<Self>,
        section: &'static str,
        work: impl FnOnce(&Self) -> Result<Value, CliError> + Send + 'static,
    ) -> bool {
        if self.wants_another() {
            return false;
        }
        let this = Arc::clone(self);
        let value = flat(on_a_thread(move || work(&this)).await);
        let is_done = value.is_ok();
        self.show(section, value.map_or_else(|error| failed(&error), done));
        is_done
    }

    async fn convert(self: &Arc<Self>, built: &Arc<Built>, file: &Path) {
        let (component, path) = (Arc::clone(built), file.to_owned());
        let plan = move |this: &Self| Ok(inspect::plan(&this.config, &component.converter, &path)?.json());
        if !self.step("plan", plan).await {
            self.show("points", json!({ "status": "none" }));
            return self.show("cost", json!({ "status": "none" }));
        }
        let (component, path) = (Arc::clone(built), file.to_owned());
        let looked = move |this: &Self| {
            let (converter, compile) = bench::compiled(&this.loader, &component.component)?;
            let memory = this.loader.catalog().engine().limits().memory_bytes;
            let looked = look::look(&this.config, &converter, component.component.len(), compile, memory, &path)?;
            this.show("cost", done(looked.cost));
            Ok(looked.points)
        };
        self.step("points", looked).await;
    }

    async fn compare(self: &Arc<Self>, built: &Arc<Built>, file: &Path) {
        let Some(registry) = &self.config.registry else {
            let hint = "set CONVERTER_BUCKET, the bucket of the registry, to compare with the promoted version";
            return self.show("service", json!({ "status": "none", "hint": hint }));
        };
        if self.wants_another() {
            return;
        }
        let rows = self.state().sections.get("sample").and_then(|sample| sample["data"]["total"].as_u64());
        if rows.is_none_or(|rows| rows > COMPARED_ROWS) {
            let hint = "the sample is too large to be compared here: use `influxdb-loader converter diff`";
            return self.show("service", json!({ "status": "none", "hint": hint }));
        }
        let dataset = &built.converter.description().dataset;
        let compared = async {
            let (dataset, channel) = (super::super::named(dataset)?, registry.channel.parse()?);
            let old = Component::Release(dataset, Which::Channel(channel));
            let path = built.path.display().to_string();
            let difference = diff::with(&self.config, &old, (&path, built.converter.clone()), file).await?;
            Ok::<_, CliError>(json!({ "old": old.to_string(), "difference": difference }))
        };
        if let Some(compared) = self.bounded("`converter diff`", compared).await {
            self.show("service", compared.map_or_else(|error| failed(&error), done));
        }
    }

    /// Does what takes as long as the author's converter takes. None where something else is wished for meanwhile.
    async fn bounded<T>(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<T, CliError>>,
    ) -> Option<Result<T, CliError>> {
        let interrupted = async {
            while !self.wants_another() {
                tokio::time::sleep(INTERVAL).await;
            }
        };
        tokio::select! {
            done = work => Some(done),
            () = interrupted => None,
            () = tokio::time::sleep(PATIENCE) => Some(Err(DevError::TooLong { what, limit: PATIENCE }.into())),
        }
    }

    async fn test(&self, built: &Built) {
        let golden = self.project.join(GOLDEN);
        let tested = test::run(&self.config, &self.loader, &built.converter, &golden, false);
        let Some(tested) = self.bounded("`converter test`", tested).await else { return };
        let facts = tested.map(|tested| test::facts(&built.converter, &built.path.display().to_string(), &tested));
        self.show("golden", facts.map_or_else(|error| failed(&error), done));
    }

    /// A version is promoted by its name. So what was published under it must be what the page shows.
    async fn is_published_as_shown(&self, action: &Action, built: &Built) -> Result<(), CliError> {
        if !action.promotes() {
            return Ok(());
        }
        let description = built.converter.description();
        let (dataset, which) =
            (super::super::named(&description.dataset)?, Which::Version(description.version.parse()?));
        let (manifest, _) = release(&self.config, &self.loader, &dataset, &which).await?;
        if manifest.sha256 == built.converter.digest() { Ok(()) } else { Err(DevError::OtherPublished.into()) }
    }

    /// Whether a command may begin: one runs at a time.
    pub(super) fn begin(&self) -> bool {
        !self.is_acting.swap(true, Ordering::AcqRel)
    }

    /// Runs a command of the loader on what was built, and looks again at what it may have changed.
    pub(super) async fn act(self: Arc<Self>, action: Action, built: Arc<Built>) {
        let command = action.shown();
        self.show("action", json!({ "status": "working", "command": command }));
        let mut shown = {
            let _turn = self.turn.lock().await;
            if !self.built().is_some_and(|now| Arc::ptr_eq(&now, &built)) {
                failed(&DevError::BuiltAgain)
            } else if let Err(error) = self.is_published_as_shown(&action, &built).await {
                failed(&error)
            } else {
                let this = Arc::clone(&self);
                let outcome = on_a_thread(move || action.run(&this.project, &this.stop).map_err(CliError::from)).await;
                flat(outcome).map_or_else(
                    |error| failed(&error),
                    |outcome| json!({ "status": "done", "succeeded": outcome.succeeded, "output": outcome.output }),
                )
            }
        };
        shown["command"] = json!(command);
        self.is_acting.store(false, Ordering::Release);
        self.state().wishes.look = true;
        self.show("action", shown);
        self.wake.notify_one();
    }
}

/// A part of the page with what it shows.
#[expect(clippy::needless_pass_by_value, reason = "it becomes a part of another")]
fn done(data: Value) -> Value {
    json!({ "status": "done", "data": data })
}

/// A part of the page with what went wrong.
fn failed(error: &(dyn Error + 'static)) -> Value {
    let failure = Failure::new(FailureKind::Unexpected, error);
    json!({ "status": "failed", "error": failure.message(), "hint": failure.hint() })
}

fn flat<T>(result: Result<Result<T, CliError>, tokio::task::JoinError>) -> Result<T, CliError> {
    result.map_err(|error| DevError::Stopped(error).into()).and_then(|result| result)
}

/// Shortens what is too long to be shown.
fn bound(value: &mut Value) {
    match value {
        Value::String(text) => ends::shorten(text),
        Value::Array(items) => {
            items.truncate(ITEMS);
            items.iter_mut().for_each(bound);
        }
        Value::Object(members) => members.values_mut().for_each(bound),
        _ => {}
    }
}
