//! The same pull through containerd alone and through pullgate: the same hosts, in the same order, with the same outcome,
//! according to the registries' own logs.

use std::path::Path;

use pullgate_test::authority::Authority;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::process;
use pullgate_test::node::registry::{PASSWORD, USER};
use pullgate_test::node::{Release, directory};
use pullgate_test::secrets::MARK;
use pullgate_test::tunnel::Tunnel;

mod bearer;
mod site;

use site::{Expect, Site};

on_every_release!(
    the_same_hosts_in_the_same_order,
    client_certificates_and_files_without_hosts_toml,
    mirrors_of_the_old_configuration,
    through_the_proxy_of_containerds_environment,
);

/// The registry in the image names, which DNS does not resolve.
const NAME: &str = "registry.example.invalid";

fn the_same_hosts_in_the_same_order(release: Release) {
    let mut site = Site::protected(release);
    let (mirror, origin) = (&["mirror"][..], &["origin"][..]);
    let both = &["mirror", "origin"][..];
    let header = format!(
        "server = \"@O\"\nca = @CA\n[host.\"@O\"]\nca = @CA\n[host.\"@O\".header]\nauthorization = \"Basic {}\"\n",
        basic()
    );
    let friend = Some((USER, PASSWORD));
    let wrong = format!("{MARK}-wrong");
    let with_ca = "server = \"@O\"\nca = @CA\n[host.\"@M\"]\nca = @CA\n";
    for (name, text, secret, tag, digest, code) in [
        // The mirror has no signature; it is found at the origin, which containerd does not contact.
        ("mirror first", with_ca, friend, mirror, mirror, ""),
        (
            "mirror only for pulls",
            "server = \"@O\"\nca = @CA\n[host.\"@M\"]\ncapabilities = [\"pull\"]\nca = @CA\n",
            friend,
            origin,
            mirror,
            "",
        ),
        (
            "mirror only for names",
            "server = \"@O\"\nca = @CA\n[host.\"@M\"]\ncapabilities = [\"resolve\"]\nca = @CA\n",
            friend,
            origin,
            origin,
            "",
        ),
        (
            "mirror down",
            "server = \"@O\"\nca = @CA\n[host.\"https://127.0.0.1:1\"]\n",
            friend,
            origin,
            origin,
            "",
        ),
        (
            "mirror with a path without the image",
            "server = \"@O\"\nca = @CA\n[host.\"@M/v2/none\"]\noverride_path = true\nca = @CA\n",
            friend,
            both,
            both,
            "",
        ),
        (
            "mirror with an unknown certificate",
            "server = \"@O\"\nca = @CA\n[host.\"@M\"]\n",
            friend,
            origin,
            origin,
            "",
        ),
        (
            "skip_verify",
            "server = \"@O\"\nskip_verify = true\n[host.\"@M\"]\nskip_verify = true\n",
            friend,
            mirror,
            mirror,
            "",
        ),
        ("a header that authenticates", header.as_str(), None, origin, origin, ""),
        ("no certificate is trusted", "server = \"@O\"\n[host.\"@M\"]\n", friend, &[], &[], "registry-tls"),
        ("no credentials", with_ca, None, both, both, "registry-unauthorized"),
        ("wrong password", with_ca, Some((USER, wrong.as_str())), both, both, "registry-unauthorized"),
    ] {
        site.hosts(NAME, text);
        site.assert_both(name, Expect { secret, by_tag: tag, by_digest: digest, code });
    }
    for registry in [&site.node.registry, &site.mirror] {
        let requests = registry.asked();
        let manifests = requests.iter().filter(|request| request.uri.contains("/manifests/"));
        assert!(manifests.clone().count() > 0);
        for request in manifests {
            assert!(request.uri.ends_with(&format!("?ns={NAME}")), "{request:?}");
        }
    }
    // The same file for every registry without one.
    std::fs::remove_dir_all(site.node.containerd.hosts().join(NAME)).unwrap();
    site.hosts("_default", with_ca);
    site.assert_both("_default", Expect { secret: friend, by_tag: mirror, by_digest: mirror, code: "" });
}

fn basic() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"))
}

fn client_certificates_and_files_without_hosts_toml(release: Release) {
    let mut site = Site::start(release);
    let (tls, passwords) = (site.tls("127.0.0.1", true), site.node.registry.passwords());
    site.node.registry.restart_with(&format!("{tls}{passwords}"));
    let friend = Some((USER, PASSWORD));
    let pair = |site: &Site, authority: &Authority, name: &str| {
        let (certificate, key) = authority.client();
        let [certificate, key] = [(certificate, "pem"), (key, "key")]
            .map(|(text, kind)| site.file(&format!("{name}.{kind}"), &text).display().to_string());
        format!("[{certificate:?}, {key:?}]")
    };
    let own = pair(&site, &site.authority, "own");
    let other = pair(&site, &Authority::new(), "other");
    // Without a table `host`, containerd 1.x ignores the file.
    let begin = "server = \"@O\"\nca = @CA\n[host.\"@O\"]\nca = @CA\n";
    // With TLS 1.3 the server's alert may be lost if it has closed the connection already.
    let no_tls = "registry-tls|registry-unavailable";
    for (name, client, hosts, code) in [
        ("no certificate", String::new(), &[][..], no_tls),
        ("its certificate", format!("client = [{own}]\n"), &["origin"], ""),
        ("the second of two", format!("client = [{other}, {own}]\n"), &["origin"], ""),
        ("another's", format!("client = [{other}]\n"), &[], no_tls),
    ] {
        site.hosts(NAME, &format!("{begin}{client}"));
        site.assert_both(name, Expect { secret: friend, by_tag: hosts, by_digest: hosts, code });
    }

    if release == Release::V1_6 {
        // It uses plain HTTP for this machine regardless of the files, and other names do not resolve here.
        return;
    }
    // Docker's layout, for the registry by its own name.
    let host = site.node.registry.host().to_owned();
    let directory = site.node.containerd.hosts().join(&host);
    directory::make(&directory);
    site.image = site.image.at(&host);
    let sign = |site: &Site, name: &Path| directory::write(&directory.join(name), site.authority.pem());
    sign(&site, Path::new("ca.crt"));
    // The signature is for the requested name.
    site.node.registry.restart_with("");
    let plain = site.node.directory().join("plain");
    std::fs::rename(&directory, &plain).unwrap();
    site.node.sign(&site.image);
    std::fs::rename(&plain, &directory).unwrap();
    site.node.registry.restart_with(&format!("{tls}{passwords}"));
    site.assert_both("no pair of files", Expect { secret: friend, code: no_tls, ..Expect::default() });
    for (kind, file) in [("cert", "own.pem"), ("key", "own.key")] {
        let text = std::fs::read(site.node.directory().join(file)).unwrap();
        directory::write(&directory.join(format!("client.{kind}")), text);
    }
    let origin = &["origin"][..];
    site.assert_both(
        "a pair of files",
        Expect { secret: friend, by_tag: origin, by_digest: origin, code: "" },
    );
}

/// `registry.mirrors` and `registry.configs`, which containerd reads without config_path.
fn mirrors_of_the_old_configuration(release: Release) {
    let mut site = Site::start(release);
    let passwords = site.mirror.passwords();
    site.mirror.restart_with(&passwords);
    let plugin = match release {
        Release::V2_1 => "plugins.\"io.containerd.cri.v1.images\".registry",
        _ => "plugins.\"io.containerd.grpc.v1.cri\".registry",
    };
    let config = site.node.containerd.config();
    let text = std::fs::read_to_string(&config).unwrap();
    let hosts = site.node.containerd.hosts().display().to_string();
    let before = format!("[{plugin}]\n  config_path = {hosts:?}\n");
    assert!(text.contains(&before), "{text}");
    let (mirror, origin) = (site.mirror.host(), site.node.registry.host());
    let auth =
        format!("[{plugin}.configs.{mirror:?}.auth]\n  username = {USER:?}\n  password = {PASSWORD:?}\n");
    // No hosts.toml may have an effect now.
    site.hosts(NAME, "server = \"https://127.0.0.1:1\"\n");
    let from = format!("hosts = {hosts:?}");
    site.node
        .pullgate
        .restart_edited(&from, &format!("containerd-config = {:?}", config.display().to_string()));
    for (name, endpoints, more, expected, outcome) in [
        (
            "its credentials",
            format!("\"http://{mirror}\", \"http://{origin}\""),
            auth.as_str(),
            &["mirror"][..],
            "",
        ),
        (
            "no credentials",
            format!("\"http://{mirror}\", \"http://{origin}\""),
            "",
            &["mirror", "origin"],
            "",
        ),
        (
            "the order of the file",
            format!("\"http://{origin}\", \"http://{mirror}\""),
            &auth,
            &["origin"],
            "",
        ),
        ("nobody there", "\"http://127.0.0.1:1\"".to_owned(), &auth, &[], "registry-unavailable"),
    ] {
        let section = format!("[{plugin}]\n[{plugin}.mirrors.{NAME:?}]\n  endpoint = [{endpoints}]\n{more}");
        directory::write(&config, text.replace(&before, &section));
        site.node.containerd.restart_in(Vec::new());
        let expect = Expect { by_tag: expected, by_digest: expected, code: outcome, ..Expect::default() };
        site.assert_both(name, expect);
    }
}

/// HTTPS_PROXY and NO_PROXY, passed on as by the installed unit.
fn through_the_proxy_of_containerds_environment(release: Release) {
    let mut site = Site::start(release);
    let (tls, passwords) = (site.tls(NAME, false), site.node.registry.passwords());
    site.node.registry.restart_with(&format!("{tls}{passwords}"));
    site.hosts(
        NAME,
        &format!("server = \"https://{NAME}\"\nca = @CA\n[host.\"https://{NAME}\"]\nca = @CA\n"),
    );
    let tunnel = Tunnel::start(site.node.registry.host(), Some(&format!("proxy:{MARK}-proxy")));
    let stranger = tunnel.url().replace(MARK, &format!("{MARK}-not"));
    let https = |url: &str, without: &str| {
        vec![("HTTPS_PROXY".to_owned(), url.to_owned()), ("NO_PROXY".to_owned(), without.to_owned())]
    };
    for (environment, through, code) in [
        (https(&tunnel.url(), ""), true, ""),
        (https(&tunnel.url(), "other.invalid,10.0.0.0/8"), true, ""),
        (https(&tunnel.url(), NAME), false, "registry-unavailable"),
        (https(&tunnel.url(), ".example.invalid"), false, "registry-unavailable"),
        (https(&tunnel.url(), "*"), false, "registry-unavailable"),
        (vec![("https_proxy".to_owned(), tunnel.url())], true, ""),
        (vec![("HTTP_PROXY".to_owned(), tunnel.url())], false, "registry-unavailable"),
        (vec![("ALL_PROXY".to_owned(), tunnel.url())], false, "registry-unavailable"),
        (https(&stranger, ""), true, "registry-unavailable"),
    ] {
        site.node.containerd.restart_in(environment.clone());
        let mut handed_on = Vec::new();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/containerd-proxy");
        let mut script = std::process::Command::new(script);
        for line in process::must_run(script.arg(site.node.containerd.id().to_string())).lines() {
            let (name, value) = line.split_once('=').expect("a line is an assignment");
            handed_on.push((name.to_owned(), value.trim_matches('"').to_owned()));
        }
        site.node.pullgate.restart_in(handed_on);
        let image = site.image.clone();
        let pod = || Pod::of(image.by_tag()).with_pull_secret(USER, PASSWORD);
        tunnel.take_asked();
        site.node.containerd.forget(&image.host);
        let direct = site.node.kubelet_without_pullgate().pull(&pod());
        let alone = tunnel.take_asked();
        site.node.containerd.forget(&image.host);
        site.node.pullgate.restart_forgetful();
        let pulled = site.node.kubelet().ensure_image(&pod());
        let what = format!("{environment:?}: {direct:?} and {pulled:?}");
        assert_eq!((direct.is_ok(), pulled.is_ok()), (code.is_empty(), code.is_empty()), "{what}");
        assert_eq!(pulled.as_ref().err().map_or("", |waiting| waiting.code()), code, "{what}");
        for mut requests in [alone, tunnel.take_asked()] {
            // pullgate pulls the sandbox image as well.
            requests.retain(|line| !line.contains("registry.k8s.io"));
            assert_eq!(!requests.is_empty(), through, "{what}");
            assert!(
                requests.iter().all(|line| line.starts_with(&format!("CONNECT {NAME}:443 "))),
                "{requests:?}"
            );
        }
    }
}
