//! Inputs from outside, mutated from a seed: events, replies of ARI, settings, what people dial. (Lists of numbers are
//! fuzzed beside their reader, in `src/cli/import`.) Nothing may panic, and what is accepted must be safe.
//!
//! `CORDBOARD_FUZZ_RUNS` is how many inputs a target gets, `CORDBOARD_TORTURE_SEED` which ones.

#[path = "../torture/figures.rs"]
#[expect(dead_code, reason = "shared")]
mod figures;
mod mutator;

use cordboard::ari::{AriClient, AriConfig, dial_string, translate};
use cordboard::config::load_from;
use cordboard::core::command::{EmergencyDigits, Target};
use cordboard::core::ids::{CallId, EndpointName, TrunkName};
use cordboard::numbering::parse_dialled;
use cordboard::policy::emergency::is_emergency;
use model_asterisk::{Asterisk, FarEnd, Knobs, MILLI, Request, SECOND};
use mutator::{Chance, Witness, mutated};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

const SAMPLE: &str = include_str!("../../systemd/cordboard.toml");

fn variable(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}

/// Gives mutated seeds to a target; it says whether it accepted one.
fn fuzz(target: &str, runs: usize, seeds: &[Vec<u8>], mut takes: impl FnMut(&[u8]) -> bool) {
    let mut chance = Chance::new(u64::try_from(variable("CORDBOARD_TORTURE_SEED", 1)).unwrap_or(1));
    let (mut accepted, began) = (0_usize, Instant::now());
    for seed in seeds {
        let _witness = Witness(seed);
        assert!(takes(seed), "a seed is not accepted: {}", String::from_utf8_lossy(seed));
    }
    for _ in 0..runs {
        let input = mutated(seeds, &mut chance);
        let _witness = Witness(&input);
        accepted += usize::from(takes(&input));
    }
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let rate = runs as f64 / began.elapsed().as_secs_f64();
    figures::row(
        &format!("fuzz: {target}"),
        format!("{runs} inputs, {accepted} accepted, {rate:.0}/s"),
        "panics **0**, unsafe **0**",
    );
    assert!(runs < 1000 || (accepted > 0 && accepted < runs), "the inputs are all alike");
}

fn runs() -> usize {
    variable("CORDBOARD_FUZZ_RUNS", 20_000)
}

/// All that the model tells in a call that is answered, and in one that is not.
fn events() -> Vec<Vec<u8>> {
    let begin = 1_800_000_000 * SECOND;
    let mut asterisk = Asterisk::new(begin, 1, Knobs::default());
    asterisk.connect();
    asterisk
        .set_far_end("+12025550123", FarEnd::Answer { ring: MILLI, early_media: true, hang_up_after: Some(SECOND) });
    let agent = asterisk.phone_dials("alice", "2025550123");
    asterisk.advance(begin + 10 * MILLI);
    let customer = CallId(uuid::Uuid::from_u128(7)).customer_channel(1).as_str().to_owned();
    asterisk.request(&Request::CreateBridge { bridge: "b".to_owned() });
    asterisk.request(&Request::Create {
        channel: customer.clone(),
        endpoint: "PJSIP/+12025550123@carrier".to_owned(),
        args: vec!["customer".to_owned()],
        originator: Some(agent.clone()),
        variables: std::collections::BTreeMap::default(),
    });
    asterisk.advance(begin + 20 * MILLI);
    asterisk.request(&Request::AddChannel { bridge: "b".to_owned(), channels: vec![agent.clone(), customer.clone()] });
    asterisk.request(&Request::Play { channel: agent });
    asterisk.request(&Request::Dial { channel: customer, timeout_s: Some(9) });
    asterisk.request(&Request::Userevent { name: "canary".to_owned() });
    asterisk.advance(begin + 9 * SECOND);
    asterisk.take_events().iter().map(|event| event.json().to_string().into_bytes()).collect()
}

#[test]
fn events_of_asterisk() {
    let seeds = events();
    assert!(seeds.len() >= 10, "{}", seeds.len());
    fuzz("events", runs() * 5, &seeds, |input| translate(&String::from_utf8_lossy(input)).is_ok());
}

#[test]
fn replies_of_asterisk() {
    let channel = r#"{"id":"01a1fe2a-a0fd-7083-b497-fb8672e548e1-c-1","name":"PJSIP/carrier-00000002","state":"Up","protocol_id":"x","caller":{"name":"","number":""},"connected":{"name":"","number":""},"accountcode":"","dialplan":{"context":"a","exten":"s","priority":1,"app_name":"Stasis","app_data":"cordboard,customer"},"creationtime":"2026-11-21T09:36:43.586+0000","language":"en"}"#;
    let info = r#"{"system":{"version":"22.10.1","entity_id":"02:00:00:00:00:01"},"status":{"startup_time":"2026-11-21T09:36:43.586+0000","last_reload_time":"2026-11-21T09:36:43.586+0000"},"build":{},"config":{}}"#;
    let bridge = r#"{"id":"01a1fe2a-a0fd-7083-b497-fb8672e548e1-b","technology":"simple_bridge","channels":[]}"#;
    let head = |body: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
    };
    let seeds =
        [format!("[{channel}]"), info.to_owned(), format!("[{bridge}]"), channel.to_owned()].map(|body| head(&body));
    // A server that answers with whatever it is given, and closes.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer: Arc<Mutex<Vec<u8>>> = Arc::default();
    let ours = Arc::clone(&answer);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                if reader.read_line(&mut line).is_ok_and(|count| count == 0) {
                    break;
                }
            }
            let _ = stream.write_all(&ours.lock().unwrap_or_else(PoisonError::into_inner));
        }
    });
    let config = AriConfig::new(&format!("http://{address}/ari"), "cordboard", "cordboard", "secret-of-fuzzing".into());
    let client = AriClient::new(config.expect("a configuration")).expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let id = CallId(uuid::Uuid::nil()).customer_channel(1);
    let mut turn = 0;
    fuzz("replies of ARI", runs() / 4, &seeds, |input| {
        *answer.lock().unwrap_or_else(PoisonError::into_inner) = input.to_vec();
        turn += 1;
        runtime.block_on(async {
            // The seeds come first, each to its own question.
            match turn % 4 {
                1 => client.list_channels().await.is_ok(),
                2 => client.info().await.is_ok(),
                3 => client.list_bridges().await.is_ok(),
                _ => client.probe(&id).await.is_ok(),
            }
        })
    });
}

#[test]
fn settings() {
    let least = "[postgres]\nurl = \"postgres://cordboard@localhost/cordboard\"\n[[node]]\nname = \"floor-1\"\n\
                 password = \"correct-horse-battery\"\n[emergency]\ntrunk = \"carrier-a\"\ncaller_id = \"+12125550100\"\n";
    let sample =
        SAMPLE.replace("password_file = \"/etc/cordboard/ari-password\"", "password = \"correct-horse-battery\"");
    let seeds: Vec<Vec<u8>> = [least, &sample].into_iter().map(|text| text.as_bytes().to_vec()).collect();
    let seeds: Vec<Vec<u8>> = seeds.into_iter().filter(|seed| takes_settings(seed)).collect();
    assert!(!seeds.is_empty(), "the least settings are not accepted");
    fuzz("settings", runs() / 4, &seeds, takes_settings);
}

fn takes_settings(input: &[u8]) -> bool {
    match load_from(&String::from_utf8_lossy(input), std::iter::empty(), None) {
        Ok(loaded) => {
            assert!(!loaded.config.redacted_toml().contains("correct-horse-battery"), "a password is shown");
            true
        }
        Err(errors) => {
            assert!(!errors.to_string().is_empty());
            false
        }
    }
}

#[test]
fn what_people_dial() {
    let dialled = [
        "+12025550123",
        "2025550123",
        "(202) 555-0123",
        "0044 20 7946 0123",
        "911",
        "*67 2025550123",
        "112",
        "+44 7911 123456",
        "+1 900 234 5678",
        "011442079460123",
    ];
    let seeds: Vec<Vec<u8>> = dialled.iter().map(|text| text.as_bytes().to_vec()).collect();
    let countries = ["US", "GB", "DE", "IN"].map(|country| country.parse().expect("a country"));
    let (trunk, mut turn): (TrunkName, usize) = ("carrier".parse().expect("a trunk"), 0);
    fuzz("dialled strings", runs(), &seeds, |input| {
        let raw = String::from_utf8_lossy(input);
        turn += 1;
        let country = &countries[if turn <= dialled.len() { 0 } else { turn % countries.len() }];
        let _ = raw.parse::<EndpointName>().map(|endpoint| is_safe(&Target::Agent { endpoint, auto_answer: false }));
        if let Some(digits) = EmergencyDigits::of(&raw) {
            is_safe(&Target::Emergency { digits, trunk: trunk.clone() });
        }
        if is_emergency(&raw, country) {
            return true;
        }
        let Ok(destination) = parse_dialled(&raw, country, &[]) else { return turn <= dialled.len() };
        is_safe(&Target::Number { number: destination.e164, trunk: trunk.clone(), plus: turn % 2 == 0 });
        true
    });
}

/// Nothing in it could send an INVITE elsewhere.
fn is_safe(target: &Target) {
    let dialled = dial_string(target);
    let rest = dialled.strip_prefix("PJSIP/").expect("a technology");
    let name =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let safe = match rest.split_once('@') {
        None => name(rest),
        Some((user, trunk)) => {
            let digits = user.strip_prefix('+').unwrap_or(user);
            (2..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && name(trunk)
        }
    };
    assert!(safe, "{dialled:?}");
}
