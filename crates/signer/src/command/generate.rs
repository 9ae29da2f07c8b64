//! `pullgate-signer generate …`

use clap::ValueEnum;
use pullgate_cli::DocumentedFile;
use pullgate_config::description::FileDoc;

/// A file with a schema. A comment on a variant would become part of the help text.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum File {
    Signer,
}

impl DocumentedFile for File {
    fn documentation(&self) -> FileDoc {
        match self {
            Self::Signer => pullgate_signer::signer_documentation(),
        }
    }
}
