//! The regular expressions of `regexp.go`, as scanners that visit each byte once.

/// `identifier`: an image id without its algorithm.
pub(super) fn is_identifier(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `tag`: `[\w][\w.-]{0,127}`.
pub(super) fn is_tag(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 128
        && bytes.next().is_some_and(is_word)
        && bytes.all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

/// `domainAndPort`: a host name, an IPv4 address or a bracketed IPv6 address, with an optional port of any length.
pub(super) fn is_domain(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, port)| {
            !address.is_empty()
                && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    name.split('.').all(is_domain_component) && port.is_none_or(is_port)
}

/// `pathComponent`: lower-case letters and digits, separated by one period, one or two underscores, or dashes.
pub(super) fn is_path_component(text: &str) -> bool {
    let mut separator = 0..0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => {
                if !separator.is_empty() && !text.get(separator.clone()).is_some_and(is_separator) {
                    return false;
                }
                separator = at + 1..at + 1;
            }
            b'.' | b'_' | b'-' if at > 0 => separator.end = at + 1,
            _ => return false,
        }
    }
    !text.is_empty() && separator.is_empty()
}

fn is_separator(text: &str) -> bool {
    matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-')
}

fn is_domain_component(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
