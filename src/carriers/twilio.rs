//! Twilio: `GET /2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json?PageSize=…`. A page names the address of the next one
//! in `next_page_uri`; it is null on the last.

use super::{Unreadable, entry};
use crate::inventory::Capabilities;
use crate::inventory::listed::{Page, Standing};
use crate::numbering::ExtraPrefix;
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The largest page.
pub const PAGE_MAX: u16 = 1000;

/// Where the list of an account begins.
pub fn first(base: &Url, account: &str, page_size: u16) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json"));
    url.query_pairs_mut().clear().append_pair("PageSize", &page_size.to_string());
    url
}

/// Where a page is: the cursor is a path with its query, as Twilio gave it.
///
/// # Errors
///
/// If it leads anywhere but to the same list of the same account on the same server.
pub fn next(first: &Url, cursor: &str) -> Result<Url, Unreadable> {
    let url = first.join(cursor).map_err(|_| Unreadable::Elsewhere)?;
    let same = url.origin() == first.origin() && url.path() == first.path();
    let plain = url.username().is_empty() && url.password().is_none();
    if same && plain && url.as_str().len() <= 2000 { Ok(url) } else { Err(Unreadable::Elsewhere) }
}

#[derive(Deserialize)]
struct Answer {
    incoming_phone_numbers: Vec<Value>,
    // To be null it must be there: an answer without it is not the last page but none.
    #[serde(deserialize_with = "Option::deserialize")]
    next_page_uri: Option<String>,
}

/// Reads a page.
///
/// # Errors
///
/// If it is none, or its next page is somewhere else. What is wrong with single numbers is said in their entries.
pub fn page(body: &[u8], first: &Url, extra: &[ExtraPrefix]) -> Result<Page, Unreadable> {
    let form = "it must be {\"incoming_phone_numbers\": […], \"next_page_uri\": …}";
    let answer: Answer = serde_json::from_slice(body).map_err(|_| Unreadable::Form(form))?;
    let next = match answer.next_page_uri.filter(|uri| !uri.is_empty()) {
        Some(uri) => {
            let url = self::next(first, &uri)?;
            Some(url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path())))
        }
        None => None,
    };
    let read = |(place, entry): (usize, &Value)| {
        let fields = entry::Fields {
            number: "phone_number",
            id: "sid",
            name: entry::text(entry, "friendly_name"),
            kind: entry::text(entry, "type"),
            capabilities: entry.get("capabilities").and_then(Value::as_object).and_then(capabilities),
            standing: standing(entry::text(entry, "status")),
        };
        entry::read(place, entry, fields, extra)
    };
    let entries = answer.incoming_phone_numbers.iter().enumerate().map(read).collect();
    Ok(Page { entries, next, total: None })
}

/// Older accounts have `SMS` where newer ones have `sms`.
fn capabilities(given: &Map<String, Value>) -> Option<Capabilities> {
    let named = given.iter().filter_map(|(name, can)| Some((name.to_ascii_lowercase(), can.as_bool()?)));
    let named: BTreeMap<String, bool> = named.collect();
    serde_json::from_value(serde_json::to_value(named).ok()?).ok()
}

fn standing(status: Option<&str>) -> Standing {
    match status {
        // What is listed is there, unless they say otherwise.
        None | Some("in-use") => Standing::Active,
        Some(_) => Standing::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";

    fn start() -> Url {
        first(&Url::parse("https://api.twilio.com").expect("a URL"), ACCOUNT, 50)
    }

    fn read(body: &Value) -> Result<Page, Unreadable> {
        page(body.to_string().as_bytes(), &start(), &[])
    }

    #[test]
    fn a_page_is_read_and_leads_to_the_next() {
        let list = format!("/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json");
        assert_eq!(start().as_str(), format!("https://api.twilio.com{list}?PageSize=50"));
        let next = format!("{list}?PageSize=50&Page=1&PageToken=PAPN0a1b");
        let body = serde_json::json!({
            "page": 0, "page_size": 50, "start": 0, "end": 1, "uri": format!("{list}?PageSize=50&Page=0"),
            "first_page_uri": format!("{list}?PageSize=50&Page=0"), "previous_page_uri": null, "next_page_uri": next,
            "incoming_phone_numbers": [
                {"sid": "PN0123456789abcdef0123456789abcdef", "account_sid": ACCOUNT, "phone_number": "+12025550123",
                 "friendly_name": "Front desk", "capabilities": {"voice": true, "SMS": false, "mms": null}, "status": "in-use"},
                {"sid": "PN2", "phone_number": "+12025550124", "friendly_name": "(202) 555-0124"},
            ]
        });
        let page = read(&body).expect("a page");
        assert_eq!((page.next.as_deref(), page.total), (Some(next.as_str()), None));
        let first = page.entries[0].read.as_ref().expect("a number");
        assert_eq!(first.e164.to_string(), "+12025550123");
        assert_eq!(first.provider_id.to_string(), "PN0123456789abcdef0123456789abcdef");
        assert_eq!(first.name.as_ref().map(ToString::to_string).as_deref(), Some("Front desk"));
        let can = serde_json::to_string(&first.capabilities).expect("JSON");
        assert_eq!((can.as_str(), first.standing), (r#"{"sms":false,"voice":true}"#, Standing::Active));
        let second = page.entries[1].read.as_ref().expect("a number");
        assert_eq!(second.name, None, "a name that is the number is none");
    }

    #[test]
    fn a_wrong_entry_is_named_and_the_others_are_read() {
        let entries = serde_json::json!([
            7, {"sid": "PN1"}, {"sid": "PN1", "phone_number": 12_025_550_123_i64}, {"phone_number": "+12025550123"},
            {"sid": "PN1", "phone_number": "12025550123"}, {"sid": "PN1", "phone_number": "+1"}, {"sid": "a\nb", "phone_number": "+12025550123"},
            {"sid": "PN9", "phone_number": "+12025550129", "friendly_name": "x\ny", "capabilities": [], "status": "odd"}
        ]);
        let page =
            read(&serde_json::json!({"incoming_phone_numbers": entries, "next_page_uri": null})).expect("a page");
        let wrong: Vec<_> = page.entries.iter().map(|entry| entry.read.as_ref().err().cloned()).collect();
        assert_eq!(wrong.iter().filter(|wrong| wrong.is_some()).count(), 7, "{wrong:?}");
        assert_eq!(wrong[0].as_deref(), Some("it is not an object"));
        assert_eq!(wrong[3].as_deref(), Some("sid is missing or not a text"));
        assert_eq!(page.entries[6].place, 6);
        let last = page.entries[7].read.as_ref().expect("what we can do without is left out");
        assert_eq!((&last.name, &last.capabilities, last.standing), (&None, &None, Standing::Unknown));
    }

    #[test]
    fn a_next_page_elsewhere_is_not_followed() {
        for next in [
            "https://evil.example/2010-04-01/x",
            "//evil.example/2010-04-01/x",
            "http://api.twilio.com/2010-04-01/x",
            "/2010-04-01/Accounts/ACffffffffffffffffffffffffffffffff/IncomingPhoneNumbers.json?Page=1",
            "https://api.twilio.com:444/2010-04-01/x",
            "../../../elsewhere",
        ] {
            let body = serde_json::json!({"incoming_phone_numbers": [], "next_page_uri": next});
            assert_eq!(read(&body), Err(Unreadable::Elsewhere), "{next}");
        }
        let absolute = format!("{}&Page=1", start());
        let body = serde_json::json!({"incoming_phone_numbers": [], "next_page_uri": absolute});
        assert!(read(&body).is_ok(), "the same list by its whole address");
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for body in ["", "[]", "{}", "{\"incoming_phone_numbers\": []}", "{\"next_page_uri\": null}", "<html>"] {
            assert!(matches!(page(body.as_bytes(), &start(), &[]), Err(Unreadable::Form(_))), "{body}");
        }
    }
}
