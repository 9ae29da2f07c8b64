//! What a credential program returns: credentials, for which images, and how long to keep them.

use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroizing;

use super::super::credentials::Offer;
use super::image_glob::{ImageGlob, ImageName};
use pullgate_core::go_duration::go_duration;

/// Maximum number of credentials in one response.
const ENTRIES: usize = 256;
/// How docker's helpers say that `Secret` is an identity token (docker-credential-helpers, README).
const TOKEN: &str = "<token>";

/// For which other images a response applies (`cacheKeyType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Image,
    Registry,
    Global,
}

#[derive(Debug)]
pub(crate) struct Answer {
    /// The image that it is for.
    pub(super) image: ImageName,
    pub(super) reach: Reach,
    /// `None` when the program does not say.
    pub(super) life: Option<Duration>,
    pub(super) entries: Vec<Entry>,
}

/// Credentials for the images that `glob` matches.
#[derive(Debug)]
pub(super) struct Entry {
    /// What kubelet sorts by.
    key: String,
    glob: ImageGlob,
    offer: Offer,
}

impl Answer {
    /// Whether it applies to another image too.
    pub(super) fn covers(&self, image: &ImageName) -> bool {
        match self.reach {
            Reach::Image => self.image == *image,
            Reach::Registry => self.image.registry == image.registry,
            Reach::Global => true,
        }
    }

    /// A `CredentialProviderResponse` of the API group credentialprovider.kubelet.k8s.io.
    ///
    /// # Errors
    /// What is wrong with it, without any part of it.
    pub(crate) fn of_provider(output: &[u8], version: &str, image: ImageName) -> Result<Self, &'static str> {
        let mut document: Value = serde_json::from_slice(output).map_err(|_| "its output is not JSON")?;
        let field = |name: &str| document.get(name).and_then(Value::as_str);
        if field("kind") != Some("CredentialProviderResponse") {
            return Err("its output is not a CredentialProviderResponse");
        }
        if field("apiVersion").and_then(|text| text.strip_prefix(API_GROUP)) != Some(version) {
            return Err("its output does not have the apiVersion that `api-version` sets");
        }
        let reach = match field("cacheKeyType") {
            Some("Image") => Reach::Image,
            Some("Registry") => Reach::Registry,
            Some("Global") => Reach::Global,
            _ => return Err("its output has no valid cacheKeyType"),
        };
        let life = match document.get("cacheDuration") {
            None | Some(Value::Null) => None,
            Some(value) => {
                let duration = value.as_str().and_then(go_duration);
                Some(duration.ok_or("the cacheDuration of its output is not a duration")?)
            }
        };
        let entries = match document.get_mut("auth").map(Value::take) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Object(auth)) if auth.len() <= ENTRIES => {
                auth.into_iter().filter_map(|(key, fields)| Entry::of_provider(&key, fields)).collect()
            }
            Some(_) => return Err("the auth of its output is not an object with at most 256 credentials"),
        };
        Ok(Self { image, reach, life, entries })
    }

    /// The response of one of docker's credential helpers for the registry of `image`.
    ///
    /// # Errors
    /// What is wrong with it, without any part of it.
    pub(crate) fn of_helper(output: &[u8], image: ImageName) -> Result<Self, &'static str> {
        let mut document: Value = serde_json::from_slice(output).map_err(|_| "its output is not JSON")?;
        let secret = text(&mut document, "Secret").ok_or("its output has no Secret")?;
        let username = text(&mut document, "Username").unwrap_or_default();
        let username = if username.as_str() == TOKEN { Zeroizing::default() } else { username };
        let glob = ImageGlob::parse(&image.registry).ok_or("the registry has no valid name")?;
        let entry = Entry { key: image.registry.clone(), glob, offer: Offer { username, secret } };
        Ok(Self { image, reach: Reach::Registry, life: None, entries: vec![entry] })
    }

    /// The response of a helper that has no credentials for the registry.
    pub(super) fn none(image: ImageName, life: Duration) -> Self {
        Self { image, reach: Reach::Registry, life: Some(life), entries: Vec::new() }
    }
}

/// The group of kubelet's API, before the version.
pub(super) const API_GROUP: &str = "credentialprovider.kubelet.k8s.io/";

impl Entry {
    /// As `BasicDockerKeyring.Add` in Kubernetes' `pkg/credentialprovider/keyring.go`: a scheme is removed, and `/v1/` and
    /// `/v2/` stand for the whole host. A key that is not an address is skipped. kubelet passes user name and password to
    /// the runtime, and containerd uses no password without a user name.
    fn of_provider(key: &str, mut fields: Value) -> Option<Self> {
        let place = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
        let (host, path) = place.split_at_checked(place.find('/').unwrap_or(place.len()))?;
        let path = if path.starts_with("/v1/") || path.starts_with("/v2/") { path.get(3..)? } else { path };
        let key = if path == "/" { host.to_owned() } else { format!("{host}{path}") };
        let glob = ImageGlob::parse(&key)?;
        let username = text(&mut fields, "username").filter(|name| !name.is_empty())?;
        let secret = text(&mut fields, "password")?;
        Some(Self { key, glob, offer: Offer { username, secret } })
    }
}

/// The credentials that kubelet would try first: those whose key comes last in the order of bytes, so that a longer path
/// comes before a shorter one; with equal keys, those of the earlier program. Then those of `index.docker.io` for Docker Hub
/// (`Lookup` in Kubernetes' `pkg/credentialprovider/keyring.go`).
pub(super) fn first<'a>(
    entries: impl Iterator<Item = &'a Entry> + Clone,
    image: &ImageName,
) -> Option<&'a Offer> {
    let matching = entries.clone().filter(|entry| entry.glob.matches(image));
    let best = matching.reduce(|best, entry| if entry.key > best.key { entry } else { best });
    let hub = || {
        let is_hub = image.registry == "docker.io";
        entries.clone().find(|entry| is_hub && entry.key == "index.docker.io")
    };
    best.or_else(hub).map(|entry| &entry.offer)
}

/// Moves a text out of an object, so that no copy stays behind.
fn text(fields: &mut Value, name: &str) -> Option<Zeroizing<String>> {
    match fields.get_mut(name).map(Value::take) {
        Some(Value::String(text)) => Some(Zeroizing::new(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(registry: &str, repository: &str) -> ImageName {
        ImageName { registry: registry.to_owned(), repository: repository.to_owned() }
    }

    fn response(rest: &str) -> String {
        format!(
            r#"{{ "kind": "CredentialProviderResponse", "apiVersion": "credentialprovider.kubelet.k8s.io/v1", {rest} }}"#
        )
    }

    fn read(text: &str) -> Result<Answer, &'static str> {
        Answer::of_provider(text.as_bytes(), "v1", image("r.example", "team/app"))
    }

    #[test]
    fn reads_what_a_provider_says_about_its_response() {
        let second = Duration::from_secs(1);
        for (rest, expected) in [
            (r#""cacheKeyType": "Image""#, Ok((Reach::Image, None))),
            (
                r#""cacheKeyType": "Registry", "cacheDuration": "0s""#,
                Ok((Reach::Registry, Some(Duration::ZERO))),
            ),
            (
                r#""cacheKeyType": "Global", "cacheDuration": "1h0m1s", "auth": null"#,
                Ok((Reach::Global, Some(3601 * second))),
            ),
            (r#""cacheKeyType": "Global", "cacheDuration": null, "auth": {}"#, Ok((Reach::Global, None))),
            (
                r#""cacheKeyType": "Global", "cacheDuration": "-5m""#,
                Ok((Reach::Global, Some(Duration::ZERO))),
            ),
            (
                r#""cacheKeyType": "Global", "cacheDuration": 5"#,
                Err("the cacheDuration of its output is not a duration"),
            ),
            (
                r#""cacheKeyType": "Global", "cacheDuration": "5""#,
                Err("the cacheDuration of its output is not a duration"),
            ),
            (r#""cacheKeyType": "global""#, Err("its output has no valid cacheKeyType")),
            (r#""auth": {}"#, Err("its output has no valid cacheKeyType")),
            (
                r#""cacheKeyType": "Global", "auth": []"#,
                Err("the auth of its output is not an object with at most 256 credentials"),
            ),
        ] {
            let found = read(&response(rest)).map(|answer| (answer.reach, answer.life));
            assert_eq!(found, expected, "{rest}");
        }
        let many: Vec<String> = (0..257).map(|number| format!(r#""{number}.example": {{}}"#)).collect();
        let many = response(&format!(r#""cacheKeyType": "Image", "auth": {{ {} }}"#, many.join(",")));
        assert!(read(&many).is_err());
    }

    #[test]
    fn refuses_other_documents_without_repeating_them() {
        for text in [
            "",
            "pg5ECRET",
            "[]",
            r#"{ "kind": "CredentialProviderRequest", "apiVersion": "credentialprovider.kubelet.k8s.io/v1", "cacheKeyType": "Image" }"#,
            r#"{ "kind": "CredentialProviderResponse", "apiVersion": "credentialprovider.kubelet.k8s.io/v1beta1", "cacheKeyType": "Image" }"#,
            r#"{ "kind": "CredentialProviderResponse", "apiVersion": "v1", "cacheKeyType": "Image" }"#,
            r#"{ "kind": "CredentialProviderResponse", "cacheKeyType": "Image" }"#,
        ] {
            assert!(!read(text).unwrap_err().contains("pg5ECRET"), "{text}");
        }
    }

    /// The cases of `TestDockerKeyringForGlob` and `TestDockerKeyringLookup` in Kubernetes'
    /// `pkg/credentialprovider/keyring_test.go`, with others.
    #[test]
    fn the_first_credentials_are_those_of_kubelet() {
        let auth = |keys: &[&str]| {
            let fields =
                keys.iter().map(|key| format!(r#""{key}": {{ "username": "u", "password": "{key}" }}"#));
            let fields: Vec<String> = fields.collect();
            read(&response(&format!(r#""cacheKeyType": "Image", "auth": {{ {} }}"#, fields.join(","))))
                .unwrap()
        };
        for (keys, target, expected) in [
            (
                &["https://hello.kubernetes.io"][..],
                ("hello.kubernetes.io", "foo/bar"),
                Some("https://hello.kubernetes.io"),
            ),
            (
                &["https://*.docker.io/path"],
                ("prefix.docker.io", "path/foo/bar"),
                Some("https://*.docker.io/path"),
            ),
            (&["https://*.docker.io/v1/"], ("prefix.docker.io", "path/foo"), Some("https://*.docker.io/v1/")),
            (&["https://*.docker.io/v2/"], ("prefix.docker.io", "path/foo"), Some("https://*.docker.io/v2/")),
            (&["prefix.docker.io:1111"], ("prefix.docker.io:1111", "path"), Some("prefix.docker.io:1111")),
            (&["https://suffix.*.io"], ("prefix.docker.io", "foo/bar"), None),
            (
                &["r.example", "r.example/team", "r.example/other"],
                ("r.example", "team/app"),
                Some("r.example/team"),
            ),
            (
                &["r.example/team/app", "r.example/team"],
                ("r.example", "team/app"),
                Some("r.example/team/app"),
            ),
            (&["*.example", "r.example"], ("r.example", "team/app"), Some("r.example")),
            (&["index.docker.io"], ("docker.io", "library/app"), Some("index.docker.io")),
            (
                &["https://index.docker.io/v1/"],
                ("docker.io", "library/app"),
                Some("https://index.docker.io/v1/"),
            ),
            (&["index.docker.io", "docker.io"], ("docker.io", "library/app"), Some("docker.io")),
            (&["index.docker.io"], ("world.mesos.org", "foo/bar"), None),
            (&[], ("r.example", "a"), None),
        ] {
            let answer = auth(keys);
            let found = first(answer.entries.iter(), &image(target.0, target.1));
            assert_eq!(found.map(|offer| offer.secret.as_str()), expected, "{keys:?} {target:?}");
        }
        let (one, two) = (auth(&["r.example"]), read(&response(
            r#""cacheKeyType": "Image", "auth": { "r.example": { "username": "u", "password": "second" } }"#,
        )).unwrap());
        let found = first(one.entries.iter().chain(&two.entries), &image("r.example", "a"));
        assert_eq!(found.map(|offer| offer.secret.as_str()), Some("r.example"), "the earlier program");
        let nameless =
            read(&response(r#""cacheKeyType": "Image", "auth": { "r.example": { "password": "p" } }"#));
        assert!(nameless.unwrap().entries.is_empty());
    }

    #[test]
    fn a_helper_returns_a_password_or_an_identity_token() {
        for (text, expected) in [
            (r#"{ "ServerURL": "r.example", "Username": "u", "Secret": "p" }"#, Ok(("u", "p"))),
            (r#"{ "Username": "<token>", "Secret": "t" }"#, Ok(("", "t"))),
            (r#"{ "Username": "u" }"#, Err("its output has no Secret")),
            ("credentials not found", Err("its output is not JSON")),
        ] {
            let answer = Answer::of_helper(text.as_bytes(), image("r.example:5000", "team/app"));
            let found = answer.as_ref().map_err(|error| *error).map(|answer| {
                let offer = first(answer.entries.iter(), &image("r.example:5000", "other")).unwrap();
                (offer.username.as_str(), offer.secret.as_str())
            });
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = response(
            r#""cacheKeyType": "Image", "auth": { "r.example": { "username": "hunter", "password": "hunter2" } }"#,
        );
        let answer = read(&text).unwrap();
        assert!(!format!("{answer:?}").contains("hunter"), "{answer:?}");
    }
}
