//! The rows of a chunk as salvage sees them: how large they are, and how they are parted so that what is refused is found soon.
//!
//! Engines refuse points by what they decide by: a type conflict is a matter of a field and a shard, retention one of time, a
//! limit of series one of series. Rows that share it are kept together, so that a part is refused or taken as a whole.

use std::ops::Range;

use crate::points::Chunk;
use crate::sink::influxdb::engines::Suspects;

/// By what 1.x and 2.x part time into shards, in nanoseconds, unless they are configured otherwise: weeks, days, hours, counted from
/// 1970. Longer ones end where some of these do.
const SHARDS: [i64; 3] = [7 * DAY, DAY, DAY / 24];
const DAY: i64 = 86_400_000_000_000;

/// What is to be known of rows; they are named by their number in the chunk, from 0.
pub(super) trait Rows {
    /// How many points a row has in the chunk.
    fn points(&self, row: usize) -> usize;

    /// The bytes of these points.
    fn bytes(&self, row: usize) -> usize;

    /// Parts rows, two of them at least, into two parts with a row at least each. `dropped` is how many points of them are
    /// known to be refused.
    fn part(&self, rows: &[usize], suspects: &Suspects, dropped: Option<usize>) -> [Vec<usize>; 2];

    /// Two halves, by bytes, that keep the order of the rows.
    fn halves(&self, rows: &[usize]) -> [Vec<usize>; 2] {
        let half = rows.iter().map(|row| self.bytes(*row)).sum::<usize>() / 2;
        let mut bytes = 0;
        let middle = rows.iter().position(|row| {
            bytes += self.bytes(*row);
            bytes >= half
        });
        let (first, second) = rows.split_at(middle.map_or(1, |last| last + 1).clamp(1, rows.len().max(2) - 1));
        [first.to_vec(), second.to_vec()]
    }
}

/// The rows of a chunk.
#[derive(Debug)]
pub(super) struct ChunkRows<'a> {
    chunk: &'a Chunk,
    /// The lines of each row.
    lines: Vec<Range<usize>>,
}

impl<'a> ChunkRows<'a> {
    pub(super) fn new(chunk: &'a Chunk) -> Self {
        Self { chunk, lines: chunk.lines_by_row() }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The number of a row in its object.
    pub(super) fn number(&self, row: usize) -> u64 {
        self.chunk.lines()[self.lines[row].start].row
    }

    /// Which lines of the chunk are of a row.
    pub(super) fn lines(&self, row: usize) -> Range<usize> {
        self.lines[row].clone()
    }

    fn text(&self, row: usize) -> &'a [u8] {
        self.chunk.text(self.lines[row].clone())
    }

    /// The least time of a row's points.
    fn time(&self, row: usize) -> i64 {
        let times = self.lines[row].clone().filter_map(|line| {
            let text = std::str::from_utf8(self.chunk.text(line..line + 1)).ok()?;
            text.trim_end().rsplit_once(' ')?.1.parse().ok()
        });
        times.min().unwrap_or(i64::MIN)
    }

    fn by_time(&self, rows: &[usize]) -> Vec<(i64, usize)> {
        let mut by_time: Vec<(i64, usize)> = rows.iter().map(|row| (self.time(*row), *row)).collect();
        by_time.sort_unstable();
        by_time
    }

    /// At the end of a shard, the one nearest to the middle; in the middle where all of them may be of one.
    fn part_by_shard(&self, rows: &[usize]) -> [Vec<usize>; 2] {
        let by_time = self.by_time(rows);
        let middle = by_time.len() / 2;
        let ends = |shard: i64| {
            let is_end = |at: &usize| by_time[at - 1].0.div_euclid(shard) != by_time[*at].0.div_euclid(shard);
            (1..by_time.len()).filter(is_end).min_by_key(|at| at.abs_diff(middle))
        };
        parted_at(SHARDS.into_iter().find_map(ends).unwrap_or(middle), by_time)
    }
}

fn parted_at<T>(at: usize, keyed: Vec<(T, usize)>) -> [Vec<usize>; 2] {
    let mut first: Vec<usize> = keyed.into_iter().map(|(_, row)| row).collect();
    let second = first.split_off(at);
    [first, second]
}

impl Rows for ChunkRows<'_> {
    fn points(&self, row: usize) -> usize {
        self.lines[row].len()
    }

    fn bytes(&self, row: usize) -> usize {
        self.text(row).len()
    }

    fn part(&self, rows: &[usize], suspects: &Suspects, dropped: Option<usize>) -> [Vec<usize>; 2] {
        match suspects {
            Suspects::Field { measurement, field } => {
                let (measurement, field) = (escaped(measurement), escaped(field));
                let (suspect, others): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| {
                    let text = self.text(**row);
                    text.starts_with(&measurement) && has_field(text, &field)
                });
                if suspect.is_empty() || others.is_empty() { self.part_by_shard(rows) } else { [suspect, others] }
            }
            Suspects::Oldest => match dropped.filter(|dropped| (1..rows.len()).contains(dropped)) {
                Some(dropped) => parted_at(dropped, self.by_time(rows)),
                None => self.part_by_shard(rows),
            },
            Suspects::Series => {
                let mut by_series: Vec<(&[u8], usize)> = rows.iter().map(|row| (self.text(*row), *row)).collect();
                by_series.sort_unstable();
                parted_at(rows.len() / 2, by_series)
            }
            Suspects::Any => self.halves(rows),
        }
    }
}

/// A name as lines have it, as far as servers quote names unescaped.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn part(lines: &str, suspects: &Suspects, dropped: Option<usize>) -> [Vec<usize>; 2] {
        let chunk = Chunk::of_lines(lines);
        let rows = ChunkRows::new(&chunk);
        rows.part(&(0..rows.len()).collect::<Vec<_>>(), suspects, dropped)
    }

    fn field(field: &str) -> Suspects {
        Suspects::Field { measurement: "m".to_owned(), field: field.to_owned() }
    }

    #[test]
    fn rows_with_the_field_come_first_and_then_weeks_are_kept_together() {
        assert_eq!(part("m x=1 1\nm y=1 2\nm y=1,x=2 3\no x=1 4\n", &field("x"), Some(2)), [vec![0, 2], vec![1, 3]]);
        let week = |week: i64, more: i64| format!("m x=1 {}\n", week * SHARDS[0] + more);
        let lines = [week(3, 0), week(1, 5), week(1, 9), week(2, 1), week(1, 0), week(1, 7)].concat();
        assert_eq!(part(&lines, &field("x"), Some(2)), [vec![4, 1, 5, 2], vec![3, 0]]);
    }

    #[test]
    fn of_points_beyond_retention_as_many_as_are_refused_are_the_oldest() {
        let lines = "m x=1 5\nm x=1 3\nm x=1 9\nm x=1 1\n";
        assert_eq!(part(lines, &Suspects::Oldest, Some(1)), [vec![3], vec![1, 0, 2]]);
        assert_eq!(part(lines, &Suspects::Oldest, None), [vec![3, 1], vec![0, 2]]);
        assert_eq!(part(lines, &Suspects::Oldest, Some(4)), [vec![3, 1], vec![0, 2]]);
    }

    #[test]
    fn series_are_kept_together() {
        let lines = "m,a=2 x=1 1\nm,a=1 x=1 1\nm,a=2 x=1 2\nm,a=1 x=1 2\n";
        assert_eq!(part(lines, &Suspects::Series, Some(2)), [vec![1, 3], vec![0, 2]]);
    }

    #[test]
    fn halves_are_of_the_same_size_in_bytes_and_never_empty() {
        let lines = format!("m x=\"{}\" 1\nm x=1 2\nm x=1 3\n", "long".repeat(100));
        assert_eq!(part(&lines, &Suspects::Any, None), [vec![0], vec![1, 2]]);
        assert_eq!(part("m x=1 1\nm x=1 2\n", &Suspects::Any, None), [vec![0], vec![1]]);
    }
}
