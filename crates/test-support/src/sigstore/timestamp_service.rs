//! A timestamp authority as a service: OpenSSL's, which tests can make lie, or sigstore's `timestamp-server`.

use super::pem;
use super::timestamp::{OpensslTimestamps, TimestampAuthority};
use crate::registry::{Registry, Scripted};

/// Where it answers.
const PATH: &str = "/api/v1/timestamp";

/// OpenSSL's timestamp authority.
pub struct TimestampService {
    pub server: Registry,
    authority: TimestampAuthority,
}

impl TimestampService {
    pub async fn start() -> Self {
        let (server, authority) = (Registry::start().await, TimestampAuthority::new());
        serve_timestamps(&server, OpensslTimestamps::new(&authority));
        Self { server, authority }
    }

    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.server.host())
    }

    /// Its root, as PEM.
    pub fn root(&self) -> String {
        let [_, root] = self.chain();
        pem(&root)
    }

    /// Leaf and root.
    pub fn chain(&self) -> [Vec<u8>; 2] {
        self.authority.chain()
    }

    /// Answers well to a changed request.
    pub fn change(&self, change: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) {
        let openssl = OpensslTimestamps::new(&self.authority);
        self.server.hook(move |request| {
            let mut request = request.body.to_vec();
            change(&mut request);
            Some(answer(&openssl, &request))
        });
    }
}

pub(super) fn serve_timestamps(server: &Registry, openssl: OpensslTimestamps) {
    server.hook(move |request| Some(answer(&openssl, &request.body)));
}

/// As sigstore's authority, which may answer 201.
fn answer(openssl: &OpensslTimestamps, request: &[u8]) -> Scripted {
    let answer = Scripted::ok("application/timestamp-reply", openssl.answer(request));
    Scripted { status: 201, ..answer }
}
