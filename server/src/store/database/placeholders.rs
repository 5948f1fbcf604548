//! Placeholders of parameters: queries have those of SQLite, `?` or `?1`, where PostgreSQL has
//! `$1`.

/// The query with the placeholders of PostgreSQL. A query has either numbered ones or plain ones,
/// and no question mark in a text.
pub(super) fn numbered(query: &str) -> String {
    let mut parts = query.split('?');
    let mut text = String::with_capacity(query.len() + 16);
    text.extend(parts.next());
    for (index, part) in parts.enumerate() {
        text.push('$');
        if !part.starts_with(|c: char| c.is_ascii_digit()) {
            text.push_str(&(index + 1).to_string());
        }
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_in_their_order() {
        assert_eq!(numbered("SELECT 1"), "SELECT 1");
        assert_eq!(numbered("a = ? AND b IN (?, ?)"), "a = $1 AND b IN ($2, $3)");
        assert_eq!(numbered("a = ?2 AND b = ?1 OR c = ?2"), "a = $2 AND b = $1 OR c = $2");
        assert_eq!(numbered("?"), "$1");
    }
}
