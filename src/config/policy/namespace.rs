//! `[[namespace]]`: a scope and the rule for its images.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::de::DeValue;

use super::options::{self, Choices, MAX_DIGESTS, SIGNERS};
use crate::config::document::{Document, Table, Value};
use crate::config::problem::Place;
use crate::config::suggest;
use crate::digest::Digest;
use crate::policy::{
    Action, Allowance, Pods, PodsError, Requirement, RequirementError, Rule, Scope, ScopeError,
};
use crate::signature::{Format, RepositoryIdentity};
use pullgate_config::kind::{Choice, Kind as _};
use pullgate_config::options::{Options as _, ReadByHand};

const REQUIRE_FORMS: &str =
    "write { all = [\"name\"] }, { any = [\"name\"] } or { at-least = 2, of = [\"name\", \"other\"] }";
const ATTESTATIONS_FORM: &str = "write for example attestations = [\"scanned\"], or remove the option";

/// A rule, and the parts of its text for later messages.
pub(super) struct DeclaredRule {
    pub(super) rule: Rule,
    /// The scope as it was written.
    pub(super) written: String,
    /// The authenticators it names.
    pub(super) names: Vec<Name>,
    /// The attestations it names.
    pub(super) attestations: Vec<Name>,
}

/// The name of an authenticator or attestation in a requirement.
pub(super) struct Name {
    pub(super) value: String,
    pub(super) place: Place,
}

/// Reads one rule. There is one as soon as its scope is valid, so that ties are reported together with other problems.
pub(super) fn read(document: &mut Document<'_>, value: Value<'_>) -> Option<(DeclaredRule, Place)> {
    let keys = [ReadByHand::keys(options::NAMESPACE), Choices::keys(), vec!["require"]].concat();
    let mut table = document.table(value, "[[namespace]]", &keys)?;
    let (mut names, mut attestations) = (Vec::new(), Vec::new());
    let action = read_action(document, &mut table, (&mut names, &mut attestations));
    let aliases = table.take("aliases");
    let pods = table.take("pods").map(|value| read_pods(document, value));
    let layouts = table.take("layouts").map(|value| (value.span.clone(), read_layouts(document, value)));
    let (accept_at, identity_at) = (table.span_of("accept"), table.span_of("identity"));
    let Choices { accept, identity, mode } = Choices::read(document, &mut table);
    let Some(scope) = table.take("scope") else {
        document.problem(
            table.span,
            "[[namespace]] has no `scope`",
            "add for example `scope = \"registry.example.com/team\"`",
        );
        return None;
    };
    let (written, span) = document.string(scope, "`scope`")?;
    let scope = read_scope(document, &written, &span)?;
    let place = document.place(span.start);
    let label = format!("namespace \"{written}\" ({}:{})", document.file(), place.line);
    // Without valid pods a tie cannot be determined.
    if pods == Some(None) {
        return None;
    }
    let broken = action.is_none();
    let rule = Rule::new(label, scope, action.unwrap_or(Action::Deny { reason: None }));
    let rule = rule.with_mode(mode);
    let layouts_at = layouts.as_ref().map(|(span, _)| span.clone());
    let of_signatures = [("accept", accept_at), ("identity", identity_at.clone()), ("layouts", layouts_at)];
    for (key, span) in of_signatures {
        if let (Some(span), Some(Action::AllowUnsigned(_) | Action::Deny { .. })) =
            (span, rule_action(&rule, broken))
        {
            let hint = "remove this option, which has an effect only with `require`";
            let message = format!("`{key}` is set in a rule that requires no signature");
            document.problem(span, message, hint);
        }
    }
    if let (Some(span), Some(Action::Require(required))) = (identity_at, rule_action(&rule, broken))
        && required.authenticators().is_empty()
        && identity == RepositoryIdentity::Required
    {
        let hint = "remove `identity`, because attestations name no repository, or require a signature, too";
        document.problem(span, "`identity` is set in a rule that requires only attestations", hint);
    }
    let rule = rule.with_signed_object(accept).with_repository_identity(identity);
    let rule = match layouts.and_then(|(_, layouts)| layouts) {
        Some(layouts) => rule.with_layouts(layouts),
        None => rule,
    };
    let rule = match pods.flatten() {
        Some(pods) => rule.with_pods(pods),
        None => rule,
    };
    let rule = match aliases {
        Some(aliases) => read_aliases(document, &rule, aliases, broken).unwrap_or(rule),
        None => rule,
    };
    Some((DeclaredRule { rule, written, names, attestations }, place))
}

/// The authenticators and the attestations that a rule names.
type Names<'n> = (&'n mut Vec<Name>, &'n mut Vec<Name>);

fn read_action(document: &mut Document<'_>, table: &mut Table<'_>, names: Names<'_>) -> Option<Action> {
    let mut actions: Vec<(&str, Value<'_>)> =
        ["require", "allow", "deny"].into_iter().filter_map(|key| Some((key, table.take(key)?))).collect();
    let reason = table.take("reason");
    let (digests, until) = (table.take("digests"), table.take("until"));
    if let Some((second, value)) = actions.get(1) {
        let first = actions.first().map_or("", |(first, _)| first);
        let message = format!("[[namespace]] has `{first}` and `{second}`");
        document.problem(value.span.clone(), message, "keep one of `require`, `allow` and `deny`");
        return None;
    }
    let Some((kind, value)) = actions.pop() else {
        document.problem(
            table.span.clone(),
            "[[namespace]] has none of `require`, `allow` and `deny`",
            "add for example `require = { all = [\"release\"] }`",
        );
        return None;
    };
    if let (Some(reason), "require" | "deny") = (&reason, kind) {
        document.problem(
            reason.span.clone(),
            format!("`reason` cannot be combined with `{kind}`"),
            if kind == "deny" { "write the reason as the value of `deny`" } else { "make it a comment" },
        );
    }
    for (key, value) in [("digests", &digests), ("until", &until)] {
        if let (Some(value), "require" | "deny") = (value, kind) {
            let message = format!("`{key}` cannot be combined with `{kind}`");
            document.problem(value.span.clone(), message, "remove this option, which only limits `allow`");
        }
    }
    match kind {
        "require" => read_requirement(document, value, names).map(Action::Require),
        "deny" => {
            let reason = document.sentence(value, "`deny`")?;
            Some(Action::Deny { reason: Some(reason) })
        }
        _ => read_allow(document, value, reason, digests, until),
    }
}

fn read_allow(
    document: &mut Document<'_>,
    value: Value<'_>,
    reason: Option<Value<'_>>,
    digests: Option<Value<'_>>,
    until: Option<Value<'_>>,
) -> Option<Action> {
    let digests = digests.map(|value| read_digests(document, value));
    let until = until.map(|value| document.time(value, "`until`"));
    let (text, span) = document.string(value, "`allow`")?;
    if text != "unsigned" {
        let message = format!("unknown value {} for `allow`", suggest::quoted(&text));
        document.problem(span, message, "the only value is `unsigned`");
        return None;
    }
    let Some(reason) = reason else {
        document.problem(
            span,
            "`allow = \"unsigned\"` has no reason",
            "add `reason = \"…\"`, which says why the images may run unsigned",
        );
        return None;
    };
    let reason = document.sentence(reason, "`reason`")?;
    if digests == Some(None) || until == Some(None) {
        return None;
    }
    let digests = digests.flatten().unwrap_or_default();
    Some(Action::AllowUnsigned(Allowance { reason, digests, until: until.flatten() }))
}

fn read_digests(document: &mut Document<'_>, value: Value<'_>) -> Option<Vec<Digest>> {
    let span = value.span.clone();
    let elements = document.array(value, "`digests`", "a list, as in [\"sha256:…\"]")?;
    let count = elements.len();
    if count == 0 || count > MAX_DIGESTS {
        let message = format!("`digests` has {count} entries, but must have 1 to {MAX_DIGESTS}");
        document.problem(span, message, "without `digests`, all images of the scope are allowed");
        return None;
    }
    let digests: Vec<Digest> =
        elements.into_iter().filter_map(|element| document.digest(element, "a digest")).collect();
    (digests.len() == count).then_some(digests)
}

fn read_requirement(
    document: &mut Document<'_>,
    value: Value<'_>,
    (names, attested): Names<'_>,
) -> Option<Requirement> {
    let mut table = document.table(value, "`require`", &ReadByHand::keys(options::REQUIRE))?;
    let annotations = table.take("annotations").map(|value| read_annotations(document, value));
    let attestations = table.take("attestations").map(|value| {
        let span = value.span.clone();
        Some((read_names(document, value, ("`attestations`", "attestation"), attested)?, span))
    });
    let signed = SIGNERS.iter().any(|key| table.has(key));
    let requirement = match attestations {
        Some(attestations) if !signed => {
            let (attestations, span) = attestations?;
            let problem =
                |error: RequirementError| document.problem(span, error.to_string(), ATTESTATIONS_FORM);
            Requirement::of_attestations(attestations).map_err(problem).ok()?
        }
        attestations => {
            let requirement = read_quorum(document, &mut table, "`require`", names);
            match attestations {
                None => requirement?,
                Some(attestations) => {
                    let (attestations, span) = attestations?;
                    let problem = |error: RequirementError| {
                        document.problem(span, error.to_string(), ATTESTATIONS_FORM)
                    };
                    requirement?.with_attestations(attestations).map_err(problem).ok()?
                }
            }
        }
    };
    if let (Some(Some((_, span))), false) = (&annotations, signed) {
        let hint = "write `fields` of the attestation, or require a signature";
        document.problem(
            span.clone(),
            "`annotations` are part of signatures, but the rule requires no signature",
            hint,
        );
        return None;
    }
    let Some(annotations) = annotations else { return Some(requirement) };
    let (annotations, span) = annotations?;
    let hint = "write for example annotations = { team = \"payments\" }, or remove the option";
    let problem = |error: RequirementError| document.problem(span, error.to_string(), hint);
    requirement.with_annotations(annotations).map_err(problem).ok()
}

/// Who must have signed: `all`, `any`, or `at-least` and `of`.
fn read_quorum(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    what: &str,
    names: &mut Vec<Name>,
) -> Option<Requirement> {
    let span = table.span.clone();
    let forms = (table.take("all"), table.take("any"), table.take("at-least"), table.take("of"));
    let requirement = match forms {
        (Some(all), None, None, None) => {
            Requirement::all(read_names(document, all, ("`all`", "authenticator"), names)?)
        }
        (None, Some(any), None, None) => {
            Requirement::any(read_names(document, any, ("`any`", "authenticator"), names)?)
        }
        (None, None, Some(count), Some(of)) => {
            let count = read_count(document, count);
            let of = read_names(document, of, ("`of`", "authenticator"), names)?;
            Requirement::at_least(count?, of)
        }
        _ => {
            document.problem(span, format!("{what} must have one of its three forms"), REQUIRE_FORMS);
            return None;
        }
    };
    let problem = |error: RequirementError| document.problem(span, error.to_string(), REQUIRE_FORMS);
    requirement.map_err(problem).ok()
}

/// Reads the signers of an attestation: the name of one authenticator, or a table as in `require`.
pub(super) fn read_signers(
    document: &mut Document<'_>,
    value: Value<'_>,
    names: &mut Vec<Name>,
) -> Option<Requirement> {
    if let DeValue::String(name) = &value.value {
        names.push(Name { value: name.to_string(), place: document.place(value.span.start) });
        return Requirement::all(vec![name.to_string()]).ok();
    }
    let mut table = document.table(value, "`by`", SIGNERS)?;
    read_quorum(document, &mut table, "`by`", names)
}

type Annotations = (BTreeMap<String, String>, Range<usize>);

fn read_annotations(document: &mut Document<'_>, value: Value<'_>) -> Option<Annotations> {
    let span = value.span.clone();
    let entries = document.open_table(value, "`annotations`")?.entries;
    let count = entries.len();
    let annotations: BTreeMap<_, _> = entries
        .into_iter()
        .filter_map(|(key, _, value)| Some((key, document.string(value, "an annotation")?.0)))
        .collect();
    (annotations.len() == count).then_some((annotations, span))
}

fn read_count(document: &mut Document<'_>, value: Value<'_>) -> Option<usize> {
    let count = document.integer(&value, "`at-least`")?;
    usize::try_from(count).ok()
}

fn read_names(
    document: &mut Document<'_>,
    value: Value<'_>,
    (what, of): (&str, &str),
    names: &mut Vec<Name>,
) -> Option<Vec<String>> {
    let elements = document.array(value, what, &format!("a list of {of}s, as in [\"release\"]"))?;
    let mut texts = Vec::new();
    let count = elements.len();
    for element in elements {
        if let Some((text, span)) = document.string(element, &format!("the name of an {of}")) {
            names.push(Name { value: text.clone(), place: document.place(span.start) });
            texts.push(text);
        }
    }
    (texts.len() == count).then_some(texts)
}

fn read_aliases(document: &mut Document<'_>, rule: &Rule, value: Value<'_>, broken: bool) -> Option<Rule> {
    let span = value.span.clone();
    let elements = document.array(value, "`aliases`", "a list of scopes")?;
    let mut aliases = Vec::new();
    for element in elements {
        if let Some((text, span)) = document.string(element, "an alias") {
            aliases.extend(read_scope(document, &text, &span));
        }
    }
    // Without a valid action it cannot be determined whether aliases apply.
    if broken {
        return None;
    }
    rule.clone()
        .with_aliases(aliases)
        .map_err(|error| {
            let hint =
                "an alias is another name of the same images, such as \"registry-vpc.example.com/team\"";
            document.problem(span, error.to_string(), hint);
        })
        .ok()
}

fn read_layouts(document: &mut Document<'_>, value: Value<'_>) -> Option<BTreeSet<Format>> {
    let span = value.span.clone();
    let elements = document.array(value, "`layouts`", "a list, as in [\"classic\"]")?;
    let count = elements.len();
    let choices = Format::ALL.map(|format| (format.layout(), format));
    let choice = Choice(&choices, Format::ALL[0]);
    let read: Vec<Format> =
        elements.into_iter().filter_map(|element| choice.read(document, "layouts", element)).collect();
    if count == 0 {
        document.problem(span, "`layouts` is empty, so no signature would count", "write `[\"classic\"]`");
        return None;
    }
    (read.len() == count).then(|| read.into_iter().collect())
}

fn read_pods(document: &mut Document<'_>, value: Value<'_>) -> Option<Pods> {
    let span = value.span.clone();
    let elements =
        document.array(value, "`pods`", "a list of Kubernetes namespaces, as in [\"payments-*\"]")?;
    let count = elements.len();
    let texts: Vec<String> = elements
        .into_iter()
        .filter_map(|element| document.string(element, "a namespace of pods"))
        .map(|(text, _)| text)
        .collect();
    if texts.len() < count {
        return None;
    }
    Pods::new(&texts)
        .map_err(|error| {
            let message = match &error {
                PodsError::NotANamespace(text) => {
                    format!("{} cannot match any Kubernetes namespace", suggest::quoted(text))
                }
                _ => error.to_string(),
            };
            document.problem(
                span,
                message,
                "use letters a to z, digits and `-`; `*` matches any number of them",
            );
        })
        .ok()
}

/// The action, unless the one that was written is not valid.
fn rule_action(rule: &Rule, broken: bool) -> Option<&Action> {
    (!broken).then_some(rule.action())
}

fn read_scope(document: &mut Document<'_>, text: &str, span: &Range<usize>) -> Option<Scope> {
    let error = match Scope::parse(text) {
        Ok(scope) => return Some(scope),
        Err(error) => error,
    };
    let hint = match &error {
        ScopeError::Empty => "write `**` for everything".to_owned(),
        ScopeError::Scheme => "remove everything before the host".to_owned(),
        ScopeError::Version => {
            "name only the repository; a rule applies to all its tags and digests".to_owned()
        }
        ScopeError::EmptySegment => {
            "write single slashes, with no slash at the beginning or the end".to_owned()
        }
        ScopeError::Ambiguous(name) => {
            let name = name.trim_start_matches("docker.io/");
            format!("write `docker.io/library/{name}` or `docker.io/{name}/**`")
        }
        ScopeError::PartialRun => "use `*` within a segment".to_owned(),
        ScopeError::Host(_) => "write a host as in `registry.example.com` or `localhost:5000`".to_owned(),
        ScopeError::UpperCase(name) => format!("write `{}`", name.to_lowercase()),
        ScopeError::Path(_) => "letters a to z, digits, and single `.`, `_` or `-` between them".to_owned(),
        ScopeError::TooLong | ScopeError::TooManyRuns => "shorten it".to_owned(),
    };
    let message = error.to_string();
    let message = if message.contains("-----BEGIN") { "`scope` is a PEM text".to_owned() } else { message };
    document.problem(span.clone(), message, hint);
    None
}
