//! The address of a project in Grafeas.

use std::path::PathBuf;

use super::hosts::is_local;
use super::lookaside::Lookaside;

/// Where attestations of Binary Authorization and kritis are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grafeas {
    /// Whether it is asked over TLS.
    pub secure: bool,
    /// Host and port.
    pub authority: String,
    /// The path of the project or note, without a slash at its end.
    pub path: String,
    /// The file with the bearer token that is sent to this host, and to no other.
    pub token_file: Option<PathBuf>,
}

impl Grafeas {
    /// Reads the address of a project, as in `https://containeranalysis.googleapis.com/v1/projects/PROJECT`, or of one of its
    /// notes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match Lookaside::parse(text)? {
            Lookaside::Server { secure, authority, path } if path.contains("/projects/") => {
                Some(Self { secure, authority, path, token_file: None })
            }
            Lookaside::Server { .. } | Lookaside::Directory(_) => None,
        }
    }

    /// Whether a token may be sent to it: over TLS, or to this machine.
    #[must_use]
    pub fn may_get_token(&self) -> bool {
        self.secure || is_local(&self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_a_project_or_a_note() {
        for (text, expected) in [
            ("https://a.example/v1/projects/p", Some(("a.example", "/v1/projects/p", true))),
            (
                "https://a.example:8443/v1/projects/p/notes/n/",
                Some(("a.example:8443", "/v1/projects/p/notes/n", true)),
            ),
            (
                "http://127.0.0.1:8080/v1beta1/projects/p",
                Some(("127.0.0.1:8080", "/v1beta1/projects/p", true)),
            ),
            ("http://a.example/v1/projects/p", Some(("a.example", "/v1/projects/p", false))),
            ("https://a.example", None),
            ("https://a.example/v1", None),
            ("https://a.example/v1/projects/p?x=y", None),
            ("https://u:p@a.example/v1/projects/p", None),
            ("file:///v1/projects/p", None),
        ] {
            let read = Grafeas::parse(text);
            let found = read.as_ref().map(|it| (it.authority.as_str(), it.path.as_str(), it.may_get_token()));
            assert_eq!(found, expected, "{text}");
        }
    }
}
