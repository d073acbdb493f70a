//! How often somebody may ask. A fixed number of cells holds for everybody, so that no crowd fills the memory: each key has two
//! of them, and is refused when both are full. Two keys get in each other's way only if they share both.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often: so many at once, and then one each so many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// Milliseconds until there is one more.
    pub every_ms: u32,
}

/// Of each of the two rows.
const CELLS: usize = 4_096;

/// Counts who asks how often. A cell holds the moment, in milliseconds since the start, at which it is empty again.
pub(super) struct Limiter {
    rate: Rate,
    began: Instant,
    keys: [RandomState; 2],
    rows: [Box<[AtomicU64]>; 2],
}

impl Limiter {
    pub fn new(rate: Rate) -> Self {
        let row = || (0..CELLS).map(|_| AtomicU64::new(0)).collect();
        Self { rate, began: Instant::now(), keys: [RandomState::new(), RandomState::new()], rows: [row(), row()] }
    }

    /// Counts one more of this key.
    ///
    /// # Errors
    ///
    /// How long to wait, if it is one too many; then it was not counted.
    pub fn take(&self, key: impl Hash) -> Result<(), Duration> {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.take_at(key, now)
    }

    fn take_at(&self, key: impl Hash, now: u64) -> Result<(), Duration> {
        let every = u64::from(self.rate.every_ms);
        let full = u64::from(self.rate.burst).saturating_mul(every);
        let cells = std::array::from_fn::<_, 2, _>(|row| {
            let place = usize::try_from(self.keys[row].hash_one(&key) % CELLS as u64).unwrap_or(0);
            &self.rows[row][place]
        });
        // How full the emptier one would be with one more.
        let level = |cell: &AtomicU64| cell.load(Ordering::Relaxed).saturating_sub(now) + every;
        let least = cells.iter().map(|cell| level(cell)).min().unwrap_or(every);
        if least > full {
            return Err(Duration::from_millis(least - full));
        }
        for cell in cells {
            // Two at the same moment may both find room for one; a limit of many does not mind.
            let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |until| Some(until.max(now) + every));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, every_ms: 100 };

    #[test]
    fn so_many_at_once_and_then_one_at_a_time() {
        let limiter = Limiter::new(RATE);
        let takes = |at| (0..10).map_while(|_| limiter.take_at("alice", at).ok()).count();
        assert_eq!(takes(1_000), 3);
        assert_eq!(limiter.take_at("alice", 1_000), Err(Duration::from_millis(100)));
        assert_eq!(limiter.take_at("alice", 1_060), Err(Duration::from_millis(40)));
        assert_eq!(takes(1_100), 1);
        assert_eq!(takes(1_350), 2);
        assert_eq!(takes(9_000), 3, "no more is saved up");
    }

    #[test]
    fn one_does_not_use_up_what_another_has() {
        let limiter = Limiter::new(RATE);
        let good = (0..200).filter(|key| (0..3).all(|_| limiter.take_at(key, 0).is_ok())).count();
        // Of 200 keys, nearly all have a cell to themselves.
        assert!(good >= 195, "{good}");
        assert!((0..200).filter(|key| limiter.take_at(key, 0).is_ok()).count() <= 5);
    }
}
