//! PKCS#11 modules: shared libraries, each loaded and initialised once per process.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use super::TokenError;
use crate::{Module, TokenSettings};

/// C_Initialize applies to the process, not to a key.
static LOADED: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());

/// Loads the module of a key. Runs foreign code: call it on a blocking thread.
pub(super) fn load(module: &Module, settings: &TokenSettings) -> Result<Pkcs11, TokenError> {
    let path = find(module, settings)?;
    let unusable = |reason: String| TokenError::Module { path: path.clone(), reason };
    let path = std::fs::canonicalize(&path).map_err(|error| unusable(error.kind().to_string()))?;
    check(&path).map_err(unusable)?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = loaded.get(&path) {
        return Ok(known.clone());
    }
    let context = Pkcs11::new(&path).map_err(|error| match error {
        Error::LibraryLoading(_) | Error::MissingSymbol(_) => {
            unusable("it is not a PKCS#11 module".to_owned())
        }
        other => unusable(other.to_string()),
    })?;
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(unusable(TokenError::of(error).to_string())),
    }
    loaded.insert(path, context.clone());
    Ok(context)
}

fn find(module: &Module, settings: &TokenSettings) -> Result<PathBuf, TokenError> {
    let name = match module {
        Module::Path(path) => return Ok(path.clone()),
        Module::Configured => return settings.module.clone().ok_or(TokenError::NoModule),
        Module::Name(name) => name,
    };
    let directories = settings.module_directories.iter();
    let mut paths = directories.flat_map(|directory| {
        [format!("{name}.so"), format!("lib{name}.so")].map(|file| directory.join(file))
    });
    paths.find(|path| path.is_file()).ok_or_else(|| TokenError::ModuleNotFound { name: name.clone() })
}

/// A library that others can write could run their code.
fn check(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.kind().to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let owner = metadata.uid();
    if owner != 0 && owner != nix::unistd::geteuid().as_raw() {
        return Err(format!("it belongs to user {owner}"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(format!("others can write it (mode {:04o})", metadata.mode() & 0o777));
    }
    Ok(())
}
