//! What somebody answers who cannot be asked right now: when to come again.

use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::time::Duration;

/// How long to wait by the header `Retry-After`: in seconds, or until a date, which counts from the date of the answer, so that
/// nobody's clock need be right. None if it is not there, or has another form.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let after = text(RETRY_AFTER)?;
    if !after.is_empty() && after.bytes().all(|byte| byte.is_ascii_digit()) {
        // What is too long for a number is too long for anybody.
        return Some(Duration::from_secs(after.parse().unwrap_or(u64::MAX)));
    }
    let time = |text: &str| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let wait = time(after)?.duration_since(time(text(DATE)?)?);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn a_time_to_wait_is_seconds_or_a_date() {
        for (after, date, wait) in [
            ("7", None, Some(7)),
            (" 7 ", None, Some(7)),
            ("99999999999999999999", None, Some(u64::MAX)),
            ("Sat, 21 Nov 2026 20:00:09 GMT", Some("Sat, 21 Nov 2026 20:00:00 GMT"), Some(9)),
            ("Sat, 21 Nov 2026 19:00:00 GMT", Some("Sat, 21 Nov 2026 20:00:00 GMT"), Some(0)),
            ("Sat, 21 Nov 2026 20:00:09 GMT", None, None),
            ("soon", None, None),
            ("", None, None),
            ("+7", None, None),
            ("-1", None, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(after));
            if let Some(date) = date {
                headers.insert(DATE, HeaderValue::from_static(date));
            }
            assert_eq!(retry_after(&headers), wait.map(Duration::from_secs), "{after}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
