//! What messages offer for pasting into a shell.

/// A word as a shell reads it back: in quotes where it needs them.
pub fn for_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(for_shell("target/debug/fraudctl"), "target/debug/fraudctl");
        assert_eq!(for_shell("/home/me/my tools/fraudctl"), "'/home/me/my tools/fraudctl'");
        assert_eq!(for_shell("it's"), r"'it'\''s'");
        assert_eq!(for_shell("$(x)"), "'$(x)'");
        assert_eq!(for_shell(""), "''");
    }
}
