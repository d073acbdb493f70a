//! The lines of the matrix about metrics and about numbers in the call log.

use crate::matrix::{Line, Rule, at};
use cordboard::access::Action;
use serde_json::json;

pub fn lines() -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    lines.push(("GET", "/api/v1/analytics/dashboard".to_owned(), Rule::Act(Action::MetricsSee, false), |_| {
        at("/api/v1/analytics/dashboard")
    }));
    lines.push(("GET", "/api/v1/analytics/dashboard".to_owned(), Rule::Act(Action::MetricsSee, true), |things| {
        at(&format!("/api/v1/analytics/dashboard?phoneNumber={}", things.number))
    }));
    lines.push(("GET", "/api/v1/analytics/dashboard".to_owned(), Rule::Act(Action::MetricsSee, true), |things| {
        at(&format!("/api/v1/analytics/dashboard?agent={}", things.agent))
    }));
    lines.push(("GET", "/api/v1/analytics/compare".to_owned(), Rule::Act(Action::MetricsSee, false), |_| {
        at("/api/v1/analytics/compare")
    }));
    lines.push(("GET", "/api/v1/analytics/compare".to_owned(), Rule::Act(Action::MetricsSee, true), |things| {
        at(&format!("/api/v1/analytics/compare?phoneNumber={}", things.number))
    }));
    for root in ["/api/v1/numbers", "/api/v1/phone-numbers"] {
        for method in ["GET", "POST"] {
            // The other address is the same, by matrix_numbers::moved.
            lines.push((method, format!("{root}/discover"), Rule::AllOnly(Action::NumbersManage, false), |_| {
                at("/api/v1/numbers/discover")
            }));
        }
        lines.push(("POST", format!("{root}/discover/confirm"), Rule::May(Action::NumbersManage, false), |_| {
            ("/api/v1/numbers/discover/confirm".to_owned(), Some(json!({ "numbers": ["+12125557999"] })))
        }));
    }
    lines
}
