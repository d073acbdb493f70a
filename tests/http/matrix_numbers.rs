//! The lines of the matrix about numbers. What is read comes first: later lines take numbers away.

use crate::matrix::{Ask, Line, Rule, at};
use cordboard::access::Action;
use serde_json::json;
use uuid::Uuid;

const HERE: &str = "/api/v1/numbers";
/// The same, where users of other systems look for it.
const THERE: &str = "/api/v1/phone-numbers";

/// The lines, at both addresses.
pub fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    for root in [HERE, THERE] {
        lines.extend(
            here().into_iter().map(|(method, path, rule, ask)| (method, path.replacen(HERE, root, 1), rule, ask)),
        );
    }
    lines.push(("POST", "/api/v1/phone/provision".to_owned(), may(Action::NumbersClaim, false), |_| {
        at("/api/v1/phone/provision")
    }));
    // At both addresses, before anything is taken away.
    lines.sort_by_key(|(method, ..)| *method != "GET");
    lines
}

/// The address that is asked, where the line stands.
pub fn moved(template: &str, path: String) -> String {
    if template.starts_with(THERE) { path.replacen(HERE, THERE, 1) } else { path }
}

fn may(action: Action, is_somebodys: bool) -> Rule {
    Rule::May(action, is_somebodys)
}

fn here() -> Vec<(&'static str, &'static str, Rule, Ask)> {
    use Action::{AssignmentsManage, NumbersClaim, NumbersManage, NumbersRelease, NumbersSee, UsageSee};
    use Rule::Act;
    vec![
        ("GET", "/api/v1/numbers", Act(NumbersSee, false), |_| at("/api/v1/numbers")),
        ("GET", "/api/v1/numbers/dropdown", Act(NumbersSee, false), |_| at("/api/v1/numbers/dropdown")),
        ("GET", "/api/v1/numbers/groups", Rule::AllOnly(NumbersSee, false), |_| at("/api/v1/numbers/groups?by=team")),
        ("GET", "/api/v1/numbers/summary", Rule::AllOnly(NumbersSee, false), |_| at("/api/v1/numbers/summary")),
        ("GET", "/api/v1/numbers/export", Rule::AllOnly(NumbersSee, false), |_| at("/api/v1/numbers/export")),
        ("GET", "/api/v1/numbers/primary/current", Rule::AllOnly(NumbersSee, false), |_| {
            at("/api/v1/numbers/primary/current")
        }),
        ("GET", "/api/v1/numbers/available", Rule::AllOnly(NumbersSee, false), |_| at("/api/v1/numbers/available")),
        ("GET", "/api/v1/numbers/current", Rule::AllOnly(NumbersSee, false), |_| at("/api/v1/numbers/current")),
        ("GET", "/api/v1/numbers/agent/{agent}", Act(UsageSee, true), |things| {
            at(&format!("/api/v1/numbers/agent/{}", things.agent))
        }),
        ("GET", "/api/v1/numbers/agent/{agent}/history", Act(UsageSee, true), |things| {
            at(&format!("/api/v1/numbers/agent/{}/history", things.agent))
        }),
        ("GET", "/api/v1/numbers/{number}", Act(NumbersSee, true), |things| {
            at(&format!("/api/v1/numbers/{}", things.number))
        }),
        ("GET", "/api/v1/numbers/{number}/history", Rule::AllOnly(NumbersSee, true), |things| {
            at(&format!("/api/v1/numbers/{}/history", things.number))
        }),
        ("GET", "/api/v1/numbers/uploads/{upload}", Rule::Never(NumbersManage), |_| {
            at(&format!("/api/v1/numbers/uploads/{}", Uuid::now_v7()))
        }),
        ("POST", "/api/v1/numbers/bulk-upload", may(NumbersManage, false), |_| {
            ("/api/v1/numbers/bulk-upload".to_owned(), Some(json!([])))
        }),
        ("POST", "/api/v1/numbers", may(NumbersManage, false), |_| {
            ("/api/v1/numbers".to_owned(), Some(json!({ "number": "12025550123" })))
        }),
        ("PATCH", "/api/v1/numbers/{number}", may(NumbersManage, true), |things| {
            (format!("/api/v1/numbers/{}", things.number), Some(json!({ "friendlyName": "Front desk" })))
        }),
        ("PUT", "/api/v1/numbers/{number}", may(NumbersManage, true), |things| {
            (format!("/api/v1/numbers/{}", things.number), Some(json!({ "friendlyName": "Front desk" })))
        }),
        ("DELETE", "/api/v1/numbers/{number}", may(NumbersManage, true), |things| {
            at(&format!("/api/v1/numbers/{}", things.number))
        }),
        ("POST", "/api/v1/numbers/bulk", may(NumbersManage, false), |things| {
            ("/api/v1/numbers/bulk".to_owned(), Some(json!({ "operation": "activate", "numbers": [things.number] })))
        }),
        ("POST", "/api/v1/numbers/{number}/activate", may(NumbersManage, true), |things| {
            at(&format!("/api/v1/numbers/{}/activate", things.number))
        }),
        ("POST", "/api/v1/numbers/{number}/deactivate", may(NumbersManage, true), |things| {
            at(&format!("/api/v1/numbers/{}/deactivate", things.number))
        }),
        ("POST", "/api/v1/numbers/{number}/rest", may(NumbersManage, true), |things| {
            at(&format!("/api/v1/numbers/{}/rest", things.number))
        }),
        ("POST", "/api/v1/numbers/{number}/primary", may(NumbersManage, true), |things| {
            at(&format!("/api/v1/numbers/{}/primary", things.number))
        }),
        ("POST", "/api/v1/numbers/{number}/assign", may(AssignmentsManage, true), |things| {
            let wanted = json!({ "agentId": things.agent, "dailyLimit": 10 });
            (format!("/api/v1/numbers/{}/assign", things.number), Some(wanted))
        }),
        ("POST", "/api/v1/numbers/{number}/retire", may(NumbersManage, true), |things| {
            at(&format!("/api/v1/numbers/{}/retire", things.number))
        }),
        ("POST", "/api/v1/numbers/{number}/unassign", may(AssignmentsManage, true), |things| {
            at(&format!("/api/v1/numbers/{}/unassign", things.number))
        }),
        ("POST", "/api/v1/numbers/assign", may(NumbersClaim, false), |_| {
            ("/api/v1/numbers/assign".to_owned(), Some(json!({ "number": "+12025550199" })))
        }),
        ("POST", "/api/v1/numbers/current/swap", may(NumbersRelease, false), |_| {
            ("/api/v1/numbers/current/swap".to_owned(), Some(json!({ "number": "+12025550199" })))
        }),
        ("POST", "/api/v1/numbers/current/rest", may(NumbersRelease, false), |_| at("/api/v1/numbers/current/rest")),
        ("POST", "/api/v1/numbers/current/release", may(NumbersRelease, false), |_| {
            at("/api/v1/numbers/current/release")
        }),
    ]
}
