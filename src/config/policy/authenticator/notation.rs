//! `type = "notation"`: CAs of the Notary Project's signers, as files or in notation's own directories.

use std::collections::BTreeMap;
use std::ops::Range;

use super::KeyFiles;
use super::certificates::{read_revocation, read_store, read_texts, read_timestamps};
use crate::config::document::{Document, Table};
use crate::config::suggest;
use crate::trust::x509::Subjects;
use crate::trust::{Authenticator, NotationSet, Signers, VerificationLevel};
use pullgate_config::kind::{Choice, Kind as _};

/// Reads an authenticator of Notary Project signers.
pub(super) fn read(
    document: &mut Document<'_>,
    name: &str,
    at: Range<usize>,
    mut table: Table<'_>,
    mut files: KeyFiles<'_>,
) -> Option<Authenticator> {
    let (has_ca, ca) = read_store(document, &mut table, "ca", &mut files);
    let (has_authority, signing_authority) =
        read_store(document, &mut table, "signing-authority", &mut files);
    let (has_tsa, tsa) = read_store(document, &mut table, "tsa", &mut files);
    let timestamps = read_timestamps(document, &mut table, has_tsa);
    let revocation = read_revocation(document, &mut table, &mut files);
    let all = VerificationLevel::ALL.map(|it| (it.name(), it));
    let level = table.take("level").map_or(Some(VerificationLevel::default()), |value| {
        Choice(&all, VerificationLevel::default()).read(document, "level", value)
    });
    let subjects = match table.take("identities") {
        Some(value) => {
            let hint = "write `x509.subject: ` and then the subject, as `notation inspect` shows it";
            let parse = |texts: &[String]| Subjects::parse(texts.iter().map(String::as_str));
            read_texts(document, ("identities", value), "an identity", hint, parse)
        }
        None => {
            let hint = "add for example `identities = [\"x509.subject: C=US, ST=WA, O=example\"]`";
            let message = format!("authenticator {} has no `identities`", suggest::quoted(name));
            document.problem(at.clone(), message, hint);
            None
        }
    };
    if !has_ca && !has_authority {
        let message =
            format!("authenticator {} has neither `ca` nor `signing-authority`", suggest::quoted(name));
        document.problem(at, message, "add for example `ca = [\"trust/ca.pem\"]`");
        return None;
    }
    if has_tsa && !has_ca {
        let hint = "remove `tsa`, which is only for signers below `ca`; signatures of a signing authority contain their own signing time";
        document.problem(at, "`tsa` needs `ca`", hint);
        return None;
    }
    let set = NotationSet {
        ca: ca?,
        signing_authority: signing_authority?,
        tsa: tsa?,
        subjects: subjects?,
        timestamps: timestamps?,
        level: level?,
        revoked: BTreeMap::new(),
        revocation: revocation?,
    };
    Some(Authenticator::of(name.to_owned(), Signers::Notation(Box::new(set))))
}
