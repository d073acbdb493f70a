//! Whether a process on this very machine still lives. A lease whose owner is known to be dead need not be waited out: a
//! daemon that crashed and was started again has its node back at once.
//!
//! A process holds a socket with a name that is made of its id, in the abstract namespace: the kernel itself takes it away with
//! the process's end, and not while it is merely frozen. Such names are told apart by network namespace, and network namespaces
//! by the boot of the system; an owner of another boot or namespace is not judged.

use super::Replica;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use uuid::Uuid;

/// Where `/proc/sys` is hidden, the unit tells the boot.
const BOOT: &str = "CORDBOARD_BOOT_ID";

/// The sign that this process lives.
#[derive(Debug)]
pub struct Alive {
    _socket: Option<UnixDatagram>,
}

/// This process: who it is, and the sign that it lives, which must be kept until its end.
pub fn this_process() -> (Replica, Alive) {
    let id = Uuid::now_v7();
    let socket = bind(id);
    if let Err(error) = &socket {
        tracing::warn!(%error, "no sign of life can be given; after a crash the lease must be waited out");
    }
    // Who cannot be seen must not be judged dead.
    let host = if socket.is_ok() { host() } else { None };
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty()).unwrap_or(name);
    let name: String = name.trim().chars().filter(char::is_ascii_graphic).take(64).collect();
    let name = if name.is_empty() { "somewhere".to_owned() } else { name };
    let name = format!("{name}:{}", std::process::id());
    (Replica { id, name, host }, Alive { _socket: socket.ok() })
}

/// Whether that owner, who lived there, has ended for certain.
pub(super) fn is_dead(owner: Uuid, there: Option<&str>, here: Option<&str>) -> bool {
    there.is_some() && there == here && bind(owner).is_ok()
}

fn bind(id: Uuid) -> io::Result<UnixDatagram> {
    UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(format!("cordboard-{id}"))?)
}

fn host() -> Option<String> {
    let boot = std::env::var(BOOT).or_else(|_| std::fs::read_to_string("/proc/sys/kernel/random/boot_id")).ok()?;
    let network = std::fs::read_link("/proc/self/ns/net").ok()?;
    let boot = boot.trim().replace('-', "");
    (!boot.is_empty()).then(|| format!("{boot} {}", network.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_dead_when_its_socket_is_gone_and_not_before() {
        let (replica, alive) = this_process();
        let here = replica.host.as_deref();
        assert!(here.is_some(), "tests run where the boot can be told");
        assert!(!is_dead(replica.id, here, here));
        drop(alive);
        assert!(is_dead(replica.id, here, here));
    }

    #[test]
    fn who_lives_elsewhere_or_nowhere_is_not_judged() {
        let id = Uuid::now_v7();
        assert!(!is_dead(id, Some("there"), Some("here")));
        assert!(!is_dead(id, None, Some("here")));
        assert!(!is_dead(id, None, None));
        assert!(is_dead(id, Some("here"), Some("here")), "the control: nobody has that socket");
    }
}
