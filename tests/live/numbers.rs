//! From which number a call is made.

use crate::floor::{SOON, live};
use cordboard::core::outcome::{Disposition, RefusalReason};

#[test]
fn six_calls_over_three_numbers_take_each_twice_in_turn() {
    live(async |floor| {
        let ours = ["+12025550150", "+12025550151", "+12025550152"];
        let ann = floor.phone("ann", &ours).await;
        for i in 0..6 {
            let call = ann.call(&format!("+1415555010{i}")).await;
            call.answered(SOON).await.expect("an answer");
            call.hang_up();
            floor.settled(i + 1).await;
        }
        let presented: Vec<_> =
            floor.carrier.log().invites().iter().map(|e| e.from_user().map(str::to_owned)).collect();
        let (first, second) = presented.split_at(3);
        assert_eq!(first, second, "not in turn");
        let mut used: Vec<_> = first.iter().flatten().map(String::as_str).collect();
        used.sort_unstable();
        assert_eq!(used, ours);
    });
}

#[test]
fn an_assignment_made_by_hand_counts_for_the_next_call() {
    live(async |floor| {
        let ann = floor.phone("ann", &[]).await;
        let call = ann.call("+14155550101").await;
        call.rtp_until("why not", SOON, |rtp| rtp.received > 10).await.expect("audio");
        call.cancel();
        assert_eq!(floor.the_call().await.refusal, Some(RefusalReason::NoNumberAssigned));
        floor.assign(ann.agent, "+12025550150", 100).await;
        let call = ann.call("+14155550101").await;
        call.answered(SOON).await.expect("an answer");
        call.hang_up();
        assert_eq!(floor.settled(2).await[1].disposition, Some(Disposition::Answered));
        // And one that is ended by hand does not count for the next.
        floor.sql("UPDATE assignments SET ends_at = now()").await;
        let call = ann.call("+14155550101").await;
        call.rtp_until("why not", SOON, |rtp| rtp.received > 10).await.expect("audio");
        call.cancel();
        assert_eq!(floor.settled(3).await[2].refusal, Some(RefusalReason::NoNumberAssigned));
    });
}
