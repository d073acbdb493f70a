//! A server that answers as carriers document that they do: Twilio's list of incoming phone numbers (2010-04-01) and Telnyx's list
//! of phone numbers (v2). It can be told to fail on a page.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The account that Twilio has for us.
pub const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
/// The secret of either carrier's account.
pub const SECRET: &str = "a-secret-of-the-carrier";

/// What happens instead of an answer, once.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status, with this `Retry-After`.
    Status(u16, Option<&'static str>),
    /// The connection ends in the middle of the answer.
    Cut,
    /// This body.
    Body(String),
    /// More than anybody should read.
    Huge,
    /// Another address.
    Redirect(String),
    /// No answer, until the asker is gone.
    Silence,
}

/// The server.
#[derive(Clone, Debug)]
pub struct Carrier {
    /// Where it is.
    pub url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    telnyx: bool,
    numbers: Mutex<Vec<Value>>,
    faults: Mutex<BTreeMap<u32, VecDeque<Fault>>>,
    asked: watch::Sender<Vec<u32>>,
}

impl Carrier {
    /// Twilio, with these numbers. Must be called within a Tokio runtime, as whose task it lives.
    pub async fn twilio(numbers: Vec<Value>) -> Self {
        Self::start(numbers, false).await
    }

    /// Telnyx, with these numbers.
    pub async fn telnyx(numbers: Vec<Value>) -> Self {
        Self::start(numbers, true).await
    }

    async fn start(numbers: Vec<Value>, telnyx: bool) -> Self {
        let shared = Shared {
            telnyx,
            numbers: Mutex::new(numbers),
            faults: Mutex::default(),
            asked: watch::Sender::new(Vec::new()),
        };
        let shared = Arc::new(shared);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// The next request for this page, from 1, goes wrong like this.
    pub fn fails(&self, page: u32, fault: Fault) {
        self.shared.faults.lock().expect("lock").entry(page).or_default().push_back(fault);
    }

    /// It has these numbers from now on.
    pub fn has(&self, numbers: Vec<Value>) {
        *self.shared.numbers.lock().expect("lock") = numbers;
    }

    /// The pages that were asked for since the last question.
    pub fn asked(&self) -> Vec<u32> {
        self.shared.asked.send_replace(Vec::new())
    }

    /// Waits until this page was asked for.
    pub async fn is_asked_for(&self, page: u32) {
        let mut asked = self.shared.asked.subscribe();
        asked.wait_for(|asked| asked.contains(&page)).await.expect("the server lives");
    }
}

/// A number as Twilio lists it.
pub fn twilio_number(sid: u32, number: &str, name: &str) -> Value {
    json!({
        "sid": format!("PN{sid:032x}"), "account_sid": ACCOUNT, "phone_number": number, "friendly_name": name,
        "capabilities": {"voice": true, "sms": true, "mms": false, "fax": false}, "status": "in-use", "origin": "twilio",
        "beta": false, "api_version": "2010-04-01", "trunk_sid": null, "voice_url": null, "address_requirements": "none",
        "date_created": "Thu, 30 Jul 2015 23:19:04 +0000", "date_updated": "Thu, 30 Jul 2015 23:19:04 +0000",
        "uri": format!("/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers/PN{sid:032x}.json")
    })
}

/// A number as Telnyx lists it.
pub fn telnyx_number(id: u64, number: &str, status: &str) -> Value {
    json!({
        "id": id.to_string(), "record_type": "phone_number", "phone_number": number, "country_iso_alpha2": "US",
        "status": status, "tags": ["sales"], "connection_id": null, "connection_name": null, "customer_reference": null,
        "messaging_profile_id": null, "phone_number_type": "local", "emergency_enabled": false,
        "purchased_at": "2019-10-23T18:10:00.000Z", "created_at": "2019-10-23T18:10:00.000Z"
    })
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<u32>().ok());
    let page = if shared.telnyx { number("page[number]").unwrap_or(1) } else { number("Page").unwrap_or(0) + 1 };
    shared.asked.send_modify(|asked| asked.push(page));
    let fault = shared.faults.lock().expect("lock").get_mut(&page).and_then(VecDeque::pop_front);
    match fault {
        None => {}
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Body(body)) => return body.into_response(),
        Some(Fault::Huge) => return "x".repeat(9 << 20).into_response(),
        Some(Fault::Redirect(to)) => return (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Some(Fault::Status(status, after)) => {
            let mut response = StatusCode::from_u16(status).expect("a status").into_response();
            if let Some(after) = after {
                response.headers_mut().insert(header::RETRY_AFTER, after.parse().expect("a header"));
            }
            return response;
        }
        Some(Fault::Cut) => {
            let pieces = [Ok("{\"data\": ["), Err(std::io::Error::other("cut"))];
            return Body::from_stream(futures::stream::iter(pieces)).into_response();
        }
    }
    if shared.telnyx {
        telnyx(&shared, &query, &headers, &uri, page)
    } else {
        twilio(&shared, &query, &headers, &uri, page)
    }
}

fn authorization(headers: &HeaderMap) -> &str {
    headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn telnyx(shared: &Shared, query: &BTreeMap<String, String>, headers: &HeaderMap, uri: &Uri, page: u32) -> Response {
    if authorization(headers) != format!("Bearer {SECRET}") {
        let error = json!({"code": "10009", "title": "Authentication failed", "detail": "The required authentication headers \
            were either invalid or not included in the request."});
        return (StatusCode::UNAUTHORIZED, Json(json!({ "errors": [error] }))).into_response();
    }
    assert_eq!((uri.path(), query.get("sort").map(String::as_str)), ("/v2/phone_numbers", Some("purchased_at")));
    let size = query.get("page[size]").and_then(|size| size.parse().ok()).filter(|size| (1..=250).contains(size));
    let size: usize = size.expect("a page size");
    let numbers = shared.numbers.lock().expect("lock");
    let data: Vec<&Value> = numbers.iter().skip((page as usize - 1) * size).take(size).collect();
    let meta = json!({"total_pages": numbers.len().div_ceil(size), "total_results": numbers.len(), "page_number": page,
        "page_size": size});
    Json(json!({"data": data, "meta": meta})).into_response()
}

fn twilio(shared: &Shared, query: &BTreeMap<String, String>, headers: &HeaderMap, uri: &Uri, page: u32) -> Response {
    if authorization(headers) != format!("Basic {}", base64(format!("{ACCOUNT}:{SECRET}").as_bytes())) {
        let error = json!({"code": 20003, "message": "Authenticate", "more_info": "https://www.twilio.com/docs/errors/20003",
            "status": 401});
        return (StatusCode::UNAUTHORIZED, Json(error)).into_response();
    }
    let list = format!("/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json");
    assert_eq!(uri.path(), list);
    let size: usize = query.get("PageSize").and_then(|size| size.parse().ok()).expect("a page size");
    let numbers = shared.numbers.lock().expect("lock");
    // A page token is that of the last number before it, as long as the number is there.
    let token = |index: usize| format!("PA{}", numbers[index]["sid"].as_str().unwrap_or("PN"));
    let from = match query.get("PageToken") {
        None => 0,
        Some(given) => {
            let Some(index) = (0..numbers.len()).find(|index| token(*index) == *given) else {
                let error = json!({"code": 20001, "message": "Invalid PageToken", "status": 400});
                return (StatusCode::BAD_REQUEST, Json(error)).into_response();
            };
            index + 1
        }
    };
    let to = (from + size).min(numbers.len());
    let next = (to < numbers.len()).then(|| format!("{list}?PageSize={size}&Page={page}&PageToken={}", token(to - 1)));
    Json(json!({
        "incoming_phone_numbers": numbers[from..to], "page": page - 1, "page_size": size, "start": from,
        "end": to.saturating_sub(1), "first_page_uri": format!("{list}?PageSize={size}&Page=0"), "previous_page_uri": null,
        "next_page_uri": next, "uri": uri.to_string()
    }))
    .into_response()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for piece in bytes.chunks(3) {
        let word = piece.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - piece.len()));
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= piece.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
