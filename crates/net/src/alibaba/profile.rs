//! Profiles in the credentials file of Alibaba Cloud's SDKs (`~/.alibabacloud/credentials`), an INI file with one
//! section per profile.
//!
//! Source: Alibaba Cloud SDK documentation, "Manage access credentials"; types `access_key`, `sts`, `ecs_ram_role` and
//! `ram_role_arn`.

use std::path::Path;

use zeroize::Zeroizing;

use super::access_key::AccessKey;
use super::error::AlibabaError;
use crate::secret;
use pullgate_core::untrusted::sanitize;

/// Maximum size of the file, in bytes.
const SIZE: u64 = 64 << 10;

/// The credentials of a profile.
#[derive(Debug)]
pub(super) enum Profile {
    Key(AccessKey),
    /// The name of the RAM role of this ECS instance.
    Role(String),
    /// A role to assume with the key, and the name of the session.
    Assume {
        key: AccessKey,
        role: String,
        session: String,
    },
}

/// Reads one profile. The file must not be readable by others.
pub(super) fn read(path: &Path, profile: &str) -> Result<Profile, AlibabaError> {
    let text = secret::read_all(path, SIZE).map_err(|reason| AlibabaError::NoKey { reason })?;
    parse(&text, profile).map_err(|what| AlibabaError::NoKey {
        reason: format!("{}: {what} in profile `{}`", path.display(), sanitize(profile)),
    })
}

fn parse(text: &str, profile: &str) -> Result<Profile, &'static str> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    let (mut inside, mut found) = (false, false);
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = name.trim() == profile;
            if inside && found {
                return Err("duplicate section");
            }
            found |= inside;
            continue;
        }
        if !inside {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or("a line is not `name = value`")?;
        let (name, value) = (name.trim(), value.trim());
        if pairs.iter().any(|(known, _)| *known == name) {
            return Err("duplicate key");
        }
        pairs.push((name, value));
    }
    if !found {
        return Err("missing section");
    }
    let field = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let needed = |name, missing| field(name).filter(|value| !value.is_empty()).ok_or(missing);
    let key = |token: Option<&str>| {
        Ok(AccessKey {
            id: needed("access_key_id", "missing access_key_id")?.to_owned(),
            secret: Zeroizing::new(needed("access_key_secret", "missing access_key_secret")?.to_owned()),
            token: token.map(|token| Zeroizing::new(token.to_owned())),
            until: None,
        })
    };
    match needed("type", "missing type")? {
        "access_key" => key(None).map(Profile::Key),
        "sts" => key(Some(needed("security_token", "missing security_token")?)).map(Profile::Key),
        "ecs_ram_role" => Ok(Profile::Role(needed("role_name", "missing role_name")?.to_owned())),
        "ram_role_arn" => Ok(Profile::Assume {
            key: key(None)?,
            role: needed("role_arn", "missing role_arn")?.to_owned(),
            session: field("role_session_name").unwrap_or("pullgate").to_owned(),
        }),
        _ => Err("type is not access_key, sts, ecs_ram_role or ram_role_arn"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_complete_profiles_of_the_sdks_only() {
        let text = "# comment\n[default]\ntype = access_key\naccess_key_id = a\naccess_key_secret = s=1\n\n\
                    [temporary]\ntype=sts\naccess_key_id=b\naccess_key_secret=s2\nsecurity_token=t\n\
                    [node]\ntype = ecs_ram_role\nrole_name = Node\n\
                    [signer]\ntype = ram_role_arn\naccess_key_id=c\naccess_key_secret=s3\nrole_arn=acs:ram::1:role/s\n\
                    [half]\ntype=access_key\naccess_key_id=a\n[odd]\ntype=bearer\n[twice]\ntype=sts\ntype=sts\n";
        assert!(
            matches!(parse(text, "default"), Ok(Profile::Key(key)) if key.id == "a" && *key.secret == "s=1")
        );
        assert!(matches!(parse(text, "temporary"), Ok(Profile::Key(key)) if key.token.is_some()));
        assert!(matches!(parse(text, "node"), Ok(Profile::Role(role)) if role == "Node"));
        assert!(
            matches!(parse(text, "signer"), Ok(Profile::Assume { session, .. }) if session == "pullgate")
        );
        for (profile, expected) in [
            ("half", "access_key_secret"),
            ("odd", "type is not"),
            ("twice", "duplicate key"),
            ("missing", "missing section"),
        ] {
            assert!(parse(text, profile).unwrap_err().contains(expected), "{profile}");
        }
        assert!(parse("[a]\n[a]\ntype=sts", "a").unwrap_err().contains("duplicate section"));
    }
}
