//! `pullgate-signer sign`: its arguments, its output and its exit codes.

use std::io::Write as _;
use std::process::{Command, Stdio};

use pullgate::digest::Digest;
use serde_json::{Value, json};

use pullgate_test::registry::{INDEX, MANIFEST, Options, Registry, Scripted, index};
use pullgate_test::secrets;
use pullgate_test::signer::closed_key;

/// The result of a run.
struct Run {
    code: Option<i32>,
    reports: Vec<Value>,
    errors: String,
}

impl Run {
    fn results(&self) -> Vec<&str> {
        self.reports.iter().map(|report| report["result"].as_str().unwrap_or_default()).collect()
    }
}

async fn sign(arguments: &[&str], input: &str) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let key = closed_key(directory.path(), "p256").display().to_string();
    let mut command = Command::new(pullgate_test::programs::signer());
    command.arg("--config").arg(directory.path()).args(["sign", "--output", "json", "--key", &key]);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        secrets::wrote_output(&output);
        output
    });
    let output = output.await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let reports = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Run { code: output.status.code(), reports, errors: text(&output.stderr) }
}

fn is_signed(registry: &Registry, path: &str, digest: &Digest) -> bool {
    registry.tagged(path, &format!("sha256-{}.sig", digest.hex())).is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_tags_and_digests_are_signed() {
    let registry = Registry::start().await;
    let (one, two) = (registry.image("team/app", "1", "one"), registry.image("team/app", "2", "two"));
    let names = [format!("{}/team/app:1", registry.host()), format!("{}/team/app@{two}", registry.host())];
    let run = sign(&[&names[0], &names[1], "--dry-run"], "").await;
    assert_eq!((run.code, run.results()), (Some(0), vec!["would-sign"; 2]), "{}", run.errors);
    assert!(!is_signed(&registry, "team/app", &one), "a dry run changes nothing");
    let run = sign(&[&names[0], &names[1], "--layout", "classic"], "").await;
    assert_eq!((run.code, run.results()), (Some(0), vec!["signed"; 2]), "{}", run.errors);
    assert_eq!(run.reports[0]["digest"], one.as_str());
    assert_eq!(run.reports[1]["digest"], two.as_str());
    // Without a choice, in both layouts of cosign.
    let run = sign(&[&names[0], &names[1]], "").await;
    assert_eq!((run.code, run.results()), (Some(0), vec!["signed"; 2]), "{}", run.errors);
    assert_eq!(run.reports[0]["signatures"][0]["added"], false);
    assert_eq!(run.reports[0]["signatures"][1]["added"], true);
    let run = sign(&[&names[0], &names[1], "--layout", "both", "--dry-run"], "").await;
    assert_eq!((run.code, run.results()), (Some(0), vec!["already-signed"; 2]), "{}", run.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_does_not_stop_the_others() {
    let registry = Registry::start().await;
    registry.image("team/app", "1", "one");
    let name = |rest: &str| format!("{}/{rest}", registry.host());
    let list = format!("# images\n\n{}\nUPPER CASE\n{}\n", name("team/app:none"), name("team/app:1"));
    let run = sign(&["--from-file", "-", &name("team/none:1")], &list).await;
    assert_eq!(run.results(), ["failed", "failed", "failed", "signed"], "{}", run.errors);
    assert_eq!(run.code, Some(2), "one line is not an image name");
    assert!(run.reports[0]["advice"].as_str().unwrap().contains("name is right"), "{:?}", run.reports);
    assert!(run.errors.contains("1 signed, 0 already signed, 3 failed"), "{}", run.errors);
    // A closed port.
    let run = sign(&["127.0.0.1:1/team/app:1"], "").await;
    assert_eq!((run.code, run.results()), (Some(3), vec!["failed"]), "{}", run.errors);
    let run = sign(&["--from-file", "/nonexistent/list"], "").await;
    assert!(run.errors.contains("cannot read the list /nonexistent/list"), "{}", run.errors);
    assert_eq!(run.code, Some(2), "{}", run.errors);
    for wrong in [&["x:1", "-a", "no-value"][..], &[], &["--all-tags", "*/x"], &["x:1", "--tag", "v*"]] {
        assert_eq!(sign(wrong, "").await.code, Some(2), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recursive_signs_an_index_and_its_manifests() {
    let registry = Registry::start().await;
    let (one, two) = (registry.image("team/app", "1", "one"), registry.image("team/app", "2", "two"));
    let size = |tag: &str| registry.tagged("team/app", tag).unwrap().len();
    let entry = |digest: &Digest, size: usize, kind: &str| json!({ "mediaType": kind, "digest": digest.as_str(), "size": size });
    let inner = registry.manifest("team/app", INDEX, index(&[]));
    let absent = Digest::of(b"absent");
    let entries = [
        entry(&one, size("1"), MANIFEST),
        entry(&two, size("2"), MANIFEST),
        entry(&two, size("2"), MANIFEST),
        entry(&absent, 1, MANIFEST),
    ];
    let whole = registry.manifest("team/app", INDEX, index(&entries[..3]));
    registry.tag("team/app", "whole", &whole);
    let odd = registry.manifest("team/app", INDEX, index(&entries));
    registry.tag("team/app", "odd", &odd);
    let name = |tag: &str| format!("{}/team/app:{tag}", registry.host());
    assert_eq!(sign(&[&name("whole")], "").await.results(), ["signed"]);
    assert!(!is_signed(&registry, "team/app", &one));
    let run = sign(&[&name("whole"), "--recursive"], "").await;
    assert_eq!((run.code, run.results()), (Some(0), vec!["signed", "signed", "already-signed"]));
    assert!(is_signed(&registry, "team/app", &one) && is_signed(&registry, "team/app", &two));
    assert_eq!(run.reports[0]["index"], whole.as_str());
    let run = sign(&[&name("odd"), "--recursive"], "").await;
    let mut results = run.results();
    results.sort_unstable();
    assert_eq!(results, ["already-signed", "already-signed", "failed", "signed"]);
    assert_eq!(run.code, Some(1), "{}", run.errors);
    // No node admits an index in an index.
    let nested = registry.manifest("team/app", INDEX, index(&[entry(&inner, 1, INDEX)]));
    registry.tag("team/app", "nested", &nested);
    let run = sign(&[&name("nested"), "--recursive"], "").await;
    assert_eq!((run.code, run.results()), (Some(1), vec!["failed"]), "{}", run.errors);
    let error = run.reports[0]["error"].as_str().unwrap();
    assert!(error.contains("lists another index"), "{error}");
    assert!(!is_signed(&registry, "team/app", &nested) && !is_signed(&registry, "team/app", &inner));
    let many: Vec<Value> =
        (0..257).map(|number: u32| entry(&Digest::of(&number.to_be_bytes()), 1, MANIFEST)).collect();
    let many = registry.manifest("team/app", INDEX, index(&many));
    registry.tag("team/app", "many", &many);
    let run = sign(&[&name("many"), "--recursive"], "").await;
    assert_eq!((run.code, run.results()), (Some(1), vec!["failed"]), "{}", run.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_tags_signs_a_repository_and_those_below_it() {
    let registry = Registry::start().await;
    let mut inside = Vec::new();
    for (path, tag) in [
        ("shop", "1"),
        ("shop/web", "1"),
        ("shop/web", "2"),
        ("shop/web", "2-dev"),
        ("shop/db", "1"),
        ("shop/a/b", "1"),
    ] {
        inside.push((path, registry.image(path, tag, &format!("{path}:{tag}"))));
    }
    let outside =
        [("shopping", "1"), ("other/shop", "1")].map(|(path, tag)| (path, registry.image(path, tag, path)));
    let scope = format!("{}/shop", registry.host());
    let arguments = ["--all-tags", &scope, "--exclude-tag", "*-dev"];
    let run = sign(&arguments, "").await;
    assert_eq!((run.code, run.results()), (Some(0), vec!["signed"; 5]), "{}", run.errors);
    assert!(run.errors.contains("shop/web: 2 tags"), "progress: {}", run.errors);
    for (index, (path, digest)) in inside.iter().enumerate() {
        assert_eq!(is_signed(&registry, path, digest), index != 3, "{path}");
    }
    for (path, digest) in &outside {
        assert!(!is_signed(&registry, path, digest), "{path}");
    }
    // The signature tags, which exist now, are not images.
    let run = sign(&arguments, "").await;
    assert_eq!((run.code, run.results()), (Some(0), vec!["already-signed"; 5]), "{}", run.errors);
    let run = sign(&["--all-tags", &scope, "--tag", "2*"], "").await;
    let mut results = run.results();
    results.sort_unstable();
    assert_eq!((run.code, results), (Some(0), vec!["already-signed", "signed"]), "{}", run.errors);
    // A tag that does not resolve does not count as signed.
    for (scope, options, expected) in [
        (scope.clone(), &["--tag", "z*"][..], "no tag matches --tag and --exclude-tag"),
        (scope.clone(), &["--tag", "z*", "--dry-run"], "no tag matches --tag and --exclude-tag"),
        (format!("{}/nothere", registry.host()), &[], "no repository of this name or below it"),
        (
            format!("{}/shop/nothere", registry.host()),
            &["--tag", "z*"],
            "no repository of this name or below it",
        ),
    ] {
        let run = sign(&[&["--all-tags", &scope], options].concat(), "").await;
        assert_eq!((run.code, run.results()), (Some(1), vec!["failed"]), "{scope}: {}", run.errors);
        assert!(run.reports[0]["error"].as_str().unwrap().contains(expected), "{:?}", run.reports);
        assert_eq!(run.reports[0]["image"], scope.as_str());
    }
    // A registry without a catalog: a repository can be signed, a namespace cannot.
    registry.hook(|request| (request.uri.path() == "/v2/_catalog").then(|| Scripted::status(404)));
    let run = sign(&["--all-tags", &scope], "").await;
    assert_eq!((run.code, run.results()), (Some(0), vec!["already-signed"]), "{}", run.errors);
    assert!(run.errors.contains("cannot list"), "{}", run.errors);
    let run = sign(&["--all-tags", &format!("{}/other", registry.host())], "").await;
    assert_eq!((run.code, run.results()), (Some(1), vec!["failed"]), "{}", run.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_of_the_registry_are_explained() {
    let registry_error = |status: u16, code: &str, message: &str| {
        let body = json!({ "errors": [{ "code": code, "message": message }] }).to_string();
        let mut answer = Scripted::ok("application/json", body);
        answer.status = status;
        answer
    };
    for (answer, advice, code) in [
        (registry_error(403, "DENIED", "requested access to the resource is denied"), "log in", 1),
        (registry_error(403, "DENIED", "adding 5 MiB would exceed the project quota"), "quota", 1),
        (registry_error(405, "UNSUPPORTED", "read only"), "cache", 1),
        (registry_error(413, "", ""), "client_max_body_size", 1),
        (registry_error(400, "TAG_INVALID", "the tag is immutable"), "immutability", 1),
        (registry_error(412, "PRECONDITION", "configured as immutable"), "immutability", 1),
        (registry_error(400, "MANIFEST_INVALID", "no"), "--layout", 1),
        (registry_error(507, "", ""), "quota", 1),
    ] {
        let registry = Registry::with(Options::default()).await;
        registry.image("team/app", "1", "one");
        let refusal = answer.clone();
        registry.hook(move |request| {
            let writes = request.method == "PUT" && request.uri.path().contains("/manifests/");
            writes.then(|| refusal.clone())
        });
        let run = sign(&[&format!("{}/team/app:1", registry.host())], "").await;
        assert_eq!((run.code, run.results()), (Some(code), vec!["failed"]), "{answer:?} {}", run.errors);
        let found = run.reports[0]["advice"].as_str().unwrap_or_default();
        assert!(found.contains(advice), "{answer:?}: {found}");
    }
}

/// The exit code of a run with a key in a service or token.
async fn code_with(key: &str, image: &str) -> Option<i32> {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(pullgate_test::programs::signer());
    command.arg("--config").arg(directory.path()).args([
        "sign",
        "--algorithm",
        "ECDSA_SHA_256",
        "--key",
        key,
    ]);
    command.arg(image).env("VAULT_TOKEN", "hvs.pg5ECRET-token").stdin(Stdio::null());
    command.env("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAI").env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "pg5ECRET-key");
    tokio::task::spawn_blocking(move || command.output().unwrap().status.code()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(feature = "all-tests"), ignore = "takes long: `make test` runs it")]
async fn an_unreachable_key_is_not_a_usage_error() {
    let registry = Registry::start().await;
    let digest = registry.image("team/app", "1", "one");
    let image = format!("{}/team/app:1", registry.host());
    let kms = pullgate_test::kms::Kms::start("p256").await;
    let location = kms.location();
    // A closed port.
    let gone = |text: &str, host: &str| text.replace(host, "127.0.0.1:1");
    let host = kms.server.host();
    // KMS and Vault are retried until their timeout.
    let (kms_gone, vault_gone) =
        (gone(&location, &host), "vault://release?address=http://127.0.0.1:1".to_owned());
    let codes = tokio::join!(
        code_with(&kms_gone, &image),
        code_with(&vault_gone, &image),
        code_with("/nonexistent/key.pem", &image),
        code_with("alikms://x", &image),
    );
    assert_eq!(codes, (Some(3), Some(3), Some(2), Some(2)));
    assert!(!is_signed(&registry, "team/app", &digest));
    assert_eq!(code_with(&location, &image).await, Some(0));
    assert!(is_signed(&registry, "team/app", &digest));
}
