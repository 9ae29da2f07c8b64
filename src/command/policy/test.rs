//! `pullgate policy test`: the policy against an operator's own expectations.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::super::{Outcome, output};
use super::{Format, load};
use crate::config::{self, Expectation, ExpectedRule};
use crate::policy::Policy;
use crate::reference::Reference;

/// Arguments of `pullgate policy test`.
#[derive(Debug, clap::Args)]
pub(in crate::command) struct Test {
    /// A TOML file of [[case]] with image, pod-namespace, and the expected rule, action or mode
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How to show the results; json is one object a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
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
        match self.output {
            Format::Text => output::line(&table(&results)),
            Format::Json => {
                for result in &results {
                    output::line(&serde_json::to_string(result).unwrap_or_default());
                }
            }
        }
        if results.iter().all(|result| result.holds) { Outcome::Fine } else { Outcome::Refused }
    }
}

/// One case and what the policy says to it.
#[derive(Debug, Serialize)]
struct Result {
    holds: bool,
    line: usize,
    image: String,
    pod_namespace: Option<String>,
    expected: Said,
    found: Said,
}

#[derive(Debug, Serialize)]
struct Said {
    rule: Option<String>,
    action: Option<String>,
    mode: Option<String>,
}

impl Result {
    fn of(policy: &Policy, case: &Expectation, now: Timestamp) -> Self {
        let (found, same_rule) = match Reference::parse(&case.image) {
            Ok(reference) => found(policy, case, &reference, now),
            // The gate refuses such a name before it looks for a rule.
            Err(error) => {
                let action = Some("deny".to_owned());
                (Said { rule: Some(error.to_string()), action, mode: None }, case.rule.is_none())
            }
        };
        let mode = case.mode.map(|mode| mode.name().to_owned());
        let holds = same_rule
            && (case.action.is_none() || case.action == found.action)
            && (mode.is_none() || mode == found.mode);
        let rule = case.rule.as_ref().map(|rule| match rule {
            ExpectedRule::Default => "default".to_owned(),
            ExpectedRule::Scope(scope) => scope.to_string(),
        });
        Self {
            holds,
            line: case.line,
            image: case.image.clone(),
            pod_namespace: case.pod_namespace.clone(),
            expected: Said { rule, action: case.action.clone(), mode },
            found,
        }
    }
}

fn found(policy: &Policy, case: &Expectation, reference: &Reference, now: Timestamp) -> (Said, bool) {
    let ruling = policy.rule_for(reference.repository(), case.pod_namespace.as_deref());
    let rule = ruling.strictest();
    let denied = reference.digest().is_some_and(|digest| policy.denials().of_digest(digest).is_some());
    let same_rule = match &case.rule {
        None => true,
        Some(ExpectedRule::Default) => std::ptr::eq(rule, policy.default_rule()),
        Some(ExpectedRule::Scope(scope)) => {
            rule.scope() == scope && !std::ptr::eq(rule, policy.default_rule())
        }
    };
    let action = if denied { "deny" } else { rule.verdict(now) };
    let said = Said {
        rule: Some(rule.label().to_owned()),
        action: Some(action.to_owned()),
        mode: Some(rule.mode().name().to_owned()),
    };
    (said, same_rule)
}

fn table(results: &[Result]) -> String {
    let failed = results.iter().filter(|result| !result.holds).count();
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
            if result.holds { "ok" } else { "DIFFERS" }.to_owned(),
            result.line.to_string(),
            result.image.escape_debug().to_string(),
            result.pod_namespace.as_deref().map_or("-".to_owned(), |name| name.escape_debug().to_string()),
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
    text.push_str(&format!("\n{} cases, {failed} differ", results.len()));
    text
}

impl Said {
    fn text(&self) -> String {
        let parts = [&self.action, &self.mode, &self.rule].into_iter().flatten();
        parts.map(|part| part.escape_debug().to_string().replace("\\\"", "\"")).collect::<Vec<_>>().join(", ")
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
            Ok(results.iter().map(|result| result.holds).collect())
        })
    }

    #[test]
    fn each_part_of_an_expectation_can_differ() {
        for (case, holds) in [
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
            assert_eq!(results(&format!("[[case]]\n{case}\n")), Ok(vec![holds]), "{case}");
        }
        for (cases, said) in [
            ("", "there is no [[case]]"),
            ("[[case]]\nimage = \"a\"\n", "[[case]] expects nothing"),
            ("[[case]]\naction = \"deny\"\n", "[[case]] has no `image`"),
            ("[[case]]\nimage = \"a\"\naction = \"den\"\n", "`action` is `den`"),
            ("[[case]]\nimage = \"a\"\nrule = \"A B\"\n", "is not a registry host"),
            ("[[case]]\nimage = \"a\"\nactoin = \"deny\"\n", "unknown key `actoin`"),
        ] {
            let error = results(cases).unwrap_err();
            assert!(error.contains(said), "{cases}\n{error}");
        }
    }

    #[test]
    fn explaining_names_who_speaks_and_who_does_not() {
        with_policy(|root, policy| {
            let reference = Reference::parse("r.io/team/a:1").unwrap();
            let text = |namespace| Report::of(policy, &reference, namespace, root, Timestamp::now()).text();
            let rows = |text: &str, label: &str| {
                let label = format!("  {label} ");
                text.lines().filter(|line| line.starts_with(&label)).count()
            };
            let known = text(Some("dev-1"));
            assert_eq!((rows(&known, "speaks"), rows(&known, "silent")), (1, 3), "{known}");
            assert!(
                known.contains("for pods of dev-*, allows unsigned: trying things, mode audit"),
                "{known}"
            );
            let other = text(Some("prod"));
            assert!(other.contains("for pods of other namespaces"), "{other}");
            let unknown = text(None);
            assert_eq!((rows(&unknown, "speaks"), rows(&unknown, "silent")), (2, 2), "{unknown}");
            assert!(unknown.contains("1 rules do not cover this name"), "{unknown}");
        });
    }
}
