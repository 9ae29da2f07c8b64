//! Whether pullgate's socket and kubelet answer.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::api::ImageFsInfoRequest;
use crate::api::image_service_client::ImageServiceClient;
use crate::containerd::Upstream;
use pullgate_core::untrusted::sanitize;

/// Maximum length of an answer of kubelet's health endpoint, in bytes.
const MAX_ANSWER_BYTES: u64 = 4 << 10;

/// Makes the call with which kubelet checks its image endpoint when it starts (cri-client `validateServiceConnection`).
///
/// # Errors
/// Says why it failed.
pub(super) fn image_service(socket: &Path, limit: Duration) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the async runtime: {error}"))?;
    runtime.block_on(async {
        let mut client = ImageServiceClient::new(Upstream::new(socket));
        match tokio::time::timeout(limit, client.image_fs_info(ImageFsInfoRequest {})).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(format!("{:?}: {}", status.code(), sanitize(status.message()))),
            Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
        }
    })
}

/// Asks kubelet's health endpoint, which needs no credentials.
///
/// # Errors
/// Says why it is not healthy.
pub(super) fn healthz(address: SocketAddr, limit: Duration) -> Result<(), String> {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        stream.write_all(format!("GET /healthz HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = ask().map_err(|error| format!("http://{address}/healthz does not answer: {error}"))?;
    let status = answer.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => Err(format!("http://{address}/healthz answers {:?}", sanitize(status))),
    }
}
