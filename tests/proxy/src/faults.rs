//! What goes wrong, how often, and by which chance.

use std::time::Duration;

/// What goes wrong.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Every piece takes so long, each way.
    pub latency: Duration,
    /// And up to so much longer.
    pub jitter: Duration,
    /// Pieces are written in slices of at most so many bytes.
    pub slice: Option<usize>,
    /// What is done to single messages. The first rule that strikes counts.
    pub rules: Vec<Rule>,
}

/// Something that is done to some messages.
#[derive(Clone, Debug)]
pub struct Rule {
    /// To which.
    pub on: On,
    /// What.
    pub what: What,
    /// How often, in a thousand.
    pub permille: u32,
    /// No more often than this.
    pub at_most: Option<u64>,
}

impl Rule {
    /// A rule that always strikes.
    pub fn new(on: On, what: What) -> Self {
        Self { on, what, permille: 1000, at_most: None }
    }

    /// The same, so often in a thousand.
    #[must_use]
    pub fn permille(mut self, permille: u32) -> Self {
        self.permille = permille;
        self
    }

    /// The same, no more often than this.
    #[must_use]
    pub fn at_most(mut self, times: u64) -> Self {
        self.at_most = Some(times);
        self
    }
}

/// Which messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// Requests with this method, and a path that ends so (an empty one: all).
    Request(&'static str, &'static str),
    /// Events of this type (an empty one: all).
    Event(&'static str),
    /// `COMMIT` on its way to Postgres.
    Commit,
    /// Any end of a batch of messages to Postgres, `COMMIT` included: the next that comes is its answer.
    Batch,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The request arrives, its reply does not, and the connection ends.
    DropReply,
    /// The request arrives, and nothing more is ever heard on this connection.
    HoldReply,
    /// The reply comes twice.
    DoubleReply,
    /// The request does not arrive, and the connection ends.
    DropRequest,
    /// The request does not arrive, and this is said to have come of it.
    Status(u16),
    /// The event does not arrive.
    DropEvent,
    /// The event comes twice.
    DoubleEvent,
    /// The connection ends when this has been sent and before its answer.
    CutAfter,
    /// The connection ends before this is sent.
    CutBefore,
    /// Nothing; it stands in the log.
    Note,
}

/// The same seed, rule and turn: the same answer.
pub(crate) fn chance(seed: u64, rule: usize, turn: u64, permille: u32) -> bool {
    let rule = u64::try_from(rule).unwrap_or(0);
    mixed(seed ^ (rule << 48) ^ turn) % 1000 < u64::from(permille)
}

/// `SplitMix64`.
pub(crate) fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}
