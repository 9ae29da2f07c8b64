//! `generate`: man pages, completions and schemas, for packages and editors.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Command, ValueEnum};
use pullgate_config::description::FileDoc;
use pullgate_config::schema::schema;

use crate::{Outcome, output};

mod command_page;
mod file_page;
mod title;

/// A configuration file of the program.
pub trait DocumentedFile: ValueEnum + Send + Sync + 'static {
    fn documentation(&self) -> FileDoc;
}

/// Subcommands of `generate`.
#[derive(Debug, clap::Subcommand)]
pub enum Generate<F: DocumentedFile> {
    /// Write the man pages of all commands and configuration files to a directory
    Man {
        /// The directory, which is created if it is missing
        directory: PathBuf,
    },
    /// Print the completions for a shell
    Completions { shell: Shell },
    /// Print the JSON schema of a configuration file
    Schema { file: F },
}

/// A shell. A comment on a variant would become part of the help text.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl<F: DocumentedFile> Generate<F> {
    /// Generates for the program whose command line is `program`.
    pub fn run(self, program: Command) -> Outcome {
        match self {
            Self::Man { directory } => match write_pages::<F>(program, &directory) {
                Ok(()) => Outcome::Success,
                Err(error) => {
                    output::note(&format!(
                        "error: cannot write man pages to {}: {error}",
                        directory.display()
                    ));
                    Outcome::Usage
                }
            },
            Self::Completions { shell } => {
                output::text(&completions(shell, program));
                Outcome::Success
            }
            Self::Schema { file } => {
                output::text(&schema(&file.documentation(), &name(&file)));
                Outcome::Success
            }
        }
    }
}

fn name<F: DocumentedFile>(file: &F) -> String {
    file.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn completions(shell: Shell, mut program: Command) -> String {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    match shell {
        Shell::Bash => clap_complete::generate(clap_complete::Shell::Bash, &mut program, name, &mut script),
        Shell::Zsh => clap_complete::generate(clap_complete::Shell::Zsh, &mut program, name, &mut script),
        Shell::Fish => clap_complete::generate(clap_complete::Shell::Fish, &mut program, name, &mut script),
    }
    String::from_utf8(script).unwrap_or_default()
}

fn write_pages<F: DocumentedFile>(mut program: Command, directory: &Path) -> io::Result<()> {
    let files: Vec<FileDoc> = F::value_variants().iter().map(DocumentedFile::documentation).collect();
    program.build();
    std::fs::create_dir_all(directory)?;
    for (name, page) in command_page::pages(&program, &files)? {
        std::fs::write(directory.join(format!("{name}.8")), page)?;
    }
    for file in &files {
        std::fs::write(directory.join(format!("{}.5", file.page)), file_page::page(file, &program))?;
    }
    Ok(())
}
