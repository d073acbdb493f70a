//! `Idempotency-Key` over deaths of the daemon: whoever asks again with the same key is told of the same call, and the customer's
//! phone rings once at most. The carrier is the witness; that it would see a second ring is shown by the control in `kills`.

use crate::floor::{Floor, live_with};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sip_peer::Behaviour;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

const TOKEN: &str = "the-token-of-a-persistent-program";
/// Before it is decided; while the decision is on its way to the disk; and from then on.
const POINTS: [&str; 6] = ["K01", "K02", "K04", "K07", "K09", "K16"];

/// Asks for a call; 0 if no answer came.
async fn start(to: SocketAddr, agent: &str, number: &str, key: Option<&str>) -> (u16, Value) {
    let body = json!({ "agent": agent, "to": number }).to_string();
    let key = key.map(|key| format!("Idempotency-Key: {key}\r\n")).unwrap_or_default();
    let request = format!(
        "POST /api/v1/calls HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Type: application/json\r\n{key}\
         Authorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let exchange = async {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = exchange.await.unwrap_or_default();
    let status = answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// How often the carrier was called for each number.
fn invites(floor: &Floor) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for invite in floor.carrier.log().invites() {
        *found.entry(invite.uri_user().unwrap_or("").to_owned()).or_default() += 1;
    }
    found
}

#[test]
fn a_start_with_a_key_rings_once_wherever_the_daemon_was_killed() {
    let scenario = async |floor: &mut Floor| {
        floor.excused.killed = true;
        floor.excused.overtaken_invites = true;
        sqlx::query("INSERT INTO api_tokens (organization_id, name, sha256) SELECT id, 'keys', $1 FROM organizations")
            .bind(Sha256::digest(TOKEN).as_slice())
            .execute(&floor.pool)
            .await
            .expect("a token");
        let picks_up = Behaviour::Answer {
            ring: Duration::from_millis(50),
            early_media: false,
            hang_up_after: Some(Duration::from_millis(800)),
        };
        let ann = floor.phone_that("ann", &["+12025550150"], picks_up).await;
        floor.carrier_does(Behaviour::reject(486));
        floor.daemon.kill();
        let mut died_at = Vec::new();
        for (place, point) in POINTS.into_iter().enumerate() {
            let (number, key) = (format!("+1415{:07}", 5_000_000 + place), format!("order-{point}"));
            floor.daemon_dying_at(Some(format!("{point}:1"))).await;
            let (http, endpoint, to, same) = (floor.servers.http, ann.endpoint.clone(), number.clone(), key.clone());
            let first = tokio::spawn(async move { start(http, &endpoint, &to, Some(&same)).await });
            if floor.daemon.dies(Duration::from_secs(5)).await {
                died_at.push(point);
            }
            floor.daemon.kill();
            let (status, first) = first.await.expect("no panic");
            floor.restart_daemon().await;
            // Who heard nothing asks again, and again.
            for _ in 0..3 {
                let (again, answer) = start(floor.servers.http, &ann.endpoint, &number, Some(&key)).await;
                let rows = floor.count(&format!("SELECT count(*) FROM calls c JOIN call_numbers n ON n.call_id = c.id WHERE n.destination = '{number}'")).await;
                match again {
                    201 => {
                        assert_eq!(rows, 1, "{point}: {answer}");
                        assert!(status != 201 || answer["id"] == first["id"], "{point}: {answer} after {first}");
                    }
                    409 => assert_eq!((rows, &answer["code"]), (0, &json!("key_in_use")), "{point}: {answer}"),
                    _ => panic!("{point}: {again} {answer}"),
                }
            }
            let deadline = Instant::now() + Duration::from_secs(30);
            while floor.count("SELECT count(*) FROM calls WHERE settled_at IS NULL").await > 0 {
                assert!(Instant::now() < deadline, "{point}: a call stays open\n{}", floor.daemon.log());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            floor.daemon.kill();
        }
        floor.restart_daemon().await;
        assert!(died_at.len() >= 4, "it died at {died_at:?} only");
        let twice: Vec<_> = invites(floor).into_iter().filter(|(_, times)| *times > 1).collect();
        assert!(twice.is_empty(), "rang twice: {twice:?}");
    };
    live_with(|settings| settings.calls = "agent_ring_timeout_s = 5\nring_timeout_s = 15", scenario);
}
