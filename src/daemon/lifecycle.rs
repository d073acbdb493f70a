//! Signals from the operator, and what systemd wants to hear.

use futures::Stream;
use futures::StreamExt;
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use std::io;
use std::time::Duration;

/// What an operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: take no new calls and stop when the last has ended; the second time, stop now.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// The signals as they come.
///
/// # Errors
/// The handlers cannot be installed.
pub fn signals() -> io::Result<impl Stream<Item = Signal> + Unpin + Send> {
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    Ok(signals.map(|signal| if signal == SIGHUP { Signal::Reload } else { Signal::Stop }))
}

/// An idle loop turns this often.
pub(super) const PULSE: Duration = Duration::from_secs(1);

/// Tells systemd how we are. Does nothing when systemd did not start us.
#[derive(Clone, Copy, Debug)]
pub struct Notifier {
    watchdog: Option<Duration>,
}

impl Default for Notifier {
    fn default() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled() }
    }
}

impl Notifier {
    /// How often [`Notifier::alive`] is to be called: well within the time after which systemd kills us, and often enough
    /// for `/healthz` to tell an idle loop from a stuck one.
    pub fn interval(self) -> Duration {
        self.watchdog.map_or(PULSE, |limit| PULSE.min(limit / 4))
    }

    /// The start, or a reload, is done.
    pub fn ready(self) {
        notify(&[NotifyState::Ready]);
    }

    /// One line for `systemctl status`.
    pub fn status(self, text: &str) {
        notify(&[NotifyState::Status(text)]);
    }

    /// The loop turns. Called by the loop itself, so that a stuck engine does not look alive.
    pub fn alive(self) {
        if self.watchdog.is_some() {
            notify(&[NotifyState::Watchdog]);
        }
    }

    /// A reload begins, and ends with [`Notifier::ready`].
    pub fn reloading(self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(_) => notify(&[NotifyState::Reloading]),
        }
    }

    /// The end.
    pub fn stopping(self) {
        notify(&[NotifyState::Stopping]);
    }
}

fn notify(states: &[NotifyState<'_>]) {
    // Whoever listens there is gone: nothing that we could do about it.
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager does not listen");
    }
}
