//! The program of the chart's pods. It runs as the chart renders it, with the volumes that kubelet would mount, on a directory
//! in place of a node. `pullgate policy` is the real one; `pullgate node` and systemctl of the node are recorded.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pullgate::trust::{Algorithm, PssSalt, PublicKey};
use pullgate_test::node::directory::{self, Directory};
use pullgate_test::node::process::{self, Daemon};
use pullgate_test::programs;
use pullgate_test::secrets::Secret;
use pullgate_test::signer::key_file;
use pullgate_test::vault::Vault;
use serde_json::Value;

use super::render::{NODE, find};

/// How long to watch that nothing happens: some rounds of the program.
const ROUNDS: Duration = Duration::from_secs(3);

const RELOAD: &str = "systemctl reload pullgate.service";
const RESTART: &str = "systemctl restart pullgate.service";

/// A directory in place of a node, and the volumes of a pod on it.
struct Node {
    directory: Directory,
    published: u32,
}

impl Node {
    fn new() -> Self {
        let node = Self { directory: Directory::new(), published: 0 };
        for name in ["host/etc", "host/run", "host/var/lib", "configuration", "chart", "state", "bin"] {
            fs::create_dir_all(node.path(name)).unwrap();
        }
        let record = node.path("record");
        let fail = node.path("fail");
        node.program(
            "pullgate",
            &format!(
                "[ \"$1\" = policy ] && exec '{}' \"$@\"\necho \"pullgate $*\" >>'{}'\n[ ! -e '{}' ]",
                programs::pullgate().display(),
                record.display(),
                fail.display()
            ),
        );
        // systemctl of the node: the daemon runs.
        let answer = "[ \"$2\" != is-active ] || { echo active; exit; }";
        node.program(
            "nsenter",
            &format!(
                "shift 5\necho \"$*\" >>'{}'\n{answer}\n[ ! -e '{}' ]",
                record.display(),
                fail.display()
            ),
        );
        node
    }

    fn program(&self, name: &str, body: &str) {
        let path = self.path("bin").join(name);
        directory::write(&path, format!("#!/bin/sh\n{body}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn etc(&self, name: &str) -> PathBuf {
        self.path("host/etc/pullgate").join(name)
    }

    fn ready(&self) -> bool {
        self.path("state/ready").exists()
    }

    /// The calls of `pullgate node` and systemctl so far.
    fn record(&self) -> Vec<String> {
        fs::read_to_string(self.path("record")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn count(&self, call: &str) -> usize {
        self.record().iter().filter(|line| line.as_str() == call).count()
    }

    fn installs(&self) -> usize {
        self.count(&format!("pullgate node install --root {}", self.path("host").display()))
    }

    /// Mounts the volumes that the chart renders, or replaces their content as kubelet does.
    fn publish(&mut self, arguments: &[&str]) {
        self.publish_with(arguments, &[]);
    }

    /// As [`Self::publish`], with files of another ConfigMap, which `configuration.sources` names.
    fn publish_with(&mut self, arguments: &[&str], sources: &[(&str, String)]) {
        let objects = NODE.render(arguments);
        let pod = &find(&objects, "DaemonSet", "pullgate")["spec"]["template"]["spec"];
        let data = &find(&objects, "ConfigMap", "pullgate")["data"];
        let volume =
            |name: &str| pod["volumes"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap();
        self.published += 1;
        self.mount("chart", &files(data, &volume("chart")["configMap"]["items"]));
        let volume = volume("configuration");
        let mut configuration = files(data, &volume["projected"]["sources"][0]["configMap"]["items"]);
        configuration.extend(sources.iter().map(|(path, text)| ((*path).to_owned(), text.clone())));
        self.mount("configuration", &configuration);
    }

    /// As kubelet's AtomicWriter: all files are links through one link, which is replaced. Everybody may write.
    fn mount(&self, volume: &str, files: &BTreeMap<String, String>) {
        let root = self.path(volume);
        let version = format!("..2026_{}", self.published);
        for (name, text) in files {
            let path = root.join(&version).join(name);
            let directory = path.parent().unwrap();
            fs::create_dir_all(directory).unwrap();
            fs::write(&path, text).unwrap();
            for (path, mode) in [(path.as_path(), 0o666), (directory, 0o777)] {
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            }
            let top = name.split('/').next().unwrap();
            if !root.join(top).exists() {
                let _ = symlink(format!("..data/{top}"), root.join(top));
            }
        }
        symlink(version, root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    }

    /// Starts the program of a pod. The host's /etc is a copy, in which there is a place for /etc/pullgate.
    fn start(&self, daemonset: &str) -> Daemon {
        let pod = &find(&NODE.render(&[]), "DaemonSet", daemonset)["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert_eq!(container["command"], serde_json::json!(["/bin/sh", "-c"]));
        let arguments: Vec<String> = container["args"].as_array().unwrap().iter().map(text).collect();
        let image = container["env"].as_array().unwrap().iter().find(|it| it["name"] == "IMAGE").unwrap();
        let etc = self.path("etc");
        let path = std::env::var("PATH").unwrap();
        Daemon::start(
            Path::new("unshare"),
            |command| {
                let copy = "cp -a /etc \"$0\" && mkdir -p \"$0/pullgate\" && mount --bind \"$0\" /etc && exec /bin/sh -c \"$@\"";
                command.args(["--mount", "/bin/sh", "-c", copy]).arg(etc).args(arguments);
                command.env("PATH", format!("{}:{path}", self.path("bin").display()));
                command.env("HOST", self.path("host")).env("CONFIGURATION", self.path("configuration"));
                command.env("CHART", self.path("chart")).env("STATE", self.path("state"));
                command.env("IMAGE", text(&image["value"])).env("INTERVAL", "0.2");
            },
            &self.path("log"),
        )
    }
}

/// The files that a list of keys and paths makes of a ConfigMap.
fn files(data: &Value, items: &Value) -> BTreeMap<String, String> {
    let items = items.as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    items.map(|item| (text(&item["path"]), text(&data[text(&item["key"])]))).collect()
}

/// The arguments for another policy than that of the values.
fn policy(text: &str) -> String {
    format!("configuration.files.policy\\.toml={}", text.replace(',', "\\,"))
}

#[test]
fn a_node_gets_what_the_chart_has() {
    let mut node = Node::new();
    node.publish(&["--set", "configuration.files.keys/old\\.pem=old"]);
    let mut pod = node.start("pullgate");
    pod.wait_until("ready", || node.ready().then_some(()));
    assert!(node.etc("keys/old.pem").exists());
    let rule = fs::read_to_string(node.etc("policy.d/50-pullgate-image.toml")).unwrap();
    assert!(rule.contains("scope = \"registry.example.com/platform/pullgate\""), "{rule}");
    for name in ["policy.toml", "keys/release.pem", "policy.d", "keys"] {
        let mode = fs::metadata(node.etc(name)).unwrap().mode() & 0o077;
        assert_eq!(mode, 0, "{name} is for root only");
    }
    assert!(node.installs() >= 1, "{:?}", node.record());

    // A changed policy is loaded; a file that the chart no longer has goes, one that is not the chart's stays.
    fs::write(node.etc("break-glass.toml"), "").unwrap();
    assert_eq!(node.count(RELOAD), 1);
    let open = policy("default = \"allow-unsigned\"\ndefault-reason = \"a test, of one line\"\n");
    node.publish(&["--set", &open]);
    pod.wait_until("reloading", || (node.count(RELOAD) == 2).then_some(()));
    pod.wait_until("without the old key", || (!node.etc("keys/old.pem").exists()).then_some(()));
    assert!(node.etc("break-glass.toml").exists());
    assert_eq!(node.count(RESTART), 0);

    // pullgate.toml needs a restart, which is tried until it succeeds.
    fs::write(node.path("fail"), "").unwrap();
    node.publish(&["--set", &open, "--set", "configuration.files.pullgate\\.toml=[gate]"]);
    pod.wait_until("restarting again", || (node.count(RESTART) > 1).then_some(()));
    assert!(!node.ready());
    fs::remove_file(node.path("fail")).unwrap();
    pod.wait_until("ready again", || node.ready().then_some(()));
}

/// The daemon accepts only files and directories that no other user can change.
#[test]
fn lists_and_roots_of_a_configmap_reach_the_node_as_files_of_root() {
    let mut node = Node::new();
    let fixture = |name: &str| {
        let path = pullgate_test::repository().join("tests/fixtures/notation/crl").join(name);
        fs::read_to_string(path).unwrap()
    };
    let text = "[authenticator.acme]\ntype = \"notation\"\nca = [\"../roots/acme.pem\"]\n\
        identities = [\"*\"]\ncrl = [\"../crl\"]\n[[namespace]]\nscope = \"registry.example.com/acme\"\n\
        require = { all = [\"acme\"] }\n";
    let sources = [
        ("policy.d/60-acme.toml", text.to_owned()),
        ("roots/acme.pem", fixture("ca.pem")),
        ("crl/acme.pem", fixture("list.pem")),
    ];
    node.publish_with(&[], &sources);
    let mut pod = node.start("pullgate");
    pod.wait_until("ready", || node.ready().then_some(()));
    for name in ["roots", "roots/acme.pem", "crl", "crl/acme.pem"] {
        let found = fs::symlink_metadata(node.etc(name)).unwrap();
        assert!(!found.is_symlink() && found.uid() == 0 && found.mode() & 0o077 == 0, "{name}: {found:?}");
    }
    // A list that is no list.
    let wrong = [sources[0].clone(), sources[1].clone(), ("crl/acme.pem", fixture("ca.pem"))];
    node.publish_with(&[], &wrong);
    pod.wait_until("not ready", || (!node.ready()).then_some(()));
    assert!(pod.log().contains("not a CRL"), "{}", pod.log());
    assert_eq!(fs::read_to_string(node.etc("crl/acme.pem")).unwrap(), fixture("list.pem"));
}

/// A key of a key service, which a new node does not have: the check fetches it to where the daemon looks for it.
#[test]
fn a_key_of_a_key_service_is_fetched_before_a_node_gets_its_policy() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let vault = runtime.block_on(Vault::start("p256", "ecdsa-p256", None));
    let pem = fs::read_to_string(key_file("p256", "pub")).unwrap();
    let key = PublicKey::from_pem(&pem, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
    let declared = |fingerprint: &str| {
        format!(
            "[authenticator.vault]\nalgorithm = \"ECDSA_SHA_256\"\n\
             keys = [{{ source = \"{}&version=2\", fingerprint = \"{fingerprint}\" }}]\n\
             [[namespace]]\nscope = \"registry.example.com/vault\"\nrequire = {{ all = [\"vault\"] }}\n",
            vault.location()
        )
    };
    let sources = |policy: String| {
        let settings = "[keys.vault]\ntoken-file = \"/etc/pullgate/vault.token\"\n".to_owned();
        let token = Secret::marked("hvs.pg5ECRET-token").as_str().to_owned();
        [("pullgate.toml", settings), ("vault.token", token), ("policy.d/60-vault.toml", policy)]
    };
    let mut node = Node::new();
    node.publish_with(&[], &sources(declared(&format!("sha256:{}", "0".repeat(64)))));
    let mut pod = node.start("pullgate");
    pod.wait_until("failing", || pod_failed(&node).then_some(()));
    assert!(vault.asked() > 0 && !node.etc("policy.toml").exists(), "{}", pod.log());
    node.publish_with(&[], &sources(declared(key.fingerprint())));
    pod.wait_until("ready", || node.ready().then_some(()));
    assert!(node.etc("policy.d/60-vault.toml").exists());
    let kept = directory::files(&node.path("host/var/lib/pullgate/keys"));
    assert_eq!(kept.len(), 1, "{kept:?}");
}

/// The installer ends between two files, as at a power cut, and the chart takes the first one back before the next round.
#[test]
fn a_file_that_was_written_when_the_installer_ended_does_not_stay() {
    let mut node = Node::new();
    // Before the start, because a shell remembers where programs are.
    let cut = node.path("cut");
    let body = format!(
        "/bin/mv \"$@\"\ncase $2:$(ls '{}') in *60-more.toml:?*)\n  \
         kill -9 \"$(sed -n 's/^PPid:[[:space:]]*//p' \"/proc/$PPID/status\")\" \"$PPID\" ;;\nesac",
        cut.display()
    );
    node.program("mv", &body);
    node.publish(&[]);
    let mut pod = node.start("pullgate");
    pod.wait_until("ready", || node.ready().then_some(()));
    fs::write(&cut, "").unwrap();
    let more =
        "[[namespace]]\nscope = \"registry.example.com/more\"\nallow = \"unsigned\"\nreason = \"a test\"\n";
    node.publish_with(&[], &[("policy.d/60-more.toml", more.to_owned())]);
    assert_eq!(pod.wait().code(), None, "it is killed: {}", pod.log());
    assert!(node.etc("policy.d/60-more.toml").exists());

    fs::remove_file(&cut).unwrap();
    fs::remove_file(node.path("state/ready")).unwrap();
    node.publish(&[]);
    let mut pod = node.start("pullgate");
    pod.wait_until("ready", || node.ready().then_some(()));
    assert!(!node.etc("policy.d/60-more.toml").exists());
    assert!(node.etc("policy.toml").exists());
}

#[test]
fn a_wrong_configuration_changes_nothing() {
    let (refusing, invalid) = (policy("default = \"deny\"\n"), policy("default = \"maybe\"\n"));
    for (case, wrong) in [
        // The rule for the pod's own image is the user's, and refuses it.
        ("it refuses the pod", ["--set", "image.admission=signed"]),
        ("it refuses an image that is expected to run", ["--set", refusing.as_str()]),
        ("it is not valid", ["--set", invalid.as_str()]),
    ] {
        let mut node = Node::new();
        node.publish(&wrong);
        let mut pod = node.start("pullgate");
        pod.wait_until("failing", || pod_failed(&node).then_some(()));
        process::wait(ROUNDS, || None::<()>);
        assert!(!node.etc("policy.toml").exists() && !node.ready(), "{case}: {}", pod.log());
        assert_eq!(node.record(), Vec::<String>::new(), "{case}: a node without a policy is not touched");

        // A node that was in order stays as it is, and is still checked.
        node.publish(&[]);
        pod.wait_until("ready", || node.ready().then_some(()));
        let good = fs::read(node.etc("policy.toml")).unwrap();
        node.publish(&wrong);
        pod.wait_until("not ready", || (!node.ready()).then_some(()));
        let before = node.installs();
        pod.wait_until("checking the node", || (node.installs() > before + 1).then_some(()));
        assert_eq!(fs::read(node.etc("policy.toml")).unwrap(), good, "{case}");
    }
}

fn pod_failed(node: &Node) -> bool {
    fs::read_to_string(node.path("log")).unwrap_or_default().contains("install failed; trying again")
}

/// While a new version rolls out: the pod with the old image writes the rule for the new one, but no longer installs.
#[test]
fn the_pod_of_an_old_version_only_admits_the_new_one() {
    let mut node = Node::new();
    node.publish(&[]);
    let mut pod = node.start("pullgate");
    pod.wait_until("ready", || node.ready().then_some(()));
    let digest = format!("sha256:{}", "2".repeat(64));
    node.publish(&["--set", &format!("image.digest={digest}")]);
    let rule = node.etc("policy.d/50-pullgate-image.toml");
    pod.wait_until("admitting the new image", || {
        fs::read_to_string(&rule).unwrap().contains(&digest).then_some(())
    });
    pod.wait_until("reloading", || (node.count(RELOAD) == 2).then_some(()));
    let before = node.installs();
    process::wait(ROUNDS, || None::<()>);
    assert_eq!(node.installs(), before);
    node.publish(&[]);
    pod.wait_until("installing again", || (node.installs() > before).then_some(()));
}

#[test]
fn the_clean_up_removes_what_the_chart_wrote() {
    let mut node = Node::new();
    node.publish(&[]);
    let mut pod = node.start("pullgate");
    pod.wait_until("ready", || node.ready().then_some(()));
    fs::write(node.etc("break-glass.toml"), "").unwrap();
    assert_eq!(pod.stop(), Some(0), "{}", pod.log());
    fs::remove_file(node.path("state/ready")).unwrap();

    fs::write(node.path("fail"), "").unwrap();
    let mut pod = node.start("pullgate-cleanup");
    let uninstall = format!("pullgate node uninstall --root {}", node.path("host").display());
    pod.wait_until("failing", || (node.count(&uninstall) > 1).then_some(()));
    assert!(node.etc("policy.toml").exists(), "the policy stays while the node enforces it");
    fs::remove_file(node.path("fail")).unwrap();
    pod.wait_until("ready", || node.ready().then_some(()));
    let left: Vec<PathBuf> = directory::files(&node.path("host/etc/pullgate"));
    assert_eq!(left, [node.etc("break-glass.toml")]);
    assert_eq!(pod.stop(), Some(0), "{}", pod.log());
}
