//! sigstore's timestamp authority.

use std::path::Path;

use super::process::Daemon;
use super::{environment, http};

/// A running `timestamp-server`, with a new key and certificates.
pub struct TimestampServer {
    host: String,
    /// Leaf, intermediate and root in PEM.
    chain: String,
    _daemon: Daemon,
}

impl TimestampServer {
    pub fn start(directory: &Path) -> Self {
        let port = super::signer::free_port();
        let host = format!("127.0.0.1:{port}");
        let mut daemon = Daemon::start(
            &environment::timestamp_server(),
            |command| {
                command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()]);
                // Without the intermediate certificate, a token cannot be verified by its root alone.
                command.args(["--timestamp-signer", "memory", "--include-chain-in-response"]);
                command.arg("--disable-ntp-monitoring");
            },
            &directory.join("timestamp-server.log"),
        );
        daemon.wait_until("listening", || std::net::TcpStream::connect(&host).ok().map(drop));
        let answer = http::get(&host, "/api/v1/timestamp/certchain", "*/*");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let chain = String::from_utf8(answer.body).expect("PEM is text");
        Self { host, chain, _daemon: daemon }
    }

    pub fn url(&self) -> String {
        format!("http://{}/api/v1/timestamp", self.host)
    }

    /// The certificates in DER, leaf first.
    pub fn chain(&self) -> Vec<Vec<u8>> {
        let certificates = pullgate::trust::x509::certificates_of(self.chain.as_bytes());
        let certificates = certificates.expect("it sends certificates");
        certificates.iter().map(|certificate| certificate.der().to_vec()).collect()
    }
}
