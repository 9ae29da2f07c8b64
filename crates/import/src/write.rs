//! A draft as TOML.

use std::fmt::Write as _;

use super::draft::{Action, Draft, Rule, Signer};
use super::{Effect, Note};
use pullgate_core::trust::{Algorithm, PssSalt, PublicKey};

pub(super) fn policy(draft: &Draft) -> String {
    let mut text = format!("# Made by `pullgate import` from {}.\n", draft.source);
    for note in &draft.notes {
        comment(&mut text, note);
    }
    match &draft.allowed_by_default {
        Some(reason) => {
            let _ = writeln!(text, "\ndefault = \"allow-unsigned\"\ndefault-reason = {}", quoted(reason));
        }
        None => text.push_str("\ndefault = \"deny\"\n"),
    }
    for signer in &draft.authenticators {
        authenticator(&mut text, signer);
    }
    for rule in &draft.rules {
        namespace(&mut text, rule);
    }
    if !draft.denied.is_empty() {
        text.push_str("\n[deny]\ndigests = [\n");
        for (digest, reason) in &draft.denied {
            let _ = writeln!(text, "    {{ digest = {}, reason = {} }},", quoted(digest), quoted(reason));
        }
        text.push_str("]\n");
    }
    text
}

fn comment(text: &mut String, note: &Note) {
    let mark = if note.effect == Effect::Wider { "WIDER" } else { "" };
    let line = match mark {
        "" => note.to_string(),
        mark => format!("{mark}: {}: {}", note.subject, note.text),
    };
    let _ = writeln!(text, "#\n# {}", plain(&line));
}

fn authenticator(text: &mut String, signer: &Signer) {
    text.push('\n');
    if signer.origin != signer.name {
        let _ = writeln!(text, "# {}", plain(&signer.origin));
    }
    let _ = writeln!(text, "[authenticator.{}]", quoted(&signer.name));
    for key in &signer.keys {
        let _ = writeln!(text, "[[authenticator.{}.keys]]", quoted(&signer.name));
        let _ = writeln!(text, "algorithm = {}", quoted(key.algorithm().name()));
        if let (Algorithm::RsaPssSha256, Some(salt)) = (key.algorithm(), salt(key)) {
            let _ = writeln!(text, "salt-length = {salt}");
        }
        let _ = writeln!(text, "pem = '''\n{}'''", key.pem());
    }
}

fn salt(key: &PublicKey) -> Option<String> {
    match key.salt() {
        salt if salt == PssSalt::default() => None,
        PssSalt::Maximum => Some("\"maximum\"".to_owned()),
        PssSalt::Length(length) => Some(length.to_string()),
    }
}

fn namespace(text: &mut String, rule: &Rule) {
    let _ = writeln!(text, "\n# {}\n[[namespace]]\nscope = {}", plain(&rule.origin), quoted(&rule.scope));
    if !rule.pods.is_empty() {
        let _ = writeln!(text, "pods = {}", names(&rule.pods));
    }
    let _ = match &rule.action {
        Action::All(all) => writeln!(text, "require = {{ all = {} }}", names(all)),
        Action::Any(any) => writeln!(text, "require = {{ any = {} }}", names(any)),
        Action::Allow(reason) => writeln!(text, "allow = \"unsigned\"\nreason = {}", quoted(reason)),
        Action::Deny(reason) => writeln!(text, "deny = {}", quoted(reason)),
    };
}

fn names(names: &[String]) -> String {
    let each: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    format!("[{}]", each.join(", "))
}

/// A basic string of TOML 1.0.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(character));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Text that stays in its line.
fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
