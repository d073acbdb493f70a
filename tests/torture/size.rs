//! How much, and from which seed.

use model_asterisk::Dice;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Kills on the model: the one size from which the others follow. Large enough that each crash point is met.
pub fn size() -> usize {
    number("CORDBOARD_TORTURE_SIZE").map_or(30, |size| usize::try_from(size).unwrap_or(30))
}

/// Whether this is the short form, which proves that it works and not how well.
pub fn is_short() -> bool {
    size() < 100
}

pub fn seed() -> u64 {
    number("CORDBOARD_TORTURE_SEED").unwrap_or(1)
}

/// Chance for one purpose.
pub fn dice(purpose: &str) -> Dice {
    let seed = purpose.bytes().fold(seed(), |seed, byte| seed.wrapping_mul(0x100_0000_01B3) ^ u64::from(byte));
    Dice::new(seed)
}

/// The tests measure time and share a machine.
pub fn turn() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}
