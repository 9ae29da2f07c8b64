//! The policy of this node, from what it follows and from local files.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use pullgate_core::followed::{Document as FollowedDocument, Kind};

use super::content::{Content, FOLLOWED};
use super::{
    Collected, DeclaredKey, KnownKeys, Loaded, MAX_POLICY_BYTES, Survey, policy_files, survey_policy,
};
use crate::config::document::Document;
use crate::config::file::Guard;
use crate::config::problem::{Problem, Problems};
use crate::config::suggest;
use crate::follow::Following;
use crate::keys::Location;
use crate::policy::{DenyList, Policy};
use crate::trust::{Authenticator, Signers};

/// As [`survey_policy`], where the node follows a policy or a deny list: local files only make a followed policy stricter.
/// What is followed and not there is a problem.
pub fn survey_following(
    root: &Path,
    following: &Following,
    known: &KnownKeys,
    now: Timestamp,
    notice: SignedDuration,
) -> Survey {
    let settings = following.settings();
    if settings.followed().next().is_none() {
        return survey_policy(root, known, now, notice);
    }
    let mut problems: Vec<Problem> = following.problems().map(|it| problem(it.to_owned())).collect();
    if problems.is_empty() {
        // Whatever the reason: without one of the documents, the others could admit what it forbids.
        let absent = settings.followed().filter(|(kind, _)| following.accepted(*kind).is_none());
        problems.extend(absent.map(|(kind, reference)| {
            problem(format!("the followed {} {reference} is missing, so every pull is refused", kind.words()))
        }));
    }
    let mut declared = Vec::new();
    let mut loaded: Vec<Loaded> = Vec::new();
    // What cannot be listed may be there.
    let has_local = || {
        let mut unlisted = Vec::new();
        let listed = policy_files(root, Guard::of_process(), &mut unlisted);
        !listed.is_empty() || !unlisted.is_empty()
    };
    let followed =
        following.document(Kind::Policy).map(|document| survey_document(document, known, now, notice));
    let local = (settings.policy.is_none() || has_local()).then(|| survey_policy(root, known, now, notice));
    for survey in followed.into_iter().chain(local) {
        declared.extend(survey.declared);
        match survey.loaded {
            Ok(one) => loaded.push(one),
            Err(found) => problems.extend(found.iter().cloned()),
        }
    }
    let denied = following.document(Kind::DenyList).map(read_deny_list).transpose();
    let denied = denied.unwrap_or_else(|found| {
        problems.extend(found.iter().cloned());
        None
    });
    let loaded = combine(loaded, denied).filter(|_| problems.is_empty());
    match (&loaded, following.signer()) {
        (Some(loaded), Some(signer)) => problems.extend(shared_signer(&loaded.policy, signer)),
        (Some(_), None) => problems.push(problem("the signer of [follow] cannot be read".to_owned())),
        (None, _) => {}
    }
    let loaded = match (loaded, problems.is_empty()) {
        (Some(loaded), true) => Ok(loaded),
        _ => Err(Problems::from(problems)),
    };
    Survey { loaded, declared }
}

/// The first policy, narrowed by the others, with this deny list too.
fn combine(loaded: Vec<Loaded>, denied: Option<DenyList>) -> Option<Loaded> {
    let both = loaded.into_iter().reduce(|one, other| Loaded {
        policy: one.policy.narrowed_by(other.policy),
        warnings: [one.warnings, other.warnings].concat(),
        files: [one.files, other.files].concat(),
    })?;
    Some(match denied {
        Some(denied) => Loaded { policy: both.policy.also_denying(denied), ..both },
        None => both,
    })
}

/// Loads the policy in a document, which has all of its files.
pub fn survey_document(
    document: &FollowedDocument,
    known: &KnownKeys,
    now: Timestamp,
    notice: SignedDuration,
) -> Survey {
    let mut collected = Collected::default();
    let content = Content::Followed(document);
    let is_policy = |path: &str| {
        let drop_in = path.strip_prefix("policy.d/").filter(|name| !name.contains('/'));
        path == "policy.toml" || drop_in.is_some_and(|name| name.ends_with(".toml"))
    };
    for path in document.files().keys().filter(|path| is_policy(path.as_str())) {
        let name = format!("{FOLLOWED}/{path}");
        match content.read(Path::new(""), Path::new(&name), MAX_POLICY_BYTES) {
            Ok(text) => {
                collected.files.push(name.clone().into());
                let mut document = Document::new(&name, &text);
                collected.read(&mut document, Path::new(""), content, known);
                collected.problems.append(&mut document.problems);
            }
            Err(error) => {
                collected.incomplete = true;
                collected.problems.push(error.problem(&name, Path::new(&name)));
            }
        }
    }
    // The node's own files say where its token for Vault goes.
    let own = |it: &DeclaredKey| !matches!(&it.key.location, Location::Transit(key) if key.address.is_some());
    let (declared, foreign): (Vec<_>, Vec<_>) =
        std::mem::take(&mut collected.declared).into_iter().partition(own);
    collected.problems.extend(foreign.into_iter().map(|it| {
        let message = format!("`source` {} of a followed policy has an `address`", it.key.location);
        Problem::new(&it.file, Some(it.place), message, "remove `address`; each node configures its own")
    }));
    Survey { loaded: collected.finish(now, notice), declared }
}

/// A document with nothing but `[deny]`.
fn read_deny_list(followed: &FollowedDocument) -> Result<DenyList, Problems> {
    let Some(text) = followed.deny_list() else {
        return Err(Problems::from(vec![problem("the followed deny list is not text".to_owned())]));
    };
    deny_list_of(&format!("{FOLLOWED}/deny.toml"), text)
}

/// Reads a text with nothing but `[deny]`.
///
/// # Errors
/// All problems.
pub fn deny_list_of(name: &str, text: &str) -> Result<DenyList, Problems> {
    Document::load(name, text, |document| {
        let mut table = document.parse(&["deny"])?;
        let mut denied = super::denials::Denied::default();
        if let Some(value) = table.take("deny") {
            super::denials::read(document, value, &mut denied);
        }
        Some(denied.list)
    })
}

/// A problem if an authenticator of the policy has the signer of `[follow]`: who releases images must not be able to change
/// what a release needs.
fn shared_signer(policy: &Policy, signer: &Authenticator) -> Option<Problem> {
    let shared = policy.authenticators().find(|it| shares(it, signer))?;
    let name = suggest::quoted(shared.name());
    let message = format!("authenticator {name} has the signer of [follow]");
    Some(Problem::new("[follow]", None, message, "sign policies with a key of their own"))
}

fn shares(authenticator: &Authenticator, signer: &Authenticator) -> bool {
    match (authenticator.signers(), signer.signers()) {
        (Signers::Keyless(set), Signers::Keyless(own)) => set.rule().may_accept(own.rule()),
        _ => {
            let revoked = authenticator.revoked().iter().map(|(key, _)| key);
            let keys = authenticator.keys().iter().chain(revoked);
            let own: Vec<&str> = signer.keys().iter().flat_map(|key| key.public.all_fingerprints()).collect();
            keys.flat_map(|key| key.public.all_fingerprints()).any(|it| own.contains(&it))
        }
    }
}

fn problem(message: String) -> Problem {
    let hint = "check [follow] of pullgate.toml, and see `pullgate status` and the log of the daemon";
    Problem::new("[follow]", None, message, hint)
}
