//! The contract is what the router does: the document, the committed copy of it, the page and the list of problems.

use crate::support::Floor;
use axum::body::Body;
use axum::http::{Method, Request};
use cordboard::core::outcome::RefusalReason;
use cordboard::http::{self, openapi};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every `method path` of the document.
fn documented(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().expect("paths");
    let each = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().expect("methods").keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    each.collect()
}

/// Every `method path` that the router takes, as its own `Allow` says.
async fn routed(floor: &Floor) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for path in http::paths().into_iter().chain(http::open_paths()) {
        let uri = path.replace('{', "x").replace('}', "");
        let request = Request::builder().method(Method::TRACE).uri(&uri).body(Body::empty()).expect("a request");
        let reply = floor.send(request).await;
        reply.is_problem(405, "method_not_allowed");
        let allowed = reply.header("allow").unwrap_or_else(|| panic!("{path} names no methods"));
        all.extend(allowed.split(',').filter(|method| *method != "HEAD").map(|method| format!("{method} {path}")));
    }
    all
}

/// The address under which the same is documented.
pub fn unaliased(route: &str) -> String {
    let alias = openapi::ALIASES.iter().find(|(alias, _)| {
        let path = route.split_once(' ').map_or(route, |(_, path)| path);
        path == *alias || path.starts_with(&format!("{alias}/"))
    });
    alias.map_or_else(|| route.to_owned(), |(alias, root)| route.replacen(alias, root, 1))
}

#[tokio::test]
async fn what_is_routed_is_documented_and_the_other_way_round() {
    let floor = Floor::new().await;
    let routed = routed(&floor).await;
    let documented = documented(&openapi::document());
    let wanted: BTreeSet<String> = routed.iter().map(|route| unaliased(route)).collect();
    let silent: Vec<_> = wanted.difference(&documented).collect();
    assert!(silent.is_empty(), "say what these are, in the `docs()` beside their `routes()`: {silent:#?}");
    let dead: Vec<_> = documented.difference(&wanted).collect();
    assert!(dead.is_empty(), "these are documented and lead nowhere: {dead:#?}");
    // What is there twice is there twice with all its methods.
    let aliased = routed.iter().filter(|route| unaliased(route) != **route);
    assert!(aliased.clone().count() > 20, "{routed:?}");
    assert!(aliased.into_iter().all(|route| routed.contains(&unaliased(route))), "{routed:?}");
}

/// Everything that refers to something, wherever it stands.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_document_holds_together() {
    let document = openapi::document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for (name, _) in document["components"]["schemas"].as_object().expect("schemas") {
        let used = found.contains(&format!("#/components/schemas/{name}"));
        assert!(used, "nothing refers to {name}");
        assert!(!name.ends_with(|c: char| c.is_ascii_digit()), "two types are called alike: {name}");
    }
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            let says = |key: &str| operation[key].as_str().is_some_and(|text| !text.is_empty());
            assert!(says("summary") && says("description"), "{method} {path}");
            let good = operation["responses"].as_object().expect("responses").keys().any(|code| code.starts_with('2'));
            assert!(good, "{method} {path} says nothing about success");
            if let Some(content) = operation["requestBody"]["content"]["application/json"].as_object() {
                let example = content.get("example").or(operation["requestBody"]["content"]["text/csv"].get("example"));
                let example = example.unwrap_or_else(|| panic!("{method} {path} has no example"));
                assert!(!example.is_string() || path.ends_with("upload"), "{method} {path}: the example is no JSON");
            }
        }
    }
}

#[test]
fn the_committed_document_is_the_one_of_the_sources() {
    let file = root().join("docs/openapi.json");
    let text = openapi::text();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&file, &text).expect("written");
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == text, "docs/openapi.json is stale: UPDATE_OPENAPI=1 cargo test --test http contract");
}

#[tokio::test]
async fn the_daemon_serves_it_to_anybody() {
    let floor = Floor::new().await;
    let reply = floor.get("/api/v1/openapi.json", "").await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(reply.text, openapi::text());
}

/// What a browser would load or go to: the values of these attributes.
fn links(html: &str) -> Vec<String> {
    let attribute = |name: &'static str| html.split(name).skip(1).filter_map(|rest| rest.split('"').next());
    ["src=\"", "href=\""].into_iter().flat_map(attribute).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere_and_no_script() {
    let floor = Floor::new().await;
    let page = floor.get("/docs", "").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'self'") && !policy.contains("unsafe"), "{policy}");
    // An address may stand in an example; nothing may lead to one.
    for forbidden in ["<script", "style=", "onclick", "=\"http", "='http", "=http", "@import", "url("] {
        assert!(!page.text.contains(forbidden), "{forbidden}");
    }
    let mut assets = 0;
    for link in links(&page.text) {
        if let Some(name) = link.strip_prefix('#') {
            assert!(page.text.contains(&format!("id=\"{name}\"")), "{link} leads nowhere");
            continue;
        }
        assert!(link.starts_with('/') && !link.starts_with("//"), "{link} is elsewhere");
        let asset = floor.get(&link, "").await;
        assert_eq!(asset.status.as_u16(), 200, "{link}");
        assert!(!asset.text.contains("@import") && !asset.text.contains("url("), "{link} loads something");
        assets += 1;
    }
    assert!(assets >= 2, "the style and the document");
    let document = openapi::document();
    for route in documented(&document) {
        let (_, path) = route.split_once(' ').expect("a path");
        assert!(page.text.contains(&format!("<code>{path}</code>")), "{path} is not on the page");
    }
    for [code, ..] in openapi::problems() {
        assert!(page.text.contains(&format!("id=\"problem-{code}\"")), "{code}");
    }
}

/// All files of Rust below.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The codes that stand in a source, each with the status beside it: how problems are made.
fn codes(text: &str) -> BTreeMap<String, String> {
    let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = BTreeMap::new();
    let code = |text: &str| -> Option<String> {
        let code = text.trim_start().trim_start_matches("( ").strip_prefix('"')?.split('"').next()?;
        let plain = !code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit());
        plain.then(|| code.to_owned())
    };
    for piece in flat.split("StatusCode::").skip(1) {
        let (status, rest) = piece.split_at(piece.find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap_or(0));
        // `Problem::new(StatusCode::X, "code", …` and `let (status, code) = (StatusCode::X, "code")`.
        found.extend(rest.strip_prefix(',').and_then(code).map(|code| (code, status.to_owned())));
    }
    for (maker, status) in [("unavailable(", "SERVICE_UNAVAILABLE"), ("unprocessable(", "UNPROCESSABLE_ENTITY")] {
        found.extend(flat.split(maker).skip(1).filter_map(code).map(|code| (code, status.to_owned())));
    }
    found
}

#[test]
fn every_code_of_the_sources_is_in_the_list_of_problems() {
    let mut files = Vec::new();
    sources(&root().join("src/http"), &mut files);
    let mut found = BTreeMap::new();
    for file in files {
        found.extend(codes(&fs::read_to_string(&file).expect("a source")));
    }
    assert!(found.len() > 40, "problems are made in another way: {found:?}");
    let refusals = RefusalReason::ALL.into_iter().filter(|reason| *reason != RefusalReason::NotAnAgent);
    let refusals: BTreeSet<String> = refusals.map(|reason| reason.as_str().to_owned()).collect();
    let made: BTreeSet<String> = found.keys().cloned().chain(refusals).collect();
    let listed: BTreeSet<String> = openapi::problems().into_iter().map(|[code, ..]| code.to_owned()).collect();
    let silent: Vec<_> = made.difference(&listed).collect();
    assert!(silent.is_empty(), "say in docs/problems.md what these mean and what to do next: {silent:?}");
    let dead: Vec<_> = listed.difference(&made).collect();
    assert!(dead.is_empty(), "docs/problems.md lists what no source makes: {dead:?}");
    for [code, status, means, next] in openapi::problems() {
        assert!(!means.is_empty() && !next.is_empty(), "{code}");
        let Some(name) = found.get(code) else { continue };
        let number = axum::http::StatusCode::from_bytes(status.as_bytes()).expect("a status");
        let reason = number.canonical_reason().unwrap_or_default().to_uppercase().replace([' ', '-'], "_");
        assert_eq!(*name, reason, "{code} is listed with {status}");
    }
}

#[test]
fn the_scan_for_codes_sees_what_it_should() {
    let seen = codes(
        "Problem::new(StatusCode::CONFLICT, \"a_b\", \"A\", d); unprocessable(\n    \"c_d\", x); unavailable(\"e\", f)",
    );
    assert_eq!(seen.keys().map(String::as_str).collect::<Vec<_>>(), ["a_b", "c_d", "e"]);
    assert_eq!(seen["a_b"], "CONFLICT");
}

#[tokio::test]
async fn whatever_is_wrong_with_a_request_is_a_problem() {
    let floor = Floor::new().await;
    let tenant = floor.tenant().await;
    let send = async |method: &str, uri: &str, kind: Option<&str>, body: &'static str| {
        let mut request =
            Request::builder().method(method).uri(uri).header("authorization", format!("Bearer {}", tenant.token));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        floor.send(request.body(Body::from(body)).expect("a request")).await
    };
    let json = Some("application/json");
    send("GET", "/nowhere", None, "").await.is_problem(404, "not_found");
    send("GET", "/docs/nowhere", None, "").await.is_problem(404, "not_found");
    send("PUT", "/api/v1/calls", None, "").await.is_problem(405, "method_not_allowed");
    send("DELETE", "/docs", None, "").await.is_problem(405, "method_not_allowed");
    send("POST", "/api/v1/calls", None, "{}").await.is_problem(415, "unsupported_media_type");
    send("POST", "/api/v1/calls", Some("text/plain"), "{}").await.is_problem(415, "unsupported_media_type");
    send("POST", "/api/v1/calls", json, "{").await.is_problem(400, "malformed_json");
    send("POST", "/api/v1/calls", json, "[1]").await.is_problem(422, "wrong_body");
    send("GET", "/api/v1/calls?limit=x", None, "").await.is_problem(400, "wrong_query");
    send("GET", "/api/v1/calls?limit=1&limit=2", None, "").await.is_problem(400, "wrong_query");
    // Addresses that no extractor can read.
    let mut looked_at = 0;
    for route in routed(&floor).await.into_iter().filter(|route| route.contains('{')) {
        let (method, path) = route.split_once(' ').expect("a path");
        let uri: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "%FF" } else { part }).collect();
        let reply = send(method, &uri.join("/"), json, "{}").await;
        let (status, code) = (reply.status.as_u16(), reply.json()["code"].as_str().unwrap_or_default().to_owned());
        assert!(matches!(status, 404 | 422), "{route}: {}", reply.text);
        reply.is_problem(status, &code);
        looked_at += 1;
    }
    assert!(looked_at > 20, "{looked_at}");
}
