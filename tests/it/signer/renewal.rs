//! Signatures and certificates that end, and services that do not answer: what goes on.

use pullgate_test::registry::Scripted;

use super::notation::Parts;
use super::*;

/// Waits until it is so.
async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < end, "did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Each request to a stalled authority holds a worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_does_not_answer_is_asked_rarely() {
    let (parts, registry) = (Parts::new().await, Registry::start().await);
    let state = tempfile::tempdir().unwrap();
    parts.tsa.server.hook(|_| Some(Scripted::status(503)));
    let (host, timestamp) = (registry.host(), parts.timestamp());
    // Rules with the same authority share what is known of it.
    let options = format!(
        "layout = \"notation\"\n{timestamp}\n[[rule]]\nname = \"other\"\nauthenticator = \"release\"\n\
         scope = \"{host}/team\"\nlayout = \"bundle\"\n{timestamp}"
    );
    let settings = parts.settings(&registry, state.path(), &options).unwrap();
    let workers = settings.limits.workers;
    let service = Service::started(settings).await;
    let digests: Vec<Digest> =
        (0..20).map(|n| registry.image("team/app", &n.to_string(), &n.to_string())).collect();
    for (number, digest) in digests.iter().enumerate() {
        assert_eq!(service.notify(&pushes(&[("team/app", &number.to_string(), digest)])).await, 202);
    }
    let begun = tokio::time::Instant::now();
    eventually("they fail", async || service.metric("failures_total").await >= 200).await;
    // The first ones ask together. After that the pauses are 1, 2, 4 … seconds.
    let probes = usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    let (asked, most) = (parts.tsa.server.requests().len(), workers + probes);
    assert!(asked <= most, "{asked} requests in {:?}", begun.elapsed());
    // The authority is back.
    parts.tsa.change(|_| ());
    service.idle().await;
    assert_eq!(audit(state.path()).len(), 40);
    service.stop().await;
}
