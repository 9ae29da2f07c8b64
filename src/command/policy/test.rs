//! `pullgate policy test`: tests the policy against expected decisions.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::load;
use crate::config::{self, Expectation, ExpectedRule};
use crate::policy::{Mode, Policy};
use crate::reference::Reference;
use pullgate_cli::output::OutputOption;
use pullgate_cli::{Outcome, output};
use pullgate_core::untrusted::sanitize;

/// Arguments of `pullgate policy test`.
#[derive(Debug, clap::Args)]
pub(in crate::command) struct Test {
    /// TOML file of [[case]] entries: image, pod-namespace, and the expected rule, action or mode
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    output: OutputOption,
}

impl Test {
    pub(super) fn run(self, root: &Path) -> Outcome {
        let policy = match load(root) {
            Ok(policy) => policy,
            Err(outcome) => return outcome,
        };
        let cases = match config::load_expectations(&self.file) {
            Ok(cases) => cases,
            Err(problems) => {
                output::note(&problems.to_string());
                return Outcome::Usage;
            }
        };
        let now = Timestamp::now();
        let results: Vec<Result> = cases.iter().map(|case| Result::of(&policy, case, now)).collect();
        if self.output.is_json() {
            // One JSON object per line.
            results.iter().for_each(|result| self.output.show(result, |_| String::new()));
        } else {
            output::line(&table(&results));
        }
        if results.iter().all(|result| result.passed) { Outcome::Success } else { Outcome::Refused }
    }
}

/// One case, and the decision of the policy.
#[derive(Debug, Serialize)]
struct Result {
    passed: bool,
    line: usize,
    image: String,
    pod_namespace: Option<String>,
    expected: Decision,
    found: Decision,
}

#[derive(Debug, Serialize)]
struct Decision {
    rule: Option<String>,
    action: Option<&'static str>,
    mode: Option<&'static str>,
}

impl Result {
    fn of(policy: &Policy, case: &Expectation, now: Timestamp) -> Self {
        let (found, same_rule) = match Reference::parse(&case.image) {
            Ok(reference) => found(policy, case, &reference, now),
            // The gate refuses an invalid name before it evaluates rules.
            Err(error) => {
                let action = Some("deny");
                (Decision { rule: Some(error.to_string()), action, mode: None }, case.rule.is_none())
            }
        };
        let mode = case.mode.map(Mode::name);
        let passed = same_rule
            && (case.action.is_none() || case.action == found.action)
            && (mode.is_none() || mode == found.mode);
        let rule = case.rule.as_ref().map(|rule| match rule {
            ExpectedRule::Default => "default".to_owned(),
            ExpectedRule::Scope(scope) => scope.to_string(),
        });
        Self {
            passed,
            line: case.line,
            image: case.image.clone(),
            pod_namespace: case.pod_namespace.clone(),
            expected: Decision { rule, action: case.action, mode },
            found,
        }
    }
}

fn found(policy: &Policy, case: &Expectation, reference: &Reference, now: Timestamp) -> (Decision, bool) {
    let applicable = policy.applicable_rules(reference.repository(), case.pod_namespace.as_deref());
    let rule = applicable.strictest();
    let denied = reference.digest().is_some_and(|digest| policy.deny_list().of_digest(digest).is_some());
    let same_rule = match &case.rule {
        None => true,
        Some(ExpectedRule::Default) => policy.is_default(rule),
        Some(ExpectedRule::Scope(scope)) => rule.scope() == scope && !policy.is_default(rule),
    };
    let action = if denied { "deny" } else { rule.verdict(now) };
    let decision = Decision {
        rule: Some(rule.label().to_owned()),
        action: Some(action),
        mode: Some(rule.mode().name()),
    };
    (decision, same_rule)
}

fn table(results: &[Result]) -> String {
    let failed = results.iter().filter(|result| !result.passed).count();
    let mut rows = vec![[
        "".to_owned(),
        "LINE".into(),
        "IMAGE".into(),
        "PODS".into(),
        "EXPECTED".into(),
        "FOUND".into(),
    ]];
    for result in results {
        rows.push([
            if result.passed { "ok" } else { "FAILED" }.to_owned(),
            result.line.to_string(),
            sanitize(&result.image),
            result.pod_namespace.as_deref().map_or("-".to_owned(), sanitize),
            result.expected.text(),
            result.found.text(),
        ]);
    }
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    let mut text = lines.collect::<Vec<_>>().join("\n");
    text.push_str(&format!("\n{} cases, {failed} failed", results.len()));
    text
}

impl Decision {
    fn text(&self) -> String {
        let parts = [self.action, self.mode, self.rule.as_deref()].into_iter().flatten();
        parts.map(sanitize).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::policy::explain::Report;

    const POLICY: &str = r#"
default = "deny"
[[namespace]]
scope = "r.io/team"
pods = ["dev-*"]
allow = "unsigned"
reason = "trying things"
mode = "audit"
[[namespace]]
scope = "r.io/team"
deny = "not here"
[[namespace]]
scope = "r.io"
allow = "unsigned"
reason = "over"
until = 2020-01-01T00:00:00Z
[[namespace]]
scope = "x.io"
deny = "elsewhere"
"#;

    fn with_policy<T>(use_it: impl FnOnce(&Path, &Policy) -> T) -> T {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("policy.toml"), POLICY).unwrap();
        let loaded = config::load_policy(root.path(), Timestamp::now()).unwrap();
        use_it(root.path(), &loaded.policy)
    }

    fn results(cases: &str) -> std::result::Result<Vec<bool>, String> {
        with_policy(|root, policy| {
            let file = root.join("cases");
            std::fs::write(&file, cases).unwrap();
            let cases = config::load_expectations(&file).map_err(|problems| problems.to_string())?;
            let results: Vec<Result> =
                cases.iter().map(|case| Result::of(policy, case, Timestamp::now())).collect();
            assert!(table(&results).lines().count() == results.len() + 2);
            Ok(results.iter().map(|result| result.passed).collect())
        })
    }

    #[test]
    fn each_part_of_an_expectation_can_differ() {
        for (case, passed) in [
            (
                "image = \"r.io/team/a\"\npod-namespace = \"dev-1\"\naction = \"allow\"\nmode = \"audit\"",
                true,
            ),
            ("image = \"r.io/team/a\"\npod-namespace = \"dev-1\"\nmode = \"enforce\"", false),
            ("image = \"r.io/team/a\"\npod-namespace = \"prod\"\naction = \"allow\"", false),
            ("image = \"r.io/team/a\"\naction = \"deny\"\nrule = \"r.io/team\"", true),
            ("image = \"r.io/team/a\"\nrule = \"r.io\"", false),
            ("image = \"r.io/x\"\naction = \"deny\"\nrule = \"r.io\"", true),
            ("image = \"other\"\nrule = \"default\"\naction = \"deny\"", true),
            ("image = \"r.io/x\"\nrule = \"default\"", false),
            ("image = \"r.io/UPPER\"\naction = \"deny\"", true),
            ("image = \"r.io/UPPER\"\nrule = \"r.io\"", false),
        ] {
            assert_eq!(results(&format!("[[case]]\n{case}\n")), Ok(vec![passed]), "{case}");
        }
        for (cases, expected) in [
            ("", "there is no [[case]]"),
            ("[[case]]\nimage = \"a\"\n", "[[case]] expects nothing"),
            ("[[case]]\naction = \"deny\"\n", "[[case]] has no `image`"),
            ("[[case]]\nimage = \"a\"\naction = \"den\"\n", "unknown value `den` for `action`"),
            ("[[case]]\nimage = \"a\"\nrule = \"A B\"\n", "is not a registry host"),
            ("[[case]]\nimage = \"a\"\nactoin = \"deny\"\n", "unknown key `actoin`"),
        ] {
            let error = results(cases).unwrap_err();
            assert!(error.contains(expected), "{cases}\n{error}");
        }
    }

    #[test]
    fn explain_names_the_rules_that_apply_and_those_that_do_not() {
        with_policy(|root, policy| {
            let reference = Reference::parse("r.io/team/a:1").unwrap();
            let text = |namespace| Report::of(policy, &reference, namespace, root, Timestamp::now()).text();
            let rows = |text: &str, label: &str| {
                let label = format!("  {label} ");
                text.lines().filter(|line| line.starts_with(&label)).count()
            };
            let known = text(Some("dev-1"));
            assert_eq!((rows(&known, "applies"), rows(&known, "not applied")), (1, 3), "{known}");
            assert!(
                known.contains("for pods in dev-*: allows unsigned: trying things; mode audit"),
                "{known}"
            );
            let other = text(Some("prod"));
            assert!(other.contains("for pods in other Kubernetes namespaces"), "{other}");
            let unknown = text(None);
            assert_eq!((rows(&unknown, "applies"), rows(&unknown, "not applied")), (2, 2), "{unknown}");
            assert!(unknown.contains("rules that do not match this name: 1"), "{unknown}");
        });
    }
}
