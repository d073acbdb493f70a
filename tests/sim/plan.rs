//! What a history is made of: who calls whom, what the far ends do, what goes wrong. All of it from one seed.

use model_asterisk::{Dice, FarEnd, MILLI, Micros, SECOND};

/// How often what goes wrong, in a thousand, and the switches of the controls.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch")]
pub struct Options {
    pub seed: u64,
    pub calls: usize,
    /// Asterisk answers a request with 500.
    pub refused: u32,
    /// A request does not leave the daemon.
    pub not_sent: u32,
    /// A request is lost, or its answer is, or it is carried out when nobody waits for the answer any more.
    pub lost: u32,
    /// An event takes its time; those of other channels overtake it.
    pub delayed: u32,
    pub doubled: u32,
    /// How many of these a history has, at most.
    pub socket_cuts: usize,
    pub asterisk_kills: usize,
    pub daemon_kills: usize,
    pub store_slow: u32,
    pub store_away: u32,
    pub api_hang_ups: u32,
    pub cancels: u32,

    /// Asterisk ends each leg after so many seconds.
    pub max_call_s: u32,
    /// Control: commands of one call run side by side.
    pub in_order: bool,
    /// Control: channels of no open call are left alone.
    pub strays: bool,
    /// Control: no hangup handlers in Asterisk.
    pub handlers: bool,
    /// Control: the store counts first and writes later.
    pub naive_store: bool,
    /// Control: a dial without an answer is sent again.
    pub redial: bool,
    /// Control: the store loses the fact that an INVITE left, and so gives back what was used.
    pub forgets_invites: bool,
}

impl Options {
    /// Nothing goes wrong.
    pub const fn calm(seed: u64) -> Self {
        Self {
            seed,
            calls: 20,
            refused: 0,
            not_sent: 0,
            lost: 0,
            delayed: 0,
            doubled: 0,
            socket_cuts: 0,
            asterisk_kills: 0,
            daemon_kills: 0,
            store_slow: 0,
            store_away: 0,
            api_hang_ups: 0,
            cancels: 0,
            max_call_s: 15,
            in_order: true,
            strays: true,
            handlers: true,
            naive_store: false,
            redial: false,
            forgets_invites: false,
        }
    }

    /// Everything goes wrong now and then.
    pub const fn stormy(seed: u64) -> Self {
        Self {
            refused: 50,
            not_sent: 10,
            lost: 30,
            delayed: 100,
            doubled: 50,
            socket_cuts: 2,
            asterisk_kills: 1,
            daemon_kills: 2,
            store_slow: 30,
            store_away: 30,
            api_hang_ups: 100,
            cancels: 250,
            ..Self::calm(seed)
        }
    }
}

/// One call as the people in it plan it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub at: Micros,
    /// Over the API; else the agent dials.
    pub by_api: bool,
    pub endpoint: String,
    /// What the agent's phone does when it is called.
    pub agent: FarEnd,
    pub customer_number: String,
    pub customer: FarEnd,
    /// The agent hangs up so long after the beginning.
    pub agent_leaves: Option<Micros>,
    /// Somebody hangs up over the API so long after the beginning.
    pub api_hangs_up: Option<Micros>,
}

impl Plan {
    pub fn new(index: usize, at: Micros, options: &Options, dice: &mut Dice) -> Self {
        let by_api = dice.permille(400);
        let customer = customer(dice);
        let agent = match dice.between(0, 10) {
            0 => FarEnd::Reject { status: 486, ring: 0 },
            1 => FarEnd::RingForever,
            2 => FarEnd::Unknown,
            _ => {
                let hang_up_after = dice.permille(options.cancels).then(|| span(dice));
                let slowest = if dice.permille(300) { 20 * MILLI } else { 3 * SECOND };
                FarEnd::Answer { ring: dice.between(0, slowest), early_media: false, hang_up_after }
            }
        };
        Self {
            at,
            by_api,
            endpoint: format!("agent{index}"),
            agent,
            customer_number: format!("+1202555{index:04}"),
            customer,
            agent_leaves: dice.permille(options.cancels).then(|| span(dice)),
            api_hangs_up: dice.permille(options.api_hang_ups).then(|| span(dice)),
        }
    }

    /// How the call ends when nothing goes wrong and nobody intervenes. None if the numbers may be used up.
    pub fn expected(&self) -> &'static str {
        if self.by_api && !matches!(self.agent, FarEnd::Answer { .. }) {
            return "agent_unavailable";
        }
        match self.customer {
            FarEnd::Answer { .. } => "answered",
            FarEnd::Reject { status: 486, .. } => "busy",
            FarEnd::Reject { status: 404, .. } => "unallocated",
            FarEnd::Reject { status: 603, .. } => "rejected",
            FarEnd::Reject { .. } | FarEnd::Unknown => "congestion",
            FarEnd::RingForever | FarEnd::Silent => "no_answer",
        }
    }
}

/// Any moment of a call, the first milliseconds more often.
fn span(dice: &mut Dice) -> Micros {
    match dice.between(0, 3) {
        0 => dice.between(0, 30 * MILLI),
        1 => dice.between(0, 4 * SECOND),
        _ => dice.between(0, 15 * SECOND),
    }
}

fn customer(dice: &mut Dice) -> FarEnd {
    let ring = match dice.between(0, 4) {
        0 => 0,
        _ => dice.between(0, 6 * SECOND),
    };
    match dice.between(0, 20) {
        0 => FarEnd::RingForever,
        1 => FarEnd::Silent,
        2 => FarEnd::Unknown,
        3 | 4 => FarEnd::Reject { status: 486, ring },
        5 => FarEnd::Reject { status: 404, ring: 0 },
        6 => FarEnd::Reject { status: 603, ring },
        7 => FarEnd::Reject { status: 503, ring: 0 },
        8 => FarEnd::Answer { ring, early_media: true, hang_up_after: None },
        _ => {
            let early_media = dice.permille(200);
            FarEnd::Answer { ring, early_media, hang_up_after: Some(dice.between(0, 12 * SECOND)) }
        }
    }
}
