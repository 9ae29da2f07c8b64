//! Predicates of each type that a condition must not accept, and those that it must.

use super::*;

fn with(value: &Value, pointer: &str, new: Value) -> Value {
    let mut value = value.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Array(list) => list[name.parse::<usize>().unwrap()] = new,
        parent => parent[name] = new,
    }
    value
}

fn without(value: &Value, pointer: &str) -> Value {
    let mut value = value.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    value.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
    value
}

fn predicate(name: &str) -> Value {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/cosign/predicates");
    let text = std::fs::read_to_string(format!("{root}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

const BUILDER: &str = "https://builder.example/v1";

fn provenance(repository: Option<&str>, reference: Option<&str>) -> StatementTerms {
    terms(TermsKind::Provenance(Provenance {
        builders: set([BUILDER]),
        source_repository: repository.map(|text| Pattern::parse(text).unwrap()),
        source_ref: reference.map(|text| Pattern::parse(text).unwrap()),
        build_types: set([]),
    }))
}

#[test]
fn provenance_v0_2_is_read_strictly() {
    let good = predicate("slsa-v0.2");
    let all = provenance(Some("https://git.example/acme/app"), Some("refs/heads/main"));
    let uri = |uri: &str| with(&good, "/invocation/configSource/uri", json!(uri));
    for (what, predicate, expected) in [
        ("good", good.clone(), "met"),
        ("no builder", without(&good, "/builder"), "predicate is malformed: predicate has no field builder"),
        (
            "builder is a text",
            with(&good, "/builder", json!(BUILDER)),
            "predicate is malformed: builder is not an object",
        ),
        (
            "id is a list",
            with(&good, "/builder/id", json!([BUILDER])),
            "predicate is malformed: id is not a string",
        ),
        (
            "builder with a suffix",
            with(&good, "/builder/id", json!("https://builder.example/v1/")),
            "builder.id is \"https://builder.example/v1/\", but the policy requires \"https://builder.example/v1\"",
        ),
        (
            "no build type",
            without(&good, "/buildType"),
            "predicate is malformed: predicate has no field buildType",
        ),
        (
            "no source",
            without(&good, "/invocation"),
            "predicate is malformed: predicate has no field invocation",
        ),
        (
            "a material is no source",
            without(&good, "/invocation/configSource"),
            "predicate is malformed: invocation has no field configSource",
        ),
        (
            "no ref",
            uri("git+https://git.example/acme/app"),
            "the ref in invocation.configSource.uri is missing, but the policy requires \"refs/heads/main\"",
        ),
        (
            "longer name",
            uri("git+https://git.example/acme/app-evil@refs/heads/main"),
            "the repository in invocation.configSource.uri is \"https://git.example/acme/app-evil\", but the policy requires \"https://git.example/acme/app\"",
        ),
        (
            "name and host",
            uri("git+https://git.example/acme/app@evil.example/x@refs/heads/main"),
            "source \"git+https://git.example/acme/app@evil.example/x@refs/heads/main\" does not name one repository and ref: the URI has a query, or more than one `@` or `#`",
        ),
        ("null", json!(null), "predicate is malformed: predicate is not an object"),
        ("a list", json!([good]), "predicate is malformed: predicate is not an object"),
    ] {
        assert_eq!(outcome_by(&all, SLSA_0_2, &predicate), expected, "{what}");
    }
    // The fields of v1 are not those of v0.2.
    let other = outcome_by(&all, SLSA_1, &good);
    assert_eq!(other, "predicate is malformed: predicate has no field runDetails");
    assert_eq!(outcome_by(&all, "https://slsa.dev/provenance/v0.1", &good), "not asked for");
    assert_eq!(outcome_by(&all, "https://slsa.dev/provenance/v1.1", &good), "not asked for");
}

#[test]
fn the_source_in_provenance_v1_is_where_its_build_type_has_it() {
    let of = |build_type: &str, parameters: &Value, dependencies: &Value| {
        json!({
            "buildDefinition": {
                "buildType": build_type,
                "externalParameters": parameters,
                "resolvedDependencies": dependencies,
            },
            "runDetails": { "builder": { "id": BUILDER } },
        })
    };
    let workflow =
        json!({ "workflow": { "repository": "https://git.example/acme/app", "ref": "refs/heads/main" } });
    let dependency = |uri: &str| json!({ "uri": uri, "digest": { "gitCommit": "0" } });
    let git = dependency("git+https://git.example/acme/app@refs/heads/main");
    let evil = dependency("git+https://git.example/evil/app@refs/heads/main");
    let image = dependency("pkg:docker/alpine@3");
    let github = "https://actions.github.io/buildtypes/workflow/v1";
    let slsa = "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1";
    let cloud = "https://cloud.google.com/build/gcb-buildtypes/google-worker/v1";
    let buildkit = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md";
    let all = provenance(Some("https://git.example/acme/app"), Some("refs/heads/main"));
    let unknown = "build type \"https://other.example/v1\" is not supported, and the predicate does not name exactly one Git repository as source";
    for (what, predicate, expected) in [
        ("github", of(github, &workflow, &json!([evil])), "met"),
        ("slsa generator", of(slsa, &workflow, &json!([])), "met"),
        (
            "cloud build",
            of(
                cloud,
                &json!({ "buildConfigSource": { "repository": "https://git.example/acme/app", "ref": "refs/heads/main" } }),
                &json!([]),
            ),
            "met",
        ),
        (
            "buildkit",
            of(
                buildkit,
                &json!({ "configSource": { "uri": "https://git.example/acme/app.git#refs/heads/main" } }),
                &json!([image]),
            ),
            "met",
        ),
        // Parameters of other builders are whatever their users write.
        ("parameters of another build type", of("https://other.example/v1", &workflow, &json!([])), unknown),
        (
            "github without parameters",
            of(github, &json!({}), &json!([git])),
            "predicate is malformed: externalParameters has no field workflow",
        ),
        ("unknown, one repository", of("https://other.example/v1", &json!({}), &json!([image, git])), "met"),
        (
            "unknown, two repositories",
            of("https://other.example/v1", &json!({}), &json!([git, evil])),
            unknown,
        ),
        ("unknown, the same twice", of("https://other.example/v1", &json!({}), &json!([git, git])), unknown),
        ("unknown, none", of("https://other.example/v1", &json!({}), &json!([])), unknown),
        (
            "unknown, a text",
            of("https://other.example/v1", &json!({}), &json!("git+https://git.example/acme/app")),
            "predicate is malformed: resolvedDependencies is not an array",
        ),
        (
            "another repository",
            of(
                github,
                &json!({ "workflow": { "repository": "https://git.example/evil/app", "ref": "refs/heads/main" } }),
                &json!([git]),
            ),
            "the repository in externalParameters.workflow is \"https://git.example/evil/app\", but the policy requires \"https://git.example/acme/app\"",
        ),
    ] {
        assert_eq!(outcome_by(&all, SLSA_1, &predicate), expected, "{what}");
    }
    // Without a required source, none is read.
    assert_eq!(
        outcome_by(&provenance(None, None), SLSA_1, &of("https://other.example/v1", &json!(1), &json!(1))),
        "met"
    );
}

/// Git refs may contain `@` and `#` (git-check-ref-format), so a branch can look like a longer repository and another ref.
#[test]
fn a_source_with_several_separators_is_not_known() {
    let buildkit = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md";
    let old = |uri: &str| {
        let source = json!({ "configSource": { "uri": uri } });
        (SLSA_0_2, json!({ "builder": { "id": BUILDER }, "buildType": "t", "invocation": source }))
    };
    let of = |build_type: &str, parameters: Value, dependencies: Value| {
        let definition = json!({
            "buildType": build_type,
            "externalParameters": parameters,
            "resolvedDependencies": dependencies,
        });
        (SLSA_1, json!({ "buildDefinition": definition, "runDetails": { "builder": { "id": BUILDER } } }))
    };
    let configured = |uri: &str| of(buildkit, json!({ "configSource": { "uri": uri } }), json!([]));
    let resolved = |uri: &str| of("https://other.example/v1", json!({}), json!([{ "uri": uri }]));
    let workflow = |repository: &str| {
        let workflow = json!({ "workflow": { "repository": repository, "ref": "refs/heads/main" } });
        of("https://actions.github.io/buildtypes/workflow/v1", workflow, json!([]))
    };
    let evil = "git+https://github.com/acme/app@refs/heads/x@refs/heads/main";
    for (what, (kind, predicate), known) in [
        ("v0.2", old(evil), false),
        (
            "v0.2 with a path behind the ref",
            old("git+https://github.com/acme/app@refs/heads/main#sub"),
            false,
        ),
        ("v0.2, good", old("git+https://github.com/acme/app@refs/heads/main"), true),
        ("buildkit", configured("https://github.com/acme/app.git#x@refs/heads/main"), false),
        (
            "buildkit with a directory",
            configured("https://github.com/acme/app.git#evil:sub@refs/heads/main"),
            false,
        ),
        ("buildkit with #", configured("https://github.com/acme/app.git#x#refs/heads/main"), false),
        ("buildkit with a query", configured("https://github.com/acme/app.git?ref=x#refs/heads/main"), false),
        ("buildkit, good", configured("https://github.com/acme/app.git#refs/heads/main"), true),
        ("resolved", resolved(evil), false),
        ("resolved, good", resolved("git+https://github.com/acme/app@refs/heads/main"), true),
        ("workflow", workflow("https://github.com/acme/app@x@y"), false),
        ("workflow, good", workflow("https://github.com/acme/app"), true),
    ] {
        for (repository, reference) in [
            (Some("https://github.com/acme/**"), Some("refs/heads/main")),
            (Some("https://github.com/acme/*"), Some("refs/heads/main")),
            (Some("https://github.com/acme/**"), None),
            (None, Some("refs/heads/main")),
        ] {
            let found = outcome_by(&provenance(repository, reference), kind, &predicate);
            assert_eq!(found == "met", known, "{what}, {repository:?}, {reference:?}: {found}");
        }
        assert_eq!(
            outcome_by(&provenance(None, None), kind, &predicate),
            "met",
            "{what}, no source is required"
        );
    }
    // A directory of the repository is no part of the ref, which it could complete.
    let (kind, predicate) = configured("https://github.com/acme/app.git#refs/heads/x:sub-release");
    let found = outcome_by(&provenance(None, Some("refs/heads/*-release")), kind, &predicate);
    assert_ne!(found, "met");
    let acme = provenance(Some("https://github.com/acme/app"), None);
    assert_eq!(outcome_by(&acme, kind, &predicate), "met");
}

#[test]
fn reports_that_cannot_be_read_are_not_clean() {
    let (trivy, grype) = (predicate("trivy"), predicate("grype"));
    let high = at_most(scan(SeverityLimit::AtMost(Severity::High), &[]), 7);
    let result = |value: Value| with(&trivy, "/scanner/result", value);
    let vulnerability = "/scanner/result/Results/0/Vulnerabilities/0";
    let severity = |value: Value| with(&trivy, &format!("{vulnerability}/Severity"), value);
    let matched = |value: Value| with(&grype, "/scanner/result/matches/0/vulnerability/severity", value);
    let neither = "scanner.result is not a report of trivy (schema version 2) or grype";
    let word = "report has a severity that pullgate does not know";
    let results = |value: Value| with(&trivy, "/scanner/result/Results", value);
    let no_packages = "report of trivy has no result about packages, so no vulnerabilities were looked for";
    for (what, predicate, expected) in [
        ("trivy", trivy.clone(), "met"),
        ("grype", grype.clone(), "met"),
        (
            "critical",
            severity(json!("CRITICAL")),
            "\"CVE-2026-0001\" has severity critical, but the policy allows at most high",
        ),
        (
            "unknown",
            severity(json!("UNKNOWN")),
            "\"CVE-2026-0001\" has severity unknown, but the policy allows at most high",
        ),
        ("a number", severity(json!(2)), "predicate is malformed: Severity is not a string"),
        ("a number as text", severity(json!("2")), word),
        ("an empty severity", severity(json!("")), word),
        ("null", severity(json!(null)), "predicate is malformed: Severity is not a string"),
        (
            "no severity",
            without(&trivy, &format!("{vulnerability}/Severity")),
            "predicate is malformed: vulnerability has no field Severity",
        ),
        (
            "no id",
            without(&trivy, &format!("{vulnerability}/VulnerabilityID")),
            "predicate is malformed: vulnerability has no field VulnerabilityID",
        ),
        (
            "a text in the list",
            with(&trivy, vulnerability, json!("CVE-2026-0001")),
            "predicate is malformed: vulnerability is not an object",
        ),
        (
            "the list is an object",
            with(&trivy, "/scanner/result/Results/0/Vulnerabilities", json!({})),
            "predicate is malformed: Vulnerabilities is not an array",
        ),
        (
            "an empty list of one target",
            with(&trivy, "/scanner/result/Results/0/Vulnerabilities", json!([])),
            "met",
        ),
        ("no list of one target", without(&trivy, "/scanner/result/Results/0/Vulnerabilities"), "met"),
        ("no target", results(json!([])), no_packages),
        ("no list of targets", without(&trivy, "/scanner/result/Results"), no_packages),
        ("only secrets", results(json!([{ "Target": "app", "Class": "secret" }])), no_packages),
        (
            "only licenses and configuration",
            results(json!([{ "Class": "license" }, { "Class": "license-file" }, { "Class": "config" }])),
            no_packages,
        ),
        ("a result without a class", results(json!([{}])), no_packages),
        ("a class that is no text", results(json!([{ "Class": ["os-pkgs"] }])), no_packages),
        ("a class in upper case", results(json!([{ "Class": "OS-PKGS" }])), no_packages),
        ("a number as a result", results(json!([1])), "predicate is malformed: Results is not an object"),
        (
            "packages of the distribution",
            results(json!([{ "Class": "secret" }, { "Class": "os-pkgs" }])),
            "met",
        ),
        ("packages of a language", results(json!([{ "Class": "lang-pkgs" }])), "met"),
        ("another class", results(json!([{ "Class": "custom", "Vulnerabilities": [] }])), no_packages),
        ("another version", with(&trivy, "/scanner/result/SchemaVersion", json!(3)), neither),
        ("the version as text", with(&trivy, "/scanner/result/SchemaVersion", json!("2")), neither),
        ("the version as a fraction", with(&trivy, "/scanner/result/SchemaVersion", json!(2.5)), neither),
        ("both scanners", with(&trivy, "/scanner/result/matches", json!([])), neither),
        ("an empty report", result(json!({})), neither),
        ("SARIF", result(json!({ "version": "2.1.0", "runs": [{ "results": [] }] })), neither),
        ("a text", result(json!("{}")), "predicate is malformed: result is not an object"),
        (
            "no report",
            without(&trivy, "/scanner/result"),
            "predicate is malformed: scanner has no field result",
        ),
        ("no scanner", without(&trivy, "/scanner"), "predicate is malformed: predicate has no field scanner"),
        (
            "grype, critical",
            matched(json!("Critical")),
            "\"GHSA-aaaa-bbbb-cccc\" has severity critical, but the policy allows at most high",
        ),
        (
            "grype, unknown",
            matched(json!("Unknown")),
            "\"GHSA-aaaa-bbbb-cccc\" has severity unknown, but the policy allows at most high",
        ),
        ("grype, another word", matched(json!("Severe")), word),
        ("grype, nothing found", with(&grype, "/scanner/result/matches", json!([])), "met"),
        (
            "grype, no list",
            with(&grype, "/scanner/result/matches", json!({})),
            "predicate is malformed: matches is not an array",
        ),
        (
            "grype by another name",
            with(&grype, "/scanner/result/descriptor/name", json!("grypes")),
            "scanner.result has `matches`, but is not a report of grype",
        ),
        (
            "grype without a source",
            without(&grype, "/scanner/result/source"),
            "predicate is malformed: result has no field source",
        ),
        (
            "no time",
            without(&trivy, "/metadata/scanFinishedOn"),
            "attestation has no signed time, so pullgate cannot know its age",
        ),
        (
            "no metadata",
            without(&trivy, "/metadata"),
            "attestation has no signed time, so pullgate cannot know its age",
        ),
        (
            "a number as time",
            with(&trivy, "/metadata/scanFinishedOn", json!(1_762_000_000)),
            "time of the attestation is a value that is not a string; expected a time such as 2027-01-01T00:00:00Z",
        ),
        (
            "a time without offset",
            with(&trivy, "/metadata/scanFinishedOn", json!("2026-11-01T10:00:00")),
            "time of the attestation is \"2026-11-01T10:00:00\"; expected a time such as 2027-01-01T00:00:00Z",
        ),
        (
            "an empty time",
            with(&trivy, "/metadata/scanFinishedOn", json!("")),
            "time of the attestation is \"\"; expected a time such as 2027-01-01T00:00:00Z",
        ),
        (
            "a time to come",
            with(&trivy, "/metadata/scanFinishedOn", json!("2026-11-05T00:00:01Z")),
            "time of the attestation, 2026-11-05T00:00:01Z, is in the future; check this node's clock",
        ),
    ] {
        assert_eq!(outcome_by(&high, VULNERABILITIES, &predicate), expected, "{what}");
    }
    // Exceptions are for one id each, exactly.
    for (except, expected) in [
        ("CVE-2026-0001", "met"),
        ("CVE-2026-000", "\"CVE-2026-0001\" has severity high, but the policy allows at most medium"),
        ("cve-2026-0001", "\"CVE-2026-0001\" has severity high, but the policy allows at most medium"),
        ("*", "\"CVE-2026-0001\" has severity high, but the policy allows at most medium"),
    ] {
        let medium = at_most(scan(SeverityLimit::AtMost(Severity::Medium), &[except]), 7);
        assert_eq!(outcome_by(&medium, VULNERABILITIES, &trivy), expected, "{except}");
    }
    let excepted = at_most(scan(SeverityLimit::None, &["CVE-2026-0001", "CVE-2026-0002"]), 7);
    assert_eq!(outcome_by(&excepted, VULNERABILITIES, &severity(json!("UNKNOWN"))), "met");
}

#[test]
fn a_bill_of_materials_names_something() {
    let sbom = terms(TermsKind::Sbom(Sbom::new(SbomFormat::ALL.into_iter().collect())));
    let (spdx, cyclonedx) = (predicate("spdx"), predicate("cyclonedx"));
    let nothing = "SBOM lists no package";
    let listed = |components: Value| {
        with(&with(&cyclonedx, "/components", components), "/metadata/component", json!(null))
    };
    let not_spdx = "predicate is not an SPDX document of version 2";
    for (what, kind, predicate, expected) in [
        ("spdx", SPDX, spdx.clone(), "met"),
        ("with a version", "https://spdx.dev/Document/v2.3", spdx.clone(), "met"),
        ("another path", "https://spdx.dev/Documents", spdx.clone(), "not asked for"),
        ("another version", "https://spdx.dev/Document/vx", spdx.clone(), "not asked for"),
        ("no packages", SPDX, with(&spdx, "/packages", json!([])), nothing),
        (
            "packages missing",
            SPDX,
            without(&spdx, "/packages"),
            "predicate is malformed: predicate has no field packages",
        ),
        (
            "packages as a text",
            SPDX,
            with(&spdx, "/packages", json!("app")),
            "predicate is malformed: packages is not an array",
        ),
        ("a package that is null", SPDX, with(&spdx, "/packages", json!([null])), nothing),
        ("packages that are texts", SPDX, with(&spdx, "/packages", json!(["app", 0, [], {}])), nothing),
        ("a package without a name", SPDX, with(&spdx, "/packages", json!([{ "name": "" }])), nothing),
        ("a name that is a list", SPDX, with(&spdx, "/packages", json!([{ "name": ["app"] }])), nothing),
        ("one package with a name", SPDX, with(&spdx, "/packages", json!([null, { "name": "app" }])), "met"),
        ("another format", SPDX, with(&spdx, "/spdxVersion", json!("SPDX-9.0")), not_spdx),
        ("an empty object", SPDX, json!({}), "predicate is malformed: predicate has no field spdxVersion"),
        ("nothing", SPDX, json!(null), "predicate is malformed: predicate is not an object"),
        ("an empty text", SPDX, json!(""), not_spdx),
        ("a text without packages", SPDX, json!("SPDXVersion: SPDX-2.3\n"), nothing),
        ("a text with an empty name", SPDX, json!("SPDXVersion: SPDX-2.3\nPackageName: \n"), nothing),
        ("a text", SPDX, json!("SPDXVersion: SPDX-2.3\nPackageName: app\n"), "met"),
        (
            "cyclonedx under the type of spdx",
            SPDX,
            cyclonedx.clone(),
            "predicate is malformed: predicate has no field spdxVersion",
        ),
        ("cyclonedx", CYCLONEDX, cyclonedx.clone(), "met"),
        ("cyclonedx with a version", "https://cyclonedx.org/bom/v1.6", cyclonedx.clone(), "met"),
        (
            "another name",
            CYCLONEDX,
            with(&cyclonedx, "/bomFormat", json!("Cyclone")),
            "predicate is not a CycloneDX document",
        ),
        ("a component of its own", CYCLONEDX, without(&cyclonedx, "/components"), "met"),
        ("no component", CYCLONEDX, listed(json!([])), nothing),
        ("a component that is a number", CYCLONEDX, listed(json!([0])), nothing),
        ("a component that is null", CYCLONEDX, listed(json!([null, {}, { "name": "" }])), nothing),
        ("one component with a name", CYCLONEDX, listed(json!([0, { "name": "app" }])), "met"),
        (
            "a component without a name",
            CYCLONEDX,
            with(&without(&cyclonedx, "/components"), "/metadata/component/name", json!("")),
            nothing,
        ),
    ] {
        assert_eq!(outcome_by(&sbom, kind, &predicate), expected, "{what}");
    }
}

#[test]
fn a_verification_summary_has_passed() {
    let vsa = predicate("vsa");
    let summary = terms(TermsKind::Summary(Summary {
        verifiers: set(["https://verifier.example/v1"]),
        resource: Pattern::parse("oci://registry.example/team/*").unwrap(),
        levels: set(["SLSA_BUILD_LEVEL_3", "ACME_REVIEWED"]),
    }));
    let levels = json!(["ACME_REVIEWED", "SLSA_BUILD_LEVEL_3"]);
    let good = with(&vsa, "/verifiedLevels", levels);
    for (what, predicate, expected) in [
        ("good", good.clone(), "met"),
        (
            "one level of two",
            vsa.clone(),
            "verifiedLevels is \"SLSA_BUILD_LEVEL_3\", but the policy requires \"ACME_REVIEWED\"",
        ),
        (
            "no level",
            with(&vsa, "/verifiedLevels", json!([])),
            "verifiedLevels is \"\", but the policy requires \"ACME_REVIEWED\"",
        ),
        (
            "levels missing",
            without(&vsa, "/verifiedLevels"),
            "predicate is malformed: predicate has no field verifiedLevels",
        ),
        (
            "levels as numbers",
            with(&vsa, "/verifiedLevels", json!([3])),
            "predicate is malformed: verifiedLevels is not a string",
        ),
        (
            "failed",
            with(&good, "/verificationResult", json!("FAILED")),
            "verificationResult is \"FAILED\", but the policy requires \"PASSED\"",
        ),
        (
            "in lower case",
            with(&good, "/verificationResult", json!("passed")),
            "verificationResult is \"passed\", but the policy requires \"PASSED\"",
        ),
        (
            "true",
            with(&good, "/verificationResult", json!(true)),
            "predicate is malformed: verificationResult is not a string",
        ),
        (
            "another verifier",
            with(&good, "/verifier/id", json!("https://evil.example")),
            "verifier.id is \"https://evil.example\", but the policy requires \"https://verifier.example/v1\"",
        ),
        (
            "another resource",
            with(&good, "/resourceUri", json!("oci://registry.example/team/a/b")),
            "resourceUri is \"oci://registry.example/team/a/b\", but the policy requires \"oci://registry.example/team/*\"",
        ),
    ] {
        assert_eq!(outcome_by(&summary, VSA, &predicate), expected, "{what}");
    }
}

#[test]
fn fields_are_equal_in_value_and_type() {
    let review = predicate("custom");
    let text = |text: &str| Expected::Text(text.to_owned());
    for (pointer, wanted, expected) in [
        ("/review/approved", Expected::Boolean(true), "met"),
        ("/review/approvals", Expected::Integer(2), "met"),
        ("/review/team", text("payments"), "met"),
        ("/review/a~1b", text("slash"), "met"),
        ("/review/approved", text("true"), "/review/approved is true, but the policy requires \"true\""),
        ("/review/approvals", text("2"), "/review/approvals is 2, but the policy requires \"2\""),
        ("/review/approvals", Expected::Integer(3), "/review/approvals is 2, but the policy requires 3"),
        ("/review/team", text("pay"), "/review/team is \"payments\", but the policy requires \"pay\""),
        ("/review/none", text(""), "/review/none is missing, but the policy requires \"\""),
        ("/review/a/b", text("slash"), "/review/a/b is missing, but the policy requires \"slash\""),
        ("/review", text("payments"), "/review is an object, but the policy requires \"payments\""),
        ("/Review/team", text("payments"), "/Review/team is missing, but the policy requires \"payments\""),
    ] {
        let terms = with_fields(custom(), &[(pointer, wanted)]);
        assert_eq!(outcome_by(&terms, REVIEW, &review), expected, "{pointer}");
    }
    let all = [("/review/approved", Expected::Boolean(true)), ("/review/approvals", Expected::Integer(3))];
    let terms = with_fields(custom(), &all);
    assert_eq!(
        outcome_by(&terms, REVIEW, &review),
        "/review/approvals is 2, but the policy requires 3",
        "both are required"
    );
    // Elements have their places, and numbers their type.
    for (value, expected) in [
        (json!({ "list": ["a", "b", 1] }), "met"),
        (json!({ "list": ["b", "a", 1] }), "/list/1 is \"a\", but the policy requires \"b\""),
        (json!({ "list": ["a"] }), "/list/1 is missing, but the policy requires \"b\""),
        (json!({ "list": { "1": "b", "2": 1 } }), "met"),
        (json!({ "list": ["a", "b", 1.0] }), "/list/2 is 1.0, but the policy requires 1"),
        (json!({ "list": ["a", "b", "1"] }), "/list/2 is \"1\", but the policy requires 1"),
    ] {
        let terms = with_fields(custom(), &[("/list/1", text("b")), ("/list/2", Expected::Integer(1))]);
        assert_eq!(outcome_by(&terms, REVIEW, &value), expected, "{value}");
    }
    // They can be added to the conditions of a type.
    let kind = TermsKind::Sbom(Sbom::new(SbomFormat::ALL.into_iter().collect()));
    let terms = with_fields(kind, &[("/creationInfo/creators/0", text("Tool: other"))]);
    let found = outcome_by(&terms, SPDX, &predicate("spdx"));
    assert_eq!(
        found,
        "/creationInfo/creators/0 is \"Tool: example\", but the policy requires \"Tool: other\""
    );
    // Also in the arrays that the type reads.
    let differs = "/packages/0/versionInfo is \"1.0.0\", but the policy requires \"2\"";
    for (version, expected) in [("1.0.0", "met"), ("2", differs)] {
        let kind = TermsKind::Sbom(Sbom::new(SbomFormat::ALL.into_iter().collect()));
        let terms = with_fields(kind, &[("/packages/0/versionInfo", text(version))]);
        assert_eq!(outcome_by(&terms, SPDX, &predicate("spdx")), expected);
    }
}

#[test]
fn a_pointer_has_no_other_form() {
    for (text, good) in [
        ("/a", true),
        ("/a/b~1c~0d/0", true),
        ("/", true),
        ("", false),
        ("a", false),
        ("/a~", false),
        ("/a~2", false),
        ("/~é", false),
    ] {
        assert_eq!(Pointer::parse(text).is_ok(), good, "{text}");
    }
    assert!(Pointer::parse(&format!("/{}", "a".repeat(512))).is_err());
    assert!(Pointer::parse(&"/a".repeat(17)).is_err());
}
