//! The page for people: the document as HTML, with no script. What it says is what the document says.

use super::problems;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// The whole page.
pub(super) fn page(document: &Value) -> String {
    let mut html = String::with_capacity(256 * 1024);
    html.push_str(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Cordboard API</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href=\"/docs/style.css\"></head>\n<body>",
    );
    let mut contents = String::from("<nav><a href=\"#top\"><b>Cordboard API</b></a>");
    let mut parts = String::new();
    for tag in items(&document["tags"]) {
        let name = text(&tag["name"]);
        // Writing to memory does not fail.
        let _ = write!(contents, "<h2><a href=\"#{name}\">{name}</a></h2><ol>");
        let _ = write!(parts, "<h2 id=\"{name}\">{name}</h2>{}", markdown(text(&tag["description"])));
        for (path, method, operation) in operations(document).filter(|(_, _, one)| one["tags"][0] == tag["name"]) {
            let (id, summary) = (text(&operation["operationId"]), escape(text(&operation["summary"])));
            let _ = write!(
                contents,
                "<li><a href=\"#{id}\"><span class=\"method {method}\">{method}</span>{summary}</a></li>"
            );
            article(&mut parts, document, path, method, operation);
        }
        contents.push_str("</ol>");
    }
    contents.push_str("<h2><a href=\"#problems\">problems</a></h2><h2><a href=\"#forms\">forms</a></h2></nav>\n");
    let introduction = markdown(text(&document["info"]["description"]));
    let version = escape(text(&document["info"]["version"]));
    let _ = write!(
        html,
        "{contents}<main id=\"top\"><h1>Cordboard API</h1><p>Version {version}; \
         <a href=\"/api/v1/openapi.json\">the same as OpenAPI 3.1</a>, for programs.</p>{introduction}{parts}"
    );
    html.push_str(
        "<h2 id=\"problems\">problems</h2><table><tr><th>code<th>status<th>what it means<th>what to do next</tr>",
    );
    for [code, status, means, next] in problems() {
        let (means, next) = (inline(means), inline(next));
        let _ = write!(html, "<tr id=\"problem-{code}\"><td><code>{code}</code><td>{status}<td>{means}<td>{next}</tr>");
    }
    html.push_str("</table><h2 id=\"forms\">forms</h2>");
    for (name, form) in fields(&document["components"]["schemas"]) {
        let _ = write!(html, "<article id=\"form-{name}\"><h3>{name}</h3>");
        table(&mut html, form);
        html.push_str("</article>");
    }
    html.push_str("</main></body></html>\n");
    html
}

fn operations(document: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let all = fields(&document["paths"]);
    all.flat_map(|(path, methods)| fields(methods).map(move |(method, operation)| (path, method, operation)))
}

fn article(html: &mut String, document: &Value, path: &str, method: &str, operation: &Value) {
    let (id, summary) = (text(&operation["operationId"]), escape(text(&operation["summary"])));
    let says = markdown(text(&operation["description"]));
    let _ = write!(
        html,
        "<article id=\"{id}\"><h3><a href=\"#{id}\"><span class=\"method {method}\">{method}</span> <code>{path}</code></a> \
         {summary}</h3>{says}"
    );
    if let Some(parameters) = operation["parameters"].as_array() {
        html.push_str("<h4>Parameters</h4><table>");
        for one in parameters {
            let _ = write!(
                html,
                "<tr><td><code>{}</code><td>{}<td>{}<td>{}</tr>",
                escape(text(&one["name"])),
                text(&one["in"]),
                form(&one["schema"]),
                inline(text(&one["description"])),
            );
        }
        html.push_str("</table>");
    }
    let body = &operation["requestBody"]["content"];
    for (media, content) in fields(body) {
        let optional = if operation["requestBody"]["required"] == true { "" } else { ", or none" };
        let _ = write!(html, "<h4>Body: <code>{media}</code>{optional}</h4>");
        match named(&content["schema"]) {
            Some(name) => table(html, &document["components"]["schemas"][name]),
            None => html.push_str(&markdown(text(&content["schema"]["description"]))),
        }
    }
    let _ = write!(html, "<h4>Try it</h4><pre><code>{}</code></pre>", escape(&curl(path, method, operation)));
    html.push_str("<h4>Answers</h4><table>");
    for (status, answer) in fields(&operation["responses"]) {
        if answer["$ref"].is_string() {
            continue;
        }
        let forms = fields(&answer["content"]).map(|(media, content)| match media.as_str() {
            "application/json" => form(&content["schema"]),
            other => format!("<code>{other}</code>"),
        });
        let forms = forms.collect::<Vec<_>>().join(", ");
        let _ = write!(html, "<tr><td>{status}<td>{}<td>{forms}</tr>", inline(text(&answer["description"])));
    }
    html.push_str("<tr><td>4XX, 5XX<td>It was not done<td><a href=\"#problems\">Problem</a></tr></table></article>");
}

/// What one would type.
fn curl(path: &str, method: &str, operation: &Value) -> String {
    let mut line = String::from("curl -sS");
    if method != "get" {
        let _ = write!(line, " -X {}", method.to_uppercase());
    }
    if operation["security"].as_array().is_none_or(|needs| !needs.is_empty()) {
        line.push_str(" -H \"Authorization: Bearer $TOKEN\"");
    }
    let body = fields(&operation["requestBody"]["content"]).find(|(_, content)| !content["example"].is_null());
    if let Some((media, content)) = body {
        let example = content["example"].as_str().map_or_else(|| content["example"].to_string(), str::to_owned);
        let _ = write!(line, " \\\n  -H 'Content-Type: {media}' --data-binary '{}'", example.replace('\'', "'\\''"));
    }
    let path = path.replace("{agent}", "alice").replace("{number}", "+12025550123");
    let path = path.replace("{id}", "$ID").replace("{upload}", "$ID");
    let _ = write!(line, " \\\n  \"$CORDBOARD{path}\"");
    line
}

/// The fields of a form, one a line.
fn table(html: &mut String, of: &Value) {
    html.push_str(&markdown(text(&of["description"])));
    let Some(properties) = of["properties"].as_object() else {
        let _ = write!(html, "<p>{}</p>", form(of));
        return;
    };
    html.push_str("<table>");
    for (name, property) in properties {
        let needed = items(&of["required"]).any(|one| one == name.as_str());
        let always = if needed { "" } else { "may be left out" };
        let says = inline(text(&property["description"]));
        let _ = write!(html, "<tr><td><code>{name}</code><td>{}<td>{always}<td>{says}</tr>", form(property));
    }
    html.push_str("</table>");
}

/// A form in a few words.
fn form(of: &Value) -> String {
    if let Some(name) = named(of) {
        return format!("<a href=\"#form-{name}\">{name}</a>");
    }
    let choices = ["anyOf", "oneOf"].iter().flat_map(|key| items(&of[*key])).map(form).collect::<Vec<_>>();
    if !choices.is_empty() {
        return choices.join(" or ");
    }
    let words = items(&of["enum"]).map(|word| format!("<code>{}</code>", escape(text(word)))).collect::<Vec<_>>();
    if !words.is_empty() {
        return words.join(" ");
    }
    if let Some(word) = of["const"].as_str() {
        return format!("<code>{}</code>", escape(word));
    }
    let kinds = match &of["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return "anything".to_owned(),
    };
    let bounds = match (&of["minimum"], &of["maximum"]) {
        (Value::Number(least), Value::Number(most)) => format!(" {least} to {most}"),
        _ => String::new(),
    };
    if kinds.starts_with("array") {
        return format!("list of {}", form(&of["items"]));
    }
    match of["format"].as_str() {
        Some(format) if kinds.starts_with("string") => kinds.replace("string", &escape(format)),
        _ => format!("{kinds}{bounds}"),
    }
}

fn named(of: &Value) -> Option<&str> {
    of["$ref"].as_str()?.rsplit('/').next()
}

fn fields(of: &Value) -> impl Iterator<Item = (&String, &Value)> {
    of.as_object().into_iter().flat_map(Map::iter)
}

fn items(of: &Value) -> impl Iterator<Item = &Value> {
    of.as_array().into_iter().flatten()
}

fn text(of: &Value) -> &str {
    of.as_str().unwrap_or_default()
}

/// Paragraphs; within them, [`inline`].
fn markdown(text: &str) -> String {
    let paragraphs = text.split("\n\n").filter(|text| !text.trim().is_empty());
    paragraphs.fold(String::new(), |html, text| html + "<p>" + &inline(text) + "</p>")
}

/// Code and bold, nothing else.
fn inline(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for (place, piece) in text.split('`').enumerate() {
        if place % 2 == 1 {
            let _ = write!(html, "<code>{}</code>", escape(piece));
            continue;
        }
        for (place, piece) in piece.split("**").enumerate() {
            let piece = escape(piece);
            if place % 2 == 1 {
                let _ = write!(html, "<b>{piece}</b>");
            } else {
                html.push_str(&piece);
            }
        }
    }
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
