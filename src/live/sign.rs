//! Signatures of webhooks, as Standard Webhooks has them: HMAC-SHA-256 over `id.timestamp.body`, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::TryRng as _;
use rand::rngs::SysRng;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

const PREFIX: &str = "whsec_";
/// Between the 24 and 64 that are allowed.
const BYTES: usize = 32;

/// With what a webhook is signed. Shown once, to whoever receives them.
#[derive(Clone, Debug)]
pub struct Secret {
    text: SecretString,
    key: Key,
}

/// Never shown.
#[derive(Clone)]
struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// A text that is no secret of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret is whsec_ and 24 to 64 bytes in base64")]
pub struct BadSecret;

impl Secret {
    /// A new one.
    ///
    /// # Errors
    ///
    /// If the system has no random numbers.
    pub fn new() -> Result<Self, BadSecret> {
        let mut key = vec![0_u8; BYTES];
        SysRng.try_fill_bytes(&mut key).map_err(|_| BadSecret)?;
        let text = format!("{PREFIX}{}", STANDARD.encode(&key)).into();
        Ok(Self { text, key: Key(key) })
    }

    /// One that was written down.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn read(text: &SecretString) -> Result<Self, BadSecret> {
        let encoded = text.expose_secret().strip_prefix(PREFIX).ok_or(BadSecret)?;
        let key = STANDARD.decode(encoded).map_err(|_| BadSecret)?;
        if !(24..=64).contains(&key.len()) {
            return Err(BadSecret);
        }
        Ok(Self { text: text.clone(), key: Key(key) })
    }

    /// As it is written down.
    pub fn text(&self) -> &SecretString {
        &self.text
    }

    /// The signature of a message: `v1,` and base64. `timestamp_s` is in seconds since 1970.
    pub fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key.0) else { return String::new() };
        mac.update(format!("{id}.{timestamp_s}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_comes_out() {
        let secret = Secret::read(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).expect("a secret");
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_are_read_as_they_are_written_never_the_same_and_never_shown() {
        let (one, two) = (Secret::new().expect("a secret"), Secret::new().expect("a secret"));
        let again = Secret::read(one.text()).expect("a secret");
        assert_eq!(one.sign("a", 1, b"x"), again.sign("a", 1, b"x"));
        assert_ne!(one.sign("a", 1, b"x"), two.sign("a", 1, b"x"));
        assert!(!format!("{one:?}").contains(one.text().expose_secret()));
        for wrong in ["", "whsec_", "whsec_AAAA", "sk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_?"] {
            assert_eq!(Secret::read(&wrong.into()).err(), Some(BadSecret), "{wrong}");
        }
    }
}
