//! The credentials file of Alibaba Cloud's SDKs (`~/.alibabacloud/credentials`): an INI file with a section for each profile.
//!
//! Source: Alibaba Cloud SDK documentation, "Manage access credentials"; types `access_key`, `sts`, `ecs_ram_role` and
//! `ram_role_arn`.

use std::path::Path;

use zeroize::Zeroizing;

use super::access_key::AccessKey;
use super::error::AlibabaError;
use crate::secret;
use pullgate_core::untrusted::sanitize;

/// Bytes of the file.
const SIZE: u64 = 64 << 10;

/// What a profile says.
#[derive(Debug)]
pub(super) enum Profile {
    Key(AccessKey),
    /// The RAM role of this ECS instance.
    Role(String),
    /// A role that the key may assume, and the name of the session.
    Assume {
        key: AccessKey,
        role: String,
        session: String,
    },
}

/// Reads one profile of a file that others cannot read.
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
                return Err("there are two sections");
            }
            found |= inside;
            continue;
        }
        if !inside {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or("a line is no `name = value`")?;
        let (name, value) = (name.trim(), value.trim());
        if pairs.iter().any(|(known, _)| *known == name) {
            return Err("a name is there twice");
        }
        pairs.push((name, value));
    }
    if !found {
        return Err("there is no section");
    }
    let field = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let needed = |name, missing| field(name).filter(|value| !value.is_empty()).ok_or(missing);
    let key = |token: Option<&str>| {
        Ok(AccessKey {
            id: needed("access_key_id", "there is no access_key_id")?.to_owned(),
            secret: Zeroizing::new(needed("access_key_secret", "there is no access_key_secret")?.to_owned()),
            token: token.map(|token| Zeroizing::new(token.to_owned())),
            until: None,
        })
    };
    match needed("type", "there is no type")? {
        "access_key" => key(None).map(Profile::Key),
        "sts" => key(Some(needed("security_token", "there is no security_token")?)).map(Profile::Key),
        "ecs_ram_role" => Ok(Profile::Role(needed("role_name", "there is no role_name")?.to_owned())),
        "ram_role_arn" => Ok(Profile::Assume {
            key: key(None)?,
            role: needed("role_arn", "there is no role_arn")?.to_owned(),
            session: field("role_session_name").unwrap_or("pullgate").to_owned(),
        }),
        _ => Err("the type is not access_key, sts, ecs_ram_role or ram_role_arn"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_profiles_of_the_sdks_and_no_half_ones() {
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
        for (profile, said) in [
            ("half", "access_key_secret"),
            ("odd", "type is not"),
            ("twice", "twice"),
            ("missing", "no section"),
        ] {
            assert!(parse(text, profile).unwrap_err().contains(said), "{profile}");
        }
        assert!(parse("[a]\n[a]\ntype=sts", "a").unwrap_err().contains("two sections"));
    }
}
