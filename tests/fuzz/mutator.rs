//! Inputs that are nearly right: seeds, changed a little, from a seed of their own.

use std::fmt::Write as _;

/// `SplitMix64`.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let n = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((n ^ (n >> 31)) >> 1).unwrap_or(0) % limit.max(1)
    }
}

/// What breaks parsers.
const ODD: [&[u8]; 28] = [
    b"",
    b"\0",
    b"\r\n",
    b"\"",
    b"'",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"=",
    b"-1",
    b"0",
    b"4294967296",
    b"18446744073709551616",
    b"1e400",
    b"null",
    b"true",
    b"\xff",
    b"\xc3",
    "\u{202e}".as_bytes(),
    "٣".as_bytes(),
    b"+",
    b"@",
    b"../",
    b"%0d%0a",
];

/// One of the seeds with one change, or with up to eight.
pub fn mutated(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = seeds[chance.below(seeds.len())].clone();
    for _ in 0..=chance.below(8) * chance.below(2) {
        let at = chance.below(bytes.len() + 1);
        let end = (at + 1 + chance.below(12)).min(bytes.len());
        match chance.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
            1 => drop(bytes.splice(at..end, ODD[chance.below(ODD.len())].iter().copied())),
            2 => drop(bytes.splice(at..at, ODD[chance.below(ODD.len())].iter().copied())),
            3 => drop(bytes.drain(at.min(end)..end)),
            4 => bytes.truncate(at),
            5 => {
                let part = bytes[at.min(end)..end].to_vec();
                let times = 1 + chance.below(40);
                drop(bytes.splice(at..at, part.repeat(times)));
            }
            6 => {
                let other = &seeds[chance.below(seeds.len())];
                let from = chance.below(other.len() + 1);
                drop(bytes.splice(at..end, other[from..].iter().copied()));
            }
            7 => word(&mut bytes, chance),
            _ => bytes.insert(at, u8::try_from(chance.below(256)).unwrap_or(0)),
        }
        bytes.truncate(8192);
    }
    bytes
}

/// Changes a whole word, so that what is around it stays readable.
fn word(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
    let starts: Vec<usize> =
        (0..bytes.len()).filter(|at| is_word(&bytes[*at]) && (*at == 0 || !is_word(&bytes[at - 1]))).collect();
    if starts.is_empty() {
        return;
    }
    let start = starts[chance.below(starts.len())];
    let end = bytes[start..].iter().position(|byte| !is_word(byte)).map_or(bytes.len(), |length| start + length);
    bytes.splice(start..end, ODD[chance.below(ODD.len())].iter().copied());
}

/// Shows the input when the code under test panics.
pub struct Witness<'a>(pub &'a [u8]);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut text = String::new();
            for byte in self.0 {
                let _ = write!(text, "{}", std::ascii::escape_default(*byte));
            }
            eprintln!("the input: b\"{text}\"");
        }
    }
}
