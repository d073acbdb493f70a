use std::path::Path;

use cordboard::config::{load, load_from};
use secrecy::ExposeSecret;

use crate::{Directory, LEAST, good, read, read_with, warnings};

const INLINE: &str = "password = \"correct-horse-battery\"";

fn from_file(path: &str) -> String {
    LEAST.replace(INLINE, &format!("password_file = \"{path}\""))
}

#[test]
fn a_secret_file_gives_the_secret_without_its_last_newline() {
    let directory = Directory::new();
    for content in ["from-the-file-1234", "from-the-file-1234\n", "from-the-file-1234\r\n"] {
        let path = directory.file("password", content, 0o640);
        let loaded = good(read(&from_file(&path)));
        assert_eq!(loaded.config.nodes[0].password.expose_secret(), "from-the-file-1234");
        assert_eq!(warnings(&loaded), [""; 0]);
    }
}

#[test]
fn a_secret_file_open_to_others_is_warned_of() {
    let directory = Directory::new();
    for mode in [0o644, 0o660, 0o602] {
        let path = directory.file("password", "from-the-file-1234", mode);
        let fault = format!("{path} is open to others (mode {mode:04o}); use chmod 0640 or 0600");
        let expected = format!("cordboard.toml:5: node[0].password_file: {fault}");
        assert_eq!(warnings(&good(read(&from_file(&path)))), [expected]);
    }
}

#[test]
fn a_secret_file_without_a_secret_is_an_error() {
    let directory = Directory::new();
    for (content, fault) in [
        ("", "the secret is empty"),
        ("\n", "the secret is empty"),
        ("a\nb\n", "the secret holds a line break or another control character"),
    ] {
        let path = directory.file("password", content, 0o600);
        let errors = read(&from_file(&path)).expect_err("no secret").to_string();
        assert_eq!(errors, format!("cordboard.toml:5: node[0].password_file: {fault}"));
    }
    let path = directory.path().display().to_string();
    let errors = read(&from_file(&path)).expect_err("a directory").to_string();
    assert_eq!(errors, format!("cordboard.toml:5: node[0].password_file: {path} is not a regular file"));
}

#[test]
fn a_credential_is_used_when_the_settings_give_no_secret() {
    let directory = Directory::new();
    directory.file("ari-password", "from-systemd-1234\n", 0o400);
    directory.file("database-url", "postgres://u:secret@localhost/floor\n", 0o400);
    let text = "[[node]]\nname = \"a\"\n";
    let config = good(load_from(text, std::iter::empty(), Some(directory.path()))).config;
    assert_eq!(config.nodes[0].password.expose_secret(), "from-systemd-1234");
    assert_eq!(config.postgres.url.expose_secret(), "postgres://u:secret@localhost/floor");
    let config = good(load_from(LEAST, std::iter::empty(), Some(directory.path()))).config;
    assert_eq!(config.nodes[0].password.expose_secret(), "correct-horse-battery", "what is written wins");
}

#[test]
fn a_variable_replaces_the_way_in_which_the_file_gives_a_secret() {
    let directory = Directory::new();
    let path = directory.file("password", "from-the-file-1234", 0o600);
    let config = good(read_with(&from_file(&path), &[("CORDBOARD__NODE__0__PASSWORD", "from-the-variable")])).config;
    assert_eq!(config.nodes[0].password.expose_secret(), "from-the-variable");
    let config = good(read_with(LEAST, &[("CORDBOARD__NODE__0__PASSWORD_FILE", &path)])).config;
    assert_eq!(config.nodes[0].password.expose_secret(), "from-the-file-1234");
    let both = [("CORDBOARD__NODE__0__PASSWORD_FILE", path.as_str()), ("CORDBOARD__NODE__0__PASSWORD", "x")];
    let errors = read_with(LEAST, &both).expect_err("both").to_string();
    let fault = "node[0].password_file is given as well; keep one of the two";
    assert_eq!(errors, format!("$CORDBOARD__NODE__0__PASSWORD: node[0].password: {fault}"));
}

#[test]
fn secrets_in_a_settings_file_that_everyone_may_read_are_warned_of() {
    let directory = Directory::new();
    let path = directory.file("cordboard.toml", LEAST, 0o644);
    let exposed = "this secret stands in a file that everyone may read; take that right away (chmod o-r)";
    let expected = format!("{path}:5: node[0].password: {exposed}");
    assert_eq!(warnings(&good(load(Path::new(&path)))), [expected]);
    let path = directory.file("cordboard.toml", LEAST, 0o640);
    assert_eq!(warnings(&good(load(Path::new(&path)))), [""; 0]);
}

#[test]
fn nothing_that_is_printed_shows_a_secret() {
    let text = LEAST.replace("correct-horse-battery", "canary");
    let url = "u:canary@localhost/x?password=canary&options=canary#canary";
    let text = text.replace("cordboard@localhost/cordboard", url);
    let loaded = good(read(&text));
    let shown = format!("{loaded:?}{:#?}{}", loaded.config, loaded.config.redacted_toml());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("postgres://u:***@localhost/x?password=***&options=***"), "{shown}");
    for broken in [
        text.replace("postgres://", "http://"),
        text.replace("postgres://u", "p"),
        text.replace("localhost/x", "localhost/"),
        text.replace("\"canary\"", "canary"),
        text.replace("\"canary\"", "[\"canary\"]"),
        text.replace("name = \"floor-1\"", "url = \"http://u:canary@h\""),
        text.replace("?password", "?sslmode=canary&password"),
    ] {
        let errors = read(&broken).map(|_| ()).expect_err(&broken);
        assert!(!format!("{errors}{errors:?}").contains("canary"), "{errors}");
    }
}
