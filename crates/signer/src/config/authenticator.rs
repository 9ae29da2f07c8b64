//! `[authenticator.NAME]`: the keys that sign.

use std::collections::BTreeMap;
use std::path::Path;

use super::Declared;
use crate::AuthenticatorSettings;
use pullgate_config::document::{Document, Value};
use pullgate_config::kind::count;
use pullgate_config::options::{OptionDoc, Options as _, REQUIRED, ReadByHand};
use pullgate_config::values::{check_name, read_algorithm};
use pullgate_config::{read_by_hand, suggest};
use pullgate_core::trust::Algorithm;
use pullgate_keys::{Location, LocationError};

const HEADER: &str = "[authenticator.NAME]";

const KEY: &[ReadByHand] = read_by_hand! {
    /// The location of the private key. A path is relative to the directory of this file.
    "key": Text, REQUIRED, "PEM file, pkcs11:, alikms:// or vault://";
    /// The one algorithm that the key signs with.
    "algorithm": Choice, REQUIRED, Algorithm::NAMES;
    /// The file with the certificate of the key, followed by the certificates of its CAs up to the root. Rules with `layout
    /// = "notation"` need it. A path is relative to the directory of this file.
    "certificate-chain": Path, "none", "PEM file";
};

pullgate_config::options! {
    /// How fast a key signs.
    #[derive(Debug)]
    struct Rate {
        /// Maximum number of images that are signed with the key in a second. Alibaba Cloud KMS allows 200 requests per
        /// second and account, and the layout `both` needs two requests for each image.
        per_second: u32 = "signatures-per-second", count(1000, 1, 100_000);
    }
}

/// The tables of authenticators, by their path.
const TABLES: &[ReadByHand] = read_by_hand! {
    /// The keys that sign.
    "authenticator": Table("[authenticator.NAME]"), "", "";
};

/// The options of an authenticator.
pub(super) fn options() -> Vec<OptionDoc> {
    let rate = Rate::options().into_iter();
    let rate = rate.map(|option| OptionDoc { section: HEADER.to_owned(), ..option });
    let tables = ReadByHand::describe("", "", TABLES);
    tables.chain(ReadByHand::describe(HEADER, "", KEY)).chain(rate).collect()
}

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
    let keys = [ReadByHand::keys(KEY), Rate::keys()].concat();
    let mut table = document.table(value, &what, &keys)?;
    let span = table.span.clone();
    let Rate { per_second } = Rate::read(document, &mut table);
    let algorithm = match table.take("algorithm") {
        Some(value) => read_algorithm(document, value),
        None => {
            let hint = "add `algorithm`, for example \"RSA_PSS_SHA_256\" or \"ECDSA_SHA_256\"";
            document.problem(span.clone(), format!("{what} has no `algorithm`"), hint);
            None
        }
    };
    let certificate_chain = table
        .take("certificate-chain")
        .and_then(|value| document.string(value, "`certificate-chain`"))
        .map(|(text, _)| root.join(text));
    let Some(value) = table.take("key") else {
        let hint = "add `key`, the location of the private key";
        document.problem(span, format!("{what} has no `key`"), hint);
        return None;
    };
    let (text, at) = document.string(value, "`key`")?;
    let location = match location(&text, root) {
        Ok(location) => location,
        Err(reason) => {
            let hint =
                "write the path of a PEM file, or a URI that begins with pkcs11:, alikms:// or vault://";
            document.problem(
                at,
                format!("`key`, {}, is not the location of a key: {reason}", suggest::quoted(&text)),
                hint,
            );
            return None;
        }
    };
    Some(AuthenticatorSettings { location, algorithm: algorithm?, certificate_chain, per_second })
}

fn location(text: &str, root: &Path) -> Result<Location, LocationError> {
    Ok(match text.parse()? {
        Location::File(path) => Location::File(root.join(path)),
        other => other,
    })
}
