//! Passwords and keys: made here, shown once, kept only as hashes.

use super::failure::{Failure, Outcome};
use crate::core::ids::EndpointName;
use crate::keys;
use md5::{Digest as _, Md5};
use rand::TryRng as _;
use rand::rngs::SysRng;
use secrecy::SecretString;
use std::fmt::Write as _;

/// No two of these look alike, and none needs a shift key on a desk phone.
const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// 24 of 31 characters: 118 bits.
const PASSWORD: usize = 24;
/// What the digests of Asterisk's accounts are made with.
const REALM: &str = "asterisk";

/// A new password for a phone.
pub fn password() -> Outcome<String> {
    let usable = u8::MAX - u8::MAX % 31;
    let mut password = String::with_capacity(PASSWORD);
    while password.len() < PASSWORD {
        for byte in random::<PASSWORD>()? {
            // the bytes above the last whole round of the alphabet would favour its beginning
            if byte < usable && password.len() < PASSWORD {
                password.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
            }
        }
    }
    Ok(password)
}

/// What Asterisk keeps instead of the password.
pub fn ha1(endpoint: &EndpointName, password: &str) -> SecretString {
    hex(&Md5::digest(format!("{endpoint}:{REALM}:{password}"))).into()
}

/// A new key to the API, and its SHA-256.
pub fn token() -> Outcome<(String, [u8; 32])> {
    keys::token(keys::API).map_err(Failure::new)
}

fn random<const N: usize>() -> Outcome<[u8; N]> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|e| Failure::new(format!("the system has no random numbers: {e}")))?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;
    use std::collections::BTreeSet;

    #[test]
    fn passwords_are_long_and_of_the_alphabet_and_never_the_same() {
        let passwords: BTreeSet<String> = (0..500).map(|_| password().expect("random numbers")).collect();
        assert_eq!(passwords.len(), 500);
        assert!(passwords.iter().all(|p| p.len() == 24 && p.bytes().all(|b| ALPHABET.contains(&b))));
        let used: BTreeSet<u8> = passwords.iter().flat_map(|p| p.bytes()).collect();
        assert_eq!(used.len(), ALPHABET.len());
    }

    #[test]
    fn ha1_is_that_of_rfc_2617() {
        let endpoint: EndpointName = "alice".parse().expect("an endpoint");
        // printf 'alice:asterisk:secret' | md5sum
        assert_eq!(ha1(&endpoint, "secret").expose_secret(), HA1);
    }

    const HA1: &str = "44fc378e9c253c3e1607c5eae018e345";

    #[test]
    fn a_token_is_kept_as_the_sha256_of_all_of_it() {
        let (token, sha256) = token().expect("random numbers");
        assert_eq!(token.len(), 4 + 64);
        assert_eq!(keys::sha256(token.as_bytes()), sha256);
    }
}
