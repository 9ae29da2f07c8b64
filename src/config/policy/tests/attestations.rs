//! `[attestation.NAME]`: what loads, and what is said of what does not.

use super::*;

/// A policy whose one condition has these lines, and whose rule requires it.
fn conditioned(lines: &str) -> String {
    with(&format!(
        "[attestation.c]\n{lines}\n[[namespace]]\nscope = \"nginx\"\nrequire = {{ all = [\"release\"], attestations = [\"c\"] }}\n"
    ))
}

const SBOM: &str = "type = \"sbom\"\nby = \"release\"";

#[test]
fn says_what_is_wrong_with_a_condition() {
    let slsa = "type = \"slsa-provenance\"\nby = \"release\"";
    let scan = "type = \"vulnerabilities\"\nby = \"release\"";
    let custom = "type = \"custom\"\nby = \"release\"";
    for (lines, expected) in [
        (
            "by = \"release\"".to_owned(),
            "policy.toml:5:14: attestation `c` has no `type`\n  hint: write one of `slsa-provenance`, `vulnerabilities`, `sbom`, `vsa`, `custom`",
        ),
        (
            "type = \"sboms\"\nby = \"release\"".to_owned(),
            "policy.toml:6:8: unknown value `sboms` for `type`\n  hint: did you mean `sbom`?",
        ),
        ("type = 1".to_owned(), "policy.toml:6:8: `type` is an integer"),
        (
            "type = \"sbom\"".to_owned(),
            "policy.toml:5:14: attestation `c` has no `by`\n  hint: add for example `by = \"ci\"`",
        ),
        (
            "type = \"sbom\"\nby = \"relaese\"".to_owned(),
            "policy.toml:7:6: authenticator `relaese` does not exist\n  hint: did you mean `release`?",
        ),
        (
            "type = \"sbom\"\nby = { all = [] }".to_owned(),
            "policy.toml:7:6: requirement names no authenticator, so it would require no signature",
        ),
        ("type = \"sbom\"\nby = {}".to_owned(), "policy.toml:7:6: `by` must have one of its three forms"),
        (
            "type = \"sbom\"\nby = { all = [\"release\"], annotations = {} }".to_owned(),
            "policy.toml:7:27: unknown key `annotations` in `by`",
        ),
        (
            format!("{SBOM}\nformats = []"),
            "policy.toml:8:11: `formats` is empty, so no SBOM would meet the condition\n  hint: remove it",
        ),
        (format!("{SBOM}\nformats = [\"swid\"]"), "policy.toml:8:12: unknown value `swid` for `formats`"),
        (format!("{SBOM}\nbuilder = \"x\""), "policy.toml:8:1: unknown key `builder` in [attestation.c]"),
        (
            format!("{SBOM}\nmax-age = \"7\""),
            "policy.toml:8:11: `max-age` is not an age of 1m to 3650d\n  hint: write for example `12h` or `7d`",
        ),
        (format!("{SBOM}\nfields = {{}}"), "policy.toml:8:10: `fields` has 0 entries, but must have 1 to 32"),
        (
            format!("{SBOM}\nfields = {{ a = 1 }}"),
            "policy.toml:8:12: field `a` is not a JSON pointer such as `/a/b`",
        ),
        (format!("{SBOM}\nfields = {{ \"/a\" = 1.5 }}"), "policy.toml:8:19: a field is a float"),
        (format!("{SBOM}\nfields = {{ \"/a\" = [1] }}"), "policy.toml:8:19: a field is an array"),
        (slsa.to_owned(), "policy.toml:5:14: attestation `c` has no `builder`"),
        (format!("{slsa}\nbuilder = []"), "policy.toml:8:11: `builder` must be 1 to 16 texts"),
        (format!("{slsa}\nbuilder = \"\""), "policy.toml:8:11: `builder` must be 1 to 16 texts"),
        (
            format!("{slsa}\nbuilder = \"b\"\nsource-repository = \"**\""),
            "policy.toml:9:21: `source-repository` accepts every repository",
        ),
        (
            format!("{slsa}\nbuilder = \"b\"\nsource-repository = \"https://github.com/*/app\""),
            "policy.toml:9:21: `source-repository` accepts every repository",
        ),
        (
            format!("{slsa}\nbuilder = \"b\"\nsource-ref = \"***\""),
            "policy.toml:9:14: `source-ref` has more than two `*` in a row",
        ),
        (format!("{scan}\nmax-severity = \"high\""), "policy.toml:5:14: attestation `c` has no `max-age`"),
        (format!("{scan}\nmax-age = \"7d\""), "policy.toml:5:14: attestation `c` has no `max-severity`"),
        (
            format!("{scan}\nmax-age = \"7d\"\nmax-severity = \"unknown\""),
            "policy.toml:9:16: unknown value `unknown` for `max-severity`",
        ),
        (
            "type = \"vsa\"\nby = \"release\"\nverifier = \"v\"".to_owned(),
            "policy.toml:5:14: attestation `c` has no `resource`",
        ),
        (custom.to_owned(), "policy.toml:5:14: attestation `c` has no `predicate-type`"),
        (
            format!("{custom}\npredicate-type = \"https://sigstore.dev/cosign/sign/v1\""),
            "policy.toml:8:18: `predicate-type` must be the type of an attestation, but is `https://sigstore.dev/cosign/sign/v1`",
        ),
        (
            format!("{custom}\npredicate-type = \"t\"\ntime = \"/at\""),
            "policy.toml:9:8: `time` needs `max-age`",
        ),
        (
            format!("{custom}\npredicate-type = \"t\"\nmax-age = \"1d\"\ntime = \"at\""),
            "policy.toml:10:8: `time` is not a JSON pointer such as `/a/b`",
        ),
    ] {
        let text = said(&[("policy.toml", &conditioned(&lines))]);
        assert!(text.starts_with(expected), "{lines}\n{text}");
    }
    let loads = [
        SBOM.to_owned(),
        format!(
            "{slsa}\nbuilder = [\"a\", \"b\"]\nsource-repository = \"https://github.com/acme/*\"\nsource-ref = \"**\""
        ),
        format!("{scan}\nmax-age = \"7d\"\nmax-severity = \"none\"\nexcept = \"CVE-1\""),
        format!(
            "{custom}\npredicate-type = \"t\"\nmax-age = \"90m\"\ntime = \"/at\"\nfields = {{ \"/a\" = -1, \"/b\" = true, \"/c\" = \"\" }}"
        ),
    ];
    for lines in loads {
        let loaded = load(&directory(&[("policy.toml", &conditioned(&lines))]));
        assert!(loaded.is_ok(), "{lines}: {}", loaded.unwrap_err());
    }
}

#[test]
fn says_what_is_wrong_with_a_rule_that_names_conditions() {
    let rule = |require: &str| {
        with(&format!(
            "[attestation.c]\n{SBOM}\n[[namespace]]\nscope = \"nginx\"\nrequire = {{ {require} }}\n"
        ))
    };
    for (require, expected) in [
        (
            "attestations = []",
            "policy.toml:10:28: `attestations` in `require` is empty, so it would require no attestation",
        ),
        ("all = [\"release\"], attestations = []", "policy.toml:10:47: `attestations` in `require` is empty"),
        ("attestations = [\"c\", \"c\"]", "policy.toml:10:28: requirement names attestation `c` twice"),
        (
            "attestations = [\"d\"]",
            "policy.toml:10:29: attestation `d` does not exist\n  hint: did you mean `c`? Known are `c`",
        ),
        ("attestations = \"c\"", "policy.toml:10:28: `attestations` is a string"),
        ("attestations = [\"release\"]", "policy.toml:10:29: attestation `release` does not exist"),
        (
            "attestations = [\"c\"], annotations = { a = \"b\" }",
            "policy.toml:10:49: `annotations` are part of signatures, but the rule requires no signature",
        ),
        (
            "attestations = [\"c\"], of = [\"release\"]",
            "policy.toml:10:11: `require` must have one of its three forms",
        ),
        ("", "policy.toml:10:11: `require` must have one of its three forms"),
    ] {
        let text = said(&[("policy.toml", &rule(require))]);
        assert!(text.starts_with(expected), "{require}\n{text}");
    }
    let twice = format!("[attestation.c]\n{SBOM}\n");
    let text = said(&[("policy.toml", &rule("attestations = [\"c\"]")), ("policy.d/a.toml", &twice)]);
    assert_eq!(
        text,
        "policy.d/a.toml:1:14: attestation `c` is also declared in policy.toml:5\n  hint: remove one of them"
    );
}

/// An authenticator that only conditions name is used, and a condition that no rule names is not.
#[test]
fn warns_of_conditions_that_no_rule_requires() {
    let text = |require: &str| {
        format!(
            "default = \"deny\"\n[authenticator.release]\nalgorithm = \"ECDSA_SHA_256\"\nkeys = [{{ file = \"keys/p256.pem\" }}]\n[attestation.c]\n{SBOM}\n[[namespace]]\nscope = \"nginx\"\nrequire = {{ {require} }}\n"
        )
    };
    let warned = |require: &str| {
        let loaded = load(&directory(&[("policy.toml", &text(require))])).unwrap();
        loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(warned("attestations = [\"c\"]"), [""; 0]);
    assert_eq!(
        warned("all = [\"release\"]"),
        [
            "policy.toml:5:14: attestation `c` is required by no rule\n  hint: require it in a rule, or remove it from the policy"
        ]
    );
}

/// Every part of a condition is a part of the hash, so that no cached verdict outlives a change.
#[test]
fn every_part_of_a_condition_changes_the_hash() {
    let hash = |lines: &str| {
        let loaded = load(&directory(&[("policy.toml", &conditioned(lines))]));
        loaded.unwrap_or_else(|problems| panic!("{lines}: {problems}")).policy.hash().to_owned()
    };
    let slsa = "type = \"slsa-provenance\"\nby = \"release\"\nbuilder = \"a\"";
    let scan = "type = \"vulnerabilities\"\nby = \"release\"\nmax-age = \"7d\"\nmax-severity = \"low\"";
    let vsa = "type = \"vsa\"\nby = \"release\"\nverifier = \"a\"\nresource = \"r\"";
    let custom = "type = \"custom\"\nby = \"release\"\npredicate-type = \"a\"\nmax-age = \"1d\"";
    let all = [
        SBOM.to_owned(),
        format!("{SBOM}\nformats = [\"spdx\"]"),
        format!("{SBOM}\nmax-age = \"1d\""),
        format!("{SBOM}\nfields = {{ \"/a\" = 1 }}"),
        format!("{SBOM}\nfields = {{ \"/a\" = \"1\" }}"),
        format!("{SBOM}\nfields = {{ \"/b\" = 1 }}"),
        slsa.to_owned(),
        slsa.replace("\"a\"", "\"b\""),
        slsa.replace("\"a\"", "[\"a\", \"b\"]"),
        format!("{slsa}\nsource-repository = \"https://h/a/b\""),
        format!("{slsa}\nsource-ref = \"https://h/a/b\""),
        format!("{slsa}\nbuild-type = \"https://h/a/b\""),
        scan.to_owned(),
        scan.replace("low", "high"),
        scan.replace("7d", "8d"),
        format!("{scan}\nexcept = [\"a\"]"),
        vsa.to_owned(),
        vsa.replace("\"r\"", "\"s\""),
        format!("{vsa}\nlevels = [\"a\"]"),
        custom.to_owned(),
        custom.replace("\"a\"", "\"b\""),
        format!("{custom}\ntime = \"/a\""),
    ];
    let hashes: std::collections::BTreeSet<String> = all.iter().map(|lines| hash(lines)).collect();
    assert_eq!(hashes.len(), all.len());
    assert_eq!(hash("type = \"sbom\"\nby = { all = [\"release\"] }"), hash(SBOM), "another spelling");
    assert_eq!(hash(&format!("{SBOM}\nformats = [\"cyclonedx\", \"spdx\"]")), hash(SBOM), "the default");
}
