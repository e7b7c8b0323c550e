//! The search, explored by a model checker: every server below, every set of rows at fault, and every place where the server
//! is disturbed for a while.
//!
//! The model runs [`Search`] itself. A server is disturbed in windows: from one request to another one nothing is taken. So a
//! row without a fault may be refused in each window, and is to be taken in the end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot continue has failed")]

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::super::portions::Rows;
use super::*;

/// What a server does with rows of which some are at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Server {
    /// It names all of them, or the first one, and keeps the others or nothing.
    Names { all: bool, others_kept: bool },
    /// It counts what it drops, and keeps the others.
    Counts(Counting),
    /// It takes all rows of a request or none, and names no reason.
    Silent,
    /// It keeps the others, without reporting it.
    KeepsSilently,
    /// The connection breaks; the others are kept, or nothing is.
    Breaks { others_kept: bool },
    /// It takes so many rows at a time, and those at fault are too large by themselves.
    TakesAtMost(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Counting {
    /// All points that it drops.
    Truly,
    /// Those of one of its two shards, as 1.x and 2.x do. The shard of a row is whether it is even.
    OneShard,
    /// Fewer, but one at least.
    Fewer,
    /// Any number.
    Lying,
}

/// What stands between both for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Disturbance {
    /// Nothing ever does.
    Nothing,
    /// A proxy refuses without a word about points.
    Refuses,
    /// Connections break before the server has anything.
    Breaks,
    /// Connections break after the server has taken the rows.
    BreaksLate,
    /// A proxy answers that it is too much.
    SaysTooLarge,
}

/// What the exploration knows, and the search does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Site {
    rows: usize,
    /// One bit for each row at fault.
    bad: u16,
    server: Server,
    disturbance: Disturbance,
    /// Whether rows `r` and `r + 2` write the same point.
    ordered: bool,
    /// Whether each odd row has two points, of which one is at fault if the row is.
    pairs: bool,
    /// How many rows the loader sends together at first.
    together: usize,
}

impl Site {
    fn is_bad(self, row: usize) -> bool {
        self.bad & (1 << row) != 0
    }

    /// Whether a row that is not at fault is never blamed.
    fn is_truthful(self) -> bool {
        self.server != Server::Counts(Counting::Lying)
    }

    /// What the server answers, and which rows it keeps. `count` is its number where it lies.
    fn answer(self, rows: &[usize], count: usize) -> (Outcome, Vec<usize>) {
        let (bad, good): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| self.is_bad(**row));
        let too_large = || Outcome::TooLarge { message: String::new() };
        if let Server::TakesAtMost(most) = self.server {
            let fits = bad.is_empty() && rows.len() <= most;
            return if fits { (Outcome::Written, good) } else { (too_large(), Vec::new()) };
        }
        if bad.is_empty() {
            return (Outcome::Written, good);
        }
        let kept = |others_kept: bool| if others_kept { good.clone() } else { Vec::new() };
        match self.server {
            Server::Names { all, others_kept } => {
                let named = if all { &bad[..] } else { &bad[..1] };
                let refused = named.iter().map(|row| (*row, reason())).collect();
                (Outcome::Named { refused, others_kept }, kept(others_kept))
            }
            Server::Counts(counting) => {
                let points = match counting {
                    Counting::Truly => bad.len(),
                    Counting::OneShard => bad.iter().filter(|row| **row % 2 == bad[0] % 2).count(),
                    Counting::Fewer => count.min(bad.len()),
                    Counting::Lying => count,
                };
                (Outcome::Dropped { points, reason: reason(), suspects: Suspects::Any }, good)
            }
            Server::Silent => (refused(), Vec::new()),
            Server::KeepsSilently => (refused(), good),
            Server::Breaks { others_kept } => (Outcome::Broke, kept(others_kept)),
            Server::TakesAtMost(_) => (too_large(), Vec::new()),
        }
    }

    /// What is answered in its place while it is disturbed, and which rows it keeps all the same.
    fn disturbed(self, rows: &[usize]) -> Option<(Outcome, Vec<usize>)> {
        match self.disturbance {
            Disturbance::Nothing => None,
            Disturbance::Refuses => Some((refused(), Vec::new())),
            Disturbance::Breaks => Some((Outcome::Broke, Vec::new())),
            Disturbance::BreaksLate => Some((Outcome::Broke, self.answer(rows, 1).1)),
            Disturbance::SaysTooLarge => Some((Outcome::TooLarge { message: String::new() }, Vec::new())),
        }
    }
}

fn reason() -> Reason {
    Reason { refusal: Refusal::Refused, message: String::new() }
}

fn refused() -> Outcome {
    Outcome::Refused { message: String::new() }
}

impl Rows for Site {
    fn points(&self, row: usize) -> usize {
        if self.pairs { 1 + row % 2 } else { 1 }
    }
    fn bytes(&self, _: usize) -> usize {
        1
    }
    fn part(&self, rows: &[usize], _: &Suspects, _: Option<usize>) -> [Vec<usize>; 2] {
        self.halves(rows)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    site: Site,
    search: Search,
    /// Which row each point was written by last; every row has its own, unless they replace each other.
    points: Vec<Option<usize>>,
    /// Which rows were ever kept.
    kept: BTreeSet<usize>,
    requests: usize,
    /// Whether it is disturbed now, and how many times more it may be.
    disturbed: bool,
    windows: u8,
    end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum End {
    Done,
    Failed,
}

/// What happens to the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// The server answers, with this number if it lies.
    Answer(usize),
    Disturb,
}

/// A fault that the model has to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planted {
    Nothing,
    /// Suspects are retried without a look at whether the server takes anything.
    NoControl,
    /// What follows from counts is taken for granted.
    CountsAreBelieved,
    /// A row that breaks a connection is rejected the first time.
    FirstSuspicion,
}

struct Salvages {
    sites: Vec<Site>,
    windows: u8,
    planted: Planted,
}

impl Salvages {
    /// Whether a portion is taken for written without being sent, by the planted fault.
    fn unsent(&self, portion: &Portion) -> bool {
        matches!(
            (self.planted, portion.purpose),
            (Planted::NoControl, Purpose::Control(_)) | (Planted::CountsAreBelieved, Purpose::CountedAsWritten)
        )
    }
}

impl Model for Salvages {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let world = |site: &Site| World {
            site: *site,
            search: Search::new(site.rows),
            points: vec![None; if site.ordered { 2 } else { site.rows }],
            kept: BTreeSet::new(),
            requests: 0,
            disturbed: false,
            windows: if site.disturbance == Disturbance::Nothing { 0 } else { self.windows },
            end: None,
        };
        self.sites.iter().map(world).collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.end.is_some() {
            return;
        }
        match world.site.server {
            Server::Counts(Counting::Fewer) => actions.extend([Action::Answer(1), Action::Answer(2)]),
            Server::Counts(Counting::Lying) => actions.extend((1..=world.site.rows).map(Action::Answer)),
            _ => actions.push(Action::Answer(1)),
        }
        if world.disturbed || world.windows > 0 {
            actions.push(Action::Disturb);
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        let mut portion = loop {
            match world.search.next() {
                Step::Send(portion) => break portion,
                // It answers, whatever becomes of rows: if it does not, the chunk fails.
                Step::Ping => {}
                Step::Done => world.end = Some(End::Done),
                Step::Fail => world.end = Some(End::Failed),
            }
            if world.end.is_some() {
                return (action == Action::Answer(1)).then_some(world);
            }
        };
        if portion.purpose == Purpose::First && portion.rows.len() > world.site.together {
            world.search.put_back(portion.rows.split_off(world.site.together), portion.was_too_large);
        }
        if self.unsent(&portion) {
            world.search.answered(portion, Outcome::Written, &world.site);
            return (action == Action::Answer(1)).then_some(world);
        }
        let (outcome, keeps) = match action {
            Action::Answer(count) => {
                world.disturbed = false;
                world.site.answer(&portion.rows, count)
            }
            Action::Disturb => {
                if !world.disturbed {
                    world.windows -= 1;
                    world.disturbed = true;
                }
                world.site.disturbed(&portion.rows)?
            }
        };
        for row in keeps {
            world.kept.insert(row);
            let point = if world.site.ordered { row % 2 } else { row };
            world.points[point] = Some(row);
        }
        world.requests += 1;
        if outcome != Outcome::Written {
            world.search.is_parted(|| world.site.ordered);
        }
        let breaks = outcome == Outcome::Broke;
        let suspect = portion.rows.clone();
        world.search.answered(portion, outcome, &world.site);
        if let (Planted::FirstSuspicion, true, [row]) = (self.planted, breaks, &suspect[..]) {
            world.search.reject(*row, reason());
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NEITHER, |_, world: &World| world.is_accounted()),
            Property::always(INNOCENT, |_, world: &World| world.blames_only_the_guilty()),
            Property::always(LAST, |_, world: &World| world.has_what_was_to_be_last()),
            Property::always("requests are bounded", |_, world: &World| world.requests <= 20 * world.site.rows + 50),
            Property::always("words are enough", |_, world: &World| !world.failed_in_spite_of_words()),
            Property::sometimes("rows are found", |_, world: &World| {
                world.end == Some(End::Done) && world.site.bad != 0
            }),
        ]
    }
}

const NEITHER: &str = "a row is written and stored, or rejected, and never both";
const INNOCENT: &str = "a row without a fault is not rejected";
const LAST: &str = "of rows that write the same point the last one stays";

impl World {
    fn fates(&self) -> impl Iterator<Item = (usize, &Fate)> {
        self.search.fates().iter().enumerate()
    }

    fn is_accounted(&self) -> bool {
        self.end != Some(End::Done)
            || self.fates().all(|(row, fate)| match fate {
                Fate::Open => false,
                Fate::Written => self.kept.contains(&row),
                Fate::Rejected(_) => !self.site.is_truthful() || !self.kept.contains(&row),
            })
    }

    fn blames_only_the_guilty(&self) -> bool {
        !self.site.is_truthful()
            || self.fates().all(|(row, fate)| !matches!(fate, Fate::Rejected(_)) || self.site.is_bad(row))
    }

    fn has_what_was_to_be_last(&self) -> bool {
        let last = |point: usize| (0..self.site.rows).rfind(|row| row % 2 == point && !self.site.is_bad(*row));
        let counts = self.site.ordered && self.site.is_truthful() && self.end == Some(End::Done);
        !counts || (0..2).all(|point| self.points[point] == last(point))
    }

    /// Where nothing is disturbed and the engine names which or how many, the chunk does not fail.
    fn failed_in_spite_of_words(&self) -> bool {
        let words = matches!(self.site.server, Server::Names { .. } | Server::Counts(_));
        let undisturbed = self.site.disturbance == Disturbance::Nothing;
        self.end == Some(End::Failed) && words && undisturbed && self.site.is_truthful()
    }
}

const SERVERS: [Server; 13] = [
    Server::Names { all: true, others_kept: true },
    Server::Names { all: true, others_kept: false },
    Server::Names { all: false, others_kept: false },
    Server::Counts(Counting::Truly),
    Server::Counts(Counting::OneShard),
    Server::Counts(Counting::Fewer),
    Server::Counts(Counting::Lying),
    Server::Silent,
    Server::KeepsSilently,
    Server::Breaks { others_kept: false },
    Server::Breaks { others_kept: true },
    Server::TakesAtMost(2),
    Server::TakesAtMost(1),
];

const DISTURBANCES: [Disturbance; 5] = [
    Disturbance::Nothing,
    Disturbance::Refuses,
    Disturbance::Breaks,
    Disturbance::BreaksLate,
    Disturbance::SaysTooLarge,
];

/// Every server with every disturbance and every set of so many rows at fault at most.
fn sites(rows: usize, most_bad: u32) -> Vec<Site> {
    let mut sites = Vec::new();
    for bad in (0..1_u16 << rows).filter(|bad| bad.count_ones() <= most_bad) {
        for server in SERVERS {
            for disturbance in DISTURBANCES {
                for (ordered, pairs, together) in [(false, false, rows), (true, false, rows), (false, true, 2)] {
                    sites.push(Site { rows, bad, server, disturbance, ordered, pairs, together });
                }
            }
        }
    }
    sites
}

fn check(model: Salvages) -> impl Checker<Salvages> {
    model.checker().finish_when(HasDiscoveries::AnyFailures).threads(2).spawn_dfs().join()
}

fn assert_holds(sites: Vec<Site>, windows: u8) {
    let checked = check(Salvages { sites, windows, planted: Planted::Nothing });
    for (property, path) in checked.discoveries() {
        let world = path.last_state().clone();
        let failed = checked.model().property(property).expectation != stateright::Expectation::Sometimes;
        assert!(!failed, "{property}: {world:?} by {:?}", path.into_actions());
    }
    checked.assert_properties();
}

#[test]
fn every_row_of_a_small_chunk_gets_where_it_belongs_whatever_happens_once() {
    for rows in 1..=4 {
        assert_holds(sites(rows, 4), 1);
    }
}

#[test]
fn one_row_of_eight_and_two_of_six_are_found_whatever_happens_once() {
    assert_holds(sites(8, 1), 1);
    assert_holds(sites(6, 2), 1);
}

#[test]
fn the_model_finds_a_suspect_that_is_rejected_without_a_control() {
    let found = check(Salvages { sites: sites(4, 1), windows: 1, planted: Planted::NoControl });
    found.assert_any_discovery(INNOCENT);
}

#[test]
fn the_model_finds_a_row_that_is_lost_because_counts_are_believed() {
    let found = check(Salvages { sites: sites(4, 4), windows: 0, planted: Planted::CountsAreBelieved });
    found.assert_any_discovery(NEITHER);
}

#[test]
fn the_model_finds_a_row_that_is_rejected_for_the_first_broken_connection() {
    let found = check(Salvages { sites: sites(3, 1), windows: 1, planted: Planted::FirstSuspicion });
    found.assert_any_discovery(INNOCENT);
}
