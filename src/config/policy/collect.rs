//! The declarations of all policy files.

use std::path::{Path, PathBuf};

use super::attestation::{self, DeclaredCondition};
use super::content::Content;
use super::declared::Declared;
use super::denials::{self, Denied};
use super::key_files::KeyFiles;
use super::{DeclaredAuthenticator, DeclaredKey, DeclaredRule, KnownKeys, authenticator, namespace, options};
use crate::config::document::{Document, Table, Value};
use crate::config::problem::Problem;
use crate::config::suggest;
use crate::policy::{Action, Allowance, Rule, Scope};
use pullgate_config::options::ReadByHand;

/// Everything that was declared so far.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) default: Option<Declared<Rule>>,
    pub(super) authenticators: Vec<Declared<DeclaredAuthenticator>>,
    pub(super) conditions: Vec<Declared<DeclaredCondition>>,
    pub(super) rules: Vec<Declared<DeclaredRule>>,
    pub(super) denied: Denied,
    pub(super) files: Vec<PathBuf>,
    /// Keys with a `source`.
    pub(super) declared: Vec<DeclaredKey>,
    pub(super) problems: Vec<Problem>,
    /// A file could not be read, so what seems to be missing may be in it.
    pub(super) incomplete: bool,
}

impl Collected {
    /// Adds the declarations of one file.
    pub(super) fn read(
        &mut self,
        document: &mut Document<'_>,
        root: &Path,
        content: Content<'_>,
        known: &KnownKeys,
    ) {
        let keys =
            [ReadByHand::keys(options::ROOT), vec!["authenticator", "attestation", "namespace", "deny"]]
                .concat();
        let Some(mut table) = document.parse(&keys) else {
            self.incomplete = true;
            return;
        };
        self.read_default(document, &mut table);
        if let Some(value) = table.take("deny") {
            denials::read(document, value, &mut self.denied);
        }
        let entries =
            table.take("authenticator").and_then(|value| document.open_table(value, "`authenticator`"));
        for (name, key, value) in entries.into_iter().flat_map(|table| table.entries) {
            let place = document.place(key.start);
            let twice = self.authenticators.iter().find(|known| known.value.name == name);
            if let Some(known) = twice {
                let message = format!(
                    "authenticator {} is also declared in {}:{}",
                    suggest::quoted(&name),
                    known.file,
                    known.place.line
                );
                document.problem(key.clone(), message, "remove one of them");
            }
            let directory = root.join(document.file());
            let directory = directory.parent().unwrap_or(root);
            let keys = KeyFiles {
                root,
                directory,
                content,
                read: &mut self.files,
                known,
                declared: &mut self.declared,
            };
            let value = authenticator::read(document, name, key, value, keys);
            self.authenticators.push(Declared { value, file: document.file().to_owned(), place });
        }
        self.read_conditions(document, &mut table);
        let namespaces = table.take("namespace").and_then(|value| {
            document.array(value, "`namespace`", "written as [[namespace]], once for each rule")
        });
        for value in namespaces.into_iter().flatten() {
            if let Some((rule, place)) = namespace::read(document, value) {
                self.rules.push(Declared { value: rule, file: document.file().to_owned(), place });
            }
        }
    }

    fn read_conditions(&mut self, document: &mut Document<'_>, table: &mut Table<'_>) {
        let entries = table.take("attestation").and_then(|value| document.open_table(value, "`attestation`"));
        for (name, key, value) in entries.into_iter().flat_map(|table| table.entries) {
            let place = document.place(key.start);
            if let Some(known) = self.conditions.iter().find(|known| known.value.name == name) {
                let (name, file, line) = (suggest::quoted(&name), &known.file, known.place.line);
                let message = format!("attestation {name} is also declared in {file}:{line}");
                document.problem(key.clone(), message, "remove one of them");
            }
            let value = attestation::read(document, name, key, value);
            self.conditions.push(Declared { value, file: document.file().to_owned(), place });
        }
    }

    fn read_default(&mut self, document: &mut Document<'_>, table: &mut Table<'_>) {
        let reason = table.take("default-reason");
        let Some(default) = table.take("default") else {
            if let Some(reason) = reason {
                document.problem(
                    reason.span,
                    "`default-reason` needs `default`",
                    "write `default` and `default-reason` in one file",
                );
            }
            return;
        };
        let place = document.place(default.span.start);
        if let Some(known) = &self.default {
            let message = format!("`default` is also set in {}:{}", known.file, known.place.line);
            document.problem(default.span.clone(), message, "keep one of them");
            return;
        }
        let file = document.file().to_owned();
        let label = format!("default ({file}:{})", place.line);
        // A default that is not valid counts as one, so that it is not reported as missing too.
        let action = default_action(document, default, reason).unwrap_or(Action::Deny { reason: None });
        self.default = Some(Declared { value: Rule::new(label, Scope::everything(), action), file, place });
    }
}

fn default_action(
    document: &mut Document<'_>,
    default: Value<'_>,
    reason: Option<Value<'_>>,
) -> Option<Action> {
    let given = reason.is_some();
    let reason = reason.and_then(|value| document.sentence(value, "`default-reason`"));
    let (text, span) = document.string(default, "`default`")?;
    match text.as_str() {
        "deny" => Some(Action::Deny { reason }),
        "allow-unsigned" if !given => {
            document.problem(
                span,
                "`default = \"allow-unsigned\"` has no reason",
                "add `default-reason`, or write `default = \"deny\"`",
            );
            None
        }
        "allow-unsigned" => reason.map(|reason| Action::AllowUnsigned(Allowance::of_all(reason))),
        other => {
            let message = format!("unknown value {} for `default`", suggest::quoted(other));
            document.problem(span, message, suggest::one_of(other, &["deny", "allow-unsigned"]));
            None
        }
    }
}
