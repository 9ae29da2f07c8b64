//! Signatures and certificates that end, and services that do not answer: what goes on.

use pullgate_test::registry::Scripted;

use super::killed::{Process, until};
use super::notation::{Parts, attached, push};
use super::*;

/// Waits until it is so.
async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < end, "did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The outcome and the trigger of each line of the audit record.
fn outcomes(directory: &Path) -> Vec<String> {
    let word = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    audit(directory).iter().map(|line| [word(line, "outcome"), word(line, "trigger")].join(" ")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_is_renewed_before_it_expires_if_a_tag_still_refers_to_the_image() {
    let (parts, registry) = (Parts::new().await, Registry::start().await);
    let state = tempfile::tempdir().unwrap();
    let mut settings = parts.settings(&registry, state.path(), "layout = \"notation\"").unwrap();
    // The file accepts a minute and more.
    settings.rules[0].attaching.expires_in = Some(Duration::from_secs(6));
    let service = Service::started(settings).await;
    let digest = registry.image("team/app", "1", "one");
    let moved = registry.image("team/app", "2", "two");
    push(&service, &digest).await;
    assert_eq!(service.notify(&pushes(&[("team/app", "2", &moved)])).await, 202);
    let signed = |status: &Status| status.renewing == 2 && status.waiting + status.busy == 0;
    service.until("both are signed", signed).await;
    registry.image("team/app", "2", "three");
    eventually("it is renewed", async || audit(state.path()).len() >= 3).await;
    let left = async || service.metric("images_total{outcome=\"left\"}").await == 1;
    eventually("the image without a tag is given up", left).await;
    assert_eq!(outcomes(state.path())[..3], ["signed push", "signed push", "signed renewal"]);
    assert!(attached(&registry, &digest).await.attachments.len() >= 2);
    assert_eq!(attached(&registry, &moved).await.attachments.len(), 1);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_has_ended_stops_its_rule_only() {
    let (parts, registry) = (Parts::new().await, Registry::start().await);
    let state = tempfile::tempdir().unwrap();
    parts.authority.renew(("acme", "signer"), -1);
    let host = registry.host();
    let other = format!(
        "layout = \"notation\"\n[authenticator.other]\nkey = {:?}\nalgorithm = \"ECDSA_SHA_256\"\n\
         [[rule]]\nname = \"other\"\nauthenticator = \"other\"\nscope = \"{host}/team\"\nlayout = \"classic\"",
        closed_key(state.path(), "p256").display().to_string()
    );
    let settings = parts.settings(&registry, state.path(), &other).unwrap();
    let problems = pullgate_signer::check(&settings).await;
    assert_eq!(problems.len(), 1, "`pullgate-signer check` reports it: {problems:?}");
    let service = Service::started(settings.clone()).await;
    let digest = registry.image("team/app", "1", "one");
    push(&service, &digest).await;
    service.until("the other rule has signed", |status| status.waiting + status.busy == 1).await;
    assert_eq!(signatures(&registry, "team/app", &digest), 1);
    let status = Status::of(&service.signer);
    let [stopped, fine] = &status.rules[..] else { panic!("{status:?}") };
    let certificate = stopped.certificate.as_ref().unwrap();
    assert!(certificate.ends_soon, "{certificate:?}");
    let error = certificate.error.as_deref().unwrap();
    assert!(error.starts_with("a certificate is not valid now: "), "{error}");
    assert_eq!(fine.certificate, None);
    assert_eq!(status.parked, 0, "it is not given up");
    assert_eq!(attached(&registry, &digest).await.attachments.len(), 0);
    // Renewed, it signs what has waited.
    parts.authority.renew(("acme", "signer"), 20);
    service.signer.reload(settings).await.unwrap();
    service.idle().await;
    assert_eq!(attached(&registry, &digest).await.attachments.len(), 1);
    let certificate = Status::of(&service.signer).rules[0].certificate.clone().unwrap();
    assert!(certificate.ends_soon && certificate.error.is_none(), "{certificate:?}");
    parts.authority.renew(("acme", "signer"), 40);
    service.signer.reload(parts.settings(&registry, state.path(), &other).unwrap()).await.unwrap();
    let certificate = Status::of(&service.signer).rules[0].certificate.clone().unwrap();
    assert!(!certificate.ends_soon && certificate.error.is_none(), "{certificate:?}");
    service.stop().await;
}

/// The same with the program: what it logs and shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_certificate_is_logged_and_shown() {
    for (days, logged, shown, code) in [
        (
            -1,
            "the certificate is not valid: the rule signs nothing",
            "rule team: STOPPED, renew the certificate",
            1,
        ),
        (20, "the certificate expires soon", "rule team: the certificate expires at 2", 0),
    ] {
        let (parts, registry) = (Parts::new().await, Registry::start().await);
        let directory = tempfile::tempdir().unwrap();
        parts.authority.renew(("acme", "signer"), days);
        parts.settings(&registry, directory.path(), "layout = \"notation\"").unwrap();
        std::fs::write(directory.path().join("pullgate.toml"), "[log]\nlevel = \"warn\"\n").unwrap();
        let _process = Process::start(directory.path());
        until(directory.path(), "it runs", |status| status.rules.iter().all(|rule| rule.started)).await;
        let log = directory.path().join("log");
        eventually(logged, async || std::fs::read_to_string(&log).unwrap().contains(logged)).await;
        let mut command = std::process::Command::new(pullgate_test::programs::signer());
        command.arg("--config").arg(directory.path()).arg("status");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        secrets::wrote_output(&output);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(shown), "{text}");
        assert_eq!(output.status.code(), Some(code), "{text}");
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

/// A signer that read the tag before, such as cosign, and wrote it after us.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_that_is_overwritten_later_is_added_again() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let service =
        Service::started(settings(&registry, directory.path(), vec![rule(&registry, "team")])).await;
    let digest = registry.image("team/app", "1", "one");
    // After our write, the second read does not show it.
    let path = format!("/v2/team/app/manifests/sha256-{}.sig", digest.hex());
    let (written, reads) =
        (std::sync::atomic::AtomicBool::new(false), std::sync::atomic::AtomicUsize::new(0));
    registry.hook(move |request| {
        use std::sync::atomic::Ordering::Relaxed;
        if request.uri.path() != path {
            return None;
        }
        if request.method == "PUT" {
            written.store(true, Relaxed);
            return None;
        }
        let is_second = written.load(Relaxed) && reads.fetch_add(1, Relaxed) == 1;
        is_second.then(|| Scripted::status(404))
    });
    push(&service, &digest).await;
    eventually("it is looked at again", async || audit(directory.path()).len() >= 2).await;
    assert_eq!(outcomes(directory.path()), ["signed push", "present request"]);
    service.stop().await;
}
