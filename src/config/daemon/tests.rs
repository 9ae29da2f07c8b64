use crate::tuf_client::TrustRepository;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use pullgate_test::schema::agrees;

use super::*;
use crate::reference::Reference;
use crate::registry::{CredentialProgram, CredentialProtocol, Environment, ImageGlob};

/// The schema says the same.
fn read(name: &str, text: &str) -> Result<DaemonConfig, Problems> {
    let read = super::read(name, text);
    agrees("daemon", text, read.as_ref().map(drop).map_err(ToString::to_string));
    read
}

const INSTALLED: &str = include_str!("../../../config/pullgate.toml");

#[test]
fn what_is_installed_are_the_defaults_and_all_of_them() {
    assert_eq!(read("x", INSTALLED), Ok(DaemonConfig::default()));
    assert_eq!(read("x", ""), Ok(DaemonConfig::default()));
}

#[test]
fn reads_what_is_set() {
    let config = read(
        "x",
        r#"
[listen]
socket = "/run/x.sock"
group = "kubelet"
[control]
socket = "/run/x-control.sock"
[runtime]
socket = "/run/k3s/containerd/containerd.sock"
[registry]
hosts = "/var/lib/certs.d:/etc/docker/certs.d"
containerd-config = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"
token-services = ["auth.example.com", "10.0.0.1:5001"]
wait-for-signature = "20s"
[gate]
image-status = "off"
checkpoint-restore = "allow"
unknown-methods = "allow"
pin-user-specified-image = true
sandbox-image = "registry.k8s.io/pause:3.10"
[scan]
interval = "10m"
remove-unused = true
[ledger]
directory = "/mnt/evidence"
max-entries = 100
max-bytes = "32MiB"
[trust]
notice = "45d"
directory = "/mnt/trust"
authorities = ["/etc/ca.pem"]
[[trust.repository]]
name = "own"
url = "https://tuf.example/"
targets-url = "https://files.example/a/"
root = "/etc/root.json"
target = "own.json"
[follow]
policy = "r.example/fleet/policy:stable"
deny-list = "r.example/fleet/policy:deny-list"
keys = ["/etc/pullgate/follow.pub"]
interval = "10m"
deny-list-interval = "2m"
frozen-after = "7d"
labels = ["pool=edge"]
directory = "/mnt/follow"
[metrics]
listen = "127.0.0.1:9464"
textfile = "/mnt/pullgate.prom"
textfile-interval = "1m"
[report]
enabled = false
max-rows = 100
keep = "7d"
interval = "10s"
[log]
format = "json"
level = "debug"
[limits]
manifest-bytes = 1048576
signature-max-size = "512 KiB"
attestation-max-size = "2 MiB"
signatures = 8
pull-timeout = "1m"
request-timeout = "500ms"
"#,
    )
    .unwrap();
    assert_eq!(config.listen.socket, Path::new("/run/x.sock"));
    assert_eq!((config.listen.group.as_deref(), config.listen.mode()), (Some("kubelet"), 0o660));
    assert_eq!(config.control.socket, Path::new("/run/x-control.sock"));
    assert_eq!(config.runtime.socket, Path::new("/run/k3s/containerd/containerd.sock"));
    let directories = ["/var/lib/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
    assert_eq!(config.registry.hosts.as_deref(), Some(&directories[..]));
    let containerd = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml";
    assert_eq!(config.registry.containerd_config, Path::new(containerd));
    assert_eq!(config.registry.wait_for_signature, Duration::from_secs(20));
    assert_eq!(config.registry.token_services, ["auth.example.com", "10.0.0.1:5001"]);
    let gate = CriSettings {
        image_status: false,
        checkpoint_restore: true,
        unknown_methods: true,
        pin_user_specified_image: true,
        sandbox_image: Some("registry.k8s.io/pause:3.10".to_owned()),
        ..CriSettings::default()
    };
    assert_eq!(config.gate, gate);
    assert_eq!(config.scan, Scan { interval: Some(Duration::from_secs(600)), remove_unused: true });
    assert_eq!(read("x", "[scan]\ninterval = \"off\"").unwrap().scan, Scan::default());
    assert_eq!(config.ledger.directory, Path::new("/mnt/evidence"));
    assert_eq!((config.ledger.max_entries, config.ledger.max_bytes), (100, 32 << 20));
    assert_eq!(config.trust.notice, Duration::from_secs(45 * 24 * 60 * 60));
    let follow = FollowSettings {
        policy: Reference::parse("r.example/fleet/policy:stable").ok(),
        deny_list: Reference::parse("r.example/fleet/policy:deny-list").ok(),
        keys: vec!["/etc/pullgate/follow.pub".into()],
        interval: Duration::from_secs(600),
        deny_list_interval: Duration::from_secs(120),
        frozen_after: Duration::from_secs(7 * 24 * 60 * 60),
        labels: vec!["pool=edge".to_owned()],
        directory: "/mnt/follow".into(),
        ..FollowSettings::default()
    };
    assert_eq!(config.follow, follow);
    assert_eq!(config.trust.directory, Path::new("/mnt/trust"));
    assert_eq!(config.trust.authorities, [PathBuf::from("/etc/ca.pem")]);
    let repository = TrustRepository {
        name: "own".to_owned(),
        url: "https://tuf.example".to_owned(),
        targets: Some("https://files.example/a".to_owned()),
        root: PathBuf::from("/etc/root.json"),
        target: "own.json".to_owned(),
    };
    assert_eq!(config.trust.repositories, [repository]);
    let metrics = Metrics {
        listen: Some(Address::Tcp("127.0.0.1:9464".parse().unwrap())),
        textfile: Some(PathBuf::from("/mnt/pullgate.prom")),
        textfile_interval: Duration::from_secs(60),
    };
    assert_eq!(config.metrics, metrics);
    let unix = read("x", "[metrics]\nlisten = \"unix:/run/m.sock\"").unwrap().metrics;
    assert_eq!(unix.listen, Some(Address::Unix(PathBuf::from("/run/m.sock"))));
    let report = Report {
        enabled: false,
        max_rows: 100,
        keep: Duration::from_secs(7 * 24 * 60 * 60),
        interval: Duration::from_secs(10),
    };
    assert_eq!(config.report, report);
    assert_eq!(config.log, Log { format: Format::Json, level: Level::DEBUG });
    assert_eq!(
        (config.limits.registry.manifest_bytes, config.limits.registry.signature_max_size),
        (1 << 20, 512 << 10)
    );
    assert_eq!((config.limits.registry.signatures, config.limits.registry.referrers), (8, 256));
    assert_eq!(config.limits.pull_timeout, Duration::from_secs(60));
    assert_eq!(config.limits.registry.request_timeout, Duration::from_millis(500));
    assert_eq!(read("x", "[listen]\nmode = 0o660").unwrap().listen.mode(), 0o660);
    assert_eq!(read("x", "[listen]\ngroup = \"a\"\nmode = \"0600\"").unwrap().listen.mode(), 0o600);
}

#[test]
fn credential_programs_are_read_in_the_order_in_which_they_are_asked() {
    let text = "[[registry.credential-helper]]\ncommand = \"/opt/helper\"\nhosts = [\"r.example:5000\"]\n\
                cache-duration = \"0s\"\n\
                [[registry.credential-provider]]\ncommand = \"/opt/provider\"\n\
                match-images = [\"*.dkr.ecr.*.amazonaws.com\", \"r.example/team\"]\nargs = [\"get\", \"\"]\n\
                environment = [\"A=b=c\"]\napi-version = \"v1beta1\"\ndefault-cache-duration = \"12h\"\ntimeout = \"1s\"\n";
    let images = |globs: &[&str]| globs.iter().map(|glob| ImageGlob::parse(glob).unwrap()).collect();
    let provider = CredentialProgram {
        command: PathBuf::from("/opt/provider"),
        arguments: vec!["get".to_owned(), String::new()],
        environment: Environment(vec![("A".to_owned(), "b=c".to_owned())]),
        timeout: Duration::from_secs(1),
        protocol: CredentialProtocol::Kubelet("v1beta1"),
        images: images(&["*.dkr.ecr.*.amazonaws.com", "r.example/team"]),
        cache_duration: Duration::from_secs(12 * 60 * 60),
    };
    let helper = CredentialProgram {
        command: PathBuf::from("/opt/helper"),
        arguments: vec!["get".to_owned()],
        environment: Environment::default(),
        timeout: Duration::from_secs(10),
        protocol: CredentialProtocol::Docker,
        images: images(&["r.example:5000"]),
        cache_duration: Duration::ZERO,
    };
    let config = read("x", text).unwrap();
    assert_eq!(config.registry.keyring.programs, [provider, helper]);
    assert!(!format!("{config:?}").contains("b=c"), "a variable may be a secret");
    for (text, expected) in [
        ("[[registry.credential-provider]]\ncommand = \"/a\"", "set `command` and `match-images`"),
        ("[[registry.credential-provider]]\ncommand = \"a\"\nmatch-images = [\"a\"]", "not an absolute path"),
        ("[[registry.credential-provider]]\ncommand = \"/a\"\nmatch-images = []", "write 1 to 64 entries"),
        (
            "[[registry.credential-provider]]\ncommand = \"/a\"\nmatch-images = [\"https://a\"]",
            "`match-images` matches no image",
        ),
        (
            "[[registry.credential-provider]]\ncommand = \"/a\"\nmatch-images = [\"a\"]\nenvironment = [\"hunter2\"]",
            "an entry of `environment` is not a variable",
        ),
        (
            "[[registry.credential-provider]]\ncommand = \"/a\"\nmatch-images = [\"a\"]\ntimeout = \"2m\"",
            "`timeout` is out of range",
        ),
        ("[[registry.credential-helper]]\nhosts = [\"a\"]", "set `command` and `hosts`"),
        ("[[registry.credential-helper]]\ncommand = \"/a\"\nhosts = [\"*.a\"]", "is not a host name"),
    ] {
        let problems = read("x", text).unwrap_err().to_string();
        assert!(problems.contains(expected) && !problems.contains("hunter2"), "{text}: {problems}");
    }
}

#[test]
fn sources_have_a_scope_and_a_place() {
    let text = "[[registry.signatures]]\nscope = \"r.example/team\"\nrepository = \"r.example/sigs\"\nimage = true\n\
                [[registry.signatures]]\nscope = \"r.example:5000\"\ndirectory = \"/sigs\"\n";
    let sources = read("x", text).unwrap().registry.sources;
    assert_eq!((sources[0].scope.as_str(), sources[0].image), ("r.example/team", true));
    assert_eq!(sources[0].repository.as_ref().unwrap().to_string(), "r.example/sigs");
    assert_eq!((sources[1].image, sources[1].directory.as_deref()), (false, Some(Path::new("/sigs"))));
    for scope in ["**", "docker.io", "docker.io/team", "docker.io/library/nginx"] {
        let text =
            format!("[[registry.signatures]]\nscope = \"{scope}\"\nlookaside = \"https://sigs.example\"\n");
        assert_eq!(read("x", &text).unwrap().registry.sources[0].scope, scope);
    }
    for (text, expected) in [
        ("scope = \"r.example\"", "names no source"),
        ("image = true", "has no `scope`"),
        ("scope = \"*.example\"\nimage = true", "`scope` is not a registry or repository"),
        ("scope = \"nginx\"\nimage = true", "`scope` is not a registry or repository"),
        ("scope = \"r.example\"\nimage = 1", "`image` is not a boolean"),
        ("scope = \"r.example\"\nrepository = \"r.example/a:1\"", "`repository` is not"),
        ("scope = \"r.example\"\ndirectory = \"sigs\"", "`directory` is not an absolute path"),
        (
            "scope = \"r.example\"\nlookaside = \"/sigs\"",
            "`lookaside` is not the address of a server or directory",
        ),
        (
            "scope = \"r.example\"\ngrafeas = \"https://grafeas.example\"",
            "`grafeas` is not the address of a project of Grafeas",
        ),
        (
            "scope = \"r.example\"\nimage = true\ngrafeas-token = \"/token\"",
            "`grafeas-token` has no effect without `grafeas`",
        ),
        (
            "scope = \"r.example\"\ngrafeas = \"http://g.example/v1/projects/p\"\ngrafeas-token = \"/token\"",
            "would be sent without TLS",
        ),
    ] {
        let said = read("x", &format!("[[registry.signatures]]\n{text}")).unwrap_err().to_string();
        assert!(said.contains(expected), "{text}: {said}");
    }
}

/// One of several instances.
const ACR: &str =
    "[[registry.acr]]\ninstance = \"i\"\nregion = \"r\"\nhosts = [\"a.example\"]\nram-role = \"x\"\n";

#[test]
fn there_may_be_several_instances_of_acr() {
    let text = format!("{ACR}{}", ACR.replace("a.example", "b.example").replace("\"r\"", "\"s\""));
    let instances = read("x", &text).unwrap().registry.keyring.acr;
    let told: Vec<_> = instances.iter().map(|acr| (acr.hosts[0].as_str(), acr.endpoint.as_str())).collect();
    let expected = [("a.example", "https://cr.r.aliyuncs.com"), ("b.example", "https://cr.s.aliyuncs.com")];
    assert_eq!(told, expected);
}

#[test]
fn credentials_are_names_of_closed_files() {
    let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
    let file = directory.path().join("password");
    fs::write(&file, "secret").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let shown = file.display();
    let text = format!(
        "[registry]\ndocker-config = \"{shown}\"\n\
         [[registry.credential]]\nhost = \"r.example:5000\"\nusername = \"u\"\npassword-file = \"{shown}\"\n\
         [registry.acr]\ninstance = \"cri-1\"\nregion = \"cn-hangzhou\"\nhosts = [\"a.cr.aliyuncs.com\"]\n\
         access-key-id = \"id\"\naccess-key-secret-file = \"{shown}\"\n"
    );
    let keyring = read("x", &text).unwrap().registry.keyring;
    assert_eq!(keyring.docker_config.as_deref(), Some(file.as_path()));
    assert_eq!(
        (keyring.credentials[0].host.as_str(), &keyring.credentials[0].password_file),
        ("r.example:5000", &file)
    );
    let [acr] = &keyring.acr[..] else { panic!("{:?}", keyring.acr) };
    assert_eq!(acr.endpoint, "https://cr.cn-hangzhou.aliyuncs.com");
    assert_eq!(
        acr.identity,
        crate::alibaba::Identity::Key { id: "id".to_owned(), secret_file: file.clone() }
    );
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let said = read("x", &text).unwrap_err().to_string();
    assert_eq!(said.matches("its mode 0644 gives other users access").count(), 3, "{said}");
    assert!(!said.contains("is incomplete"), "they are: {said}");
    for (text, expected) in [
        ("[[registry.credential]]\nhost = \"r.example\"", "x:1:1: [[registry.credential]] is incomplete"),
        ("[[registry.credential]]\nhost = \"*.example\"", "is not a host name"),
        ("[registry]\ncredential = 1", "`credential` is an integer"),
        ("[registry.acr]\nregion = \"a/b\"", "`region` is not a name"),
        (
            "[registry.acr]\ninstance = \"i\"\nregion = \"r\"\nhosts = [\"a.example\"]",
            "[[registry.acr]] is incomplete",
        ),
        ("[registry.acr]\nhosts = []", "`hosts` has 0 entries\n  hint: write 1 to 16 entries"),
        ("[registry]\nacr = 1", "`acr` is an integer"),
        ("[[registry.acr]]\ninstance = \"i\"", "x:1:1: [[registry.acr]] is incomplete"),
        (&format!("{ACR}{ACR}"), "`a.example` is listed in more than one [[registry.acr]]"),
        (&ACR.repeat(65), "more than 64 times [[registry.acr]]"),
    ] {
        let said = read("x", text).unwrap_err().to_string();
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn says_what_is_wrong() {
    for (text, expected) in [
        (
            "[listn]",
            "x:1:2: unknown key `listn` in the file\n  hint: did you mean `listen`? Known are `listen`, `control`, `runtime`, `registry`, `gate`, `scan`, `ledger`, `keys`, `trust`, `follow`, `metrics`, `report`, `log`, `limits`",
        ),
        ("listen = 1", "x:1:10: [listen] is an integer\n  hint: the value must be a table"),
        (
            "[listen]\nsocket = \"run/x.sock\"",
            "x:2:10: `socket` is not an absolute path\n  hint: write an absolute path, which begins with `/`",
        ),
        (
            "[runtime]\nsocket = \"unix:///run/x.sock\"",
            "x:2:10: `socket` is not an absolute path\n  hint: write only the path, without a scheme such as `unix://`",
        ),
        (
            "[listen]\nmode = \"0666\"",
            "x:2:8: `mode` is not an allowed mode for this socket\n  hint: write \"0600\", or for a group \"0660\" or \"0620\", because a caller needs write permission to connect",
        ),
        (
            "[listen]\nmode = 600",
            "x:2:8: `mode` is not an allowed mode for this socket\n  hint: write \"0600\", or for a group \"0660\" or \"0620\", because a caller needs write permission to connect",
        ),
        (
            "[ledger]\ndirectory = \"var\"\nmax-entries = 1\nmax-bytes = \"1KiB\"\nmax-age = 1",
            "x:2:13: `directory` is not an absolute path\n  hint: write an absolute path, which begins with `/`\nx:3:15: `max-entries` is out of range\n  hint: write a value from 16 to 4000000; the default is 10000\nx:4:13: `max-bytes` is out of range\n  hint: write a value from 16MiB to 65536MiB; the default is 256MiB\nx:5:1: unknown key `max-age` in [ledger]\n  hint: known are `directory`, `max-entries`, `max-bytes`",
        ),
        (
            "[listen]\ngroup = \"\"",
            "x:2:9: `group` is not the name of a group\n  hint: write the name of a group in /etc/group",
        ),
        (
            "[gate]\nimage-status = \"on\"",
            "x:2:16: unknown value `on` for `image-status`\n  hint: known are `enforce`, `off`",
        ),
        (
            "[control]\nsocket = \"control.sock\"",
            "x:2:10: `socket` is not an absolute path\n  hint: write an absolute path, which begins with `/`",
        ),
        (
            "[control]\nsocket = \"/run/pullgate/pullgate.sock\"",
            "x:1:1: [control] and [listen] have the same `socket`\n  hint: use two different paths; kubelet connects to the socket in [listen]",
        ),
        (
            "[runtime]\nsocket = \"/run/pullgate/pullgate.sock\"\nimage-socket = \"/run/pullgate/control.sock\"",
            "x:1:1: `image-socket` in [runtime] is the `socket` of [control]\n  hint: write the socket of the runtime, because pullgate must not call itself\nx:1:1: `socket` in [runtime] is the `socket` of [listen]\n  hint: write the socket of the runtime, because pullgate must not call itself",
        ),
        (
            "[gate]\ncheckpoint-restore = true",
            "x:2:22: `checkpoint-restore` is a boolean\n  hint: the value must be a string",
        ),
        (
            "[gate]\nsandbox-image = \"Pause\"",
            "x:2:17: `sandbox-image` is not the name of an image\n  hint: write it as containerd's configuration does, such as \"registry.k8s.io/pause:3.10\"",
        ),
        (
            "[scan]\ninterval = \"1ms\"",
            "x:2:12: `interval` is neither \"off\" nor a time in range\n  hint: write \"off\", or a string such as \"60m\", from 1s to 1440m",
        ),
        (
            "[gate]\npin-user-specified-image = \"yes\"",
            "x:2:28: `pin-user-specified-image` is not a boolean\n  hint: write true or false",
        ),
        (
            "[registry]\nhosts = \"/a:b\"",
            "x:2:9: `hosts` is not a list of absolute paths\n  hint: write absolute paths with `:` between them, as in containerd's config_path",
        ),
        (
            "[registry]\ntoken-services = [\"https://auth.example.com\"]",
            "x:2:19: `token-services` is not a host name\n  hint: write it as `registry.example.com`, or with its port, without `https://` and without `*`",
        ),
        (
            "[registry]\nwait-for-signature = \"2m\"",
            "x:2:22: `wait-for-signature` is out of range\n  hint: write a value from 0s to 1m; the default is 0s",
        ),
        (
            "[metrics]\nlisten = \"0.0.0.0:9464\"",
            "x:2:10: `listen` is not an address that only this node can reach\n  hint: write a loopback address with a port, as in \"127.0.0.1:9464\" or \"[::1]:9464\", or \"unix:/path\"",
        ),
        (
            "[metrics]\nlisten = \"127.0.0.1:0\"",
            "x:2:10: `listen` is not an address that only this node can reach\n  hint: write a loopback address with a port, as in \"127.0.0.1:9464\" or \"[::1]:9464\", or \"unix:/path\"",
        ),
        (
            "[metrics]\nlisten = \"unix:metrics.sock\"",
            "x:2:10: `listen` is not an address that only this node can reach\n  hint: write a loopback address with a port, as in \"127.0.0.1:9464\" or \"[::1]:9464\", or \"unix:/path\"",
        ),
        (
            "[metrics]\nlisten = \"unix:/run/pullgate/control.sock\"",
            "x:1:1: `listen` in [metrics] is the `socket` of [control]\n  hint: use another path for metrics",
        ),
        (
            "[metrics]\ntextfile = \"/var/lib/metrics/pullgate.txt\"",
            "x:2:12: `textfile` does not end in `.prom`\n  hint: end it in `.prom`: node_exporter reads no other files",
        ),
        (
            "[log]\nlevel = \"warning\"",
            "x:2:9: unknown value `warning` for `level`\n  hint: known are `error`, `warn`, `info`, `debug`, `trace`",
        ),
        (
            "[log]\nformat = \"jsn\"",
            "x:2:10: unknown value `jsn` for `format`\n  hint: did you mean `json`? Known are `text`, `json`",
        ),
        (
            "[limits]\npull_timeout = \"1m\"",
            "x:2:1: unknown key `pull_timeout` in [limits]\n  hint: did you mean `pull-timeout`? Known are `pull-timeout`, `tag-record-timeout`, `connections`, `manifest-bytes`, `signature-max-size`, `attestation-max-size`, `signatures`, `referrers`, `request-timeout`, `concurrent-pulls`, `signatures-total-size`, `referrer-pages`, `redirects`, `header-bytes`, `token-bytes`, `connect-timeout`, `retries`, `retry-wait`, `negative-cache-ttl`, `max-requests-per-host`, `queue-timeout`, `max-retry-after`, `memory`",
        ),
        (
            "[limits]\npull-timeout = 60",
            "x:2:16: `pull-timeout` is not a text such as \"500ms\", \"15s\" or \"2m\"\n  hint: write a value from 1s to 10m; the default is 2m",
        ),
        (
            "[limits]\npull-timeout = \"1w\"",
            "x:2:16: `pull-timeout` is not a text such as \"500ms\", \"15s\" or \"2m\"\n  hint: write a value from 1s to 10m; the default is 2m",
        ),
        (
            "[limits]\npull-timeout = \"11m\"",
            "x:2:16: `pull-timeout` is out of range\n  hint: write a value from 1s to 10m; the default is 2m",
        ),
        (
            "[limits]\nmanifest-bytes = \"1GiB\"",
            "x:2:18: `manifest-bytes` is neither a number of bytes nor a string such as \"512KiB\" or \"4MiB\"\n  hint: write a value from 64KiB to 16MiB; the default is 4MiB",
        ),
        (
            "[limits]\nsignatures = 0",
            "x:2:14: `signatures` is out of range\n  hint: write a value from 1 to 1024; the default is 64",
        ),
        (
            "[limits]\nsignatures = -1",
            "x:2:14: `signatures` is out of range\n  hint: the value must be zero or a positive number",
        ),
        (
            "[limits]\nsignatures = \"8\"",
            "x:2:14: `signatures` is not a whole number\n  hint: write a value from 1 to 1024; the default is 64",
        ),
        (
            "[limits]\npull-timeout = \"10s\"",
            "x:1:1: `request-timeout` is longer than `pull-timeout`\n  hint: raise `pull-timeout` or lower `request-timeout`, because a pull needs several requests",
        ),
        (
            "[log]\nlevel = \"info\"\nlevel = \"debug\"",
            "x:3:1: duplicate key `level`\n  hint: keep one of them",
        ),
        (
            "[limits]\nsignatures = 0\n[log]\nformat = 1\n[bogus]",
            "x:2:14: `signatures` is out of range\n  hint: write a value from 1 to 1024; the default is 64\nx:4:10: `format` is an integer\n  hint: the value must be a string\nx:5:2: unknown key `bogus` in the file\n  hint: known are `listen`, `control`, `runtime`, `registry`, `gate`, `scan`, `ledger`, `keys`, `trust`, `follow`, `metrics`, `report`, `log`, `limits`",
        ),
    ] {
        assert_eq!(read("x", text).unwrap_err().to_string(), expected, "{text}");
    }
    let long = format!("[listen]\nsocket = \"/{}\"", "x".repeat(107));
    assert!(read("x", &long).unwrap_err().to_string().contains("longer than 85 bytes"));
}

#[test]
fn a_missing_file_is_the_defaults_and_one_that_others_could_change_is_none() {
    let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
    let path = directory.path().join("pullgate.toml");
    assert_eq!(load_daemon(&path), Ok(DaemonConfig::default()));
    fs::write(&path, "[log]\nlevel = \"trace\"").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(load_daemon(&path).unwrap().log.level, Level::TRACE);
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let said = load_daemon(&path).unwrap_err().to_string();
    assert!(said.contains("pullgate.toml: is writable") && said.contains("hint: chmod go-w /"), "{said}");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    assert!(load_daemon(&path).unwrap_err().to_string().contains("file does not exist"));
}

#[test]
fn reads_as_whom_the_services_of_keys_are_asked() {
    use crate::alibaba::Identity;
    use crate::keys::VaultAuth;

    let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
    let file = directory.path().join("secret");
    fs::write(&file, "secret").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let shown = file.display();
    let keys = |text: &str| read("x", text).unwrap_or_else(|problems| panic!("{text}: {problems}")).keys;
    let all = keys(
        "[keys]\ndirectory = \"/mnt/keys\"\nfetch-timeout = \"2s\"\nfetch-retry-interval = \"1m\"\nauthorities = [\"/etc/ca.pem\"]\n",
    );
    assert_eq!(all.cache().directory(), Path::new("/mnt/keys"));
    assert_eq!((all.fetch_timeout.as_secs(), all.fetch_retry_interval.as_secs()), (2, 60));
    assert_eq!(all.settings().kms.bounds.deadline.as_secs(), 2);
    assert_eq!(all.settings().transit.service.authorities, [Path::new("/etc/ca.pem")]);
    let (id, secret_file) = ("id".to_owned(), file.clone());
    for (text, expected) in [
        ("ram-role = \"Node\"".to_owned(), Identity::Role("Node".to_owned())),
        (
            format!("access-key-id = \"id\"\naccess-key-secret-file = \"{shown}\""),
            Identity::Key { id, secret_file },
        ),
        (
            format!("credentials-file = \"{shown}\"\nprofile = \"p\""),
            Identity::File { path: file.clone(), profile: "p".to_owned() },
        ),
        (String::new(), Identity::Environment),
    ] {
        assert_eq!(keys(&format!("[keys.kms]\n{text}")).settings().kms.identity, expected, "{text}");
    }
    let assumed = keys("[keys.kms]\nram-role = \"Node\"\nassume-role = \"acs:ram::1:role/r\"").kms.identity;
    assert!(matches!(assumed, Identity::Assumed(assume) if assume.by == Identity::Role("Node".to_owned())));
    let vault = "[keys.vault]\naddress = \"https://v.example/\"\nnamespace = \"team\"\n";
    let token = keys(&format!("{vault}token-file = \"{shown}\"")).settings().transit;
    assert_eq!(
        (token.address.as_deref(), token.namespace.as_deref()),
        (Some("https://v.example"), Some("team"))
    );
    assert_eq!(token.login, VaultAuth::TokenFile(file.clone()));
    let role = keys(&format!("{vault}role-id = \"r\"\nsecret-id-file = \"{shown}\"")).vault.login;
    assert!(matches!(role, VaultAuth::AppRole { role_id, .. } if role_id == "r"));
    for (text, expected) in [
        ("[keys]\ndirectory = \"keys\"".to_owned(), "`directory` is not an absolute path"),
        ("[keys]\nauthorities = [\"ca.pem\"]".to_owned(), "`authorities` is not an absolute path"),
        ("[keys]\nfetch-timeout = \"0s\"".to_owned(), "write a value from 100ms to 2m; the default is 15s"),
        (
            "[keys.kms]\naccess-key-id = \"id\"".to_owned(),
            "[keys.kms] must set all options of exactly one way to authenticate",
        ),
        (
            format!("[keys.kms]\nram-role = \"r\"\ncredentials-file = \"{shown}\""),
            "exactly one way to authenticate",
        ),
        ("[keys.kms]\nassume-role = \"r\"".to_owned(), "`assume-role` is not a role"),
        (
            "[keys.vault]\nrole-id = \"r\"".to_owned(),
            "[keys.vault] must set all options of exactly one way to authenticate",
        ),
        ("[keys.vault]\naddress = \"http://v.example\"".to_owned(), "`address`: the address"),
        ("[keys.vault]\nnamespace = \"a b\"".to_owned(), "`namespace` is not valid"),
    ] {
        let said = read("x", &text).unwrap_err().to_string();
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn repositories_of_trusted_roots_are_complete() {
    let table = |lines: &str| format!("[[trust.repository]]\n{lines}\n");
    let good = "name = \"a\"\nurl = \"https://t.example\"\nroot = \"/r.json\"";
    assert!(read("x", &table(good)).is_ok());
    for (text, expected) in [
        (table("name = \"a\"\nurl = \"https://t.example\""), "[[trust.repository]] has no `root`"),
        (table(&good.replace("\"a\"", "\"../a\"")), "`name` is not a name"),
        (table(&good.replace("\"a\"", "\"\"")), "`name` is not a name"),
        (table(&good.replace("https", "http")), "`url` is not an address"),
        (table(&good.replace("/r.json", "r.json")), "`root` is not an absolute path"),
        (table(&format!("{good}\ntarget = \"../a\"")), "`target` is not a file name"),
        (table(&format!("{good}\ntarget = \".a\"")), "`target` is not a file name"),
        (table(good) + &table(good), "more than one [[trust.repository]] has the `name` \"a\""),
        ("[trust]\nnotice = \"1w\"".to_owned(), "`notice` is not a text such as"),
        ("[trust]\nnotice = \"1m\"".to_owned(), "write a value from 1440m to 366d; the default is 30d"),
    ] {
        let problems = read("x", &text).expect_err(&text).to_string();
        assert!(problems.contains(expected), "{text}: {problems}");
    }
}
