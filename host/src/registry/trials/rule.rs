//! Rules: when a trial promotes its candidate, and when it rolls the candidate back.
//!
//! ```text
//! rule      = all { "or" all }
//! all       = one { "and" one }
//! one       = "(" rule ")" | measure relation value
//! relation  = "=" | "!=" | "<" | "<=" | ">" | ">="
//! value     = NUMBER | NUMBER "%" | NUMBER ("s" | "m" | "h" | "d") | "before" [ "*" NUMBER ]
//! ```
//!
//! Which values a measure can be held against is checked when a rule is read, so that no rule fails while objects are loaded.
//! What is not known (a share of nothing, what the promoted version does before it has done anything) makes a comparison
//! false, in whichever direction it compares. Everything is computed in whole numbers.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::counts::Counts;
use super::terms::Kind;

/// The longest rule, in bytes.
pub(super) const MAX_RULE_BYTES: usize = 500;

/// How deep parentheses may be nested.
const MAX_DEPTH: usize = 16;

/// Numbers are kept in millionths.
const ONE: u64 = 1_000_000;

/// The digits that a fraction may have.
const FRACTION_DIGITS: usize = 6;

/// What is measured while a trial runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    /// Objects that the candidate has converted.
    Objects,
    /// Their rows.
    Rows,
    /// Points that both versions make alike.
    Equal,
    /// Points that the candidate alone makes.
    Added,
    /// Points that the promoted version alone makes.
    Removed,
    /// Points of which a field differs.
    Changed,
    /// Rows that the candidate rejects.
    Rejected,
    /// Objects that the candidate fails.
    Failed,
    /// Objects that were not compared: for want of time or memory, or since they cannot be read.
    Uncompared,
    /// Time that the candidate has taken.
    Time,
    /// Time since the trial began.
    Age,
}

/// What a measure is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    /// In millionths.
    Number(u64),
    /// In millionths of a percent.
    Percent(u64),
    /// In seconds.
    Duration(u64),
    /// What the promoted version has of the same, for as many rows or objects, so many millionths times.
    Before(u64),
}

/// How a measure is held against a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    Compare(Measure, Relation, Value),
    All(Vec<Expression>),
    Any(Vec<Expression>),
}

/// A rule, as it was written, and the expression that it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    text: String,
    expression: Expression,
}

/// What is wrong with a rule, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rule cannot be read: {reason}, at character {}\n  {text}\n  {:>width$}", at + 1, "^", width = at + 1)]
pub struct RuleError {
    /// The rule, on one line.
    text: String,
    /// How many characters stand before what is wrong.
    at: usize,
    reason: String,
}

impl Measure {
    const ALL: [Self; 11] = [
        Self::Objects,
        Self::Rows,
        Self::Equal,
        Self::Added,
        Self::Removed,
        Self::Changed,
        Self::Rejected,
        Self::Failed,
        Self::Uncompared,
        Self::Time,
        Self::Age,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Objects => "objects",
            Self::Rows => "rows",
            Self::Equal => "equal",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Uncompared => "uncompared",
            Self::Time => "time",
            Self::Age => "age",
        }
    }

    /// Whether a canary has it: nothing is compared there.
    fn is_of(self, kind: Kind) -> bool {
        let needs_comparison =
            matches!(self, Self::Equal | Self::Added | Self::Removed | Self::Changed | Self::Uncompared);
        kind == Kind::Shadow || !needs_comparison
    }

    /// What it can be held against, in words; none where the value is one of those.
    fn refuses(self, value: Value) -> Option<&'static str> {
        let (allowed, words) = match self {
            Self::Objects | Self::Rows => (matches!(value, Value::Number(_)), "a number"),
            Self::Equal | Self::Added | Self::Removed | Self::Changed | Self::Uncompared => {
                (matches!(value, Value::Number(_) | Value::Percent(_)), "a number or a percentage")
            }
            Self::Rejected | Self::Failed => (
                matches!(value, Value::Number(_) | Value::Percent(_) | Value::Before(_)),
                "a number, a percentage or `before`",
            ),
            Self::Time => (
                matches!(value, Value::Duration(_) | Value::Before(_)),
                "a time such as `90s`, `15m`, `12h` or `30d`, or `before`",
            ),
            Self::Age => (matches!(value, Value::Duration(_)), "a time such as `90s`, `15m`, `12h` or `30d`"),
        };
        (!allowed).then_some(words)
    }

    /// What was measured; of times in nanoseconds.
    fn found(self, counts: &Counts, age: Duration) -> u64 {
        let Counts { candidate, points, uncompared, .. } = counts;
        match self {
            Self::Objects => candidate.objects,
            Self::Rows => candidate.rows,
            Self::Equal => points.equal,
            Self::Added => points.added,
            Self::Removed => points.removed,
            Self::Changed => points.changed,
            Self::Rejected => candidate.rejected,
            Self::Failed => candidate.failed,
            Self::Uncompared => *uncompared,
            Self::Time => candidate.nanoseconds,
            Self::Age => u64::try_from(age.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// What it is a share of.
    fn whole(self, counts: &Counts) -> u64 {
        let Counts { candidate, points, uncompared, .. } = counts;
        match self {
            Self::Equal | Self::Added | Self::Removed | Self::Changed => points.total(),
            Self::Rejected => candidate.rows,
            Self::Failed => candidate.objects,
            Self::Uncompared => candidate.objects.saturating_add(*uncompared),
            Self::Objects | Self::Rows | Self::Time | Self::Age => 0,
        }
    }

    /// What the promoted version has of it; then how much that is of, and how much the candidate's is of.
    fn before(self, counts: &Counts) -> Option<(u64, u64, u64)> {
        let Counts { candidate, before, .. } = counts;
        match self {
            Self::Rejected => Some((before.rejected, before.rows, candidate.rows)),
            Self::Time => Some((before.nanoseconds, before.rows, candidate.rows)),
            Self::Failed => Some((before.failed, before.objects, candidate.objects)),
            _ => None,
        }
    }
}

impl Relation {
    const ALL: [(Self, &'static str); 6] = [
        (Self::LessOrEqual, "<="),
        (Self::GreaterOrEqual, ">="),
        (Self::Unequal, "!="),
        (Self::Equal, "="),
        (Self::Less, "<"),
        (Self::Greater, ">"),
    ];

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Expression {
    fn holds(&self, counts: &Counts, age: Duration) -> bool {
        match self {
            Self::All(all) => all.iter().all(|one| one.holds(counts, age)),
            Self::Any(any) => any.iter().any(|one| one.holds(counts, age)),
            Self::Compare(measure, relation, value) => {
                compare(*measure, *value, counts, age).is_some_and(|order| relation.holds(order))
            }
        }
    }

    fn measures(&self, seen: &mut Vec<Measure>) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.measures(seen)),
            Self::Compare(measure, ..) => seen.push(*measure),
        }
    }
}

/// How what was measured compares with the value; none where that is not known.
fn compare(measure: Measure, value: Value, counts: &Counts, age: Duration) -> Option<Ordering> {
    let product = |factors: &[u64]| factors.iter().fold(1_u128, |all, factor| all.saturating_mul((*factor).into()));
    let found = measure.found(counts, age);
    let (found, expected) = match value {
        Value::Number(number) => (product(&[found, ONE]), number.into()),
        Value::Duration(seconds) => (found.into(), product(&[seconds, 1_000_000_000])),
        Value::Percent(percent) => {
            let whole = Some(measure.whole(counts)).filter(|whole| *whole > 0)?;
            (product(&[found, 100, ONE]), product(&[percent, whole]))
        }
        Value::Before(factor) => {
            let (before, of, own) = measure.before(counts).filter(|(_, of, own)| *of > 0 && *own > 0)?;
            (product(&[found, of, ONE]), product(&[before, own, factor]))
        }
    };
    Some(found.cmp(&expected))
}

impl Rule {
    /// Whether it is true.
    pub fn holds(&self, counts: &Counts, age: Duration) -> bool {
        self.expression.holds(counts, age)
    }

    /// The first measure that a trial of this kind does not have.
    pub(super) fn foreign(&self, kind: Kind) -> Option<&'static str> {
        let mut measures = Vec::new();
        self.expression.measures(&mut measures);
        measures.into_iter().find(|measure| !measure.is_of(kind)).map(Measure::name)
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let shown: String = text.chars().take(MAX_RULE_BYTES).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut parser = Parser { text, place: 0 };
        let parsed = match text.char_indices().find(|(_, c)| c.is_control()) {
            _ if text.len() > MAX_RULE_BYTES => Err((0, format!("it is longer than {MAX_RULE_BYTES} bytes"))),
            Some((place, _)) => Err((place, "a control character".to_owned())),
            None => parser.rule(0).and_then(|expression| parser.end().map(|()| expression)),
        };
        parsed.map(|expression| Self { text: text.trim().to_owned(), expression }).map_err(|(place, reason)| {
            let at = text.get(..place).map_or(0, |before| before.chars().count());
            RuleError { text: shown, at, reason }
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What is wrong, and the byte at which it begins.
type Wrong = (usize, String);

struct Parser<'a> {
    text: &'a str,
    /// The byte at which what is not read begins.
    place: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.place..).unwrap_or_default()
    }

    fn skip_spaces(&mut self) {
        self.place += self.rest().len() - self.rest().trim_start().len();
    }

    /// Takes a sign that comes next.
    fn takes(&mut self, sign: &str) -> bool {
        self.skip_spaces();
        let found = self.rest().starts_with(sign);
        self.place += if found { sign.len() } else { 0 };
        found
    }

    /// The word that comes next; empty where none does.
    fn word(&self) -> &'a str {
        let rest = self.rest();
        rest.get(..rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len()))
            .unwrap_or_default()
    }

    fn takes_word(&mut self, word: &str) -> bool {
        self.skip_spaces();
        let found = self.word() == word;
        self.place += if found { word.len() } else { 0 };
        found
    }

    fn expected(&self, what: &str) -> Wrong {
        let found = match (self.word(), self.rest().chars().next()) {
            ("", None) => "the end".to_owned(),
            ("", Some(sign)) => format!("`{sign}`"),
            (word, _) => format!("`{word}`"),
        };
        (self.place, format!("expected {what}, found {found}"))
    }

    fn end(&mut self) -> Result<(), Wrong> {
        self.skip_spaces();
        if self.rest().is_empty() { Ok(()) } else { Err(self.expected("`and`, `or` or the end")) }
    }

    fn rule(&mut self, depth: usize) -> Result<Expression, Wrong> {
        let mut any = vec![self.all(depth)?];
        while self.takes_word("or") {
            any.push(self.all(depth)?);
        }
        Ok(one_of(any, Expression::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Expression, Wrong> {
        let mut all = vec![self.one(depth)?];
        while self.takes_word("and") {
            all.push(self.one(depth)?);
        }
        Ok(one_of(all, Expression::All))
    }

    fn one(&mut self, depth: usize) -> Result<Expression, Wrong> {
        self.skip_spaces();
        let start = self.place;
        if self.takes("(") {
            if depth == MAX_DEPTH {
                return Err((start, format!("parentheses are nested deeper than {MAX_DEPTH}")));
            }
            let inner = self.rule(depth + 1)?;
            self.skip_spaces();
            return if self.takes(")") { Ok(inner) } else { Err(self.expected("`and`, `or` or `)`")) };
        }
        let Some(measure) = Measure::ALL.into_iter().find(|measure| measure.name() == self.word()) else {
            let names: Vec<&str> = Measure::ALL.iter().map(|measure| measure.name()).collect();
            return Err(self.expected(&format!("one of {}, or `(`", names.join(", "))));
        };
        self.place += measure.name().len();
        let relation = Relation::ALL.into_iter().find(|(_, sign)| self.takes(sign));
        let (relation, _) = relation.ok_or_else(|| self.expected("one of =, !=, <, <=, >, >="))?;
        self.skip_spaces();
        let start = self.place;
        let value = self.value()?;
        match measure.refuses(value) {
            None => Ok(Expression::Compare(measure, relation, value)),
            Some(words) => Err((start, format!("`{}` is held against {words}", measure.name()))),
        }
    }

    fn value(&mut self) -> Result<Value, Wrong> {
        if self.takes_word("before") {
            let factor = if self.takes("*") { self.number()? } else { ONE };
            return Ok(Value::Before(factor));
        }
        let start = self.place;
        let number = self.number()?;
        if self.takes("%") {
            return Ok(Value::Percent(number));
        }
        let seconds = match self.word() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Ok(Value::Number(number)),
        };
        self.place += 1;
        let seconds = (number / ONE).checked_mul(seconds).filter(|_| number.is_multiple_of(ONE));
        seconds
            .map(Value::Duration)
            .ok_or_else(|| (start, "a time is a whole number of `s`, `m`, `h` or `d`".to_owned()))
    }

    /// A number, in millionths.
    fn number(&mut self) -> Result<u64, Wrong> {
        self.skip_spaces();
        let (start, rest) = (self.place, self.rest());
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (whole, after) = rest.split_at(digits(rest));
        if whole.is_empty() {
            return Err(self.expected("a number or `before`"));
        }
        let fraction = after.strip_prefix('.').map(|after| after.split_at(digits(after)).0);
        let too_large = || (start, "the number is too large".to_owned());
        let millionths = match fraction {
            Some("") => return Err((start, "digits are missing after the point".to_owned())),
            Some(digits) if digits.len() > FRACTION_DIGITS => {
                return Err((start, format!("a number has at most {FRACTION_DIGITS} digits after the point")));
            }
            Some(digits) => format!("{digits:0<FRACTION_DIGITS$}").parse().map_err(|_| too_large())?,
            None => 0,
        };
        self.place += whole.len() + fraction.map_or(0, |digits| 1 + digits.len());
        let whole: u64 = whole.parse().map_err(|_| too_large())?;
        whole.checked_mul(ONE).and_then(|whole| whole.checked_add(millionths)).ok_or_else(too_large)
    }
}

/// Several as one, and one as itself.
fn one_of(mut parts: Vec<Expression>, several: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.len() {
        1 => parts.remove(0),
        _ => several(parts),
    }
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
