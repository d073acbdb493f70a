//! Which Asterisk is safe to talk to.

/// Whether this Asterisk lacks the fixes of 25 June 2026, or cannot prove that it has them.
///
/// Two of those fixes are about ARI itself: applications that ignored `live_dangerously`, so that an ARI user could run
/// commands and write files (GHSA-vrfp-mg3q-3959), and read-only users who could write (GHSA-wcvv-g26m-wx5c). The release
/// that is known to have them is 22.10.1, so `true` is the answer for
///
/// - branch 22 before 22.10.1 and branch 23 before 23.4.1, release candidates of those two versions included;
/// - every branch below 22: 21 is no longer maintained, and of 20 we have not seen which release has both fixes;
/// - everything that is not a release number: `certified-…` and `GIT-…` follow other numbers.
///
/// Branches above 23 began after the fixes.
pub fn is_vulnerable(version: &str) -> bool {
    let Some((numbers, suffix)) = parse(version.trim()) else { return true };
    let floor = match numbers[0] {
        22 => [22, 10, 1],
        23 => [23, 4, 1],
        major => return major < 24,
    };
    numbers < floor || (numbers == floor && is_candidate(suffix))
}

/// `22.10.1~dfsg` as `[22, 10, 1]` and `~dfsg`.
fn parse(version: &str) -> Option<([u32; 3], &str)> {
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    let (numbers, suffix) = version.split_at(end);
    if !suffix.is_empty() && !suffix.starts_with(['-', '~', '+']) {
        return None;
    }
    let mut parts = numbers.split('.').map(|part| part.parse().ok());
    let found = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some((found, suffix))
}

fn is_candidate(suffix: &str) -> bool {
    ["rc", "beta", "alpha", "pre"].iter().any(|word| suffix.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_provably_has_the_fixes_passes() {
        for good in ["22.10.1", "22.10.1~dfsg+~cs6.16", "22.10.1+dfsg", "22.11.0-rc1", "23.4.1", "23.10.0", "24.0.0"] {
            assert!(!is_vulnerable(good), "{good}");
        }
        for bad in [
            "",
            "22",
            "22.10",
            "22.10.0",
            "22.9.3",
            "22.10.1-rc1",
            "23.4.0",
            "23.0.0",
            "20.20.1",
            "21.12.9",
            "18.0.0",
            "certified-22.8-cert3",
            "GIT-22-abcdef",
            "22.10.1x",
            "22.10.1.1",
            "22..1",
            "99999999999.0.0",
            "-1.0.0",
        ] {
            assert!(is_vulnerable(bad), "{bad}");
        }
    }
}
