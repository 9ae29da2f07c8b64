//! `pullgate generate …`

use clap::ValueEnum;
use pullgate_cli::DocumentedFile;
use pullgate_config::description::FileDoc;

use crate::config::ConfigFile;

/// A file with a schema. A comment on a variant would become part of the help text.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum File {
    Daemon,
    Policy,
    BreakGlass,
    Expectations,
}

impl DocumentedFile for File {
    fn documentation(&self) -> FileDoc {
        match self {
            Self::Daemon => ConfigFile::Daemon,
            Self::Policy => ConfigFile::Policy,
            Self::BreakGlass => ConfigFile::BreakGlass,
            Self::Expectations => ConfigFile::Expectations,
        }
        .documentation()
    }
}
