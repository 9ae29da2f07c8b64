//! Rules whose signatures have a certificate or a timestamp.

use std::os::unix::fs::PermissionsExt as _;

use pullgate::registry::{Collected, Credentials, Registry as Client, RegistrySettings, Wanted};
use pullgate::signature::{Attachment, RepositoryIdentity, Subject, verify};
use pullgate::trust::x509::Store;
use pullgate::trust::{Authenticator, NotationSet, Signers};
use pullgate_test::kms::Kms;
use pullgate_test::node::notation::{Authority, Signer as Author};
use pullgate_test::registry::{Body, Scripted};
use pullgate_test::signer::key_file;
use pullgate_test::sigstore::TimestampService;
use pullgate_test::vault::Vault;

use super::*;

/// What a rule signs with.
pub(super) struct Parts {
    pub(super) authority: Authority,
    pub(super) author: Author,
    pub(super) tsa: TimestampService,
    directory: tempfile::TempDir,
}

impl Parts {
    pub(super) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::make(directory.path(), "acme");
        let author = authority.issue(("acme", "signer"), "p256", "");
        let tsa = TimestampService::start().await;
        std::fs::write(directory.path().join("tsa.pem"), tsa.root()).unwrap();
        Self { authority, author, tsa, directory }
    }

    /// The options of a rule that adds timestamps.
    pub(super) fn timestamp(&self) -> String {
        let root = self.directory.path().join("tsa.pem");
        format!("timestamp = {:?}\ntimestamp-ca = [{:?}]", self.tsa.url(), root.display().to_string())
    }

    /// The settings of a file with these options of the rule.
    pub(super) fn settings(
        &self,
        registry: &Registry,
        state: &Path,
        options: &str,
    ) -> Result<SignerSettings, String> {
        let key = self.author.key.display().to_string();
        let lines = format!("[authenticator.release]\nkey = {key:?}\nalgorithm = \"ECDSA_SHA_256\"");
        self.settings_of((registry, state), &lines, &self.author.chain, options)
    }

    /// The same with these lines up to the authenticator.
    fn settings_of(
        &self,
        (registry, state): (&Registry, &Path),
        lines: &str,
        chain: &Path,
        options: &str,
    ) -> Result<SignerSettings, String> {
        let (host, at, chain) = (registry.host(), state.display(), chain.display().to_string());
        let text = format!(
            "[registry]\nhost = {host:?}\n[listen]\naddress = \"127.0.0.1:0\"\n\
             [control]\nsocket = \"{at}/control.sock\"\n[state]\ndirectory = \"{at}/state\"\n\
             {lines}\ncertificate-chain = {chain:?}\n\
             [[rule]]\nname = \"team\"\nauthenticator = \"release\"\nscope = \"{host}/team\"\n{options}\n"
        );
        let file = state.join("signer.toml");
        std::fs::write(&file, text).unwrap();
        let mut settings = pullgate_signer::load_signer(&file).map_err(|problems| problems.to_string())?;
        settings.limits.longest_pause = Duration::from_millis(100);
        Ok(settings)
    }

    /// Which of the attached envelopes count for its CA at a time: the first bytes tell the encodings apart.
    async fn counted(
        &self,
        (registry, digest): (&Registry, &Digest),
        with_timestamp: bool,
        at: jiff::Timestamp,
    ) -> Vec<u8> {
        let store = |pem: &[u8]| {
            let mut store = Store::default();
            store.add(pem).unwrap();
            store
        };
        let ca = store(&std::fs::read(self.authority.certificate()).unwrap());
        let tsa = if with_timestamp { store(self.tsa.root().as_bytes()) } else { Store::default() };
        let set = NotationSet { tsa, ..NotationSet::below(ca) };
        let authenticator = Authenticator::of("test".to_owned(), Signers::Notation(Box::new(set)));
        let manifest = registry.tagged("team/app", "1").unwrap();
        let subject = Subject {
            digest,
            repositories: &[],
            content: (MANIFEST, manifest.len()),
            annotations: &BTreeMap::new(),
            identity: RepositoryIdentity::default(),
        };
        let found = attached(registry, digest).await.attachments.into_iter();
        let counts = found.filter(|attachment| verify(attachment, &authenticator, &subject, at).is_ok());
        let first = |attachment| match attachment {
            Attachment::Notation { document, .. } => document[0],
            other => panic!("{other:?}"),
        };
        counts.map(first).collect()
    }
}

pub(super) async fn attached(registry: &Registry, digest: &Digest) -> Collected {
    let client = Client::new(RegistrySettings::default()).unwrap();
    let wanted = Wanted { notation: true, ..Wanted::default() };
    let repository = registry.repository("team/app");
    client.referrers(&repository, digest, &Credentials::anonymous(), wanted).await
}

pub(super) async fn push(service: &Service, digest: &Digest) {
    assert_eq!(service.notify(&pushes(&[("team/app", "1", digest)])).await, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn notation_signatures_are_made_as_the_rule_says() {
    let parts = Parts::new().await;
    let now = jiff::Timestamp::now();
    let in_ten_days = now + jiff::SignedDuration::from_hours(240);
    for (options, first, later) in [
        ("envelope = \"jws\"", b'{', true),
        ("envelope = \"cose\"", 0xd2, true),
        ("expires-in = \"8d\"", b'{', false),
    ] {
        let (registry, state) = (Registry::start().await, tempfile::tempdir().unwrap());
        let options = format!("layout = \"notation\"\n{options}");
        let settings = parts.settings(&registry, state.path(), &options).unwrap();
        let service = Service::started(settings).await;
        let digest = registry.image("team/app", "1", "one");
        push(&service, &digest).await;
        service.idle().await;
        let image = (&registry, &digest);
        assert_eq!(parts.counted(image, false, now).await, [first], "{options}");
        assert_eq!(parts.counted(image, false, in_ten_days).await.len(), usize::from(later), "{options}");
        assert_eq!(parts.counted(image, true, now).await.len(), 0, "{options}: it has no timestamp");
        assert_eq!(signatures(&registry, "team/app", &digest), 0, "{options}");
        let [line] = &audit(state.path())[..] else { panic!("{options}") };
        assert_eq!((&line["layout"], &line["outcome"]), (&json!("notation"), &json!("signed")));
        service.stop().await;
    }
}

/// A replica, and a service that lost its state, find the signature.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_signer_with_the_same_certificate_does_not_sign_again() {
    let (parts, registry) = (Parts::new().await, Registry::start().await);
    let options = format!("layout = \"notation\"\n{}", parts.timestamp());
    let states: Vec<_> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut services = Vec::new();
    for state in &states {
        services.push(Service::started(parts.settings(&registry, state.path(), &options).unwrap()).await);
    }
    let digest = registry.image("team/app", "1", "one");
    let mut outcomes = Vec::new();
    for (service, state) in services.iter().zip(&states) {
        push(service, &digest).await;
        service.idle().await;
        outcomes.extend(audit(state.path()).iter().map(|line| line["outcome"].clone()));
    }
    assert_eq!(outcomes, ["signed", "present"]);
    assert_eq!(attached(&registry, &digest).await.attachments.len(), 1);
    assert_eq!(parts.tsa.server.requests().len(), 1, "no timestamp was requested for nothing");
    for service in services {
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn an_image_waits_for_its_timestamp() {
    for layout in ["notation", "bundle"] {
        let (parts, registry) = (Parts::new().await, Registry::start().await);
        let state = tempfile::tempdir().unwrap();
        let options = format!("layout = {layout:?}\n{}", parts.timestamp());
        let stranger = TimestampService::start().await;
        let service = Service::started(parts.settings(&registry, state.path(), &options).unwrap()).await;
        parts.tsa.server.hook(|_| Some(Scripted::ok("text/html", "").body(Body::Endless)));
        let digest = registry.image("team/app", "1", "one");
        push(&service, &digest).await;
        let asked = || parts.tsa.server.requests().len();
        service.until("it was tried again and again", |_| asked() > 3).await;
        assert_eq!(attached(&registry, &digest).await.attachments.len(), 0, "{layout}");
        assert_eq!(Status::of(&service.signer).parked, 0, "{layout}: it is not given up");
        // The authority is back.
        parts.tsa.change(|_| ());
        service.idle().await;
        let found = attached(&registry, &digest).await.attachments;
        let [signature] = &found[..] else { panic!("{layout}: {found:?}") };
        if layout == "notation" {
            let now = jiff::Timestamp::now();
            assert_eq!(parts.counted((&registry, &digest), true, now).await.len(), 1);
        } else {
            let Attachment::Bundle { document, .. } = signature else { panic!("{signature:?}") };
            let bundle: Value = serde_json::from_slice(document).unwrap();
            let stamps = &bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
            assert_eq!(stamps.as_array().map(Vec::len), Some(1), "{bundle}");
        }
        service.stop().await;
        // The same authority is not below the roots of another one.
        std::fs::write(parts.directory.path().join("tsa.pem"), stranger.root()).unwrap();
        let state = tempfile::tempdir().unwrap();
        let service = Service::started(parts.settings(&registry, state.path(), &options).unwrap()).await;
        let digest = registry.image("team/app", "1", "two");
        push(&service, &digest).await;
        let before = asked();
        service.until("it was tried again and again", |_| asked() > before + 2).await;
        assert_eq!(attached(&registry, &digest).await.attachments.len(), 0, "{layout}");
        service.stop().await;
    }
}

#[tokio::test]
pub(crate) async fn a_service_does_not_start_with_another_chain() {
    let (mut parts, registry) = (Parts::new().await, Registry::start().await);
    let other = parts.authority.issue(("acme", "other"), "p256", "");
    let own = std::mem::replace(&mut parts.author.chain, other.chain);
    for (chain, fine) in [(None, false), (Some(own), true)] {
        if let Some(chain) = chain {
            parts.author.chain = chain;
        }
        let state = tempfile::tempdir().unwrap();
        let settings = parts.settings(&registry, state.path(), "layout = \"notation\"").unwrap();
        let problems = pullgate_signer::check(&settings).await;
        assert_eq!(problems.is_empty(), fine, "{problems:?}");
        let opened = Signer::open(settings).await;
        assert_eq!(opened.is_ok(), fine);
        if let Err(error) = opened {
            let text = pullgate_core::untrusted::error_chain(&error);
            assert!(text.contains("it is the chain of key "), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_kms_and_vault_sign_with_their_certificates() {
    let parts = Parts::new().await;
    let (kms, vault) = (Kms::start("rsa-2048").await, Vault::start("rsa-2048", "rsa-2048", None).await);
    let chain = parts.authority.certify(("acme", "service"), &key_file("rsa-2048", "pub"));
    for (location, keys) in [
        (kms.location(), "[keys.kms]\naccess-key-id = \"LTAI\"\naccess-key-secret-file = \"AT/secret\""),
        (vault.location(), "[keys.vault]\ntoken-file = \"AT/token\""),
    ] {
        let (registry, state) = (Registry::start().await, tempfile::tempdir().unwrap());
        for (name, text) in [("secret", "pg5ECRET-key"), ("token", "hvs.pg5ECRET-token")] {
            let path = state.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let keys = keys.replace("AT", &state.path().display().to_string());
        let lines =
            format!("{keys}\n[authenticator.release]\nkey = {location:?}\nalgorithm = \"RSA_PSS_SHA_256\"");
        let options = format!("layout = \"notation\"\nenvelope = \"cose\"\n{}", parts.timestamp());
        let settings = parts.settings_of((&registry, state.path()), &lines, &chain, &options).unwrap();
        let service = Service::started(settings).await;
        let digest = registry.image("team/app", "1", "one");
        push(&service, &digest).await;
        service.idle().await;
        let now = jiff::Timestamp::now();
        assert_eq!(parts.counted((&registry, &digest), true, now).await, [0xd2], "{location}");
        service.stop().await;
    }
}
