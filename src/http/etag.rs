//! By what a program can tell that something was not changed since it was read, and that it did not change what others had changed.

use super::Problem;
use axum::http::header::IF_MATCH;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The tag of what has no version of its own: another one whenever what is shown is another.
pub(super) fn of(shown: &impl Serialize) -> HeaderValue {
    let text = serde_json::to_vec(shown).unwrap_or_default();
    let mut tag = String::from("\"");
    for byte in &Sha256::digest(&text)[..12] {
        // Writing to memory does not fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    // Hexadecimal digits and quotation marks are always a header's value.
    HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether what is there is what the client wants to change. Without `If-Match`, or with `*`, it is.
///
/// # Errors
///
/// If it is not.
pub(super) fn matches(headers: &HeaderMap, tag: &HeaderValue) -> Result<(), Problem> {
    let mut wanted = headers.get_all(IF_MATCH).iter().peekable();
    if wanted.peek().is_none() {
        return Ok(());
    }
    let mut tags = wanted.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    if tags.any(|one| one == b"*" || one == tag.as_bytes()) { Ok(()) } else { Err(outdated()) }
}

/// Somebody else was faster.
pub(super) fn outdated() -> Problem {
    let detail = "Somebody changed it since you read it, and nothing was changed now. Read it again, and send its ETag as If-Match.";
    Problem::new(StatusCode::PRECONDITION_FAILED, "outdated", "It was changed meanwhile", detail)
}
