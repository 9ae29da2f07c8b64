//! Which images a credential is for, by kubelet's rules for `matchImages` and for the keys of a credential provider's
//! response.
//!
//! Source: `URLsMatch` and `ParseSchemelessURL` in Kubernetes' `pkg/credentialprovider/keyring.go`.

/// A host whose labels may contain `*`, perhaps with a port, perhaps with the beginning of a path.
///
/// `*` does not match across dots. The port has to be the same, and the path is a prefix, not only of whole segments. Go's
/// `path.Match` also knows `?` and `[…]`, but they cannot be in the host of a URL as kubelet parses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageGlob {
    /// The host's name, with `*`.
    host: String,
    /// Empty without one.
    port: String,
    /// Empty, or from `/` on.
    path: String,
}

/// The name of an image without tag and digest, as kubelet writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ImageName {
    /// The registry, with its port; `docker.io` for Docker Hub.
    pub(crate) registry: String,
    pub(crate) repository: String,
}

impl ImageGlob {
    /// Reads it as it is written in `matchImages`. `None` if it can match no image.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (authority, path) = match text.find('/') {
            Some(slash) => text.split_at_checked(slash)?,
            None => (text, ""),
        };
        let (host, port) = split_port(authority);
        let in_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte);
        let in_path = |byte: u8| byte.is_ascii_graphic() && !b"?#%\\".contains(&byte);
        let valid = !host.is_empty()
            && host.bytes().all(in_host)
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && path.bytes().all(in_path)
            // As after a scheme.
            && !path.starts_with("//");
        valid.then(|| Self { host: host.to_owned(), port: port.to_owned(), path: path.to_owned() })
    }

    pub(super) fn matches(&self, image: &ImageName) -> bool {
        let (host, port) = split_port(&image.registry);
        let path = format!("/{}", image.repository);
        let (labels, found): (Vec<&str>, Vec<&str>) =
            (self.host.split('.').collect(), host.split('.').collect());
        self.port == port
            && labels.len() == found.len()
            && path.starts_with(&self.path)
            && labels.iter().zip(found).all(|(glob, label)| label_matches(glob, label))
    }
}

impl ImageName {
    /// The registry and the repository.
    pub(super) fn text(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

fn split_port(authority: &str) -> (&str, &str) {
    authority.rsplit_once(':').unwrap_or((authority, ""))
}

/// Go's `path.Match` for a pattern whose only wildcard is `*`.
fn label_matches(glob: &str, label: &str) -> bool {
    let Some((first, rest)) = glob.split_once('*') else { return glob == label };
    let Some(mut label) = label.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = label.split_once(part) else { return false };
        label = after;
    }
    label.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, target: &str) -> bool {
        let (registry, repository) = target.split_once('/').unwrap_or((target, ""));
        let image = ImageName { registry: registry.to_owned(), repository: repository.to_owned() };
        ImageGlob::parse(glob).is_some_and(|glob| glob.matches(&image))
    }

    /// The cases of `TestURLsMatch` in Kubernetes' `pkg/credentialprovider/keyring_test.go`, then ours.
    #[test]
    fn matches_what_kubelet_matches() {
        for (glob, target, expected) in [
            ("*.kubernetes.io", "prefix.kubernetes.io", true),
            ("prefix.*.io", "prefix.kubernetes.io", true),
            ("prefix.kubernetes.*", "prefix.kubernetes.io", true),
            ("*-good.kubernetes.io", "prefix-good.kubernetes.io", true),
            ("*.kubernetes.io/blah", "prefix.kubernetes.io/blah", true),
            ("prefix.*.io/foo", "prefix.kubernetes.io/foo/bar", true),
            ("*.kubernetes.io:1111/blah", "prefix.kubernetes.io:1111/blah", true),
            ("prefix.*.io:1111/foo", "prefix.kubernetes.io:1111/foo/bar", true),
            ("*.kubernetes.io", "kubernetes.io", false),
            ("*.*.kubernetes.io", "prefix.kubernetes.io", false),
            ("*.*.kubernetes.io", "kubernetes.io", false),
            ("kubernetes.io", "kubernetes.com", false),
            ("k*.io", "quay.io", false),
            ("*.kubernetes.io:1234/blah", "prefix.kubernetes.io:1111/blah", false),
            ("prefix.*.io/foo", "prefix.kubernetes.io:1111/foo/bar", false),
            // Ours.
            ("*.dkr.ecr.*.amazonaws.com", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app", true),
            ("*.dkr.ecr.*.amazonaws.com", "1.dkr.ecr.eu.west.amazonaws.com/team/app", false),
            ("*.dkr.ecr.*.amazonaws.com", "1.dkr.ecr.eu-west-1.amazonaws.com.evil.example/team/app", false),
            ("*.dkr.ecr.*.amazonaws.com", "evil.example/1.dkr.ecr.eu-west-1.amazonaws.com", false),
            ("r.example/foo", "r.example/foobar", true),
            ("r.example/foo", "r.example/fo", false),
            ("r.example:443", "r.example/a", false),
            ("r.example/", "r.example/a", true),
            ("a*b*c.example", "a-b-b-c.example/x", true),
            ("a*b*c.example", "a-c-b.example/x", false),
            ("a*a.example", "a.example/x", false),
            ("*", "localhost/x", true),
            ("*", "r.example/x", false),
            ("", "r.example/x", false),
            ("/foo", "r.example/foo", false),
            ("https://r.example", "r.example/x", false),
            ("r.example:http", "r.example:http/x", false),
            ("r.exampl[e]", "r.example/x", false),
            ("r.exampl?", "r.example/x", false),
        ] {
            assert_eq!(matches(glob, target), expected, "{glob} {target}");
        }
    }
}
