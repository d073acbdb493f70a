//! `/api/v1/calls`: one file an endpoint.

pub(super) mod hang_up;
pub(super) mod list;
pub(super) mod look;
pub(super) mod start;
mod view;
