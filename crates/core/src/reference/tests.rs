//! The behaviour of distribution/reference as tables: the cases of its own tests (`reference_test.go`,
//! `normalize_test.go`), and hostile names.

use proptest::prelude::*;

use super::*;

const HEX: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
const DBCC: &str = "dbcc1c35ac38df41fd2f5e4130b32ffdb93ebae8b3dbe638c23575912276fc9c";

#[test]
fn reads_names_as_containerd_does() {
    let digest = format!("sha256:{HEX}");
    for (text, domain, path, canonical) in [
        ("nginx", "docker.io", "library/nginx", ":latest"),
        ("nginx:1.27", "docker.io", "library/nginx", ":1.27"),
        ("library/nginx", "docker.io", "library/nginx", ":latest"),
        ("docker.io/nginx", "docker.io", "library/nginx", ":latest"),
        ("docker.io/library/nginx", "docker.io", "library/nginx", ":latest"),
        ("index.docker.io/nginx", "docker.io", "library/nginx", ":latest"),
        ("index.docker.io/library/nginx", "docker.io", "library/nginx", ":latest"),
        ("index.docker.io/docker/docker", "docker.io", "docker/docker", ":latest"),
        // Another name to containerd, though not another registry.
        ("registry-1.docker.io/library/nginx", "registry-1.docker.io", "library/nginx", ":latest"),
        ("fooo/bar", "docker.io", "fooo/bar", ":latest"),
        ("other/library", "docker.io", "other/library", ":latest"),
        ("library/foo/bar", "docker.io", "library/foo/bar", ":latest"),
        ("library/ubuntu-12.04-base", "docker.io", "library/ubuntu-12.04-base", ":latest"),
        ("test_com", "docker.io", "library/test_com", ":latest"),
        ("test_com/foo", "docker.io", "test_com/foo", ":latest"),
        ("test.com:tag", "docker.io", "library/test.com", ":tag"),
        ("test.com:5000", "docker.io", "library/test.com", ":5000"),
        ("foo_bar.com:8080", "docker.io", "library/foo_bar.com", ":8080"),
        ("foo/foo_bar.com:8080", "docker.io", "foo/foo_bar.com", ":8080"),
        ("lowercase:Uppercase", "docker.io", "library/lowercase", ":Uppercase"),
        ("192.168.1.1", "docker.io", "library/192.168.1.1", ":latest"),
        ("192.168.0.1:80", "docker.io", "library/192.168.0.1", ":80"),
        ("test.com/repo:tag", "test.com", "repo", ":tag"),
        ("test:5000/repo", "test:5000", "repo", ":latest"),
        ("test:5000/repo:tag", "test:5000", "repo", ":tag"),
        ("test-com:8080/foo", "test-com:8080", "foo", ":latest"),
        ("test.com/a/b/c:some-long-tag", "test.com", "a/b/c", ":some-long-tag"),
        ("sub-dom1.foo.com/bar/baz/quux", "sub-dom1.foo.com", "bar/baz/quux", ":latest"),
        (
            "b.gcr.io/test.example.com/my-app:test.example.com",
            "b.gcr.io",
            "test.example.com/my-app",
            ":test.example.com",
        ),
        ("xn--n3h.com:18080/foo:xn--n3h.com", "xn--n3h.com:18080", "foo", ":xn--n3h.com"),
        ("192.168.1.1/repo", "192.168.1.1", "repo", ":latest"),
        ("192.168.1.1:5000/repo:5050", "192.168.1.1:5000", "repo", ":5050"),
        ("127.0.0.1:5000/docker/docker", "127.0.0.1:5000", "docker/docker", ":latest"),
        ("[2001:db8::1]/repo", "[2001:db8::1]", "repo", ":latest"),
        ("[2001:db8:1:2:3:4:5:6]/repo:tag", "[2001:db8:1:2:3:4:5:6]", "repo", ":tag"),
        ("[::1]:5000/repo", "[::1]:5000", "repo", ":latest"),
        ("[2001:db8::]:5000/repo", "[2001:db8::]:5000", "repo", ":latest"),
        ("localhost/x", "localhost", "x", ":latest"),
        ("localhost:80/x", "localhost:80", "x", ":latest"),
        ("localhost", "docker.io", "library/localhost", ":latest"),
        ("localhost.localdomain/x", "localhost.localdomain", "x", ":latest"),
        ("reg:443/x", "reg:443", "x", ":latest"),
        ("reg:99999999999999999999/x", "reg:99999999999999999999", "x", ":latest"),
        ("Docker/docker", "Docker", "docker", ":latest"),
        ("FOO/bar", "FOO", "bar", ":latest"),
        ("LOCALHOST/a", "LOCALHOST", "a", ":latest"),
        ("Foo.Bar/x:1", "Foo.Bar", "x", ":1"),
        ("DOCKER.IO/nginx", "DOCKER.IO", "nginx", ":latest"),
        ("docker---rules/docker", "docker.io", "docker---rules/docker", ":latest"),
        ("dock__er/docker", "docker.io", "dock__er/docker", ":latest"),
        ("d/docker", "docker.io", "d/docker", ":latest"),
        ("a_b-c.d/x", "a_b-c.d", "x", ":latest"),
        ("my_host.example/app:1", "my_host.example", "app", ":1"),
        ("dbcc1", "docker.io", "library/dbcc1", ":latest"),
        (
            "dbcc1c35ac38df41fd2f5e4130b32ffdb93ebae8b3dbe638c23575912276fc9",
            "docker.io",
            "library/dbcc1c35ac38df41fd2f5e4130b32ffdb93ebae8b3dbe638c23575912276fc9",
            ":latest",
        ),
        // Look-alikes of well-known hosts are other hosts.
        ("docker.io.evil.com/x", "docker.io.evil.com", "x", ":latest"),
        ("gcr.io.evil.com/x", "gcr.io.evil.com", "x", ":latest"),
        ("ghcr.io-evil/x", "ghcr.io-evil", "x", ":latest"),
        ("evil/docker.io/library/nginx", "docker.io", "evil/docker.io/library/nginx", ":latest"),
        (&format!("docker.io/{DBCC}"), "docker.io", &format!("library/{DBCC}"), ":latest"),
        (&format!("sha256/{DBCC}"), "docker.io", &format!("sha256/{DBCC}"), ":latest"),
        (&format!("redis@{digest}"), "docker.io", "library/redis", &format!("@{digest}")),
        (&format!("test:5000/repo@{digest}"), "test:5000", "repo", &format!("@{digest}")),
        // A digest replaces the tag.
        (&format!("busybox:latest@{digest}"), "docker.io", "library/busybox", &format!("@{digest}")),
        (&format!("[::1]:5000/repo:tag@{digest}"), "[::1]:5000", "repo", &format!("@{digest}")),
        (&format!("xn--7o8h.com/i:x@sha512:{HEX}{HEX}"), "xn--7o8h.com", "i", &format!("@sha512:{HEX}{HEX}")),
    ] {
        let reference = Reference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(reference.repository().domain(), domain, "{text}");
        assert_eq!(reference.repository().path(), path, "{text}");
        assert_eq!(reference.to_string(), format!("{domain}/{path}{canonical}"), "{text}");
        assert_eq!(reference.tag().is_some(), canonical.starts_with(':'), "{text}");
        assert_eq!(reference.digest().is_some(), canonical.starts_with('@'), "{text}");
    }
}

#[test]
fn refuses_what_containerd_refuses() {
    use ReferenceError as E;
    for (text, error) in [
        ("", E::Empty),
        (":justtag", E::Path),
        ("@sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", E::Path),
        (
            "repo@sha256:ffffffffffffffffffffffffffffffffff",
            E::Digest(DigestError::Length { expected: 64, found: 34 }),
        ),
        (&format!("name@invaliddigest:{HEX}"), E::Digest(DigestError::UnknownAlgorithm)),
        (
            &format!("name@sha256:{HEX}@sha256:{HEX}"),
            E::Digest(DigestError::Length { expected: 64, found: 136 }),
        ),
        (&format!("name@sha256:{}", HEX.to_uppercase()), E::Digest(DigestError::NotLowerHex)),
        (&format!("name@sha256:{HEX}:tag"), E::Digest(DigestError::Length { expected: 64, found: 68 })),
        ("name@latest", E::Digest(DigestError::NoAlgorithm)),
        ("name@", E::Digest(DigestError::NoAlgorithm)),
        ("name:", E::Tag),
        ("name:-tag", E::Tag),
        ("name:.tag", E::Tag),
        ("name:a:b", E::Tag),
        ("name:a b", E::Tag),
        ("name:latest\n", E::Tag),
        (&format!("name:{}", "t".repeat(129)), E::Tag),
        ("Uppercase:tag", E::UpperCase),
        ("test:5000/Uppercase/lowercase:tag", E::UpperCase),
        ("docker/Docker", E::UpperCase),
        ("docker.io/docker/Docker", E::UpperCase),
        ("ghcr.io/Team/app", E::UpperCase),
        ("aa/asdf$$^/aa", E::Path),
        ("[2001:db8::1]", E::Path),
        ("[2001:db8::1]:5000", E::Path),
        ("[fc00::1]", E::Path),
        ("[fe80::1%eth0]:5000/repo", E::Domain),
        ("[fe80::1%@invalidzone]:5000/repo", E::Domain),
        ("[2001:db8:3:4::192.0.2.33]:5000/debian", E::Domain),
        ("[]/x", E::Path),
        ("[::1/x", E::Domain),
        ("[::1:80/x", E::Domain),
        ("[::1]x/y", E::Domain),
        ("[::1]:/y", E::Domain),
        ("fc00::1:5000/debian", E::Domain),
        ("https://github.com/docker/docker", E::Path),
        ("docker://nginx", E::Path),
        ("-docker", E::Path),
        ("-docker/docker", E::Path),
        ("docker-/docker", E::Path),
        ("-docker.io/docker/docker", E::Domain),
        ("docker///docker", E::Path),
        ("docker.io/docker///docker", E::Path),
        ("docker/", E::Path),
        ("docker.io/", E::Path),
        ("/docker", E::Path),
        ("/", E::Path),
        ("____/____", E::Path),
        ("_docker/_docker", E::Path),
        ("dock..er/docker", E::Domain),
        ("dock_.er/docker", E::Domain),
        ("dock-.er/docker", E::Domain),
        ("x/dock..er", E::Path),
        ("x/dock___er", E::Path),
        ("x/dock_-er", E::Path),
        ("Foo_bar/x", E::Domain),
        ("foo_bar.com:5000/x", E::Domain),
        ("a:b/c", E::Domain),
        ("host:/x", E::Domain),
        ("host:80:80/x", E::Domain),
        // Hosts that other parsers accept: a trailing dot, an internationalised name, a percent sign, a NUL.
        ("ghcr.io./x", E::Domain),
        (".ghcr.io/x", E::Domain),
        ("gh\u{441}r.io/x", E::Domain),
        ("☃.com/x", E::Domain),
        ("ghcr.io%2fevil/x", E::Domain),
        ("ghcr.io/%2e%2e/x", E::Path),
        ("ghcr.io/x\0", E::Path),
        ("ghcr.io\0.evil.com/x", E::Domain),
        ("ghcr.io/../x", E::Path),
        ("../../etc/passwd", E::Path),
        ("ghcr.io/./x", E::Path),
        ("ghcr.io//x", E::Path),
        (" ghcr.io/x", E::Domain),
        ("ghcr.io/x ", E::Path),
        ("ghcr.io/x\t", E::Path),
        ("user@ghcr.io/x", E::Domain),
        ("ghcr.io\\evil/x", E::Domain),
        ("ghcr.io/x?ns=y", E::Path),
        ("ghcr.io/x#y", E::Path),
        ("ghcr.io/\u{ff41}", E::Path),
        (&"a".repeat(300), E::PathTooLong),
        (&format!("ghcr.io/{}", "a".repeat(256)), E::PathTooLong),
        (&format!("my_host.io/{}", "a".repeat(245)), E::PathTooLong),
        (&"a".repeat(4097), E::TooLong),
        (DBCC, E::Identifier),
    ] {
        assert_eq!(Reference::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn refuses_more_than_upstream_only_where_documented() {
    use ReferenceError as E;
    let sha384 = format!("name@sha384:{HEX}{}", &HEX[..32]);
    assert_eq!(Reference::parse(&sha384), Err(E::Digest(DigestError::UnknownAlgorithm)));
    assert_eq!(Reference::parse(&format!("sha256:{DBCC}")), Err(E::Identifier));
    assert_eq!(Reference::parse(&format!("sha512:{HEX}{HEX}")), Err(E::Identifier));
    let host = format!("{}.example/x", "a".repeat(4096));
    assert_eq!(Reference::parse(&host), Err(E::TooLong));
    // Similar text that upstream parses as a name and a tag stays valid.
    assert_eq!(Reference::parse("sha256:abc").unwrap().to_string(), "docker.io/library/sha256:abc");
}

#[test]
fn lengths_are_measured_as_upstream_does() {
    for (text, valid) in [
        (format!("ghcr.io/{}", "a".repeat(255)), true),
        (format!("ghcr.io/{}", "a".repeat(256)), false),
        // The limit counts `library/`, but not the host.
        (format!("{}.io/{}", "h".repeat(200), "a".repeat(255)), true),
        ("a".repeat(247), true),
        ("a".repeat(248), false),
        (format!("{}a:tag-puts-this-over-max", "a/".repeat(127)), true),
        (format!("my_host.io/{}", "a".repeat(244)), true),
        (format!("name:{}", "t".repeat(128)), true),
    ] {
        assert_eq!(Reference::parse(&text).is_ok(), valid, "{text}");
    }
}

#[test]
fn a_repository_has_no_tag_and_no_digest() {
    assert_eq!(Repository::parse("nginx").unwrap().as_str(), "docker.io/library/nginx");
    for text in ["nginx:1", "localhost:5000/a:b", &format!("nginx@sha256:{HEX}")] {
        assert_eq!(Repository::parse(text), Err(ReferenceError::NotOnlyName), "{text}");
    }
}

#[test]
fn hosts_compare_case_insensitively_and_keep_their_case() {
    let written = Repository::parse("GHCR.io:5000/team/app").unwrap();
    assert_eq!(written.to_string(), "GHCR.io:5000/team/app");
    assert_eq!(written.canonical(), "ghcr.io:5000/team/app");
    assert_eq!(Repository::parse("DOCKER.IO/nginx").unwrap().canonical(), "docker.io/nginx");
}

#[test]
fn b9_a_name_is_canonical_for_comparison_and_stays_as_written() {
    for (written, canonical) in [
        ("registry.example.com:443/team/app", "registry.example.com/team/app"),
        ("registry-1.docker.io/library/nginx", "docker.io/library/nginx"),
        ("registry.hub.docker.com/bitnami/redis", "docker.io/bitnami/redis"),
        ("docker.io:443/library/nginx", "docker.io/library/nginx"),
        // containerd asks for `nginx`, which Docker Hub does not have.
        ("registry-1.docker.io/nginx", "docker.io/nginx"),
    ] {
        let repository = Repository::parse(written).unwrap();
        assert_eq!((repository.as_str(), &*repository.canonical()), (written, canonical));
    }
    for name in ["registry.example.com./app", "registry.example.com.:443/app", "docker.io./library/nginx"] {
        assert_eq!(Repository::parse(name), Err(ReferenceError::Domain), "{name}");
    }
}

#[test]
fn a_digest_replaces_the_tag() {
    let digest = Digest::of(b"x");
    let pinned = Reference::parse("nginx:1").unwrap().with_digest(&digest);
    assert_eq!(pinned.to_string(), format!("docker.io/library/nginx@{digest}"));
    assert_eq!(pinned.tag(), None);
    let repository = Repository::parse("nginx").unwrap();
    assert_eq!(Reference::tagged(&repository, "v1").unwrap().to_string(), "docker.io/library/nginx:v1");
    assert_eq!(Reference::tagged(&repository, "v1/x"), Err(ReferenceError::Tag));
}

fn near_names() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/"),
        Just(":"),
        Just("@"),
        Just("."),
        Just("-"),
        Just("_"),
        Just("["),
        Just("]"),
        Just("a"),
        Just("9"),
        Just("Z"),
        Just("docker.io"),
        Just("index.docker.io"),
        Just("localhost"),
        Just("library"),
        Just("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        Just("é"),
        Just("\0"),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in ".*") {
        let _ = Reference::parse(&text);
        let _ = Repository::parse(&text);
    }

    #[test]
    fn a_canonical_name_is_unchanged(text in near_names()) {
        if let Ok(reference) = Reference::parse(&text) {
            prop_assert_eq!(Reference::parse(&reference.to_string()), Ok(reference.clone()));
            let repository = reference.repository();
            prop_assert_eq!(&Repository::parse(repository.as_str()).unwrap(), repository);
            prop_assert!(!repository.domain().is_empty() && !repository.path().is_empty());
        }
    }
}
