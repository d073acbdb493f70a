//! `GET /api/v1/openapi.json` and `GET /docs`. Nobody needs a credential: it is the same for all, and says nothing about anybody.

use super::{Operation, page};
use crate::http::AppState;
use axum::body::Bytes;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use std::sync::OnceLock;

/// A test holds it against what the sources say. Like this it is no memory of the daemon's.
const COMMITTED: &str = include_str!("../../../docs/openapi.json");

/// No script, nothing from elsewhere, in no frame.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The addresses, and what is at them.
pub(in crate::http) fn routes() -> Vec<(&'static str, MethodRouter<AppState>)> {
    vec![("/api/v1/openapi.json", get(openapi)), ("/docs", get(docs_page)), ("/docs/style.css", get(style))]
}

/// What is said about them.
pub(in crate::http) fn docs() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/openapi.json", "getOpenApi", "This document")
            .says("Of the daemon that answers. `cordboard openapi` prints the same.")
            .open()
            .gives::<serde_json::Map<String, serde_json::Value>>(200, "OpenAPI 3.1"),
        Operation::get("/docs", "getDocs", "This document, for people")
            .says("A page without scripts. It needs nothing from elsewhere.")
            .open()
            .gives_media(200, "text/html", "The page"),
        Operation::get("/docs/style.css", "getDocsStyle", "How the page looks").open().gives_media(
            200,
            "text/css",
            "The style",
        ),
    ]
}

async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], COMMITTED).into_response()
}

async fn docs_page() -> Response {
    static PAGE: OnceLock<Bytes> = OnceLock::new();
    let page = PAGE.get_or_init(|| {
        let document = serde_json::from_str(COMMITTED).unwrap_or_default();
        Bytes::from(page::page(&document))
    });
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, page.clone()).into_response()
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}
