//! `[metrics]`: where Prometheus gets the metrics of the daemon.

use std::path::PathBuf;
use std::time::Duration;

use pullgate_config::bound::{MINUTE, SECOND};
use pullgate_config::document::{Document, Value};
use pullgate_config::kind::{Form, OptionKind, PATH, time};
use pullgate_daemon::http::Address;

use super::MAX_SOCKET_PATH;

const LISTEN: Form<Address> = Form {
    kind: OptionKind::Text,
    bounds: "a loopback address with its port, unix:/path",
    read: read_listen,
};
const TEXTFILE: Form<PathBuf> =
    Form { kind: OptionKind::Path, bounds: "absolute path that ends in .prom", read: read_textfile };

pullgate_config::options! {
    /// `[metrics]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Metrics {
        /// Where to serve metrics (at the path /metrics): a loopback address of this node with its port, or a Unix socket.
        /// Every user of the node can read the metrics.
        listen: Option<Address> = "listen", LISTEN.optional("none", "\"127.0.0.1:9464\"");
        /// A file for the textfile collector of node_exporter. It is replaced at each interval, and removed when the daemon
        /// stops. Its directory must exist, and root must own it.
        textfile: Option<PathBuf> = "textfile", TEXTFILE.optional("none", "\"/var/lib/prometheus/node-exporter/pullgate.prom\"");
        /// How often the daemon writes the file.
        textfile_interval: Duration = "textfile-interval", time(15 * SECOND, SECOND, 10 * MINUTE);
    }
}

fn read_listen(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Address> {
    let hint =
        "write a loopback address with a port, as in \"127.0.0.1:9464\" or \"[::1]:9464\", or \"unix:/path\"";
    document.parsed(key, value, ["is not an address that only this node can reach", hint], |text| {
        let address: Option<Address> = text.parse().ok();
        address.filter(|address| match address {
            Address::Tcp(address) => address.ip().is_loopback() && address.port() > 0,
            Address::Unix(path) => path.as_os_str().len() <= MAX_SOCKET_PATH,
        })
    })
}

fn read_textfile(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<PathBuf> {
    let span = value.span.clone();
    let path = (PATH.read)(document, key, value)?;
    if path.extension().is_some_and(|extension| extension == "prom") {
        return Some(path);
    }
    let hint = "end it in `.prom`: node_exporter reads no other files";
    document.problem(span, format!("`{key}` does not end in `.prom`"), hint);
    None
}
