//! `file:` and plain paths.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use super::{Location, LocationError, uri};

/// The path after `file:`: a path, or an empty authority and an absolute path (RFC 8089 section 2).
pub(super) fn parse(rest: &str) -> Result<PathBuf, LocationError> {
    let path = match rest.strip_prefix("//") {
        None => rest,
        Some(path) if path.starts_with('/') => path,
        Some(_) => {
            return Err(LocationError::Value { name: "file:", wanted: "a path on this machine" });
        }
    };
    let bytes = uri::unescape(path)?;
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(LocationError::Value { name: "file:", wanted: "a path" });
    }
    Ok(PathBuf::from(OsString::from_vec(bytes)))
}

/// Writes a path without `file:` if it is read back as the same path.
pub(super) fn write(path: &Path, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Some(text) = path.to_str()
        && Location::from_str(text).is_ok_and(|read| read == Location::File(path.to_owned()))
    {
        return f.write_str(text);
    }
    write!(f, "file:{}", uri::escape(path.as_os_str().as_bytes(), "/"))
}
