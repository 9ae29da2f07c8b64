use super::*;

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn normalises_as_names_are_normalised() {
    for (text, canonical) in [
        ("nginx", "docker.io/library/nginx"),
        ("nginx-*", "docker.io/library/nginx-*"),
        ("library/nginx", "docker.io/library/nginx"),
        ("docker.io/library/nginx", "docker.io/library/nginx"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx"),
        ("docker.io/library", "docker.io/library"),
        ("bitnami/redis", "docker.io/bitnami/redis"),
        ("bitnami/**", "docker.io/bitnami"),
        ("docker.io/bitnami/**", "docker.io/bitnami"),
        ("docker.io/bitnami/*", "docker.io/bitnami/*"),
        ("docker.io", "docker.io"),
        ("DOCKER.IO", "docker.io"),
        ("registry-1.docker.io/library/nginx", "docker.io/library/nginx"),
        ("registry.hub.docker.com", "docker.io"),
        ("reg.example.com:443/team", "reg.example.com/team"),
        ("reg.example.com:05000", "reg.example.com:5000"),
        ("*.example.com:443/team", "*.example.com/team"),
        ("registry.k8s.io", "registry.k8s.io"),
        ("localhost", "localhost"),
        ("localhost:5000", "localhost:5000"),
        ("[::1]:5000/team", "[::1]:5000/team"),
        ("my_host.example/team", "my_host.example/team"),
        ("Reg.Example.com/team", "reg.example.com/team"),
        ("*.example.com/team", "*.example.com/team"),
        ("reg.example.com/team-*/app", "reg.example.com/team-*/app"),
        ("*", "**"),
        ("**", "**"),
        ("*/*", "**"),
        ("**/*", "**"),
        ("reg.example.com/*", "reg.example.com"),
        ("reg.example.com/**", "reg.example.com"),
        ("reg.example.com/*/*", "reg.example.com/*/*"),
        ("**/nginx", "*/**/nginx"),
        ("*/**/nginx", "*/**/nginx"),
    ] {
        assert_eq!(scope(text).as_str(), canonical, "{text}");
        match Scope::parse(canonical) {
            Ok(again) => assert_eq!(again, scope(text), "{canonical} is canonical"),
            Err(error) => assert_eq!(error, ScopeError::Ambiguous(canonical.to_owned())),
        }
    }
}

#[test]
fn refuses_invalid_and_ambiguous_scopes() {
    use ScopeError as E;
    for (text, error) in [
        ("", E::Empty),
        (&"a".repeat(513), E::TooLong),
        ("https://reg.example.com/team", E::Scheme),
        ("reg.example.com/team:v1", E::Version),
        ("nginx@sha256:abc", E::Version),
        ("reg.example.com/team/", E::EmptySegment),
        ("/team", E::EmptySegment),
        ("reg.example.com//team", E::EmptySegment),
        ("nginx:1.27", E::Host("nginx:1.27".to_owned())),
        ("reg.example.com.", E::Host("reg.example.com.".to_owned())),
        ("-reg.example.com/x", E::Host("-reg.example.com".to_owned())),
        ("[::*]/x", E::Host("[::*]".to_owned())),
        ("reg.exämple.com/x", E::Host("reg.exämple.com".to_owned())),
        (" reg.example.com/x", E::Host(" reg.example.com".to_owned())),
        ("reg.example.com/x ", E::Path("x ".to_owned())),
        ("reg.example.com/te$m", E::Path("te$m".to_owned())),
        ("reg.example.com/../x", E::Path("..".to_owned())),
        ("reg.example.com/a-", E::Path("a-".to_owned())),
        ("reg.example.com/[ab]", E::Path("[ab]".to_owned())),
        ("reg.example.com/Team", E::UpperCase("Team".to_owned())),
        ("reg.example.com/team**", E::PartialRun),
        ("**.example.com/team", E::PartialRun),
        ("reg.example.com/**/**/a", E::TooManyRuns),
        ("reg.example.com/**/a/**/b/**/c", E::TooManyRuns),
        ("docker.io/evil", E::Ambiguous("docker.io/evil".to_owned())),
        ("registry-1.docker.io/evil", E::Ambiguous("docker.io/evil".to_owned())),
        ("index.docker.io/evil", E::Ambiguous("docker.io/evil".to_owned())),
        ("docker.io/evil-*", E::Ambiguous("docker.io/evil-*".to_owned())),
        ("library", E::Ambiguous("library".to_owned())),
    ] {
        assert_eq!(Scope::parse(text), Err(error), "{text}");
    }
}

#[test]
fn covers_whole_segments_only() {
    for (text, name, covered) in [
        ("reg.example.com/team", "reg.example.com/team", true),
        ("reg.example.com/team", "reg.example.com/team/app", true),
        ("reg.example.com/team", "reg.example.com/team/a/b/c", true),
        ("reg.example.com/team", "reg.example.com/team-evil", false),
        ("reg.example.com/team", "reg.example.com/team-evil/app", false),
        ("reg.example.com/team", "reg.example.com/teams", false),
        ("reg.example.com/team", "reg.example.com/x/team", false),
        ("reg.example.com/team", "reg.example.com.evil.org/team", false),
        ("reg.example.com/team", "evil.org/reg.example.com/team", false),
        ("reg.example.com/team", "REG.Example.com/team/app", true),
        ("reg.example.com", "reg.example.com/x", true),
        ("reg.example.com", "reg.example.com:443/x", true),
        ("reg.example.com", "reg.example.com:0443/x", true),
        ("reg.example.com:443", "reg.example.com/x", true),
        ("reg.example.com", "reg.example.com:80/x", false),
        ("reg.example.com", "reg.example.com:4433/x", false),
        ("reg.example.com:5000", "reg.example.com:05000/x", true),
        ("[::1]:5000", "[0:0::1]:5000/x", true),
        ("docker.io", "registry.hub.docker.com/bitnami/redis", true),
        ("docker.io", "docker.io:443/bitnami/redis", true),
        ("docker.io", "registry-1.docker.io:5000/bitnami/redis", false),
        ("reg.example.com", "reg.example.com-evil/x", false),
        ("docker.io", "nginx", true),
        ("docker.io", "docker.io.evil.com/x", false),
        ("gcr.io", "gcr.io.evil.com/x", false),
        ("ghcr.io", "ghcr.io-evil/x", false),
        ("nginx", "docker.io/nginx", true),
        ("nginx", "index.docker.io/library/nginx", true),
        ("nginx", "registry-1.docker.io/library/nginx", true),
        ("nginx", "registry-1.docker.io/nginx", false),
        ("docker.io", "registry-1.docker.io/nginx", true),
        ("nginx", "DOCKER.IO/nginx", false),
        ("nginx", "nginx/nginx", false),
        ("docker.io", "DOCKER.IO/nginx", true),
        ("localhost", "localhost/x", true),
        ("localhost", "localhost:80/x", false),
        ("localhost", "LOCALHOST/x", true),
        ("**", "nginx", true),
        ("*", "reg.example.com:5000/a/b", true),
        ("*", "[::1]:5000/a", true),
        ("**/nginx", "docker.io/library/nginx", true),
        ("**/nginx", "reg.example.com/nginx", true),
        ("**/nginx", "reg.example.com/a/b/nginx/c", true),
        ("**/nginx", "reg.example.com/nginx-evil", false),
        ("**/localhost", "localhost/x", false),
        ("*.example.com/team", "a.example.com/team/app", true),
        ("*.example.com/team", "a.b.example.com/team/app", false),
        ("*.example.com/team", "example.com/team", false),
        ("reg.example.com/team-*/app", "reg.example.com/team-a/app", true),
        ("reg.example.com/team-*/app", "reg.example.com/team-a/b/app", false),
        ("reg.example.com/*/app", "reg.example.com/a/app", true),
        ("reg.example.com/*/app", "reg.example.com/app", false),
        ("reg.example.com/**/app", "reg.example.com/app", true),
        ("reg.example.com/**/app", "reg.example.com/a/b/app/c", true),
        ("reg.example.com/**/app", "reg.example.com/a/b", false),
        ("reg.example.com/**/a/**/b", "reg.example.com/a/x/a/y/b", true),
        ("reg.example.com/*/*", "reg.example.com/a", false),
    ] {
        assert_eq!(scope(text).covers(&Repository::parse(name).unwrap()), covered, "{text} {name}");
    }
}

#[test]
fn specificity_goes_by_segments_from_the_host_on() {
    // From least to most specific.
    let sorted = [
        "**",
        "**/nginx",
        "*/*/nginx",
        "*.com",
        "*.example.com",
        "reg.example.com",
        "reg.example.com/**/app",
        "reg.example.com/*/app",
        "reg.example.com/t*",
        "reg.example.com/team-*",
        "reg.example.com/team",
        "reg.example.com/team/**/x",
        "reg.example.com/team/app",
    ]
    .map(scope);
    for pair in sorted.windows(2) {
        assert_eq!(pair[0].compare_specificity(&pair[1]), Ordering::Less, "{} {}", pair[0], pair[1]);
        assert_eq!(pair[1].compare_specificity(&pair[0]), Ordering::Greater, "{} {}", pair[0], pair[1]);
    }
}

#[test]
fn returns_the_remainder_below_a_literal_scope() {
    let team = scope("reg.example.com/team");
    assert!(
        team.is_literal() && !scope("reg.example.com/t*").is_literal() && !Scope::everything().is_literal()
    );
    assert_eq!(team.remainder("reg.example.com/team"), Some(""));
    assert_eq!(team.remainder("reg.example.com/team/a/b"), Some("a/b"));
    assert_eq!(team.remainder("reg.example.com/team-evil/a"), None);
}

#[test]
fn b9_a_pattern_that_matches_no_canonical_host_is_reported() {
    for (text, instead) in [
        ("*.example.com:*", Some("*.example.com")),
        ("*.example.com:4*3/team", Some("*.example.com/team")),
        ("*.example.com:443", None),
        ("*.example.com:5*", None),
        ("*.docker.io", Some("docker.io")),
        ("registry-*.docker.io/library", Some("docker.io/library")),
        ("docker.*", None),
        ("*.example.com", None),
        ("registry-1.docker.io", None),
        ("**", None),
    ] {
        let found = scope(text).never_matched().map(|(_, instead)| instead);
        assert_eq!(found.as_deref(), instead, "{text}");
    }
}
