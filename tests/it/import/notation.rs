//! notation's trust policies: generated ones decide as the original, or more strictly with a note.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use proptest::prelude::*;
use proptest::sample::select;
use pullgate::policy::{Action, Mode, Policy};
use pullgate::reference::Repository;
use pullgate::trust::{Signers, TimestampCheck, VerificationLevel};
use pullgate_import::{self as import, Effect, ImportError, Imported, Note, Options};
use pullgate_test::signer::notation_file;

use super::load;

const SCOPES: [&str; 9] = [
    "a.example/app",
    "a.example/app/sub",
    "a.example/other",
    "b.example:5000/app",
    "localhost/app",
    "localhost:5000/app",
    // For names that are spelled so, and for a local layout.
    "A.example/app",
    "a.example:443/other",
    "local/layout",
];
const HOSTS: [&str; 5] = ["a.example", "b.example:5000", "localhost", "localhost:5000", "c.example"];
const PATHS: [&str; 6] = ["app", "app/sub", "app/sub/deeper", "other", "other/deeper", "layout"];
const LEVELS: [&str; 4] = ["strict", "permissive", "audit", "skip"];
const KINDS: [&str; 4] = ["authenticity", "authenticTimestamp", "expiry", "revocation"];

/// A statement without its scopes.
#[derive(Clone, Debug)]
struct Statement {
    level: &'static str,
    overrides: BTreeMap<&'static str, &'static str>,
    tsa: bool,
    after_expiry: bool,
}

/// Statements, and the scope of each; the last may be for all.
#[derive(Clone, Debug)]
struct TrustPolicy {
    statements: Vec<Statement>,
    /// By scope, the statement.
    scopes: BTreeMap<&'static str, usize>,
    for_all: Option<Statement>,
}

/// What notation verifies, by `trust-store-trust-policy.md`, "Signature Verification details".
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    Refused,
    Verified { statement: String, enforced: BTreeMap<&'static str, bool>, tsa: bool, after_expiry: bool },
    Skipped,
}

impl Statement {
    fn enforced(&self) -> BTreeMap<&'static str, bool> {
        let by_level = |kind: &str| match self.level {
            "strict" => true,
            "permissive" => kind == "authenticity",
            _ => false,
        };
        let by = |kind: &&'static str| {
            let overridden = self.overrides.get(kind).map(|action| *action == "enforce");
            (*kind, overridden.unwrap_or_else(|| by_level(kind)))
        };
        KINDS.iter().map(by).collect()
    }

    fn decision(&self, name: &str) -> Decision {
        if self.level == "skip" {
            return Decision::Skipped;
        }
        let (tsa, after_expiry) = (self.tsa, self.after_expiry);
        Decision::Verified { statement: name.to_owned(), enforced: self.enforced(), tsa, after_expiry }
    }

    fn json(&self, name: &str, scopes: &[&str]) -> serde_json::Value {
        let mut verification = serde_json::json!({ "level": self.level });
        if !self.overrides.is_empty() {
            verification["override"] = serde_json::json!(self.overrides);
        }
        if self.after_expiry {
            verification["verifyTimestamp"] = "afterCertExpiry".into();
        }
        let mut json = serde_json::json!({
            "name": name, "registryScopes": scopes, "signatureVerification": verification,
        });
        if self.level != "skip" {
            json["trustStores"] = if self.tsa { vec!["ca:own", "tsa:own"] } else { vec!["ca:own"] }.into();
            json["trustedIdentities"] = vec!["x509.subject: C=US, ST=WA, O=acme"].into();
        }
        json
    }
}

impl TrustPolicy {
    fn document(&self) -> String {
        let mut statements: Vec<_> = Vec::new();
        for (at, statement) in self.statements.iter().enumerate() {
            let own = self.scopes.iter().filter(|(_, statement)| **statement == at);
            let own: Vec<&str> = own.map(|(scope, _)| *scope).collect();
            if !own.is_empty() {
                statements.push(statement.json(&format!("s{at}"), &own));
            }
        }
        statements.extend(self.for_all.iter().map(|statement| statement.json("all", &["*"])));
        serde_json::json!({ "version": "1.0", "trustPolicies": statements }).to_string()
    }

    /// `GetApplicableTrustPolicy` of notation-go `verifier/trustpolicy/oci.go`.
    fn decision(&self, repository: &str) -> Decision {
        match (self.scopes.get(repository), &self.for_all) {
            (Some(at), _) => self.statements[*at].decision(&format!("s{at}")),
            (None, Some(statement)) => statement.decision("all"),
            (None, None) => Decision::Refused,
        }
    }
}

fn statement() -> impl Strategy<Value = Statement> {
    let action = select(&["enforce", "log"][..]);
    let overrides = prop::collection::btree_map(select(&KINDS[..]), action, 0..3);
    (select(&LEVELS[..]), overrides, any::<bool>(), any::<bool>()).prop_map(
        |(level, overrides, tsa, after_expiry)| {
            let overrides = if level == "skip" { BTreeMap::new() } else { overrides };
            Statement { level, overrides, tsa, after_expiry }
        },
    )
}

fn trust_policies() -> impl Strategy<Value = TrustPolicy> {
    let statements = prop::collection::vec(statement(), 3);
    let scopes = prop::collection::btree_map(select(&SCOPES[..]), 0_usize..3, 1..7);
    (statements, scopes, prop::option::of(statement()))
        .prop_map(|(statements, scopes, for_all)| TrustPolicy { statements, scopes, for_all })
}

fn stores(kind: &str, name: &str) -> Result<Vec<String>, std::io::Error> {
    match (kind, name) {
        ("ca" | "signingAuthority" | "tsa", "own") => {
            Ok(vec![notation_file("p256.root.pem").display().to_string()])
        }
        _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
    }
}

fn imported(document: &str, widen: bool) -> Result<Imported, ImportError> {
    import::notation(document.as_bytes(), &stores, Options { widen, ..Options::default() })
}

/// Whether the rule of an image admits no more than notation does; and whether it admits the same.
fn compare(original: &TrustPolicy, policy: &Policy, repository: &str) -> (bool, bool) {
    let theirs = original.decision(repository);
    let applicable = policy.applicable_rules(&Repository::parse(repository).unwrap(), None);
    let rule = applicable.strictest();
    let audited = rule.mode() != Mode::Enforce;
    match (rule.action(), theirs) {
        (Action::Deny { .. }, theirs) => (true, theirs == Decision::Refused),
        (Action::AllowUnsigned(_), theirs) => (theirs == Decision::Skipped, theirs == Decision::Skipped),
        (Action::Require(_), Decision::Refused) => (false, false),
        (Action::Require(_), Decision::Skipped) => (true, false),
        (Action::Require(requirement), Decision::Verified { statement, enforced, tsa, after_expiry }) => {
            assert_eq!(requirement.authenticators(), [statement]);
            let authenticator = policy.authenticator(&requirement.authenticators()[0]).unwrap();
            let Signers::Notation(set) = authenticator.signers() else { panic!("{authenticator:?}") };
            assert_eq!(set.tsa.is_empty(), !tsa);
            let check =
                if tsa && after_expiry { TimestampCheck::AfterExpiry } else { TimestampCheck::Always };
            assert_eq!(set.timestamps, check);
            let times = set.level == VerificationLevel::Strict;
            let ours = BTreeMap::from([
                ("authenticity", !audited),
                ("authenticTimestamp", times),
                ("expiry", times),
                ("revocation", set.revocation.fetch),
            ]);
            let not_wider = enforced.iter().all(|(kind, enforced)| !enforced || ours[kind]);
            (not_wider, ours == enforced && !enforced["revocation"])
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_trust_policy_is_never_wider_than_in_notation(original in trust_policies()) {
        let document = original.document();
        let kept = imported(&document, false);
        let widened = imported(&document, true);
        let (Ok(kept), Ok(widened)) = (kept, widened) else {
            // Nothing is verified.
            let used: BTreeSet<&str> = original.scopes.values().map(|at| original.statements[*at].level).collect();
            let levels: BTreeSet<&str> = used.into_iter().chain(original.for_all.iter().map(|it| it.level)).collect();
            prop_assert_eq!(levels, BTreeSet::from(["skip"]), "{}", document);
            return Ok(());
        };
        let (policy, wide) = (load(&kept), load(&widened));
        let is_crl = |note: &&Note| note.effect == Effect::Wider && note.text.contains("freshestCRL");
        for imported in [&kept, &widened] {
            let noted = imported.notes().iter().any(|note| is_crl(&note));
            prop_assert_eq!(noted, imported.policy().contains("distribution-points = \"fetch\""));
        }
        let has = |imported: &Imported, effect| {
            imported.notes().iter().filter(|note| !is_crl(note)).any(|note| note.effect == effect)
        };
        prop_assert!(!has(&kept, Effect::Wider));
        for repository in HOSTS.iter().flat_map(|host| PATHS.map(|path| format!("{host}/{path}"))) {
            let (narrow, exact) = compare(&original, &policy, &repository);
            prop_assert!(narrow, "{}: {}\n{}", repository, document, kept.policy());
            prop_assert!(exact || has(&kept, Effect::Stricter), "{}: {}\n{}", repository, document, kept.policy());
            let (narrow, _) = compare(&original, &wide, &repository);
            prop_assert!(narrow || has(&widened, Effect::Wider), "{}: {}\n{}", repository, document, widened.policy());
        }
    }
}

const WHOLE: &str = r#"{"version": "1.0", "trustPolicies": [{"name": "acme", "registryScopes": ["a.example/app"],
    "signatureVerification": {"level": "permissive"}, "trustStores": ["ca:own"],
    "trustedIdentities": ["x509.subject: C=US, ST=WA, O=acme"]}]}"#;

#[test]
fn the_policy_is_complete() {
    let imported = imported(WHOLE, false).unwrap();
    assert_eq!(imported.notes(), []);
    let root = notation_file("p256.root.pem").display().to_string();
    let text = imported.policy();
    for line in [
        "default = \"deny\"".to_owned(),
        "[authenticator.\"acme\"]\ntype = \"notation\"".to_owned(),
        format!(
            "ca = [\"{root}\"]\nidentities = [\"x509.subject: C=US, ST=WA, O=acme\"]\nlevel = \"permissive\""
        ),
        "scope = \"a.example/app\"\nrequire = { all = [\"acme\"] }".to_owned(),
        "scope = \"a.example/app/*\"\ndeny = ".to_owned(),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
}

/// What notation does not load must not become a policy that admits.
#[test]
fn a_trust_policy_that_notation_refuses_is_not_imported() {
    for (from, to) in [
        ("1.0", "1.1"),
        ("\"acme\", \"reg", "\"\", \"reg"),
        ("[\"a.example/app\"]", "[]"),
        ("[\"a.example/app\"]", "[\"*\", \"a.example/app\"]"),
        ("[\"a.example/app\"]", "[\"a.example/*\"]"),
        ("[\"a.example/app\"]", "[\"a.example\"]"),
        ("[\"a.example/app\"]", "[\"a.example/App\"]"),
        ("[\"a.example/app\"]", "[\"a_b.example/app\"]"),
        ("[\"a.example/app\"]", "[\"a.example/app:1\"]"),
        ("[\"a.example/app\"]", "[\"a.example/app\", \"a.example/app\"]"),
        ("permissive", "lax"),
        ("permissive", "skip"),
        ("\"permissive\"", "\"strict\", \"override\": {\"integrity\": \"log\"}"),
        ("\"permissive\"", "\"strict\", \"override\": {\"expiry\": \"skip\"}"),
        ("\"permissive\"", "\"strict\", \"verifyTimestamp\": \"never\""),
        ("ca:own", "own"),
        ("ca:own", "ca:gone"),
        ("ca:own", "ca:.."),
        ("ca:own", "other:own"),
        ("[\"ca:own\"]", "[]"),
        ("[\"x509.subject: C=US, ST=WA, O=acme\"]", "[]"),
        ("x509.subject: C=US, ST=WA, O=acme", "acme"),
        ("x509.subject: C=US, ST=WA, O=acme", "x509.subject: C=US, ST=WA"),
        ("[\"x509.subject", "[\"*\", \"x509.subject"),
        ("\"name\"", "\"more\": 1, \"name\""),
    ] {
        let document = WHOLE.replacen(from, to, 1);
        assert_ne!(document, WHOLE, "{from}");
        let imported = imported(&document, true);
        assert!(imported.is_err(), "{document}: {}", imported.unwrap().policy());
    }
    let skip = r#"{"version": "1.0", "trustPolicies": [{"name": "all", "registryScopes": ["*"],
        "signatureVerification": {"level": "skip"}}]}"#;
    assert!(matches!(imported(skip, true), Err(ImportError::NothingRequired(_))));
}

/// Identities that pullgate cannot express admit nobody, and those of plug-ins never did.
#[test]
fn identities_that_cannot_be_written_refuse() {
    for (identity, stricter) in
        [("x509.subject: C=US, ST=WA, O=acme, DC=corp", true), ("x509.spiffe: spiffe://acme", false)]
    {
        let imported = imported(&WHOLE.replace("x509.subject: C=US, ST=WA, O=acme", identity), true).unwrap();
        let stricter_note = imported.notes().iter().any(|note| note.effect == Effect::Stricter);
        assert_eq!(stricter_note, stricter, "{identity}");
        assert!(imported.policy().contains("scope = \"a.example/app\"\ndeny = "), "{}", imported.policy());
    }
}

#[test]
fn the_trust_stores_are_read_as_notation_reads_them() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("trustpolicy.json");
    std::fs::write(&file, WHOLE).unwrap();
    let store = directory.path().join("truststore/x509/ca/own");
    let import = || {
        let mut command = Command::new(pullgate_test::programs::signer());
        let output = command.args(["import", "notation"]).arg(&file).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(import().0, Some(2), "there is no store");
    std::fs::create_dir_all(&store).unwrap();
    assert_eq!(import().0, Some(2), "it is empty");
    let certificate = store.join("root.anything");
    std::fs::copy(notation_file("p256.root.pem"), &certificate).unwrap();
    assert_eq!(import(), (Some(0), String::new()));
    let other = store.join("README");
    std::fs::write(&other, "not a certificate").unwrap();
    let (code, report) = import();
    assert_eq!(code, Some(2), "{report}");
    std::fs::remove_file(&other).unwrap();
    std::os::unix::fs::symlink(&certificate, &other).unwrap();
    let (code, report) = import();
    assert!(code == Some(2) && report.contains("regular file"), "{report}");
}
