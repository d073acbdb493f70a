//! What users of five other systems ask of them, asked of a running daemon by a script.

use crate::floor::Floor;
use sha2::{Digest, Sha256};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ends with the test.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn token(floor: &Floor, role: &str) -> String {
    let token = format!("token-of-an-{role}");
    let hash = crate::floor::hex(&Sha256::digest(&token));
    floor.sql(&format!(
        "INSERT INTO api_tokens (organization_id, name, sha256, role)
         SELECT id, '{role}', decode('{hash}', 'hex'), '{role}' FROM organizations WHERE slug = 'acme'"
    ));
    token
}

#[test]
fn users_of_five_other_systems_find_their_work_here() {
    let floor = Floor::acme();
    floor.ok("agents add acme Alice --endpoint alice");
    for number in 1..=4 {
        floor.ok(&format!("numbers add --pool +1800555010{number}"));
    }
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let mut program = floor.program();
    program.arg("serve").env("CORDBOARD__NODE__0__URL", "http://127.0.0.1:1");
    program.env("CORDBOARD__HTTP__LISTEN", address.to_string()).stderr(Stdio::null());
    let _daemon = Serving(program.spawn().expect("it runs"));
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "the daemon does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/systems/run");
    let (admin, owner) = (token(&floor, "admin"), token(&floor, "owner"));
    let ran = Command::new(script).args([&format!("http://{address}"), &admin, &owner, "alice"]).output();
    let ran = ran.expect("the script runs");
    let said = String::from_utf8_lossy(&ran.stdout);
    print!("{said}");
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.lines().last().is_some_and(|line| line.ends_with(" passed, 0 failed")), "{said}");
}
