//! The programs: `pullgate-signer policy push` and a daemon that follows.

use std::fs;
use std::path::PathBuf;

use http::HeaderMap;
use http_body_util::BodyExt as _;
use nix::sys::signal::Signal;
use prost::Message as _;
use pullgate::containerd::Upstream;
use pullgate_core::followed::{Content, Document, EMPTY_CONFIG, FilePath, Kind, Version, manifest};
use pullgate_test::proxy::call;
use pullgate_test::registry::{Options, Scripted};
use pullgate_test::runtime::framed;
use pullgate_test::signer::{attach_bundle, bundle, closed_key, key_file, sign_bundle};
use pullgate_test::world::{World, pull_request};
use pullgate_test::{programs, secrets};
use serde_json::Value;

use super::{PATH, SIGN, own};
use crate::serving::{Serving, command};

/// A registry, a runtime, and the directories of a node and of the machine that pushes.
struct Site {
    world: World,
}

/// What the daemon answers a pull of a signed and of an unsigned image with.
const ADMITTED: &str = "0";
const REFUSED: &str = "2";

impl Site {
    async fn start(follow: &str) -> Self {
        let options = Options { referrers: true, conditions: true, ..Options::default() };
        let site = Self { world: World::builder().registry(options).without_policy().start().await };
        for directory in ["etc/certs.d", "source/keys"] {
            fs::create_dir_all(site.at(directory)).unwrap();
        }
        fs::copy(key_file("p384", "pub"), site.at("source/keys/release.pub")).unwrap();
        site.configure(follow);
        for image in ["signed", "unsigned"] {
            site.world.registry.image(&format!("team/{image}"), "1", image);
        }
        let digest = site.digest("signed");
        let release = pullgate_test::signer::Signer::of("p384", pullgate::trust::Algorithm::EcdsaSha384);
        sign_bundle(&site.world.registry, "team/signed", &digest, &release);
        site
    }

    fn digest(&self, image: &str) -> pullgate::digest::Digest {
        pullgate::digest::Digest::of(&self.world.registry.tagged(&format!("team/{image}"), "1").unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.world.directory.path().join(name)
    }

    fn reference(&self, tag: &str) -> String {
        format!("{}/{PATH}:{tag}", self.world.registry.host())
    }

    fn configure(&self, follow: &str) {
        let text = format!(
            "[listen]\nsocket = {:?}\n[control]\nsocket = {:?}\n[runtime]\nsocket = {:?}\n[ledger]\ndirectory = {:?}\n\
             [registry]\nhosts = {:?}\n[limits]\nnegative-cache-ttl = \"0s\"\n\
             [follow]\npolicy = \"{}\"\nkeys = [{:?}]\ndirectory = {:?}\ninterval = \"1s\"\ndeny-list-interval = \"1s\"\n{}\n",
            self.at("serve.sock"),
            self.at("control.sock"),
            self.world.runtime.socket(),
            self.at("ledger"),
            self.at("etc/certs.d"),
            self.reference("stable"),
            key_file("ed25519", "pub"),
            self.at("follow"),
            follow.replace("%DENY", &self.reference("deny-list")),
        );
        fs::write(self.at("etc/pullgate.toml"), text).unwrap();
    }

    /// A policy that requires a signature for `team`.
    fn policy(&self) -> String {
        format!(
            "default = \"deny\"\n[authenticator.release]\nalgorithm = \"ECDSA_SHA_384\"\n\
             keys = [{{ file = \"keys/release.pub\" }}]\n\
             [[namespace]]\nscope = \"{}/team\"\nrequire = {{ all = [\"release\"] }}\n",
            self.world.registry.host()
        )
    }

    /// Runs `pullgate-signer policy …` with the key of the tests.
    fn push(&self, arguments: &[&str], key: &str) -> (Option<i32>, String) {
        let key = closed_key(self.world.directory.path(), key);
        let output = command(programs::signer(), &self.at("source"))
            .arg("policy")
            .args(arguments)
            .arg("--key")
            .arg(key)
            .output()
            .unwrap();
        secrets::wrote_output(&output);
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code(), format!("{out}{err}"))
    }

    fn push_policy(&self, version: u64, policy: &str) {
        fs::write(self.at("source/policy.toml"), policy).unwrap();
        let (reference, version) = (self.reference("stable"), version.to_string());
        let (code, output) = self.push(&["push", &reference, "--version", &version], "ed25519");
        assert_eq!(code, Some(0), "{output}");
        assert!(output.contains(&format!("version {version} pushed and signed, sha256:")), "{output}");
    }

    /// As [`Site::push_policy`], of what no `pullgate-signer` pushes.
    fn publish(&self, version: u64, policy: &str) {
        let content = Content {
            version: Version::new(version).unwrap(),
            references: [pullgate::reference::Reference::parse(&self.reference("stable")).unwrap()].into(),
            labels: [].into(),
            expires: None,
            files: [(FilePath::parse("policy.toml").unwrap(), policy.as_bytes().to_vec())].into(),
        };
        let document = Document::write(Kind::Policy, content).unwrap();
        let registry = &self.world.registry;
        let manifest = manifest(Kind::Policy, &document);
        registry.blob(PATH, document);
        registry.blob(PATH, bytes::Bytes::from_static(EMPTY_CONFIG.1));
        let digest = registry.manifest(PATH, pullgate_test::registry::MANIFEST, manifest);
        attach_bundle(registry, PATH, &digest, &bundle(&digest, SIGN, &own()));
        registry.tag(PATH, "stable", &digest);
    }

    /// The gRPC status of a pull.
    async fn pull(&self, image: &str) -> String {
        let message = pull_request(&self.world.image(&format!("team/{image}:1")));
        let client = Upstream::new(self.at("serve.sock"));
        let body = framed(&message.encode_to_vec());
        let response = call(&client, "/runtime.v1.ImageService/PullImage", HeaderMap::new(), body).await;
        let (head, body) = response.into_parts();
        let trailers = body.collect().await.unwrap().trailers().cloned().unwrap_or(head.headers);
        trailers["grpc-status"].to_str().unwrap().to_owned()
    }

    /// The JSON and the text of `pullgate status`.
    fn status(&self) -> (Value, String) {
        let run = |arguments: &[&str]| {
            let output = command(programs::pullgate(), &self.at("etc"))
                .arg("status")
                .args(arguments)
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        (serde_json::from_str(&run(&["--output", "json"])).unwrap_or_default(), run(&["--wide"]))
    }

    fn serve(&self) -> Serving {
        Serving::start(&self.at("etc"))
    }

    /// Waits until the followed document of this kind has this version.
    async fn wait_for_version(&self, serving: &Serving, kind: &str, version: u64) {
        let has = || {
            let (status, _) = self.status();
            let followed = status["followed"].as_array().cloned().unwrap_or_default();
            followed.iter().any(|it| it["kind"] == kind && it["version"] == version)
        };
        serving.wait_until(&format!("{kind} {version}"), has).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn a_pushed_policy_rules_and_outlives_its_registry() {
    let site = Site::start("").await;
    let serving = site.serve();
    serving.wait_for("serving").await;
    assert_ne!(site.pull("signed").await, ADMITTED, "{}", serving.log());
    assert!(
        serving.log().contains("has not been fetched yet, so every pull is refused"),
        "{}",
        serving.log()
    );
    site.push_policy(1, &site.policy());
    serving.wait_for("policy in force").await;
    assert_eq!(site.pull("signed").await, ADMITTED, "{}", serving.log());
    assert_eq!(site.pull("unsigned").await, REFUSED, "{}", serving.log());
    let (status, text) = site.status();
    let digest = status["followed"][0]["digest"].as_str().unwrap_or_default();
    assert!(text.contains(&format!("version 1 ({digest})")) && text.contains(" ago ("), "{text}");
    drop(serving);
    // The registry is gone, and the node starts.
    site.world.registry.hook(|_| Some(Scripted::status(503)));
    let serving = site.serve();
    serving.wait_for("policy in force").await;
    assert_eq!(site.status().0["followed"][0]["version"], 1);
    serving.wait_for("refresh failed: what was followed stays in force").await;
    // Other commands decide by the same policy.
    let explain = command(programs::pullgate(), &site.at("etc"))
        .args(["policy", "explain", &site.world.image("team/x:1")])
        .output()
        .unwrap();
    let explain = String::from_utf8(explain.stdout).unwrap();
    assert!(explain.contains("followed/policy.toml:"), "{explain}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn a_policy_that_does_not_load_changes_nothing() {
    let site = Site::start("").await;
    site.push_policy(1, &site.policy());
    let serving = site.serve();
    serving.wait_for("policy in force").await;
    // Broken, with a file of the node, and with the key of [follow].
    let release = format!(
        "default = \"deny\"\n[authenticator.a]\nalgorithm = \"ED25519\"\nkeys = [{{ pem = '''{}''' }}]\n",
        fs::read_to_string(key_file("ed25519", "pub")).unwrap()
    );
    let absolute = format!(
        "default = \"deny\"\n[authenticator.a]\nalgorithm = \"ECDSA_SHA_384\"\nkeys = [{{ file = {:?} }}]\n",
        key_file("p384", "pub")
    );
    for (version, policy, expected) in [
        (2, "default = \"maybe\"\n", "unknown value"),
        (3, &absolute, "file does not exist"),
        (4, &release, "has the signer of [follow]"),
    ] {
        site.publish(version, policy);
        serving.wait_for(expected).await;
        serving.wait_until("the failure", || site.status().0["policy"]["failure"] != Value::Null).await;
        let (status, _) = site.status();
        assert_eq!(
            (&status["followed"][0]["version"], &status["policy"]["generation"]),
            (&1.into(), &1.into())
        );
        assert_eq!(site.pull("signed").await, ADMITTED, "{}", serving.log());
    }
    // A reload with other local files counts, although the newest policy does not load.
    let host = site.world.registry.host();
    fs::write(
        site.at("etc/policy.toml"),
        format!(
            "default = \"allow-unsigned\"\ndefault-reason = \"the fleet decides\"\n\
             [[namespace]]\nscope = \"{host}/team/signed\"\ndeny = \"an incident\"\n"
        ),
    )
    .unwrap();
    serving.signal(Signal::SIGHUP);
    serving.wait_for("generation=2").await;
    assert_eq!(site.pull("signed").await, REFUSED, "{}", serving.log());
    site.push_policy(5, &site.policy());
    site.wait_for_version(&serving, "policy", 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn local_files_only_make_it_stricter() {
    let site = Site::start("").await;
    let host = site.world.registry.host();
    let policy = site.policy();
    let (deny, allow) = (
        format!("[[namespace]]\nscope = \"{host}/team/signed\"\ndeny = \"local\"\n"),
        format!(
            "[[namespace]]\nscope = \"{host}/team/unsigned\"\nallow = \"unsigned\"\nreason = \"local\"\n"
        ),
    );
    site.push_policy(1, &policy);
    for (local, signed, unsigned) in [
        ("default = \"deny\"\n".to_owned(), REFUSED, REFUSED),
        ("default = \"allow-unsigned\"\ndefault-reason = \"local\"\n".to_owned(), ADMITTED, REFUSED),
        (format!("default = \"allow-unsigned\"\ndefault-reason = \"local\"\n{deny}"), REFUSED, REFUSED),
        (format!("default = \"allow-unsigned\"\ndefault-reason = \"local\"\n{allow}"), ADMITTED, REFUSED),
        (
            format!("default = \"allow-unsigned\"\ndefault-reason = \"local\"\n{deny}mode = \"off\"\n"),
            ADMITTED,
            REFUSED,
        ),
    ] {
        fs::write(site.at("etc/policy.toml"), &local).unwrap();
        let serving = site.serve();
        serving.wait_for("policy in force").await;
        let found = (site.pull("signed").await, site.pull("unsigned").await);
        assert_eq!((found.0.as_str(), found.1.as_str()), (signed, unsigned), "{local}: {}", serving.log());
        drop(serving);
    }
    // Local files that do not load are no reason to do without them.
    fs::write(site.at("etc/policy.toml"), "default = \"maybe\"\n").unwrap();
    let serving = site.serve();
    serving.wait_for("no usable policy: every pull is refused").await;
    assert_ne!(site.pull("signed").await, ADMITTED, "{}", serving.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn a_deny_list_counts_within_its_interval_also_on_cached_verdicts() {
    let site = Site::start("deny-list = \"%DENY\"").await;
    site.push_policy(1, &site.policy());
    let (reference, file) = (site.reference("deny-list"), site.at("deny.toml"));
    let push = |version: &str, text: &str| {
        fs::write(&file, text).unwrap();
        let file = file.display().to_string();
        site.push(&["push-deny-list", &file, &reference, "--version", version], "ed25519")
    };
    assert_eq!(push("1", "[deny]\n").0, Some(0));
    let serving = site.serve();
    serving.wait_for("policy in force").await;
    assert_eq!(site.pull("signed").await, ADMITTED, "{}", serving.log());
    let digest = site.digest("signed");
    let (code, output) =
        push("2", &format!("[deny]\ndigests = [{{ digest = \"{digest}\", reason = \"stolen\" }}]\n"));
    assert_eq!(code, Some(0), "{output}");
    site.wait_for_version(&serving, "deny-list", 2).await;
    assert_eq!(site.pull("signed").await, REFUSED, "{}", serving.log());
    assert_eq!(push("3", "default = \"deny\"\n").0, Some(2), "a deny list is nothing else");
}

/// A policy that does not load must not delay a revocation, also after a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn a_deny_list_counts_although_the_newest_policy_does_not_load() {
    let site = Site::start("deny-list = \"%DENY\"").await;
    site.push_policy(1, &site.policy());
    let (reference, file) = (site.reference("deny-list"), site.at("deny.toml"));
    let push = |version: &str, text: &str| {
        fs::write(&file, text).unwrap();
        let file = file.display().to_string();
        let (code, output) =
            site.push(&["push-deny-list", &file, &reference, "--version", version], "ed25519");
        assert_eq!(code, Some(0), "{output}");
    };
    push("1", "[deny]\n");
    let serving = site.serve();
    serving.wait_for("policy in force").await;
    assert_eq!(site.pull("signed").await, ADMITTED, "{}", serving.log());
    site.publish(2, "default = \"maybe\"\n");
    serving.wait_for("unknown value").await;
    let digest = site.digest("signed");
    push("2", &format!("[deny]\ndigests = [{{ digest = \"{digest}\", reason = \"stolen\" }}]\n"));
    site.wait_for_version(&serving, "deny-list", 2).await;
    assert_eq!(site.pull("signed").await, REFUSED, "{}", serving.log());
    let (status, _) = site.status();
    let attention = status["attention"].to_string();
    assert!(attention.contains("is in force in version 1, but version 2 was seen"), "{status}");
    let stored =
        || fs::read_to_string(site.at("follow/deny-list.json")).is_ok_and(|text| text.contains("stolen"));
    serving.wait_until("it is stored", stored).await;
    drop(serving);
    site.world.registry.hook(|_| Some(Scripted::status(503)));
    let serving = site.serve();
    serving.wait_for("policy in force").await;
    assert_eq!(site.pull("signed").await, REFUSED, "{}", serving.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn what_is_not_refreshed_is_frozen_and_stays_in_force() {
    let site = Site::start("frozen-after = \"1s\"").await;
    site.push_policy(1, &site.policy());
    let serving = site.serve();
    serving.wait_for("policy in force").await;
    let manifest = format!("/v2/{PATH}/manifests/stable");
    site.world.registry.hook(move |request| (request.uri.path() == manifest).then(|| Scripted::status(503)));
    serving.wait_until("it is frozen", || site.status().0["followed"][0]["frozen"].is_string()).await;
    let (status, text) = site.status();
    assert!(text.contains("FROZEN"), "{text}");
    assert!(
        status["attention"].to_string().contains("is frozen: the last successful refresh was at"),
        "{status}"
    );
    assert_eq!(site.pull("signed").await, ADMITTED, "{}", serving.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_nodes_can_load_is_pushed() {
    let site = Site::start("").await;
    let reference = site.reference("stable");
    let push = |policy: &str, arguments: &[&str], key: &str| {
        fs::write(site.at("source/policy.toml"), policy).unwrap();
        site.push(&[&["push", &reference], arguments].concat(), key)
    };
    let absolute = site.policy().replace("keys/release.pub", &key_file("p384", "pub").display().to_string());
    let outside = site.policy().replace("keys/release.pub", "../secret.pub");
    fs::copy(key_file("p384", "pub"), site.at("secret.pub")).unwrap();
    let good = site.policy();
    for (name, policy, arguments, key, expected) in [
        ("does not load", "default = \"maybe\"\n", &["--version", "1"][..], "ed25519", "unknown value"),
        ("absolute path", &absolute, &["--version", "1"], "ed25519", "is not in its directory"),
        ("outside", &outside, &["--version", "1"], "ed25519", "is not in its directory"),
        (
            "release key",
            &good,
            &["--version", "1"],
            "p384",
            "authenticator release of the policy has this key",
        ),
        ("version 0", &good, &["--version", "0"], "ed25519", "write a number from 1 on"),
        ("no version", &good, &[], "ed25519", "--version"),
        ("label", &good, &["--version", "1", "--label", "edge"], "ed25519", "write a label"),
    ] {
        let (code, output) = push(policy, arguments, key);
        assert_eq!(code, Some(2), "{name}: {output}");
        assert!(output.contains(expected), "{name}: {output}");
        assert!(site.world.registry.tagged(PATH, "stable").is_none(), "{name}");
    }
    let (code, output) =
        push(&good, &["--version", "1", "--label", "pool=edge", "--expires-in", "30d"], "ed25519");
    assert_eq!(code, Some(0), "{output}");
}
