//! Crash points: the places at which tests let this process die, to see what the next one makes of it. A build without debug
//! assertions, and so every release build, has nothing of this in it: `tests/torture` lists the points, and
//! `scripts/torture` looks for a trace of them in the release program.
//!
//! `CORDBOARD_CRASH_AT=K16:3` kills the process with SIGKILL when it comes to K16 the third time.

/// The process may die here, by name or by what is at hand: `crash_point!(K02)`, `crash_point!(heard(&input))`.
macro_rules! crash_point {
    ($point:ident) => {
        #[cfg(debug_assertions)]
        $crate::crash::points::reached(stringify!($point));
    };
    ($of:ident($what:expr)) => {
        #[cfg(debug_assertions)]
        $crate::crash::points::$of($what);
    };
}

#[cfg(debug_assertions)]
pub(crate) mod points {
    use crate::core::command::Command;
    use crate::core::fact::{Fact, Leg};
    use crate::core::ids::ChannelId;
    use crate::core::input::{ChannelEvent, Input};
    use crate::store::calls::CallWrite;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Plan {
        point: String,
        left: AtomicU32,
    }

    fn plan() -> Option<&'static Plan> {
        static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
        let read = || {
            let text = std::env::var("CORDBOARD_CRASH_AT").ok()?;
            let (point, times) = text.split_once(':').unwrap_or((&text, "1"));
            Some(Plan { point: point.to_owned(), left: AtomicU32::new(times.parse().ok()?) })
        };
        PLAN.get_or_init(read).as_ref()
    }

    /// The process is here.
    pub(crate) fn reached(point: &str) {
        let Some(plan) = plan().filter(|plan| plan.point == point) else { return };
        if plan.left.fetch_sub(1, Ordering::Relaxed) != 1 {
            return;
        }
        // Nothing is finished, closed or said.
        let _ = signal_hook::low_level::raise(signal_hook::consts::SIGKILL);
        unreachable!("nobody survives SIGKILL");
    }

    /// Asterisk told something, and nothing has come of it yet.
    pub(crate) fn heard(input: &Input) {
        let Input::Channel { channel, event, .. } = input else { return };
        match (leg(channel), event) {
            (Leg::Agent, ChannelEvent::Started) => reached("K05"),
            (Leg::Agent, ChannelEvent::Ringing) => reached("K08"),
            (Leg::Agent, ChannelEvent::Up) => reached("K09"),
            (Leg::Customer, ChannelEvent::Started) => reached("K13"),
            (Leg::Customer, ChannelEvent::Ringing) => reached("K17"),
            (Leg::Customer, ChannelEvent::Up) => reached("K18"),
            (_, ChannelEvent::HangupRequested { .. }) => reached("K21"),
            (_, ChannelEvent::Destroyed { .. }) => reached("K22"),
            (
                _,
                ChannelEvent::DialBegan
                | ChannelEvent::EarlyMedia
                | ChannelEvent::Left
                | ChannelEvent::Played
                | ChannelEvent::Probed(_),
            ) => {}
        }
    }

    /// An order is about to be sent.
    pub(crate) fn sending(command: &Command) {
        match command {
            Command::AddToBridge { .. } => reached("K11"),
            Command::Dial { channel, .. } if leg(channel) == Leg::Customer => reached("K15"),
            Command::Admit { .. }
            | Command::Enter { .. }
            | Command::CreateBridge { .. }
            | Command::CreateChannel(_)
            | Command::Dial { .. }
            | Command::Play { .. }
            | Command::HangUp { .. }
            | Command::DestroyBridge { .. }
            | Command::Probe { .. }
            | Command::Reply { .. } => {}
        }
    }

    /// Asterisk has carried out an order, or not, and nobody here knows yet.
    pub(crate) fn sent(command: &Command) {
        match command {
            Command::CreateChannel(spec) if leg(&spec.channel) == Leg::Agent => reached("K04"),
            // With the customer's channel the agent's leg gets its safety net.
            Command::CreateChannel(_) => {
                reached("K06");
                reached("K12");
            }
            Command::Dial { channel, .. } if leg(channel) == Leg::Agent => reached("K07"),
            Command::Dial { .. } => reached("K16"),
            Command::CreateBridge { .. } => reached("K10"),
            Command::AddToBridge { .. } => reached("K14"),
            Command::Admit { .. }
            | Command::Enter { .. }
            | Command::Play { .. }
            | Command::HangUp { .. }
            | Command::DestroyBridge { .. }
            | Command::Probe { .. }
            | Command::Reply { .. } => {}
        }
    }

    /// Facts are about to be written.
    pub(crate) fn writing(writes: &[CallWrite]) {
        let mut facts = writes.iter().flat_map(|write| &write.facts);
        if facts.any(|fact| matches!(fact, Fact::Settled { .. })) {
            reached("K23");
        }
    }

    /// Facts have been written, and nothing else was done since.
    pub(crate) fn written(writes: &[CallWrite]) {
        for fact in writes.iter().flat_map(|write| &write.facts) {
            match fact {
                Fact::Answered { .. } => reached("K20"),
                Fact::Settled { .. } => reached("K24"),
                Fact::Requested { .. }
                | Fact::Refused { .. }
                | Fact::Admitted { .. }
                | Fact::AgentDialled { .. }
                | Fact::AgentRinging { .. }
                | Fact::AgentAnswered { .. }
                | Fact::CustomerDialled { .. }
                | Fact::InviteSent { .. }
                | Fact::EarlyMedia { .. }
                | Fact::Ringing { .. }
                | Fact::HangupAsked { .. }
                | Fact::LegEnded { .. } => {}
            }
        }
    }

    /// A channel whose id Asterisk made is an agent's.
    fn leg(channel: &ChannelId) -> Leg {
        channel.leg().unwrap_or(Leg::Agent)
    }
}
