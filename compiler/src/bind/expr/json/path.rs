//! What an SQL/JSON path depends on besides the document.
//!
//! Its methods that make dates and times read TimeZone and DateStyle: `.datetime()`, `.date()`,
//! `.time()`, `.time_tz()`, `.timestamp()`, `.timestamp_tz()`. (PostgreSQL is finer: it looks whether
//! values with and without a time zone are compared. But what is a date is also shown, by
//! DateStyle.)

const METHODS: [&str; 6] = [
    "datetime",
    "date",
    "time",
    "time_tz",
    "timestamp",
    "timestamp_tz",
];

/// May what the path yields depend on settings?
///
/// Of a path that cannot be read this is nothing: it is an error.
pub(super) fn is_stable(path: &str) -> bool {
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        if c == '"' {
            rest = behind_string(rest);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, behind)| behind);
        } else if c == '\\' {
            // A key word may be written with escapes.
            return true;
        } else if c == '$' {
            // A variable may have any name.
            rest = rest[1..].trim_start_matches(is_word);
        } else if is_word(c) {
            let behind = rest.trim_start_matches(is_word);
            let word = &rest[..rest.len() - behind.len()];
            if METHODS.iter().any(|m| m.eq_ignore_ascii_case(word)) && is_called(behind) {
                return true;
            }
            rest = behind;
        } else {
            rest = &rest[c.len_utf8()..];
        }
    }
    false
}

/// Is it proved that existence of the path in a document is never in error? Members, elements and
/// filters of a lax path are not: what does not fit is not there, or unknown.
pub(super) fn never_raises(path: &str) -> bool {
    let path = path.trim();
    let mut rest = path.strip_prefix("lax ").unwrap_or(path).trim_start();
    let Some(steps) = rest.strip_prefix('$') else {
        return false;
    };
    rest = steps.trim_start();
    while !rest.is_empty() {
        let step = match rest.chars().next() {
            Some('.') => behind_member(rest[1..].trim_start()),
            Some('[') => behind_subscript(rest),
            Some('?') => behind_filter(rest[1..].trim_start()),
            _ => None,
        };
        match step {
            Some(behind) => rest = behind.trim_start(),
            None => return false,
        }
    }
    true
}

/// `name`, `"name"` or `*`, which is no method.
fn behind_member(rest: &str) -> Option<&str> {
    if rest.starts_with('"') {
        return Some(behind_string(rest));
    }
    if let Some(behind) = rest.strip_prefix('*') {
        return (!behind.starts_with('*')).then_some(behind);
    }
    let behind = rest.trim_start_matches(is_word);
    let named = behind.len() < rest.len() && !rest.starts_with(|c: char| c.is_ascii_digit());
    (named && !is_called(behind)).then_some(behind)
}

/// `[*]` or `[n]`
fn behind_subscript(rest: &str) -> Option<&str> {
    let (inside, behind) = rest.strip_prefix('[')?.split_once(']')?;
    let inside = inside.trim();
    let number = !inside.is_empty() && inside.len() < 9;
    let number = number && inside.bytes().all(|b| b.is_ascii_digit());
    (inside == "*" || number).then_some(behind)
}

/// `(…)`
fn behind_filter(rest: &str) -> Option<&str> {
    let mut depth = 0;
    let mut rest = rest.starts_with('(').then_some(rest)?;
    while let Some(c) = rest.chars().next() {
        rest = match c {
            '"' => behind_string(rest),
            // A comment may hold a parenthesis.
            '/' => return None,
            _ => &rest[c.len_utf8()..],
        };
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(rest);
        }
    }
    None
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || !c.is_ascii()
}

/// Does a parenthesis follow, behind blanks and comments?
fn is_called(rest: &str) -> bool {
    let rest = rest.trim_start();
    match rest.strip_prefix("/*") {
        Some(comment) => is_called(comment.split_once("*/").map_or("", |(_, behind)| behind)),
        None => rest.starts_with('('),
    }
}

/// What follows the string with which the text begins.
fn behind_string(text: &str) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_times_depends_on_settings() {
        for path in [
            "$.a.datetime()",
            "$.a.datetime(\"HH24:MI\")",
            "$.a.DateTime ( )",
            "$[*] ? (@.a.date() < $x)",
            "$.a.time_tz(2)",
            "$.a.timestamp /* x */ ()",
            "$.\"a\\\"b\".time()",
            "$.a.\\u0064ate()",
        ] {
            assert!(is_stable(path), "{path}");
        }
    }

    #[test]
    fn other_paths_are_the_same_everywhere() {
        for path in [
            "$",
            "strict $.date.time",
            "$.a.size() + 1",
            "$.\"a.datetime()\"",
            "$.a ? (@ == \"x.date()\")",
            "$ /* .date() */ .a",
            "$.update()",
            "$date",
            "$.a ? (@ like_regex \"^\\\\d.date()\")",
            "",
            "\"",
        ] {
            assert!(!is_stable(path), "{path}");
        }
    }

    #[test]
    fn plain_steps_never_raise() {
        for path in [
            "$",
            "lax $.a",
            "$.a[*].\"b c\" [0] .*",
            "$.a ? (@.b + 1 > $x && @.c == \")\")",
            "$[*] ? (exists (@.a ? (@ > 1))).b",
        ] {
            assert!(never_raises(path), "{path}");
        }
        for path in [
            "",
            "strict $.a",
            "$.a.double()",
            "$.a.size ()",
            "$.a + 1",
            "-$.a",
            "$.a[$n]",
            "$.a[last - 1]",
            "$.a[1.5]",
            "$.**",
            "$x",
            "$.a ? (@ == 1",
            "$.a == 1",
            "$.a ? (@ == 1 /* ) */ ).b",
        ] {
            assert!(!never_raises(path), "{path}");
        }
    }
}
