//! `[[carrier]]`: who sold us numbers, and may be asked for their list.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::Reported;
use super::node::is_loopback;
use super::report::{Given, Report};
use super::secret::Secret;
use crate::core::ids::TrunkName;
use crate::inventory::listed::CarrierKind;

const NAME_LEN_MAX: usize = 31;
const ACCOUNT_LEN: usize = 34;

/// How to read one account's numbers at a carrier.
#[derive(Clone, Debug)]
pub struct Carrier {
    /// What commands and records call it.
    pub name: String,
    /// Whose API it is.
    pub kind: CarrierKind,
    /// Scheme, host and port; the path is `/`.
    pub url: Url,
    /// Twilio: the account's SID.
    pub account: Option<String>,
    /// Twilio: the SID of an API key; none: the account itself.
    pub username: Option<String>,
    /// Twilio: the auth token, or the secret of the API key. Telnyx: the API key. None: it cannot be asked.
    pub secret: Option<SecretString>,
    /// Whose numbers these are: the short name of an organization, whose admins may import them by themselves.
    pub organization: Option<String>,
    /// The trunk that can present them; none: the only trunk, if there is just one.
    pub trunk: Option<TrunkName>,
    /// Numbers on a page.
    pub page_size: u16,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCarrier {
    name: Option<Given<String>>,
    kind: Option<Given<String>>,
    url: Option<Given<String>>,
    account: Option<Given<String>>,
    username: Option<Given<String>>,
    secret: Option<Given<String>>,
    secret_file: Option<Given<String>>,
    organization: Option<Given<String>>,
    trunk: Option<Given<String>>,
    page_size: Option<Given<u64>>,
}

impl Carrier {
    /// Whether it is at this machine.
    pub fn is_here(&self) -> bool {
        self.url.host_str().is_some_and(is_loopback)
    }

    pub(super) fn check(raw: Vec<RawCarrier>, report: &mut Report) -> Result<Vec<Self>, Reported> {
        let all: Vec<_> = raw.into_iter().enumerate().map(|(i, raw)| Self::check_one(i, raw, report)).collect();
        let all = all.into_iter().collect::<Result<Vec<Self>, Reported>>()?;
        for (i, carrier) in all.iter().enumerate() {
            if let Some(same) = all[..i].iter().position(|other| other.name == carrier.name) {
                let message = format!("is that of carrier[{same}] too; give each its own");
                return Err(report.error(&format!("carrier[{i}].name"), message));
            }
        }
        Ok(all)
    }

    fn check_one(index: usize, raw: RawCarrier, report: &mut Report) -> Result<Self, Reported> {
        let key = |k: &str| format!("carrier[{index}].{k}");
        let name = report.value(&key("name"), raw.name).and_then(|name| checked_name(&key("name"), name, report));
        let kind = match report.parsed(&key("kind"), raw.kind) {
            Ok(None) => Err(report.error(&key("kind"), "is missing; write \"twilio\" or \"telnyx\"")),
            Ok(Some(kind)) => Ok(kind),
            Err(Reported) => Err(Reported),
        };
        let url = report.value(&key("url"), raw.url);
        let account = report.value(&key("account"), raw.account);
        let username = report.value(&key("username"), raw.username);
        let page_size = report.number(&key("page_size"), raw.page_size, 100, &(1..=1000));
        let organization = report.value(&key("organization"), raw.organization);
        let trunk = report.parsed(&key("trunk"), raw.trunk);
        let credential = name.as_ref().map(|name| format!("carrier-secret-{name}")).unwrap_or_default();
        let has_credential =
            !credential.is_empty() && report.credentials_dir().is_some_and(|dir| dir.join(&credential).exists());
        let secret = if raw.secret.is_some() || raw.secret_file.is_some() || has_credential {
            let secret =
                Secret { key: &key("secret"), inline: raw.secret, file: raw.secret_file, credential: &credential };
            secret.check(report).map(Some)
        } else {
            // The daemon makes calls without it, and a command may have no right to it.
            if !credential.is_empty() {
                let message = format!(
                    "is missing, so nothing can be imported from it; give {}, {} or the systemd credential {credential}",
                    key("secret"),
                    key("secret_file")
                );
                report.warn(&key("secret"), message);
            }
            Ok(None)
        };
        let (name, kind) = (name?, kind?);
        let url = url.and_then(|url| checked_url(&key("url"), url.as_deref().unwrap_or(default_url(kind)), report));
        let account = account.and_then(|account| checked_account(&key("account"), kind, account, report));
        let username = username.and_then(|username| checked_username(&key("username"), kind, username, report));
        let page_size = page_size.and_then(|size: u16| {
            if kind == CarrierKind::Telnyx && size > 250 {
                return Err(report.error(&key("page_size"), format!("{size} is too large; Telnyx gives 250 at most")));
            }
            Ok(size)
        });
        Ok(Self {
            name,
            kind,
            url: url?,
            account: account?,
            username: username?,
            secret: secret?,
            organization: organization?,
            trunk: trunk?,
            page_size: page_size?,
        })
    }

    /// All of it, or nothing.
    pub(super) fn restart_keys(old: &[Self], new: &[Self]) -> Vec<&'static str> {
        let same = old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.is_same(new));
        if same { Vec::new() } else { vec!["carrier"] }
    }

    fn is_same(&self, new: &Self) -> bool {
        let Self { name, kind, url, account, username, secret, organization, trunk, page_size } = self;
        let exposed = |secret: &Option<SecretString>| secret.as_ref().map(|s| s.expose_secret().to_owned());
        *name == new.name
            && *kind == new.kind
            && *url == new.url
            && *account == new.account
            && *username == new.username
            && exposed(secret) == exposed(&new.secret)
            && *organization == new.organization
            && *trunk == new.trunk
            && *page_size == new.page_size
    }
}

fn default_url(kind: CarrierKind) -> &'static str {
    match kind {
        CarrierKind::Telnyx => "https://api.telnyx.com",
        CarrierKind::Twilio => "https://api.twilio.com",
    }
}

fn checked_name(key: &str, given: Option<String>, report: &mut Report) -> Result<String, Reported> {
    let Some(name) = given else {
        return Err(report.error(key, "is missing; name the account, for example \"twilio\""));
    };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let good = (1..=NAME_LEN_MAX).contains(&name.len())
        && name.bytes().all(plain)
        && name.starts_with(|c: char| c.is_ascii_lowercase());
    if good {
        Ok(name)
    } else {
        Err(report.error(key, format!("{name:?}: must be a lower-case letter, then up to 30 of a-z 0-9 -")))
    }
}

fn checked_url(key: &str, text: &str, report: &mut Report) -> Result<Url, Reported> {
    // The text is not repeated: it might hold a password.
    let Ok(url) = Url::parse(text) else {
        return Err(report.error(key, "is not a URL; write https://api.twilio.com"));
    };
    let fault = if !url.username().is_empty() || url.password().is_some() {
        "holds a user or password; use the settings username and secret"
    } else if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        "has a path, a query or a fragment; only scheme, host and port belong here"
    } else if url.scheme() != "https" && !(url.scheme() == "http" && url.host_str().is_some_and(is_loopback)) {
        "does not begin with https://; the secret must not go to another host unencrypted"
    } else {
        return Ok(url);
    };
    Err(report.error(key, fault))
}

fn checked_account(
    key: &str,
    kind: CarrierKind,
    given: Option<String>,
    report: &mut Report,
) -> Result<Option<String>, Reported> {
    match (kind, given) {
        (CarrierKind::Twilio, Some(account)) if is_sid("AC", &account) => Ok(Some(account)),
        (CarrierKind::Twilio, Some(_)) => Err(report.error(key, "must be AC and 32 digits of 0-9 a-f")),
        (CarrierKind::Twilio, None) => Err(report.error(key, "is missing; Twilio's console shows it: AC…")),
        (CarrierKind::Telnyx, Some(_)) => Err(report.error(key, "is not for Telnyx, whose key names the account")),
        (CarrierKind::Telnyx, None) => Ok(None),
    }
}

fn checked_username(
    key: &str,
    kind: CarrierKind,
    given: Option<String>,
    report: &mut Report,
) -> Result<Option<String>, Reported> {
    match (kind, given) {
        (_, None) => Ok(None),
        (CarrierKind::Twilio, Some(name)) if is_sid("SK", &name) => Ok(Some(name)),
        (CarrierKind::Twilio, Some(_)) => Err(report
            .error(key, "must be the SID of an API key, SK and 32 digits of 0-9 a-f; leave it out for the account")),
        (CarrierKind::Telnyx, Some(_)) => Err(report.error(key, "is not for Telnyx, which wants the key alone")),
    }
}

fn is_sid(prefix: &str, text: &str) -> bool {
    text.len() == ACCOUNT_LEN
        && text.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}
