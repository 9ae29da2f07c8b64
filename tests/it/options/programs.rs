//! Programs that print credentials: kubelet's credential providers and docker's credential helpers, as real processes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use pullgate::gate::{AdmissionRequest, Explanation, Gate};
use pullgate::registry::Credentials;
use pullgate_test::registry::{Auth, Options};
use pullgate_test::signer::sign_classic;
use pullgate_test::world::World as Node;
use pullgate_test::{gate, secrets};

use super::{World, p256};

/// A response of a provider, in a shell's quotes.
fn response(fields: &str) -> String {
    format!(
        r#"{{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1",{fields}}}"#
    )
}

/// Prints a response with the right password for `host`.
fn good(host: &str, fields: &str) -> String {
    let auth = format!(r#""auth":{{"{host}":{{"username":"node","password":"pg5ECRET-node"}}}}"#);
    format!("cat <<'END'\n{}\nEND\n", response(&format!("{auth},{fields}")))
}

async fn private(auth: Auth) -> World {
    let options = Options { auth, referrers: true, ..Options::default() };
    let world = World(Node::builder().registry(options).without_policy().start().await);
    world.signed();
    world
}

fn basic() -> Auth {
    Auth::basic("node", "pg5ECRET-node")
}

impl World {
    /// A program that appends a line to `NAME.starts` before it runs `body`.
    ///
    /// A process of its own writes it: a file that this process writes could be open in a child of another test when it is
    /// to be executed ("text file busy").
    fn program(&self, name: &str, body: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        let text = format!("#!/bin/sh\necho >>'{}'\n{body}\n", self.starts_file(name).display());
        let write = format!("printf '%s' \"$TEXT\" >'{0}' && chmod 755 '{0}'", path.display());
        let written = Command::new("/bin/sh").args(["-c", &write]).env("TEXT", text).status().unwrap();
        assert!(written.success());
        path
    }

    fn starts_file(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.starts"))
    }

    fn starts(&self, name: &str) -> usize {
        std::fs::read_to_string(self.starts_file(name)).unwrap_or_default().lines().count()
    }

    /// A gate with this provider for the test registry.
    fn provided(&self, program: &Path, lines: &str) -> Gate {
        self.gate(&format!(
            "[[registry.credential-provider]]\ncommand = \"{}\"\nmatch-images = [\"{}\"]\n{lines}\n",
            program.display(),
            self.registry.host()
        ))
    }

    /// A gate with this helper for the test registry.
    fn helped(&self, program: &Path, lines: &str) -> Gate {
        self.gate(&format!(
            "[[registry.credential-helper]]\ncommand = \"{}\"\nhosts = [\"{}\"]\n{lines}\n",
            program.display(),
            self.registry.host()
        ))
    }

    async fn line(&self, gate: &Gate, rest: &str) -> String {
        let refusal = gate::admit(gate, &self.image(rest)).await.unwrap_err();
        let line = refusal.line().to_string();
        secrets::wrote("refusals", &line);
        line
    }
}

#[tokio::test]
pub(crate) async fn a_credential_provider_opens_the_registries_that_it_is_for() {
    for auth in [basic(), Auth::bearer(Some("node:pg5ECRET-node"))] {
        let world = private(auth).await;
        let program =
            world.program("provider", &good(&world.registry.host(), r#""cacheKeyType":"Registry""#));
        assert_eq!(world.verdict(&world.gate(""), "team/app:1").await, "registry-unauthorized");
        assert_eq!(world.verdict(&world.provided(&program, ""), "team/app:1").await, "verified");
        assert_eq!(world.starts("provider"), 1);
        let other = format!(
            "[[registry.credential-provider]]\ncommand = \"{}\"\nmatch-images = [\"*.example\", \"{}/other\"]\n",
            program.display(),
            world.registry.host()
        );
        assert_eq!(world.verdict(&world.gate(&other), "team/app:1").await, "registry-unauthorized");
        assert_eq!(world.starts("provider"), 1, "it is started only for its images");
    }
}

#[tokio::test]
async fn credentials_of_a_call_and_of_the_configuration_come_first() {
    let world = private(basic()).await;
    let program = world.program("provider", &good(&world.registry.host(), r#""cacheKeyType":"Registry""#));
    for (password, expected) in [("pg5ECRET-node", true), ("pg5ECRET-wrong", false)] {
        let credentials = Credentials::password("node", password);
        let question = AdmissionRequest { credentials, ..gate::request(&world.image("team/app:1")) };
        let gate = world.provided(&program, "");
        let admitted = gate.admit(&question, &mut Explanation::default()).await;
        assert_eq!(admitted.is_ok(), expected, "the call's own credentials count");
    }
    for (password, expected) in [("pg5ECRET-node", "verified"), ("pg5ECRET-wrong", "registry-unauthorized")] {
        let lines = format!(
            "[[registry.credential]]\nhost = \"{}\"\nusername = \"node\"\npassword-file = \"{}\"\n",
            world.registry.host(),
            secrets::file(world.directory.path(), "password", password).display()
        );
        assert_eq!(world.verdict(&world.provided(&program, &lines), "team/app:1").await, expected);
    }
    assert_eq!(world.starts("provider"), 0);
}

#[tokio::test]
pub(crate) async fn a_program_gets_its_own_arguments_and_environment() {
    let world = private(basic()).await;
    let seen = world.directory.path().join("seen");
    let body = format!(
        "cd '{}'\n{{ cat; echo; echo \"$# $1 $2\"; env | sort; }} >seen\nls -l /proc/self/fd >descriptors\npwd >>seen\n{}",
        world.directory.path().display(),
        good(&world.registry.host(), r#""cacheKeyType":"Registry""#)
    );
    let program = world.program("provider", &body);
    let host = world.registry.host();
    let lines = "args = [\"get credentials\", \"$HOME\"]\nenvironment = [\"ONE=1\", \"TWO=a=b c\"]";
    assert_eq!(world.verdict(&world.provided(&program, lines), "team/app:1").await, "verified");
    let text = std::fs::read_to_string(&seen).unwrap();
    let (request, rest) = text.split_once('\n').unwrap();
    let request: serde_json::Value = serde_json::from_str(request).unwrap();
    let expected = serde_json::json!({
        "kind": "CredentialProviderRequest",
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "image": format!("{host}/team/app"),
    });
    assert_eq!(request, expected);
    // dash sets PWD and OLDPWD itself.
    let own = |line: &&str| !["PATH=", "PWD=", "OLDPWD=", "_="].iter().any(|name| line.starts_with(name));
    let rest: Vec<&str> = rest.lines().filter(own).collect();
    let directory = world.directory.path().display().to_string();
    assert_eq!(rest, ["2 get credentials $HOME", "ONE=1", "TWO=a=b c", &directory]);
    let descriptors = std::fs::read_to_string(world.directory.path().join("descriptors")).unwrap();
    assert!(!descriptors.contains("socket:") && !descriptors.contains("anon_inode"), "{descriptors}");
    for version in ["v1", "v1beta1"] {
        let expected = if version == "v1" { "verified" } else { "registry-unauthorized" };
        let lines = format!("api-version = \"{version}\"");
        assert_eq!(world.verdict(&world.provided(&program, &lines), "team/app:1").await, expected);
    }
    let helper = "[ \"$1 $NAME\" = 'get value' ] || exit 3\necho '{\"Username\":\"node\",\"Secret\":\"pg5ECRET-node\"}'";
    let helper = world.program("helper", helper);
    for (name, expected) in [("NAME", "verified"), ("OTHER", "registry-unauthorized")] {
        let gate = world.helped(&helper, &format!("environment = [\"{name}=value\"]"));
        assert_eq!(world.verdict(&gate, "team/app:1").await, expected, "{name}");
    }
}

#[tokio::test]
pub(crate) async fn credentials_are_cached_as_the_program_says() {
    for (fields, lines, other, starts) in [
        (r#""cacheKeyType":"Registry""#, "", "team/two:1", 1),
        (r#""cacheKeyType":"Global""#, "", "team/two:1", 1),
        (r#""cacheKeyType":"Image""#, "", "team/app:1", 1),
        (r#""cacheKeyType":"Image""#, "", "team/two:1", 2),
        (r#""cacheKeyType":"Registry""#, "default-cache-duration = \"0s\"", "team/two:1", 4),
        (r#""cacheKeyType":"Registry","cacheDuration":"0s""#, "", "team/two:1", 4),
        (
            r#""cacheKeyType":"Registry","cacheDuration":"1h""#,
            "default-cache-duration = \"0s\"",
            "team/two:1",
            1,
        ),
    ] {
        let world = private(basic()).await;
        let two = world.registry.image("team/two", "1", "two");
        sign_classic(&world.registry, "team/two", &two, &p256());
        let program = world.program("provider", &good(&world.registry.host(), fields));
        let gate = world.provided(&program, lines);
        for image in ["team/app:1", other] {
            assert_eq!(world.verdict(&gate, image).await, "verified", "{fields} {lines} {image}");
        }
        // Without a cache, once for the tag and once for the signatures.
        assert_eq!(world.starts("provider"), starts, "{fields} {lines} {other}");
    }
    for (lines, starts) in [("", 1), ("cache-duration = \"0s\"", 2)] {
        let world = private(basic()).await;
        let program = world.program("helper", "echo '{\"Username\":\"node\",\"Secret\":\"pg5ECRET-node\"}'");
        assert_eq!(world.verdict(&world.helped(&program, lines), "team/app:1").await, "verified");
        assert_eq!(world.starts("helper"), starts, "{lines}");
    }
}

#[tokio::test]
async fn concurrent_pulls_start_one_program() {
    let world = private(basic()).await;
    let images: Vec<String> = (0..50).map(|number| format!("team/app{number}")).collect();
    for image in &images {
        let digest = world.registry.image(image, "1", image);
        sign_classic(&world.registry, image, &digest, &p256());
    }
    let body = format!("sleep 0.2\n{}", good(&world.registry.host(), r#""cacheKeyType":"Registry""#));
    let gate = Arc::new(world.provided(&world.program("provider", &body), ""));
    let mut pulls = tokio::task::JoinSet::new();
    for image in images {
        let (gate, image) = (Arc::clone(&gate), world.image(&format!("{image}:1")));
        pulls.spawn(async move { gate::reason(&gate, &image).await });
    }
    assert!(pulls.join_all().await.into_iter().all(|reason| reason == "verified"));
    assert_eq!(world.starts("provider"), 1);
}

/// The processes whose numbers a program wrote to a file, one a line.
fn processes(file: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|pid| Path::new("/proc").join(pid)).collect()
}

#[tokio::test]
pub(crate) async fn a_program_that_does_not_end_is_killed_with_what_it_started() {
    let world = private(basic()).await;
    let pids = world.directory.path().join("pids");
    let slow = format!("sleep 1000 & echo $$ >'{0}'; echo $! >>'{0}'; wait", pids.display());
    // It ends, and what it left behind would keep the output open.
    let left = format!("sleep 1000 >/dev/null & echo $$ >'{0}'; echo $! >>'{0}'; exit 4", pids.display());
    for (body, helper, reason) in [
        (&slow, false, "it did not end within 0.5 s"),
        (&slow, true, "it did not end within 0.5 s"),
        (&left, false, "it ended with exit code 4"),
    ] {
        let program = world.program("program", body);
        let lines = "timeout = \"500ms\"";
        let gate = if helper { world.helped(&program, lines) } else { world.provided(&program, lines) };
        let line = world.line(&gate, "team/app:1").await;
        assert!(
            line.contains(&format!("credential program {} failed: {reason}", program.display())),
            "{line}"
        );
        let [own, child] = &processes(&pids)[..] else { panic!("{body}: two processes") };
        let gone = async {
            // The program itself is reaped here; what it started is a zombie until the system's first process reaps it.
            let ended = |process: &PathBuf| {
                std::fs::read_to_string(process.join("stat")).is_ok_and(|stat| !stat.contains(") Z "))
            };
            while own.exists() || ended(child) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone).await.expect("all its processes have ended");
    }
}

#[tokio::test]
async fn a_program_that_fails_gives_no_credentials_and_no_secret_away() {
    let host = |world: &World| world.registry.host();
    type Body = Box<dyn Fn(&World) -> String>;
    let rows: Vec<(&str, Body, u32, &str)> = vec![
        (
            "exit code",
            Box::new(|_| "echo pg5ECRET-stderr >&2; echo pg5ECRET-stdout; exit 1".to_owned()),
            0o755,
            "it ended with exit code 1",
        ),
        ("signal", Box::new(|_| "kill -9 $$".to_owned()), 0o755, "a signal ended it"),
        (
            "endless",
            Box::new(|_| "yes pg5ECRET-endless".to_owned()),
            0o755,
            "its output is larger than 65536 bytes",
        ),
        ("garbage", Box::new(|_| "echo '{pg5ECRET'".to_owned()), 0o755, "its output is not JSON"),
        ("nothing", Box::new(|_| String::new()), 0o755, "its output is not JSON"),
        (
            "kind",
            Box::new(|_| "echo '{\"kind\":\"pg5ECRET\"}'".to_owned()),
            0o755,
            "its output is not a CredentialProviderResponse",
        ),
        (
            "version",
            Box::new(move |world| {
                good(&host(world), r#""cacheKeyType":"Image""#).replace("k8s.io/v1", "k8s.io/v2")
            }),
            0o755,
            "its output does not have the apiVersion that `api-version` sets",
        ),
        (
            "key type",
            Box::new(move |world| good(&host(world), r#""cacheKeyType":"pg5ECRET""#)),
            0o755,
            "its output has no valid cacheKeyType",
        ),
        (
            "writable",
            Box::new(move |world| good(&host(world), r#""cacheKeyType":"Image""#)),
            0o777,
            "is writable by its group or by everybody (mode 0777)",
        ),
        (
            "not executable",
            Box::new(move |world| good(&host(world), r#""cacheKeyType":"Image""#)),
            0o644,
            "is not executable",
        ),
    ];
    for (name, body, mode, expected) in rows {
        for auth in [basic(), Auth::Nothing] {
            let public = matches!(auth, Auth::Nothing);
            let world = private(auth).await;
            let program = world.program("provider", &body(&world));
            let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(mode);
            std::fs::set_permissions(&program, mode).unwrap();
            let gate = world.provided(&program, "");
            if public {
                assert_eq!(
                    world.verdict(&gate, "team/app:1").await,
                    "verified",
                    "{name}: the registry needs none"
                );
                continue;
            }
            let lines = [world.line(&gate, "team/app:1").await, world.line(&gate, "team/app:1").await];
            let expected = format!("; credential program {} failed: {expected}", program.display());
            assert!(lines[0].contains(&expected), "{name}: {}", lines[0]);
            assert_eq!(lines[0], lines[1], "{name}");
            assert!(!lines[0].contains(secrets::MARK), "{name}: {}", lines[0]);
            assert!(
                world.registry.requests().iter().all(|request| request.header("authorization").is_none())
            );
        }
    }
}

#[tokio::test]
async fn a_program_that_fails_is_not_started_for_each_image() {
    let world = private(basic()).await;
    let gate = world.provided(&world.program("provider", "exit 1"), "");
    for number in 0..5 {
        assert_eq!(world.verdict(&gate, &format!("team/app{number}:1")).await, "registry-unauthorized");
    }
    assert_eq!(world.starts("provider"), 1);
}

#[tokio::test]
pub(crate) async fn a_credential_helper_returns_a_password_or_an_identity_token() {
    let asked = |host: &str, fields: &str| {
        format!("[ \"$1 $(cat)\" = 'get {host}' ] || exit 3\necho '{{\"ServerURL\":\"{host}\",{fields}}}'")
    };
    let password = r#""Username":"node","Secret":"pg5ECRET-node""#;
    let token = r#""Username":"<token>","Secret":"pg5ECRET-identity""#;
    for (auth, fields, expected) in [
        (basic(), password, "verified"),
        (Auth::bearer(Some("node:pg5ECRET-node")), password, "verified"),
        (Auth::bearer(Some("pg5ECRET-identity")), token, "verified"),
        (Auth::bearer(Some("pg5ECRET-identity")), password, "registry-unauthorized"),
    ] {
        let world = private(auth).await;
        let program = world.program("helper", &asked(&world.registry.host(), fields));
        assert_eq!(world.verdict(&world.helped(&program, ""), "team/app:1").await, expected, "{fields}");
    }
    let world = private(basic()).await;
    let program = world.program("helper", "echo credentials not found in native keychain; exit 1");
    let line = world.line(&world.helped(&program, ""), "team/app:1").await;
    assert!(!line.contains("credential program"), "having no credentials is no failure: {line}");
    assert_eq!(world.starts("helper"), 1, "and is remembered");
    let other = format!(
        "[[registry.credential-helper]]\ncommand = \"{}\"\nhosts = [\"r.example\"]\n",
        program.display()
    );
    assert_eq!(world.verdict(&world.gate(&other), "team/app:1").await, "registry-unauthorized");
    assert_eq!(world.starts("helper"), 1);
}

#[tokio::test]
async fn that_a_helper_has_no_credentials_is_not_cached_for_long() {
    let world = private(basic()).await;
    let flag = world.directory.path().join("reachable");
    let body = format!(
        "[ -e '{}' ] || {{ echo credentials not found in native keychain; exit 1; }}\n\
         echo '{{\"Username\":\"node\",\"Secret\":\"pg5ECRET-node\"}}'",
        flag.display()
    );
    let gate = world.helped(&world.program("helper", &body), "cache-duration = \"1440m\"");
    for _ in 0..2 {
        assert_eq!(world.verdict(&gate, "team/app:1").await, "registry-unauthorized");
    }
    assert_eq!(world.starts("helper"), 1);
    std::fs::write(flag, "").unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    assert_eq!(world.verdict(&gate, "team/app:1").await, "verified");
}

#[tokio::test]
async fn a_provider_that_answers_for_images_fails_for_images() {
    let world = private(basic()).await;
    for image in ["team/two", "team/denied"] {
        let digest = world.registry.image(image, "1", image);
        sign_classic(&world.registry, image, &digest, &p256());
    }
    let answer = good(&world.registry.host(), r#""cacheKeyType":"Image""#);
    let program = world.program("provider", &format!("grep --quiet team/denied && exit 5\n{answer}"));
    let gate = world.provided(&program, "");
    for (image, expected, starts) in [
        ("team/app:1", "verified", 1),
        ("team/denied:1", "registry-unauthorized", 2),
        ("team/two:1", "verified", 3),
        ("team/denied:1", "registry-unauthorized", 3),
    ] {
        assert_eq!(world.verdict(&gate, image).await, expected, "{image}");
        assert_eq!(world.starts("provider"), starts, "{image}");
    }
}

#[tokio::test]
async fn lookups_at_other_registries_do_not_wait_for_a_program() {
    let (slow, other) = (private(basic()).await, private(Auth::Nothing).await);
    let wait = slow.directory.path().join("go");
    let body = format!(
        "while [ ! -e '{}' ]; do sleep 0.02; done\n{}",
        wait.display(),
        good(&slow.registry.host(), r#""cacheKeyType":"Registry""#)
    );
    let program = slow.program("provider", &body);
    // One lookup at a time.
    let lines = "timeout = \"1m\"\n[limits]\nconcurrent-pulls = 1\n";
    let gate = Arc::new(slow.provided(&program, lines));
    let pull = |image: String| {
        let gate = Arc::clone(&gate);
        tokio::spawn(async move { gate::reason(&gate, &image).await })
    };
    let first = pull(slow.image("team/app:1"));
    while slow.starts("provider") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(pull(other.image("team/app:1")).await.unwrap(), "verified");
    std::fs::write(wait, "").unwrap();
    assert_eq!(first.await.unwrap(), "verified");
}

/// The exit code and the output of the program with this gate's files.
async fn run(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullgate"));
    command.arg("--config").arg(world.etc()).args(arguments).stdin(Stdio::null());
    // The registry answers on this thread.
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    secrets::wrote_output(&output);
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code(), text.concat())
}

#[tokio::test]
async fn verify_uses_programs_too() {
    let world = private(Auth::bearer(Some("node:pg5ECRET-node"))).await;
    let program = world.program("provider", &good(&world.registry.host(), r#""cacheKeyType":"Registry""#));
    let broken = world.program("broken", "echo pg5ECRET-stderr >&2; exit 1");
    let ledger = format!("[ledger]\ndirectory = \"{}/evidence\"\n", world.directory.path().display());
    let image = world.image("team/app:1");
    for (program, admitted, expected) in [
        (None, false, "registry-unauthorized"),
        (Some(&broken), false, "broken failed: it ended with exit code 1"),
        (Some(&program), true, "verified"),
    ] {
        match program {
            Some(program) => drop(world.provided(program, &ledger)),
            None => drop(world.gate(&ledger)),
        }
        let (exit, text) = run(&world, &["verify", &image]).await;
        // 3: no decision was possible.
        assert_eq!(exit, Some(if admitted { 0 } else { 3 }), "{text}");
        assert!(text.contains(expected) && !text.contains(secrets::MARK), "{text}");
    }
}

#[tokio::test]
async fn nothing_of_a_program_is_left_when_the_pull_is_cancelled() {
    let world = private(basic()).await;
    let pids = world.directory.path().join("pids");
    let body = format!("echo $$ >'{}.new'; mv '{0}.new' '{0}'; sleep 1000", pids.display());
    let gate = world.provided(&world.program("provider", &body), "timeout = \"1m\"");
    let image = world.image("team/app:1");
    let pull = tokio::spawn(async move { gate::reason(&gate, &image).await });
    let until = |done: Box<dyn Fn() -> bool>| async move {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let written = pids.clone();
    let started = until(Box::new(move || written.exists()));
    tokio::time::timeout(Duration::from_secs(60), started).await.expect("the program starts");
    pull.abort();
    let process = processes(&pids).remove(0);
    let gone = until(Box::new(move || !process.exists()));
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the program is killed and reaped");
}
