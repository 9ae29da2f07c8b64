//! A gate without a daemon around it.

use std::sync::Arc;
use std::time::Duration;

use pullgate::digest::Digest;
use pullgate::gate::{AdmissionRequest, Content, Explanation, Gate, GateSettings, Pinned, Refusal};
use pullgate::ledger::Ledger;
use pullgate::registry::{Credentials, Registry};

use crate::proxy::forgetful;

/// A gate as after a restart: with this ledger, and without a policy.
pub fn restarted(ledger: Ledger) -> Gate {
    let settings = GateSettings { timeout: Duration::from_secs(60), concurrent: 16 };
    Gate::new(Arc::new(Registry::new(forgetful()).unwrap()), settings).with_ledger(ledger)
}

/// A question without credentials and pod.
pub fn request(image: &str) -> AdmissionRequest {
    AdmissionRequest { image: image.to_owned(), credentials: Credentials::default(), namespace: None }
}

pub async fn admit(gate: &Gate, image: &str) -> Result<Pinned, Refusal> {
    gate.admit(&request(image), &mut Explanation::default()).await
}

/// The reason code of the decision about an image.
pub async fn reason(gate: &Gate, image: &str) -> &'static str {
    admit(gate, image).await.map_or_else(|refusal| refusal.reason(), |pinned| pinned.reason()).code()
}

/// Admits an image, and records that the runtime pulled it as the image `id`.
pub async fn pull(gate: &Gate, image: &str, id: &Digest, content: &impl Content) -> Result<Pinned, Refusal> {
    let mut pinned = admit(gate, image).await?;
    let begun = gate.begin_evidence(&mut pinned).await;
    gate.finish_evidence(&pinned, begun, id.as_str(), content).await;
    Ok(pinned)
}
