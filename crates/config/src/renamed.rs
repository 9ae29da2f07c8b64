//! Options that had another name before the first release.

/// Table, old name and new name of each option.
const RENAMED: [(&str, &str, &str); 10] = [
    ("[limits]", "signature-bytes", "signature-max-size"),
    ("[limits]", "signatures-bytes", "signatures-total-size"),
    ("[limits]", "no-signature-memory", "negative-cache-ttl"),
    ("[limits]", "cool-down", "max-retry-after"),
    ("[limits]", "turn-timeout", "queue-timeout"),
    ("[limits]", "step-timeout", "request-timeout"),
    ("[limits]", "registry-requests", "max-requests-per-host"),
    ("[keys]", "fetch-again", "fetch-retry-interval"),
    ("[authenticator", "remote-memory", "remote-cache-ttl"),
    ("the file", "catch-up", "reconcile"),
];

/// The new name of an option in `table` whose old name is `key`.
#[must_use]
pub fn renamed(table: &str, key: &str) -> Option<&'static str> {
    let found = RENAMED.iter().find(|(place, old, _)| table.starts_with(place) && *old == key);
    found.map(|&(_, _, new)| new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    #[test]
    fn an_old_name_is_an_error_that_names_the_new_one() {
        for (table, old, new) in RENAMED {
            let (text, known) = (format!("\"{old}\" = 1\n"), [new]);
            let mut document = Document::new("pullgate.toml", &text);
            let root = document.recover_value();
            assert!(document.table(root, table, &known).is_some(), "{old}");
            let shown: Vec<String> = document.problems.iter().map(ToString::to_string).collect();
            let expected = format!("pullgate.toml:1:1: `{old}` in {table} is now `{new}`\n  hint: rename it");
            assert_eq!(shown, [expected]);
        }
    }
}
