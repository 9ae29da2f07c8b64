//! `[[registry.signatures]]`: where signatures of some images are looked for.

use std::path::PathBuf;

use super::super::document::{Document, Value};
use crate::reference::Repository;
use crate::registry::SignatureSource;
use pullgate_config::kind::{Flag, Form, OptionKind, PATH};
use pullgate_config::options::{Options as _, Pass};

const SCOPE: Form<String> = Form {
    kind: OptionKind::Text,
    bounds: "a registry or repository, with everything below it",
    read: read_scope,
};
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
    }
}

pub(super) fn source(pass: &mut Pass<'_, '_, '_>) -> Option<SignatureSource> {
    let scoped = pass.has("scope");
    let placed = ["repository", "directory"].iter().any(|key| pass.has(key));
    let SourceOptions { scope, image, repository, directory } = SourceOptions::pass(pass);
    if !scoped {
        pass.problem(
            "",
            "[[registry.signatures]] has no `scope`",
            "add `scope`, the images whose signatures are stored there",
        );
    } else if !image && !placed {
        let hint = "set `image = true`, `repository` or `directory`, or several of them";
        pass.problem("", "[[registry.signatures]] names no source", hint);
    }
    Some(SignatureSource { scope: scope?, image, repository, directory })
}

/// A registry, or a repository or the beginning of one.
fn read_scope(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let hint = "write a registry, or a registry and the first whole segments of a repository, without `*`";
    document.parsed(key, value, ["is not a registry or repository", hint], |text| {
        let probe = Repository::parse(&format!("{text}/x")).ok()?;
        (probe.to_string() == format!("{text}/x")).then(|| text.to_owned())
    })
}

fn read_repository(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Repository> {
    let hint = "write it as `registry.example.com/signatures`, without tag and digest";
    document
        .parsed(key, value, ["is not the name of a repository", hint], |text| Repository::parse(text).ok())
}
