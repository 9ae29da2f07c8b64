//! Access keys in environment variables, with the names that Alibaba Cloud's tools use.

use zeroize::Zeroizing;

use super::access_key::AccessKey;
use super::error::AlibabaError;

const ID: &str = "ALIBABA_CLOUD_ACCESS_KEY_ID";
const SECRET: &str = "ALIBABA_CLOUD_ACCESS_KEY_SECRET";
const TOKEN: &str = "ALIBABA_CLOUD_SECURITY_TOKEN";

/// The access key in the variables that `variable` returns.
pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<AccessKey, AlibabaError> {
    let set = |name| variable(name).filter(|text| !text.is_empty());
    let missing = |name| AlibabaError::NoKey { reason: format!("{name} is not set") };
    let id = set(ID).ok_or_else(|| missing(ID))?;
    let secret = Zeroizing::new(set(SECRET).ok_or_else(|| missing(SECRET))?);
    Ok(AccessKey { id, secret, token: set(TOKEN).map(Zeroizing::new), until: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_key_needs_id_and_secret() {
        for (set, complete) in [
            (&[(ID, "id"), (SECRET, "s3cret")][..], true),
            (&[(ID, "id"), (SECRET, "s3cret"), (TOKEN, "token")], true),
            (&[(ID, "id")], false),
            (&[(ID, ""), (SECRET, "s3cret")], false),
            (&[], false),
        ] {
            let read = read(|name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            });
            assert_eq!(read.is_ok(), complete, "{set:?}");
            assert!(!format!("{read:?}").contains("s3cret"));
            if let Ok(key) = read {
                assert_eq!(key.token.is_some(), set.len() == 3);
            }
        }
    }
}
