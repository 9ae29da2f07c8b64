//! `docs/options.md` and the sample files in `config/` are generated from the declarations of the options.
//!
//! After a change of an option, `make generate` writes them.

use std::fmt::Write as _;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use pullgate::config;
use pullgate_config::kind::{OptionKind, Unset};
use pullgate_config::options::OptionDoc;
use pullgate_signer::load_signer;

use super::effects::all_options;
use super::samples::{BREAK_GLASS, ByHand, EXCEPTIONS, POLICY, PULLGATE, RULES, SIGNER, SIGNING};

/// The width of a comment.
const WIDTH: usize = 120;

const INTRODUCTION: &str = "\
# Options

Every option of the configuration files: its default (– if it is required, or one of several is), its values, and its
meaning. This page and the sample files in [config](../config) are generated from the program.
";

/// Each file: its name in the declarations, its heading, and what is said about it.
const FILES: [(&str, &str, &str); 5] = [
    ("pullgate.toml", "pullgate.toml", ""),
    ("policy.toml", "policy.toml and policy.d/*.toml", ""),
    ("break-glass.toml", "break-glass.toml", ""),
    ("expectations", "Expectations, for `pullgate policy test`", ""),
    ("signer.toml", "signer.toml", "For the signing service beside a registry ([signer.md](signer.md)).\n\n"),
];

pub(super) fn is_table(option: &OptionDoc) -> bool {
    matches!(option.kind, OptionKind::Table(_))
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (file, heading, note) in FILES {
        let head = "| option | default | values | meaning |\n|---|---|---|---|\n";
        write!(page, "\n## {heading}\n\n{note}{head}").unwrap();
        let options = all_options().into_iter().filter(|option| option.file == file && !is_table(option));
        for option in options {
            let name = format!("{} {}", option.section, option.key);
            let (name, default, doc) = (name.trim_start(), option.default.in_words(), &option.doc);
            writeln!(page, "| `{name}` | {default} | {} | {doc} |", option.bounds).unwrap();
        }
    }
    page
}

fn comment(sample: &mut String, text: &str) {
    indented(sample, "#", text);
}

/// A comment whose lines after the first begin with `rest`.
fn indented(sample: &mut String, rest: &str, text: &str) {
    let mut line = "#".to_owned();
    for word in text.split(' ') {
        if line.len() + word.len() > WIDTH {
            writeln!(sample, "{line}").unwrap();
            line = rest.to_owned();
        }
        write!(line, " {word}").unwrap();
    }
    writeln!(sample, "{line}").unwrap();
}

/// Tables that are read by hand: each with its options in a comment, and examples. What a key takes over from its
/// authenticator has been said of that.
fn by_hand(file: &str, tables: &[ByHand]) -> String {
    let mut sample = String::new();
    let options = all_options();
    for table in tables {
        sample.push('\n');
        table.about.lines().for_each(|paragraph| comment(&mut sample, paragraph));
        let its =
            options.iter().filter(|option| (option.file, option.section.as_str()) == (file, table.section));
        let its = its.filter(|option| !is_table(option));
        for option in its.filter(|option| option.default != Unset::Described("the authenticator's")) {
            indented(&mut sample, "#    ", &format!("  {}: {}", option.key, option.description()));
        }
        sample.push_str(table.example.trim_start());
    }
    sample
}

/// The options of a file with their defaults; those without one, and the tables in a section, as examples.
fn sample(file: &str, introduction: &str) -> String {
    let mut sample = introduction.to_owned();
    let options = all_options();
    let (mut section, mut nested) = ("", false);
    for option in options.iter().filter(|option| option.file == file) {
        let name = option.key.rsplit('.').next().unwrap_or_default();
        if let OptionKind::Table(header) = option.kind {
            // One that is read by hand: as below.
            if option.section.is_empty() {
                continue;
            }
            nested = !option.key.is_empty();
            section = &option.section;
            sample.push('\n');
            comment(&mut sample, &option.doc);
            let mark = if nested { "#! " } else { "" };
            writeln!(sample, "{mark}{header}").unwrap();
            continue;
        }
        // A table that is read by hand: its example is written by hand too.
        if option.section != section {
            continue;
        }
        if !nested {
            let unset = match option.default {
                Unset::Described(words) if words != "none" => format!(" Default: {words}."),
                _ => String::new(),
            };
            comment(&mut sample, &format!("{} Values: {}.{unset}", option.doc, option.bounds));
        }
        match &option.default {
            Unset::Default(value) if nested => writeln!(sample, "#! {name} = {value}"),
            Unset::Default(value) => writeln!(sample, "{name} = {value}"),
            Unset::Required if !nested => writeln!(sample, "{name} = {}", option.example),
            _ => writeln!(sample, "#! {name} = {}", option.example),
        }
        .unwrap();
    }
    sample
}

/// The generated files, by their path in the repository.
pub(super) fn generated() -> [(&'static str, String); 5] {
    [
        ("docs/options.md", page()),
        ("config/pullgate.toml", sample("pullgate.toml", PULLGATE)),
        ("config/signer.toml", sample("signer.toml", SIGNER) + &by_hand("signer.toml", SIGNING)),
        ("config/policy.toml", POLICY.to_owned() + &by_hand("policy.toml", RULES)),
        ("config/break-glass.toml", BREAK_GLASS.to_owned() + &by_hand("break-glass.toml", EXCEPTIONS)),
    ]
}

#[test]
fn documents_are_what_is_generated() {
    for (path, expected) in generated() {
        assert_written(path, &expected);
    }
}

/// Compares a file of the repository with what is generated, or writes it.
pub(crate) fn assert_written(path: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let found = || std::fs::read_to_string(&file).unwrap_or_default();
    if std::env::var_os("UPDATE").is_some() && found() != expected {
        let directory = file.parent().unwrap();
        std::fs::create_dir_all(directory).unwrap();
        // Renamed into its place, because other tests read the file meanwhile.
        let mut new = tempfile::Builder::new();
        let new = new.permissions(Permissions::from_mode(0o644)).tempfile_in(directory).unwrap();
        std::fs::write(new.path(), expected).unwrap();
        new.persist(&file).unwrap();
    }
    let found = found();
    let difference = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(found == expected, "{path} is out of date, write it with `make generate`: {difference:?}");
}

/// The problems of a sample file whose examples are in use. That no file of a secret is there, and that there is more than
/// one way to authenticate, is in the nature of examples.
fn problems(text: &str, load: impl Fn(&Path) -> Result<(), config::Problems>) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sample.toml");
    std::fs::write(&file, text.replace("#! ", "")).unwrap();
    let excused = |message: &str| {
        ["cannot be used", "exactly one way to authenticate", "is incomplete"]
            .iter()
            .any(|part| message.contains(part))
    };
    match load(&file) {
        Ok(()) => Vec::new(),
        Err(problems) => {
            let all = problems.iter().filter(|problem| !excused(problem.message()));
            all.map(ToString::to_string).collect()
        }
    }
}

#[test]
fn the_examples_in_the_samples_are_right() {
    let [_, (_, pullgate), (_, signer), ..] = generated();
    let none: [String; 0] = [];
    assert_eq!(problems(&pullgate, |path| config::load_daemon(path).map(drop)), none);
    assert_eq!(problems(&signer, |path| load_signer(path).map(drop)), none);
    let wrong = pullgate.replace("#! ram-role", "#! ram-rle");
    assert_eq!(problems(&wrong, |path| config::load_daemon(path).map(drop)).len(), 2, "both tables have it");
}
