//! Annotations that a rule requires, in both formats. Every signature is valid.

use super::*;

const REQUIRED: [(&str, &str); 2] = [("team", "payments"), ("env", "")];

/// What a rule that requires [`REQUIRED`] makes of an attachment.
fn verified(attachment: &Attachment) -> Result<Proof, SignatureError> {
    Party::release().verify_with(attachment, Timestamp::UNIX_EPOCH, &REQUIRED, RepositoryIdentity::Optional)
}

fn judged(attachment: &Attachment) -> String {
    outcome(&verified(attachment))
}

#[test]
fn each_required_annotation_is_signed_with_exactly_its_value() {
    for (signed, expected, why) in [
        (json!({ "team": "payments", "env": "" }), "ok", ""),
        (json!({ "env": "", "team": "payments", "build": 42 }), "ok", ""),
        (json!({ "team": "payments" }), "Annotation", r#"annotation "env" = "", but the signature has none"#),
        (json!({ "env": "" }), "Annotation", r#"annotation "team" = "payments", but the signature has none"#),
        (json!({}), "Annotation", "the signature has none"),
        (json!(null), "Annotation", "the signature has none"),
        (json!({ "team": "Payments", "env": "" }), "Annotation", r#"signature has "Payments""#),
        (json!({ "team": "payments ", "env": "" }), "Annotation", r#"signature has "payments ""#),
        (json!({ "team": "payments", "env": "prod" }), "Annotation", r#"signature has "prod""#),
        (json!({ "Team": "payments", "env": "" }), "Annotation", "the signature has none"),
        (json!({ "team": ["payments"], "env": "" }), "Annotation", "a value that is not a string"),
        (json!({ "team": { "payments": "payments" }, "env": "" }), "Annotation", "not a string"),
        (json!({ "team": "payments", "env": null }), "Annotation", "a value that is not a string"),
        (json!({ "team": true, "env": "" }), "Annotation", "a value that is not a string"),
        (json!("team=payments"), "Malformed", ""),
        (json!(["team"]), "Malformed", ""),
    ] {
        let mut payload: Value = serde_json::from_str(&payload()).unwrap();
        payload["optional"] = signed.clone();
        let mut statement = statement();
        statement["subject"][0]["annotations"] = signed.clone();
        let bundle = document(Party::release().bundle(&statement.to_string()).to_string());
        for attachment in [Party::release().simple(&payload.to_string()), bundle] {
            assert_eq!(judged(&attachment), expected, "{signed} in {}", attachment.format());
            let text = verified(&attachment).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(text.contains(why), "{signed}: {text}");
        }
    }
}

/// Two entries could say two things: a parser may take either.
#[test]
fn a_duplicate_is_refused_and_each_entry_of_the_digest_must_say_it() {
    let twice =
        payload().replace(r#""optional":null"#, r#""optional":{"team":"payments","env":"","team":"shop"}"#);
    assert_eq!(judged(&Party::release().simple(&twice)), "Malformed");
    let required = json!({ "team": "payments", "env": "" });
    for (others, expected) in [
        (json!({ "team": "payments", "env": "", "more": "" }), "ok"),
        (json!({ "team": "shop", "env": "" }), "Annotation"),
        (json!({}), "Annotation"),
        (json!("x"), "Malformed"),
    ] {
        for first in [true, false] {
            let mut statement = statement();
            let entry = |annotations: &Value| {
                let digest = statement["subject"][0]["digest"].clone();
                json!({ "digest": digest, "annotations": annotations })
            };
            let (own, other) = (entry(&required), entry(&others));
            statement["subject"] = if first { json!([own, other]) } else { json!([other, own]) };
            let bundle = document(Party::release().bundle(&statement.to_string()).to_string());
            assert_eq!(judged(&bundle), expected, "{others}");
        }
    }
    // What the entry of another digest says is not said of this one.
    let mut statement = statement();
    let own = statement["subject"][0].clone();
    statement["subject"] = json!([own, { "digest": { "sha256": "0" }, "annotations": required }]);
    let bundle = document(Party::release().bundle(&statement.to_string()).to_string());
    assert_eq!(judged(&bundle), "Annotation");
}

/// They are compared after the signature was verified: a stranger learns nothing, and the reason is the stranger.
#[test]
fn an_untrusted_signature_is_reported_as_that() {
    let mut payload: Value = serde_json::from_str(&payload()).unwrap();
    payload["optional"] = json!({ "team": "payments", "env": "" });
    let attachment = Party::untrusted().simple(&payload.to_string());
    assert_eq!(judged(&attachment), "Untrusted");
}

/// The repositories of the subject are docker.io/library/other and [`REPOSITORY`].
#[test]
fn a_bundle_names_its_repository_where_that_is_required() {
    let named = |annotations: &Value, identity| {
        let mut statement = statement();
        statement["subject"][0]["annotations"] = annotations.clone();
        let bundle = document(Party::release().bundle(&statement.to_string()).to_string());
        outcome(&Party::release().verify_with(&bundle, Timestamp::UNIX_EPOCH, &[], identity))
    };
    for (annotations, expected) in [
        (json!({ "docker-reference": REPOSITORY }), "ok"),
        (json!({ "docker-reference": format!("{REPOSITORY}:1.0"), "build": "42" }), "ok"),
        (json!({ "docker-reference": "index.docker.io/library/other" }), "ok"),
        (json!({ "docker-reference": format!("{REPOSITORY}@sha256:0") }), "OtherRepository"),
        (json!({ "docker-reference": format!("{REPOSITORY}/deeper") }), "OtherRepository"),
        (json!({ "docker-reference": format!("{REPOSITORY} ") }), "OtherRepository"),
        (json!({ "docker-reference": "evil.example/app" }), "OtherRepository"),
        // A name without a host could be meant for any.
        (json!({ "docker-reference": "other" }), "OtherRepository"),
        (json!({ "docker-reference": "" }), "OtherRepository"),
        (json!({ "docker-reference": [REPOSITORY] }), "NoRepository"),
        (json!({ "docker-reference": null }), "NoRepository"),
        (json!({ "Docker-Reference": REPOSITORY }), "NoRepository"),
        (json!({}), "NoRepository"),
        (json!(null), "NoRepository"),
    ] {
        assert_eq!(named(&annotations, RepositoryIdentity::Required), expected, "{annotations}");
        assert_eq!(named(&annotations, RepositoryIdentity::Optional), "ok", "{annotations}");
    }
    // Of two entries for the digest, each must name it.
    let mut statement = statement();
    let mut own = statement["subject"][0].clone();
    own["annotations"] = json!({ "docker-reference": REPOSITORY });
    for (other, expected) in [(own.clone(), "ok"), (statement["subject"][0].clone(), "NoRepository")] {
        statement["subject"] = json!([own, other]);
        let bundle = document(Party::release().bundle(&statement.to_string()).to_string());
        let found =
            Party::release().verify_with(&bundle, Timestamp::UNIX_EPOCH, &[], RepositoryIdentity::Required);
        assert_eq!(outcome(&found), expected, "{other}");
    }
}
