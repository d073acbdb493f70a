//! Which node to talk to, and as whom.

use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// One Asterisk as this daemon reaches it.
#[derive(Clone, Debug)]
pub struct AriConfig {
    base: Url,
    app: String,
    username: String,
    password: SecretString,
}

/// What is wrong with an [`AriConfig`]. It does not repeat the text: a URL may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAriConfig {
    /// Not such a URL.
    #[error("the ARI URL must look like http://127.0.0.1:8088/ari, without user, query or fragment")]
    Url,
    /// Not such a name.
    #[error("the ARI application must be 1 to 40 of A-Z a-z 0-9 _ -")]
    App,
    /// Not such a name.
    #[error("the ARI user must be 1 to 40 of A-Z a-z 0-9 . _ -")]
    Username,
    /// Empty or with control characters.
    #[error("the ARI password must not be empty nor hold control characters")]
    Password,
}

impl AriConfig {
    /// Checks all parts. `url` ends in `/ari`, as in `http://127.0.0.1:8088/ari`.
    ///
    /// # Errors
    /// Says which part is wrong.
    pub fn new(url: &str, app: &str, username: &str, password: SecretString) -> Result<Self, InvalidAriConfig> {
        let word = |text: &str, extra: &[u8]| {
            (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || extra.contains(&b))
        };
        let base = Url::parse(url.trim_end_matches('/')).map_err(|_| InvalidAriConfig::Url)?;
        let plain = matches!(base.scheme(), "http" | "https")
            && base.has_host()
            && base.username().is_empty()
            && base.password().is_none()
            && base.query().is_none()
            && base.fragment().is_none()
            && base.path().ends_with("/ari");
        if !plain {
            return Err(InvalidAriConfig::Url);
        }
        if !word(app, b"_-") {
            return Err(InvalidAriConfig::App);
        }
        if !word(username, b"._-") {
            return Err(InvalidAriConfig::Username);
        }
        let secret = password.expose_secret();
        if secret.is_empty() || secret.chars().any(char::is_control) {
            return Err(InvalidAriConfig::Password);
        }
        Ok(Self { base, app: app.to_owned(), username: username.to_owned(), password })
    }

    /// The name of our application in Asterisk.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The same node and user with another application, which must be such a name.
    pub(super) fn with_app(&self, app: String) -> Self {
        Self { app, ..self.clone() }
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Where the event socket is. The password is not in it.
    pub(super) fn events_url(&self) -> String {
        let scheme = if self.base.scheme() == "https" { "wss" } else { "ws" };
        let rest = self.base.as_str().trim_start_matches(self.base.scheme());
        format!("{scheme}{rest}/events?app={}", self.app)
    }

    /// The `Authorization` header, marked sensitive.
    pub(super) fn authorization(&self) -> HeaderValue {
        let encoded = base64(format!("{}:{}", self.username, self.password.expose_secret()).as_bytes());
        // Base 64 is always a valid header value.
        let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).unwrap_or(HeaderValue::from_static("Basic"));
        value.set_sensitive(true);
        value
    }
}

/// RFC 4648 with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            if i <= chunk.len() {
                text.push(char::from(ALPHABET[(bits >> (18 - 6 * i) & 63) as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Result<AriConfig, InvalidAriConfig> {
        AriConfig::new(url, "cordboard", "cordboard", "s3cret-pass".into())
    }

    #[test]
    fn the_event_url_follows_the_scheme_and_holds_no_password() {
        for (url, events) in [
            ("http://127.0.0.1:8088/ari", "ws://127.0.0.1:8088/ari/events?app=cordboard"),
            ("https://pbx.example/ari/", "wss://pbx.example/ari/events?app=cordboard"),
        ] {
            assert_eq!(config(url).expect("valid").events_url(), events);
        }
    }

    #[test]
    fn nothing_printed_shows_the_password() {
        let config = config("http://127.0.0.1:8088/ari").expect("valid");
        assert!(!format!("{config:?} {:?}", config.authorization()).contains("s3cret"));
    }

    #[test]
    fn what_is_not_plain_is_refused() {
        for bad in ["", "x", "ftp://h/ari", "http://h", "http://u:p@h/ari", "http://h/ari?x=1", "http://h/ari#x"] {
            assert_eq!(config(bad).err(), Some(InvalidAriConfig::Url), "{bad}");
        }
        let new = |app, user, password: &str| AriConfig::new("http://h/ari", app, user, password.into()).err();
        assert_eq!(new("a,b", "u", "p"), Some(InvalidAriConfig::App));
        assert_eq!(new("a", "u:v", "p"), Some(InvalidAriConfig::Username));
        assert_eq!(new("a", "u", ""), Some(InvalidAriConfig::Password));
        assert_eq!(new("a", "u", "p\r\nx"), Some(InvalidAriConfig::Password));
    }

    #[test]
    fn base_64_is_the_known_one() {
        for (plain, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
