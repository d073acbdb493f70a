//! What is to be known before the first request, and what each part is about.

/// The first words of the document.
pub(super) const INTRODUCTION: &str = "\
Cordboard connects agents with customers over Asterisk, chooses the number that is shown, and keeps within the limits.

**Who asks.** A program sends `Authorization: Bearer <token>`; an admin makes tokens at `POST /api/v1/tokens`, or with
`cordboard tokens add`. A person signs in at `POST /api/v1/session` and has a cookie. The tenant comes from the credential and from
nothing else; what belongs to others looks like what is not there. `GET /api/v1/me` says what one may do.

**Problems.** Every error is `application/problem+json` (RFC 9457): `code` is stable and for programs, `detail` says what to do next
and is for people. All codes are listed in `docs/problems.md` and below. `Retry-After` comes with 429 and 503.

**Once only.** `POST /api/v1/calls` heeds `Idempotency-Key`: send the same key when you ask again, and no second call is made.
`ETag` and `If-Match` keep you from changing what somebody else has changed meanwhile.

**Pages.** Lists give `next`; send it as `cursor` for the page behind. `next` is null on the last one.

**The same twice.** What is at `/api/v1/numbers` is at `/api/v1/phone-numbers` too.

**Names.** Keys are in camelCase, times in UTC as RFC 3339 has them, numbers in E.164. Unknown keys and parameters are refused, not
ignored. More keys may be added to answers: ignore those you do not know.";

/// The parts, in their order, with what they are about.
pub(super) const TAGS: [(&str, &str); 9] = [
    ("session", "Sign in and out: for people. Programs use tokens."),
    ("me", "Who one is, and what one may do."),
    ("calls", "Start, watch and end calls. An agent sees only their own."),
    ("numbers", "The organization's numbers: add, change, give to agents, take out of the inventory."),
    ("agents", "Who talks."),
    ("users", "Who signs in."),
    ("tokens", "Keys for programs."),
    ("audit", "Who changed what."),
    ("operations", "Is it alive, is it ready, how is it; and this document."),
];

/// What stands at the place of something in an address.
pub(super) fn parameter(path: &str, name: &str) -> (&'static str, bool) {
    match name {
        "id" if path.starts_with("/api/v1/campaigns/") => ("The campaign's id or name", false),
        "id" if path.starts_with("/api/v1/carriers/") => ("The carrier's name in the settings", false),
        "agent" => ("The agent's endpoint, such as `alice`, or id", false),
        "number" => ("The number's id, or the number itself, with or without `+`", false),
        "upload" => ("The id of the list", true),
        _ => ("The id", true),
    }
}
