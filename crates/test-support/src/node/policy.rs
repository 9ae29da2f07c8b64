//! Writing policies.

use std::fmt::Write as _;
use std::path::Path;

use super::directory;
use super::keys::PrivateKey;

/// A policy with its public key files.
#[derive(Clone, Debug)]
pub struct Policy {
    text: String,
    keys: Vec<(String, Vec<u8>)>,
    files: Vec<(&'static str, String)>,
}

impl Policy {
    /// Denies everything.
    pub fn deny() -> Self {
        Self::text("default = \"deny\"\n")
    }

    /// Any text, even an invalid policy.
    pub fn text(text: &str) -> Self {
        Self { text: text.to_owned(), keys: Vec::new(), files: Vec::new() }
    }

    /// Adds an authenticator with these keys, all of one kind.
    pub fn authenticator(mut self, name: &str, keys: &[&PrivateKey]) -> Self {
        let algorithm = keys.first().expect("an authenticator has a key").kind.algorithm();
        let mut files = Vec::new();
        for key in keys {
            let file = format!("{name}-{}.pem", key.name);
            files.push(format!("{{ file = \"keys/{file}\" }}"));
            self.keys.push((file, std::fs::read(&key.public_file).expect("a key pair has a public half")));
        }
        let files = files.join(", ");
        self.add(format_args!("[authenticator.{name}]\nalgorithm = \"{algorithm}\"\nkeys = [{files}]"))
    }

    /// Adds an authenticator with one key, and more in the key's table, such as `not-after = …`.
    pub fn authenticator_with(mut self, name: &str, key: &PrivateKey, more: &str) -> Self {
        let (algorithm, file) = (key.kind.algorithm(), format!("{name}-{}.pem", key.name));
        self.keys
            .push((file.clone(), std::fs::read(&key.public_file).expect("a key pair has a public half")));
        self.add(format_args!(
            "[authenticator.{name}]\nalgorithm = \"{algorithm}\"\nkeys = [{{ file = \"keys/{file}\", {more} }}]"
        ))
    }

    /// Restricts the previous rule to pods of these Kubernetes namespaces.
    pub fn pods(self, namespaces: &[&str]) -> Self {
        self.line(format_args!("pods = {namespaces:?}"))
    }

    /// Requires signatures of all of these for images below `scope`.
    pub fn require(self, scope: &str, authenticators: &[&str]) -> Self {
        self.add(format_args!("[[namespace]]\nscope = {scope:?}\nrequire = {{ all = {authenticators:?} }}"))
    }

    /// As [`Self::require`], where signatures may name `aliases` of the scope.
    pub fn require_with_aliases(self, scope: &str, authenticators: &[&str], aliases: &[&str]) -> Self {
        self.require(scope, authenticators).line(format_args!("aliases = {aliases:?}"))
    }

    /// Allows images below `scope` without a signature.
    pub fn allow_unsigned(self, scope: &str) -> Self {
        self.add(format_args!("[[namespace]]\nscope = {scope:?}\nallow = \"unsigned\"\nreason = \"a test\""))
    }

    /// Denies the image with this digest, whatever a rule says.
    pub fn deny_digest(self, digest: &str) -> Self {
        self.add(format_args!("[deny]\ndigests = [{{ digest = {digest:?}, reason = \"a test\" }}]"))
    }

    /// Denies all signatures of this key.
    pub fn deny_key(self, key: &PrivateKey) -> Self {
        self.add(format_args!("[deny]\nkeys = [{{ key = {:?}, reason = \"a test\" }}]", key.fingerprint()))
    }

    /// Adds a file that the policy names, in a directory of its own.
    pub fn file(mut self, path: &'static str, content: String) -> Self {
        self.files.push((path, content));
        self
    }

    /// Adds lines to the last table.
    pub fn continued(self, lines: &str) -> Self {
        self.line(format_args!("{lines}"))
    }

    /// Adds lines verbatim.
    pub fn add_lines(self, lines: &str) -> Self {
        self.add(format_args!("{lines}"))
    }

    /// Writes it and the keys into the directory that pullgate reads.
    pub fn write(&self, directory: &Path) {
        directory::make(&directory.join("keys"));
        for (name, key) in &self.keys {
            directory::write(&directory.join("keys").join(name), key);
        }
        for (path, content) in &self.files {
            let path = directory.join(path);
            path.parent().into_iter().for_each(directory::make);
            directory::write(&path, content);
        }
        directory::write(&directory.join("policy.toml"), &self.text);
        crate::schema::check("policy.toml", &self.text);
    }

    fn add(self, block: std::fmt::Arguments<'_>) -> Self {
        self.line(format_args!("\n{block}"))
    }

    fn line(mut self, line: std::fmt::Arguments<'_>) -> Self {
        let _ = writeln!(self.text, "{line}");
        self
    }
}
