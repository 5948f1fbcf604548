//! Paths as text. Paths are on one line: names of files come from anybody.

use std::path::Path;

/// The path in printable characters: what is not UTF-8 becomes `\xff`, control characters (line
/// breaks among them) are escaped as in source code.
pub fn path_text(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_on_one_line_and_printable() {
        assert_eq!(path_text(Path::new("gutärtig/böse 🦠.png")), "gutärtig/böse 🦠.png");
        assert_eq!(path_text(Path::new("a\nb\t\u{1b}[31m.png")), "a\\nb\\t\\u{1b}[31m.png");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_utf_8_is_told_apart() {
        use std::os::unix::ffi::OsStrExt;
        let name = |bytes| path_text(Path::new(std::ffi::OsStr::from_bytes(bytes)));
        assert_eq!(name(b"gr\xfcn.png"), "gr\\xfcn.png");
    }
}
