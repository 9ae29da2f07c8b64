//! Man pages, completions and schemas in the repository are those that the programs generate, and the programs that read
//! them accept them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use pullgate_test::programs;

use super::documents::assert_written;

const HOW: &str = "write it with `make generate`";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn updates() -> bool {
    std::env::var_os("UPDATE").is_some()
}

/// What a program prints.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out
}

fn generate(program: &Path, words: &[&str]) -> String {
    printed(Command::new(program).arg("generate").args(words))
}

/// The schemas of each program.
const SCHEMAS: [&[&str]; 2] = [&["daemon", "policy", "break-glass", "expectations"], &["signer"]];

fn files_in(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn files_are_what_the_programs_generate() {
    let man = tempfile::tempdir().unwrap();
    let mut expected: Vec<(String, String)> = Vec::new();
    for (program, schemas) in [programs::pullgate(), programs::signer()].iter().zip(SCHEMAS) {
        let name = program.file_name().unwrap().to_str().unwrap();
        generate(program, &["man", man.path().to_str().unwrap()]);
        for (shell, file) in
            [("bash", format!("{name}.bash")), ("zsh", format!("_{name}")), ("fish", format!("{name}.fish"))]
        {
            expected.push((format!("completions/{file}"), generate(program, &["completions", shell])));
        }
        for schema in schemas {
            expected.push((format!("schemas/{schema}.json"), generate(program, &["schema", schema])));
        }
    }
    for page in files_in(man.path()) {
        let text = fs::read_to_string(man.path().join(&page)).unwrap();
        expected.push((format!("docs/man/{page}"), text));
    }
    for directory in ["docs/man", "completions", "schemas"] {
        let prefix = format!("{directory}/");
        let wanted: BTreeSet<_> =
            expected.iter().filter_map(|(path, _)| path.strip_prefix(&prefix)).map(str::to_owned).collect();
        let there = repository().join(directory);
        if updates() && there.is_dir() {
            files_in(&there).difference(&wanted).for_each(|old| fs::remove_file(there.join(old)).unwrap());
        }
        for (path, text) in expected.iter().filter(|(path, _)| path.starts_with(&prefix)) {
            assert_written(path, text);
        }
        assert_eq!(files_in(&there), wanted, "{directory}: {HOW}");
    }
}

/// Every table of options that the programs know is in the page of its file, and every command has a page.
#[test]
fn man_pages_have_every_option() {
    let pages = files_in(&repository().join("docs/man"));
    for option in super::effects::all_options().iter().filter(|option| !super::documents::is_table(option)) {
        let page = match option.file {
            "pullgate.toml" => "pullgate.toml.5".to_owned(),
            "expectations" => "pullgate-expectations.toml.5".to_owned(),
            "signer.toml" => "pullgate-signer.toml.5".to_owned(),
            file => format!("pullgate-{file}.5"),
        };
        assert!(pages.contains(&page), "{page}");
        let text = fs::read_to_string(repository().join("docs/man").join(&page)).unwrap();
        let key = option.key.replace('-', "\\-");
        assert!(text.contains(&format!(".TP\n\\fB{key}\\fR\n")), "{page}: {key}");
    }
    for command in ["pullgate", "pullgate-verify", "pullgate-policy-check", "pullgate-signer-keys-fetch"] {
        assert!(pages.contains(&format!("{command}.8")), "{command}: {pages:?}");
    }
}

/// The directories that packages install them into.
#[test]
fn the_installed_files_are_where_their_readers_look() {
    let root = tempfile::tempdir().unwrap();
    let install = repository().join("packaging/install");
    let mut command = Command::new(install);
    command.arg(programs::pullgate().parent().unwrap()).env("DESTDIR", root.path());
    printed(&mut command);
    for path in [
        "usr/share/man/man8/pullgate-verify.8",
        "usr/share/man/man5/pullgate-policy.toml.5",
        "usr/share/bash-completion/completions/pullgate",
        "usr/share/bash-completion/completions/pullgate-signer",
        "usr/share/zsh/vendor-completions/_pullgate",
        "usr/share/fish/vendor_completions.d/pullgate.fish",
    ] {
        assert!(root.path().join(path).is_file(), "{path}");
    }
    // The first line of each configuration file names its schema.
    for (file, _) in super::documents::generated().iter().filter(|(file, _)| file.starts_with("config/")) {
        let text = fs::read_to_string(repository().join(file)).unwrap();
        let schema = text.lines().next().and_then(|line| line.strip_prefix("#:schema /")).unwrap();
        let schema = fs::read_to_string(root.path().join(schema)).unwrap();
        let id =
            format!("\"$id\": \"file:///{}\"", text.lines().next().unwrap().trim_start_matches("#:schema /"));
        assert!(schema.contains(&id), "{file}: {id}");
    }
}

#[cfg(feature = "all-tests")]
mod readers {
    use std::path::PathBuf;

    use pullgate_test::schema::faults;

    use super::*;

    fn man() -> PathBuf {
        repository().join("docs/man")
    }

    #[test]
    fn mandoc_finds_no_fault_in_the_man_pages() {
        for page in files_in(&man()) {
            let mut command = Command::new("mandoc");
            let output = command.args(["-Tlint", "-Wwarning"]).arg(man().join(&page)).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            // A date would differ from build to build; clap_mangen puts line breaks around the values of an option.
            let excused = ["missing date", "skipping paragraph macro: br "];
            let faults = said.lines().filter(|line| !excused.iter().any(|part| line.contains(part)));
            let faults: Vec<_> = faults.collect();
            assert!(faults.is_empty(), "{page}: {faults:#?}");
        }
        let bad = tempfile::NamedTempFile::new().unwrap();
        fs::write(bad.path(), ".TH a 8\n.SH NAME\n.XX\n").unwrap();
        let output = Command::new("mandoc").args(["-Tlint", "-Wwarning"]).arg(bad.path()).output().unwrap();
        assert!(String::from_utf8(output.stdout).unwrap().contains("unknown macro"));
    }

    /// What the shell offers behind `words`.
    fn offered(shell: &str, program: &str, words: &str) -> String {
        let completions = repository().join("completions");
        match shell {
            "bash" => printed(Command::new("bash").args(["--norc", "--noprofile", "-c"]).arg(format!(
                "source {}; found=$(complete -p {program}); found=${{found##*-F }}; COMP_WORDS=({program} {words}); \
                 COMP_CWORD=1; ${{found%% *}} {program} {words} {program}; \
                 printf '%s\\n' \"${{COMPREPLY[@]}}\"",
                completions.join(format!("{program}.bash")).display()
            ))),
            "fish" => printed(Command::new("fish").args(["--no-config", "-c"]).arg(format!(
                "source {}; complete -C '{program} {words}'",
                completions.join(format!("{program}.fish")).display()
            ))),
            // Its completions run in an interactive shell only.
            _ => printed(Command::new("timeout").args(["60", "zsh", "-f", "-c", ZSH, "zsh"]).arg(completions).arg(format!(
                "{program} {words}"
            ))),
        }
    }

    const ZSH: &str = r#"
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT= fpath=(${(q)1} \$fpath); autoload -Uz compinit; compinit -D -u; LISTMAX=0; echo re''ady"
zpty -r shell line '*ready*'
zpty -w -n shell "$2"$'\t\t'
zpty -r shell line '*verify*' || exit 1
print -r -- $line
zpty -d shell
"#;

    #[test]
    fn each_shell_completes_a_subcommand() {
        for shell in ["bash", "fish", "zsh"] {
            let found = offered(shell, "pullgate", "ver");
            assert!(found.contains("verify"), "{shell}: {found}");
        }
        for shell in ["bash", "fish"] {
            assert!(!offered(shell, "pullgate", "nothing").contains("verify"), "{shell}");
            assert!(offered(shell, "pullgate-signer", "imp").contains("import"), "{shell}");
        }
    }

    /// One row for each kind of option. That files of other tests are valid, or are refused for their shape, is compared where
    /// those tests load them.
    #[test]
    fn schemas_refuse_other_keys_types_and_numbers() {
        let files = super::super::documents::generated();
        for (file, schema) in [
            ("pullgate", "daemon"),
            ("policy", "policy"),
            ("break-glass", "break-glass"),
            ("signer", "signer"),
        ] {
            let (_, text) = files.iter().find(|(path, _)| *path == format!("config/{file}.toml")).unwrap();
            for text in [text.clone(), text.replace("#! ", "")] {
                assert_eq!(faults(schema, &text), Ok(Some(String::new())), "{text}");
            }
        }
        let case = "[[case]]\nimage = \"a\"\n";
        let rule = "[registry]\nhost = \"r.io\"\n[[rule]]\nname = \"a\"\nauthenticator = \"b\"\n";
        let open = "[[open]]\nreason = \"a\"\nuntil = ";
        for (schema, good, bad) in [
            ("daemon", "[limits]\nsignatures = 1024", "[limits]\nsignatures = 1025"),
            ("daemon", "[limits]\npull-timeout = \"600s\"", "[limits]\npull-timeout = \"601s\""),
            ("daemon", "[limits]\npull-timeout = \"1000ms\"", "[limits]\npull-timeout = \"999ms\""),
            ("daemon", "[limits]\nmanifest-bytes = \"64 KiB\"", "[limits]\nmanifest-bytes = \"63KiB\""),
            ("daemon", "[limits]\nmanifest-bytes = 65536", "[limits]\nmanifest-bytes = 65535"),
            ("daemon", "[scan]\ninterval = \"off\"", "[scan]\ninterval = \"on\""),
            ("daemon", "[scan]\nremove-unused = true", "[scan]\nremove-unused = \"true\""),
            ("daemon", "[log]\nlevel = \"info\"", "[log]\nlevel = \"loud\""),
            ("daemon", "[listen]\nmode = 0o660", "[listen]\nmode = \"0666\""),
            ("daemon", "[listen]\nsocket = \"/a\"", "[listen]\nsocket = \"a\""),
            ("daemon", "[registry]\ntoken-services = [\"a\"]", "[registry]\ntoken-services = \"a\""),
            ("daemon", "[registry]", "[registri]"),
            (
                "daemon",
                "[[trust.repository]]\nname = \"a\"\nurl = \"https://a\"\nroot = \"/a\"",
                "[[trust.repository]]\nname = \"a\"\nurl = \"https://a\"",
            ),
            (
                "policy",
                "[authenticator.a]\nalgorithm = \"ED25519\"",
                "[authenticator.a]\nalgorithm = \"MD5\"",
            ),
            ("policy", "[authenticator.a]\nalgorithm = [\"ED25519\"]", "[authenticator.a]\nalgorithm = []"),
            (
                "policy",
                "[authenticator.a]\nkeys = [{ file = \"a\" }]",
                "[authenticator.a]\nkeys = { file = \"a\" }",
            ),
            (
                "policy",
                "[authenticator.a]\nsalt-length = \"maximum\"",
                "[authenticator.a]\nsalt-length = \"max\"",
            ),
            ("policy", "[authenticator.a]", "[authenticator.\"a b\"]"),
            ("policy", "[authenticator.a]\nverify = \"remote\"", "[authenticator.a]\nissuer = \"https://a\""),
            (
                "policy",
                "[authenticator.a]\ntype = \"gpg\"\narmored = \"a\"",
                "[authenticator.a]\ntype = \"gpg\"\nkeys = [{ file = \"a\" }]",
            ),
            (
                "policy",
                "[attestation.a]\ntype = \"sbom\"\nby = \"a\"\nformats = [\"spdx\"]",
                "[attestation.a]\ntype = \"sbom\"\nby = \"a\"\nbuilder = \"a\"",
            ),
            ("policy", "[[namespace]]\nscope = \"**\"", "[[namespace]]\nmode = \"audit\""),
            (
                "policy",
                "[[namespace]]\nscope = \"**\"\nrequire = { any = [\"a\"] }",
                "[[namespace]]\nscope = \"**\"\nrequire = { some = [\"a\"] }",
            ),
            (
                "policy",
                "[attestation.a]\ntype = \"sbom\"\nby = { any = [\"a\"] }\nmax-age = \"12h\"",
                "[attestation.a]\ntype = \"sbom\"\nby = { attestations = [\"a\"] }",
            ),
            (
                "policy",
                "[attestation.a]\ntype = \"sbom\"\nby = \"a\"\nfields = { \"/a\" = 1 }",
                "[attestation.a]\ntype = \"sbom\"\nby = \"a\"\nfields = { \"/a\" = [] }",
            ),
            ("break-glass", &format!("{open}2026-06-01T00:00:00Z"), &format!("{open}2026-06-01")),
            ("expectations", &format!("{case}mode = \"audit\""), &format!("{case}mode = \"none\"")),
            ("signer", &format!("{rule}scope = \"r.io/a\""), &format!("{rule}scope = []")),
        ] {
            assert_eq!(faults(schema, good), Ok(Some(String::new())), "{good}");
            assert!(faults(schema, bad).is_ok_and(|found| found.is_some_and(|it| !it.is_empty())), "{bad}");
        }
    }
}
