//! `pullgate trust fetch`, and the ends of trusted roots.

use std::path::Path;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use pullgate::config;
use pullgate::node::trust_roots;
use pullgate_test::registry::{Authority, Options, Registry, Scripted};
use pullgate_test::sigstore::Sigstore;
use pullgate_test::tuf::Repository;
use pullgate_test::{programs, secrets};
use serde_json::{Value, json};

/// Runs `pullgate trust fetch` with this pullgate.toml: its exit code and output.
async fn fetch(directory: &Path, text: &str, arguments: &[&str]) -> (Option<i32>, String) {
    std::fs::write(directory.join("pullgate.toml"), text).unwrap();
    let mut command = Command::new(programs::pullgate());
    command.arg("--config").arg(directory).args(["trust", "fetch"]).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    secrets::wrote_output(&output);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// A trusted root whose logs end then.
fn root_until(end: Timestamp) -> Value {
    let mut root = Sigstore::new().trusted_root();
    for log in root["tlogs"].as_array_mut().unwrap() {
        log["publicKey"]["validFor"]["end"] = json!(end.to_string());
    }
    root
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn trusted_roots_are_fetched_as_configured() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let authority = Authority::new();
    let tls = Options { tls: Some((authority.clone(), "127.0.0.1".to_owned())), ..Options::default() };
    let root = Sigstore::new().trusted_root().to_string();
    let repository = Repository::on(Registry::with(tls).await, &root);
    let files = Registry::start().await;
    let copied = repository.copy();
    files.hook(move |request| {
        let path = format!("/targets{}", request.uri.path());
        Some(copied.get(&path).cloned().unwrap_or_else(|| Scripted::status(404)))
    });
    std::fs::write(path.join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(path.join("root.json"), repository.root_json()).unwrap();
    std::fs::write(path.join("other.json"), "{}").unwrap();
    let (address, at) = (repository.server.host(), path.display());
    let good = format!(
        "[trust]\ndirectory = \"{at}/trust\"\nauthorities = [\"{at}/ca.pem\"]\n[[trust.repository]]\nname = \"own\"\n\
         url = \"https://{address}\"\nroot = \"{at}/root.json\"\n"
    );
    let without = good.replace(&format!("authorities = [\"{at}/ca.pem\"]"), "");
    for (about, text, code, expected) in [
        ("no CA", without, 3, "own: not refreshed".to_owned()),
        (
            "other root",
            good.replace("root.json", "other.json"),
            3,
            "the pinned root (`root`) is not a usable TUF root".to_owned(),
        ),
        (
            "other target",
            format!("{good}target = \"x.json\"\n"),
            3,
            "targets metadata does not list \"x.json\"".to_owned(),
        ),
        ("other address", good.replace(&address, &format!("{address}/x")), 3, "answered 404".to_owned()),
        (
            "no targets",
            format!("{good}targets-url = \"http://{}/x\"\n", files.host()),
            3,
            "answered 404".to_owned(),
        ),
        (
            "good",
            good.clone(),
            0,
            format!("own: {at}/trust/own.json was updated; reload the daemon to use it"),
        ),
        ("again", good.clone(), 0, format!("own: {at}/trust/own.json is up to date")),
        (
            "other name",
            good.replace("\"own\"", "\"other\""),
            0,
            format!("other: {at}/trust/other.json was updated"),
        ),
        (
            "other directory",
            good.replace("/trust\"", "/roots\""),
            0,
            format!("own: {at}/roots/own.json was updated"),
        ),
        (
            "files elsewhere",
            format!(
                "{}targets-url = \"http://{}\"\n",
                good.replace("\"own\"", "\"elsewhere\""),
                files.host()
            ),
            0,
            format!("elsewhere: {at}/trust/elsewhere.json was updated"),
        ),
    ] {
        let (found, output) = fetch(path, &text, &[]).await;
        assert!(found == Some(code) && output.contains(&expected), "{about}: {found:?} {output}");
    }
    for file in ["trust/own.json", "trust/other.json", "trust/elsewhere.json", "roots/own.json"] {
        assert_eq!(std::fs::read_to_string(path.join(file)).unwrap(), root, "{file}");
    }
    let (code, output) = fetch(path, &good, &["own", "--output", "json"]).await;
    let rows: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((code, &rows[0]["changed"], &rows[0]["root_version"]), (Some(0), &json!(false), &json!(1)));
    let (code, output) = fetch(path, &good, &["another"]).await;
    assert!(
        code == Some(2)
            && output
                .contains("no [[trust.repository]] has the name \"another\"; the configured names are own"),
        "{output}"
    );
    let (code, output) = fetch(path, "", &[]).await;
    assert!(code == Some(2) && output.contains("pullgate.toml has no [[trust.repository]]"), "{output}");
}

#[test]
pub(crate) fn the_notice_before_the_end_of_a_root_is_an_option() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let now = Timestamp::now();
    let end = now + SignedDuration::from_hours(20 * 24);
    std::fs::write(path.join("root.json"), root_until(end).to_string()).unwrap();
    let policy = "default = \"deny\"\n[authenticator.ci]\ntype = \"keyless\"\ntrust-root = \"root.json\"\n\
                  issuer = \"https://i.example\"\nsubject = \"https://s.example/a/b\"\n\
                  [[namespace]]\nscope = \"**\"\nrequire = { all = [\"ci\"] }\n";
    std::fs::write(path.join("policy.toml"), policy).unwrap();
    for (notice, warned) in [("", true), ("notice = \"19d\"", false), ("notice = \"21d\"", true)] {
        std::fs::write(path.join("pullgate.toml"), format!("[trust]\n{notice}\n")).unwrap();
        let (daemon, survey) = config::survey(path, now).unwrap();
        let loaded = survey.loaded.unwrap();
        let warnings = trust_roots::warnings(Some(&loaded.policy), &daemon.trust, now);
        let expected = format!(
            "trusted root root.json will not cover signatures made after {end}, when its last transparency log expires"
        );
        let told: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(told.iter().any(|line| line.contains(&expected)), warned, "{notice}: {told:?}");
        assert_eq!(warnings, if warned { vec![expected] } else { vec![] }, "{notice}");
        let roots = trust_roots::roots(&loaded.policy, &daemon.trust);
        assert_eq!(roots.len(), 1);
        assert_eq!((roots[0].file.as_str(), roots[0].end.clone()), ("root.json", Some(end.to_string())));
        assert_eq!(roots[0].what.as_deref(), Some("transparency log"));
        assert!(roots[0].authenticators.contains("ci") && roots[0].refresh.is_none());
    }
}

/// Of a repository that is not refreshed any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_that_has_expired_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mut repository = Repository::start(&Sigstore::new().trusted_root().to_string()).await;
    repository.root.expires = Timestamp::now() + SignedDuration::from_hours(24 * 365);
    repository.next_root(|_| ());
    std::fs::write(path.join("root.json"), repository.answer("/1.root.json").text()).unwrap();
    let at = path.display();
    let text = format!(
        "[trust]\ndirectory = \"{at}/trust\"\n[[trust.repository]]\nname = \"own\"\nurl = \"{}\"\nroot = \"{at}/root.json\"\n",
        repository.url()
    );
    std::fs::write(path.join("pullgate.toml"), &text).unwrap();
    let daemon = config::load_daemon(&path.join("pullgate.toml")).unwrap();
    let warnings = |hours| {
        let now = Timestamp::now() + SignedDuration::from_hours(hours);
        trust_roots::warnings(None, &daemon.trust, now).join("; ")
    };
    assert_eq!(warnings(0), "the trusted root own was never refreshed: `pullgate trust fetch` has not run");
    assert_eq!(fetch(path, &text, &[]).await.0, Some(0));
    assert_eq!(warnings(0), "");
    let late = warnings(25);
    assert!(late.starts_with("the metadata of the trusted root own expired at "), "{late}");
    assert!(late.ends_with(": `pullgate trust fetch` does not run regularly"), "{late}");
    repository.remove("/timestamp.json");
    assert_eq!(fetch(path, &text, &[]).await.0, Some(3));
    assert!(
        warnings(25).ends_with(": the repository answered 404 to the request for timestamp.json"),
        "{}",
        warnings(25)
    );
    // The root alone ends within the notice.
    repository.publish_next("{}");
    let root = repository.root.expires;
    for role in [&mut repository.timestamp, &mut repository.snapshot, &mut repository.targets] {
        role.expires = root + SignedDuration::from_hours(1);
        role.version += 1;
    }
    repository.publish(&Sigstore::new().trusted_root().to_string());
    assert_eq!(fetch(path, &text, &[]).await.0, Some(0));
    assert_eq!(warnings(24 * 334), "");
    assert!(warnings(24 * 336).starts_with("the root.json of the trust repository own expires at "));
}
