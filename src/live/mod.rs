//! What happens, told as it happens: which events there are and what they say, how a webhook is signed, when it is tried again,
//! and to which addresses nothing is ever sent. The shell that reads, waits and sends is in [`daemon`](crate::daemon).

mod event;
mod networks;
mod retry;
mod send;
mod sign;

pub use event::{Event, EventType, Place, UnknownEvent, UnknownPlace};
pub use networks::{Network, Networks, UnknownNetwork, UrlError};
pub use retry::{Schedule, wait};
pub use send::{Message, Sender, SenderError, Sent};
pub use sign::{BadSecret, Secret};
