use std::fs;
use std::path::Path;

use super::*;

fn write(root: &Path, directory: &str, name: &str, text: &str) {
    fs::create_dir_all(root.join(directory)).unwrap();
    fs::write(root.join(directory).join(name), text).unwrap();
}

/// `scheme authority path capabilities` of each host.
fn lines(list: &HostList) -> Vec<String> {
    let line = |host: &Host| {
        let can = host.capabilities;
        let letters: String = [(can.pull, 'p'), (can.resolve, 'r'), (can.push, 'u')]
            .into_iter()
            .filter_map(|(has, letter)| has.then_some(letter))
            .collect();
        format!("{:?} {}{} {letters}", host.scheme, host.authority, host.path)
    };
    list.hosts.iter().map(line).collect()
}

#[test]
fn without_a_directory_the_registry_itself_is_asked() {
    let hosts = Hosts::new(Vec::new(), None);
    for (domain, line, skip) in [
        ("docker.io", "Https registry-1.docker.io/v2 pru", None),
        ("registry.example.com", "Https registry.example.com/v2 pru", None),
        ("registry.example.com:80", "Https registry.example.com:80/v2 pru", None),
        ("localhost", "Https localhost/v2 pru", Some(true)),
        ("localhost:443", "Https localhost:443/v2 pru", Some(true)),
        ("localhost:80", "Http localhost:80/v2 pru", None),
        ("localhost:5000", "HttpsThenHttp localhost:5000/v2 pru", Some(true)),
        ("127.0.0.1:5000", "HttpsThenHttp 127.0.0.1:5000/v2 pru", Some(true)),
        ("[::1]:5000", "HttpsThenHttp [::1]:5000/v2 pru", Some(true)),
        ("10.0.0.1:5000", "Https 10.0.0.1:5000/v2 pru", None),
    ] {
        let list = hosts.of(domain).unwrap();
        assert_eq!(lines(&list), [line], "{domain}");
        assert_eq!(list.hosts[0].tls.skip_verify, skip, "{domain}");
    }
}

#[test]
fn directories_are_tried_in_order_and_never_merged() {
    let root = tempfile::tempdir().unwrap();
    let hosts = Hosts::new(vec![root.path().join("missing"), root.path().to_owned()], None);
    let asked = || hosts.of("r.example:5000").unwrap().hosts[0].authority.clone();
    assert_eq!(asked(), "r.example:5000");
    write(root.path(), "_default", NAME_OF_FILE, "server = \"https://default.example\"");
    assert_eq!(asked(), "default.example");
    write(root.path(), "r.example:5000", NAME_OF_FILE, "server = \"https://colon.example\"");
    assert_eq!(asked(), "colon.example");
    write(root.path(), "r.example_5000_", NAME_OF_FILE, "server = \"https://underscore.example\"");
    assert_eq!(asked(), "underscore.example");
    write(root.path(), "r.example_5000_", NAME_OF_FILE, "server = \"https://changed.example\"");
    assert_eq!(asked(), "changed.example");
    fs::remove_dir_all(root.path().join("r.example_5000_")).unwrap();
    assert_eq!(asked(), "colon.example");
}

const NAME_OF_FILE: &str = file::NAME;

#[test]
fn a_file_is_read_as_containerd_reads_it() {
    for (text, expected) in [
        ("", &["Https r.example/v2 pru"][..]),
        ("server = \"https://other.example\"", &["Https other.example/v2 pru"]),
        ("server = \"other.example:8443/x/../y/\"", &["Https other.example:8443/y/v2 pru"]),
        // The order of the file, not of the alphabet.
        (
            "[host.\"https://z.example\"]\n[host.\"https://a.example\"]\ncapabilities = [\"pull\"]\n",
            &["Https z.example/v2 pru", "Https a.example/v2 p", "Https r.example/v2 pru"],
        ),
        // Sub-tables are not hosts, but a separate one repeats its host.
        (
            "[host.z]\n[host.z.header]\nx = \"1\"\n[host.a]\n[host.a.header]\ny = \"2\"\n",
            &["Https z/v2 pru", "Https a/v2 pru", "Https r.example/v2 pru"],
        ),
        (
            "[host.z]\n[host.a]\n[host.z.header]\nx = \"1\"\n",
            &["Https z/v2 pru", "Https a/v2 pru", "Https z/v2 pru", "Https r.example/v2 pru"],
        ),
        // Hosts that are not written as tables have no place in the order.
        ("host.\"https://a.example\".skip_verify = false", &["Https r.example/v2 pru"]),
        ("host = { a = { skip_verify = false } }", &["Https r.example/v2 pru"]),
        // Capabilities at the top apply only with a server.
        ("capabilities = [\"pull\"]", &["Https r.example/v2 pru"]),
        (
            "server = \"https://s.example\"\ncapabilities = [\"Pull\", \"RESOLVE\"]",
            &["Https s.example/v2 pr"],
        ),
        // Paths.
        ("server = \"https://s.example/v2\"", &["Https s.example/v2 pru"]),
        ("server = \"https://s.example/proxy\"", &["Https s.example/proxy/v2 pru"]),
        ("server = \"https://s.example/proxy/v2/\"", &["Https s.example/proxy/v2 pru"]),
        ("server = \"https://s.example/proxy\"\noverride_path = true", &["Https s.example/proxy pru"]),
        ("server = \"https://s.example\"\noverride_path = true", &["Https s.example pru"]),
        // Plain HTTP, and HTTPS first if any TLS option is set.
        ("server = \"http://s.example:5000\"", &["Http s.example:5000/v2 pru"]),
        ("server = \"http://s.example:5000\"\nskip_verify = true", &["HttpsThenHttp s.example:5000/v2 pru"]),
        ("server = \"http://s.example:80\"\nskip_verify = true", &["Http s.example:80/v2 pru"]),
    ] {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "r.example", NAME_OF_FILE, text);
        let list = Hosts::new(vec![root.path().to_owned()], None).of("r.example").unwrap();
        assert_eq!(lines(&list), expected, "{text}");
        let expected = usize::from(!text.is_empty() && !text.contains("host"));
        assert_eq!(list.warnings.len(), expected, "{text}: {:?}", list.warnings);
        assert!(
            list.warnings.iter().all(|warning| warning.contains("containerd 1.x ignores the whole file"))
        );
    }
}

#[test]
fn a_broken_file_counts_as_absent_and_is_reported() {
    for text in [
        "server = ",
        "server = \"https://s.example\"\nserver = \"https://t.example\"",
        "server = \"https://s.example\"\ncapabilities = [\"fly\"]",
        "server = \"https://s.example\"\ncapabilities = \"pull\"",
        "server = \"https://s.example\"\nskip_verify = \"yes\"",
        "server = \"https://s.example\"\nca = 5",
        "server = \"https://s.example\"\nclient = [[\"one\"]]",
        "server = \"https://s.example\"\ndial_timeout = \"soon\"",
        "server = \"https://s.example\"\n[[host.x]]\nca = \"a\"",
        "server = \"https://s.example\"\n[header]\nx = 5",
        "server = \"https://exa mple\"",
    ] {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "r.example", NAME_OF_FILE, text);
        write(root.path(), "r.example", "own.crt", "");
        let list = Hosts::new(vec![root.path().to_owned()], None).of("r.example").unwrap();
        assert_eq!(lines(&list), ["Https r.example/v2 pru"], "{text}");
        assert_eq!(list.hosts[0].tls.authorities.len(), 1, "{text}");
        assert_eq!(list.warnings.len(), 1, "{text}");
        assert!(list.warnings[0].contains("is ignored by pullgate and containerd"), "{:?}", list.warnings);
    }
}

#[test]
fn details_of_a_host() {
    let root = tempfile::tempdir().unwrap();
    let text = r#"
[host."https://m.example"]
capabilities = ["pull", "referrers"]
ca = ["one.pem", "/two.pem"]
client = [["a.pem", "a.key"], "b.pem"]
skip_verify = false
dial_timeout = "1m1.5s"
[host."https://m.example".header]
X-One = "1"
x-two = ["2", "3"]
"#;
    write(root.path(), "r.example", NAME_OF_FILE, text);
    let list = Hosts::new(vec![root.path().to_owned()], None).of("r.example").unwrap();
    let host = &list.hosts[0];
    let directory = root.path().join("r.example");
    assert_eq!(host.tls.authorities, [directory.join("one.pem"), "/two.pem".into()]);
    assert_eq!(
        host.tls.pairs,
        [(directory.join("a.pem"), Some(directory.join("a.key"))), (directory.join("b.pem"), None)]
    );
    assert_eq!(host.tls.skip_verify, Some(false));
    assert_eq!(host.dial_timeout, Some(Duration::from_millis(61_500)));
    assert_eq!(host.header.get_all("x-two").iter().count(), 2);
    assert!(!host.capabilities.resolve);
    assert!(list.warnings[0].contains("before 2.2"), "{:?}", list.warnings);
    assert!(host.is_proxy_for("r.example") && !list.hosts[1].is_proxy_for("r.example"));
}

#[test]
fn certificates_without_a_file() {
    let root = tempfile::tempdir().unwrap();
    for name in ["b.crt", "a.crt", "c.cert", "c.key", "d.cert", "e.txt"] {
        write(root.path(), "r.example", name, "");
    }
    let list = Hosts::new(vec![root.path().to_owned()], None).of("r.example").unwrap();
    let directory = root.path().join("r.example");
    assert_eq!(list.hosts[0].tls.authorities, [directory.join("a.crt"), directory.join("b.crt")]);
    assert_eq!(
        list.hosts[0].tls.pairs,
        [(directory.join("c.cert"), Some(directory.join("c.key"))), (directory.join("d.cert"), None)]
    );
}

#[test]
fn a_user_in_a_url_is_not_sent_or_shown() {
    for (server, expected) in [
        ("https://user:pg5ECRET@mirror.example:5000", Some("mirror.example:5000")),
        ("user:pg5ECRET@mirror.example", Some("mirror.example")),
        ("https://pg5ECRET@", None),
        ("https://pg5 ECRET@mirror.example", None),
        ("https://user:pg5ECRET@mir ror.example", None),
        ("https://user:pg5/ECRET@mirror.example", None),
    ] {
        for text in [format!("server = \"{server}\""), format!("[host.\"{server}\"]\n")] {
            let root = tempfile::tempdir().unwrap();
            write(root.path(), "r.example", NAME_OF_FILE, &text);
            let hosts = Hosts::new(vec![root.path().to_owned()], None);
            let list = hosts.of("r.example").unwrap();
            let warnings = list.warnings.join("\n");
            assert_eq!(list.hosts[0].authority, expected.unwrap_or("r.example"), "{text}");
            assert!(!warnings.is_empty() && !warnings.contains("ECRET"), "{text}: {warnings}");
            assert_eq!(warnings.contains("contains a user"), expected.is_some(), "{text}: {warnings}");
        }
    }
}

#[test]
fn a_warning_is_one_line_whatever_files_are_called() {
    let root = tempfile::tempdir().unwrap();
    let hosts = root.path().join("a\u{1b}[2J\nb");
    write(&hosts, "r.example", NAME_OF_FILE, "[host.\"https://m.example\"]\ncapabilities = [\"fly\"]");
    let config = root.path().join("c\u{202e}.toml");
    fs::write(&config, "version = 2\nimports = 5\n").unwrap();
    let hosts = Hosts::new(vec![hosts], Some(config));
    let mut warnings = hosts.check();
    warnings.extend(hosts.of("r.example").unwrap().warnings.iter().cloned());
    assert!(warnings.len() >= 2, "{warnings:?}");
    for warning in &warnings {
        assert!(!warning.contains(['\u{1b}', '\n', '\u{202e}']), "{warning:?}");
    }
    assert!(warnings.iter().any(|warning| warning.contains("a\\u{1b}[2J\\nb")), "{warnings:?}");
}
