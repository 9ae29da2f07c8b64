//! The scope of a statement: one repository, as text.

use pullgate_core::policy::Scope;

/// A repository that images can have.
pub(super) struct Covered {
    /// The scope here, which also covers everything below it.
    pub(super) scope: String,
    /// Whether it has another spelling here: then it is for other names, too.
    pub(super) is_folded: bool,
}

/// The scope for `written`; `None` if no image of a registry has this name, such as that of a local layout: in a full name, the
/// first part is a host.
pub(super) fn read(written: &str) -> Option<Covered> {
    let (host, _) = written.split_once('/')?;
    if !host.contains(['.', ':']) && host != "localhost" {
        return None;
    }
    let scope = Scope::parse(written).ok()?.to_string();
    Some(Covered { is_folded: scope != written, scope })
}

/// Whether notation accepts the scope: `validateRegistryScopeFormat` in notation-go `verifier/trustpolicy/oci.go`.
pub(super) fn is_valid(written: &str) -> bool {
    let Some((host, repository)) = written.split_once('/') else { return false };
    let (host, port) = host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    host.split('.').all(is_label) && port.is_none_or(is_port) && repository.split('/').all(is_component)
}

/// Letters and digits, with one period, one or two underscores or any number of hyphens between them.
fn is_component(component: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let ends = bytes.first().zip(bytes.last()).is_some_and(|(one, other)| is_plain(*one) && is_plain(*other));
    let mut separators = component.split(|character: char| is_plain(u8::try_from(character).unwrap_or(0)));
    ends && separators.all(|separator| {
        matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
    })
}
