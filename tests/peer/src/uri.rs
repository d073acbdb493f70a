//! Pieces of header values: lists, addresses, URIs, parameters.

/// Splits at commas outside quotes and angle brackets.
pub(crate) fn split_list(value: &str) -> Vec<&str> {
    let (mut quoted, mut depth, mut begin, mut parts) = (false, 0_u32, 0, Vec::new());
    for (at, c) in value.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '<' if !quoted => depth += 1,
            '>' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                parts.push(value[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(value[begin..].trim());
    parts.retain(|p| !p.is_empty());
    parts
}

/// The URI of a `name-addr` or `addr-spec`.
pub(crate) fn address_of(value: &str) -> &str {
    match value.find('<') {
        Some(open) => value[open + 1..].split('>').next().unwrap_or_default(),
        None => value.split(';').next().unwrap_or_default().trim(),
    }
}

/// What follows the URI: the header's own parameters.
pub(crate) fn after_address(value: &str) -> &str {
    value.rfind('>').map_or(value, |close| &value[close..])
}

/// User part of a `sip:`, `sips:` or `tel:` URI, without parameters.
pub(crate) fn user_of(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    let user = if scheme.eq_ignore_ascii_case("tel") { rest } else { rest.split_once('@')?.0 };
    Some(user.split([';', ':']).next().unwrap_or(user))
}

/// `host[:port]` of a URI.
pub(crate) fn host_of(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    rest.split([';', '?', '>']).next().unwrap_or(rest)
}

/// Value of the parameter `name` after a semicolon.
pub(crate) fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}
