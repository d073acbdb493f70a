//! One Asterisk: is it there, is it safe, has it what a call needs.

use super::finding::Finding;
use super::{CLOCKS_APART, apart, seconds};
use crate::ari::{AriClient, AriError, DANGEROUS_MODULE, Label, NodeInfo, is_vulnerable};
use crate::config::Node;
use jiff::Timestamp;

/// The labels of the shipped dialplan at the lines that end a call when nobody else can. The dialplan without them is
/// another one.
pub const SAFETY_NET: [Label; 4] = [
    Label { context: "cordboard-agents", extension: "0", label: "limit" },
    Label { context: "cordboard-agents", extension: "0", label: "net" },
    // Without this one the agent's leg does not know its peer.
    Label { context: "cordboard-hangup", extension: "s", label: "peer" },
    Label { context: "cordboard-hangup", extension: "s", label: "end" },
];

/// The check that Asterisk answers at all.
pub const REACHABLE: &str = "asterisk";

/// What a call needs and a check can tell by its absence.
const MODULES: [&str; 15] = [
    "app_playback.so",
    "app_softhangup.so",
    "app_stack.so",
    "app_stasis.so",
    "bridge_simple.so",
    "chan_pjsip.so",
    "func_channel.so",
    "func_global.so",
    "func_timeout.so",
    "pbx_config.so",
    "res_ari_bridges.so",
    "res_ari_channels.so",
    "res_ari_events.so",
    "res_rtp_asterisk.so",
    "res_sorcery_astdb.so",
];
/// Closing an ARI socket while a device state changes locks ARI up for good when these run.
const DEADLY: [&str; 2] = ["res_stasis_device_state.so", "res_ari_device_states.so"];

/// Everything about an Asterisk that it can be asked. When it does not answer, that is all there is to say.
pub async fn node(client: &AriClient, settings: &Node, now: fn() -> Timestamp) -> Vec<Finding> {
    let findings = match client.info().await {
        Err(error) => vec![unreachable(error, settings)],
        Ok(info) => {
            let mut findings = vec![version(&info, settings)];
            let (clock, modules, net, dangerously) = tokio::join!(
                clock(client, now),
                modules(client),
                dialplan(client, settings),
                live_dangerously(client, settings),
            );
            findings.extend([dangerously, net]);
            findings.extend(modules);
            findings.push(clock);
            findings
        }
    };
    findings.into_iter().map(|finding| finding.on(&settings.name)).collect()
}

fn unreachable(error: AriError, settings: &Node) -> Finding {
    let at = settings.url.as_str().trim_end_matches('/');
    match error {
        AriError::Refused { status: 401 } => {
            let advice = "make ari.conf of Asterisk and node.username, node.password agree";
            Finding::failed(REACHABLE, format!("does not let user {} in at {at}", settings.username), advice)
        }
        AriError::Refused { status: 403 } => {
            let advice = "permit this machine's address under [/ari] in local/http.conf";
            Finding::failed(REACHABLE, format!("lets nobody from this machine in at {at}"), advice)
        }
        AriError::Refused { status: 404 } => {
            let advice = "load the res_ari modules, and see [general] enabled in http.conf and ari.conf";
            Finding::failed(REACHABLE, format!("there is a web server at {at}, but no ARI"), advice)
        }
        AriError::NotSent => {
            let advice = "start Asterisk, or correct node.url; see bindaddr and bindport in local/http.conf";
            Finding::failed(REACHABLE, format!("nobody answers at {at}"), advice)
        }
        error @ (AriError::Refused { .. } | AriError::NoAnswer | AriError::Unreadable { .. }) => {
            let advice = "look at Asterisk's log; if it does not answer for long, restart it";
            Finding::failed(REACHABLE, format!("{at}: {error}"), advice)
        }
    }
}

fn version(info: &NodeInfo, settings: &Node) -> Finding {
    let version = &info.version;
    if !is_vulnerable(version) {
        return Finding::ok("version", version.clone());
    }
    let found = format!("{version} lacks fixes of security holes in ARI");
    let (allowed, key) = (settings.allow_vulnerable_asterisk, "node.allow_vulnerable_asterisk");
    Finding::dangerous("version", allowed, &found, "upgrade to 22.10.1 or later", key)
}

async fn clock(client: &AriClient, now: fn() -> Timestamp) -> Finding {
    let before = now();
    match client.clock().await {
        Ok(read) => match apart(before, read, now()) {
            apart if apart > CLOCKS_APART => {
                let found = format!("Asterisk's clock and this machine's are {} apart", seconds(apart));
                Finding::warning("clock", found, "run a time service on both: records take their times from Asterisk")
            }
            apart => Finding::ok("clock", format!("{} from this machine's", seconds(apart))),
        },
        Err(error) => Finding::unclear("clock", error),
    }
}

async fn modules(client: &AriClient) -> Vec<Finding> {
    let running = match client.running_modules().await {
        Ok(running) => running,
        Err(error) => return vec![Finding::unclear("modules", error)],
    };
    let missing: Vec<&str> = MODULES.into_iter().filter(|name| !running.contains(*name)).collect();
    let mut findings = vec![if missing.is_empty() {
        Finding::ok("modules", format!("{} run, those of a call among them", running.len()))
    } else {
        let found = format!("{} not loaded", missing.join(", "));
        Finding::failed("modules", found, "take modules.conf of asterisk-conf")
    }];
    let deadly: Vec<&str> = DEADLY.into_iter().filter(|name| running.contains(*name)).collect();
    if !deadly.is_empty() {
        let found = format!("{} can lock ARI up for good", deadly.join(", "));
        findings.push(Finding::warning("deadly_modules", found, "take these modules out of modules.conf, and restart"));
    }
    findings
}

/// Whether Asterisk itself ends what is left of a call when nobody else can.
pub async fn dialplan(client: &AriClient, settings: &Node) -> Finding {
    const CHECK: &str = "safety_net";
    let mut absent = Vec::new();
    for at in SAFETY_NET {
        match client.has_label(at).await {
            Ok(true) => {}
            Ok(false) => absent.push(format!("{} of {}", at.label, at.context)),
            Err(error) => return Finding::unclear(CHECK, error),
        }
    }
    if absent.is_empty() {
        return Finding::ok(CHECK, "the dialplan ends each leg with the other");
    }
    let found = format!("the dialplan lacks {}: a leg could live on alone", absent.join(", "));
    let advice = "take extensions.conf of asterisk-conf, and run dialplan reload in Asterisk";
    Finding::dangerous(CHECK, settings.allow_missing_safety_net, &found, advice, "node.allow_missing_safety_net")
}

async fn live_dangerously(client: &AriClient, settings: &Node) -> Finding {
    const CHECK: &str = "live_dangerously";
    let (modules, dangerously) = match client.running_modules().await {
        Ok(modules) => (modules, client.lives_dangerously().await),
        Err(error) => return Finding::unclear(CHECK, error),
    };
    match dangerously {
        Ok(true) => {
            let advice = "set live_dangerously = no in asterisk.conf, and restart Asterisk";
            let found = "is on: whoever has the password of ARI can run commands on that server";
            Finding::dangerous(CHECK, settings.allow_live_dangerously, found, advice, "node.allow_live_dangerously")
        }
        Ok(false) if modules.contains(DANGEROUS_MODULE) => Finding::ok(CHECK, "off"),
        Ok(false) => {
            let found = format!("cannot be tried without {DANGEROUS_MODULE}");
            Finding::warning(CHECK, found, "load it in modules.conf, as asterisk-conf does")
        }
        Err(error) => Finding::unclear(CHECK, error),
    }
}
