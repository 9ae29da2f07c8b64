//! The arguments with which a command logs in to a registry.

use std::io::{self, Read};

use crate::registry::Credentials;
use crate::secret;

/// The longest password that is read, in bytes.
const MAX_PASSWORD_BYTES: u64 = 64 << 10;

/// User name on the command line, password on standard input: a password in an argument is visible to everyone.
#[derive(Debug, clap::Args)]
pub(super) struct Login {
    /// User name for the registry
    #[arg(long, requires = "password_stdin")]
    username: Option<String>,
    /// Read the password for the registry from standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,
}

impl Login {
    /// Whether there are credentials on the command line.
    pub(super) fn is_given(&self) -> bool {
        self.username.is_some()
    }

    /// Whether standard input is the password.
    pub(super) fn reads_standard_input(&self) -> bool {
        self.password_stdin
    }

    /// The credentials; anonymous without a user name.
    ///
    /// # Errors
    /// When standard input cannot be read.
    pub(super) fn credentials(&self) -> io::Result<Credentials> {
        let Some(username) = &self.username else { return Ok(Credentials::anonymous()) };
        let mut password = secret::room(MAX_PASSWORD_BYTES);
        io::stdin().lock().take(MAX_PASSWORD_BYTES).read_to_string(&mut password)?;
        Ok(Credentials::password(username.clone(), password.trim_end_matches(['\r', '\n'])))
    }
}
