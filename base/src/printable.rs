//! Words of others on a terminal and in a spreadsheet: names come from files that anybody made, and
//! must not act there as commands.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with control characters, other than line breaks and tabs, and characters that turn the
/// direction of text written as in JSON: `\u001b`. Within JSON it means the same as before.
pub fn printable(text: &str) -> Cow<'_, str> {
    let shown = |c: char| matches!(c, '\n' | '\t') || !acts_on_terminals(c);
    if text.chars().all(shown) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if shown(character) {
            escaped.push(character);
        } else {
            // Writing to a string cannot fail; all of them are below 2^16.
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        }
    }
    Cow::Owned(escaped)
}

/// What a name is, if it is not one that any program can show: it has control characters, or a
/// spreadsheet would compute it.
pub fn unfit_name(name: &str) -> Option<&'static str> {
    if name.chars().any(acts_on_terminals) {
        return Some("a name with control characters");
    }
    is_formula(name).then_some("a name that spreadsheets take for a formula")
}

/// Whether a spreadsheet would compute the text: not what only looks like a signed word or number.
pub fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '@']) || (text.starts_with(['+', '-']) && text.contains(['(', '|', '!', '=', '"', '*']))
}

/// Control characters, and those by which text runs in another direction than it is read
/// (<https://www.unicode.org/reports/tr36/>, section on bidirectional text).
fn acts_on_terminals(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_written_out() {
        assert!(matches!(printable("böse 🦠\n\tx"), Cow::Borrowed("böse 🦠\n\tx")));
        assert_eq!(printable("a\u{1b}[31mb\u{7f}\r"), "a\\u001b[31mb\\u007f\\u000d");
        assert_eq!(printable("\u{9b}2J\u{202e}gnp"), "\\u009b2J\\u202egnp");
        let json = "{\"a\": \"\u{9b}\"}";
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&printable(json)), read(json));
    }

    #[test]
    fn names_are_words_and_no_commands() {
        for name in ["ill", "-", "+", "-1.5", "+ lymph node", "A = B", "x@y", "böse 🦠", ""] {
            assert_eq!(unfit_name(name), None, "{name}");
        }
        for name in
            ["=1+1", "@SUM(A1)", "-2+3|' /C calc'!A0", "+HYPERLINK(\"x\")", "a\tb", "a\nb", "\u{1b}[2J", "\u{202e}x"]
        {
            assert!(unfit_name(name).is_some(), "{name}");
        }
    }
}
