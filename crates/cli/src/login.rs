//! The arguments for logging in to a registry.

use std::io::{self, Read};

use pullgate_net::secret;
use pullgate_registry::Credentials;

/// The longest password that is read, in bytes.
const MAX_PASSWORD_BYTES: u64 = 64 << 10;

/// The user name is an argument, the password is on standard input: other users can see arguments.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Registry login")]
pub struct LoginArgs {
    /// Registry user name
    #[arg(long, requires = "password_stdin")]
    username: Option<String>,
    /// Read the registry password from standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,
}

impl LoginArgs {
    /// Whether the command line has credentials.
    pub fn is_given(&self) -> bool {
        self.username.is_some()
    }

    /// Whether the password is on standard input.
    pub fn reads_standard_input(&self) -> bool {
        self.password_stdin
    }

    /// The credentials: anonymous without a user name.
    ///
    /// # Errors
    /// When standard input cannot be read.
    pub fn credentials(&self) -> io::Result<Credentials> {
        let Some(username) = &self.username else { return Ok(Credentials::anonymous()) };
        let mut password = secret::room(MAX_PASSWORD_BYTES);
        io::stdin().lock().take(MAX_PASSWORD_BYTES).read_to_string(&mut password)?;
        Ok(Credentials::password(username.clone(), password.trim_end_matches(['\r', '\n'])))
    }
}
