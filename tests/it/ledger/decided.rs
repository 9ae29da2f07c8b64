//! What evidence decides, and where it does not suffice.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate::ledger::{Complete, Evidence, Image, Place};
use pullgate::signature::Attachment;
use pullgate_test::policy::SECURITY;
use pullgate_test::registry::Registry;
use pullgate_test::signer::attach_classic;
use serde_json::json;

#[tokio::test]
async fn after_a_restart_no_network_is_needed() {
    let mut world = World::new().await;
    let (digest, id) = world.signed("team/app", "app");
    world.pull(&world.gate(), "team/app:1", &id).await.unwrap();
    let gate = world.gate();
    world.registry.forget_requests();
    let decision = world.check_present(&gate, &world.image("team/app:1"), &id).await.unwrap();
    assert_eq!(decision.digest(), Some(&digest));
    assert_eq!(decision.pinned(), Some(world.image(&format!("team/app@{digest}"))));
    let pinned = world.admit(&gate, &format!("team/app@{digest}")).await.unwrap();
    assert_eq!(pinned.digest(), Some(&digest));
    assert_eq!(world.registry.lines(), [""; 0], "no request was sent");
    // The tag is looked up, but the signatures are not.
    world.admit(&world.gate(), "team/app:1").await.unwrap();
    assert_eq!(world.registry.lines(), ["GET /v2/team/app/manifests/1"]);
    // The registry is gone. A tag is not resolved from evidence; present images still start.
    let (tagged, pinned) = (world.image("team/app:1"), world.image(&format!("team/app@{digest}")));
    let unknown = world.image("team/unknown:1");
    let gate = world.gate();
    world.node.registry = Registry::start().await;
    for (image, expected) in
        [(&tagged, "registry-unavailable"), (&pinned, "verified"), (&unknown, "registry-unavailable")]
    {
        assert_eq!(gate::reason(&gate, image).await, expected, "{image}");
    }
    assert_eq!(reason(&world.check_present(&gate, &tagged, &id).await), "verified");
    assert_eq!(reason(&world.check_present(&gate, &unknown, &config_of("unknown")).await), "not-verified");
}

#[tokio::test]
async fn a_present_image_is_admitted_by_id_under_its_own_name() {
    let world = World::new().await;
    let (digest, id) = world.signed("team/app", "app");
    let other = config_of("another image");
    let gate = world.gate();
    world.pull(&gate, "team/app:1", &id).await.unwrap();
    let known_as = |rest: &str| world.image(rest);
    let hexadecimal = id.hex();
    for (requested, id, names, expected) in [
        (known_as("team/app:1"), &id, vec![], "verified"),
        (known_as("team/app:any"), &id, vec![], "verified"),
        (known_as(&format!("team/app@{digest}")), &id, vec![], "verified"),
        (known_as(&format!("team/app@{}", Digest::of(b"x"))), &id, vec![], "not-verified"),
        // The same image under a name without a signature.
        (known_as("other/app:1"), &id, vec![known_as("other/app:1"), known_as("team/app:1")], "not-verified"),
        (known_as("elsewhere/app:1"), &id, vec![], "denied-by-rule"),
        (known_as("free/tool:1"), &id, vec![], "unsigned-allowed"),
        // `ctr` pointed the tag, or even the digest, to another image.
        (known_as("team/app:1"), &other, vec![known_as("team/app:1")], "not-verified"),
        (known_as("team/app:1"), &other, vec![known_as(&format!("team/app@{digest}"))], "not-verified"),
        (
            known_as(&format!("team/app@{digest}")),
            &other,
            vec![known_as(&format!("team/app@{digest}"))],
            "not-verified",
        ),
        // By id: evidence for any repository of the image counts.
        (id.to_string(), &id, vec![], "verified"),
        (hexadecimal.to_owned(), &id, vec![], "verified"),
        (hexadecimal[..8].to_owned(), &id, vec![], "verified"),
        (format!("sha256:{}", &hexadecimal[..8]), &id, vec![], "verified"),
        (hexadecimal[..8].to_owned(), &other, vec![known_as("team/app:1")], "denied-by-rule"),
        (other.to_string(), &other, vec![known_as("team/app:1")], "not-verified"),
        (other.to_string(), &other, vec![], "not-verified"),
        (other.to_string(), &other, vec![known_as("free/tool:1")], "unsigned-allowed"),
        (other.to_string(), &other, vec![known_as("elsewhere/tool:1")], "denied-by-rule"),
        ("Not A Name".to_owned(), &id, vec![], "invalid-reference"),
    ] {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let decided = gate.check_present(&requested, &present(id, &names), None).await;
        assert_eq!(reason(&decided), expected, "{requested} {names:?}: {decided:?}");
    }
    let nameless = Present { id: "sha256:short".to_owned(), ..Present::default() };
    assert_eq!(reason(&gate.check_present(&known_as("team/app:1"), &nameless, None).await), "not-verified");
}

#[tokio::test]
async fn a_recorded_name_that_looks_like_an_id_is_a_name() {
    let world = World::new().await;
    let (_, id) = world.signed("team/app", "app");
    let gate = world.gate();
    world.pull(&gate, "team/app:1", &id).await.unwrap();
    let prefix = &id.hex()[..8];
    let named = format!("docker.io/library/{prefix}:latest");
    assert_eq!(reason(&gate.check_present(prefix, &present(&id, &[]), None).await), "verified");
    assert_eq!(reason(&gate.check_present(prefix, &present(&id, &[&named]), None).await), "denied-by-rule");
}

#[tokio::test]
async fn evidence_is_evaluated_under_the_current_policy() {
    let world = World::new().await;
    let (digest, id) = world.signed("team/app", "app");
    let gate = world.gate();
    world.pull(&gate, "team/app:1", &id).await.unwrap();
    let name = world.image("team/app:1");
    let release = RELEASE;
    let security = SECURITY;
    // The key is revoked, here and after a restart.
    for gate in [&gate, &world.gate()] {
        world.set_policy(gate, &[Authenticator { name: "release", ..SECURITY }], r#"all = ["release"]"#, "");
        assert_eq!(reason(&world.check_present(gate, &name, &id).await), "no-valid-signature");
        world.set_policy(gate, &[release], r#"all = ["release"]"#, "");
        assert_eq!(reason(&world.check_present(gate, &name, &id).await), "verified");
    }
    // Stricter: one more signature is required. The evidence is kept, and only the missing part is fetched.
    let tight =
        |gate: &Gate| world.set_policy(gate, &[release, security], r#"all = ["release", "security"]"#, "");
    tight(&gate);
    assert_eq!(reason(&world.check_present(&gate, &name, &id).await), "not-enough-signatures");
    let signed = pullgate_test::signer::payload(&world.image("team/app"), &digest);
    let signature = Signer::of("p384", Algorithm::EcdsaSha384).sign(&signed);
    attach_classic(&world.registry, "team/app", &digest, &[(signed, signature)]);
    // The registry has only the new signature now, the ledger the old one.
    world.pull(&gate, &format!("team/app@{digest}"), &id).await.unwrap();
    assert_eq!(reason(&world.check_present(&gate, &name, &id).await), "verified");
    let again = world.gate();
    tight(&again);
    world.registry.forget_requests();
    assert_eq!(reason(&world.check_present(&again, &name, &id).await), "verified");
    assert_eq!(world.registry.lines(), [""; 0]);
    // The name is denied: earlier evidence does not help.
    world.set_policy(
        &gate,
        &[release],
        r#"all = ["release"]"#,
        "[[namespace]]\nscope = \"%HOST/team/app\"\ndeny = \"a test\"",
    );
    let decided = world.check_present(&gate, &name, &id).await;
    assert_eq!(reason(&decided), "denied-by-rule", "{decided:?}");
}

#[tokio::test]
async fn an_expired_key_ends_the_admissions_that_depend_on_it() {
    let world = World::new().await;
    let (_, id) = world.signed("team/app", "app");
    let gate = world.gate();
    world.pull(&gate, "team/app:1", &id).await.unwrap();
    let file = key_file("p256", "pub");
    for (window, expected) in [
        ("not-after = 2001-01-01T00:00:00Z", "key-not-valid-now"),
        ("not-before = 2999-01-01T00:00:00Z", "key-not-valid-now"),
        ("not-before = 2001-01-01T00:00:00Z", "verified"),
    ] {
        let root = world.directory.path().join("window");
        std::fs::create_dir_all(&root).unwrap();
        let text = format!(
            "default = \"deny\"\n[authenticator.release]\nalgorithm = \"ECDSA_SHA_256\"\n\
             keys = [{{ file = \"{}\", {window} }}]\n[[namespace]]\nscope = \"{}/team\"\nrequire = {{ all = [\"release\"] }}\n",
            file.display(),
            world.registry.host(),
        );
        std::fs::write(root.join("policy.toml"), text).unwrap();
        gate.set_policy(pullgate::config::load_policy(&root, jiff::Timestamp::now()).unwrap().policy);
        let decided = world.check_present(&gate, &world.image("team/app:1"), &id).await;
        assert_eq!(reason(&decided), expected, "{window}: {decided:?}");
    }
}

#[tokio::test]
async fn an_image_from_an_index_is_admitted_through_the_index() {
    let mut world = World::new().await;
    let (digest, id) = world.signed_index("team/app", "app");
    let gate = world.gate();
    world.pull(&gate, "team/app:1", &id).await.unwrap();
    let gate = world.gate();
    let name = world.image("team/app:1");
    assert_eq!(world.check_present(&gate, &name, &id).await.unwrap().digest(), Some(&digest));
    let elsewhere = config_of("app for another platform");
    assert_eq!(reason(&world.check_present(&gate, &name, &elsewhere).await), "not-verified");
    // The runtime has no manifest that leads to the image that it reports: nothing is linked.
    let gate = world.gate();
    world.pull(&gate, "team/app:1", &config_of("what is this")).await.unwrap();
    assert_eq!(reason(&world.check_present(&gate, &name, &config_of("what is this")).await), "not-verified");
    assert_eq!(reason(&world.check_present(&gate, &name, &id).await), "verified", "existing links stay");
}

#[tokio::test]
async fn a_lost_link_is_found_by_the_runtime_s_digest() {
    let world = World::new().await;
    let (digest, id) = world.signed("team/app", "app");
    world.pull(&world.gate(), "team/app:1", &id).await.unwrap();
    std::fs::remove_dir_all(world.ledger_directory().join("images")).unwrap();
    let gate = world.gate();
    let name = world.image("team/app:1");
    let known = [world.image(&format!("team/app@{digest}"))];
    assert_eq!(reason(&gate.check_present(&name, &present(&id, &[]), None).await), "not-verified");
    assert_eq!(reason(&gate.check_present(&name, &present(&id, &[&known[0]]), None).await), "verified");
    // Evidence for one repository does not count for another.
    let other = world.image("other/app:1");
    assert_eq!(reason(&gate.check_present(&other, &present(&id, &[&known[0]]), None).await), "not-verified");
}

/// An attacker who can write the ledger can write anything, with a correct checksum.
#[tokio::test]
async fn t31_forged_evidence_admits_nothing() {
    let mut world = World::new().await;
    let (digest, id) = world.signed("team/app", "app");
    let (index, of_index) = world.signed_index("team/multi", "multi");
    world.pull(&world.gate(), "team/app:1", &id).await.unwrap();
    world.pull(&world.gate(), "team/multi:1", &of_index).await.unwrap();
    let find = |path: &str, digest: &Digest| {
        let repository = pullgate::reference::Repository::parse(&world.image(path)).unwrap();
        let ledger = Ledger::open(&world.settings()).unwrap();
        Evidence::clone(&ledger.find(&Place { repository, digest: digest.clone() }).unwrap())
    };
    let (good, multi) = (find("team/app", &digest), find("team/multi", &index));
    let evil_config = config_of("evil");
    let evil: Bytes = manifest(&[], &evil_config, None);
    let evil_digest = Digest::of(&evil);
    let evil_image = Image { id: evil_config.clone(), manifest: None };
    let repository = |path: &str| pullgate::reference::Repository::parse(&world.image(path)).unwrap();
    let payload = pullgate_test::signer::payload(&world.image("team/app"), &evil_digest);
    let of_other_key = Attachment::SimpleSigning {
        place: String::new(),
        certificate: None,
        signature: {
            let signed = Signer::of("p384", Algorithm::EcdsaSha384).sign(&payload);
            STANDARD.encode(signed)
        },
        payload,
    };
    let forged = [
        (
            "an image that the document does not contain",
            Evidence { images: vec![evil_image.clone()], ..good.clone() },
            &evil_config,
        ),
        (
            "a document that does not match the digest",
            Evidence { images: vec![evil_image.clone()], document: evil.clone(), ..good.clone() },
            &evil_config,
        ),
        (
            "signatures of another digest",
            Evidence {
                digest: evil_digest.clone(),
                document: evil.clone(),
                images: vec![evil_image.clone()],
                ..good.clone()
            },
            &evil_config,
        ),
        (
            "a signature of another key",
            Evidence {
                digest: evil_digest.clone(),
                document: evil.clone(),
                images: vec![evil_image.clone()],
                attachments: vec![of_other_key],
                ..good.clone()
            },
            &evil_config,
        ),
        (
            "no signature",
            Evidence {
                digest: evil_digest.clone(),
                document: evil.clone(),
                images: vec![evil_image],
                attachments: vec![],
                ..good.clone()
            },
            &evil_config,
        ),
        (
            "signatures for another repository",
            Evidence { repository: repository("other/app"), ..good.clone() },
            &id,
        ),
        (
            "a manifest that the index does not list",
            Evidence {
                images: vec![Image { id: evil_config.clone(), manifest: Some(evil.clone()) }],
                ..multi.clone()
            },
            &evil_config,
        ),
        (
            "an index declared as a manifest",
            Evidence {
                media_type: MANIFEST.to_owned(),
                images: vec![Image { id: index.clone(), manifest: None }],
                ..multi.clone()
            },
            &index,
        ),
    ];
    for (what, evidence, id) in forged {
        let directory = tempfile::tempdir().unwrap();
        let settings = ledger::LedgerSettings::of(&directory.path().join("forged"));
        let name = format!("{}:1", evidence.repository);
        let place = evidence.place();
        Ledger::open(&settings).unwrap().keep(evidence);
        let ledger = Ledger::open(&settings).unwrap();
        assert!(ledger.find(&place).is_some() && ledger.places(id) == [place.clone()], "{what}: it is there");
        let gate = world.gate_with(ledger);
        let hint = format!("{}@{}", place.repository, place.digest);
        for requested in [name, id.to_string()] {
            let decided = gate.check_present(&requested, &present(id, &[&hint]), None).await;
            assert!(decided.is_err(), "{what}, {requested}: {decided:?}");
        }
    }
    // The forged entry delays a good pull only until the registry has answered.
    let ledger = Ledger::open(&world.settings()).unwrap();
    let gate = world.gate_with(ledger);
    assert_eq!(world.admit(&gate, "team/app:1").await.unwrap().digest(), Some(&digest));
}

#[tokio::test]
async fn a_pull_not_covered_by_evidence_asks_the_registry() {
    let world = World::new().await;
    let digest = world.registry.image("team/app", "1", "app");
    let gate = world.gate();
    assert!(world.admit(&gate, "team/app:1").await.is_err());
    assert!(entries(&world).is_empty(), "a refusal leaves no evidence");
    sign_classic(&world.registry, "team/app", &digest, &p256());
    // The gate that looked it up caches "no signature" for some seconds.
    let gate = world.gate();
    world.pull(&gate, "team/app:1", &config_of("app")).await.unwrap();
    assert_eq!(entries(&world).len(), 1);
}

#[tokio::test]
async fn a_pull_through_the_daemon_is_linked_by_the_runtime_s_content() {
    let mut world = World::new().await;
    let (digest, id) = world.signed_index("team/app", "app");
    let gate = &world.daemon.gate;
    world.set_policy(gate, &[RELEASE], r#"all = ["release"]"#, "");
    // The runtime has the index and, of its two images, the one for the node's platform.
    world.runtime.hold(&world.registry.tagged("team/app", "1").unwrap());
    world.runtime.hold(world.held.manifests.values().next().unwrap());
    let name = world.image("team/app:1");
    assert_eq!(reason(&world.check_present(gate, &name, &id).await), "not-verified");
    assert_eq!(world.node.pull(&name).await.code, "0");
    let decision = world.check_present(gate, &name, &id).await.unwrap();
    assert_eq!(decision.digest(), Some(&digest));
}

#[tokio::test]
async fn a_gpg_signature_in_evidence_is_evaluated_again_without_the_network() {
    let world = World::new().await;
    for (signature, keyring, expected) in [
        ("ed25519", "ed25519", "verified"),
        ("ed25519", "several", "verified"),
        ("ed25519", "nistp256", "unknown-key"),
        ("family-1", "family", "verified"),
        ("ending-signature", "ed25519", "signature-expired"),
        ("revoked", "not-yet-revoked", "verified"),
        ("revoked", "revoked", "key-revoked"),
    ] {
        let attachment = Attachment::Gpg {
            place: "lookaside signature-1".to_owned(),
            document: pullgate_test::signer::gpg(&format!("{signature}.signature")).into(),
        };
        let keyring = pullgate_test::signer::gpg_file(&format!("{keyring}.keyring.gpg"));
        let settings = format!("type = \"gpg\"\nkeyrings = [{keyring:?}]");
        assert_eq!(again(&world, attachment, &settings).await, expected, "{signature} by {keyring:?}");
    }
}

#[tokio::test]
async fn an_attestation_in_evidence_is_evaluated_again_without_the_network() {
    let world = World::new().await;
    let (digest, _) = noted_image();
    let signer = Signer::of("p256", Algorithm::EcdsaSha256);
    let by_key = pullgate_test::signer::occurrence("registry.example/team/app", &digest, &signer);
    let message = STANDARD.encode(pullgate_test::signer::gpg("armored.signature"));
    let by_gpg = json!({ "attestation": { "signatures": [{ "signature": message }] } });
    let keys = |name: &str, algorithm: &str| {
        let file = key_file(name, "pub");
        format!("type = \"attestor\"\nalgorithm = \"{algorithm}\"\nkeys = [{{ file = {file:?} }}]")
    };
    let keyring = |name: &str| {
        let file = pullgate_test::signer::gpg_file(&format!("{name}.keyring.gpg"));
        format!("type = \"attestor\"\nkeyrings = [{file:?}]")
    };
    for (document, settings, expected) in [
        (&by_key, keys("p256", "ECDSA_SHA_256"), "verified"),
        (&by_key, keys("p384", "ECDSA_SHA_384"), "no-valid-signature"),
        (&by_gpg, keyring("ed25519"), "verified"),
        (&by_gpg, keyring("nistp256"), "unknown-key"),
    ] {
        let (place, document) = ("grafeas occurrence 1".to_owned(), document.to_string().into());
        let attachment = Attachment::Grafeas { place, document };
        assert_eq!(again(&world, attachment, &settings).await, expected, "{settings}");
    }
}

/// The image that gpg signed, and the id of what the runtime makes of it.
fn noted_image() -> (Digest, Digest) {
    (Digest::of(&pullgate_test::signer::notation("manifest.json")), Digest::of(b"{}"))
}

/// The decision about [`noted_image`] on the node, whose evidence has this attachment, by an authenticator with these settings.
async fn again(world: &World, attachment: Attachment, settings: &str) -> String {
    let (digest, id) = noted_image();
    let image = world.image("team/app");
    let evidence = Evidence {
        repository: pullgate::reference::Repository::parse(&image).unwrap(),
        digest,
        media_type: MANIFEST.to_owned(),
        document: pullgate_test::signer::notation("manifest.json").into(),
        images: vec![Image { id: id.clone(), manifest: None }],
        attachments: vec![attachment],
        complete: Complete::No,
        names: vec![format!("{image}:1")],
        rule: String::new(),
        keys: Vec::new(),
        recorded: jiff::Timestamp::UNIX_EPOCH,
    };
    let directory = tempfile::tempdir().unwrap();
    let of_ledger = ledger::LedgerSettings::of(directory.path());
    Ledger::open(&of_ledger).unwrap().keep(evidence);
    let gate = gate::restarted(Ledger::open(&of_ledger).unwrap());
    let policy = format!(
        "default = \"deny\"\n[authenticator.signer]\n{settings}\n[[namespace]]\n\
         scope = {:?}\naliases = [\"registry.example/team\"]\nrequire = {{ all = [\"signer\"] }}\n",
        world.image("team")
    );
    gate.set_policy(policy::load(directory.path(), &policy));
    world.registry.forget_requests();
    let decided = world.check_present(&gate, &format!("{image}:1"), &id).await;
    assert_eq!(world.registry.lines(), [""; 0], "no request was sent");
    reason(&decided).to_owned()
}
