//! The alphabets of DEFLATE (RFC 1951, section 3.2.5), and which symbol a length or a distance has.

/// Symbols for literals, the end of a block, and lengths.
pub(super) const LITERALS_AND_LENGTHS: usize = 286;
/// Symbols for distances.
pub(super) const DISTANCES: usize = 30;
/// The symbol that ends a block.
pub(super) const END_OF_BLOCK: usize = 256;
/// The symbol of the shortest lengths.
const FIRST_LENGTH: u16 = 257;

/// The shortest and the longest match.
pub(super) const SHORTEST_MATCH: usize = 3;
pub(super) const LONGEST_MATCH: usize = 258;
/// How far back a match may begin.
pub(super) const WINDOW: usize = 32 * 1024;

/// A symbol that stands for a range of values: the lowest, and how many bits beyond the symbol tell which it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    pub(super) symbol: u16,
    pub(super) base: u16,
    pub(super) extra: u8,
}

/// The lowest lengths and the extra bits of the symbols from 257 on.
const LENGTH_BUCKETS: [(u16, u8); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// The lowest distances, less one, and the extra bits of the symbols from 0 on.
#[expect(clippy::cast_possible_truncation, reason = "no symbol is above 285")]
const DISTANCE_BUCKETS: [(u16, u8); DISTANCES] = {
    let mut buckets = [(0, 0); DISTANCES];
    let (mut symbol, mut base) = (0, 0_u16);
    while symbol < DISTANCES {
        let extra = if symbol < 4 { 0 } else { symbol / 2 - 1 };
        buckets[symbol] = (base, extra as u8);
        base = base.wrapping_add(1 << extra);
        symbol += 1;
    }
    buckets
};

/// The buckets of the lengths from 3 on.
#[expect(clippy::cast_possible_truncation, reason = "no symbol is above 285")]
const LENGTHS: [Bucket; LONGEST_MATCH - SHORTEST_MATCH + 1] = {
    let mut lengths = [Bucket { symbol: 0, base: 0, extra: 0 }; LONGEST_MATCH - SHORTEST_MATCH + 1];
    let mut symbol = 0;
    while symbol < LENGTH_BUCKETS.len() {
        let (base, extra) = LENGTH_BUCKETS[symbol];
        let mut value = 0;
        // The last symbol is for 258 alone, which the one before it also covers.
        while value < 1 << extra && base as usize + value <= LONGEST_MATCH {
            lengths[base as usize - SHORTEST_MATCH + value] =
                Bucket { symbol: FIRST_LENGTH + symbol as u16, base, extra };
            value += 1;
        }
        symbol += 1;
    }
    lengths
};

/// The symbols of distances: less 1: of those below 256, then of every 128th of those above.
#[expect(clippy::cast_possible_truncation, reason = "no symbol is above 285")]
const DISTANCE_SYMBOLS: [u8; 512] = {
    let mut symbols = [0; 512];
    let mut symbol = 0;
    while symbol < DISTANCES {
        let (base, extra) = DISTANCE_BUCKETS[symbol];
        let mut value = 0;
        while value < 1_usize << extra {
            let distance = base as usize + value;
            if distance < 256 {
                symbols[distance] = symbol as u8;
            } else {
                symbols[256 + (distance >> 7)] = symbol as u8;
            }
            value += 1;
        }
        symbol += 1;
    }
    symbols
};

/// The bucket of a match's length, less 3; of nothing longer than 258.
#[inline]
pub(super) fn length(length_less_3: usize) -> Bucket {
    LENGTHS[length_less_3]
}

/// The symbol of a distance, less 1.
#[inline]
pub(super) fn distance_symbol(distance_less_1: u16) -> usize {
    let index = if distance_less_1 < 256 { distance_less_1 } else { 256 + (distance_less_1 >> 7) };
    usize::from(DISTANCE_SYMBOLS[usize::from(index) & 511])
}

/// The lowest distance of a symbol, less 1, and its extra bits; zeros where there is no such symbol.
pub(super) fn distances(symbol: usize) -> (u16, u8) {
    DISTANCE_BUCKETS.get(symbol).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_symbols_of_the_specification() {
        let told = |length: usize| {
            let bucket = super::length(length - SHORTEST_MATCH);
            (bucket.symbol, bucket.base, bucket.extra)
        };
        assert_eq!(told(3), (257, 3, 0));
        assert_eq!(told(12), (265, 11, 1));
        assert_eq!(told(66), (276, 59, 3));
        assert_eq!(told(257), (284, 227, 5));
        assert_eq!(told(258), (285, 258, 0));
    }

    #[test]
    fn distances_have_the_symbols_of_the_specification() {
        // The specification counts distances from 1.
        for (first, last, symbol, extra) in
            [(1, 1, 0, 0), (5, 6, 4, 1), (193, 256, 15, 6), (257, 384, 16, 7), (24577, 32768, 29, 13)]
        {
            for distance in [first, last] {
                let found = distance_symbol((distance - 1_u32).try_into().unwrap_or_default());
                let (base, bits) = distances(found);
                assert_eq!((found, u32::from(base) + 1, bits), (symbol, first, extra));
            }
        }
    }
}
