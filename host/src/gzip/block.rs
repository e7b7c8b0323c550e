//! Literals and matches → a DEFLATE block (RFC 1951, section 3.2.7).

use super::bits::{BitWriter, Section};
use super::format::{self, END_OF_BLOCK, LITERALS_AND_LENGTHS, SHORTEST_MATCH};
use super::huffman::{self, Code};
use super::matches::Sequence;

/// The longest code of a literal or a length: four literals, or a match, fit between two flushes.
const LONGEST_LITERAL: usize = 14;

/// The longest code of the length of a code.
const LONGEST_LENGTH: usize = 7;

/// The most bytes that the lengths of all codes take.
const CODES_BYTES: usize = 400;

/// The most bytes of a literal's code, and of a match's.
const LITERAL_BYTES: usize = 2;
const MATCH_BYTES: usize = 8;

/// Sequences for which room is made at a time.
const GROUP: usize = 256;

/// A table of distances has more entries than there are symbols, so that five bits are an index.
const DISTANCE_ENTRIES: usize = 32;

/// Literals are counted in so many sequences out of so many.
const COUNTED: usize = 64;
const COUNTED_OF: usize = 512;

/// The order in which a block tells the lengths of the codes of lengths.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Bits that belong together, and how many they are.
#[derive(Clone, Copy)]
struct Bits {
    bits: u32,
    count: u32,
}

impl From<Code> for Bits {
    fn from(code: Code) -> Self {
        Self { bits: code.bits.into(), count: code.length.into() }
    }
}

/// How a distance is written: its symbol's code, then how much it is above the base.
#[derive(Clone, Copy)]
struct Distance {
    bits: u16,
    /// Less 1.
    base: u16,
    length: u8,
    /// Bits of both.
    count: u8,
}

/// Writes a text as the last block of a stream.
pub(super) fn write(text: &[u8], sequences: &[Sequence], bits: &mut BitWriter) {
    let (symbols, distances) = frequencies(text, sequences);
    let symbols = huffman::codes(&symbols, LONGEST_LITERAL);
    let distances = huffman::codes(&distances, huffman::LONGEST);
    write_codes(&symbols, &distances, bits);

    let literals: [Bits; 256] = std::array::from_fn(|byte| symbols[byte].into());
    let lengths: [Bits; 256] = std::array::from_fn(|length| {
        let bucket = format::length(length);
        let code = symbols[usize::from(bucket.symbol)];
        #[expect(clippy::cast_possible_truncation, reason = "lengths less 3 are below 256")]
        let extra = (length + SHORTEST_MATCH) as u32 - u32::from(bucket.base);
        Bits { bits: u32::from(code.bits) | extra << code.length, count: u32::from(code.length + bucket.extra) }
    });
    let distances: [Distance; DISTANCE_ENTRIES] = std::array::from_fn(|symbol| {
        let (base, extra) = format::distances(symbol);
        let code = distances.get(symbol).copied().unwrap_or_default();
        Distance { bits: code.bits, base, length: code.length, count: code.length + extra }
    });
    let mut rest = text;
    for group in sequences.chunks(GROUP) {
        let literal_count: usize = group.iter().map(|sequence| sequence.literals as usize).sum();
        let mut section = bits.section(literal_count * LITERAL_BYTES + group.len() * MATCH_BYTES);
        for sequence in group {
            let (run, matched) = rest.split_at(sequence.literals as usize);
            write_literals(run, &literals, &mut section);
            let length = lengths[usize::from(sequence.length)];
            let distance = distances[format::distance_symbol(sequence.distance) % DISTANCE_ENTRIES];
            let extra = u64::from(sequence.distance - distance.base);
            let distance_bits = u64::from(distance.bits) | extra << distance.length;
            section.put(length.bits.into(), length.count);
            section.put(distance_bits, distance.count.into());
            section.flush();
            rest = &matched[usize::from(sequence.length) + SHORTEST_MATCH..];
        }
        section.end();
    }
    let mut section = bits.section(rest.len() * LITERAL_BYTES + MATCH_BYTES);
    write_literals(rest, &literals, &mut section);
    let end = Bits::from(symbols[END_OF_BLOCK]);
    section.put(end.bits.into(), end.count);
    section.flush();
    section.end();
}

/// Writes literals, with room left for a match after them.
#[inline]
fn write_literals(run: &[u8], codes: &[Bits; 256], section: &mut Section<'_>) {
    let mut fours = run.chunks_exact(4);
    for four in &mut fours {
        for byte in four {
            let code = codes[usize::from(*byte)];
            section.put(code.bits.into(), code.count);
        }
        section.flush();
    }
    for byte in fours.remainder() {
        let code = codes[usize::from(*byte)];
        section.put(code.bits.into(), code.count);
    }
    section.flush();
}

/// How often each symbol occurs. Literals are counted in a part of the text; all of them get codes, in case that they occur
/// in the rest.
#[expect(clippy::cast_possible_truncation, reason = "a small constant")]
fn frequencies(text: &[u8], sequences: &[Sequence]) -> ([u32; LITERALS_AND_LENGTHS], [u32; DISTANCE_ENTRIES]) {
    let mut symbols = [0; LITERALS_AND_LENGTHS];
    let mut distances = [0; DISTANCE_ENTRIES];
    symbols[..=END_OF_BLOCK].fill(1);
    let mut count = |literals: &[u8], weight: u32| {
        for byte in literals {
            let count: &mut u32 = &mut symbols[usize::from(*byte)];
            *count = count.saturating_add(weight);
        }
    };
    let mut rest = text;
    for (number, sequence) in sequences.iter().enumerate() {
        let (run, matched) = rest.split_at(sequence.literals as usize);
        if number % COUNTED_OF < COUNTED {
            count(run, (COUNTED_OF / COUNTED) as u32);
        }
        rest = &matched[usize::from(sequence.length) + SHORTEST_MATCH..];
    }
    // Long where tokens say little: then it is all that there is to count.
    count(rest, 1);
    for sequence in sequences {
        symbols[usize::from(format::length(sequence.length.into()).symbol)] += 1;
        distances[format::distance_symbol(sequence.distance)] += 1;
    }
    (symbols, distances)
}

/// Writes the lengths of the codes of both alphabets, run-length encoded, and these encoded by codes of their own.
fn write_codes(symbols: &[Code], distances: &[Code], bits: &mut BitWriter) {
    // Of each alphabet what comes after the last code is left out, as far as the format allows.
    let told = |codes: &[Code], least: usize| {
        codes.iter().rposition(|code| code.length > 0).map_or(least, |last| least.max(last + 1))
    };
    let (symbols, distances) = (&symbols[..told(symbols, 257)], &distances[..told(distances, 1)]);
    let lengths: Vec<u8> = symbols.iter().chain(distances).map(|code| code.length).collect();
    let runs = runs(&lengths);
    let mut frequencies = [0; ORDER.len()];
    for run in &runs {
        frequencies[usize::from(run.symbol)] += 1;
    }
    let codes = huffman::codes(&frequencies, LONGEST_LENGTH);
    let ordered = ORDER.map(|symbol| codes[symbol]);
    let ordered = &ordered[..told(&ordered, 4)];
    let mut section = bits.section(CODES_BYTES);
    // The last block, with codes of its own.
    section.put(0b101, 3);
    section.put(symbols.len() as u64 - 257, 5);
    section.put(distances.len() as u64 - 1, 5);
    section.put(ordered.len() as u64 - 4, 4);
    for code in ordered {
        section.put(code.length.into(), 3);
        section.flush();
    }
    for run in &runs {
        let code = Bits::from(codes[usize::from(run.symbol)]);
        section.put(code.bits.into(), code.count);
        section.put(run.extra.into(), run.extra_bits);
        section.flush();
    }
    section.end();
}

/// A length of a code, or how often the one before it, or 0, is repeated.
struct Run {
    symbol: u8,
    extra: u8,
    extra_bits: u32,
}

fn runs(lengths: &[u8]) -> Vec<Run> {
    let mut runs = Vec::new();
    for same in lengths.chunk_by(|one, next| one == next) {
        let length = same[0];
        let mut left = same.len();
        if length > 0 {
            runs.push(Run { symbol: length, extra: 0, extra_bits: 0 });
            left -= 1;
        }
        while left > 0 {
            let (symbol, least, most, extra_bits) = match (length, left) {
                (_, 1..=2) => (length, 1, 1, 0),
                (0, 3..=10) => (17, 3, 10, 3),
                (0, _) => (18, 11, 138, 7),
                (_, _) => (16, 3, 6, 2),
            };
            let repeated = left.min(most);
            #[expect(clippy::cast_possible_truncation, reason = "less than 128")]
            runs.push(Run { symbol, extra: (repeated - least) as u8, extra_bits });
            left -= repeated;
        }
    }
    runs
}
