//! `sip-peer`: a phone or a carrier on the command line, one line per event.

#![forbid(unsafe_code)]

use clap::{Args, Parser, Subcommand};
use sip_peer::{Behaviour, Call, Entry, Log, Peer, PeerConfig, PeerError, Rules};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

/// A small SIP phone and carrier. Exits with 0 if every call was answered and had audio both ways.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Takes calls, as a carrier's gateway would
    Carrier(Carrier),
    /// Registers, calls and is called, as an agent's phone would
    Phone(Phone),
}

#[derive(Args)]
struct Common {
    /// Write every SIP message to this file at the end
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Neither send nor expect audio
    #[arg(long)]
    no_rtp: bool,
    /// The tone to send: 300 to 1200 Hz in steps of 50
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u16).range(300..=1200))]
    tone_hz: Option<u16>,
    /// Stop after this many incoming calls are over
    #[arg(long, value_name = "N")]
    calls: Option<usize>,
}

#[derive(Args)]
struct Carrier {
    /// Address to take calls at
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// Ring this long before answering (or refusing, with --reject)
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    ring_ms: u64,
    /// Hang up this long after the answer
    #[arg(long, value_name = "MS")]
    hang_up_after_ms: Option<u64>,
    /// Send 183 and audio while ringing
    #[arg(long)]
    early_media: bool,
    /// Refuse every call with this SIP status
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..=699))]
    reject: Option<u16>,
    /// Treat numbers with this prefix differently: answer, ring, silent, or a SIP status; may be repeated
    #[arg(long, value_name = "PREFIX=KIND", value_parser = rule)]
    rule: Vec<(String, Kind)>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Phone {
    /// SIP user
    #[arg(long)]
    user: String,
    /// File with the SIP password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Server to register with and to call through
    #[arg(long, value_name = "ADDR")]
    proxy: SocketAddr,
    /// Address to bind
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Register first, unregister at the end
    #[arg(long)]
    register: bool,
    /// Call this number and exit when the call is over; without it wait for calls
    #[arg(long, value_name = "NUMBER")]
    call: Option<String>,
    /// Hang up this long after the answer
    #[arg(long, value_name = "MS")]
    talk_ms: Option<u64>,
    /// Answer incoming calls at once (without it they ring)
    #[arg(long)]
    answer: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy)]
enum Kind {
    Answer,
    Ring,
    Silent,
    Status(u16),
}

fn rule(text: &str) -> Result<(String, Kind), String> {
    let (prefix, kind) = text.split_once('=').ok_or("expected PREFIX=KIND")?;
    let kind = match kind {
        "answer" => Kind::Answer,
        "ring" => Kind::Ring,
        "silent" => Kind::Silent,
        "busy" => Kind::Status(486),
        status => match status.parse() {
            Ok(status @ 400..=699) => Kind::Status(status),
            Ok(_) | Err(_) => {
                return Err(format!("{status} is not answer, ring, silent, busy or a SIP status"));
            }
        },
    };
    Ok((prefix.to_owned(), kind))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Cli::parse().role {
        Role::Carrier(options) => carrier(options).await,
        Role::Phone(options) => phone(options).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sip-peer: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn carrier(options: Carrier) -> Result<bool, PeerError> {
    let ring = Duration::from_millis(options.ring_ms);
    let hang_up_after = options.hang_up_after_ms.map(Duration::from_millis);
    let answer = Behaviour::Answer { ring, early_media: options.early_media, hang_up_after };
    let otherwise = options.reject.map_or(answer.clone(), |status| Behaviour::Reject { status, ring });
    let behave = |kind| match kind {
        Kind::Answer => answer.clone(),
        Kind::Ring => Behaviour::RingForever,
        Kind::Silent => Behaviour::Silent,
        Kind::Status(status) => Behaviour::Reject { status, ring },
    };
    let table = options.rule.into_iter().map(|(prefix, kind)| (prefix, behave(kind))).collect();
    let config = PeerConfig::new("carrier").listen(options.listen).rules(Rules::by_prefix(table, otherwise));
    let peer = Peer::bind(common(config, &options.common, 600)).await?;
    say(&format!("listening at {}", peer.addr()));
    let mut tap = peer.log().tap();
    let good = narrate(&mut tap, take_calls(&peer, &options.common)).await;
    finish(&peer, &mut tap, &options.common, false).await?;
    Ok(good)
}

async fn phone(options: Phone) -> Result<bool, PeerError> {
    let incoming = if options.answer { Behaviour::answer(Duration::ZERO) } else { Behaviour::RingForever };
    let mut config = PeerConfig::new(options.user).listen(options.listen).proxy(options.proxy).rules(incoming);
    if let Some(file) = &options.password_file {
        config = config.password(std::fs::read_to_string(file)?.trim());
    }
    let peer = Peer::bind(common(config, &options.common, 450)).await?;
    let mut tap = peer.log().tap();
    let work = async {
        if options.register {
            peer.register(REGISTRATION_S).await?;
            say("registered");
        }
        let calls = async {
            match &options.call {
                Some(number) => place(&peer, number, options.talk_ms, &options.common).await,
                None => Ok(take_calls(&peer, &options.common).await),
            }
        };
        tokio::select! {
            done = calls => done,
            failed = refresh(&peer, options.register) => Err(failed),
        }
    };
    let good = narrate(&mut tap, work).await;
    finish(&peer, &mut tap, &options.common, options.register).await?;
    good
}

const REGISTRATION_S: u32 = 120;

/// Renews the registration at half time; returns only when that fails.
async fn refresh(peer: &Peer, registered: bool) -> PeerError {
    loop {
        if !registered {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_secs(u64::from(REGISTRATION_S / 2))).await;
        if let Err(error) = peer.register(REGISTRATION_S).await {
            return error;
        }
    }
}

fn common(config: PeerConfig, options: &Common, tone_hz: u16) -> PeerConfig {
    let config = config.tone_hz(options.tone_hz.unwrap_or(tone_hz));
    if options.no_rtp { config.without_rtp() } else { config }
}

async fn place(peer: &Peer, number: &str, talk_ms: Option<u64>, options: &Common) -> Result<bool, PeerError> {
    let call = peer.call(number).await?;
    let talk = async {
        if call.answered(FOREVER).await.is_ok() {
            say("answered");
            if call.ended(talk_ms.map_or(FOREVER, Duration::from_millis)).await.is_err() {
                call.hang_up();
            }
        }
    };
    tokio::select! {
        () = talk => {}
        () = stopped() => call.hang_up(),
    }
    Ok(conclude(&call, options).await)
}

/// Lets the rules treat calls until told to stop; whether all calls that were answered had audio both ways.
async fn take_calls(peer: &Peer, options: &Common) -> bool {
    let mut good = true;
    let mut running = tokio::task::JoinSet::new();
    let (mut over, mut answered) = (0, 0);
    let stop = stopped();
    tokio::pin!(stop);
    while options.calls.is_none_or(|limit| over < limit) {
        tokio::select! {
            Ok(call) = peer.next_incoming(FOREVER) => {
                say(&format!("call for {} from {}", call.number(), call.invite().from_user().unwrap_or("?")));
                running.spawn(async move {
                    let _ = call.ended(FOREVER).await;
                    call
                });
            }
            Some(Ok(call)) = running.join_next() => {
                over += 1;
                let fine = conclude(&call, options).await;
                if call.progress().answered_ns.is_some() {
                    answered += 1;
                    good &= fine;
                }
            }
            () = &mut stop => break,
        }
    }
    say(&format!("{over} calls, {answered} answered"));
    good && (options.calls.is_none() || answered > 0)
}

/// Tells how a call went; whether it was answered, with audio both ways.
async fn conclude(call: &Call, options: &Common) -> bool {
    match call.ended(Duration::from_secs(35)).await {
        Ok(end) => say(&format!("call over: {end}")),
        Err(error) => say(&format!("call not over: {error}")),
    }
    let rtp = call.rtp();
    if !options.no_rtp {
        let tone = rtp.heard_hz.map_or("no tone heard".to_owned(), |hz| format!("heard {hz} Hz"));
        let (sent, received, lost, gap) = (rtp.sent, rtp.received, rtp.lost, rtp.longest_gap_ms);
        say(&format!("RTP {sent} packets out, {received} in, {lost} lost, longest gap {gap} ms, {tone}"));
    }
    call.progress().answered_ns.is_some() && (options.no_rtp || (rtp.sent > 0 && rtp.received > 0))
}

/// Hangs up what is left, unregisters, and writes the log.
async fn finish(
    peer: &Peer,
    tap: &mut UnboundedReceiver<Arc<Entry>>,
    options: &Common,
    registered: bool,
) -> Result<(), PeerError> {
    let work = async {
        peer.shut_down(Duration::from_secs(5)).await?;
        if registered {
            peer.register(0).await?;
            say("unregistered");
        }
        Ok::<(), PeerError>(())
    };
    let result = narrate(tap, work).await;
    let log: Log = peer.log();
    if let Some(file) = &options.log {
        log.save(file)?;
    }
    result
}

const FOREVER: Duration = Duration::from_hours(8760);

/// SIGINT or SIGTERM.
async fn stopped() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    say("stopping");
}

/// Prints every message while the work goes on.
async fn narrate<T>(tap: &mut UnboundedReceiver<Arc<Entry>>, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            Some(entry) = tap.recv() => say(&entry.to_string()),
            done = &mut work => {
                while let Ok(entry) = tap.try_recv() {
                    say(&entry.to_string());
                }
                return done;
            }
        }
    }
}

/// One line with the seconds since the start. A closed stdout is no reason to drop calls.
fn say(line: &str) {
    let ns = sip_peer::now_ns();
    let _ = writeln!(std::io::stdout(), "{:4}.{:03} {line}", ns / 1_000_000_000, ns / 1_000_000 % 1000);
}
