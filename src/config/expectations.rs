//! Expectations of the policy: a file of cases for `pullgate policy test`.

use std::path::Path;

use super::document::{Document, Value};
use super::file::Guard;
use super::problem::Problems;
use crate::policy::{Mode, Scope, ScopeError};
use pullgate_config::kind::{Choice, Kind as _};
use pullgate_config::options::{OptionDoc, REQUIRED, ReadByHand};
use pullgate_config::read_by_hand;

/// The most bytes of the file: 4 MiB.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

const CASE: &[ReadByHand] = read_by_hand! {
    /// The image as a pod names it.
    "image": Text, REQUIRED, "an image";
    /// The Kubernetes namespace of the pod.
    "pod-namespace": Text, "unknown", "a name";
    /// The scope of the rule that is expected to apply.
    "rule": Text, "any", "a scope, default";
    /// The action that the rule is expected to have.
    "action": Choice, "any", "require, allow, deny";
    /// The mode that the rule is expected to have.
    "mode": Choice, "any", "enforce, audit, off";
};

const TABLES: &[ReadByHand] = read_by_hand! {
    /// Cases: each one an image, and what the policy is expected to decide about it.
    "case": Table("[[case]]") [0..=usize::MAX], REQUIRED, "";
};

/// The options of a file of expectations.
pub(super) fn expectation_options() -> Vec<OptionDoc> {
    let tables = ReadByHand::describe("", "", TABLES);
    let all = tables.chain(ReadByHand::describe("[[case]]", "", CASE));
    all.map(|option| OptionDoc { file: "expectations", ..option }).collect()
}

const ACTIONS: [(&str, &str); 3] = [("require", "require"), ("allow", "allow"), ("deny", "deny")];

/// One case: an image, and the expected result. A field that is absent matches anything.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The line in the file.
    pub line: usize,
    /// The image as a pod names it.
    pub image: String,
    /// The Kubernetes namespace of the pod.
    pub pod_namespace: Option<String>,
    /// The rule that is expected to apply.
    pub rule: Option<ExpectedRule>,
    /// `require`, `allow` or `deny`.
    pub action: Option<&'static str>,
    /// The mode of the rule.
    pub mode: Option<Mode>,
}

/// The rule that is expected to apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedRule {
    /// The default.
    Default,
    /// One with this scope.
    Scope(Scope),
}

/// Reads a file of `[[case]]`. Any user may own it: it decides nothing.
///
/// # Errors
/// All problems of the file.
pub fn load_expectations(path: &Path) -> Result<Vec<Expectation>, Problems> {
    let name = path.display().to_string();
    let text =
        Guard::read_any(path, MAX_BYTES).map_err(|error| Problems::from(vec![error.problem(&name, path)]))?;
    Document::load(&name, &text, |document| Some(read(document)))
}

fn read(document: &mut Document<'_>) -> Vec<Expectation> {
    let Some(mut root) = document.parse(&["case"]) else { return Vec::new() };
    let Some(cases) = root.take("case") else {
        document.problem(0..0, "there is no [[case]]", "write [[case]] with `image`, and `rule` or `action`");
        return Vec::new();
    };
    let form = "written as [[case]], once for each image";
    let cases = document.array(cases, "`case`", form).unwrap_or_default();
    cases.into_iter().filter_map(|case| read_case(document, case)).collect()
}

fn read_case(document: &mut Document<'_>, value: Value<'_>) -> Option<Expectation> {
    let mut table = document.table(value, "[[case]]", &ReadByHand::keys(CASE))?;
    let line = document.place(table.span.start).line;
    if ["rule", "action", "mode"].iter().all(|key| !table.has(key)) {
        document.problem(table.span.clone(), "[[case]] expects nothing", "add `rule`, `action` or `mode`");
    }
    let action =
        table.take("action").and_then(|value| Choice(&ACTIONS, "require").read(document, "action", value));
    let modes = Mode::ALL.map(|mode| (mode.name(), mode));
    let mode =
        table.take("mode").and_then(|value| Choice(&modes, Mode::default()).read(document, "mode", value));
    let mut text = |key: &str| {
        let value = table.take(key)?;
        document.string(value, &format!("`{key}`"))
    };
    let (image, pod_namespace, rule) = (text("image"), text("pod-namespace"), text("rule"));
    let rule = rule.and_then(|(text, span)| {
        let read = if text == "default" { Ok(ExpectedRule::Default) } else { scope(&text) };
        let error =
            |error: ScopeError| document.problem(span, error.to_string(), "write a scope of the policy");
        read.map_err(error).ok()
    });
    let Some((image, _)) = image else {
        document.problem(
            table.span,
            "[[case]] has no `image`",
            "write the name as in the `image` field of a pod",
        );
        return None;
    };
    Some(Expectation { line, image, pod_namespace: pod_namespace.map(|(text, _)| text), rule, action, mode })
}

fn scope(text: &str) -> Result<ExpectedRule, ScopeError> {
    Scope::parse(text).map(ExpectedRule::Scope)
}
