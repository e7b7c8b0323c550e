//! Canonical Huffman codes of a limited length, as RFC 1951 has them (section 3.2.2).

/// The longest code of any alphabet.
pub(super) const LONGEST: usize = 15;

/// The code of a symbol: its bits as they are written, the first one lowest, and how many they are. None: 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) bits: u16,
    pub(super) length: u8,
}

/// The codes of the symbols that occur so often; none for those that do not. No code is longer than `limit` bits.
/// An alphabet of which one symbol occurs has two codes of one bit, because not every reader takes a single one.
pub(super) fn codes<const N: usize>(frequencies: &[u32; N], limit: usize) -> [Code; N] {
    let mut lengths = [0; N];
    let mut symbols: Vec<(u32, u16)> = frequencies.iter().copied().zip(0..).filter(|(count, _)| *count > 0).collect();
    // One symbol, or none, is filled up with the first ones that there are.
    for filler in 0..2 {
        if symbols.len() < 2 && symbols.iter().all(|(_, symbol)| *symbol != filler) {
            symbols.push((1, filler));
        }
    }
    symbols.sort_unstable();
    let counts = limited(&depths(&symbols), limit);
    // The rarest symbols have the longest codes.
    let mut length = counts.len() - 1;
    let mut left = counts[length];
    for (_, symbol) in &symbols {
        while left == 0 {
            length -= 1;
            left = counts[length];
        }
        left -= 1;
        #[expect(clippy::cast_possible_truncation, reason = "at most 15")]
        {
            lengths[usize::from(*symbol)] = length as u8;
        }
    }
    canonical(&lengths)
}

/// How many codes of each length a tree has that is made of these frequencies, which ascend.
fn depths(symbols: &[(u32, u16)]) -> Vec<usize> {
    // Two queues, both in ascending order: the leaves, and the nodes that were made of two others.
    let leaves = symbols.len();
    let mut weights: Vec<u64> = symbols.iter().map(|(count, _)| u64::from(*count)).collect();
    let mut parents = vec![0; 2 * leaves - 1];
    let (mut leaf, mut inner) = (0, leaves);
    for node in leaves..2 * leaves - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            let lightest = if leaf < leaves && (inner == node || weights[leaf] <= weights[inner]) {
                &mut leaf
            } else {
                &mut inner
            };
            weight += weights[*lightest];
            parents[*lightest] = node;
            *lightest += 1;
        }
        weights.push(weight);
    }
    let mut depth = vec![0; 2 * leaves - 1];
    let mut counts = vec![0; leaves];
    for node in (0..2 * leaves - 2).rev() {
        depth[node] = depth[parents[node]] + 1;
        if node < leaves {
            counts[depth[node]] += 1;
        }
    }
    counts
}

/// Shortens codes that are longer than `limit`, at the cost of as few others as it takes.
fn limited(depths: &[usize], limit: usize) -> [usize; LONGEST + 1] {
    let mut counts = [0; LONGEST + 1];
    for (depth, count) in depths.iter().enumerate() {
        counts[depth.min(limit)] += count;
    }
    // In units of the longest code: the sum over all codes must be that of a full tree.
    let full = 1 << limit;
    let mut sum: usize = (1..=limit).map(|length| counts[length] << (limit - length)).sum();
    while sum > full {
        // A code of the greatest length goes below one that is shorter, which becomes longer by one.
        counts[limit] -= 1;
        if let Some(shorter) = (1..limit).rev().find(|length| counts[*length] > 0) {
            counts[shorter] -= 1;
            counts[shorter + 1] += 2;
        }
        sum -= 1;
    }
    counts
}

/// Codes of these lengths.
pub(super) fn canonical<const N: usize>(lengths: &[u8; N]) -> [Code; N] {
    let mut counts = [0; LONGEST + 1];
    for length in lengths.iter().filter(|length| **length > 0) {
        counts[usize::from(*length)] += 1;
    }
    let mut next = [0_u16; LONGEST + 1];
    for length in 1..=LONGEST {
        next[length] = (next[length - 1] + counts[length - 1]) << 1;
    }
    lengths.map(|length| {
        if length == 0 {
            return Code::default();
        }
        let code = &mut next[usize::from(length)];
        let bits = code.reverse_bits() >> (16 - length);
        *code += 1;
        Code { bits, length }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much of all codes of the longest length is used up.
    fn used(codes: &[Code]) -> usize {
        codes.iter().filter(|code| code.length > 0).map(|code| 1 << (LONGEST - usize::from(code.length))).sum()
    }

    #[test]
    fn codes_are_those_of_the_specification() {
        // RFC 1951, section 3.2.2: lengths 3, 3, 3, 3, 3, 2, 4, 4 have the codes 010 to 110, 00, 1110 and 1111.
        let codes = canonical(&[3, 3, 3, 3, 3, 2, 4, 4]);
        let text = |code: &Code| -> String {
            (0..code.length).map(|bit| if code.bits >> bit & 1 == 1 { '1' } else { '0' }).collect()
        };
        let texts: Vec<_> = codes.iter().map(text).collect();
        assert_eq!(texts, ["010", "011", "100", "101", "110", "00", "1110", "1111"]);
    }

    #[test]
    fn what_occurs_more_often_has_a_shorter_code() {
        let lengths = codes(&[1, 1, 2, 4, 8, 0, 16], 15).map(|code| code.length);
        assert_eq!(lengths, [5, 5, 4, 3, 2, 0, 1]);
    }

    #[test]
    fn no_code_is_longer_than_its_limit_and_none_is_wasted() {
        // Fibonacci numbers make the deepest trees.
        let mut frequencies = [1_u32; 40];
        for index in 2..40 {
            frequencies[index] = frequencies[index - 1].saturating_add(frequencies[index - 2]);
        }
        for limit in [6, 7, 14, 15] {
            let codes = codes(&frequencies, limit);
            assert!(codes.iter().all(|code| (1..=limit).contains(&usize::from(code.length))));
            assert_eq!(used(&codes), 1 << LONGEST);
        }
    }

    #[test]
    fn fewer_than_two_symbols_are_filled_up() {
        assert_eq!(codes(&[0; 30], 15).map(|code| code.length)[..3], [1, 1, 0]);
        let one = codes(&[0, 0, 7, 0], 15).map(|code| code.length);
        assert_eq!(one, [1, 0, 1, 0]);
    }
}
