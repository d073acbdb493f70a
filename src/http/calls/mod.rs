//! `/api/v1/calls`: one file an endpoint.

pub(super) mod hang_up;
mod key;
pub(super) mod list;
pub(super) mod look;
pub(super) mod start;
mod view;

use super::openapi::Operation;

/// What the document says of these addresses.
pub(super) fn docs() -> Vec<Operation> {
    vec![list::docs(), start::docs(), look::docs(), hang_up::docs()]
}
