//! What people and programs get in with: random tokens, and passwords. Of both only hashes are kept: SHA-256 of a token, which
//! nobody can guess, and argon2id of a password, which somebody could.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use rand::TryRng as _;
use rand::rngs::SysRng;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// What a token of the API begins with.
pub const API: &str = "cbt_";
/// What the token of a session begins with.
pub const SESSION: &str = "cbs_";
/// Characters of a password: shorter ones are guessed, longer ones are no passwords.
pub const PASSWORD: std::ops::RangeInclusive<usize> = 12..=128;

/// The system has no random numbers, or no memory.
#[derive(Debug, thiserror::Error)]
#[error("the system does not give what a key is made of: {0}")]
pub struct NoKey(String);

/// A password that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a password has 12 to 128 characters")]
pub struct WeakPassword;

/// A new random token of 256 bits, and its SHA-256.
///
/// # Errors
///
/// If the system has no random numbers.
pub fn token(prefix: &str) -> Result<(String, [u8; 32]), NoKey> {
    let mut bytes = [0_u8; 32];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| NoKey(error.to_string()))?;
    let token = bytes.iter().fold(prefix.to_owned(), |mut token, byte| {
        let _ = write!(token, "{byte:02x}");
        token
    });
    let sha256 = sha256(token.as_bytes());
    Ok((token, sha256))
}

/// What is kept of a token.
pub fn sha256(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Whether it may be a password.
///
/// # Errors
///
/// If it is too short or too long.
pub fn check_password(password: &SecretString) -> Result<(), WeakPassword> {
    if PASSWORD.contains(&password.expose_secret().chars().count()) { Ok(()) } else { Err(WeakPassword) }
}

/// What is kept of a password. Takes tens of milliseconds and 19 MiB, on purpose.
///
/// # Errors
///
/// If the system has no random numbers or no memory.
pub fn hash_password(password: &SecretString) -> Result<SecretString, NoKey> {
    let hash = Argon2::default().hash_password(password.expose_secret().as_bytes());
    hash.map(|hash| SecretString::from(hash.to_string())).map_err(|error| NoKey(error.to_string()))
}

/// What the password of somebody who is not there is held against, so that it takes as long.
static NOBODY: LazyLock<String> = LazyLock::new(|| {
    let hash = token("").ok().and_then(|(token, _)| hash_password(&token.into()).ok());
    hash.map(|hash| hash.expose_secret().to_owned()).unwrap_or_default()
});

/// Whether it is the password of which this was kept. Without a hash it is not, and that takes as long to find out.
pub fn is_password(password: &SecretString, hash: Option<&SecretString>) -> bool {
    let nobody = LazyLock::force(&NOBODY).as_str();
    let Ok(kept) = PasswordHash::new(hash.map_or(nobody, ExposeSecret::expose_secret)) else { return false };
    let is_it = Argon2::default().verify_password(password.expose_secret().as_bytes(), &kept).is_ok();
    is_it && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, two) = (token(API).expect("a token"), token(API).expect("a token"));
        assert_eq!(one.0.len(), API.len() + 64);
        assert_ne!(one.0, two.0);
        assert_eq!(sha256(one.0.as_bytes()), one.1);
    }

    #[test]
    fn a_password_is_known_again_and_no_other() {
        let password = SecretString::from("correct horse battery");
        let hash = hash_password(&password).expect("a hash");
        assert!(hash.expose_secret().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose_secret());
        assert!(is_password(&password, Some(&hash)));
        assert!(!is_password(&SecretString::from("correct horse batterY"), Some(&hash)));
        assert!(!is_password(&password, None));
        assert!(!is_password(&password, Some(&SecretString::from("garbage"))));
        assert_ne!(hash_password(&password).expect("a hash").expose_secret(), hash.expose_secret());
    }

    #[test]
    fn nobodys_hash_takes_the_same_work_as_anybodys() {
        let password = SecretString::from("correct horse battery");
        let hash = hash_password(&password).expect("a hash");
        let work = |hash: &str| hash.rsplitn(3, '$').nth(2).map(str::to_owned);
        assert_eq!(work(&NOBODY), work(hash.expose_secret()));
    }

    #[test]
    fn passwords_are_neither_short_nor_endless() {
        for (length, good) in [(0, false), (11, false), (12, true), (128, true), (129, false)] {
            assert_eq!(check_password(&"ü".repeat(length).into()).is_ok(), good, "{length}");
        }
    }
}
