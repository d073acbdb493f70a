//! Many numbers at once: what is taken of a list, what is refused with its line, and what can be taken out again.

use crate::numbers::{ask, done, fresh, get, upload};
use crate::support::Floor;
use axum::body::Body;
use serde_json::json;

#[tokio::test]
async fn many_numbers_at_once_are_all_or_nothing_unless_told_otherwise() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let number = fresh();
        done(&floor, &tenant.token, "POST", "/numbers", json!({ "number": number })).await;
        numbers.push(number);
    }
    let agent = tenant.agent.endpoint.to_string();
    let all = json!({ "operation": "assign", "numbers": numbers, "agentId": agent, "dailyLimit": 40 });
    let given = done(&floor, &tenant.token, "POST", "/numbers/bulk", all).await;
    assert_eq!((&given["done"], &given["errors"]), (&json!(3), &json!(0)));

    // one of them is not ours
    let with_a_stranger = [numbers.clone(), vec![fresh()]].concat();
    let rest = json!({ "operation": "rest", "numbers": with_a_stranger });
    let refused = ask(&floor, &tenant.token, "POST", "/numbers/bulk", Some(rest)).await;
    let body = refused.is_problem(422, "bulk_refused");
    let fates: Vec<_> = body["rows"].as_array().expect("rows").iter().map(|row| row["result"].clone()).collect();
    assert_eq!(json!(fates), json!(["not_done", "not_done", "not_done", "error"]));
    assert_eq!(body["rows"][3]["code"], "number_not_found");
    assert_eq!(get(&floor, &tenant.token, "/numbers?status=resting").await["numbers"], json!([]));

    let rest = json!({ "operation": "rest", "numbers": with_a_stranger, "allOrNothing": false });
    let rested = done(&floor, &tenant.token, "POST", "/numbers/bulk", rest).await;
    assert_eq!((&rested["done"], &rested["errors"]), (&json!(3), &json!(1)));
    assert_eq!(
        get(&floor, &tenant.token, "/numbers?status=resting").await["numbers"].as_array().map(Vec::len),
        Some(3)
    );
    // they have an agent, so none is deleted, and the first is not either
    let delete = json!({ "operation": "delete", "numbers": numbers });
    ask(&floor, &tenant.token, "POST", "/numbers/bulk", Some(delete.clone())).await.is_problem(422, "bulk_refused");
    let back = json!({ "operation": "unassign", "numbers": numbers });
    done(&floor, &tenant.token, "POST", "/numbers/bulk", back).await;
    let edit =
        json!({ "operation": "edit", "numbers": numbers, "set": { "metadata": { "team": "b2b" }, "isActive": true } });
    done(&floor, &tenant.token, "POST", "/numbers/bulk", edit).await;
    let team = get(&floor, &tenant.token, "/numbers?group=team:b2b&status=active").await;
    assert_eq!(team["numbers"].as_array().map(Vec::len), Some(3));
    for wrong in [
        json!({ "operation": "assign", "numbers": numbers }),
        json!({ "operation": "rest", "numbers": numbers, "agentId": agent }),
        json!({ "operation": "edit", "numbers": numbers }),
        json!({ "operation": "rest", "numbers": [] }),
        json!({ "operation": "explode", "numbers": numbers }),
    ] {
        ask(&floor, &tenant.token, "POST", "/numbers/bulk", Some(wrong)).await.is_problem(422, "wrong_body");
    }
    let twice = json!({ "operation": "retire", "numbers": [numbers[0], numbers[0]] });
    let body = ask(&floor, &tenant.token, "POST", "/numbers/bulk", Some(twice)).await.is_problem(422, "bulk_refused");
    assert_eq!(body["rows"][1]["code"], "duplicate");
}

#[tokio::test]
async fn a_list_gets_an_answer_for_each_line() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let (one, two) = (fresh(), fresh());
    let lines = format!("{one},telnyx,US\nnonsense\n{two},telnyx,US\n{one},telnyx,US\n{}\n", tenant.number);
    let refused = upload(&floor, &tenant.token, "", "text/plain", lines.clone()).await.is_problem(422, "list_refused");
    assert_eq!(
        (&refused["written"], &refused["errors"], &refused["notWritten"]),
        (&json!(false), &json!(1), &json!(2))
    );
    let wrong = &refused["rows"][1];
    assert_eq!(
        (&wrong["line"], &wrong["column"], &wrong["field"], &wrong["result"]),
        (&json!(2), &json!(1), &json!("number"), &json!("error"))
    );
    assert_eq!(get(&floor, &tenant.token, "/numbers").await["numbers"].as_array().map(Vec::len), Some(1));

    let written = upload(&floor, &tenant.token, "?onError=skip", "text/plain", lines).await;
    assert_eq!(written.status, 200, "{}", written.text);
    let body = written.json();
    let fates: Vec<_> = body["rows"].as_array().expect("rows").iter().map(|row| row["result"].clone()).collect();
    assert_eq!(json!(fates), json!(["added", "error", "added", "skipped", "skipped"]));
    assert_eq!((&body["rows"][3]["message"], &body["added"]), (&json!("the same as line 1"), &json!(2)));
    let id = body["id"].as_str().expect("an id");
    let page = get(&floor, &tenant.token, &format!("/numbers/uploads/{id}?remarkable=true")).await;
    assert_eq!(page["rows"].as_array().map(Vec::len), Some(3));
    let other = floor.tenant().await;
    ask(&floor, &other.token, "GET", &format!("/numbers/uploads/{id}"), None).await.is_problem(404, "list_not_found");

    // what is another tenant's is not taken, and not told either
    let json = json!({ "phoneNumbers": [{ "phoneNumber": one, "provider": "telnyx", "countryCode": "US" }, { "phoneNumber": fresh() }] });
    let body = upload(&floor, &other.token, "", "application/json", json.to_string()).await.json();
    assert_eq!((&body["added"], &body["skipped"]), (&json!(1), &json!(1)));
    assert_eq!(body["rows"][0]["message"], "it is in the inventory already");
}

#[tokio::test]
async fn what_is_no_list_changes_nothing() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let number = fresh();
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(format!("{number}\n").encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let latin: Vec<u8> = [format!("{number},telnyx,US,Caf").as_bytes(), b"\xe9\n"].concat();
    let cases: [(&str, Vec<u8>, u16, &str); 9] = [
        ("text/csv", utf16, 422, "unreadable_list"),
        ("text/csv", latin, 422, "list_refused"),
        ("text/csv", format!("number,colour\n{number},red\n").into_bytes(), 422, "unreadable_list"),
        ("text/csv", format!("{number},\"open\n{}", "x\n".repeat(20_000)).into_bytes(), 422, "unreadable_list"),
        ("application/json", b"[{]".to_vec(), 422, "unreadable_list"),
        ("application/json", b"{\"numbers\": 7}".to_vec(), 422, "unreadable_list"),
        (
            "application/json",
            format!("[{{\"number\": \"{number}\"}}, {{\"number\": 1}}]").into_bytes(),
            422,
            "list_refused",
        ),
        ("text/csv; charset=iso-8859-1", number.clone().into_bytes(), 415, "unsupported_media_type"),
        ("image/png", number.clone().into_bytes(), 415, "unsupported_media_type"),
    ];
    for (kind, list, status, code) in cases {
        let problem = upload(&floor, &tenant.token, "", kind, list).await.is_problem(status, code);
        if code == "unreadable_list" {
            assert!(problem["line"].is_u64() && problem["column"].is_u64(), "{problem}");
        }
    }
    // more than is taken, said and unsaid
    let huge = upload(&floor, &tenant.token, "", "text/csv", vec![b'\n'; (32 << 20) + 1]).await;
    huge.is_problem(413, "too_large");
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'\n'; 1 << 20]));
    upload(&floor, &tenant.token, "", "text/csv", Body::from_stream(endless)).await.is_problem(413, "too_large");
    assert_eq!(get(&floor, &tenant.token, &format!("/numbers?search={number}")).await["numbers"], json!([]));
}

#[tokio::test]
async fn an_export_has_no_formulas_and_can_be_uploaded_again() {
    let floor = Floor::new().await;
    let (tenant, other) = (floor.tenant().await, floor.tenant().await);
    let number = fresh();
    let new = json!({ "number": number, "friendlyName": "=HYPERLINK(\"http://evil\", \"x\")", "provider": "@SUM(A1)",
        "metadata": { "a, b": "c\"d" } });
    done(&floor, &tenant.token, "POST", "/numbers", new).await;
    let list = floor.get("/api/v1/numbers/export", &tenant.token).await;
    assert_eq!(list.header("content-type"), Some("text/csv; charset=utf-8"));
    let lines: Vec<&str> = list.text.split("\r\n").collect();
    assert_eq!(lines[0], "number,provider,region,name,trunk,daily_limit,type,provider_id,capabilities,metadata");
    assert!(lines[2].contains("'=HYPERLINK") && lines[2].contains(",'@SUM(A1),"), "{}", lines[2]);
    let before = get(&floor, &tenant.token, &format!("/numbers/{number}")).await;
    for path in [format!("/numbers/{number}"), format!("/numbers/{}/retire", tenant.number)] {
        let method = if path.ends_with("retire") { "POST" } else { "DELETE" };
        assert_eq!(ask(&floor, &tenant.token, method, &path, None).await.status, 200);
    }
    let again = upload(&floor, &other.token, "", "text/csv", list.text.clone()).await;
    assert_eq!((&again.json()["added"], &again.json()["skipped"]), (&json!(1), &json!(1)), "{}", again.text);
    let after = get(&floor, &other.token, &format!("/numbers/{number}")).await;
    for field in ["friendlyName", "provider", "metadata", "capabilities", "type", "countryCode"] {
        assert_eq!(before[field], after[field], "{field}");
    }
}
