//! What is compressed comes back, whatever the text is and whatever its tokens say.
//!
//! Texts are of the kinds that lines are made of: words that come again, digits, and anything. Tokens say where the parts of
//! a text end, or lie. One [`Gzip`] compresses several texts, since it keeps what it works with; two readers that others
//! have written read each member.
#![no_main]
#![allow(dead_code, unreachable_pub, reason = "the modules of the loader are here without those that use them")]

use std::io::Read;

use arbitrary::Arbitrary;
use flate2::bufread::GzDecoder;
use libfuzzer_sys::fuzz_target;

use gzip::Gzip;
use points::{Identity, Token};

#[path = "../../host/src/gzip/mod.rs"]
mod gzip;
mod points;

/// The longest text, in bytes: twice what a match reaches back, and more.
const LONGEST: usize = 80_000;

/// The longest part but [`Part::Far`], in bytes: several times as long as a match.
const LONGEST_PART: u16 = 1_200;

/// How many texts are compressed by one [`Gzip`], at most.
const CALLS: usize = 3;

const HEADER_BYTES: usize = 10;
const TRAILER_BYTES: usize = 8;

const WORDS: [&str; 8] = [
    "generation_data",
    ",energy_source=hidraulica",
    ",plant_name=UHE\\ Plant\\ 0001",
    ",plant_name=UHE\\ Plant\\ 0002",
    ",region=sul",
    " power_mw=",
    " 1700000000",
    "000000000\n",
];

/// A text of a chunk, and what is said of it.
#[derive(Arbitrary, Debug)]
struct Call {
    parts: Vec<Part>,
    lies: Vec<Lie>,
    /// Said after everything else.
    rest: Vec<(u32, Name)>,
}

/// A part of a text, which is a token.
#[derive(Arbitrary, Debug)]
enum Part {
    /// Any bytes.
    Bytes(Name, Vec<u8>),
    /// One of [`WORDS`], called by its number.
    Word(u8),
    /// The digits of a number.
    Digits(u32),
    /// A byte again and again.
    Run(Name, u8, u16),
    /// Bytes that hardly repeat, up to so many kinds of them.
    Noise(Name, u32, u16, u8),
    /// What was written so far back, of this length: it may reach into itself.
    Again(Name, u16, u16),
    /// As long a text as it takes until the same tokens are out of reach; seldom, since it takes long.
    Far(u8, u8),
}

/// An identity: nothing, or a place and one of its texts.
type Name = Option<(u16, i32)>;

/// What is said of a token instead of the truth.
#[derive(Arbitrary, Debug)]
enum Lie {
    End(u16, u32),
    Name(u16, Name),
    Missing(u16),
    Twice(u16),
    Swapped(u16, u16),
}

fuzz_target!(|calls: Vec<Call>| {
    let mut used = Gzip::default();
    for call in calls.iter().take(CALLS) {
        let (text, tokens) = call.text();
        let member = used.compress(&text, &tokens);
        assert!(member == Gzip::default().compress(&text, &tokens), "the texts before are to be seen in the member");
        assert!(inflated_by_zlib(&member) == text, "zlib-rs reads another text");
        assert!(inflated_by_miniz(&member) == text, "miniz_oxide reads another text");
    }
});

/// Reads all of a member, its checksum and its length included.
fn inflated_by_zlib(member: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut decoder = GzDecoder::new(member);
    decoder.read_to_end(&mut text).expect("zlib-rs reads the member");
    assert!(decoder.into_inner().is_empty(), "something is after the member");
    text
}

fn inflated_by_miniz(member: &[u8]) -> Vec<u8> {
    let stream = &member[HEADER_BYTES..member.len() - TRAILER_BYTES];
    miniz_oxide::inflate::decompress_to_vec(stream).expect("miniz_oxide reads the stream")
}

fn identity(name: Name) -> Identity {
    name.map_or(Identity::NONE, |(place, text)| Identity::of_place(place.into()).text(text))
}

fn token(end: usize, identity: Identity) -> Token {
    Token { end: u32::try_from(end).expect("texts are short"), identity }
}

impl Call {
    fn text(&self) -> (Vec<u8>, Vec<Token>) {
        let (mut text, mut tokens) = (Vec::new(), Vec::new());
        for part in &self.parts {
            let identity = part.write(&mut text);
            if text.len() > LONGEST {
                text.truncate(LONGEST);
                break;
            }
            tokens.push(token(text.len(), identity));
        }
        self.lies.iter().for_each(|lie| lie.tell(&mut tokens));
        tokens.extend(self.rest.iter().map(|(end, name)| Token { end: *end, identity: identity(*name) }));
        (text, tokens)
    }
}

impl Part {
    fn write(&self, text: &mut Vec<u8>) -> Identity {
        match *self {
            Self::Bytes(name, ref bytes) => {
                text.extend_from_slice(bytes);
                identity(name)
            }
            Self::Word(number) => {
                let number = usize::from(number) % WORDS.len();
                text.extend_from_slice(WORDS[number].as_bytes());
                Identity::of_place(number)
            }
            Self::Digits(number) => {
                text.extend_from_slice(number.to_string().as_bytes());
                Identity::NONE
            }
            Self::Run(name, byte, count) => {
                text.resize(text.len() + usize::from(count % LONGEST_PART), byte);
                identity(name)
            }
            Self::Noise(name, seed, count, kinds) => {
                noise(seed, usize::from(count % LONGEST_PART), kinds, text);
                identity(name)
            }
            Self::Again(name, distance, length) => {
                if let Some(start) = text.len().checked_sub(usize::from(distance).max(1)) {
                    for at in start..start + usize::from(length % LONGEST_PART) {
                        text.push(text[at]);
                    }
                }
                identity(name)
            }
            Self::Far(luck, more) => {
                if luck.is_multiple_of(32) {
                    noise(1, 32_768 - 128 + usize::from(more), 9, text);
                }
                Identity::NONE
            }
        }
    }
}

/// Writes the numbers of a generator, of which consecutive ones look unlike each other.
fn noise(seed: u32, count: usize, kinds: u8, text: &mut Vec<u8>) {
    let mut state = u64::from(seed) | 1 << 40;
    text.extend((0..count).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [.., high] = state.to_le_bytes();
        if kinds == u8::MAX { high } else { b'0'.wrapping_add(high % (kinds + 1)) }
    }));
}

impl Lie {
    fn tell(&self, tokens: &mut Vec<Token>) {
        if tokens.is_empty() {
            return;
        }
        let at = |number: u16| usize::from(number) % tokens.len();
        match *self {
            Self::End(number, end) => {
                let at = at(number);
                tokens[at].end = end;
            }
            Self::Name(number, name) => {
                let at = at(number);
                tokens[at].identity = identity(name);
            }
            Self::Missing(number) => _ = tokens.remove(at(number)),
            Self::Twice(number) => {
                let at = at(number);
                tokens.insert(at, tokens[at]);
            }
            Self::Swapped(one, other) => {
                let (one, other) = (at(one), at(other));
                tokens.swap(one, other);
            }
        }
    }
}
