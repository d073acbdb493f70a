//! Reading carriers, against servers that answer as the carriers document: what is repeated and what is not, and for how long.

use cordboard::carriers::{CarrierError, Client, Patience, Unreadable};
use cordboard::config;
use cordboard::inventory::listed::{CarrierKind, Page};
use model_carrier::{ACCOUNT, Carrier, Fault, SECRET, telnyx_number, twilio_number};
use secrecy::SecretString;
use std::time::Duration;

const SOON: Patience = Patience {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(5),
    attempts: 3,
    pause: Duration::from_millis(1),
    pause_max: Duration::from_secs(2),
};

fn settings(server: &Carrier, kind: CarrierKind) -> config::Carrier {
    config::Carrier {
        name: "test".to_owned(),
        kind,
        url: server.url.parse().expect("a URL"),
        account: (kind == CarrierKind::Twilio).then(|| ACCOUNT.to_owned()),
        username: None,
        secret: Some(SecretString::from(SECRET)),
        organization: None,
        trunk: None,
        page_size: 2,
    }
}

fn client(server: &Carrier, kind: CarrierKind) -> Client {
    Client::new(&settings(server, kind), SOON).expect("a client")
}

fn numbers(page: &Page) -> Vec<String> {
    page.entries.iter().map(|entry| entry.read.as_ref().expect("a number").e164.to_string()).collect()
}

fn three_of_telnyx() -> Vec<serde_json::Value> {
    (1..=3).map(|n| telnyx_number(n, &format!("+1202555012{n}"), "active")).collect()
}

#[tokio::test]
async fn both_carriers_are_read_to_their_last_page() {
    let twilio: Vec<_> = (1..=5).map(|n| twilio_number(n, &format!("+1202555012{n}"), "x")).collect();
    let telnyx: Vec<_> = (1..=5).map(|n| telnyx_number(n, &format!("+1202555012{n}"), "active")).collect();
    let servers =
        [(Carrier::twilio(twilio).await, CarrierKind::Twilio), (Carrier::telnyx(telnyx).await, CarrierKind::Telnyx)];
    for (server, kind) in servers {
        let client = client(&server, kind);
        let (mut read, mut cursor) = (Vec::new(), None);
        loop {
            let page = client.page(cursor.as_deref(), 2, &[]).await.expect("a page");
            read.extend(numbers(&page));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let wanted = (1..=5).map(|n| format!("+1202555012{n}")).collect::<Vec<_>>();
        assert_eq!((read, server.asked()), (wanted, vec![1, 2, 3]), "{kind}");
    }
}

#[tokio::test]
async fn what_failed_in_passing_is_asked_again_and_not_for_ever() {
    let server = Carrier::telnyx(three_of_telnyx()).await;
    let client = client(&server, CarrierKind::Telnyx);
    for fault in [Fault::Status(429, Some("0")), Fault::Status(500, None), Fault::Status(503, Some("1")), Fault::Cut] {
        server.fails(1, fault.clone());
        assert_eq!(numbers(&client.page(None, 2, &[]).await.expect("a page")).len(), 2, "{fault:?}");
        assert_eq!(server.asked(), [1, 1], "{fault:?}");
    }
    for _ in 0..3 {
        server.fails(1, Fault::Status(503, None));
    }
    let error = client.page(None, 2, &[]).await.expect_err("it gives up");
    assert!(matches!(error, CarrierError::Busy { status: 503, attempts: 3 }), "{error}");
    assert_eq!(server.asked().len(), 3);
    server.fails(1, Fault::Status(429, Some("3600")));
    let error = client.page(None, 2, &[]).await.expect_err("nobody waits for an hour");
    assert!(matches!(error, CarrierError::Busy { status: 429, attempts: 1 }), "{error}");
}

#[tokio::test]
async fn what_will_not_get_better_is_asked_once() {
    let server = Carrier::telnyx(three_of_telnyx()).await;
    let client = client(&server, CarrierKind::Telnyx);
    for (fault, wanted) in [
        (Fault::Status(401, None), "it does not take our credentials (status 401)"),
        (Fault::Status(404, None), "it answers with status 404"),
        (Fault::Body("<html>".to_owned()), "its answer is not as documented"),
        (Fault::Huge, "its answer is longer than 8 MiB"),
    ] {
        server.fails(1, fault);
        let error = client.page(None, 2, &[]).await.expect_err(wanted).to_string();
        assert!(error.starts_with(wanted), "{error}");
        assert_eq!(server.asked(), [1], "{wanted}");
    }
}

#[tokio::test]
async fn the_secret_goes_to_no_other_address() {
    let elsewhere = Carrier::twilio(Vec::new()).await;
    let server = Carrier::twilio(Vec::new()).await;
    let client = client(&server, CarrierKind::Twilio);
    let next = format!("{}/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json?Page=1", elsewhere.url);
    server.fails(1, Fault::Body(serde_json::json!({"incoming_phone_numbers": [], "next_page_uri": next}).to_string()));
    let error = client.page(None, 2, &[]).await.expect_err("a page elsewhere");
    assert!(matches!(error, CarrierError::Unreadable(Unreadable::Elsewhere)), "{error}");
    server.fails(1, Fault::Redirect(next.clone()));
    let error = client.page(None, 2, &[]).await.expect_err("a redirect");
    assert!(matches!(error, CarrierError::Refused { status: 302 }), "{error}");
    let error = client.page(Some(&next), 2, &[]).await.expect_err("a cursor from a database that somebody wrote to");
    assert!(matches!(error, CarrierError::Unreadable(Unreadable::Elsewhere)), "{error}");
    assert_eq!(elsewhere.asked(), [0; 0], "nobody asked there");
    // The control: asked at its own address, it would have heard.
    assert!(client_of(&elsewhere).page(None, 2, &[]).await.is_ok());
    assert_eq!(elsewhere.asked(), [1]);
}

fn client_of(server: &Carrier) -> Client {
    client(server, CarrierKind::Twilio)
}

#[tokio::test]
async fn who_has_no_secret_or_a_wrong_one_is_told() {
    let server = Carrier::telnyx(three_of_telnyx()).await;
    let none = config::Carrier { secret: None, ..settings(&server, CarrierKind::Telnyx) };
    assert!(matches!(Client::new(&none, SOON), Err(CarrierError::NoSecret(name)) if name == "test"));
    let wrong = config::Carrier { secret: Some(SecretString::from("wrong")), ..none };
    let error = Client::new(&wrong, SOON).expect("a client").page(None, 2, &[]).await.expect_err("not ours");
    assert!(matches!(error, CarrierError::Unauthorized { status: 401 }), "{error}");
    assert!(!error.to_string().contains("wrong"), "{error}");
}
