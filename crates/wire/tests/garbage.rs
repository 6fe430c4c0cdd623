//! Every decoder against thousands of damaged inputs: the fuzz targets of `fuzz/` and their seeds, without a fuzzer.
//! The same inputs every time; where one fails, it is printed as a Rust literal.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use serde_json::Value;

#[path = "../../../fuzz/src/lib.rs"]
mod decoders;

const CASES_PER_TARGET: u64 = 4000;

/// Small, and known to be even: `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// What breaks parsers: separators of all formats, extremes of numbers, half of something.
const TOKENS: [&[u8]; 36] = [
    b"",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\"",
    b"\\",
    b"\\u",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"true",
    b"-",
    b"1e999",
    b"-1",
    b"9223372036854775808",
    b"99999999999999999999",
    b"NaN",
    b"<",
    b"</",
    b"/>",
    b"<![CDATA[",
    b"&#x",
    b"&amp;",
    b"%",
    b"%2",
    b".",
    b"=",
    b"&",
    b"\r\n",
    b"ffffffff",
    b"\x9f\xbf\x5f\x7f",
];

fn damage(input: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        let to = (at + random.below(16)).min(input.len());
        match random.below(9) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.byte(),
            2 => input.truncate(at),
            3 => drop(input.drain(at..to)),
            4 => drop(input.splice(at..at, TOKENS[random.below(TOKENS.len())].iter().copied())),
            5 => drop(input.splice(at..to, TOKENS[random.below(TOKENS.len())].iter().copied())),
            6 => {
                // The same again and again: depth and repetition.
                let piece = input[at..to].to_vec();
                let times = 1 << random.below(9);
                input.splice(at..at, piece.repeat(times));
            }
            7 => {
                let other = &others[random.below(others.len())];
                let from = random.below(other.len() + 1);
                input.splice(at..to, other[from..].iter().copied());
            }
            _ => input.extend((0..random.below(8)).map(|_| random.byte())),
        }
        input.truncate(64 << 10);
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let read = || -> std::io::Result<Vec<Vec<u8>>> {
        let mut files =
            std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        files.sort();
        files.iter().map(std::fs::read).collect()
    };
    let seeds = read().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds
}

#[track_caller]
fn survives(name: &str, decode: decoders::Target, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| decode(input))).unwrap_or_else(|panic| {
        eprintln!("{name} failed on b\"{}\"", input.escape_ascii());
        resume_unwind(panic)
    })
}

fn check(name: &str) {
    let (_, decode) = decoders::TARGETS.into_iter().find(|(target, _)| *target == name).expect("a target");
    let seeds = seeds(name);
    for seed in &seeds {
        assert!(survives(name, decode, seed), "{name}: the seed makes no sense: {}", seed.escape_ascii());
    }
    let mut random = Random(name.bytes().fold(1, |seed, byte| seed * 31 + u64::from(byte)));
    for case in 0..CASES_PER_TARGET {
        let input = if case % 8 == 0 {
            (0..random.below(200)).map(|_| random.byte()).collect()
        } else {
            let mut input = seeds[random.below(seeds.len())].clone();
            damage(&mut input, &seeds, &mut random);
            input
        };
        survives(name, decode, &input);
    }
}

/// Well-formed JSON that is no proper model: damaged bytes hardly ever get past the parser.
#[test]
fn models_with_parts_exchanged() {
    let seeds: Vec<Value> = seeds("model").iter().map(|seed| serde_json::from_slice(seed).unwrap()).collect();
    let mut random = Random(7);
    for _ in 0..CASES_PER_TARGET {
        let mut model = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(3) {
            let parts = parts(&model);
            let (to, from) = (random.below(parts.len()), random.below(parts.len()));
            let stand_ins =
                [Value::Null, Value::from(-1), Value::from(""), Value::from("com.foo#In"), Value::from(1e300)];
            let part = match random.below(2) {
                0 => model.pointer(&parts[from]).cloned().unwrap_or_default(),
                _ => stand_ins[random.below(stand_ins.len())].clone(),
            };
            if let Some(place) = model.pointer_mut(&parts[to]) {
                *place = part;
            }
        }
        survives("model", decoders::model, model.to_string().as_bytes());
    }
}

/// The JSON pointers of all values but the root.
fn parts(value: &Value) -> Vec<String> {
    let step = |name: &str, inner: &Value| {
        let here = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let below: Vec<String> = parts(inner).iter().map(|part| format!("{here}{part}")).collect();
        std::iter::once(here).chain(below).collect::<Vec<_>>()
    };
    match value {
        Value::Object(entries) => entries.iter().flat_map(|(name, inner)| step(name, inner)).collect(),
        Value::Array(items) => items.iter().enumerate().flat_map(|(at, inner)| step(&at.to_string(), inner)).collect(),
        _ => Vec::new(),
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*

        #[test]
        fn no_target_is_forgotten() {
            assert_eq!(decoders::TARGETS.map(|(name, _)| name), [$(stringify!($name)),*]);
        }
    };
}

targets!(aws_chunked cbor credential event_stream gzip json model query rest xml);
