//! Patterns over names: of permissions, topic permissions and policies.
//!
//! They are RabbitMQ's: a regular expression that is *searched* for, so `a` matches every name with
//! an `a` in it, and `^a$` that name only. What they match are octets, without Unicode's classes
//! unless the pattern needs them.
//!
//! The engine takes linear time whatever the pattern. What it lacks of RabbitMQ's (look-around,
//! back-references) is refused when it is set, never ignored: a permission that cannot be read
//! must not become another one.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// The longest pattern, in octets.
pub const PATTERN_OCTETS_MAX: usize = 4096;

/// The most memory of a compiled pattern, in octets.
const COMPILED_OCTETS_MAX: usize = 1024 * 1024;

/// A pattern, compiled once.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    matcher: Matcher,
}

#[derive(Clone)]
enum Matcher {
    Nothing,
    Everything,
    Search(Regex),
}

impl Pattern {
    /// A permission's pattern: an empty one matches nothing but the empty name, which nothing has.
    ///
    /// # Errors
    /// Too long, or not a regular expression of the kinds that are supported.
    pub fn permission(text: &str) -> Result<Self, InvalidPattern> {
        Self::compile(text, text, Matcher::Nothing)
    }

    /// A topic permission's pattern, in which `{username}` and `{vhost}` stand for themselves: put
    /// in as they are spelled, never as a part of the expression.
    ///
    /// # Errors
    /// As [`Self::permission`].
    pub fn topic(text: &str, user: &str, vhost: &str) -> Result<Self, InvalidPattern> {
        let expanded = text
            .replace("{username}", &regex::escape(user))
            .replace("{vhost}", &regex::escape(vhost));
        Self::compile(text, &expanded, Matcher::Nothing)
    }

    /// A policy's pattern: an empty one matches every name.
    ///
    /// # Errors
    /// As [`Self::permission`].
    pub fn policy(text: &str) -> Result<Self, InvalidPattern> {
        Self::compile(text, text, Matcher::Everything)
    }

    fn compile(text: &str, expanded: &str, empty: Matcher) -> Result<Self, InvalidPattern> {
        if text.len() > PATTERN_OCTETS_MAX {
            return Err(InvalidPattern(format!("longer than {PATTERN_OCTETS_MAX} octets")));
        }
        let matcher = match expanded {
            "" => empty,
            "^$" => Matcher::Nothing,
            ".*" => Matcher::Everything,
            _ => Matcher::Search(search(expanded)?),
        };
        Ok(Self { text: text.to_owned(), matcher })
    }

    /// Whether the name is one of those meant.
    pub fn matches(&self, name: &[u8]) -> bool {
        match &self.matcher {
            Matcher::Nothing => name.is_empty(),
            Matcher::Everything => true,
            Matcher::Search(regex) => regex.is_match(name),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Octets first, as RabbitMQ; what needs Unicode (`[é]`, `\p{L}`) gets it.
fn search(pattern: &str) -> Result<Regex, InvalidPattern> {
    let build = |unicode| {
        RegexBuilder::new(pattern)
            .unicode(unicode)
            .size_limit(COMPILED_OCTETS_MAX)
            .dfa_size_limit(COMPILED_OCTETS_MAX)
            .build()
    };
    build(false).or_else(|_| build(true)).map_err(|error| InvalidPattern(reason(&error)))
}

/// The last line of the engine's explanation, which is the one that says what is wrong.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPattern(String);

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// What permissions call an exchange: the default one has no name of its own.
pub(crate) fn exchange_name(name: &str) -> &str {
    if name.is_empty() { "amq.default" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_searched_for() {
        for (pattern, name, matches) in [
            ("a", "banana", true),
            ("^a", "banana", false),
            ("^(amq\\.gen.*|amq\\.default)$", "amq.gen-x", true),
            ("", "a", false),
            (".*", "", true),
            ("^$", "a", false),
            ("[é]", "é", true),
            ("é", "é", true),
        ] {
            let compiled = Pattern::permission(pattern).unwrap();
            assert_eq!(compiled.matches(name.as_bytes()), matches, "{pattern} on {name}");
        }
        assert!(Pattern::policy("").unwrap().matches(b"anything"));
        assert!(Pattern::permission("^.$").unwrap().matches(b"\xff"));
    }

    #[test]
    fn variables_are_no_expressions() {
        let pattern = Pattern::topic("^{username}\\.{vhost}$", "a.*-b", "/").unwrap();
        assert!(pattern.matches(b"a.*-b./"));
        assert!(!pattern.matches(b"axx-b./"));
        assert_eq!(pattern.as_str(), "^{username}\\.{vhost}$");
    }

    #[test]
    fn what_cannot_be_searched_for_is_refused_with_the_reason() {
        for (pattern, reason) in [
            ("(", "unclosed group"),
            ("(?!amq)", "look-around, including look-ahead and look-behind, is not supported"),
            ("(a)\\1", "backreferences are not supported"),
            ("(a{1000}){1000}", "Compiled regex exceeds size limit"),
        ] {
            let error = Pattern::permission(pattern).unwrap_err();
            assert!(error.to_string().contains(reason), "{pattern}: {error}");
        }
        assert!(Pattern::permission(&"a".repeat(PATTERN_OCTETS_MAX + 1)).is_err());
    }
}
