//! `[authenticator.name]`: the keys that sign.

use std::collections::BTreeMap;
use std::path::Path;

use super::Declared;
use crate::AuthenticatorSettings;
use pullgate_config::bound::{Bound, Unit, read_bound};
use pullgate_config::document::{Document, Value};
use pullgate_config::suggest;
use pullgate_config::values::{check_name, read_algorithm};
use pullgate_keys::{Location, LocationError};

/// A KMS of Alibaba Cloud allows 200 requests per second and account; a file is limited by the processor.
pub const PER_SECOND: Bound = Bound {
    key: "signatures-per-second",
    unit: Unit::Count,
    default: 1000,
    minimum: 1,
    maximum: 100_000,
    about: "how many images are signed with the key in a second",
};

pub(super) fn read_all(
    document: &mut Document<'_>,
    value: Value<'_>,
    root: &Path,
) -> BTreeMap<String, Declared> {
    let mut declared = BTreeMap::new();
    let Some(table) = document.open_table(value, "[authenticator]") else { return declared };
    for (name, at, value) in table.entries {
        check_name(document, &name, &at);
        let settings = read(document, &name, value, root);
        declared.insert(name, Declared { settings });
    }
    declared
}

fn read(
    document: &mut Document<'_>,
    name: &str,
    value: Value<'_>,
    root: &Path,
) -> Option<AuthenticatorSettings> {
    let what = format!("[authenticator.{name}]");
    let mut table = document.table(value, &what, &["key", "algorithm", PER_SECOND.key])?;
    let span = table.span.clone();
    let per_second = read_bound(document, &mut table, &PER_SECOND).unwrap_or(PER_SECOND.default);
    let per_second = u32::try_from(per_second).unwrap_or(u32::MAX);
    let algorithm = match table.take("algorithm") {
        Some(value) => read_algorithm(document, value),
        None => {
            let hint = "add `algorithm`, for example \"RSA_PSS_SHA_256\" or \"ECDSA_SHA_256\"";
            document.problem(span.clone(), format!("{what} has no `algorithm`"), hint);
            None
        }
    };
    let Some(value) = table.take("key") else {
        let hint = "add `key`, the location of the private key";
        document.problem(span, format!("{what} has no `key`"), hint);
        return None;
    };
    let (text, at) = document.string(value, "`key`")?;
    let location = match location(&text, root) {
        Ok(location) => location,
        Err(reason) => {
            let hint = "write the path of a PEM file, or pkcs11:, alikms:// or vault:// with what follows";
            document.problem(
                at,
                format!("`key`, {}, is not the location of a key: {reason}", suggest::quoted(&text)),
                hint,
            );
            return None;
        }
    };
    Some(AuthenticatorSettings { location, algorithm: algorithm?, per_second })
}

fn location(text: &str, root: &Path) -> Result<Location, LocationError> {
    Ok(match text.parse()? {
        Location::File(path) => Location::File(root.join(path)),
        other => other,
    })
}
