//! `[[carrier]]`.

use crate::{Directory, LEAST, good, read, warnings};
use cordboard::config::load_from;
use secrecy::ExposeSecret;

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";

fn with(carrier: &str) -> String {
    format!("{LEAST}[[carrier]]\n{carrier}\n")
}

fn twilio(more: &str) -> String {
    with(&format!("name = \"twilio\"\nkind = \"twilio\"\naccount = \"{ACCOUNT}\"\n{more}"))
}

#[test]
fn a_carrier_has_the_address_that_it_publishes() {
    let loaded = good(read(&twilio("secret = \"hush\"")));
    let carrier = &loaded.config.carriers[0];
    assert_eq!((carrier.url.as_str(), carrier.page_size), ("https://api.twilio.com/", 100));
    assert_eq!(warnings(&loaded), [""; 0]);
    assert!(!format!("{:?} {}", loaded.config, loaded.config.redacted_toml()).contains("hush"));
    let loaded = good(read(&with("name = \"t\"\nkind = \"telnyx\"\nsecret = \"hush\"")));
    assert_eq!(loaded.config.carriers[0].url.as_str(), "https://api.telnyx.com/");
}

#[test]
fn what_is_wrong_with_a_carrier_is_told() {
    for (text, fault) in [
        (with("kind = \"twilio\""), "carrier[0].name: is missing"),
        (with("name = \"Big\"\nkind = \"telnyx\""), "carrier[0].name: \"Big\": must be a lower-case letter"),
        (with("name = \"a\"\nkind = \"vonage\""), "carrier[0].kind: \"vonage\": a carrier is of the kind"),
        (with("name = \"a\"\nkind = \"twilio\""), "carrier[0].account: is missing"),
        (with("name = \"a\"\nkind = \"twilio\"\naccount = \"AC/../x\""), "carrier[0].account: must be AC and 32"),
        (with("name = \"a\"\nkind = \"telnyx\"\npage_size = 251"), "carrier[0].page_size: 251 is too large"),
        (twilio("url = \"http://api.twilio.com\""), "carrier[0].url: does not begin with https://"),
        (twilio("url = \"ftp://127.0.0.1\""), "carrier[0].url: does not begin with https://"),
        (twilio("url = \"https://user:pass@api.twilio.com\""), "carrier[0].url: holds a user or password"),
        (twilio("url = \"https://api.twilio.com/x\""), "carrier[0].url: has a path"),
        (twilio("secret = \"a\"\nsecret_file = \"/b\""), "carrier[0].secret: carrier[0].secret_file is given as well"),
        (twilio("password = \"a\""), "carrier[0].password: unknown key"),
        (twilio("[[carrier]]\nname = \"twilio\"\nkind = \"telnyx\""), "carrier[1].name: is that of carrier[0] too"),
    ] {
        let errors = read(&text).expect_err(&text).to_string();
        assert!(errors.contains(fault), "{text}: {errors}");
    }
    assert!(read(&twilio("url = \"http://127.0.0.1:39123\"")).is_ok(), "this machine needs no TLS");
}

#[test]
fn the_secret_is_a_credential_or_not_there_which_is_only_a_warning() {
    let directory = Directory::new();
    directory.file("carrier-secret-twilio", "from-systemd\n", 0o400);
    let loaded = good(load_from(&twilio(""), std::iter::empty(), Some(directory.path())));
    assert_eq!(loaded.config.carriers[0].secret.as_ref().map(ExposeSecret::expose_secret), Some("from-systemd"));
    let told = warnings(&good(read(&twilio(""))));
    assert!(
        told.len() == 1 && told[0].contains("carrier[0].secret: is missing, so nothing can be imported"),
        "{told:?}"
    );
}

#[test]
fn another_secret_takes_effect_at_the_next_start() {
    let config = |secret: &str| good(read(&twilio(&format!("secret = \"{secret}\"")))).config;
    assert_eq!(cordboard::config::diff_needs_restart(&config("a"), &config("b")), ["carrier"]);
    assert_eq!(cordboard::config::diff_needs_restart(&config("a"), &config("a")), [""; 0]);
}
