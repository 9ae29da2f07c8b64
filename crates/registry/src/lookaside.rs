//! The address of a lookaside server or directory.

use std::path::PathBuf;

use pullgate_net::service::authority;
use reqwest::Url;

/// Where the GPG signatures of images are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookaside {
    /// A web server.
    Server {
        /// Whether it is asked over TLS.
        secure: bool,
        /// Host and port.
        authority: String,
        /// The path above those of the repositories, without a slash at its end.
        path: String,
    },
    /// A directory of this node.
    Directory(PathBuf),
}

impl Lookaside {
    /// Reads the base of the addresses: `https://`, `http://` or `file:///`, as in `lookaside` of containers/image. A
    /// signature proves itself, so plain HTTP gives nothing away; whoever is between can withhold it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_plain = url.query().is_none() && url.fragment().is_none();
        if !is_plain || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let path = url.path().trim_end_matches('/');
        match (url.scheme(), url.host_str().unwrap_or_default()) {
            // Decoded, as containers/image does: Go's `url.Parse` refuses other percent signs, and what is read is its `Path`
            // (`docker/docker_image_src.go`, `getOneSignature`). No file has a name with a zero byte.
            ("file", "") if !path.is_empty() && is_encoded(path) && !path.contains("%00") => {
                url.to_file_path().ok().map(Self::Directory)
            }
            ("https" | "http", host) if !host.is_empty() => Some(Self::Server {
                secure: url.scheme() == "https",
                authority: authority(&url),
                path: path.to_owned(),
            }),
            _ => None,
        }
    }
}

/// Whether two hexadecimal digits follow every percent sign.
fn is_encoded(path: &str) -> bool {
    let is_digits = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    path.split('%').skip(1).all(is_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_a_server_or_a_directory() {
        let server = |secure, authority: &str, path: &str| {
            Some(Lookaside::Server { secure, authority: authority.to_owned(), path: path.to_owned() })
        };
        for (text, expected) in [
            ("https://sigs.example", server(true, "sigs.example", "")),
            ("https://sigs.example:8443/a/b/", server(true, "sigs.example:8443", "/a/b")),
            ("http://127.0.0.1:5001/sigstore", server(false, "127.0.0.1:5001", "/sigstore")),
            (
                "file:///var/lib/containers/sigstore",
                Some(Lookaside::Directory("/var/lib/containers/sigstore".into())),
            ),
            ("file:///srv/a%20b/%2525/", Some(Lookaside::Directory("/srv/a b/%25".into()))),
            ("file:///srv/a b/ü", Some(Lookaside::Directory("/srv/a b/ü".into()))),
            ("file:///srv/100%", None),
            ("file:///srv/%2x", None),
            ("file:///srv/%00", None),
            ("file://elsewhere/sigstore", None),
            ("file:///", None),
            ("https://user@sigs.example", None),
            ("https://sigs.example?a=b", None),
            ("https://sigs.example#a", None),
            ("ftp://sigs.example", None),
            ("sigs.example/sigstore", None),
            ("", None),
        ] {
            assert_eq!(Lookaside::parse(text), expected, "{text}");
        }
    }
}
