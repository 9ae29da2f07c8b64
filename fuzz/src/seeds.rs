//! Where seeds come from: `fuzz/seeds/` and the fixtures of the tests, which real tools wrote.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The contents of files, by their paths in the repository.
pub(crate) fn files(paths: &[&str]) -> Vec<Vec<u8>> {
    paths.iter().map(|path| read(&root().join(path))).collect()
}

/// The contents of the files in a directory of the repository whose names end like this, in the order of their names.
pub(crate) fn ending(directory: &str, end: &str) -> Vec<Vec<u8>> {
    let directory = root().join(directory);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(end));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Texts.
pub(crate) fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
