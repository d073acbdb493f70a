//! The lines of the matrix about carriers and campaigns.

use crate::matrix::{Line, Rule, at};
use cordboard::access::Action::ImportsManage;

/// The lines.
pub fn lines() -> Vec<Line> {
    vec![
        ("GET", "/api/v1/carriers".to_owned(), Rule::Act(ImportsManage, false), |_| at("/api/v1/carriers")),
        // Which carrier is whose, the settings say; here it is nobody's.
        ("POST", "/api/v1/carriers/{id}/import".to_owned(), Rule::Never(ImportsManage), |_| {
            at("/api/v1/carriers/twilio/import")
        }),
        ("GET", "/api/v1/carriers/{id}/drift".to_owned(), Rule::Never(ImportsManage), |_| {
            at("/api/v1/carriers/twilio/drift")
        }),
    ]
}
