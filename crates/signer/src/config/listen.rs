//! `[listen]`: where the service listens, and for whom.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::{Address, Tls};
use pullgate_config::document::{Document, Value};
use pullgate_config::kind::{Form, OptionKind, PATH};
use pullgate_config::options::{Options as _, Pass};
use pullgate_keys::service_options::SECRET_FILE;

const ADDRESS: Form<Address> =
    Form { kind: OptionKind::Text, bounds: "an IP address with its port, unix:/path", read: read_address };
pub(super) const TCP: Form<SocketAddr> =
    Form { kind: OptionKind::Text, bounds: "an IP address with its port", read: read_tcp };

const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8790);

pullgate_config::options! {
    /// The endpoint for notifications, and who may send them.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Listen {
        /// The address to listen at: an IP address with its port, or "unix:/run/pullgate-signer/notify.sock".
        address: Address = "address", ADDRESS.or(LOCAL);
        /// The certificate, if it serves TLS.
        tls: Option<Tls> { tls };
        /// The file with the secret that senders put into the header Authorization, alone or after "Bearer ". Without
        /// `secret-file` and `clients`, `address` must be on this machine.
        secret_file: Option<PathBuf> = "secret-file", SECRET_FILE.optional("none", "\"/etc/pullgate/signer.secret\"");
    }
    check check_access;
}

pullgate_config::options! {
    /// The files of a TLS server as they are written.
    #[derive(Debug)]
    struct TlsOptions {
        /// The file with the TLS certificate, in PEM; needs `key`.
        certificate: Option<PathBuf> = "certificate", PATH.optional("none", "\"/etc/pullgate/tls/signer.pem\"");
        /// The file with the private key of the certificate, in PEM.
        key: Option<PathBuf> = "key", SECRET_FILE.optional("none", "\"/etc/pullgate/tls/signer.key\"");
        /// The file with the CA certificates of senders. If you set it, senders need a client certificate from one of these
        /// CAs; needs `certificate`.
        clients: Option<PathBuf> = "clients", PATH.optional("none", "\"/etc/pullgate/tls/registries.pem\"");
    }
}

fn tls(pass: &mut Pass<'_, '_, '_>) -> Option<Tls> {
    let TlsOptions { certificate, key, clients } = TlsOptions::pass(pass);
    // An invalid value has been reported already.
    let written = ["certificate", "key", "clients"].map(|key| pass.has(key));
    if !matches!(written, [true, true, _] | [false, false, false]) {
        let hint = "set both options, or neither for plain HTTP; `clients` needs both";
        pass.problem("", "`certificate` and `key` must be set together", hint);
    }
    certificate.zip(key).map(|(certificate, key)| Tls { certificate, key, clients })
}

fn check_access(listen: &Listen, pass: &mut Pass<'_, '_, '_>) {
    let known = listen.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
    if listen.secret_file.is_none() && !known && !listen.address.is_local() && !pass.has_problems() {
        let hint = "set `secret-file` or `clients`, or listen at 127.0.0.1 or a unix socket";
        pass.problem(
            "address",
            "other machines can reach `address`, but senders of notifications are not authenticated",
            hint,
        );
    }
}

fn read_tcp(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<SocketAddr> {
    let hint = "write it as \"127.0.0.1:8791\" or \"[::1]:8791\"";
    document.parsed(key, value, ["is not an IP address with a port", hint], |text| text.parse().ok())
}

fn read_address(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Address> {
    let hint =
        "write an IP address with its port, as in \"127.0.0.1:8790\" or \"[::]:8790\", or \"unix:/path\"";
    document.parsed(key, value, ["is not an address to listen at", hint], |text| text.parse().ok())
}
