//! What the function works with, what happens to it, and what is to be the case afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt;
use std::fs;
use std::mem;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use influxdb_loader_tests::{
    InfluxDb2, Loader, Moto, Runtime, Settings, Stream, Told, Toxic, Toxiproxy, Versitygw, notification,
};
use serde_json::Value;
use tempfile::TempDir;

use super::objects::{CONFLICT, Version};
use super::queue::{self, Queue};

/// The bucket of converters, and their versions.
const CONVERTERS: &str = "converters";
const CONVERTER_VERSIONS: [&str; 2] = ["1.0.0", "1.0.1"];

/// How many processes of the function there are, and how many objects.
const PROCESSES: usize = 3;
const OBJECTS: usize = 3;

/// How many things happen.
const EVENTS: usize = 20;

/// How long an invocation may take, and how long it may when nothing happens any more, however busy the machine is.
const TIME_LIMIT: Duration = Duration::from_secs(5);
const CALM_TIME_LIMIT: Duration = Duration::from_secs(60);

/// For how much longer a message is hidden from others, as AWS asks for.
const MORE_HIDDEN: Duration = Duration::from_secs(1);

/// How long it may take until nothing waits any more.
const REST_LIMIT: Duration = Duration::from_secs(180);

/// Servers that several seeds use one after the other, each with buckets of its own.
pub(crate) struct Site {
    s3: Versitygw,
    moto: Moto,
    influxdb: InfluxDb2,
    proxy: Mutex<Toxiproxy>,
    cache: TempDir,
}

/// What happened under a seed.
#[derive(Debug, Default)]
pub(crate) struct Story {
    started: Option<Instant>,
    told: Mutex<Vec<String>>,
    invocations: AtomicUsize,
    killed: AtomicUsize,
    dead: AtomicUsize,
    versions: AtomicUsize,
    seconds: f64,
}

impl Story {
    fn tell(&self, what: impl fmt::Display) {
        let at = self.started.map(|started| started.elapsed().as_secs_f64()).unwrap_or_default();
        self.told.lock().unwrap().push(format!("{at:7.3} {what}"));
    }
}

impl fmt::Display for Story {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invocations, killed, dead, versions, seconds, .. } = self;
        let [invocations, killed, dead, versions] =
            [invocations, killed, dead, versions].map(|count| count.load(Ordering::SeqCst));
        write!(
            formatter,
            "{versions} versions by {invocations} invocations, of which {killed} got no answer; {dead} dead-letter messages; in \
             {seconds:.1} s"
        )
    }
}

/// The converter of the consumption dataset with another version, of as many characters, in its data.
fn component(version: &str) -> Vec<u8> {
    let mut bytes = converter_components::CONSUMPTION.to_vec();
    let first = CONVERTER_VERSIONS[0].as_bytes();
    let places: Vec<usize> =
        bytes.windows(first.len()).enumerate().filter(|(_, window)| *window == first).map(|(place, _)| place).collect();
    let [place] = places[..] else { panic!("not in one place: {places:?}") };
    bytes[place..place + first.len()].copy_from_slice(version.as_bytes());
    bytes
}

impl Site {
    pub(crate) fn start() -> Self {
        let (s3, moto, influxdb) = (Versitygw::start(), Moto::start(), InfluxDb2::start("unused"));
        let proxy = Toxiproxy::start(influxdb.port());
        s3.create_bucket(CONVERTERS);
        let site = Self { s3, moto, influxdb, proxy: Mutex::new(proxy), cache: tempfile::tempdir().unwrap() };
        for version in CONVERTER_VERSIONS {
            let path = site.cache.path().join("component.wasm");
            fs::write(&path, component(version)).unwrap();
            site.converter(&["publish", path.to_str().unwrap()]);
            site.converter(&["promote", "consumption", version]);
        }
        site
    }

    fn converter(&self, arguments: &[&str]) {
        let settings = self.s3.registry_settings(CONVERTERS, &self.cache.path().join("cache"));
        Loader::new([&["converter"], arguments].concat()).settings(settings).run().succeeded();
    }

    /// Lets a seed happen, and checks what it leaves.
    ///
    /// # Panics
    ///
    /// With all that has happened, where it leaves something else than it should.
    pub(crate) fn live_through(&mut self, seed: u64) -> Story {
        let world = World::new(self, seed);
        thread::scope(|scope| {
            for process in 0..PROCESSES {
                let world = &world;
                scope.spawn(move || world.work(process));
            }
            // Whatever happens, the processes are to end.
            let _end = EndsWork(&world.ended);
            world.happen();
            world.come_to_rest();
        });
        world.check();
        let mut story = world.story;
        story.seconds = story.started.unwrap().elapsed().as_secs_f64();
        story
    }
}

struct EndsWork<'a>(&'a AtomicBool);

impl Drop for EndsWork<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// An object: its key, its region, and its versions; no version where it is deleted.
#[derive(Debug)]
struct Object {
    key: String,
    region: String,
    rows: usize,
    versions: Vec<Version>,
    deleted: bool,
}

/// A seed.
struct World<'a> {
    site: &'a Site,
    seed: u64,
    random: Mutex<Rng>,
    queue: Queue,
    objects: Mutex<Vec<Object>>,
    /// The process of each worker, while there is one.
    processes: [Mutex<Option<u32>>; PROCESSES],
    working: [AtomicBool; PROCESSES],
    /// Of which object each of them has a message.
    has: [AtomicUsize; PROCESSES],
    /// Whether nothing happens any more.
    calm: AtomicBool,
    ended: AtomicBool,
    /// The authorization whose token is in the secret.
    authorization: Mutex<String>,
    toxics: Mutex<Vec<String>>,
    logs: Mutex<Vec<String>>,
    story: Story,
}

impl<'a> World<'a> {
    fn new(site: &'a mut Site, seed: u64) -> Self {
        site.proxy.get_mut().unwrap().start_anew();
        let site: &Site = site;
        let mut random = Rng::with_seed(seed);
        let database = database(seed);
        site.influxdb.create_bucket(&database, None, None);
        site.influxdb
            .write(&database, &format!("consumption_data,region=seed power_mw=\"much\" {}", CONFLICT * 1_000_000))
            .succeeded();
        for bucket in [data(seed), rejects(seed)] {
            site.s3.create_bucket(&bucket);
        }
        if random.bool() {
            site.s3.keep_versions(&data(seed));
        }
        let (authorization, token) = site.influxdb.authorize(&[], &[&database]);
        site.moto.create_secret(&secret(seed), &token);
        let object = |number: usize| Object {
            key: format!("dataset=consumption/{number}.parquet"),
            region: format!("region {number}"),
            rows: random.usize(100..500),
            versions: Vec::new(),
            deleted: false,
        };
        let objects = (0..OBJECTS).map(object).collect();
        slow_down(&site.proxy.lock().unwrap());
        Self {
            site,
            seed,
            random: Mutex::new(random),
            queue: Queue::default(),
            objects: Mutex::new(objects),
            processes: Default::default(),
            working: Default::default(),
            has: Default::default(),
            calm: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            authorization: Mutex::new(authorization),
            toxics: Mutex::default(),
            logs: Mutex::default(),
            story: Story { started: Some(Instant::now()), ..Story::default() },
        }
    }

    fn random(&self) -> MutexGuard<'_, Rng> {
        self.random.lock().unwrap()
    }

    fn settings(&self) -> Settings {
        let site = self.site;
        site.moto
            .settings()
            .and(site.s3.registry_settings(CONVERTERS, &site.cache.path().join("cache")))
            .and(site.influxdb.settings(&database(self.seed)))
            .without("INFLUXDB_TOKEN")
            .with("INFLUXDB_TOKEN_SECRET_NAME", secret(self.seed))
            .with("INFLUXDB_URL", site.proxy.lock().unwrap().url())
            .with("REJECTS_URI", self.rejects_uri())
            .with("MAX_BATCH_SIZE", "20")
            .with("DEADLINE_MARGIN_SECONDS", "2")
            .with("REQUEST_TIMEOUT_SECONDS", "2")
            .with("CONNECT_TIMEOUT_SECONDS", "1")
    }

    fn rejects_uri(&self) -> String {
        format!("s3://{}/kept", rejects(self.seed))
    }

    /// Hands messages to a process of the function, and deletes those that it has done, as Lambda does.
    fn work(&self, process: usize) {
        let mut random = Rng::with_seed(self.seed ^ ((process as u64 + 1) << 32));
        let mut function: Option<Runtime> = None;
        while !self.ended.load(Ordering::SeqCst) {
            self.working[process].store(true, Ordering::SeqCst);
            let limit = if self.calm.load(Ordering::SeqCst) { CALM_TIME_LIMIT } else { TIME_LIMIT };
            let messages = self.queue.receive(random.usize(1..4), limit + MORE_HIDDEN);
            if messages.is_empty() {
                self.working[process].store(false, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            let running = function.get_or_insert_with(|| Runtime::start(self.settings()));
            *self.processes[process].lock().unwrap() = Some(running.process_id());
            self.story.invocations.fetch_add(1, Ordering::SeqCst);
            self.has[process].store(messages[0].object, Ordering::SeqCst);
            let names: Vec<String> = messages.iter().map(queue::Message::name).collect();
            self.story.tell(format_args!("process {process} gets {names:?}"));
            let answer = running.try_invoke(&queue::event(&messages), limit);
            match answer {
                Some(answer) if !answer.failed => {
                    let failures = answer.answer["batchItemFailures"].as_array().unwrap();
                    let failed = |name: &str| failures.iter().any(|failure| failure["itemIdentifier"] == name);
                    for message in &messages {
                        if failed(&message.name()) {
                            self.queue.release(message, milliseconds(&mut random, 100..600));
                        } else {
                            self.queue.delete(message);
                        }
                    }
                    self.story.tell(format_args!("process {process} answers {}", answer.answer));
                }
                Some(answer) => {
                    self.story.tell(format_args!("process {process} fails: {}", answer.answer));
                    messages
                        .iter()
                        .for_each(|message| self.queue.release(message, milliseconds(&mut random, 100..600)));
                }
                None => {
                    self.story.killed.fetch_add(1, Ordering::SeqCst);
                    self.story.tell(format_args!("process {process} does not answer"));
                    *self.processes[process].lock().unwrap() = None;
                    self.logs.lock().unwrap().extend(function.take().map(|function| function.log()));
                }
            }
        }
        *self.processes[process].lock().unwrap() = None;
        self.logs.lock().unwrap().extend(function.map(|function| function.log()));
    }

    /// Everything that happens.
    fn happen(&self) {
        for object in 0..OBJECTS {
            self.put(object);
        }
        for _ in 0..EVENTS {
            let pause = milliseconds(&mut self.random(), 30..300);
            thread::sleep(pause);
            let what = self.random().usize(..100);
            match what {
                0..40 => {
                    let object = self.random().usize(..OBJECTS);
                    self.put(object);
                }
                40..44 => self.delete(),
                44..54 => self.kill(),
                54..64 => self.freeze(),
                64..74 => self.outage(),
                74..84 => self.add_toxic(),
                84..88 => self.remove_toxics(),
                88..94 => self.rotate(),
                _ => self.promote(),
            }
        }
        for object in 0..OBJECTS {
            self.put(object);
            let pause = milliseconds(&mut self.random(), 300..1_000);
            thread::sleep(pause);
            self.freeze();
        }
    }

    /// Puts a version of an object, which the queue learns of later, in some cases twice.
    fn put(&self, object: usize) {
        let mut random = self.random.lock().unwrap();
        let mut objects = self.objects.lock().unwrap();
        let (place, object) = (object, &mut objects[object]);
        let number = u32::try_from(object.versions.len()).unwrap() + 1;
        let mut version = Version::random(&mut random, number, object.rows);
        let put = self.site.s3.put_object_of(&data(self.seed), &object.key, version.bytes(&object.region));
        version.id = put.unwrap_or_default();
        self.story.tell(format_args!("put {} as {number}: {version:?}", object.key));
        let told = Told {
            key: &object.key,
            version: (!version.id.is_empty()).then_some(&version.id),
            sequencer: &format!("{number:016X}"),
        };
        let body = notification(&data(self.seed), &[told]);
        object.versions.push(version);
        object.deleted = false;
        self.story.versions.fetch_add(1, Ordering::SeqCst);
        for _ in 0..1 + usize::from(random.u32(..5) == 0) {
            self.queue.send(place, body.clone(), milliseconds(&mut random, 0..900));
        }
    }

    fn delete(&self) {
        let object = self.random().usize(..OBJECTS);
        let object = &mut self.objects.lock().unwrap()[object];
        self.story.tell(format_args!("delete {}", object.key));
        self.site.s3.delete_object(&data(self.seed), &object.key);
        object.deleted = true;
    }

    fn kill(&self) {
        let process = self.random().usize(..PROCESSES);
        self.signal("-KILL", process, |_| true);
    }

    fn freeze(&self) {
        let process = self.random().usize(..PROCESSES);
        let frozen = self.signal("-STOP", process, |_| true);
        // Others load another version meanwhile.
        if frozen.is_some() && self.random().u32(..4) > 0 {
            self.put(self.has[process].load(Ordering::SeqCst));
        }
        let pause = milliseconds(&mut self.random(), 100..2_500);
        thread::sleep(pause);
        // Another one may be in its place by now.
        self.signal("-CONT", process, |id| Some(id) == frozen);
    }

    /// Sends a signal to a worker's process, if there is one and it is meant. Returns which one it is.
    fn signal(&self, signal: &str, process: usize, is_meant: impl Fn(u32) -> bool) -> Option<u32> {
        let running = self.processes[process].lock().unwrap();
        let id = running.filter(|id| is_meant(*id))?;
        self.story.tell(format_args!("{signal} to process {process}"));
        // It may have ended without being noticed yet.
        Command::new("kill").arg(signal).arg(id.to_string()).stderr(Stdio::null()).status().unwrap();
        Some(id)
    }

    fn outage(&self) {
        let pause = milliseconds(&mut self.random(), 50..1_500);
        self.story.tell(format_args!("outage of {pause:?}"));
        let proxy = self.site.proxy.lock().unwrap();
        proxy.disable();
        thread::sleep(pause);
        proxy.enable();
    }

    fn add_toxic(&self) {
        let mut random = self.random();
        let mut toxics = self.toxics.lock().unwrap();
        let toxic = match random.usize(..5) {
            0 => Toxic::Latency { delay: random.u32(50..600), jitter: random.u32(0..100) },
            1 => Toxic::ResetPeer(random.u32(0..300)),
            2 => Toxic::LimitData(random.u64(1..20_000)),
            3 => Toxic::Slicer { size: random.u32(50..2_000), pause: random.u32(0..2_000) },
            _ => Toxic::Timeout(random.u32(1..1_000)),
        };
        let stream = if random.bool() { Stream::Upstream } else { Stream::Downstream };
        self.story.tell(format_args!("{toxic:?} {stream:?}"));
        let name = format!("toxic-{}", toxics.len());
        self.site.proxy.lock().unwrap().add(&name, toxic, stream, [0.3, 0.6][random.usize(..2)]);
        toxics.push(name);
    }

    /// Takes all of them out, by way of an outage.
    fn remove_toxics(&self) {
        self.story.tell("no toxics");
        self.toxics.lock().unwrap().clear();
        let mut proxy = self.site.proxy.lock().unwrap();
        proxy.start_anew();
        slow_down(&proxy);
    }

    /// Another token: the old one is refused before or after the secret has the new one.
    fn rotate(&self) {
        let gap = milliseconds(&mut self.random(), 0..400);
        let early = self.random().bool();
        self.story.tell(format_args!("the token is rotated, {gap:?} {}", if early { "too late" } else { "in time" }));
        let (id, token) = self.site.influxdb.authorize(&[], &[&database(self.seed)]);
        let old = mem::replace(&mut *self.authorization.lock().unwrap(), id);
        if early {
            self.site.influxdb.delete_authorization(&old);
            thread::sleep(gap);
        }
        self.site.moto.put_secret(&secret(self.seed), &token);
        if !early {
            thread::sleep(gap);
            self.site.influxdb.delete_authorization(&old);
        }
    }

    fn promote(&self) {
        let version = CONVERTER_VERSIONS[self.random().usize(..CONVERTER_VERSIONS.len())];
        self.story.tell(format_args!("converter {version}"));
        self.site.converter(&["promote", "consumption", version]);
    }

    /// Nothing happens any more: waits until nothing waits. The dead-letter queue is redriven once, as its operator would.
    fn come_to_rest(&self) {
        self.remove_toxics();
        self.calm.store(true, Ordering::SeqCst);
        self.wait_until_nothing_waits();
        let dead = self.queue.redrive();
        self.story.dead.store(dead, Ordering::SeqCst);
        self.story.tell(format_args!("{dead} messages of the dead-letter queue are redriven"));
        self.wait_until_nothing_waits();
        self.story.tell("at rest");
    }

    fn wait_until_nothing_waits(&self) {
        let deadline = Instant::now() + REST_LIMIT;
        let rests = || self.queue.is_empty() && self.working.iter().all(|working| !working.load(Ordering::SeqCst));
        while !rests() {
            if Instant::now() >= deadline {
                self.fail(&format!("this still waits: {}", self.queue.waiting()));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Holds InfluxDB and the rejects against the newest versions.
    fn check(&self) {
        let rejected = self.rejected();
        let objects = self.objects.lock().unwrap();
        for object in self.queue.dead().into_iter().map(|object| &objects[object]) {
            if object.deleted || !object.newest().broken {
                self.fail(&format!("{} has a message in the dead-letter queue though it is sound", object.key));
            }
        }
        for object in objects.iter().filter(|object| !object.deleted && !object.newest().broken) {
            let newest = object.newest();
            let stored = self.stored(&object.region);
            let expected = newest.points();
            for (time, value) in &expected {
                if stored.get(time) != Some(value) {
                    let found = stored.get(time);
                    self.fail(&format!("{}: {found:?} is stored at {time}, not {value}", object.key));
                }
            }
            // A point that is not of the newest version is as an older one has left it.
            for (time, value) in stored.iter().filter(|(time, _)| !expected.contains_key(time)) {
                let is_older = |version: &Version| !version.broken && version.points().get(time) == Some(value);
                if !object.versions.iter().any(is_older) {
                    self.fail(&format!("{}: {value} at {time} is of no version", object.key));
                }
            }
            let expected: BTreeSet<(String, u64)> =
                newest.rejected().into_iter().map(|row| (newest.id.clone(), row)).collect();
            let found = rejected.get(&object.key).cloned().unwrap_or_default();
            if found != expected {
                self.fail(&format!("{}: {found:?} are rejected, not {expected:?}", object.key));
            }
        }
    }

    /// The points of a region.
    fn stored(&self, region: &str) -> BTreeMap<i64, f64> {
        let query = format!("SELECT power_mw FROM consumption_data WHERE region = '{region}'");
        let series = self.site.influxdb.query(&database(self.seed), &query);
        let rows = series.iter().flat_map(|series| series["values"].as_array().unwrap());
        rows.map(|row| (row[0].as_i64().unwrap(), row[1].as_f64().unwrap())).collect()
    }

    /// The rows that are kept as rejected, with the version that they are of, by the key of their object.
    fn rejected(&self) -> BTreeMap<String, BTreeSet<(String, u64)>> {
        if self.site.s3.keys(&rejects(self.seed), "").is_empty() {
            return BTreeMap::new();
        }
        let shown = Loader::new(["rejects", "show", "--json", "--limit", "1000000", &self.rejects_uri()]);
        let shown = shown.settings(self.settings()).run().succeeded();
        let mut rejected: BTreeMap<String, BTreeSet<(String, u64)>> = BTreeMap::new();
        for line in shown.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            let source = &line["source"];
            let version = source["version_id"].as_str().unwrap_or_default().to_owned();
            let rows = rejected.entry(source["key"].as_str().unwrap().to_owned()).or_default();
            assert!(rows.insert((version, line["row"].as_u64().unwrap())), "twice: {line}");
        }
        rejected
    }

    fn fail(&self, what: &str) -> ! {
        let told = self.story.told.lock().unwrap().join("\n");
        let logs = self.logs.lock().unwrap().join("\n");
        let path = env::temp_dir().join(format!("chaos-function-{}.log", self.seed));
        fs::write(&path, format!("{told}\n\n{logs}\n\n{what}\n")).unwrap();
        panic!("seed {}: {what}\nall that happened is in {}", self.seed, path.display());
    }
}

impl Object {
    fn newest(&self) -> &Version {
        self.versions.last().unwrap()
    }
}

/// So that a load is not over before anything happens.
fn slow_down(proxy: &Toxiproxy) {
    proxy.add("always", Toxic::Latency { delay: 30, jitter: 10 }, Stream::Downstream, 1.0);
}

fn database(seed: u64) -> String {
    format!("energy-{seed}")
}

fn data(seed: u64) -> String {
    format!("data-{seed}")
}

fn rejects(seed: u64) -> String {
    format!("rejects-{seed}")
}

fn secret(seed: u64) -> String {
    format!("token-{seed}")
}

fn milliseconds(random: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(random.u64(range))
}
