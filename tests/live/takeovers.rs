//! How long it takes until another machine serves, after the owner's machine has died without a word.

use crate::daemon::Daemon;
use crate::faults::talking;
use crate::figures;
use crate::floor::{Floor, live};
use crate::outcomes::{ended, they_talk};
use crate::replicas::{WAITS, standby};
use crate::size;
use cordboard::core::fact::Party;
use cordboard::core::outcome::Disposition;
use std::time::Instant;

/// The first one again, which waits.
async fn back_again(floor: &mut Floor) -> Daemon {
    let mut first = Daemon::start(floor.servers, &floor.database, &floor.settings);
    first.says(WAITS).await;
    floor.daemon.says("another replica waits for the node").await;
    first
}

#[test]
fn one_call_outlives_one_owner_after_another() {
    live(async |floor| {
        let (_ann, call, customer) = talking(floor).await;
        let mut took = Vec::new();
        for turn in 0..(size::size() / 200).clamp(2, 50) {
            let mut next = if turn % 2 == 0 { standby(floor).await } else { back_again(floor).await };
            let died = Instant::now();
            floor.daemon.kill();
            next.is_ready().await;
            took.push(died.elapsed());
            floor.daemon = next;
            they_talk(&call, &customer).await;
        }
        let count = took.len();
        figures::row("recovery: the owner's machine dead to another serving", count, figures::spread(&mut took));
        customer.hang_up();
        ended(floor, Disposition::Answered, Party::Customer).await;
    });
}
