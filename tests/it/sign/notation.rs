//! Notation signatures by keys in files: what is attached, found again, and refused. `tests/node/notation.rs` has the real
//! notation verify the same.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pullgate::registry::{Target, Wanted};
use pullgate::signature::{Attachment, EnvelopeType};
use pullgate::trust::x509::Store;
use pullgate::trust::{NotationSet, Signers};
use pullgate_net::service::ServiceSettings;
use pullgate_sign::{CertificateChain, NotationOptions, TimestampAuthority};

use pullgate_test::node::notation::{Authority, Signer};
use pullgate_test::node::process;
use pullgate_test::registry::{Body, Scripted};
use pullgate_test::sigstore::TimestampService;

use super::*;

/// A signer below a CA of openssl, and how to sign with it.
pub(super) struct Author {
    authority: Authority,
    signer: Signer,
    pub(super) key: SigningKey,
    pub(super) options: NotationOptions,
}

impl Author {
    pub(super) fn new(directory: &Path) -> Self {
        Self::of(directory, EnvelopeType::Jws)
    }

    pub(super) fn of(directory: &Path, envelope: EnvelopeType) -> Self {
        let authority = Authority::make(directory, "acme");
        let signer = authority.issue(("acme", "signer"), "p256", "");
        let text = std::fs::read_to_string(&signer.key).unwrap();
        let key = PrivateKey::from_pem(&text, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
        let chain = std::fs::read(&signer.chain).unwrap();
        let certificates = CertificateChain::parse(&chain).unwrap();
        let options = NotationOptions { certificates, envelope, expires_in: None };
        Self { authority, signer, key: SigningKey::in_memory(key, "test"), options }
    }

    pub(super) async fn sign(
        &self,
        registry: &Registry,
        digest: &Digest,
        timestamps: Option<&TimestampAuthority>,
    ) -> Result<Attached, SignError> {
        let order = SignRequest {
            repository: &registry.repository("team/app"),
            digest,
            layout: Layout::Notation,
            annotations: &Annotations::default(),
            credentials: &Credentials::anonymous(),
            recheck_delay: Duration::ZERO,
            notation: Some(&self.options),
            timestamps,
        };
        let signed = pullgate_sign::sign(&client(), &order, &self.key).await?;
        let [attached] = &signed.attached[..] else { panic!("{signed:?}") };
        Ok(attached.clone())
    }

    /// How many of the attached signatures count for its CA, with timestamps below this root, where they must name the
    /// repository.
    async fn counted(&self, registry: &Registry, digest: &Digest, tsa: Option<&str>) -> usize {
        self.counted_in("team/app", registry, digest, tsa).await
    }

    /// The same, if another repository had the same image and signatures.
    async fn counted_in(&self, path: &str, registry: &Registry, digest: &Digest, tsa: Option<&str>) -> usize {
        let store = |pem: &[u8]| {
            let mut store = Store::default();
            store.add(pem).unwrap();
            store
        };
        let ca = store(&std::fs::read(self.authority.certificate()).unwrap());
        let tsa = tsa.map_or_else(Store::default, |root| store(root.as_bytes()));
        let set = NotationSet { tsa, ..NotationSet::below(ca) };
        let authenticator = Authenticator::of("test".to_owned(), Signers::Notation(Box::new(set)));
        let manifest = registry.tagged("team/app", "1").unwrap();
        let subject = Subject {
            digest,
            repositories: &[registry.repository(path).canonical().into_owned()],
            content: (MANIFEST, manifest.len()),
            annotations: &BTreeMap::new(),
            identity: RepositoryIdentity::Required,
        };
        let found = attached(registry, digest).await;
        let count =
            |attachment: &&Attachment| verify(attachment, &authenticator, &subject, Timestamp::now()).is_ok();
        found.iter().filter(count).count()
    }
}

pub(super) async fn attached(registry: &Registry, digest: &Digest) -> Vec<Attachment> {
    let wanted = Wanted { notation: true, ..Wanted::default() };
    let repository = registry.repository("team/app");
    let collected = client().referrers(&repository, digest, &Credentials::anonymous(), wanted).await;
    assert!(collected.problems.is_empty(), "{collected:?}");
    collected.attachments
}

pub(super) fn authority(service: &TimestampService, roots: &str) -> TimestampAuthority {
    authority_within(service, roots, Duration::from_secs(60))
}

pub(super) fn authority_within(
    service: &TimestampService,
    roots: &str,
    step: Duration,
) -> TimestampAuthority {
    let mut store = Store::default();
    store.add(roots.as_bytes()).unwrap();
    let settings = ServiceSettings { step, ..ServiceSettings::default() };
    TimestampAuthority::new(&service.url(), store, settings).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_signs_once_in_registries_with_and_without_the_referrers_api() {
    let directory = tempfile::tempdir().unwrap();
    for envelope in EnvelopeType::ALL {
        for referrers in [true, false] {
            let registry = Registry::with(Options { referrers, ..Options::default() }).await;
            let digest = registry.image("team/app", "1", "one");
            let author = Author::of(directory.path(), envelope);
            let first = author.sign(&registry, &digest, None).await.unwrap();
            assert_eq!(
                (first.added, first.layout, first.tag.is_some()),
                (true, Layout::Notation, !referrers)
            );
            // Another process, and another one that lost what it knew.
            let again = author.sign(&registry, &digest, None).await.unwrap();
            assert_eq!((again.added, again.manifest), (false, first.manifest.clone()));
            assert_eq!(author.counted(&registry, &digest, None).await, 1, "{envelope:?}");
            assert_eq!(author.counted_in("team/evil", &registry, &digest, None).await, 0, "{envelope:?}");
            let (client, repository) = (client(), registry.repository("team/app"));
            let credentials = Credentials::anonymous();
            let writer = client.writer(&repository, &credentials);
            let stored = writer.get_manifest_optional(Target::Digest(&first.manifest)).await.unwrap();
            let manifest: Value = serde_json::from_slice(&stored.unwrap().bytes).unwrap();
            assert_eq!(manifest["artifactType"], "application/vnd.cncf.notary.signature");
            assert_eq!(manifest["layers"][0]["mediaType"], envelope.media_type());
            let thumbprints = manifest["annotations"]["io.cncf.notary.x509chain.thumbprint#S256"].as_str();
            let thumbprints: Vec<String> = serde_json::from_str(thumbprints.unwrap()).unwrap();
            assert_eq!(thumbprints.len(), 2, "{thumbprints:?}");
            // Another certificate is another signer.
            let other = Author::of(directory.path(), envelope);
            assert!(other.sign(&registry, &digest, None).await.unwrap().added);
            assert_eq!(attached(&registry, &digest).await.len(), 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timestamp_is_attached_and_one_that_is_missing_is_added() {
    let (directory, tsa) = (tempfile::tempdir().unwrap(), TimestampService::start().await);
    let timestamps = authority(&tsa, &tsa.root());
    for envelope in EnvelopeType::ALL {
        let registry = Registry::start().await;
        let digest = registry.image("team/app", "1", "one");
        let author = Author::of(directory.path(), envelope);
        assert!(author.sign(&registry, &digest, None).await.unwrap().added);
        assert_eq!(author.counted(&registry, &digest, Some(&tsa.root())).await, 0, "no timestamp");
        assert!(author.sign(&registry, &digest, Some(&timestamps)).await.unwrap().added);
        assert_eq!(author.counted(&registry, &digest, Some(&tsa.root())).await, 1);
        assert!(!author.sign(&registry, &digest, Some(&timestamps)).await.unwrap().added);
        assert!(!author.sign(&registry, &digest, None).await.unwrap().added);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timestamp_authority_that_lies_or_stalls_leaves_no_signature() {
    let directory = tempfile::tempdir().unwrap();
    let (registry, author) = (Registry::start().await, Author::new(directory.path()));
    let digest = registry.image("team/app", "1", "one");
    let (tsa, stranger) = (TimestampService::start().await, TimestampService::start().await);
    let mut refused = Vec::new();
    let mut attempt = async |what: &str, timestamps: TimestampAuthority| {
        let error = author.sign(&registry, &digest, Some(&timestamps)).await.unwrap_err();
        assert!(matches!(error, SignError::Timestamp(_)), "{what}: {error:?}");
        assert!(attached(&registry, &digest).await.is_empty(), "{what}");
        refused.push(format!("{what}: {}", pullgate_core::untrusted::error_chain(&error)));
    };
    // A root that the operator trusts, and a token of somebody else.
    attempt("other root", authority(&stranger, &tsa.root())).await;
    // The nonce is before the last three bytes, `certReq`; the hash before it has 32 bytes, and a header before each.
    tsa.change(|request| {
        let at = request.len() - 4;
        request[at] ^= 1;
    });
    attempt("other nonce", authority(&tsa, &tsa.root())).await;
    tsa.change(|request| {
        let digest = Digest::of(b"other");
        let hash: Vec<u8> =
            (0..32).map(|at| u8::from_str_radix(&digest.hex()[2 * at..2 * at + 2], 16).unwrap()).collect();
        let start = request.windows(2).position(|pair| pair == [0x04, 0x20]).unwrap() + 2;
        request[start..start + 32].copy_from_slice(&hash);
    });
    attempt("other signature", authority(&tsa, &tsa.root())).await;
    let kind = "application/timestamp-reply";
    // Status 2, rejection.
    let rejection: &[u8] = b"\x30\x05\x30\x03\x02\x01\x02";
    for (what, answer) in [
        ("rejection", Scripted::ok(kind, rejection)),
        ("page", Scripted::ok("text/html", "<html>")),
        ("busy", Scripted::status(503)),
        ("redirect", Scripted::redirect("http://127.0.0.1:1/")),
        ("endless", Scripted::ok(kind, "").body(Body::Endless)),
    ] {
        tsa.server.hook(move |_| Some(answer.clone()));
        attempt(what, authority(&tsa, &tsa.root())).await;
    }
    tsa.server.hook(move |_| Some(Scripted::ok(kind, "").body(Body::Hang)));
    attempt("stalled", authority_within(&tsa, &tsa.root(), Duration::from_millis(500))).await;
    let text = refused.join("\n").replace(&tsa.url(), "URL").replace(&stranger.url(), "URL");
    let text = text.replace(&tsa.server.host(), "HOST");
    insta::assert_snapshot!(text);
    // Without the attack.
    let honest = TimestampService::start().await;
    assert!(author.sign(&registry, &digest, Some(&authority(&honest, &honest.root()))).await.unwrap().added);
}

/// Of one run of `pullgate-signer sign` on an image: exit code and what it says.
async fn run(registry: &Registry, key: &Path, options: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(pullgate_test::programs::signer());
    command.args(["sign", "--key"]).arg(key).args(options).arg(format!("{}/team/app:1", registry.host()));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    pullgate_test::secrets::wrote_output(&output);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_chain_is_refused_before_a_request() {
    let directory = tempfile::tempdir().unwrap();
    let registry = Arc::new(Registry::start().await);
    registry.image("team/app", "1", "one");
    let authority = Authority::make(directory.path(), "acme");
    let good = authority.issue(("acme", "good"), "p256", "");
    let other = authority.issue(("acme", "other"), "p256", "");
    let server = authority.issue(("acme", "server"), "p256", "extendedKeyUsage=serverAuth");
    let rsa = authority.issue(("acme", "rsa"), "rsa2048", "");
    let write = |name: &str, parts: &[&PathBuf]| {
        let path = directory.path().join(name);
        std::fs::write(
            &path,
            parts.iter().flat_map(|part| std::fs::read(part).unwrap()).collect::<Vec<u8>>(),
        )
        .unwrap();
        path
    };
    let root = authority.certificate();
    let reversed = write("reversed", &[&root, &good.certificate]);
    let short = write("short", &[&good.certificate]);
    let file = |path: &Path| path.display().to_string();
    let mut said = Vec::new();
    for (what, key, chain, options) in [
        ("chain of another key", &good.key, &other.chain, &[][..]),
        ("without the root", &good.key, &short, &[]),
        ("root first", &good.key, &reversed, &[]),
        ("for servers", &server.key, &server.chain, &[]),
        ("a key as chain", &good.key, &good.key, &[]),
        ("other padding", &rsa.key, &rsa.chain, &["--algorithm", "RSA_PKCS1_SHA_256"]),
        ("other hash", &rsa.key, &rsa.chain, &["--algorithm", "RSA_PSS_SHA_512"]),
        (
            "classic with a timestamp",
            &good.key,
            &good.chain,
            &["--layout", "classic", "--timestamp", "http://127.0.0.1:1", "--timestamp-ca", "/x"],
        ),
        ("for another layout", &good.key, &good.chain, &["--layout", "both"]),
        ("until the end of time", &good.key, &good.chain, &["--expires-in", "4000000d"]),
        ("and longer", &good.key, &good.chain, &["--expires-in", "106751991167301d"]),
    ] {
        let chain = file(chain);
        let mut arguments = vec!["--certificate-chain", chain.as_str()];
        if !options.contains(&"--layout") {
            arguments.extend(["--layout", "notation"]);
        }
        arguments.extend(options);
        let (code, text) = run(&registry, key, &arguments).await;
        assert_eq!(code, Some(2), "{what}: {text}");
        let text = text.replace(&file(directory.path()), "DIR");
        said.push(format!("{what}: {text}"));
    }
    let (code, text) = run(&registry, &good.key, &["--layout", "notation"]).await;
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--layout notation needs --certificate-chain"), "{text}");
    assert_eq!(registry.requests().len(), 0);
    let said = said.join("");
    let fingerprints = without_fingerprints(&said);
    insta::assert_snapshot!(fingerprints);
    // The same without the fault; the algorithm follows from the certificate.
    for signer in [&good, &rsa] {
        let chain = file(&signer.chain);
        let (code, text) =
            run(&registry, &signer.key, &["--layout", "notation", "--certificate-chain", &chain]).await;
        assert_eq!(code, Some(0), "{text}");
    }
}

/// Keys differ in each run.
fn without_fingerprints(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("sha256:") {
        shown.push_str(before);
        shown.push_str("sha256:…");
        rest = after.get(64..).unwrap_or_default();
    }
    shown + rest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_has_ended_signs_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let author = Author::new(directory.path());
    let registry = Arc::new(Registry::start().await);
    registry.image("team/app", "1", "one");
    let chain = author.signer.chain.display().to_string();
    let key = author.signer.key.display().to_string();
    let program = pullgate_test::programs::signer();
    let mut command = Command::new("faketime");
    command.args(["-f", "+2y"]).arg(program).args([
        "sign",
        "--layout",
        "notation",
        "--certificate-chain",
        &chain,
    ]);
    command.args(["--key", &key]).arg(format!("{}/team/app:1", registry.host()));
    let refused = tokio::task::spawn_blocking(move || process::run(&mut command)).await.unwrap().unwrap_err();
    assert!(refused.contains("a certificate is not valid now"), "{refused}");
    assert_eq!(registry.requests().len(), 0);
}
