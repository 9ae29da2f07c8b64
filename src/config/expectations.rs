//! Expectations of the policy: a file of cases for `pullgate policy test`.

use std::path::Path;

use super::document::{Document, Value};
use super::file::Guard;
use super::problem::{Problem, Problems};
use super::suggest;
use crate::policy::{Mode, Scope, ScopeError};
use pullgate_config::options::{OptionDoc, ReadByHand};
use pullgate_config::read_by_hand;

/// The most bytes of the file: 4 MiB.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

const CASE: &[ReadByHand] = read_by_hand! {
    /// The image as a pod names it.
    "image": Text, "", "an image";
    /// The Kubernetes namespace of the pod.
    "pod-namespace": Text, "unknown", "a name";
    /// The scope of the rule that is expected to apply.
    "rule": Text, "any", "a scope, default";
    /// The action that the rule is expected to have.
    "action": Choice, "any", "require, allow, deny";
    /// The mode that the rule is expected to have.
    "mode": Choice, "any", "enforce, audit, off";
};

/// The options of a file of expectations.
pub(super) fn expectation_options() -> Vec<OptionDoc> {
    let all = ReadByHand::describe("[[case]]", "", CASE);
    all.map(|option| OptionDoc { file: "expectations", ..option }).collect()
}

const ACTIONS: [&str; 3] = ["require", "allow", "deny"];

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
    pub action: Option<String>,
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
    let text = match Guard::read_any(path, MAX_BYTES) {
        Ok(text) => text,
        Err(error) => {
            let hint = error.hint(path);
            return Err(Problems::from(vec![Problem::new(&name, None, error.to_string(), hint)]));
        }
    };
    let mut document = Document::new(&name, &text);
    let cases = read(&mut document);
    if document.problems.is_empty() { Ok(cases) } else { Err(Problems::from(document.problems)) }
}

fn read(document: &mut Document<'_>) -> Vec<Expectation> {
    let Some(mut root) = document.parse(&["case"]) else { return Vec::new() };
    let Some(cases) = root.take("case") else {
        document.problem(0..0, "there is no [[case]]", "write [[case]] with `image`, and `rule` or `action`");
        return Vec::new();
    };
    let form = "written as [[case]], once for each";
    let cases = document.array(cases, "`case`", form).unwrap_or_default();
    cases.into_iter().filter_map(|case| read_case(document, case)).collect()
}

fn read_case(document: &mut Document<'_>, value: Value<'_>) -> Option<Expectation> {
    let mut table = document.table(value, "[[case]]", &ReadByHand::keys(CASE))?;
    let line = document.place(table.span.start).line;
    let mut text = |document: &mut Document<'_>, key: &str| {
        let value = table.take(key)?;
        document.string(value, &format!("`{key}`"))
    };
    let image = text(document, "image");
    let pod_namespace = text(document, "pod-namespace").map(|(text, _)| text);
    let (rule, action, mode) = (text(document, "rule"), text(document, "action"), text(document, "mode"));
    if rule.is_none() && action.is_none() && mode.is_none() {
        document.problem(table.span.clone(), "[[case]] expects nothing", "add `rule`, `action` or `mode`");
    }
    let rule = rule.and_then(|(text, span)| {
        let read = if text == "default" { Ok(ExpectedRule::Default) } else { scope(&text) };
        let error =
            |error: ScopeError| document.problem(span, error.to_string(), "write a scope of the policy");
        read.map_err(error).ok()
    });
    let action = action.and_then(|(text, span)| {
        let known = ACTIONS.contains(&text.as_str());
        if !known {
            let message = format!("`action` is {}", suggest::quoted(&text));
            document.problem(span, message, suggest::one_of(&text, &ACTIONS));
        }
        known.then_some(text)
    });
    let mode = mode.and_then(|(text, span)| {
        let mode = Mode::ALL.into_iter().find(|mode| mode.name() == text);
        if mode.is_none() {
            let message = format!("`mode` is {}", suggest::quoted(&text));
            document.problem(span, message, suggest::one_of(&text, &Mode::ALL.map(Mode::name)));
        }
        mode
    });
    let Some((image, _)) = image else {
        document.problem(table.span, "[[case]] has no `image`", "write the name as a pod would");
        return None;
    };
    Some(Expectation { line, image, pod_namespace, rule, action, mode })
}

fn scope(text: &str) -> Result<ExpectedRule, ScopeError> {
    Scope::parse(text).map(ExpectedRule::Scope)
}
