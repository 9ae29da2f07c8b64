//! `[[registry.signatures]]`: where signatures of some images are looked for.

use std::path::PathBuf;

use super::super::document::{Document, Value};
use super::super::services::SECRET_FILE;
use crate::reference::Repository;
use crate::registry::{EVERYTHING, Grafeas, Lookaside, SignatureSource};
use pullgate_config::kind::{Flag, Form, OptionKind, PATH};
use pullgate_config::options::{Options as _, Pass};

const SCOPE: Form<String> = Form {
    kind: OptionKind::Text,
    bounds: "a registry or repository, with everything below it; ** for all others",
    read: read_scope,
};
const LOOKASIDE: Form<Lookaside> =
    Form { kind: OptionKind::Text, bounds: "an https://, http:// or file:// address", read: read_lookaside };
const GRAFEAS: Form<Grafeas> =
    Form { kind: OptionKind::Text, bounds: "the address of a project", read: read_grafeas };
const REPOSITORY: Form<Repository> =
    Form { kind: OptionKind::Text, bounds: "a repository", read: read_repository };

pullgate_config::options! {
    /// `[[registry.signatures]]`
    #[derive(Debug)]
    struct SourceOptions {
        /// The images that this table applies to: a registry or a repository, with everything below it.
        scope: Option<String> = "scope", SCOPE.required("\"registry.example.com/team\"");
        /// Whether to look for signatures in the image's own repository.
        image: bool = "image", Flag(false);
        /// One repository that has the signatures of all these images, as with COSIGN_REPOSITORY of cosign.
        repository: Option<Repository> = "repository", REPOSITORY.optional("none", "\"registry.example.com/signatures\"");
        /// A directory of this node with signatures. The signatures of one digest are in its subdirectory
        /// REGISTRY/PATH/sha256-HEX/, as NAME.payload with NAME.sig (base64), as NAME.bundle.json, or as
        /// NAME.attestation.json (an attestor's attestation, as an occurrence of Grafeas).
        directory: Option<PathBuf> = "directory", PATH.optional("none", "\"/var/lib/pullgate/signatures\"");
        /// The server or directory that has GPG signatures, like `lookaside` in registries.d of containers/image. The
        /// signatures are at REPOSITORY@sha256=HEX/signature-1 and so on, where REPOSITORY is written without the registry.
        /// pullgate asks the server only if a rule for the image names an authenticator of type gpg, and sends no
        /// credentials.
        lookaside: Option<Lookaside> = "lookaside", LOOKASIDE.optional("none", "\"https://signatures.example.com/sigstore\"");
        /// The server that has attestations of Binary Authorization or kritis: the address of a project, or of a note, of
        /// Container Analysis or of another Grafeas server. pullgate asks the server only if a rule for the image names an
        /// authenticator of type attestor, and never sends it the credentials of a pull.
        grafeas: Option<Grafeas> = "grafeas", GRAFEAS.optional("none", "\"https://containeranalysis.googleapis.com/v1/projects/PROJECT\"");
        /// The file with the bearer token for `grafeas`. pullgate reads the file for each image, and sends the token only to
        /// the host of `grafeas`, over TLS or on this machine. The file must belong to root and must not be readable by
        /// others.
        grafeas_token: Option<PathBuf> = "grafeas-token", SECRET_FILE.optional("none", "\"/run/pullgate/grafeas.token\"");
    }
}

pub(super) fn source(pass: &mut Pass<'_, '_, '_>) -> Option<SignatureSource> {
    let scoped = pass.has("scope");
    let placed = ["repository", "directory", "lookaside", "grafeas"].iter().any(|key| pass.has(key));
    let (has_grafeas, has_token) = (pass.has("grafeas"), pass.has("grafeas-token"));
    let given = SourceOptions::pass(pass);
    let SourceOptions { scope, image, repository, directory, lookaside, mut grafeas, grafeas_token } = given;
    if !scoped {
        pass.problem(
            "",
            "[[registry.signatures]] has no `scope`",
            "add `scope`, the images whose signatures are stored there",
        );
    } else if !image && !placed {
        let hint =
            "set `image = true`, `repository`, `directory`, `lookaside` or `grafeas`, or several of them";
        pass.problem("", "[[registry.signatures]] names no source", hint);
    }
    if has_token && !has_grafeas {
        pass.problem("grafeas-token", "`grafeas-token` has no effect without `grafeas`", "add `grafeas`");
    }
    if let Some(grafeas) = &mut grafeas {
        if has_token && !grafeas.may_get_token() {
            let hint = "write the address in `grafeas` with https://";
            pass.problem("grafeas-token", "the token of `grafeas` would be sent without TLS", hint);
        }
        grafeas.token_file = grafeas_token;
    }
    Some(SignatureSource { scope: scope?, image, repository, directory, lookaside, grafeas })
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

fn read_grafeas(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Grafeas> {
    let hint = "write it as in `https://containeranalysis.googleapis.com/v1/projects/PROJECT`";
    document.parsed(key, value, ["is not the address of a project of Grafeas", hint], Grafeas::parse)
}

fn read_repository(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Repository> {
    let hint = "write it as `registry.example.com/signatures`, without tag and digest";
    document
        .parsed(key, value, ["is not the name of a repository", hint], |text| Repository::parse(text).ok())
}
