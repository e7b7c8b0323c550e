//! Two readers that were written by others get back what was compressed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read;

use flate2::read::GzDecoder;
use proptest::prelude::*;

use super::*;
use crate::points::Identity;

/// Compresses, has the member read by both, and returns its length.
fn round_trip(gzip: &mut Gzip, text: &[u8], tokens: &[Token]) -> usize {
    let member = gzip.compress(text, tokens);
    let mut read = Vec::new();
    GzDecoder::new(&*member).read_to_end(&mut read).unwrap();
    assert!(read == text, "zlib reads another text");
    let (stream, trailer) = member[HEADER.len()..].split_last_chunk::<8>().unwrap();
    assert!(miniz_oxide::inflate::decompress_to_vec(stream).unwrap() == text, "miniz reads another text");
    assert_eq!(trailer[4..], u32::try_from(text.len()).unwrap().to_le_bytes());
    member.len()
}

/// A text of tokens, each given by the number of its place and of its text, or none for digits.
fn text_of(parts: &[(Option<(usize, i32)>, &str)]) -> (Vec<u8>, Vec<Token>) {
    let (mut text, mut tokens) = (Vec::new(), Vec::new());
    for (identity, part) in parts {
        text.extend_from_slice(part.as_bytes());
        let identity = identity.map_or(Identity::NONE, |(place, text)| Identity::of_place(place).text(text));
        tokens.push(Token { end: u32::try_from(text.len()).unwrap(), identity });
    }
    (text, tokens)
}

/// Lines of two tags and a number.
fn lines(count: i32) -> (Vec<u8>, Vec<Token>) {
    let regions = ["norte", "nordeste", "sul"];
    let texts: Vec<_> = (0..count)
        .map(|row| {
            let (region, plant) = (row % 3, row * 7 % 50);
            let region_text = format!(",region={}", regions[usize::try_from(region).unwrap()]);
            let number = f64::from(row.wrapping_mul(7_919) % 10_007) / 7.0;
            (region, region_text, plant, format!(",plant=Usina\\ {plant:04}"), number.to_string(), row)
        })
        .collect();
    let parts: Vec<_> = texts
        .iter()
        .flat_map(|(region, region_text, plant, plant_text, number, _)| {
            [
                (Some((0, 0)), "generation_data"),
                (Some((1, *plant)), plant_text.as_str()),
                (Some((2, *region)), region_text.as_str()),
                (Some((3, 0)), " power_mw="),
                (None, number.as_str()),
                (Some((4, 0)), " 1700000000000000000\n"),
            ]
        })
        .collect();
    text_of(&parts)
}

#[test]
fn lines_come_back_and_are_smaller() {
    let (text, tokens) = lines(1_000);
    let mut gzip = Gzip::default();
    let with_tokens = round_trip(&mut gzip, &text, &tokens);
    assert!(text.len() > 4 * with_tokens, "{} bytes became {with_tokens}", text.len());
    let without = round_trip(&mut gzip, &text, &[]);
    assert!(text.len() > without && without > with_tokens, "{} bytes became {without}", text.len());
}

#[test]
fn nothing_is_a_member_too() {
    assert!(round_trip(&mut Gzip::default(), &[], &[]) < 64);
}

#[test]
fn one_text_leaves_no_trace_in_the_next() {
    let (text, tokens) = lines(100);
    let mut used = Gzip::default();
    used.compress(&lines(3_000).0, &lines(3_000).1);
    assert_eq!(used.compress(&text, &tokens), Gzip::default().compress(&text, &tokens));
}

#[test]
fn matches_of_any_length_come_back() {
    for length in (5..20).chain(250..530).chain([5_000]) {
        let token = "x".repeat(length);
        let (text, tokens) = text_of(&[(Some((0, 0)), &token), (None, "17"), (Some((0, 0)), &token), (None, "3")]);
        round_trip(&mut Gzip::default(), &text, &tokens);
    }
}

#[test]
fn matches_reach_to_the_end_of_the_window_and_no_further() {
    for distance in 32_760..32_780 {
        let token = "a long name of a plant that stands out";
        let digits: String = (0..distance - token.len()).map(|index| (index * index % 10).to_string()).collect();
        let (text, tokens) = text_of(&[(Some((0, 0)), token), (None, &digits), (Some((0, 0)), token)]);
        round_trip(&mut Gzip::default(), &text, &tokens);
    }
}

#[test]
fn every_byte_has_a_code_even_where_it_was_not_counted() {
    let (mut text, mut tokens) = lines(5_000);
    // Beyond those sequences in which literals are counted.
    for byte in 0..=255 {
        text.push(byte);
        tokens.push(Token { end: u32::try_from(text.len()).unwrap(), identity: Identity::NONE });
        let (line, of_line) = lines(3);
        let start = u32::try_from(text.len()).unwrap();
        tokens.extend(of_line.iter().map(|token| Token { end: start + token.end, ..*token }));
        text.extend_from_slice(&line);
    }
    round_trip(&mut Gzip::default(), &text, &tokens);
}

/// Tokens that say anything.
fn hints() -> impl Strategy<Value = Vec<Token>> {
    let token = (0_u32..3_000, 0_usize..300, 0_i32..5, any::<bool>());
    let token = token.prop_map(|(end, place, text, is_number)| Token {
        end,
        identity: if is_number { Identity::NONE } else { Identity::of_place(place).text(text) },
    });
    prop::collection::vec(token, 0..200)
}

/// Text of few pieces, which repeats, and of any bytes.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec!["power", ",region=", "norte", "aaaaaaaaaaaaaaaa", "1.5", "\n"])
            .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(piece, 0..200).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_comes_back_whatever_its_tokens_say(text in texts(), tokens in hints()) {
        round_trip(&mut Gzip::default(), &text, &tokens);
    }

    #[test]
    fn tokens_in_order_that_say_too_much_cost_size_alone(text in texts(), mut tokens in hints()) {
        tokens.sort_by_key(|token| token.end);
        round_trip(&mut Gzip::default(), &text, &tokens);
    }
}
