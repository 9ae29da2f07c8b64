//! Command line arguments with registry credentials.

use std::io::{self, Read};

use pullgate_net::secret;
use pullgate_registry::Credentials;

/// Maximum length of a password, in bytes.
const MAX_PASSWORD_BYTES: u64 = 64 << 10;

/// The password is read from standard input, because other users can see arguments.
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
    /// Whether credentials were given.
    pub fn is_given(&self) -> bool {
        self.username.is_some()
    }

    /// Whether the password is read from standard input.
    pub fn reads_standard_input(&self) -> bool {
        self.password_stdin
    }

    /// The credentials: anonymous without a user name.
    ///
    /// # Errors
    /// When standard input cannot be read.
    pub fn credentials(&self) -> io::Result<Credentials> {
        let Some(username) = &self.username else { return Ok(Credentials::anonymous()) };
        let mut password = secret::zeroizing_buffer(MAX_PASSWORD_BYTES);
        io::stdin().lock().take(MAX_PASSWORD_BYTES).read_to_string(&mut password)?;
        Ok(Credentials::password(username.clone(), password.trim_end_matches(['\r', '\n'])))
    }
}
