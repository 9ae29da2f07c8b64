//! The value of `--config`.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};

/// Reads the name of the directory with the configuration, and not that of a file in it.
pub fn configuration_directory() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path: PathBuf| {
        let names_a_file =
            path.is_file() || (path.extension().is_some_and(|it| it == "toml") && !path.is_dir());
        if names_a_file {
            Err("this is the name of a file: name the directory that it is in")
        } else {
            Ok(path)
        }
    })
}
