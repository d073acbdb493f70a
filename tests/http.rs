//! The HTTP interface, against a real database. The loop is a stand-in that decides with the real rules and the real store;
//! everything else is the thing itself.

#[path = "http/about.rs"]
mod about;
#[path = "http/analytics.rs"]
mod analytics;
#[path = "http/campaigns.rs"]
mod campaigns;
#[path = "http/carriers.rs"]
mod carriers;
#[path = "http/contract.rs"]
mod contract;
#[path = "http/etags.rs"]
mod etags;
#[path = "http/events.rs"]
mod events;
#[path = "http/forms.rs"]
mod forms;
#[path = "http/hang_up.rs"]
mod hang_up;
#[path = "http/keys.rs"]
mod keys;
#[path = "http/list.rs"]
mod list;
#[path = "http/look.rs"]
mod look;
#[path = "http/matrix.rs"]
mod matrix;
#[path = "http/matrix_analytics.rs"]
mod matrix_analytics;
#[path = "http/matrix_carriers.rs"]
mod matrix_carriers;
#[path = "http/matrix_live.rs"]
mod matrix_live;
#[path = "http/matrix_numbers.rs"]
mod matrix_numbers;
#[path = "http/number_lists.rs"]
mod number_lists;
#[path = "http/numbers.rs"]
mod numbers;
#[path = "http/sessions.rs"]
mod sessions;
#[path = "http/socket.rs"]
mod socket;
#[path = "http/start.rs"]
mod start;
#[path = "http/support.rs"]
mod support;
#[path = "http/tenants.rs"]
mod tenants;
#[path = "http/webhooks.rs"]
mod webhooks;
