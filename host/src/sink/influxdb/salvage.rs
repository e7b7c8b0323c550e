//! Every row of a chunk gets where it belongs: into InfluxDB, or among the rejected ones with the server's reason.
//!
//! A chunk is sent whole. Where the server refuses it, the rows that it names are rejected and the others are written, if
//! the server has not kept them already; where it names none, the suspects are parted from the others, and what is still
//! refused is halved until a single row is left that is at fault. The same serves requests that are too large, and rows
//! that break the connection whenever they are sent. Writing a row twice writes the same points.
//!
//! A chunk may have several rows of one point, of which the last has to stay. What is sent once more could bring the value of an
//! earlier row back: so rows that write the same points stay in one portion ([`same_points`](super::same_points)), in their order,
//! and where such a portion itself is parted, its first rows are settled before the others are sent again.
//!
//! Each step parts a portion or takes a row away, so that n rows end after at most some 2 n requests.

use std::cell::OnceCell;
use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::time::Instant;

use reqwest::StatusCode;

use super::super::{Answer, Delivery, Parcel, SinkError, Tries};
use super::InfluxDb;
use super::attempts::Sent;
use super::endpoint::Endpoint;
use super::lines::Lines;
use super::quotes;
use super::reason::Reason;
use super::same_points::SamePoints;
use super::verdict::{self, Suspects, Verdict};
use crate::points::{Chunk, Refusal, RejectedRow};

/// A row of this many bytes is larger than what servers are made for; a smaller one that a server finds too large, when
/// it has never taken anything else, is not the row's fault.
const LARGE_ROW_BYTES: usize = 64 * 1024;

/// After so many refusals that say nothing of points, and with no row written, the chunk is not at fault but the server.
const BLANK_REFUSALS: u32 = 8;

/// After so many broken connections in a row, with no row written, it is no row that breaks them.
const BROKEN_PORTIONS: u32 = 6;

/// Retries of portions that are sent to find the row that breaks the connection.
const RETRIES_OF_SUSPECTS: u32 = 1;

/// Rows of the chunk that are sent together.
#[derive(Debug)]
struct Portion {
    /// Their numbers in [`Salvage::rows`], in ascending order.
    rows: Vec<usize>,
    /// Whether a larger portion with them broke the connection.
    broke: bool,
    /// Whether rows that come after them in the queue may write the same points: then whatever is sent of these rows is sent
    /// before those.
    before_others: bool,
}

/// A chunk on its way.
pub(super) struct Salvage<'a> {
    influxdb: &'a InfluxDb,
    endpoint: &'a Endpoint,
    parcel: &'a Parcel,
    chunk: &'a Chunk,
    deadline: Option<Instant>,
    /// The lines of each row.
    rows: Vec<Range<usize>>,
    /// Looked for when the chunk is parted.
    same_points: OnceCell<Option<SamePoints>>,
    portions: VecDeque<Portion>,
    delivery: Delivery,
    /// Refusals that say nothing of points, so far.
    blank_refusals: u32,
    /// Portions that broke the connection, since a row was written.
    broken: u32,
}

impl<'a> Salvage<'a> {
    pub(super) fn new(
        influxdb: &'a InfluxDb,
        endpoint: &'a Endpoint,
        parcel: &'a Parcel,
        deadline: Option<Instant>,
    ) -> Self {
        let chunk = parcel.chunk();
        let rows = chunk.lines_by_row();
        let all = Portion { rows: (0..rows.len()).collect(), broke: false, before_others: false };
        Self {
            influxdb,
            endpoint,
            parcel,
            chunk,
            deadline,
            rows,
            same_points: OnceCell::new(),
            portions: VecDeque::from([all]),
            delivery: Delivery::default(),
            blank_refusals: 0,
            broken: 0,
        }
    }

    /// Delivers the chunk.
    pub(super) async fn run(mut self) -> Result<Delivery, SinkError> {
        let started = Instant::now();
        while let Some(portion) = self.portions.pop_front() {
            let portion = self.cut_to_size(portion);
            self.deliver(portion).await?;
        }
        self.delivery.latency = started.elapsed();
        self.delivery.rejected.sort_by_key(|row| row.row);
        Ok(self.delivery)
    }

    async fn deliver(&mut self, portion: Portion) -> Result<(), SinkError> {
        let lines = self.lines(&portion);
        let retries =
            if portion.broke { self.influxdb.max_retries.min(RETRIES_OF_SUSPECTS) } else { self.influxdb.max_retries };
        let sent = self.influxdb.send_lines(self.endpoint, &lines, retries, self.deadline).await;
        match sent {
            Ok(sent) => {
                self.count_requests(sent.requests, sent.retries);
                if sent.exchange.status == StatusCode::NO_CONTENT {
                    self.written(&portion.rows, &lines);
                    return Ok(());
                }
                self.refused(portion, &sent, &lines)
            }
            Err(SinkError::TooLarge { bytes, answer }) => {
                self.count_failed(answer.tries);
                self.too_large(portion, bytes, answer)
            }
            Err(error @ SinkError::ConnectionLost { .. }) => self.broke(portion, error).await,
            Err(error) => Err(error),
        }
    }

    /// The server has answered that it does not take the portion as it is.
    fn refused(&mut self, portion: Portion, sent: &Sent, body: &Lines) -> Result<(), SinkError> {
        let lines: Vec<Range<usize>> = portion.rows.iter().map(|row| self.rows[*row].clone()).collect();
        let texts: Vec<&[u8]> = lines
            .iter()
            .flat_map(|lines| lines.clone().map(|line| self.chunk.text(line..line + 1)))
            .map(|line| line.strip_suffix(b"\n").unwrap_or(line))
            .collect();
        match verdict::read(&sent.exchange.body, sent.exchange.complete, &texts) {
            Verdict::Named { lines: named, others_kept } => {
                // Lines are counted in the order of the portion's rows, so that both run along.
                let mut named = named.into_iter().peekable();
                let mut others = Vec::new();
                let mut end = 0;
                for row in &portion.rows {
                    end += self.rows[*row].len();
                    let mut reason = None;
                    while let Some((_, found)) = named.next_if(|(line, _)| *line < end) {
                        reason.get_or_insert(found);
                    }
                    match reason {
                        Some(reason) => self.reject(*row, reason),
                        None => others.push(*row),
                    }
                }
                if others_kept {
                    self.written(&others, body);
                } else if !others.is_empty() {
                    self.queue([Portion { rows: others, ..portion }]);
                }
            }
            Verdict::Dropped { count, reason, .. } if portion.rows.len() == 1 || count >= texts.len() => {
                for row in portion.rows {
                    self.reject(row, reason.clone());
                }
            }
            Verdict::Dropped { count, suspects, .. } => self.part(portion, count, &suspects),
            Verdict::Unknown { reason: message } => {
                if let [row] = portion.rows[..] {
                    self.blank_refusals += 1;
                    self.reject(row, Reason { refusal: Refusal::Refused, message });
                } else {
                    // To single rows first, so that it is soon known whether the server refuses everything.
                    for half in self.halves(portion).into_iter().rev() {
                        self.portions.push_front(half);
                    }
                }
                // Nobody knows whether this is about the points: while none of them is written, it is not.
                let undecided = self.portions.is_empty() || self.blank_refusals >= BLANK_REFUSALS;
                if self.blank_refusals > 0 && undecided && self.delivery.points == 0 {
                    let answer = sent.answer(&self.endpoint.url);
                    tracing::debug!("the points are refused: {answer}");
                    let message = quotes::without_values(&answer.message, &texts);
                    return Err(SinkError::Refused(Answer { message, ..answer }));
                }
            }
        }
        Ok(())
    }

    fn too_large(&mut self, portion: Portion, sent: usize, answer: Answer) -> Result<(), SinkError> {
        let bytes = self.bytes(&portion);
        if let [row] = portion.rows[..] {
            if bytes < LARGE_ROW_BYTES && !self.influxdb.has_written() {
                return Err(SinkError::TooLarge { bytes: sent, answer });
            }
            let message = format!("the row's {bytes} bytes are more than the server takes");
            self.reject(row, Reason { refusal: Refusal::TooLarge, message });
        } else {
            self.influxdb.size_limit.lower(bytes / 2);
            self.halve(portion);
        }
        Ok(())
    }

    /// The connection broke, each time that the portion was sent.
    async fn broke(&mut self, portion: Portion, error: SinkError) -> Result<(), SinkError> {
        if let SinkError::ConnectionLost { tries, .. } = &error {
            self.count_failed(*tries);
        }
        self.broken += 1;
        let hopeless = self.broken > BROKEN_PORTIONS && self.delivery.points == 0;
        // A server that is away, or that lets nobody in, breaks every connection.
        if hopeless || self.influxdb.ping(self.deadline).await.is_err() {
            return Err(error);
        }
        match portion.rows[..] {
            [_] if !self.influxdb.has_written() => return Err(error),
            [row] => {
                let message = "the connection breaks whenever the row is sent".to_owned();
                self.reject(row, Reason { refusal: Refusal::ConnectionLost, message });
            }
            _ => self.halve(Portion { broke: true, ..portion }),
        }
        Ok(())
    }

    /// Parts the suspects from the others; where all or none are suspect, halves.
    fn part(&mut self, portion: Portion, count: usize, suspects: &Suspects) {
        let (suspect, others): (Vec<usize>, Vec<usize>) = match suspects {
            Suspects::Field { measurement, field } => {
                let (measurement, field) = (escaped(measurement), escaped(field));
                portion.rows.iter().partition(|row| {
                    let text = self.chunk.text(self.rows[**row].clone());
                    text.starts_with(&measurement) && has_field(text, &field)
                })
            }
            Suspects::Oldest => {
                let mut by_age: Vec<(i64, usize)> =
                    portion.rows.iter().map(|row| (self.oldest_time(*row), *row)).collect();
                by_age.sort_unstable();
                let mut rows = by_age.into_iter().map(|(_, row)| row);
                let mut oldest: Vec<usize> = rows.by_ref().take(count).collect();
                let mut others: Vec<usize> = rows.collect();
                oldest.sort_unstable();
                others.sort_unstable();
                (oldest, others)
            }
            Suspects::Any => (Vec::new(), Vec::new()),
        };
        let (suspect, others) = self.kept_together(&suspect, others);
        if suspect.is_empty() || others.is_empty() {
            return self.halve(portion);
        }
        let Portion { broke, before_others, .. } = portion;
        self.queue([others, suspect].map(|rows| Portion { rows, broke, before_others }));
    }

    /// As many rows of a portion, one at least, as the server is believed to take. The others come next.
    fn cut_to_size(&mut self, portion: Portion) -> Portion {
        let limit = self.influxdb.size_limit.get();
        if self.bytes(&portion) <= limit {
            return portion;
        }
        let Portion { mut rows, broke, mut before_others } = portion;
        let mut bytes = 0;
        let fitting = rows.iter().take_while(|row| {
            bytes += self.chunk.text(self.rows[**row].clone()).len();
            bytes <= limit
        });
        let others = rows.split_off(fitting.count().clamp(1, rows.len()));
        if !others.is_empty() {
            before_others |= self.same_points().is_some();
            self.portions.push_front(Portion { rows: others, broke, before_others });
        }
        Portion { rows, broke, before_others }
    }

    /// Puts the two halves of a portion into the queue.
    fn halve(&mut self, portion: Portion) {
        let halves = self.halves(portion);
        self.queue(halves);
    }

    /// Puts parts of a portion at the end of the queue, so that others succeed while one of them fails, or before all others
    /// where that matters.
    fn queue<const N: usize>(&mut self, parts: [Portion; N]) {
        if parts.iter().any(|part| part.before_others) {
            parts.into_iter().rev().for_each(|part| self.portions.push_front(part));
        } else {
            self.portions.extend(parts);
        }
    }

    /// The rows of a chunk that write the same points, if there are any.
    fn same_points(&self) -> Option<&SamePoints> {
        self.same_points.get_or_init(|| SamePoints::of(self.chunk, &self.rows)).as_ref()
    }

    /// Some rows of a portion, and the others, with those that write the same points kept together among the former.
    fn kept_together(&self, some: &[usize], others: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
        let Some(same_points) = self.same_points() else { return (some.to_vec(), others) };
        let groups: HashSet<usize> = some.iter().map(|row| same_points.group(*row)).collect();
        let mut all: Vec<usize> = some.iter().copied().chain(others).collect();
        all.sort_unstable();
        all.into_iter().partition(|row| groups.contains(&same_points.group(*row)))
    }

    /// The two halves of a portion, by bytes. Rows that write the same points are kept together, unless there are no others.
    fn halves(&self, portion: Portion) -> [Portion; 2] {
        let Portion { mut rows, broke, before_others } = portion;
        let half = self.bytes_of(&rows) / 2;
        let mut bytes = 0;
        let middle = rows.iter().position(|row| {
            bytes += self.chunk.text(self.rows[*row].clone()).len();
            bytes >= half
        });
        // Each half has a row at least.
        let middle = middle.map_or(1, |last| last + 1).clamp(1, rows.len() - 1);
        for middle in [middle, 1] {
            let (first, second) = self.kept_together(&rows[..middle], rows[middle..].to_vec());
            if !second.is_empty() {
                return [first, second].map(|rows| Portion { rows, broke, before_others });
            }
        }
        // All of them depend on each other: the first rows first.
        let second = rows.split_off(middle);
        [rows, second].map(|rows| Portion { rows, broke, before_others: true })
    }

    fn written(&mut self, rows: &[usize], body: &Lines) {
        for row in rows {
            let lines = self.rows[*row].clone();
            self.delivery.points += lines.len() as u64;
            self.delivery.line_protocol_bytes += self.chunk.text(lines).len() as u64;
        }
        self.delivery.rows += rows.len() as u64;
        if !rows.is_empty() {
            self.delivery.bytes_written += body.body.len() as u64;
            self.broken = 0;
            self.influxdb.note_written();
        }
    }

    fn reject(&mut self, row: usize, Reason { refusal, message }: Reason) {
        let number = self.chunk.lines()[self.rows[row].start].row;
        let row_group = self.chunk.rows().row_group(number);
        self.delivery.rejected.push(RejectedRow { row: number, row_group, code: refusal.code().to_owned(), message });
    }

    fn count_requests(&mut self, requests: u32, retries: u32) {
        self.delivery.requests += u64::from(requests);
        self.delivery.retries += u64::from(retries);
    }

    fn count_failed(&mut self, tries: Tries) {
        self.count_requests(tries.attempts, tries.attempts.saturating_sub(1));
    }

    fn lines(&self, portion: &Portion) -> Lines {
        if portion.rows.len() == self.rows.len() {
            return Lines::of(self.parcel);
        }
        let text = self.chunk.extract(portion.rows.iter().map(|row| self.rows[*row].clone()));
        Lines::new(self.influxdb, text)
    }

    fn bytes(&self, portion: &Portion) -> usize {
        self.bytes_of(&portion.rows)
    }

    fn bytes_of(&self, rows: &[usize]) -> usize {
        if rows.len() == self.rows.len() {
            return self.chunk.body().len();
        }
        rows.iter().map(|row| self.chunk.text(self.rows[*row].clone()).len()).sum()
    }

    /// The least time of a row's points.
    fn oldest_time(&self, row: usize) -> i64 {
        let lines = self.rows[row].clone();
        let times = lines.filter_map(|line| {
            let text = std::str::from_utf8(self.chunk.text(line..line + 1)).ok()?;
            text.trim_end().rsplit_once(' ')?.1.parse().ok()
        });
        times.min().unwrap_or(i64::MIN)
    }
}

/// A name as lines have it, as far as servers say names unescaped.
fn escaped(name: &str) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(name.len());
    for byte in name.bytes() {
        if matches!(byte, b' ' | b',' | b'=') {
            escaped.push(b'\\');
        }
        escaped.push(byte);
    }
    escaped
}

/// Whether a row's lines have a field of this key, or text that looks like it.
fn has_field(text: &[u8], key: &[u8]) -> bool {
    !key.is_empty()
        && text
            .windows(key.len() + 2)
            .any(|window| matches!(window[0], b' ' | b',') && window.ends_with(b"=") && &window[1..=key.len()] == key)
}
