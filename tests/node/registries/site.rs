//! A node with two registries, and the requests to them.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::NAME;
use pullgate_test::authority::Authority;
use pullgate_test::node::images::Image;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::registry::Registry;
use pullgate_test::node::{Node, Release, directory};

/// Registries, in the order of the requests.
type Contacted = Vec<&'static str>;

/// The client of a request, by its user agent.
#[derive(Clone, Copy)]
enum Who {
    Pullgate,
    Containerd,
    /// The host where it resolves the image. It then fetches manifests from any host, regardless of capabilities.
    ContainerdResolving,
}

/// A node with two registries, both with TLS and passwords: the origin of [`NAME`], which has a signed image, and a
/// mirror, which has the image and not its signature.
pub(super) struct Site {
    pub(super) node: Node,
    pub(super) mirror: Registry,
    pub(super) image: Image,
    pub(super) authority: Arc<Authority>,
}

/// What a pull does, through containerd alone and through pullgate.
#[derive(Clone, Copy, Default)]
pub(super) struct Expect<'a> {
    /// User and password of the pull secret.
    pub(super) secret: Option<(&'a str, &'a str)>,
    /// The hosts that are asked for the tag, in order.
    pub(super) by_tag: &'a [&'a str],
    /// The hosts that are asked for the digest, in order.
    pub(super) by_digest: &'a [&'a str],
    /// pullgate's reason code, or one of several with `|` between them; empty if the image is pulled.
    pub(super) code: &'a str,
}

impl Site {
    pub(super) fn start(release: Release) -> Self {
        let node = Node::start(release);
        let mirror = Registry::start(node.directory().join("mirror"));
        node.map_host(NAME);
        let image = node.push("team/app:1").at(NAME);
        node.sign(&image);
        image.push_as(&mirror, "team/app:1");
        Self { node, mirror, image, authority: Authority::new() }
    }

    /// With TLS and passwords.
    pub(super) fn protected(release: Release) -> Self {
        let mut site = Self::start(release);
        let tls = site.tls("127.0.0.1", false);
        let (origin, mirror) = (site.node.registry.passwords(), site.mirror.passwords());
        site.node.registry.restart_with(&format!("{tls}{origin}"));
        site.mirror.restart_with(&format!("{tls}{mirror}"));
        site
    }

    /// Configuration for a registry with a certificate for `name`, which may require client certificates.
    pub(super) fn tls(&self, name: &str, clients: bool) -> String {
        let (certificate, key) = self.authority.server(name);
        let mut lines = format!(
            "  tls:\n    certificate: {}\n    key: {}\n",
            self.file(&format!("{name}.pem"), &certificate).display(),
            self.file(&format!("{name}.key"), &key).display()
        );
        if clients {
            lines += &format!("    clientcas:\n      - {}\n", self.ca().display());
        }
        lines
    }

    /// The certificate of the authority for the registries.
    pub(super) fn ca(&self) -> PathBuf {
        self.file("ca.pem", &self.authority.pem())
    }

    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.node.directory().join(name);
        directory::write(&path, text);
        path
    }

    /// Writes `hosts.toml` for a host, or `_default`; `@M`, `@O` and `@CA` are replaced by mirror, origin and certificate.
    pub(super) fn hosts(&self, host: &str, text: &str) {
        let directory = self.node.containerd.hosts().join(host);
        directory::make(&directory);
        directory::write(&directory.join("hosts.toml"), self.fill_in(text));
    }

    fn fill_in(&self, text: &str) -> String {
        let (mirror, origin) = (self.mirror.host(), self.node.registry.host());
        text.replace("@M", &format!("https://{mirror}"))
            .replace("@O", &format!("https://{origin}"))
            .replace("@CA", &format!("{:?}", self.ca().display().to_string()))
    }

    /// The registries that got requests for a manifest since then, in order, without repetitions.
    fn contacted(&self, since: Timestamp, who: Who, manifest: &str) -> Contacted {
        let named = [("mirror", &self.mirror), ("origin", &self.node.registry)];
        let end = format!("/manifests/{manifest}");
        let mut contacted: Vec<_> = named
            .into_iter()
            .flat_map(|(name, registry)| registry.asked().into_iter().map(move |request| (request, name)))
            .filter(|(request, _)| {
                request.time >= since && request.uri.split('?').next().is_some_and(|uri| uri.ends_with(&end))
            })
            .filter(|(request, _)| match who {
                Who::Pullgate => !request.is_by_containerd(),
                Who::Containerd => request.is_by_containerd(),
                Who::ContainerdResolving => request.is_by_containerd() && request.method == "HEAD",
            })
            .collect();
        contacted.sort_by_key(|(request, _)| request.time);
        let mut names: Vec<&'static str> = contacted.into_iter().map(|(_, name)| name).collect();
        names.dedup();
        names
    }

    /// Pulls by tag and by digest, through containerd alone and through pullgate; asserts that both contact the same hosts
    /// in the same order, and returns the hosts, by tag and by digest, and pullgate's reasons if it refused.
    fn compare(&mut self, name: &str, secret: Option<(&str, &str)>) -> (Contacted, Contacted, Vec<String>) {
        let image = self.image.clone();
        let pod = |reference: &str| match secret {
            Some((user, password)) => Pod::of(reference).with_pull_secret(user, password),
            None => Pod::of(reference),
        };
        let alone = |site: &Self, reference: &str| {
            site.node.containerd.forget(&image.host);
            let since = Timestamp::now();
            (site.node.kubelet_without_pullgate().pull(&pod(reference)), since)
        };
        let (_, since) = alone(self, &image.by_digest());
        let by_digest = self.contacted(since, Who::ContainerdResolving, &image.digest);
        let (direct, since) = alone(self, &image.by_tag());
        let by_tag = self.contacted(since, Who::ContainerdResolving, &image.tag);
        let mut codes = Vec::new();
        for (reference, manifest, expected) in
            [(image.by_tag(), &image.tag, &by_tag), (image.by_digest(), &image.digest, &by_digest)]
        {
            self.node.containerd.forget(&image.host);
            self.node.pullgate.restart_forgetful();
            let since = Timestamp::now();
            let through = self.node.kubelet().ensure_image(&pod(&reference));
            let what = format!("{name}, {reference}: {direct:?} and {through:?}");
            assert_eq!(through.is_ok(), direct.is_ok(), "{what}");
            assert_eq!(&self.contacted(since, Who::Pullgate, manifest), expected, "{what}");
            // pullgate forwards the pull by digest. containerd may have the manifest from pullgate, but looks up its digest.
            let forwarded = if through.is_ok() { by_digest.clone() } else { Vec::new() };
            assert_eq!(self.contacted(since, Who::ContainerdResolving, &image.digest), forwarded, "{what}");
            let again = self.contacted(since, Who::Containerd, &image.tag);
            assert!(again.is_empty(), "the tag is requested once: {what}");
            codes.push(through.as_ref().err().map(|waiting| waiting.code().to_owned()).unwrap_or_default());
        }
        (by_tag, by_digest, codes)
    }

    pub(super) fn assert_both(&mut self, name: &str, expect: Expect<'_>) {
        let (by_tag, by_digest, codes) = self.compare(name, expect.secret);
        assert_eq!((&by_tag[..], &by_digest[..]), (expect.by_tag, expect.by_digest), "{name}");
        let expected: Vec<&str> = expect.code.split('|').collect();
        assert!(codes.iter().all(|code| expected.contains(&code.as_str())), "{name}: {codes:?}");
    }
}
