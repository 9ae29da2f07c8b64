//! The options of a rule besides `require`: each changes a verdict.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate::registry::{Lookaside, SignatureSource};
use pullgate_test::notary::{EMAIL, Notary};
use pullgate_test::registry::{INDEX, MANIFEST, descriptor, index};
use pullgate_test::signer::{
    bundle_manifest, gpg, gpg_file, notation, notation_file, notation_image, notation_manifest, refer_all,
};
use pullgate_test::sigstore::{ISSUER, Person, SUBJECT, Sigstore, attach_layers};

use super::*;

/// A policy for `team` of the test registry: `release` is p256, `security` is p384.
fn policy(world: &World, rules: &[&str]) -> String {
    let host = world.registry.host();
    let rules: String =
        rules.iter().map(|rule| format!("[[namespace]]\nscope = \"{host}/team\"\n{rule}\n")).collect();
    format!("default = \"deny\"\n{}{}{rules}", policy::RELEASE, policy::SECURITY,)
}

const RELEASE: &str = "require = { all = [\"release\"] }";
/// The runtime's error for a name without a digest: the pull has reached it.
const BY_DIGEST: &str = "the fake runtime pulls by digest only";
const SECURITY: &str = "require = { all = [\"security\"] }";

fn p384() -> Signer {
    Signer::of("p384", Algorithm::EcdsaSha384)
}

async fn pull_for(world: &World, image: &str, namespace: Option<&str>) -> Answer {
    let sandbox = namespace.map(|namespace| api::PodSandboxConfig {
        metadata: Some(api::PodSandboxMetadata {
            name: "pod".to_owned(),
            namespace: namespace.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    });
    let message = api::PullImageRequest { sandbox_config: sandbox, ..pull_request(image) };
    world.call(PULL, &message.encode_to_vec()).await
}

#[tokio::test]
async fn without_the_pod_s_namespace_the_strictest_rule_applies() {
    let world = World::builder().without_policy().start().await;
    let payments = format!("pods = [\"payments\", \"payments-*\"]\n{SECURITY}");
    world.set_policy(&policy(&world, &[RELEASE, &payments]));
    let released = world.registry.image("team/released", "1", "released");
    sign_classic(&world.registry, "team/released", &released, &p256());
    let secured = world.registry.image("team/secured", "1", "secured");
    sign_classic(&world.registry, "team/secured", &secured, &p384());
    let both = world.registry.image("team/both", "1", "both");
    let text = payload(&world.image("team/both"), &both);
    let signatures = [(text.clone(), p256().sign(&text)), (text.clone(), p384().sign(&text))];
    attach_classic(&world.registry, "team/both", &both, &signatures);
    // In this order a cached verdict of one rule could be used for the other.
    for (image, namespace, admitted) in [
        ("team/released:1", Some("web"), true),
        ("team/released:1", Some("payments"), false),
        ("team/released:1", Some("payments-eu"), false),
        ("team/released:1", Some("paymentsx"), true),
        ("team/released:1", None, false),
        ("team/released:1", Some(""), false),
        ("team/released:1", Some("../../etc/x"), false),
        ("team/secured:1", Some("payments"), true),
        ("team/secured:1", Some("web"), false),
        ("team/secured:1", None, false),
        // Neither requirement includes the other: both must be met.
        ("team/both:1", None, true),
        ("team/both:1", Some("payments"), true),
        ("team/both:1", Some("web"), true),
    ] {
        let answer = pull_for(&world, &world.image(image), namespace).await;
        if admitted {
            assert_eq!(answer.code, "0", "{image} {namespace:?}: {answer:?}");
        } else {
            assert_refused(&answer, "no-valid-signature");
        }
    }
}

/// The kinds of authenticators, by their names in [`every_kind`].
const KINDS: [&str; 5] = ["release", "ci", "notary", "gpg", "corp"];

/// A node with an image that each of [`KINDS`] has signed but `missing`, and the authenticators.
async fn every_kind(missing: &str) -> (World, String) {
    let world = World::builder()
        .without_policy()
        .settings(|_, registry| {
            let lookaside = Lookaside::parse(&format!("http://{}/lookaside", registry.host()));
            let scope = registry.host();
            let source = SignatureSource {
                scope,
                image: true,
                repository: None,
                directory: None,
                lookaside,
                grafeas: None,
            };
            RegistrySettings { sources: vec![source], ..forgetful() }
        })
        .start()
        .await;
    let path = "team/app";
    let digest = notation_image(&world.registry, path);
    let text = payload(&world.image(path), &digest);
    let (corp, sigstore) = (Notary::of_key(secrets::new_key()), Sigstore::new());
    let release = vec![("dev.cosignproject.cosign/signature", STANDARD.encode(p256().sign(&text)))];
    let layers = [("release", release), ("corp", corp.annotations(&text))];
    let layers: Vec<_> = layers
        .iter()
        .filter(|(name, _)| *name != missing)
        .map(|(_, annotations)| (&text[..], &annotations[..]))
        .collect();
    attach_layers(&world.registry, path, &digest, &layers);
    let bundle = sigstore.bundle(&Person::builder(), &digest).to_string();
    let referrers = [
        ("ci", bundle_manifest(&world.registry, path, &digest, &bundle)),
        ("notary", notation_manifest(&world.registry, path, &digest, &notation("p256.jws"))),
    ];
    let referrers = referrers.into_iter().filter(|(name, _)| *name != missing).map(|(_, manifest)| manifest);
    refer_all(&world.registry, path, &digest, referrers);
    let place = format!("/lookaside/{path}@sha256={}/signature-1", digest.hex());
    let signed = missing != "gpg";
    world.registry.hook(move |request| {
        let found = signed && request.uri.path() == place;
        let answer = || Scripted::ok("application/octet-stream", gpg("ed25519.signature"));
        found
            .then(answer)
            .or_else(|| request.uri.path().starts_with("/lookaside/").then(|| Scripted::status(404)))
    });
    let [root, trusted] = ["root.pem", "root.json"].map(|name| world.directory.path().join(name));
    std::fs::write(&root, &corp.root).unwrap();
    std::fs::write(&trusted, sigstore.trusted_root().to_string()).unwrap();
    let authenticators = format!(
        "{}[authenticator.ci]\ntype = \"keyless\"\ntrust-root = {trusted:?}\nissuer = \"{ISSUER}\"\nsubject = \"{SUBJECT}\"\n\
         [authenticator.notary]\ntype = \"notation\"\nca = [{:?}]\nidentities = [\"*\"]\n\
         [authenticator.gpg]\ntype = \"gpg\"\nkeyrings = [{:?}]\n\
         [authenticator.corp]\ntype = \"certificate\"\nca = [{root:?}]\nnames = [\"email:{EMAIL}\"]\n",
        policy::RELEASE,
        notation_file("p256.root.pem"),
        gpg_file("ed25519.keyring.gpg"),
    );
    (world, authenticators)
}

#[tokio::test]
async fn a_requirement_mixes_all_kinds_of_authenticators() {
    for missing in ["none"].into_iter().chain(KINDS) {
        let (world, authenticators) = every_kind(missing).await;
        let (all, whole) = (format!("{KINDS:?}"), missing == "none");
        let others: Vec<_> = KINDS.into_iter().filter(|name| *name != missing).collect();
        for (required, met) in [
            (format!("all = {all}"), whole),
            (format!("at-least = 5, of = {all}"), whole),
            (format!("at-least = 4, of = {all}"), true),
            (format!("all = {others:?}"), true),
            (format!("any = {all}"), true),
        ] {
            // The signatures by GPG are for this repository.
            world.set_policy(&format!(
                "default = \"deny\"\n{authenticators}[[namespace]]\nscope = \"%HOST/team\"\n\
                 aliases = [\"registry.example/team\"]\nrequire = {{ {required} }}\n"
            ));
            let code = reason(&world, &world.image("team/app:1")).await.0;
            let expected = if met { "verified" } else { "not-enough-signatures" };
            assert_eq!(code, expected, "{required} without {missing}");
        }
    }
}

#[tokio::test]
async fn audit_admits_what_enforce_refuses_and_off_checks_nothing() {
    let world = World::builder().without_policy().start().await;
    let unsigned = world.registry.image("team/app", "1", "app");
    let (tagged, pinned) = (world.image("team/app:1"), world.image(&format!("team/app@{unsigned}")));
    world.set_policy(&policy(&world, &[&format!("{RELEASE}\nmode = \"enforce\"")]));
    assert_refused(&world.pull(&tagged).await, "no-signature");
    assert_eq!(world.pulled(), [""; 0]);

    // The digest that was found is pulled, although the image is not verified.
    world.set_policy(&policy(&world, &[&format!("{RELEASE}\nmode = \"audit\"")]));
    assert_eq!(world.pull(&tagged).await.code, "0");
    assert_eq!(world.pulled(), std::slice::from_ref(&pinned));
    assert_eq!(world.runtime.records()[&tagged], unsigned.as_str(), "the tag record");
    // A name that cannot be resolved is forwarded unchanged.
    world.registry.hook(|_| Some(Scripted::status(503)));
    let other = world.image("team/other:1");
    assert_eq!(world.pull(&other).await.message, BY_DIGEST);
    assert_eq!(world.pulled(), [pinned.clone(), other]);
    world.registry.hook(|_| None);
    // The image is verified all the same: a signed image is admitted as verified.
    let signed = world.registry.image("team/signed", "1", "signed");
    sign_classic(&world.registry, "team/signed", &signed, &p256());
    assert_eq!(reason(&world, &world.image("team/signed:1")).await, ("verified", 0));

    world.set_policy(&policy(&world, &[&format!("{RELEASE}\nmode = \"off\"")]));
    let before = world.registry.requests().len();
    assert_eq!(reason(&world, &tagged).await, ("rule-off", 0));
    let off = world.image("team/off:1");
    assert_eq!(world.pull(&off).await.message, BY_DIGEST);
    assert_eq!(world.registry.requests().len(), before, "no request was sent");
    assert_eq!(world.pulled().last(), Some(&off));

    // Audit also admits what a rule refuses by name; a rule in audit mode does not affect others.
    world.set_policy(&policy(&world, &["deny = \"old\"\nmode = \"audit\""]));
    assert_eq!(reason(&world, &tagged).await, ("audit-only", 1));
    let audited = "deny = \"old\"\nmode = \"audit\"\npods = [\"web\"]";
    world.set_policy(&policy(&world, &["deny = \"old\"", audited]));
    assert_refused(&world.pull(&tagged).await, "denied-by-rule");
    assert_eq!(pull_for(&world, &world.image("team/web:1"), Some("web")).await.message, BY_DIGEST);
}

/// The code of the decision, and how many refusals audit mode admitted.
async fn reason(world: &World, image: &str) -> (&'static str, usize) {
    let question = gate::AdmissionRequest {
        image: image.to_owned(),
        credentials: Credentials::default(),
        namespace: None,
    };
    let mut explanation = gate::Explanation::default();
    let decided = world.daemon.gate.admit(&question, &mut explanation).await;
    let code = match decided {
        Ok(pinned) => pinned.reason().code(),
        Err(refusal) => refusal.reason().code(),
    };
    assert_eq!(explanation.reason.unwrap().code(), code);
    (code, explanation.audited.len())
}

#[tokio::test(start_paused = true)]
async fn audit_admits_a_pull_that_times_out() {
    let directory = tempfile::tempdir().unwrap();
    for (mode, code) in [("enforce", "timeout"), ("audit", "audit-only")] {
        let registry = Arc::new(pullgate::registry::Registry::new(forgetful()).unwrap());
        // The time is over before the registry can answer.
        let gate = gate::Gate::new(registry, gate::GateSettings { timeout: Duration::ZERO, concurrent: 16 });
        let text = format!(
            "default = \"deny\"\n{}[[namespace]]\nscope = \"r.example.com\"\n{RELEASE}\nmode = \"{mode}\"\n",
            policy::RELEASE
        );
        gate.set_policy(policy::load(directory.path(), &text));
        let question = gate::AdmissionRequest {
            image: "r.example.com/app:1".to_owned(),
            credentials: Credentials::default(),
            namespace: None,
        };
        let mut explanation = gate::Explanation::default();
        let _ = gate.admit(&question, &mut explanation).await;
        assert_eq!(explanation.reason.unwrap().code(), code);
    }
}

#[tokio::test]
async fn an_allowance_is_limited_by_digests_and_time() {
    let world = World::builder().without_policy().start().await;
    let listed = world.registry.image("team/listed", "1", "listed");
    world.registry.image("team/other", "1", "other");
    let allow = "allow = \"unsigned\"\nreason = \"bootstrap\"";
    let digests = format!("{allow}\ndigests = [\"{listed}\"]");
    world.set_policy(&policy(&world, &[&digests]));
    let before = world.registry.requests().len();
    let by_digest = world.image(&format!("team/listed@{listed}"));
    assert_eq!(reason(&world, &by_digest).await.0, "unsigned-allowed");
    assert_eq!(world.registry.requests().len(), before + 1, "its bytes, for the digest");
    // A tag is looked up, compared and pinned.
    assert_eq!(world.pull(&world.image("team/listed:1")).await.code, "0");
    assert_eq!(world.pulled(), [by_digest]);
    assert_refused(&world.pull(&world.image("team/other:1")).await, "digest-not-allowed");
    let foreign = Digest::of(b"other");
    assert_refused(&world.pull(&world.image(&format!("team/listed@{foreign}"))).await, "digest-not-allowed");
    world.registry.tag("team/listed", "1", &world.registry.image("team/listed", "2", "moved"));
    assert_refused(&world.pull(&world.image("team/listed:1")).await, "digest-not-allowed");

    for (until, code) in
        [("2999-01-01T00:00:00Z", "unsigned-allowed"), ("2020-01-01T00:00:00Z", "allowance-over")]
    {
        world.set_policy(&policy(&world, &[&format!("{allow}\nuntil = {until}")]));
        assert_eq!(reason(&world, &world.image("team/any:1")).await.0, code);
    }
    let answer = world.pull(&world.image("team/any:1")).await;
    assert_refused(&answer, "allowance-over");
}

#[tokio::test]
async fn the_deny_list_overrides_every_rule() {
    let world = World::builder().without_policy().start().await;
    let digest = world.registry.image("team/app", "1", "app");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    let child = world.registry.tagged("team/app", "1").unwrap();
    let listed =
        world.registry.manifest("team/app", INDEX, index(&[child_of(&digest, child.len(), "amd64", None)]));
    world.registry.tag("team/app", "list", &listed);
    sign_classic(&world.registry, "team/app", &listed, &p256());
    let deny = format!("[deny]\ndigests = [{{ digest = \"{digest}\", reason = \"CVE-0\" }}]\n");
    let by_digest = format!("team/app@{digest}");
    let allow = "allow = \"unsigned\"\nreason = \"all\"";
    for rule in
        [RELEASE, allow, &format!("{RELEASE}\nmode = \"audit\""), &format!("{allow}\nmode = \"audit\"")]
    {
        for image in ["team/app:1", "team/app:list", &by_digest] {
            let image = world.image(image);
            world.set_policy(&policy(&world, &[rule]));
            assert!(
                matches!(reason(&world, &image).await.0, "verified" | "unsigned-allowed"),
                "{rule} {image}"
            );
            // The cached verdict above must not be used.
            world.set_policy(&format!("{}{deny}", policy(&world, &[rule])));
            assert_eq!(reason(&world, &image).await, ("digest-denied", 0), "{rule} {image}");
        }
    }
    let other = world.registry.image("team/app", "2", "other");
    sign_classic(&world.registry, "team/app", &other, &p256());
    world.set_policy(&format!("{}{deny}", policy(&world, &[RELEASE])));
    assert_eq!(reason(&world, &world.image("team/app:2")).await.0, "verified");
    // A rule that is off checks only the name.
    world.set_policy(&format!("{}{deny}", policy(&world, &[&format!("{RELEASE}\nmode = \"off\"")])));
    assert_eq!(reason(&world, &world.image("team/app:1")).await.0, "rule-off");
    assert_eq!(reason(&world, &world.image(&by_digest)).await.0, "digest-denied");
}

#[tokio::test]
async fn a_denied_key_counts_in_no_authenticator() {
    let world = World::builder().without_policy().start().await;
    let digest = world.registry.image("team/app", "1", "app");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    let image = world.image("team/app:1");
    let rule = policy(&world, &["require = { any = [\"release\", \"other\"] }"]);
    let rule = format!("{rule}{}", Authenticator { name: "other", ..policy::RELEASE });
    world.set_policy(&rule);
    assert_eq!(reason(&world, &image).await.0, "verified");
    let policy = world.daemon.gate.policy().unwrap();
    let key = policy.authenticator("release").unwrap().keys()[0].public.fingerprint().to_owned();
    world.set_policy(&format!("{rule}[deny]\nkeys = [{{ key = \"{key}\", reason = \"laptop stolen\" }}]\n"));
    let answer = world.pull(&image).await;
    assert_refused(&answer, "key-revoked");
    assert!(answer.message.contains("is revoked: laptop stolen"), "{answer:?}");
    let foreign = Digest::of(b"another key");
    world.set_policy(&format!("{rule}[deny]\nkeys = [{{ key = \"{foreign}\", reason = \"another\" }}]\n"));
    assert_eq!(reason(&world, &image).await.0, "verified");
}

/// An entry of an index: its digest and size, and its platform, if it has one.
fn child_of(digest: &Digest, length: usize, architecture: &str, variant: Option<&str>) -> serde_json::Value {
    let mut child = descriptor((digest, length, MANIFEST, &[]));
    child["platform"] = serde_json::json!({ "os": "linux", "architecture": architecture });
    if let Some(variant) = variant {
        child["platform"]["variant"] = variant.into();
    }
    child
}

/// The architecture of this node and another one, as indexes write them.
fn architectures() -> (&'static str, &'static str) {
    if cfg!(target_arch = "aarch64") { ("arm64", "amd64") } else { ("amd64", "arm64") }
}

#[tokio::test]
pub(crate) async fn accept_decides_what_must_be_signed_and_is_pulled() {
    let world = World::builder().without_policy().start().await;
    let (own, other) = architectures();
    for (name, sign_index, sign_image, admitted) in [
        ("neither", false, false, [false, false, false]),
        ("index", true, false, [true, false, true]),
        ("image", false, true, [false, true, true]),
        ("both", true, true, [true, true, true]),
    ] {
        let path = format!("team/{name}");
        let image = world.registry.image(&path, "own", &format!("own {name}"));
        let foreign = world.registry.image(&path, "foreign", &format!("foreign {name}"));
        // The other platform's image is always signed, and never counts.
        sign_classic(&world.registry, &path, &foreign, &p256());
        let children = [child_of(&foreign, 1, other, None), child_of(&image, 1, own, None)];
        let list = world.registry.manifest(&path, INDEX, index(&children));
        world.registry.tag(&path, "1", &list);
        if sign_index {
            sign_classic(&world.registry, &path, &list, &p256());
        }
        if sign_image {
            sign_classic(&world.registry, &path, &image, &p256());
        }
        let tagged = world.image(&format!("{path}:1"));
        for (accept, admitted) in ["index", "platform", "either"].into_iter().zip(admitted) {
            let text = policy(&world, &[&format!("{RELEASE}\naccept = \"{accept}\"")]);
            world.set_policy(&text);
            let answer = world.pull(&tagged).await;
            if !admitted {
                assert_refused(&answer, "no-signature");
                continue;
            }
            assert_eq!(answer.code, "0", "{name} {accept}: {answer:?}");
            let signed = if accept == "platform" || !sign_index { &image } else { &list };
            let pinned = world.image(&format!("{path}@{signed}"));
            assert_eq!(world.pulled().pop(), Some(pinned.clone()), "{name} {accept}");
            // The same from the cache.
            assert_eq!(world.pull(&tagged).await.code, "0");
            assert_eq!(world.pulled().pop(), Some(pinned), "{name} {accept}");
        }
    }
}

#[tokio::test]
async fn an_ambiguous_index_is_refused() {
    let world = World::builder().without_policy().start().await;
    world.set_policy(&policy(&world, &[&format!("{RELEASE}\naccept = \"platform\"")]));
    let (own, other) = architectures();
    let image = world.registry.image("team/app", "a", "a");
    let second = world.registry.image("team/app", "b", "b");
    let nested = world.registry.manifest("team/app", INDEX, index(&[child_of(&image, 1, own, None)]));
    for signed in [&image, &second, &nested] {
        sign_classic(&world.registry, "team/app", signed, &p256());
    }
    let with_type = |media_type: &str| {
        let mut child = child_of(&nested, 1, own, None);
        child["mediaType"] = media_type.into();
        child
    };
    let without_platform = descriptor((&second, 1, MANIFEST, &[]));
    let mut windows = child_of(&second, 1, own, None);
    windows["platform"]["os"] = "windows".into();
    let mut broken = child_of(&image, 1, own, None);
    broken["platform"]["Architecture"] = other.into();
    let own_image = || child_of(&image, 1, own, None);
    let many = (0..10_000).map(|_| child_of(&second, 1, other, None)).chain([own_image()]).collect();
    for (what, children, reason) in [
        ("one", vec![own_image(), child_of(&second, 1, other, None)], None),
        ("a duplicate", vec![own_image(), own_image()], None),
        ("another system", vec![windows, own_image()], None),
        ("another variant", vec![child_of(&second, 1, own, Some("v99")), own_image()], None),
        ("10,000 others", many, None),
        ("two", vec![own_image(), child_of(&second, 1, own, None)], Some("bad-manifest")),
        ("none", vec![child_of(&image, 1, other, Some("v99"))], Some("bad-manifest")),
        ("empty", vec![], Some("bad-manifest")),
        ("no platform", vec![own_image(), without_platform], Some("bad-manifest")),
        ("an index in it", vec![with_type(INDEX)], Some("bad-manifest")),
        ("an index declared as an image", vec![with_type(MANIFEST)], Some("bad-manifest")),
        ("two spellings", vec![broken], Some("bad-manifest")),
    ] {
        let list = world.registry.manifest("team/app", INDEX, index(&children));
        world.registry.tag("team/app", "1", &list);
        let answer = world.pull(&world.image("team/app:1")).await;
        match reason {
            None => {
                assert_eq!(answer.code, "0", "{what}: {answer:?}");
                assert_eq!(world.pulled().pop(), Some(world.image(&format!("team/app@{image}"))), "{what}");
            }
            Some(reason) => assert_refused(&answer, reason),
        }
    }
}

#[tokio::test]
async fn the_platform_image_must_match_its_digest_in_the_index() {
    let world = World::builder().without_policy().start().await;
    world.set_policy(&policy(&world, &[&format!("{RELEASE}\naccept = \"platform\"")]));
    let image = world.registry.image("team/app", "a", "a");
    sign_classic(&world.registry, "team/app", &image, &p256());
    let list =
        world.registry.manifest("team/app", INDEX, index(&[child_of(&image, 1, architectures().0, None)]));
    world.registry.tag("team/app", "1", &list);
    let path = format!("/manifests/{image}");
    let other = world.registry.tagged("team/app", "1").unwrap();
    world.registry.hook(move |request| {
        request.uri.path().ends_with(&path).then(|| Scripted::ok(MANIFEST, other.clone()))
    });
    assert_refused(&world.pull(&world.image("team/app:1")).await, "digest-mismatch");
    world.registry.hook(|_| None);
    assert_eq!(world.pull(&world.image("team/app:1")).await.code, "0");
}

#[tokio::test]
pub(crate) async fn break_glass_admits_its_exceptions_while_the_file_has_them() {
    let world = World::builder().without_policy().start().await;
    let root = world.directory.path().join("etc");
    std::fs::create_dir_all(&root).unwrap();
    world.daemon.gate.set_break_glass(Box::new(pullgate::config::BreakGlassFile::of(&root)));
    let file = root.join("break-glass.toml");
    let open = |what: &str, hours: i64| {
        let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours);
        std::fs::write(&file, format!("[[open]]\n{what}\nreason = \"outage\"\nuntil = {until}\n")).unwrap();
    };
    let digest = world.registry.image("team/app", "1", "app");
    world.registry.image("team/app", "2", "other");
    let (tagged, other) = (world.image("team/app:1"), world.image("team/app:2"));
    let by_digest = format!("digest = \"{digest}\"");
    let by_scope = format!("scope = \"{}/team\"", world.registry.host());
    // Without a policy, and with one that would admit or refuse it, signed or denied.
    open(&by_scope, 1);
    assert_eq!(reason(&world, &tagged).await.0, "break-glass");
    for rule in [RELEASE, "allow = \"unsigned\"\nreason = \"all\""] {
        for deny in [String::new(), format!("[deny]\n digests = [{{ {by_digest}, reason = \"x\" }}]\n")] {
            world.set_policy(&format!("{}{deny}", policy(&world, &[rule])));
            let _ = std::fs::remove_file(&file);
            let (before, _) = reason(&world, &tagged).await;
            assert_ne!(before, "break-glass");
            open(&by_scope, 1);
            let sent = world.registry.requests().len();
            assert_eq!(reason(&world, &tagged).await.0, "break-glass");
            assert_eq!(world.registry.requests().len(), sent, "a scope needs no request");
            open(&by_digest, 1);
            assert_eq!(reason(&world, &tagged).await.0, "break-glass");
            assert_ne!(reason(&world, &other).await.0, "break-glass");
            // Expired, too far ahead, half written: no exception at the next decision.
            for hours in [-1, 8 * 24] {
                open(&by_digest, hours);
                assert_eq!(reason(&world, &tagged).await.0, before, "{hours}");
            }
            std::fs::write(&file, "[[open]]\n").unwrap();
            assert_eq!(reason(&world, &tagged).await.0, before);
        }
    }
    world.set_policy(&policy(&world, &[RELEASE]));
    open(&by_digest, 1);
    assert_eq!(world.pull(&tagged).await.code, "0");
    assert_eq!(world.pulled(), [world.image(&format!("team/app@{digest}"))]);
    // It must be writable only by the daemon's user and root.
    let mode =
        |mode| std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    mode(0o666);
    assert_refused(&world.pull(&tagged).await, "no-signature");
    mode(0o600);
    // A registry that does not answer makes no exception.
    world.registry.hook(|_| Some(Scripted::status(503)));
    assert_eq!(reason(&world, &tagged).await.0, "registry-busy");
}

/// With an exception for another digest, a tag is resolved once: two answers could differ, and the time limit is
/// for the whole pull.
#[tokio::test]
async fn break_glass_resolves_a_tag_once() {
    let world = World::builder().timeout(Duration::from_secs(3)).start().await;
    let root = world.directory.path().join("etc");
    std::fs::create_dir_all(&root).unwrap();
    world.daemon.gate.set_break_glass(Box::new(pullgate::config::BreakGlassFile::of(&root)));
    let digest = world.registry.image("team/app", "1", "app");
    let other = world.registry.image("team/app", "2", "other");
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let exception = format!("[[open]]\ndigest = \"{other}\"\nreason = \"outage\"\nuntil = {until}\n");
    std::fs::write(root.join("break-glass.toml"), exception).unwrap();
    sign_classic(&world.registry, "team/app", &digest, &p256());
    let resolutions = || world.registry.lines().iter().filter(|line| line.ends_with("/manifests/1")).count();
    assert_eq!(reason(&world, &world.image("team/app:1")).await.0, "verified");
    assert_eq!(resolutions(), 1);
    // The registry accepts the request and never answers it.
    world.registry.forget_requests();
    world.registry.hook(|_| Some(Scripted::status(200).body(Body::Hang)));
    assert_eq!(reason(&world, &world.image("team/app:1")).await.0, "timeout");
    assert_eq!(resolutions(), 1, "one limit for the whole pull");
}

#[tokio::test]
async fn a_running_pull_keeps_its_policy() {
    let world = World::builder().without_policy().start().await;
    world.set_policy(&policy(&world, &[RELEASE]));
    let digest = world.registry.image("team/app", "1", "app");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    let gate = Arc::clone(&world.daemon.gate);
    let denied = policy::load(&world.directory.path().join("denied"), "default = \"deny\"\n");
    // The registry loads another policy before it answers the first request of the pull.
    let denied = std::sync::Mutex::new(Some(denied));
    world.registry.hook(move |_| {
        if let Some(denied) = denied.lock().unwrap().take() {
            gate.set_policy(denied);
        }
        None
    });
    let image = world.image("team/app:1");
    assert_eq!(world.pull(&image).await.code, "0", "it began with a policy that admits it");
    assert_refused(&world.pull(&image).await, "denied-by-rule");
}
