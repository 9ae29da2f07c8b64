//! Every secret in the sources of the tests carries the mark, so that the search at the end finds it wherever it is.

use std::path::{Path, PathBuf};

use pullgate_test::secrets::{MARK, REGISTERED};

/// Calls that take a secret, and which of their arguments it is.
const CALLS: [(&str, usize); 19] = [
    ("password(", 1),
    ("Auth::basic(", 1),
    ("identity_token(", 0),
    ("with_pull_secret(", 1),
    ("Auth::bearer(", 0),
    ("bearer(", 0),
    ("bearer(", 1),
    ("secret_file(", 2),
    ("secret(\"pin\",", 0),
    ("secret(\"other-pin\",", 0),
    ("\"secret\",", 0),
    ("rotate(", 0),
    ("with_token(", 1),
    ("with_key(", 1),
    ("role(", 0),
    ("knows(", 1),
    ("knows(", 2),
    ("acr(", 2),
    ("acr(", 3),
];

/// What stands before a secret within a text, or as the name of a field, a constant or a variable.
const FIELDS: [&str; 27] = [
    "password = ",
    "password=",
    "\"password\":",
    "password: ",
    "PASSWORD: &str = ",
    "PASSPHRASE: &str = ",
    "PIN: &str = ",
    "SECRET: &str = ",
    "TOKEN: &str = ",
    "access_key_secret = ",
    "access_key_secret=",
    "\"AccessKeySecret\":",
    "\"SecurityToken\":",
    "\"AuthorizationToken\":",
    "\"access_token\":",
    "\"token\":",
    "\"client_token\":",
    "\"secret_id\":",
    "\"COSIGN_PASSWORD\",",
    "\"VAULT_TOKEN\",",
    "\"BAO_TOKEN\",",
    "\"ALIBABA_CLOUD_ACCESS_KEY_SECRET\",",
    "\"--so-pin\",",
    "\"--pin\",",
    "\"pass:",
    "\"Bearer ",
    "\"Basic ",
];

/// Texts in the place of a secret that are none, and why.
const ALLOWED: [(&str, &str); 18] = [
    ("g5ECRET", "registered: the mark without its first letter"),
    ("!!!!!!!!", "no base64: nothing can be made of it"),
    ("/////////w==", "no text in base64: nothing can be made of it"),
    ("cGc1RUNSRVQtcG9k", "the mark in base64"),
    ("node", "a user's name, whose password is the next argument"),
    ("other", "the name of a role, whose id is in a file"),
    ("signer", "the name of a role, whose id is in a file"),
    ("granted", "a token that grants nothing, of a registry that wants none"),
    ("t", "a token in an answer that is refused as a whole"),
    ("x", "a token in an answer that is refused as a whole"),
    ("a", "a token in an answer that is refused as a whole"),
    ("realm", "a challenge, not an answer to one"),
    ("Node", "the name of a role"),
    ("Other", "the name of a role"),
    ("eDp5", "what a client shows where nothing is asked for"),
    ("tag*2", "the requests of a test whose name ends so"),
    ("password", "a word in a comment"),
    ("none", "the name of a file that is not there"),
];

/// Where private keys are made. Each of these files notes them by `secrets::register_key`.
const MAKERS: [&str; 6] = [
    "crates/test-support/src/secrets.rs",
    "crates/test-support/src/node/keys.rs",
    "tests/node/keys.rs",
    "tests/it/output.rs",
    "tests/it/readme.rs",
    "tests/it/signer/options.rs",
];

/// Ways to a private key.
const MAKING: [&str; 5] =
    ["KeyPair::generate(", "\"genpkey\"", "\"generate\"", "generate-key-pair", "PRIVATE KEY-----"];

fn sources() -> Vec<(String, String)> {
    fn add(directory: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                add(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    add(&root.join("tests"), &mut files);
    add(&root.join("benches"), &mut files);
    add(&root.join("crates/test-support"), &mut files);
    files.sort();
    let name = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
    files.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

/// The text of a literal that an expression begins with, through the constructors around it.
fn literal(expression: &str) -> Option<&str> {
    let expression = expression.trim_start().trim_start_matches("Some(").trim_start_matches('&');
    let text = expression.strip_prefix('"')?;
    Some(text.split('"').next().unwrap_or_default())
}

/// The arguments of a call, from behind its parenthesis.
fn arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut from, mut found) = (0, false, 0, Vec::new());
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => {
                found.push(&text[from..at]);
                return found;
            }
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&text[from..at]);
                from = at + 1;
            }
            ';' => break,
            _ => {}
        }
    }
    found
}

/// Every literal in the place of a secret, with the line it is in.
fn places(text: &str) -> Vec<(usize, String)> {
    // Quotation marks within texts count as such, so that what is quoted there is seen.
    let text = text.replace("\\\"", "\"");
    let mut found = Vec::new();
    let mut note = |at: usize, secret: &str| {
        // `user:password`; a place to be filled in is for whoever fills it.
        let whole = secret.starts_with('{');
        let secret = if whole { secret } else { secret.rsplit(':').next().unwrap_or_default() };
        let secret = secret.trim_end_matches("\\n");
        found.push((text[..at].lines().count(), secret.to_owned()));
    };
    for (call, argument) in CALLS {
        for (at, _) in text.match_indices(call) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|before| before.is_ascii_alphanumeric() || before == '_') {
                continue;
            }
            let inner = &text[at + call.len()..];
            if let Some(secret) = arguments(inner).get(argument).and_then(|text| literal(text)) {
                note(at, secret);
            }
        }
    }
    for field in FIELDS {
        for (at, _) in text.match_indices(field) {
            let value = text[at + field.len()..].trim_start_matches([' ', '\n']);
            let quoted = value.starts_with('"');
            // The end of a text there is the end of the secret.
            let in_word = field.ends_with(' ') && field.starts_with('"') || field == "\"pass:";
            let in_text = in_word || field.ends_with('=') || field.ends_with(" = ") && !field.contains('&');
            if !quoted && !in_text {
                continue;
            }
            let value = if in_word { value } else { value.strip_prefix('"').unwrap_or(value) };
            let secret = value.split(['"', '\\', '\n', ',', ' ', '=', '&', ';']).next().unwrap_or_default();
            note(at, secret);
        }
    }
    // Behind the user of a URL.
    for (at, _) in text.match_indices("://user:").chain(text.match_indices("://pod:")) {
        let secret = text[at + 3..].split('@').next().unwrap_or_default();
        note(at, secret);
    }
    found
}

/// Whether a literal is no secret, or one that is found.
fn may_stand(secret: &str) -> bool {
    secret.is_empty()
        || secret.contains(MARK)
        || secret.starts_with(['{', '$', '<', '('])
        || ALLOWED.iter().any(|(allowed, _)| *allowed == secret)
}

#[test]
fn every_secret_of_a_test_carries_the_mark() {
    let (mut wrong, mut marked) = (Vec::new(), 0);
    for (name, text) in sources() {
        // This file is full of examples.
        if name == "tests/it/marks.rs" {
            continue;
        }
        for (line, secret) in places(&text) {
            marked += usize::from(secret.contains(MARK));
            if !may_stand(&secret) {
                wrong.push(format!("{name}:{line}: {secret:?}"));
            }
        }
    }
    let hint = format!("let it contain {MARK}, or register it in crates/test-support/src/secrets.rs");
    assert!(wrong.is_empty(), "secrets without the mark; {hint}:\n{}", wrong.join("\n"));
    assert!(marked > 80, "only {marked} secrets are seen where there are many more");
    assert!(REGISTERED.iter().all(|secret| ALLOWED.iter().any(|(allowed, _)| allowed == secret)));
}

#[test]
fn private_keys_are_made_where_they_are_noted() {
    for (name, text) in sources() {
        let makes = MAKING.iter().any(|way| text.contains(way)) && name != "tests/it/marks.rs";
        if makes {
            assert!(MAKERS.contains(&name.as_str()), "{name}: make keys by secrets::new_key");
        }
        if MAKERS.contains(&name.as_str()) {
            assert!(makes && text.contains("register_key("), "{name}");
        }
    }
}

#[test]
fn a_literal_secret_is_seen_in_each_of_the_usual_places() {
    for text in [
        "Credentials::password(\"user\", \"hush\")",
        "password(\"user\", \"hush\")",
        "Credentials::identity_token(\"hush\")",
        "Auth::basic(\"user\", \"hush\")",
        "Auth::bearer(Some(\"user:hush\"))",
        "bearer(None, Some(\"user:hush\"), None)",
        "Pod::of(&name).with_pull_secret(USER, \"hush\")",
        "secret_file(&directory, \"token\", \"hush\\n\")",
        "with_token(&directory, \"hush\")",
        "write(directory.path(), \"secret\", \"hush\\n\")",
        "token.secret(\"pin\", \"hush\")",
        "const PIN: &str = \"hush\";",
        "const PASSWORD: &str = \"hush\";",
        "format!(\"username = \\\"a\\\"\\npassword = \\\"hush\\\"\\n\")",
        "\"{\\\"AccessKeySecret\\\":\\\"hush\\\"}\"",
        "json!({ \"secret_id\": \"hush\" })",
        "\"type = access_key\\naccess_key_secret = hush\\n\"",
        "command.env(\"COSIGN_PASSWORD\", \"hush\")",
        "[\"--so-pin\", \"hush\"]",
        "[\"-passin\", \"pass:hush\"]",
        "(Some(\"Bearer hush\"), 401)",
        "\"https://user:hush@registry\"",
        "kms.knows(\"STS.0\", \"hush\", Some(\"hush\"))",
    ] {
        let seen = places(text);
        assert!(seen.iter().any(|(_, secret)| secret == "hush" && !may_stand(secret)), "{text}: {seen:?}");
        let marked = text.replace("hush", &format!("{MARK}-1"));
        assert!(
            places(&marked).iter().all(|(_, secret)| may_stand(secret)),
            "{marked}: {:?}",
            places(&marked)
        );
    }
}
