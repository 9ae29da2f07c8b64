//! What `pullgate-signer import containers` makes of a policy.json decides as the real skopeo does.

use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use pullgate::config::load_policy_text;
use pullgate_import::{self as import, Imported, Options};
use pullgate_test::node::environment;
use pullgate_test::registry::{MANIFEST, Registry, Scripted};

#[path = "../it/import/policy_json.rs"]
mod policy_json;

use policy_json::{HOSTS, KEYS, Name, compare};

const CONFIG: &str =
    r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{}}"#;
/// Its digest is [`policy_json::DIGEST`].
const IMAGE: &str = concat!(
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"#,
    r#""mediaType":"application/vnd.oci.image.config.v1+json","#,
    r#""digest":"sha256:7a19147749ce097f32b13072bccba494b5e717d4f23fbde50f7514059e109ad1","size":90},"layers":[]}"#
);

/// The policies that are compared, each by so many names.
const POLICIES: usize = 30;
const NAMES: usize = 16;

/// skopeo evaluates the policy for the name that it is asked for; the image is the same for every name and is unsigned. It says
/// in its log which scope decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decides_as_the_imported_policy() {
    let registry = Registry::start().await;
    registry.hook(|request| {
        let path = request.uri.path();
        Some(match path {
            _ if path.contains("/manifests/") => Scripted::ok(MANIFEST, IMAGE),
            _ if path.contains("/blobs/") => Scripted::ok("application/octet-stream", CONFIG),
            _ => Scripted::ok("application/json", "{}"),
        })
    });
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let location = registry.host();
    let hosts = HOSTS.map(|host| {
        format!("[[registry]]\nprefix = \"{host}\"\nlocation = \"{location}\"\ninsecure = true\n")
    });
    std::fs::write(directory.join("registries.conf"), hosts.concat()).unwrap();
    std::fs::create_dir(directory.join("registries.d")).unwrap();
    for (name, kind) in KEYS.iter().zip(["p256", "ed25519"]) {
        let key = pullgate_test::repository().join(format!("tests/fixtures/keys/throw-away-{kind}.pub.pem"));
        std::fs::copy(key, directory.join(format!("{name}.pub"))).unwrap();
    }
    let mut runner = TestRunner::deterministic();
    let (mut by_scope, mut admitted) = (0, 0);
    for _ in 0..POLICIES {
        let original = policy_json::policies().new_tree(&mut runner).unwrap().current();
        let document = original.document(&directory.display().to_string());
        std::fs::write(directory.join("policy.json"), &document).unwrap();
        let imported = imported(&document);
        let policy = load_policy_text(&imported.policy(), Timestamp::now()).unwrap().policy;
        for _ in 0..NAMES {
            let name = policy_json::names().new_tree(&mut runner).unwrap().current();
            let real = skopeo(directory, &name);
            assert_eq!(
                real.scope.as_deref(),
                original.deciding(&name),
                "{name:?} of {document}\n{}",
                real.log
            );
            let accepts = original.required(&name).is_some_and(<[_]>::is_empty);
            assert_eq!(real.accepts, accepts, "{name:?} of {document}\n{}", real.log);
            compare(&original, &imported, &policy, &name);
            by_scope += usize::from(real.scope.is_some());
            admitted += usize::from(real.accepts);
        }
    }
    // Otherwise little was compared.
    assert!(by_scope > POLICIES * NAMES / 10 && admitted > POLICIES * NAMES / 10, "{by_scope}, {admitted}");
}

fn imported(document: &str) -> Imported {
    let files = |path: &str| std::fs::read(path);
    import::containers(document.as_bytes(), &files, None, Options::default()).unwrap()
}

/// The decision of skopeo.
struct Decision {
    accepts: bool,
    scope: Option<String>,
    log: String,
}

fn skopeo(directory: &Path, name: &Name) -> Decision {
    let target = directory.join("image");
    let _ = std::fs::remove_dir_all(&target);
    let mut command = Command::new(environment::tool("skopeo"));
    command.args(["--debug", "--policy"]).arg(directory.join("policy.json"));
    command.arg("--registries-conf").arg(directory.join("registries.conf"));
    command.arg("--registries.d").arg(directory.join("registries.d"));
    command.args(["copy", "--src-tls-verify=false"]);
    command.arg(format!("docker://{}{}", name.repository, name.version));
    let output = command.arg(format!("dir:{}", target.display())).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    // level=debug msg=" Using transport \"docker\" specific policy section \"a.example\""
    let line = log.lines().find(|line| line.contains("policy section")).unwrap_or_else(|| panic!("{log}"));
    let scope = line.split("policy section ").nth(1).unwrap_or_default();
    let scope = scope.replace('\\', "").trim_matches('"').to_owned();
    let is_default = line.contains("Using default policy section");
    let accepts = output.status.success();
    let reasons = ["rejected by policy", "A signature was required"];
    assert!(accepts || reasons.iter().any(|reason| log.contains(reason)), "{log}");
    Decision { accepts, scope: (!is_default).then_some(scope), log }
}
