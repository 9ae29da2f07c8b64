//! `signedBy`: signatures by GPG.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Converter;
use super::documents::SignedBy;
use crate::draft::OpenPgpKeys;
use crate::{Effect, ImportError, shape};
use pullgate_core::trust::openpgp::KeyringError;

impl Converter<'_> {
    /// The authenticator of a requirement; `None` if the requirement has no equivalent.
    pub(super) fn signed_by(
        &mut self,
        subject: &str,
        signed: &SignedBy,
    ) -> Result<Option<String>, ImportError> {
        if !signed.is_of_gpg() {
            let text =
                "its keyType is not GPGKeys, and containers/image verifies no other type; images are refused";
            self.draft.note(Effect::Stricter, subject, text);
            return Ok(None);
        }
        if !self.binds_as_here(subject, signed.signed_identity.as_ref()) {
            return Ok(None);
        }
        let keys = match self.keyrings(subject, signed)? {
            Ok(keys) => keys,
            Err(error) => {
                let text =
                    format!("pullgate does not accept a key in the keyring: {error}; images are refused");
                self.draft.note(Effect::Stricter, subject, text);
                return Ok(None);
            }
        };
        let text = "registries.d says where GPG signatures are stored: import these files with `pullgate-signer import registries-d`";
        self.draft.note(Effect::None, "lookaside", text);
        // Keyrings with the same primary keys may differ: one says that a key is revoked, or has another sub-key.
        let same = vec![keys.armored.clone()];
        if let Some(name) = self.by_keys.get(&same) {
            return Ok(Some(name.clone()));
        }
        let original = signed.name().unwrap_or_else(|| format!("gpg-{}", self.by_keys.len() + 1));
        let name = self.draft.openpgp_authenticator(&original, keys);
        self.by_keys.insert(same, name.clone());
        Ok(Some(name))
    }

    /// The keys of all keyrings; or why one of them cannot count, although it is well-formed.
    fn keyrings(
        &self,
        subject: &str,
        signed: &SignedBy,
    ) -> Result<Result<OpenPgpKeys, KeyringError>, ImportError> {
        let mut files = signed.paths().map(|path| self.file(path)).collect::<Result<Vec<_>, _>>()?;
        if let Some(data) = signed.data() {
            let bytes = STANDARD.decode(data).map_err(|_| shape(subject, "keyData is not base64"))?;
            files.push(bytes);
        }
        let mut keys = OpenPgpKeys::default();
        for file in files {
            match keys.add(&file) {
                Ok(()) => {}
                Err(
                    error @ (KeyringError::Algorithm { .. }
                    | KeyringError::Version { .. }
                    | KeyringError::NoSelfSignature { .. }),
                ) => {
                    return Ok(Err(error));
                }
                Err(error) => return Err(ImportError::Keyring { subject: subject.to_owned(), error }),
            }
        }
        Ok(Ok(keys))
    }
}
