//! Which rows of a chunk are at fault: what is sent next, by what was answered before. Pure: knows no server and no time.
//!
//! ```text
//! all rows ──sent──▶ taken                                   written
//!                    named by the server                     rejected; the others written, or retried
//!                    so many dropped, of all                 rejected
//!                    so many dropped, of more                parted: one part is sent, the count of the other follows
//!                    refused without saying what             parted, to a lone row that is a suspect
//!                    too large, or breaks the connection     halved, to a lone row that is a suspect
//! ```
//!
//! What follows from counts is sent once more at the end, all of it together, since a server may count wrongly: 1.x and 2.x
//! count one shard of several. A contradiction ends the trust in counts, not the search.
//!
//! A suspect is rejected when it was refused twice *with requests of the same chunk in between* that were taken: alone both
//! times, or once together with a single row that is written now. What a row was refused together with may have been at fault,
//! so that nothing else counts. Where no row of the chunk was taken, nothing proves that it is the rows: then the chunk fails.
//!
//! Where points of a chunk replace each other, a retry must be followed by what replaces it: such a chunk is
//! searched from the first row to the last, and nothing is inferred.

use std::collections::VecDeque;
use std::mem;

use super::portions::Rows;
use crate::points::Refusal;
use crate::sink::influxdb::engines::{Reason, Suspects};

/// How often a suspect is refused, or breaks the connection, before it is to blame.
const PROOF: u8 = 2;

/// After so many lone rows that are refused without a word about points, and with no row written, it is no row's fault.
const BLANK_REFUSALS: u32 = 8;

/// After so many broken connections, with no row written, it is no row that breaks them.
const BROKEN_PORTIONS: u32 = 6;

/// How often rows that were written are retried in vain, to see whether the server takes anything.
const CONTROLS: u32 = 8;

/// Rows that are sent together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Portion {
    /// In the order in which they are sent.
    pub(super) rows: Vec<usize>,
    pub(super) purpose: Purpose,
    /// The other part of what was refused, which is decided by what is answered.
    rest: Option<Rest>,
    /// Whether more of the same rows were too large.
    pub(super) was_too_large: bool,
}

/// Why rows are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// To be written.
    First,
    /// To find those at fault among them.
    Search,
    /// They are written, if counts are right.
    CountedAsWritten,
    /// So many points of them are refused, if counts are right.
    CountedAsRefused(usize),
    /// A row alone, once more.
    Suspect,
    /// They were written before: does the server still take them? After so many times in vain.
    Control(u32),
    /// Connections keep breaking: the last time, however long it takes.
    Last,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Rest {
    rows: Vec<usize>,
    /// How many points were refused of both parts, and why, where that is known.
    dropped: Option<(usize, Reason)>,
    suspects: Suspects,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    /// All of them are written.
    Written,
    /// These rows are refused, in the engine's own words.
    Named { refused: Vec<(usize, Reason)>, others_kept: bool },
    /// So many points are refused, at least, in the engine's own words; the others are written.
    Dropped { points: usize, reason: Reason, suspects: Suspects },
    /// A refusal that names no reason.
    Refused { message: String },
    /// More than the server takes.
    TooLarge { message: String },
    /// The connection broke.
    Broke,
}

/// What is next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// These rows.
    Send(Portion),
    /// Whether the server answers at all.
    Ping,
    /// All rows are written or rejected.
    Done,
    /// It is not the rows: the last answer is what is wrong.
    Fail,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fate {
    /// Nothing yet.
    Open,
    /// The server has it.
    Written,
    /// The server does not take it.
    Rejected(Reason),
}

/// The refusals of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Strikes {
    /// Of it alone, with requests in between that were taken.
    count: u8,
    /// How many requests were taken before the last one that counts.
    taken: u32,
    /// With which other row alone it was refused last, and how many requests were taken before that.
    with: Option<(usize, u32)>,
}

/// The search of a chunk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Search {
    fates: Vec<Fate>,
    strikes: Vec<Strikes>,
    queue: VecDeque<Portion>,
    /// Rows that follow from counts: written, and refused with the reason and the number of their points.
    said_written: Vec<usize>,
    said_refused: Vec<(usize, Reason)>,
    said_points: usize,
    /// Suspects that are not proved yet, and those of them that are sent before the next control.
    lone: Vec<(usize, Reason)>,
    round: Vec<usize>,
    controls: u32,
    /// Requests that were taken.
    taken: u32,
    blank_refusals: u32,
    broken: u32,
    last: bool,
    ping: bool,
    failed: bool,
    trusts_counts: bool,
    /// Whether points of the chunk replace each other; looked at when it is parted.
    ordered: Option<bool>,
}

impl Search {
    /// Of a chunk of so many rows.
    pub(super) fn new(rows: usize) -> Self {
        let mut search = Self {
            fates: vec![Fate::Open; rows],
            strikes: vec![Strikes::default(); rows],
            queue: VecDeque::new(),
            said_written: Vec::new(),
            said_refused: Vec::new(),
            said_points: 0,
            lone: Vec::new(),
            round: Vec::new(),
            controls: 0,
            taken: 0,
            blank_refusals: 0,
            broken: 0,
            last: false,
            ping: false,
            failed: false,
            trusts_counts: true,
            ordered: None,
        };
        search.put_back((0..rows).collect(), false);
        search
    }

    /// What became of each row.
    pub(super) fn fates(&self) -> &[Fate] {
        &self.fates
    }

    /// To be called before an answer that may part the chunk: whether points of it replace each other.
    pub(super) fn is_parted(&mut self, replace_each_other: impl FnOnce() -> bool) {
        let ordered = *self.ordered.get_or_insert_with(replace_each_other);
        self.trusts_counts &= !ordered;
    }

    fn is_ordered(&self) -> bool {
        self.ordered == Some(true)
    }

    /// What is next.
    pub(super) fn next(&mut self) -> Step {
        if mem::take(&mut self.ping) {
            return Step::Ping;
        }
        if self.failed {
            return Step::Fail;
        }
        if let Some(portion) = self.queue.pop_front() {
            return Step::Send(portion);
        }
        if !self.said_written.is_empty() {
            return Step::Send(Portion::of(mem::take(&mut self.said_written), Purpose::CountedAsWritten));
        }
        if !self.said_refused.is_empty() {
            let rows = self.said_refused.iter().map(|(row, _)| *row).collect();
            return Step::Send(Portion::of(rows, Purpose::CountedAsRefused(mem::take(&mut self.said_points))));
        }
        let (proved, lone) = mem::take(&mut self.lone).into_iter().partition(|(row, _)| self.is_proved(*row));
        self.lone = lone;
        for (row, reason) in proved {
            self.reject(row, reason);
        }
        if self.lone.is_empty() {
            return Step::Done;
        }
        if let Some(row) = self.round.pop() {
            return Step::Send(Portion::of(vec![row], Purpose::Suspect));
        }
        // The last one, so that it replaces nothing that was written after it.
        match self.fates.iter().rposition(|fate| *fate == Fate::Written) {
            Some(row) => Step::Send(Portion::of(vec![row], Purpose::Control(self.controls))),
            None => Step::Fail,
        }
    }

    /// Rows that are to be written, and were not sent: they come next.
    pub(super) fn put_back(&mut self, rows: Vec<usize>, was_too_large: bool) {
        self.queue.push_front(Portion { was_too_large, ..Portion::of(rows, Purpose::First) });
    }

    /// Takes in what was answered to a portion.
    pub(super) fn answered(&mut self, portion: Portion, outcome: Outcome, facts: &impl Rows) {
        let Portion { rows, purpose, rest, was_too_large } = portion;
        if let Purpose::Control(_) = purpose {
            return self.control_answered(&outcome);
        }
        let said = match purpose {
            Purpose::CountedAsRefused(_) => mem::take(&mut self.said_refused),
            _ => Vec::new(),
        };
        match outcome {
            Outcome::Written => {
                self.written(&rows, purpose);
                self.decide(rest, Some(0), facts);
            }
            Outcome::Named { refused, others_kept } => {
                self.taken += u32::from(others_kept);
                let mut others = rows;
                for (row, reason) in refused {
                    others.retain(|other| *other != row);
                    self.reject(row, reason);
                }
                if let Some(rest) = rest {
                    self.push(Portion::of(rest.rows, Purpose::Search));
                }
                if others_kept {
                    self.written(&others, purpose);
                } else if !others.is_empty() {
                    self.push(Portion::of(others, Purpose::Search));
                }
            }
            Outcome::Dropped { points: dropped, reason, suspects } => {
                self.taken += 1;
                let all = points_of(&rows, facts);
                if purpose == Purpose::CountedAsRefused(dropped) {
                    for (row, reason) in said {
                        self.reject(row, reason);
                    }
                    return;
                }
                if matches!(purpose, Purpose::CountedAsRefused(_) | Purpose::CountedAsWritten) {
                    self.trusts_counts = false;
                }
                let known = (dropped > 0).then_some(dropped);
                self.decide(rest, known, facts);
                if rows.len() == 1 || dropped >= all {
                    for row in rows {
                        self.reject(row, reason.clone());
                    }
                } else {
                    self.part(&rows, known.map(|dropped| (dropped, reason)), suspects, facts);
                }
            }
            Outcome::Refused { message } => {
                self.strike(&rows);
                self.decide(rest, None, facts);
                if let [row] = rows[..] {
                    self.blank_refusals += 1;
                    self.suspect(row, Refusal::Refused, message);
                    self.failed |= self.blank_refusals >= BLANK_REFUSALS && !self.has_written();
                } else {
                    self.part(&rows, None, Suspects::Any, facts);
                }
            }
            Outcome::TooLarge { message } => {
                self.push_rest(rest);
                if let [row] = rows[..] {
                    self.strike(&rows);
                    self.suspect(row, Refusal::TooLarge, message);
                } else {
                    // The first one first, until it is known what the server takes.
                    let [first, second] = facts.halves(&rows);
                    self.put_back(second, true);
                    self.put_back(first, true);
                }
            }
            Outcome::Broke => {
                self.strike(&rows);
                self.broken += 1;
                self.failed |= purpose == Purpose::Last;
                self.ping = !self.failed;
                self.push_rest(rest);
                if self.broken > BROKEN_PORTIONS && !self.has_written() {
                    self.queue.clear();
                    self.lone.clear();
                    let open = (0..self.fates.len()).filter(|row| self.fates[*row] == Fate::Open).collect();
                    self.push(Portion::of(open, Purpose::Last));
                } else if let [row] = rows[..] {
                    self.suspect(
                        row,
                        Refusal::ConnectionLost,
                        "the connection breaks whenever the row is sent".to_owned(),
                    );
                } else {
                    let halves = facts.halves(&rows);
                    self.push_all(halves.map(|rows| Portion { was_too_large, ..Portion::of(rows, Purpose::Search) }));
                }
            }
        }
    }

    /// The server takes what it took before, or does not.
    fn control_answered(&mut self, outcome: &Outcome) {
        if *outcome == Outcome::Written {
            self.taken += 1;
            self.controls = 0;
            self.round = self.lone.iter().rev().map(|(row, _)| *row).collect();
        } else {
            self.controls += 1;
            self.ping = *outcome == Outcome::Broke;
            self.failed = self.controls >= CONTROLS;
        }
    }

    fn written(&mut self, rows: &[usize], purpose: Purpose) {
        self.taken += 1;
        self.broken = 0;
        for row in rows {
            self.fates[*row] = Fate::Written;
        }
        self.lone.retain(|(row, _)| self.fates[*row] == Fate::Open);
        if let (Purpose::Suspect, [row]) = (purpose, rows) {
            // It may have replaced what was to replace it.
            let later = (row + 1..self.fates.len()).filter(|later| self.fates[*later] == Fate::Written);
            let later: Vec<usize> = if self.is_ordered() { later.collect() } else { Vec::new() };
            if !later.is_empty() {
                self.push(Portion::of(later, Purpose::Search));
            }
        }
    }

    /// Decides about the other part, where `dropped` points of the first one were refused, if that is known.
    fn decide(&mut self, rest: Option<Rest>, dropped: Option<usize>, facts: &impl Rows) {
        let Some(Rest { rows, dropped: of_both, suspects }) = rest else { return };
        match (of_both, dropped) {
            (Some((of_both, reason)), Some(dropped)) if self.trusts_counts => {
                let points = points_of(&rows, facts);
                match of_both.checked_sub(dropped).filter(|left| *left <= points) {
                    Some(0) => self.said_written.extend(rows),
                    Some(left) if left == points || rows.len() == 1 => {
                        self.said_points += left;
                        self.said_refused.extend(rows.into_iter().map(|row| (row, reason.clone())));
                    }
                    Some(left) => self.part(&rows, Some((left, reason)), suspects, facts),
                    None => {
                        self.trusts_counts = false;
                        self.push(Portion::of(rows, Purpose::Search));
                    }
                }
            }
            // The first part is not at fault: so this one is.
            (None, Some(0)) if rows.len() > 1 => self.part(&rows, None, suspects, facts),
            _ => self.push(Portion::of(rows, Purpose::Search)),
        }
    }

    /// Parts rows of which some are at fault. In an ordered search both parts are sent, the first one first.
    fn part(&mut self, rows: &[usize], dropped: Option<(usize, Reason)>, suspects: Suspects, facts: &impl Rows) {
        if self.is_ordered() {
            let halves = facts.halves(rows);
            return self.push_all(halves.map(|rows| Portion::of(rows, Purpose::Search)));
        }
        let [first, second] = facts.part(rows, &suspects, dropped.as_ref().map(|(dropped, _)| *dropped));
        let rest = Some(Rest { rows: second, dropped, suspects });
        self.push(Portion { rest, ..Portion::of(first, Purpose::Search) });
    }

    /// Counts a refusal of a row alone, and remembers that of two.
    fn strike(&mut self, rows: &[usize]) {
        match *rows {
            [row] => {
                let strikes = &mut self.strikes[row];
                if strikes.count == 0 || strikes.taken < self.taken {
                    (strikes.count, strikes.taken) = (strikes.count.saturating_add(1), self.taken);
                }
            }
            [first, second] => {
                self.strikes[first].with = Some((second, self.taken));
                self.strikes[second].with = Some((first, self.taken));
            }
            _ => {}
        }
    }

    fn is_proved(&self, row: usize) -> bool {
        let Strikes { count, taken, with } = self.strikes[row];
        let is_other_written = |(other, before)| before < taken && self.fates[other] == Fate::Written;
        count + u8::from(count > 0 && with.is_some_and(is_other_written)) >= PROOF
    }

    fn reject(&mut self, row: usize, reason: Reason) {
        self.fates[row] = Fate::Rejected(reason);
        self.lone.retain(|(lone, _)| *lone != row);
    }

    fn suspect(&mut self, row: usize, refusal: Refusal, message: String) {
        self.lone.retain(|(lone, _)| *lone != row);
        // In an ordered search it may have been written before.
        self.fates[row] = Fate::Open;
        self.lone.push((row, Reason { refusal, message }));
    }

    fn push_rest(&mut self, rest: Option<Rest>) {
        if let Some(rest) = rest {
            self.push(Portion::of(rest.rows, Purpose::Search));
        }
    }

    fn push_all(&mut self, portions: [Portion; 2]) {
        if self.goes_deep() {
            for portion in portions.into_iter().rev() {
                self.queue.push_front(portion);
            }
        } else {
            self.queue.extend(portions);
        }
    }

    fn push(&mut self, portion: Portion) {
        if self.goes_deep() { self.queue.push_front(portion) } else { self.queue.push_back(portion) }
    }

    /// To single rows first: in order, or so that it is soon known whether the server refuses everything. Else one part after
    /// the other, so that others are taken between two refusals of the same row.
    fn goes_deep(&self) -> bool {
        self.is_ordered() || self.taken == 0
    }

    fn has_written(&self) -> bool {
        self.fates.contains(&Fate::Written)
    }
}

fn points_of(rows: &[usize], facts: &impl Rows) -> usize {
    rows.iter().map(|row| facts.points(*row)).sum()
}

impl Portion {
    fn of(rows: Vec<usize>, purpose: Purpose) -> Self {
        Self { rows, purpose, rest: None, was_too_large: false }
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "search_model_tests.rs"]
mod model_tests;
