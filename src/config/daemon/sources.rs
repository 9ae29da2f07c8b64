//! `[[registry.signatures]]`: where signatures of some images are looked for.

use std::path::PathBuf;

use super::super::document::{Document, Value};
use crate::reference::Repository;
use crate::registry::{EVERYTHING, Lookaside, SignatureSource};
use pullgate_config::kind::{Flag, Form, OptionKind, PATH};
use pullgate_config::options::{Options as _, Pass};

const SCOPE: Form<String> = Form {
    kind: OptionKind::Text,
    bounds: "a registry or repository, with everything below it; ** for all others",
    read: read_scope,
};
const LOOKASIDE: Form<Lookaside> =
    Form { kind: OptionKind::Text, bounds: "an https://, http:// or file:// address", read: read_lookaside };
const REPOSITORY: Form<Repository> =
    Form { kind: OptionKind::Text, bounds: "a repository", read: read_repository };

pullgate_config::options! {
    /// `[[registry.signatures]]`
    #[derive(Debug)]
    struct SourceOptions {
        /// The images whose signatures are in these places: a registry or repository, with everything below it.
        scope: Option<String> = "scope", SCOPE.required("\"registry.example.com/team\"");
        /// Whether to look for signatures in the image's own repository.
        image: bool = "image", Flag(false);
        /// One repository with the signatures of all these images, as with COSIGN_REPOSITORY.
        repository: Option<Repository> = "repository", REPOSITORY.optional("none", "\"registry.example.com/signatures\"");
        /// A directory that has REGISTRY/PATH/sha256-HEX/ with NAME.payload and NAME.sig (base64), or NAME.bundle.json.
        directory: Option<PathBuf> = "directory", PATH.optional("none", "\"/var/lib/pullgate/signatures\"");
        /// Where GPG signatures are, as `lookaside` in containers/image's registries.d: the server or directory that has
        /// REPOSITORY@sha256=HEX/signature-1 and so on, REPOSITORY without the registry. It is asked only if a rule for the
        /// image names an authenticator of type gpg, and gets no credentials.
        lookaside: Option<Lookaside> = "lookaside", LOOKASIDE.optional("none", "\"https://signatures.example.com/sigstore\"");
    }
}

pub(super) fn source(pass: &mut Pass<'_, '_, '_>) -> Option<SignatureSource> {
    let scoped = pass.has("scope");
    let placed = ["repository", "directory", "lookaside"].iter().any(|key| pass.has(key));
    let SourceOptions { scope, image, repository, directory, lookaside } = SourceOptions::pass(pass);
    if !scoped {
        pass.problem(
            "",
            "[[registry.signatures]] has no `scope`",
            "add `scope`, the images whose signatures are stored there",
        );
    } else if !image && !placed {
        let hint = "set `image = true`, `repository`, `directory` or `lookaside`, or several of them";
        pass.problem("", "[[registry.signatures]] names no source", hint);
    }
    Some(SignatureSource { scope: scope?, image, repository, directory, lookaside, grafeas: None })
}

/// A registry, or a repository or the beginning of one.
fn read_scope(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let hint = "write a registry, or a registry and the first whole segments of a repository, without `*`; or \"**\" for all others";
    document.parsed(key, value, ["is not a registry or repository", hint], |text| {
        if text == EVERYTHING {
            return Some(text.to_owned());
        }
        // Two segments: `docker.io/x` is another repository.
        let below = format!("{text}/x/y");
        Repository::parse(&below).is_ok_and(|probe| probe.to_string() == below).then(|| text.to_owned())
    })
}

fn read_lookaside(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Lookaside> {
    let hint =
        "write it as in `https://signatures.example.com/sigstore` or `file:///var/lib/containers/sigstore`";
    document.parsed(key, value, ["is not the address of a server or directory", hint], Lookaside::parse)
}

fn read_repository(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Repository> {
    let hint = "write it as `registry.example.com/signatures`, without tag and digest";
    document
        .parsed(key, value, ["is not the name of a repository", hint], |text| Repository::parse(text).ok())
}
