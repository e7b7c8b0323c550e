//! The rules of versions, explored by a model checker: an object that is replaced and deleted, notifications that come late,
//! twice and in any order, and two invocations at a time, which fail, stop and are killed wherever they can be.
//!
//! The model runs [`looks`] and [`next`] themselves. What it takes for granted of queues: a message is handed out again only
//! after the invocation that had it has ended, and for as long as it is not deleted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot continue has failed")]

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::*;

/// A load writes an object in so many pieces, between which others write theirs.
const PIECES: usize = 2;

/// How many invocations have messages of the object at a time.
const AT_A_TIME: usize = 2;

/// What distinguishes object versions, from 1: in a bucket that keeps versions each put makes another one; in any other one
/// the same content is the same state. Each writes the same points.
type Version = u8;

/// How many contents are put into a bucket that keeps no versions.
const CONTENTS: Version = 2;

/// How often things may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Budget {
    puts: u8,
    deletes: u8,
    /// Notifications that come twice.
    doubles: u8,
    /// Loads that fail in the middle, or before they read anything.
    failures: u8,
    /// Loads that stop at the deadline.
    stops: u8,
    /// Invocations that are killed.
    kills: u8,
    /// Looks at the newest version that are not answered.
    unknown: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    /// How many versions there were.
    versions: Version,
    newest: Newest<Version>,
    messages: Vec<Message>,
    invocations: Vec<Invocation>,
    /// Which version each piece has in InfluxDB.
    store: [Version; PIECES],
    left: Budget,
}

/// A notification in a queue, or a caller who asks until it is answered that all is loaded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Message {
    asked: Asked,
    /// What is left of a load, which resumes with this piece of this version.
    rest: Option<(Version, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Invocation {
    message: Message,
    loads: u8,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Phase {
    Begins,
    /// It reads this version, and writes this piece next.
    Loads(Version, usize),
    Ended(End<Version>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// This version is put, and notified so many times.
    Put(Version, usize),
    Delete,
    Receive(usize),
    /// The invocation's next step, where nothing goes wrong.
    Step(usize),
    /// A load fails, or it is unknown what is newest.
    Fail(usize),
    Stop(usize),
    Kill(usize),
}

/// A fault that the model has to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planted {
    Nothing,
    /// After a load nobody looks at what is newest meanwhile.
    NoLook,
    /// A message is deleted though its load has failed.
    DeletedOnFailure,
    /// What is unknown is taken for what was loaded.
    UnknownIsTheSame,
}

struct Versions {
    /// Whether the bucket keeps versions.
    versioned: bool,
    /// Whether a caller asks for the newest version, beside notifications.
    caller: bool,
    budget: Budget,
    planted: Planted,
}

impl Versions {
    fn looks(&self, asked: Asked, end: &End<Version>) -> bool {
        self.planted != Planted::NoLook && looks(asked, end)
    }

    fn next(&self, asked: Asked, loads: u8, end: &End<Version>, newest: &Newest<Version>) -> Next {
        match (self.planted, end, newest) {
            (Planted::NoLook, End::Loaded(_), _) => Next::Done,
            (Planted::NoLook, End::Failed(_), _) => Next::Fail,
            (Planted::UnknownIsTheSame, End::Loaded(_), Newest::Unknown) => Next::Done,
            _ => next(asked, loads, end, newest),
        }
    }

    /// The newest version, as it was looked at, decides.
    fn decide(&self, world: &mut World, at: usize, end: End<Version>, newest: Newest<Version>) {
        let Invocation { message, loads, .. } = world.invocations[at].clone();
        let next = self.next(message.asked, loads, &end, &newest);
        if next == Next::Load {
            let invocation = &mut world.invocations[at];
            if message.asked == Asked::Part {
                invocation.message = Message { asked: Asked::Newest, rest: None };
            }
            (invocation.loads, invocation.phase) = (loads + 1, Phase::Begins);
            return;
        }
        world.invocations.remove(at);
        // What is left is redelivered: as the same message, or as what the caller is given.
        let undone = match next {
            Next::Fail => self.planted != Planted::DeletedOnFailure,
            Next::Done => end == End::Stopped,
            Next::Load | Next::Skip => false,
        };
        // A caller who learns that there is no object does not ask again.
        let gone = message.asked != Asked::Reported && !matches!(world.newest, Newest::Is(_));
        if undone && !gone {
            world.give_back(message);
        }
    }

    /// The invocation's next step.
    fn step(&self, world: &mut World, at: usize) {
        match (world.invocations[at].phase, world.newest) {
            (Phase::Begins, Newest::Is(version)) => {
                world.invocations[at].phase = match world.invocations[at].message.rest {
                    None => Phase::Loads(version, 0),
                    Some((of, piece)) if of == version => Phase::Loads(version, piece),
                    // It is read on condition that it is what was read before.
                    Some(_) => Phase::Ended(End::Failed(None)),
                }
            }
            (Phase::Begins, _) => world.invocations[at].phase = Phase::Ended(End::Failed(None)),
            (Phase::Loads(version, piece), _) => {
                world.store[piece] = version;
                world.invocations[at].phase = match piece + 1 {
                    PIECES => Phase::Ended(End::Loaded(version)),
                    next => Phase::Loads(version, next),
                };
            }
            (Phase::Ended(end), newest) => {
                let asked = world.invocations[at].message.asked;
                let newest = if self.looks(asked, &end) { newest } else { Newest::Unknown };
                self.decide(world, at, end, newest);
            }
        }
    }

    fn put(&self, world: &mut World, version: Version, times: usize) {
        world.versions += 1;
        world.newest = Newest::Is(version);
        let message = Message { asked: Asked::Reported, rest: None };
        (0..times).for_each(|_| world.give_back(message.clone()));
    }
}

impl Model for Versions {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let caller = Message { asked: Asked::Newest, rest: None };
        let mut world = World {
            versions: 0,
            newest: Newest::Gone,
            messages: if self.caller { vec![caller] } else { Vec::new() },
            invocations: Vec::new(),
            store: [0; PIECES],
            left: self.budget,
        };
        self.put(&mut world, 1, 1);
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let Budget { puts, deletes, doubles, failures, stops, kills, unknown } = world.left;
        if puts > 0 {
            let versions = if self.versioned { world.versions + 1..=world.versions + 1 } else { 1..=CONTENTS };
            for version in versions {
                actions.push(Action::Put(version, 1));
                if doubles > 0 {
                    actions.push(Action::Put(version, 2));
                }
            }
        }
        if deletes > 0 && matches!(world.newest, Newest::Is(_)) {
            actions.push(Action::Delete);
        }
        if world.invocations.len() < AT_A_TIME {
            // Messages that are the same lead to the same.
            let is_new = |at: &usize| *at == 0 || world.messages[*at] != world.messages[at - 1];
            actions.extend((0..world.messages.len()).filter(is_new).map(Action::Receive));
        }
        for (at, invocation) in world.invocations.iter().enumerate() {
            actions.push(Action::Step(at));
            let fails = match invocation.phase {
                Phase::Begins => failures > 0,
                // What is not read yet of a version that was replaced cannot be read any more.
                Phase::Loads(version, _) => failures > 0 || world.newest != Newest::Is(version),
                Phase::Ended(end) => unknown > 0 && self.looks(invocation.message.asked, &end),
            };
            if fails {
                actions.push(Action::Fail(at));
            }
            if stops > 0 && matches!(invocation.phase, Phase::Loads(..)) {
                actions.push(Action::Stop(at));
            }
            if kills > 0 {
                actions.push(Action::Kill(at));
            }
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        match action {
            Action::Put(version, times) => {
                world.left.puts -= 1;
                world.left.doubles -= u8::from(times > 1);
                self.put(&mut world, version, times);
            }
            Action::Delete => {
                world.left.deletes -= 1;
                world.newest = if self.versioned { Newest::DeleteMarker } else { Newest::Gone };
            }
            Action::Receive(at) => {
                let message = world.messages.remove(at);
                world.invocations.push(Invocation { message, loads: 1, phase: Phase::Begins });
            }
            Action::Step(at) => self.step(&mut world, at),
            Action::Fail(at) => match world.invocations[at].phase {
                Phase::Begins => {
                    world.left.failures -= 1;
                    world.invocations[at].phase = Phase::Ended(End::Failed(None));
                }
                Phase::Loads(version, _) => {
                    world.left.failures -= u8::from(world.newest == Newest::Is(version));
                    world.invocations[at].phase = Phase::Ended(End::Failed(Some(version)));
                }
                Phase::Ended(end) => {
                    world.left.unknown -= 1;
                    self.decide(&mut world, at, end, Newest::Unknown);
                }
            },
            Action::Stop(at) => {
                world.left.stops -= 1;
                let Invocation { message, phase, .. } = &mut world.invocations[at];
                let Phase::Loads(version, piece) = *phase else { return None };
                // A message is redelivered as it is; a caller resumes with what is left.
                if message.asked != Asked::Reported && piece > 0 {
                    *message = Message { asked: Asked::Part, rest: Some((version, piece)) };
                }
                *phase = Phase::Ended(End::Stopped);
            }
            Action::Kill(at) => {
                world.left.kills -= 1;
                let message = world.invocations.remove(at).message;
                world.give_back(message);
            }
        }
        // Which of two invocations is the first makes no difference.
        world.invocations.sort_unstable();
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NEWEST, |_, world: &World| !world.is_at_rest() || world.has_the_newest()),
            Property::sometimes("it comes to rest after everything has happened", |_, world: &World| {
                world.is_at_rest() && world.left == Budget::default()
            }),
        ]
    }
}

/// Whatever has become of messages, the newest version stands in InfluxDB as a whole: no old value stays, and none is lost.
const NEWEST: &str = "at rest InfluxDB has the newest version";

impl World {
    fn give_back(&mut self, message: Message) {
        self.messages.push(message);
        self.messages.sort_unstable();
    }

    fn is_at_rest(&self) -> bool {
        self.messages.is_empty() && self.invocations.is_empty()
    }

    fn has_the_newest(&self) -> bool {
        match self.newest {
            Newest::Is(version) => self.store == [version; PIECES],
            Newest::DeleteMarker | Newest::Gone | Newest::Unknown => true,
        }
    }
}

fn check(model: Versions) -> impl Checker<Versions> {
    model.checker().finish_when(HasDiscoveries::AnyFailures).threads(2).spawn_bfs().join()
}

fn assert_holds(model: Versions) {
    let checked = check(model);
    if let Some(path) = checked.discovery(NEWEST) {
        panic!("{NEWEST}: {:#?} by {:?}", path.last_state().clone(), path.into_actions());
    }
    checked.assert_properties();
}

/// A bit of everything.
const BUDGET: Budget = Budget { puts: 2, deletes: 1, doubles: 1, failures: 1, stops: 1, kills: 1, unknown: 1 };

#[test]
fn the_newest_version_has_the_last_word_whatever_happens() {
    for versioned in [true, false] {
        assert_holds(Versions { versioned, caller: false, budget: BUDGET, planted: Planted::Nothing });
    }
}

#[test]
fn a_caller_who_goes_on_with_what_is_left_leaves_no_old_value() {
    let budget = Budget { doubles: 0, unknown: 0, ..BUDGET };
    for versioned in [true, false] {
        assert_holds(Versions { versioned, caller: true, budget, planted: Planted::Nothing });
    }
}

fn assert_found(planted: Planted) {
    let budget = Budget { deletes: 0, stops: 0, ..BUDGET };
    check(Versions { versioned: true, caller: false, budget, planted }).assert_any_discovery(NEWEST);
}

#[test]
fn the_model_finds_that_nobody_looks_after_a_load() {
    assert_found(Planted::NoLook);
}

#[test]
fn the_model_finds_that_a_message_is_deleted_though_its_load_failed() {
    assert_found(Planted::DeletedOnFailure);
}

#[test]
fn the_model_finds_that_a_version_is_taken_for_the_newest_where_that_cannot_be_told() {
    assert_found(Planted::UnknownIsTheSame);
}
