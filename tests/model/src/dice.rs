//! Chance with a seed. Home-made (`SplitMix64`), so that a seed that found something finds it again after every update.

/// A source of numbers.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same seed, the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x5DEE_CE66_D1CE_5EED)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From `low` up to `high`, without `high`; `low` if there is nothing between.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high - low).unwrap_or(0).max(1);
        low + i64::try_from(self.bits() % width).unwrap_or(0)
    }

    /// One of `n`, from 0.
    pub fn one_of(&mut self, n: usize) -> usize {
        usize::try_from(self.between(0, i64::try_from(n).unwrap_or(i64::MAX))).unwrap_or(0)
    }

    /// True so many times in a thousand.
    pub fn permille(&mut self, n: u32) -> bool {
        self.bits() % 1000 < u64::from(n)
    }
}
