//! Reads one file of Rust as far as its walls need it: the names it uses, each with its line. Comments, literals and test
//! code do not count.

/// A path such as `crate::core::ids`, or a single name such as `async`.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    /// Counted from 1.
    pub line: usize,
    /// As it is written, but with groups written out: `use a::{b, c}` is `a::b` and `a::c`.
    pub path: Vec<String>,
}

/// All names outside of comments, literals and `#[cfg(test)]`, in their order.
pub fn names(text: &str) -> Vec<Name> {
    let code = without_tests(without_words(text));
    let tokens = tokens(&code);
    let (mut names, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        at = if tokens[at].is_name() { path(&tokens, at, &[], &mut names) } else { at + 1 };
    }
    names
}

/// Reads the path that begins here, and returns what comes after it.
fn path(tokens: &[Token<'_>], mut at: usize, before: &[String], names: &mut Vec<Name>) -> usize {
    let line = tokens[at].line;
    let mut path = before.to_vec();
    path.push(tokens[at].text.to_owned());
    at += 1;
    while tokens.get(at).is_some_and(|token| token.text == "::") {
        match tokens.get(at + 1) {
            Some(next) if next.is_name() || next.text == "*" => {
                path.push(next.text.to_owned());
                at += 2;
            }
            Some(next) if next.text == "{" => return group(tokens, at + 2, &path, names),
            _ => break,
        }
    }
    names.push(Name { line, path });
    at
}

/// Reads the members of `{a, b::c}` after the brace, and returns what comes after the closing one.
fn group(tokens: &[Token<'_>], mut at: usize, before: &[String], names: &mut Vec<Name>) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text {
            "}" => return at + 1,
            "*" => {
                names.push(Name { line: token.line, path: [before, &["*".to_owned()]].concat() });
                at += 1;
            }
            _ if token.is_name() => at = path(tokens, at, before, names),
            _ => at += 1,
        }
    }
    at
}

struct Token<'a> {
    line: usize,
    text: &'a str,
}

impl Token<'_> {
    fn is_name(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, row) in code.lines().enumerate() {
        let mut rest = row.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            let length = if word(first) {
                rest.find(|c| !word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push(Token { line: index + 1, text: &rest[..length] });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// Blanks comments, strings, characters and lifetimes. Lines stay lines.
fn without_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = blank_length(rest, out.chars().next_back());
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    out
}

/// How long the comment, literal or lifetime is that begins here; 0 if none does.
fn blank_length(rest: &str, before: Option<char>) -> usize {
    let until = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !in_word && let Some(raw) = rest.trim_start_matches(['b', 'c']).strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let start = rest.len() - raw.len() + hashes + 1;
            return until(&format!("\"{}", "#".repeat(hashes)), start);
        }
    }
    // 'a' is a character, 'a is a lifetime
    let mut after = rest.chars().skip(1);
    match (rest.starts_with('\''), after.next(), after.next()) {
        (true, Some('\\'), _) | (true, Some(_), Some('\'')) => quoted(rest, '\''),
        (true, ..) => 1 + rest[1..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len() - 1),
        (false, ..) => 0,
    }
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Blanks every item that stands behind `#[cfg(test)]`.
fn without_tests(code: String) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut code = code;
    while let Some(start) = code.find(MARK) {
        let end = start + MARK.len() + item_length(&code[start + MARK.len()..]);
        let blank: String = code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        code.replace_range(start..end, &blank);
    }
    code
}

fn item_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[test]
fn groups_are_written_out() {
    let found: Vec<_> = names("use a::{self, b, c::{d, e::*}};").iter().map(|n| n.path.join("::")).collect();
    assert_eq!(found, ["use", "a::self", "a::b", "a::c::d", "a::c::e::*"]);
}

#[test]
fn words_and_tests_do_not_count() {
    let text = r##"
        // a::b
        /* c /* d */ e */
        const F: (&str, char, &str) = ("g \" h", '"', r#"i "j" "#);
        #[cfg(test)]
        mod k { fn l() { m(); } }
        fn n<'o>(p: &'static str) {}
    "##;
    let found: Vec<_> = names(text).iter().map(|n| (n.line, n.path.join("::"))).collect();
    let expected = ["const", "F", "str", "char", "str"].map(|n| (4, n.to_owned()));
    let rest = ["fn", "n", "p", "str"].map(|n| (7, n.to_owned()));
    assert_eq!(found, [&expected[..], &rest[..]].concat());
}
