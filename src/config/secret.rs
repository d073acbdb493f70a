//! Secrets: in place, in a file, or as a systemd credential.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::report::{Given, Report};
use super::{Config, Reported};

/// Written by anyone but the owner, or read by everyone. A group may read: `root:cordboard 0640` is good.
const TOO_OPEN: u32 = 0o026;
const BYTES_MAX: u64 = 64 * 1024;

/// The ways in which one secret may be given.
pub(super) struct Secret<'a> {
    /// Its key; the file's key is the same with `_file`.
    pub(super) key: &'a str,
    pub(super) inline: Option<Given<String>>,
    pub(super) file: Option<Given<String>>,
    /// The name of the systemd credential that is used when neither is given.
    pub(super) credential: &'a str,
}

impl Secret<'_> {
    pub(super) fn check(self, report: &mut Report) -> Result<SecretString, Reported> {
        let key = self.key;
        let file_key = format!("{key}_file");
        let inline = report.value(key, self.inline);
        let file = report.value(&file_key, self.file);
        let (mut inline, mut file) = (inline?, file?);
        if inline.is_some() && file.is_some() {
            match (report.is_from_variable(key), report.is_from_variable(&file_key)) {
                (true, false) => file = None,
                (false, true) => inline = None,
                (true, true) | (false, false) => {
                    let message = format!("{file_key} is given as well; keep one of the two");
                    return Err(report.error(key, message));
                }
            }
        }
        match (inline, file) {
            (Some(secret), _) => sound(secret, key, report),
            (None, Some(file)) => from_file(&file, &file_key, report),
            (None, None) => from_credential(key, self.credential, report),
        }
    }
}

/// Warns of secrets written into a settings file that everyone may read.
pub(super) fn warn_of_secrets_in(text: &str, config: &Config, report: &mut Report) {
    let mut exposed = Vec::new();
    for (i, node) in config.nodes.iter().enumerate() {
        if text.contains(node.password.expose_secret()) {
            exposed.push(format!("node[{i}].password"));
        }
    }
    for (i, carrier) in config.carriers.iter().enumerate() {
        if carrier.secret.as_ref().is_some_and(|secret| text.contains(secret.expose_secret())) {
            exposed.push(format!("carrier[{i}].secret"));
        }
    }
    if config.postgres.has_password() && text.contains(config.postgres.url.expose_secret()) {
        exposed.push("postgres.url".to_owned());
    }
    for key in exposed {
        report.warn(&key, "this secret stands in a file that everyone may read; take that right away (chmod o-r)");
    }
}

fn from_credential(key: &str, credential: &str, report: &mut Report) -> Result<SecretString, Reported> {
    let path: Option<PathBuf> = report.credentials_dir().map(|dir| dir.join(credential));
    let Some(path) = path.filter(|path| path.exists()) else {
        if key.rsplit_once('.').is_some_and(|(section, _)| report.is_refused(section)) {
            return Err(Reported);
        }
        let message = format!("is missing; give {key}, {key}_file or the systemd credential {credential}");
        return Err(report.error(key, message));
    };
    let secret =
        read(&path).map_err(|message| report.error(key, format!("the systemd credential {credential} {message}")))?;
    sound(secret, key, report)
}

fn from_file(file: &str, key: &str, report: &mut Report) -> Result<SecretString, Reported> {
    let path = Path::new(file);
    if !path.is_absolute() {
        return Err(report.error(key, format!("{file} is not an absolute path")));
    }
    let secret = read(path).map_err(|message| report.error(key, format!("{file} {message}")))?;
    let mode = std::fs::metadata(path).map_or(0, |m| m.permissions().mode() & 0o777);
    if mode & TOO_OPEN != 0 {
        let message = format!("{file} is open to others (mode {mode:04o}); use chmod 0640 or 0600");
        report.warn(key, message);
    }
    sound(secret, key, report)
}

/// Reads a secret and drops one newline from its end.
fn read(path: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(path).map_err(|e| format!("cannot be read: {e}"))?;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    if metadata.len() > BYTES_MAX {
        return Err("is too large for a secret".to_owned());
    }
    let bytes = std::fs::read(path).map_err(|e| format!("cannot be read: {e}"))?;
    let mut text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// Refuses what cannot be a secret, never repeating it.
fn sound(secret: String, key: &str, report: &mut Report) -> Result<SecretString, Reported> {
    if secret.is_empty() {
        return Err(report.error(key, "the secret is empty"));
    }
    if secret.contains(char::is_control) {
        return Err(report.error(key, "the secret holds a line break or another control character"));
    }
    if secret.trim() != secret {
        report.warn(key, "the secret begins or ends with a space");
    }
    Ok(SecretString::from(secret))
}
