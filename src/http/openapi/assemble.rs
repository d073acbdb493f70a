//! Makes the document of the operations.

use super::operation::{Content, Make, Needs, Operation, Payload};
use super::prose::{INTRODUCTION, TAGS, parameter};
use super::{ALIASES, problems};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Forms of what comes in and of what goes out: a key that may be left out of the one may be sure to be in the other.
struct Forms {
    coming: SchemaGenerator,
    going: SchemaGenerator,
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.definitions_path = "/components/schemas".into();
    })
}

pub(super) fn document(operations: &[Operation]) -> Value {
    let mut forms = Forms {
        coming: settings().for_deserialize().into_generator(),
        going: settings().for_serialize().into_generator(),
    };
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described(operation, &mut forms);
    }
    let mut schemas = forms.going.take_definitions(true);
    for (name, schema) in forms.coming.take_definitions(true) {
        let known = schemas.entry(name.clone()).or_insert_with(|| schema.clone());
        // Two types of one name would leave one of them undescribed.
        assert_eq!(*known, schema, "two different types are called {name} in the document: rename one");
    }
    schemas.insert("Problem".to_owned(), problem());
    schemas.values_mut().for_each(forget_null_defaults);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Cordboard",
            "version": env!("CARGO_PKG_VERSION"),
            "description": INTRODUCTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "Where this document comes from" }],
        "tags": tags(operations),
        "paths": paths,
        "security": [{ "token": [] }, { "session": [] }],
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http", "scheme": "bearer",
                    "description": "A token of an organization, or the one that signing in with `\"bearer\": true` gives",
                },
                "session": {
                    "type": "apiKey", "in": "cookie", "name": crate::http::auth::COOKIE,
                    "description": "What signing in leaves in a browser",
                },
            },
            "responses": {
                "Problem": {
                    "description": "It was not done; `code` says why, `detail` what to do next",
                    "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
                },
            },
        },
        // Not of OpenAPI: where the same is found again.
        "x-aliases": ALIASES.into_iter().map(|(alias, root)| (alias.to_owned(), json!(root))).collect::<Map<_, _>>(),
    })
}

/// To which part an address belongs.
pub(super) fn tag(path: &str) -> &str {
    let part = path.strip_prefix("/api/v1/").and_then(|rest| rest.split('/').next());
    match part {
        Some("phone") => "numbers",
        Some("openapi.json") | None => "operations",
        Some(part) => part,
    }
}

fn tags(operations: &[Operation]) -> Vec<Value> {
    let mut tags: Vec<(&str, &str)> = TAGS.to_vec();
    for operation in operations {
        let tag = tag(operation.path);
        if !tags.iter().any(|(name, _)| *name == tag) {
            tags.push((tag, ""));
        }
    }
    tags.into_iter().map(|(name, description)| json!({ "name": name, "description": description })).collect()
}

fn described(operation: &Operation, forms: &mut Forms) -> Value {
    let right = match operation.needs {
        Needs::Nothing => "Nobody needs a credential.".to_owned(),
        Needs::Credential => "Any valid credential will do.".to_owned(),
        Needs::Right(action) => format!("Needs the right `{action}`."),
    };
    let says = [operation.description, &right].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": says.join("\n\n"),
        "tags": [tag(operation.path)],
        "responses": answers(operation, &mut forms.going),
    });
    let parameters = parameters(operation, &mut forms.coming);
    if !parameters.is_empty() {
        described["parameters"] = Value::Array(parameters);
    }
    if let Some(payload) = operation.payload {
        described["requestBody"] = body(payload, operation.example, &mut forms.coming);
    }
    if operation.needs == Needs::Nothing {
        described["security"] = json!([]);
    }
    described
}

fn parameters(operation: &Operation, forms: &mut SchemaGenerator) -> Vec<Value> {
    let mut all = Vec::new();
    let names = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    for name in names {
        let (says, is_id) = parameter(operation.path, name);
        let schema = if is_id { json!({ "type": "string", "format": "uuid" }) } else { json!({ "type": "string" }) };
        all.push(json!({ "name": name, "in": "path", "required": true, "description": says, "schema": schema }));
    }
    if let Some(make) = operation.query {
        all.extend(query(make, forms));
    }
    for (name, says) in &operation.headers {
        let schema = json!({ "type": "string", "minLength": 1, "maxLength": 255 });
        all.push(json!({ "name": name, "in": "header", "required": false, "description": says, "schema": schema }));
    }
    all
}

/// Each field of the type is a parameter.
fn query(make: Make, forms: &mut SchemaGenerator) -> Vec<Value> {
    let form = resolved(make(forms).to_value(), forms);
    let required = form["required"].as_array().cloned().unwrap_or_default();
    let fields = form["properties"].as_object().cloned().unwrap_or_default();
    let described = |(name, mut schema): (String, Value)| {
        let says = schema.as_object_mut().and_then(|fields| fields.remove("description"));
        // Nothing behind the `?` is null: what is not said is left out.
        let schema = not_null(schema);
        let required = required.contains(&json!(name));
        let mut one = json!({ "name": name, "in": "query", "required": required, "schema": schema });
        if let Some(says) = says {
            one["description"] = says;
        }
        one
    };
    fields.into_iter().map(described).collect()
}

/// The form itself, taken out of those that are named: nothing else refers to it.
fn resolved(form: Value, forms: &mut SchemaGenerator) -> Value {
    let name = form["$ref"].as_str().and_then(|name| name.rsplit('/').next()).map(str::to_owned);
    let named = name.and_then(|name| forms.definitions_mut().remove(&name));
    named.unwrap_or(form)
}

fn not_null(mut schema: Value) -> Value {
    if let Some(types) = schema["type"].as_array() {
        let types: Vec<&Value> = types.iter().filter(|name| *name != "null").collect();
        schema["type"] = if let [one] = types[..] { one.clone() } else { json!(types) };
    }
    if let Some(forms) = schema["anyOf"].as_array() {
        let forms: Vec<&Value> = forms.iter().filter(|form| form["type"] != "null").collect();
        if let [one] = forms[..] {
            return one.clone();
        }
    }
    forget_null_defaults(&mut schema);
    schema
}

/// What is left out is not the same as null in a change.
fn forget_null_defaults(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.retain(|name, value| !(name == "default" && value.is_null()));
            fields.values_mut().for_each(forget_null_defaults);
        }
        Value::Array(values) => values.iter_mut().for_each(forget_null_defaults),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn body(payload: Payload, example: Option<&str>, forms: &mut SchemaGenerator) -> Value {
    match payload {
        Payload::Json { make, required } => {
            let mut content = json!({ "schema": make(forms).to_value() });
            if let Some(example) = example {
                // Examples are written as one would send them; a test reads each of them.
                content["example"] = serde_json::from_str(example).unwrap_or_else(|_| json!(example));
            }
            json!({ "required": required, "content": { "application/json": content } })
        }
        Payload::Media(media) => {
            let content = media.iter().enumerate().map(|(place, (name, says))| {
                let is_json = *name == "application/json";
                let schema = if is_json {
                    json!({ "description": says })
                } else {
                    json!({ "type": "string", "description": says })
                };
                let mut content = json!({ "schema": schema });
                if let (0, Some(example)) = (place, example) {
                    content["example"] = json!(example);
                }
                ((*name).to_owned(), content)
            });
            json!({ "required": true, "content": content.collect::<Map<_, _>>() })
        }
    }
}

fn answers(operation: &Operation, forms: &mut SchemaGenerator) -> Value {
    let mut answers = Map::new();
    for (status, says, content) in &operation.answers {
        let mut answer = json!({ "description": says });
        match content {
            Content::Nothing => {}
            Content::Json(make) => {
                answer["content"] = json!({ "application/json": { "schema": make(forms).to_value() } });
            }
            Content::Media(media) => answer["content"] = json!({ *media: { "schema": { "type": "string" } } }),
        }
        let mut headers = Map::new();
        if operation.tagged && *status < 300 {
            let says = "Send it as `If-Match` with a change, and nothing that somebody else changed is overwritten";
            headers.insert("ETag".to_owned(), json!({ "description": says, "schema": { "type": "string" } }));
        }
        if operation.located && *status == 201 {
            let says = "Where it is";
            headers.insert("Location".to_owned(), json!({ "description": says, "schema": { "type": "string" } }));
        }
        if !headers.is_empty() {
            answer["headers"] = Value::Object(headers);
        }
        answers.insert(status.to_string(), answer);
    }
    for range in ["4XX", "5XX"] {
        answers.insert(range.to_owned(), json!({ "$ref": "#/components/responses/Problem" }));
    }
    Value::Object(answers)
}

/// All that went wrong looks like this.
fn problem() -> Value {
    let codes: Vec<&str> = problems().into_iter().map(|[code, ..]| code).collect();
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457). Some codes have more members, such as `rows` or `available`.",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": { "type": "string", "description": "`urn:cordboard:problem:` and the code" },
            "title": { "type": "string", "description": "What it is, for people" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "What to do next, for people" },
            "code": {
                "type": "string",
                "description": "What it is, for programs. A code keeps its meaning; new ones may be added: take one that \
                    you do not know by its status.",
                "x-extensible-enum": codes,
            },
            "callId": { "type": "string", "format": "uuid", "description": "The call that it is about, if there is one" },
        },
        "example": {
            "type": "urn:cordboard:problem:call_not_found", "title": "No such call", "status": 404, "code": "call_not_found",
            "detail": "Your organization has no call with this id. Take the id from the answer to the start, or from the list.",
        },
    })
}
