//! Each answer has the form that the document tells of: every good one that any test here gets is held against it, key by key.

use crate::contract::unaliased;
use crate::support::Reply;
use axum::http::Method;
use cordboard::http::openapi;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Answers that may be anything at their top, and why.
const ANYTHING: [(&str, &str); 1] = [("getOpenApi", "its form is OpenAPI's own")];

static DOCUMENT: LazyLock<Value> = LazyLock::new(openapi::document);

/// The form that is referred to, or the form itself.
fn resolved<'a>(form: &'a Value, document: &'a Value) -> &'a Value {
    let Some(reference) = form["$ref"].as_str() else { return form };
    let pointer = reference.strip_prefix('#').expect("within the document");
    resolved(document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere")), document)
}

fn types(form: &Value) -> Vec<&str> {
    let one = form["type"].as_str().into_iter();
    one.chain(forms(form, "type").iter().filter_map(Value::as_str)).collect()
}

fn forms<'a>(form: &'a Value, key: &str) -> &'a [Value] {
    form[key].as_array().map_or(&[], Vec::as_slice)
}

/// Whether anything fits, or any object, or a list of anything.
fn is_loose(form: &Value, document: &Value) -> bool {
    let form = resolved(form, document);
    let is_loose = |form: &Value| is_loose(form, document);
    if form.get("enum").is_some() || form.get("const").is_some() {
        return false;
    }
    let choices: Vec<&Value> = ["anyOf", "oneOf"].iter().flat_map(|key| forms(form, key)).collect();
    let types = types(form);
    if types.is_empty() {
        return choices.is_empty() || choices.into_iter().any(is_loose);
    }
    let any_object = form["properties"].as_object().is_none_or(serde_json::Map::is_empty)
        && (form["additionalProperties"].is_null() || is_loose(&form["additionalProperties"]))
        && form["additionalProperties"] != false;
    let any_list = form.get("items").is_none_or(is_loose);
    types.contains(&"object") && any_object || types.contains(&"array") && any_list
}

/// Each answer of the document that is good and has a body: its operation, status and form.
fn answers(document: &Value) -> Vec<(&str, &str, Option<&Value>)> {
    let mut all = Vec::new();
    for methods in document["paths"].as_object().expect("paths").values() {
        for operation in methods.as_object().expect("methods").values() {
            let id = operation["operationId"].as_str().expect("an id");
            for (status, answer) in operation["responses"].as_object().expect("responses") {
                let content = answer["content"].as_object().into_iter().flatten();
                let good = content.filter(|_| status.starts_with('2'));
                all.extend(good.map(|(_, content)| (id, status.as_str(), content.get("schema"))));
            }
        }
    }
    all
}

/// Those answers of the document that may be anything.
fn loose(document: &Value) -> BTreeSet<&str> {
    let loose = answers(document).into_iter().filter(|(.., form)| form.is_none_or(|form| is_loose(form, document)));
    loose.map(|(id, ..)| id).collect()
}

#[test]
fn every_answer_has_a_form() {
    assert!(answers(&DOCUMENT).len() > 70, "answers are told of in another way");
    assert_eq!(loose(&DOCUMENT), ANYTHING.iter().map(|(id, _)| *id).collect(), "`gives::<T>` says of what form it is");
}

#[test]
fn an_answer_without_a_form_is_found_out() {
    let of = |content: Value| {
        let operation =
            json!({ "operationId": "it", "responses": { "200": { "content": { "application/json": content } } } });
        json!({
            "paths": { "/": { "get": operation } },
            "components": { "schemas": {
                "Any": {}, "Bag": { "type": "object", "additionalProperties": true },
                "One": { "type": "object", "properties": { "id": { "type": "string" } } },
            } },
        })
    };
    let any = json!({ "$ref": "#/components/schemas/Any" });
    let bag = json!({ "$ref": "#/components/schemas/Bag" });
    let one = json!({ "$ref": "#/components/schemas/One" });
    assert_eq!(loose(&of(json!({}))), BTreeSet::from(["it"]), "no form at all");
    for form in [
        json!({}),
        json!(true),
        json!({ "description": "The figures" }),
        json!({ "type": "object" }),
        json!({ "type": ["object", "null"] }),
        json!({ "type": "array" }),
        json!({ "type": "array", "items": {} }),
        json!({ "anyOf": [&one, {}] }),
        json!({ "type": "array", "items": bag.clone() }),
        any,
        bag,
    ] {
        assert_eq!(loose(&of(json!({ "schema": form }))), BTreeSet::from(["it"]), "{form}");
    }
    for form in [
        json!({ "type": "string" }),
        json!({ "enum": ["a"] }),
        json!({ "type": "array", "items": one.clone() }),
        json!({ "anyOf": [&one, { "type": "null" }] }),
        json!({ "type": "object", "additionalProperties": { "type": "integer" } }),
        one,
    ] {
        assert!(loose(&of(json!({ "schema": form }))).is_empty(), "{form}");
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("no type of JSON: {name}"),
    }
}

/// Where a value has not this form. Keys that are not told of count: whoever adds one says what it is. Patterns and formats are
/// left to `make contract`.
fn misfits(form: &Value, value: &Value, document: &Value, at: &str) -> Vec<String> {
    let form = resolved(form, document);
    let mut found = Vec::new();
    let types = types(form);
    if !types.is_empty() && !types.iter().any(|name| is_of(value, name)) {
        return vec![format!("{at} is {value}, and not {}", types.join(" or "))];
    }
    let wanted = form.get("const").into_iter().chain(forms(form, "enum"));
    if wanted.clone().next().is_some() && !wanted.into_iter().any(|wanted| wanted == value) {
        found.push(format!("{at} is {value}, which is none of its words"));
    }
    let beyond = |limit: &str, is_beyond: fn(f64, f64) -> bool| {
        value.as_f64().zip(form[limit].as_f64()).is_some_and(|(value, limit)| is_beyond(value, limit))
    };
    if beyond("minimum", |value, limit| value < limit) || beyond("maximum", |value, limit| value > limit) {
        found.push(format!("{at} is {value}, beyond its bounds"));
    }
    for (key, fits) in [("anyOf", (|count, _| count > 0) as fn(usize, usize) -> bool), ("oneOf", |count, _| count == 1)]
    {
        let choices = forms(form, key);
        let count = choices.iter().filter(|choice| misfits(choice, value, document, at).is_empty()).count();
        if !choices.is_empty() && !fits(count, choices.len()) {
            found.push(format!("{at} is {value}, which fits {count} of its {} forms", choices.len()));
        }
    }
    if let Some(fields) = value.as_object() {
        let told = form["properties"].as_object();
        let required = forms(form, "required").iter().filter_map(Value::as_str);
        found.extend(required.filter(|name| !fields.contains_key(*name)).map(|name| format!("{at}.{name} is missing")));
        for (name, field) in fields {
            let at = format!("{at}.{name}");
            match (told.and_then(|told| told.get(name)), form.get("additionalProperties")) {
                (Some(form), _) | (None, Some(form @ Value::Object(_))) => {
                    found.extend(misfits(form, field, document, &at));
                }
                (None, Some(Value::Bool(true))) => {}
                (None, None) if told.is_none() => {}
                (None, _) => found.push(format!("{at} is not told of")),
            }
        }
    }
    if let (Some(items), Some(form)) = (value.as_array(), form.get("items")) {
        let each = items.iter().enumerate();
        found.extend(each.flat_map(|(nth, item)| misfits(form, item, document, &format!("{at}[{nth}]"))));
    }
    found
}

/// What is documented at an address: the one with the fewest names in its place.
fn operation<'a>(method: &Method, path: &str, document: &'a Value) -> Option<&'a Value> {
    let path = unaliased(&format!("{method} {path}"));
    let parts: Vec<&str> = path.split_once(' ').expect("a path").1.split('/').collect();
    let fits = |template: &str| {
        let wanted: Vec<&str> = template.split('/').collect();
        let alike = |(wanted, part): (&&str, &&str)| wanted.starts_with('{') || wanted == part;
        wanted.len() == parts.len() && wanted.iter().zip(&parts).all(alike)
    };
    let paths = document["paths"].as_object().expect("paths").iter();
    let (_, methods) =
        paths.filter(|(template, _)| fits(template)).min_by_key(|(path, _)| path.matches('{').count())?;
    methods.get(method.as_str().to_lowercase())
}

/// What is wrong with an answer, as the document has it.
fn wrong(method: &Method, path: &str, status: u16, text: &str, document: &Value) -> Vec<String> {
    let Some(operation) = operation(method, path, document) else { return vec!["nobody tells of it".to_owned()] };
    let Some(answer) = operation["responses"].get(status.to_string()) else {
        return vec!["the document knows no such status here".to_owned()];
    };
    let Some(content) = answer["content"].as_object() else {
        return if text.is_empty() { Vec::new() } else { vec!["it should have no body".to_owned()] };
    };
    let Some(content) = content.get("application/json") else { return Vec::new() };
    match serde_json::from_str(text) {
        Ok(value) => misfits(&content["schema"], &value, document, "it"),
        Err(error) => vec![format!("it is no JSON: {error}")],
    }
}

/// Holds an answer against the document, unless it is a problem, which is checked where one is wanted.
#[track_caller]
pub fn held_against_the_document(method: &Method, path: &str, reply: &Reply) {
    let (status, text) = (reply.status.as_u16(), &reply.text);
    if reply.header("content-type") != Some("application/problem+json") && method != Method::HEAD {
        let wrong = wrong(method, path, status, text, &DOCUMENT);
        assert!(wrong.is_empty(), "{method} {path} answers {status} in another form than is told: {wrong:#?}\n{text}");
    }
}

#[test]
fn an_answer_of_another_form_is_found_out() {
    let campaign = json!({
        "id": "01a1fe70-0fd6-76e4-a489-823b761941ad", "name": "Spring", "status": "active", "numbers": 0, "contacts": 0,
        "createdAt": "2026-11-21T12:00:00Z", "updatedAt": "2026-11-21T12:00:00Z",
    });
    let page = |campaign: &Value| json!({ "campaigns": [campaign], "next": null }).to_string();
    let seen = |text: &str| wrong(&Method::GET, "/api/v1/campaigns", 200, text, &DOCUMENT);
    assert_eq!(seen(&page(&campaign)), Vec::<String>::new());
    for (key, value, says) in [
        ("name", json!(null), "it.campaigns[0].name is null, and not string"),
        ("status", json!("open"), "it.campaigns[0].status is \"open\", which fits 0 of its 3 forms"),
        ("contacts", json!(1.5), "it.campaigns[0].contacts is 1.5, and not integer"),
        ("dialer", json!("none"), "it.campaigns[0].dialer is not told of"),
    ] {
        let mut other = campaign.clone();
        other[key] = value;
        assert_eq!(seen(&page(&other)), [says]);
    }
    let mut other = campaign.clone();
    other.as_object_mut().expect("an object").remove("status");
    assert_eq!(seen(&page(&other)), ["it.campaigns[0].status is missing"]);
    assert_eq!(seen("{"), ["it is no JSON: EOF while parsing an object at line 1 column 1"]);
    let at = |method, path, status, text| wrong(&method, path, status, text, &DOCUMENT);
    assert_eq!(at(Method::GET, "/api/v1/campaigns", 202, ""), ["the document knows no such status here"]);
    assert_eq!(at(Method::PUT, "/api/v1/campaigns", 200, ""), ["nobody tells of it"]);
    assert_eq!(at(Method::DELETE, "/api/v1/session", 204, "gone"), ["it should have no body"]);
    // The address of a number, and not of a number that is called so.
    assert_eq!(at(Method::GET, "/api/v1/phone-numbers/summary", 200, "{}").len(), 7, "each of its keys");
}
