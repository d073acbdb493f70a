//! What may go out beside what, and what is dropped after a failure.

use super::*;
use crate::core::command::{ChannelSpec, CommandKind, Target};
use crate::core::ids::{CallId, ChannelId};
use crate::core::outcome::HangupCause;
use uuid::Uuid;

fn call() -> CallId {
    CallId(Uuid::from_u128(7))
}

fn agent() -> ChannelId {
    "1795256619.46".parse().expect("an id")
}

fn customer() -> ChannelId {
    call().customer_channel(1)
}

fn make_bridge() -> Command {
    Command::CreateBridge { bridge: call().bridge() }
}

fn make_channel() -> Command {
    Command::CreateChannel(ChannelSpec {
        channel: customer(),
        target: Target::Number {
            number: "+14155550199".parse().expect("a number"),
            trunk: "carrier".parse().expect("a trunk"),
            plus: true,
        },
        present: None,
        originator: Some(agent()),
        peer: Some(agent()),
        max_call_s: None,
    })
}

fn join(channel: ChannelId) -> Command {
    Command::AddToBridge { bridge: call().bridge(), channels: vec![channel] }
}

fn dial() -> Command {
    Command::Dial { channel: customer(), timeout_s: None }
}

fn hang_up(channel: ChannelId) -> Command {
    Command::HangUp { channel, cause: HangupCause::NORMAL }
}

/// All that may go out now.
fn out(orders: &mut Orders) -> Vec<(Ticket, CommandKind)> {
    std::iter::from_fn(|| orders.start()).map(|(ticket, command)| (ticket, command.kind())).collect()
}

fn kinds(out: &[(Ticket, CommandKind)]) -> Vec<CommandKind> {
    out.iter().map(|(_, kind)| *kind).collect()
}

#[test]
fn what_needs_nothing_goes_out_at_once_and_the_dial_waits_for_all_of_it() {
    let mut orders = Orders::default();
    orders.add([make_channel(), make_bridge()]);
    let first = out(&mut orders);
    assert_eq!(kinds(&first), [CommandKind::CreateCustomer, CommandKind::CreateBridge]);
    orders.add([join(customer()), dial()]);
    assert_eq!(out(&mut orders), [], "there is no bridge yet");

    // The channel was heard to be there before the answer to its order came.
    orders.done(first[1].0, Carried::Done);
    let joined = out(&mut orders);
    assert_eq!(kinds(&joined), [CommandKind::Join]);
    for (ticket, _) in [joined[0], first[0]] {
        assert_eq!(out(&mut orders), []);
        orders.done(ticket, Carried::Done);
    }
    let dial = out(&mut orders);
    assert_eq!(kinds(&dial), [CommandKind::DialCustomer]);
    assert!(!orders.is_idle());
    orders.done(dial[0].0, Carried::Done);
    assert!(orders.is_idle());
}

#[test]
fn outside_the_bridge_nobody_is_dialled_whenever_that_was_ordered() {
    for (broken, outcome) in
        [(join(agent()), Carried::Unknown), (join(agent()), Carried::NotSent), (make_bridge(), Carried::NotSent)]
    {
        let mut orders = Orders::default();
        orders.add([broken.clone()]);
        let ticket = out(&mut orders)[0].0;
        orders.add([dial()]);
        orders.done(ticket, outcome);
        orders.add([dial(), hang_up(customer())]);
        assert_eq!(kinds(&out(&mut orders)), [CommandKind::Other], "{broken:?} {outcome:?}");

        let mut control = Orders::default();
        control.add([broken]);
        let ticket = out(&mut control)[0].0;
        control.add([dial()]);
        control.done(ticket, Carried::Done);
        assert_eq!(kinds(&out(&mut control)), [CommandKind::DialCustomer]);
    }
}

#[test]
fn a_bridge_of_which_nobody_knows_does_not_forbid_to_dial() {
    let mut orders = Orders::default();
    orders.add([make_bridge()]);
    let ticket = out(&mut orders)[0].0;
    orders.add([join(agent()), dial()]);
    orders.done(ticket, Carried::Unknown);
    let join = out(&mut orders);
    assert_eq!(kinds(&join), [CommandKind::Join]);
    orders.done(join[0].0, Carried::Done);
    assert_eq!(kinds(&out(&mut orders)), [CommandKind::DialCustomer]);
}

#[test]
fn a_failure_drops_the_rest_of_its_step_but_no_end() {
    let mut orders = Orders::default();
    orders.add([make_channel(), dial(), hang_up(customer())]);
    let ticket = out(&mut orders)[0].0;
    orders.add([make_channel(), dial()]);
    orders.done(ticket, Carried::Refused { status: 500 });
    let end = out(&mut orders);
    assert_eq!(kinds(&end), [CommandKind::Other], "the second channel waits for the end of the first");
    orders.done(end[0].0, Carried::Done);
    let second = out(&mut orders);
    assert_eq!(kinds(&second), [CommandKind::CreateCustomer]);
    orders.done(second[0].0, Carried::Done);
    assert_eq!(kinds(&out(&mut orders)), [CommandKind::DialCustomer]);
}

#[test]
fn an_end_that_fails_does_not_silence_the_announcement() {
    let mut orders = Orders::default();
    let play = Command::Play { channel: agent(), prompt: "daily-limit" };
    orders.add([hang_up(customer()), play]);
    let end = out(&mut orders);
    assert_eq!(kinds(&end), [CommandKind::Other]);
    // It has ended by itself.
    orders.done(end[0].0, Carried::Refused { status: 404 });
    assert_eq!(kinds(&out(&mut orders)), [CommandKind::Play]);
}

#[test]
fn ends_wait_for_everything_and_come_one_after_the_other() {
    let mut orders = Orders::default();
    orders.add([make_channel()]);
    let create = out(&mut orders)[0].0;
    orders.add([hang_up(customer()), hang_up(agent())]);
    assert_eq!(out(&mut orders), []);
    orders.done(create, Carried::Unknown);
    let first = out(&mut orders);
    assert_eq!(first.len(), 1);
    orders.done(first[0].0, Carried::Unknown);
    assert_eq!(out(&mut orders).len(), 1);
}
