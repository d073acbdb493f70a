//! Telnyx: `GET /v2/phone_numbers?page[number]=…&page[size]=…`. Pages are numbered from 1; `meta.total_pages` says how many there
//! are. The list is asked for in the order of purchase, so that what is bought meanwhile comes last.

use super::{Unreadable, entry};
use crate::inventory::listed::{Page, Standing};
use crate::numbering::ExtraPrefix;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

/// The largest page.
pub const PAGE_MAX: u16 = 250;
/// No list has more pages.
const PAGES_MAX: u32 = 100_000;

/// Where a page is.
pub fn at(base: &Url, page: u32, page_size: u16) -> Url {
    let mut url = base.clone();
    url.set_path("/v2/phone_numbers");
    url.query_pairs_mut()
        .clear()
        .append_pair("page[number]", &page.to_string())
        .append_pair("page[size]", &page_size.to_string())
        .append_pair("sort", "purchased_at");
    url
}

/// Which page a cursor names; the first, if there is none.
///
/// # Errors
///
/// If it is no cursor of ours.
pub fn number(cursor: Option<&str>) -> Result<u32, Unreadable> {
    let Some(cursor) = cursor else { return Ok(1) };
    cursor.parse().ok().filter(|page| (1..=PAGES_MAX).contains(page)).ok_or(Unreadable::Elsewhere)
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Value>,
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    total_pages: u32,
    page_number: u32,
    total_results: Option<u64>,
}

/// Reads a page that was asked for by this number.
///
/// # Errors
///
/// If it is none, or another. What is wrong with single numbers is said in their entries.
pub fn page(body: &[u8], asked: u32, extra: &[ExtraPrefix]) -> Result<Page, Unreadable> {
    let form = "it must be {\"data\": […], \"meta\": {\"total_pages\": …, \"page_number\": …}}";
    let answer: Answer = serde_json::from_slice(body).map_err(|_| Unreadable::Form(form))?;
    let Meta { total_pages, page_number, total_results } = answer.meta;
    if page_number != asked {
        return Err(Unreadable::Form("it is another page than was asked for"));
    }
    if total_pages > PAGES_MAX {
        return Err(Unreadable::Form("it has more than 100000 pages"));
    }
    let read = |(place, entry): (usize, &Value)| {
        let fields = entry::Fields {
            number: "phone_number",
            id: "id",
            name: entry::text(entry, "customer_reference"),
            kind: entry::text(entry, "phone_number_type").map(|kind| if kind == "longcode" { "local" } else { kind }),
            // The list does not say.
            capabilities: None,
            standing: standing(entry::text(entry, "status")),
        };
        entry::read(place, entry, fields, extra)
    };
    let entries = answer.data.iter().enumerate().map(read).collect();
    let next = (page_number < total_pages).then(|| (page_number + 1).to_string());
    Ok(Page { entries, next, total: total_results })
}

/// Their documents write these words with `_`, and some of their answers with `-`.
fn standing(status: Option<&str>) -> Standing {
    match status.unwrap_or_default().replace('-', "_").as_str() {
        "active" => Standing::Active,
        "port_out_pending" => Standing::Leaving,
        "purchase_pending" | "port_pending" => Standing::Coming,
        "deleted" | "ported_out" | "port_failed" | "purchase_failed" => Standing::Gone,
        // Among them emergency_only: no customer can be called from it.
        _ => Standing::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Standing::{Active, Coming, Gone, Leaving, Unknown};
    use serde_json::json;

    fn read(body: &Value, asked: u32) -> Result<Page, Unreadable> {
        page(body.to_string().as_bytes(), asked, &[])
    }

    #[test]
    fn a_page_is_read_and_leads_to_the_next() {
        let base = Url::parse("https://api.telnyx.com").expect("a URL");
        let wanted = "https://api.telnyx.com/v2/phone_numbers?page%5Bnumber%5D=2&page%5Bsize%5D=100&sort=purchased_at";
        assert_eq!(at(&base, 2, 100).as_str(), wanted);
        let entry = |number: &str, status: &str| {
            json!({"id": "1293384261075731499", "record_type": "phone_number", "phone_number": number, "status": status,
                "phone_number_type": "toll_free", "country_iso_alpha2": "US", "customer_reference": "Spring", "tags": []})
        };
        let body = json!({
            "data": [entry("+18005550123", "active"), entry("+18005550124", "port-out-pending"),
                entry("+18005550125", "port_pending"), entry("+18005550126", "deleted"), entry("+18005550127", "emergency_only")],
            "meta": {"total_pages": 3, "total_results": 11, "page_number": 2, "page_size": 5}
        });
        let page = read(&body, 2).expect("a page");
        assert_eq!((page.next.as_deref(), page.total), (Some("3"), Some(11)));
        let standings: Vec<_> = page.entries.iter().map(|e| e.read.as_ref().expect("a number").standing).collect();
        assert_eq!(standings, [Active, Leaving, Coming, Gone, Unknown]);
        let first = page.entries[0].read.as_ref().expect("a number");
        assert_eq!(
            (first.kind.map(crate::inventory::NumberKind::as_str), &first.capabilities),
            (Some("toll_free"), &None)
        );
    }

    #[test]
    fn the_last_page_and_an_empty_list_lead_nowhere() {
        for meta in [json!({"total_pages": 1, "page_number": 1}), json!({"total_pages": 0, "page_number": 1})] {
            assert_eq!(read(&json!({"data": [], "meta": meta}), 1).expect("a page").next, None);
        }
    }

    #[test]
    fn another_page_than_asked_for_is_none() {
        let body = json!({"data": [], "meta": {"total_pages": 9, "page_number": 1}});
        assert!(read(&body, 2).is_err(), "or it would be read for ever");
        assert!(read(&json!({"data": [], "meta": {"total_pages": 900_000, "page_number": 1}}), 1).is_err());
        assert!(read(&json!({"data": []}), 1).is_err());
        assert_eq!((number(None), number(Some("7"))), (Ok(1), Ok(7)));
        for cursor in ["0", "-1", "x", "100001"] {
            assert!(number(Some(cursor)).is_err(), "{cursor}");
        }
    }
}
