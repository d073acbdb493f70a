//! Controls: what must never be, done on purpose. Each must be noticed, or the zeros of the others mean nothing.

use crate::floor::{Floor, endpoint, run};
use crate::judge::{Evidence, evidence, judge};
use crate::size::dice;
use crate::traffic::{Asked, Traffic};
use fault_proxy::{Faults, On, Rule, What};
use model_asterisk::{FarEnd, Knobs, Server};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Some ordinary calls, to their end.
async fn some_calls() -> (Floor, Evidence) {
    let mut floor = Floor::open().await;
    let traffic = Traffic::start(&floor, 25, dice("controls"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = traffic.stop().await;
    assert_eq!(floor.rest().await, None);
    let evidence = evidence(&floor, &asked).await;
    assert_eq!(judge(&evidence).complaints(), Vec::<String>::new());
    (floor, evidence)
}

/// The records after somebody lost facts, wrote one twice, or invented one.
#[test]
fn control_records_that_are_lost_doubled_or_invented_are_noticed() {
    run(async {
        let (floor, mut evidence) = some_calls().await;
        let answered = |evidence: &Evidence| {
            let rows = evidence.rows.iter();
            let found = rows.enumerate().find(|(_, (row, _))| row.answered_at.is_some() && !row.estimated);
            found.map(|(index, (row, _))| (index, row.id)).expect("an answered call")
        };
        let (index, call) = answered(&evidence);

        let lost = evidence.rows.remove(index);
        assert_eq!(judge(&evidence).lost.len(), 1 + usize::from(evidence.promised.contains(&call)));
        evidence.rows.push(lost.clone());

        let mut again = lost.clone();
        again.0.id = cordboard::core::ids::CallId(uuid::Uuid::nil());
        evidence.rows.push(again);
        assert_eq!(judge(&evidence).duplicated.len(), 1);
        evidence.rows.pop();

        let leg = evidence.legs.remove(&call).expect("what the carrier saw");
        assert_eq!(judge(&evidence).phantom.len(), 2);
        evidence.legs.insert(call, leg);

        // The last fact never reached the database.
        let (_, facts) = evidence.rows.last_mut().expect("a row");
        facts.pop();
        assert_eq!(judge(&evidence).broken.len(), 1);
        floor.close().await;
    });
}

/// A counter that is written by itself, before the call it counts; and a death in between.
#[test]
fn control_a_naive_counter_is_noticed() {
    run(async {
        let (floor, _) = some_calls().await;
        sqlx::query("UPDATE number_days SET used = used + 1 WHERE ctid = (SELECT ctid FROM number_days LIMIT 1)")
            .execute(&floor.pool)
            .await
            .expect("a count");
        // Here it would write the call.
        let evidence = evidence(&floor, &Asked::default()).await;
        assert_eq!(judge(&evidence).miscounted, ["1 counters are not the calls"]);
        floor.close().await;
    });
}

/// Without the safety net in Asterisk a death leaves people ringing, and alone.
#[test]
fn control_without_hangup_handlers_people_are_left_ringing_and_alone() {
    run(async {
        let mut floor = Floor::with(Knobs { handlers: false, ..Knobs::default() }).await;
        let answers = FarEnd::Answer { ring: 0, early_media: false, hang_up_after: None };
        let ends = [("+14152000001", FarEnd::RingForever), ("+14152000002", answers)];
        let phones = ends.map(|(number, end)| {
            floor.model.with(|model| {
                model.set_far_end(number, end);
                model.phone_dials(&endpoint(0), number)
            })
        });
        let called = |number: &str| {
            floor.model.with(|model| {
                let mut legs = model.far_legs().values();
                legs.any(|leg| leg.user == number && (leg.ringing_since.is_some() || leg.answered_at.is_some()))
            })
        };
        for _ in 0..500 {
            if called("+14152000001") && called("+14152000002") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        floor.process.kill();
        for phone in phones {
            floor.model.with(|model| model.phone_hangs_up(&phone));
        }
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let seen = floor.monitor.seen();
        assert_eq!((seen.for_nobody.len(), seen.silent.len()), (1, 1), "{seen:?}");
        floor.close().await;
    });
}

/// A client that does what ours must never do: it takes a lost reply for a failure, and calls again.
#[test]
fn control_a_client_that_repeats_what_it_does_not_know_calls_twice() {
    run(async {
        let floor = Floor::open().await;
        let rules = vec![Rule::new(On::Request("POST", "/dial"), What::DropReply).permille(300)];
        floor.ari.set(Faults { rules, ..Faults::default() });
        let mut twice = 0;
        for call in 0..30 {
            let number = format!("+1415300{call:04}");
            floor.model.with(|model| model.set_far_end(&number, FarEnd::Reject { status: 486, ring: 0 }));
            for attempt in 0..2 {
                if naive(&floor.model, floor.ari.addr, &format!("naive-{call}-{attempt}"), &number).await {
                    break;
                }
            }
            let invites: u32 = floor
                .model
                .with(|model| model.far_legs().values().filter(|leg| leg.user == number).map(|leg| leg.invites).sum());
            twice += usize::from(invites > 1);
        }
        assert!(twice > 0, "no reply was lost, or a second INVITE is not seen");
        println!("the naive client called {twice} of 30 people twice");
        floor.close().await;
    });
}

/// Creates and dials; whether it thinks that it did.
async fn naive(model: &Server, ari: SocketAddr, channel: &str, number: &str) -> bool {
    let endpoint = format!("PJSIP%2F%2B{}@carrier", number.trim_start_matches('+'));
    let create = format!("/ari/channels/create?channelId={channel}&endpoint={endpoint}&app=cordboard&appArgs=customer");
    if !post(ari, &create).await {
        return false;
    }
    for _ in 0..200 {
        if model.with(|model| model.channel(channel).is_some_and(|c| c.in_app == model_asterisk::InApp::Yes)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let done = post(ari, &format!("/ari/channels/{channel}/dial")).await;
    // What it began comes to its end.
    tokio::time::sleep(Duration::from_millis(20)).await;
    done
}

/// Whether it succeeded, as far as the reply tells.
async fn post(ari: SocketAddr, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(ari).await else { return false };
    let request = format!("POST {path} HTTP/1.1\r\nHost: {ari}\r\nContent-Length: 0\r\n\r\n");
    if stream.write_all(request.as_bytes()).await.is_err() {
        return false;
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.is_ok() && answer.starts_with(b"HTTP/1.1 2")
}
