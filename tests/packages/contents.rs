//! What the packages say about their contents.

use std::collections::BTreeSet;
use std::process::Command;

use crate::made::{PACKAGES, VERSION, deb, make, output_of, rpm};

/// The text of a file in a Debian package.
fn file(package: &str, path: &str) -> String {
    let unpack = if path.ends_with(".gz") { "| gzip -d" } else { "" };
    let command = format!(
        "set -o pipefail; dpkg-deb --fsys-tarfile '{}' | tar -xO './usr/share/doc/{package}/{path}' {unpack}",
        deb(package, VERSION).display()
    );
    output_of(Command::new("bash").args(["-c", &command]))
}

/// The crates in the program, as cargo knows them.
fn linked(package: &str) -> BTreeSet<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "tree",
        "--locked",
        "--prefix",
        "none",
        "--package",
        package,
    ]);
    tree.args(["--edges", "normal,no-proc-macro", "--target", "x86_64-unknown-linux-gnu"]);
    let line = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ").replace(" v", " ");
    output_of(&mut tree).lines().map(line).collect()
}

#[test]
fn the_bill_of_materials_lists_what_is_linked_with_hashes_and_licences() {
    for package in PACKAGES {
        let bom: serde_json::Value = serde_json::from_str(&file(package, "sbom.cdx.json")).unwrap();
        assert_eq!((&bom["bomFormat"], &bom["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
        assert_eq!(bom["metadata"]["component"]["name"], package);
        let components = bom["components"].as_array().unwrap();
        let mut listed: BTreeSet<_> = components
            .iter()
            .chain([&bom["metadata"]["component"]])
            .map(|one| format!("{} {}", one["name"].as_str().unwrap(), one["version"].as_str().unwrap()))
            .collect();
        let standard = listed.iter().find(|name| name.starts_with("rust-std ")).cloned().unwrap();
        listed.remove(&standard);
        assert_eq!(listed, linked(package));
        for component in components {
            let name = component["name"].as_str().unwrap();
            assert!(component["licenses"][0]["expression"].is_string(), "{component}");
            let hash = component["hashes"][0]["content"].as_str().unwrap_or_default();
            assert!(hash.len() == 64 || name.starts_with("pullgate") || name == "rust-std", "{component}");
        }
        let known: BTreeSet<_> = components.iter().map(|one| one["bom-ref"].as_str().unwrap()).collect();
        for edge in bom["dependencies"].as_array().unwrap() {
            for to in edge["dependsOn"].as_array().unwrap() {
                assert!(known.contains(to.as_str().unwrap()), "{edge}");
            }
        }
    }
}

#[test]
fn man_pages_completions_and_schemas_are_where_their_readers_look() {
    for (package, page, schema) in [
        ("pullgate", "pullgate-policy.toml.5", "policy"),
        ("pullgate-signer", "pullgate-signer.toml.5", "signer"),
    ] {
        let listed = [
            output_of(Command::new("dpkg-deb").arg("--contents").arg(deb(package, VERSION))),
            output_of(
                Command::new("rpm").args(["--query", "--list", "--package"]).arg(rpm(package, VERSION)),
            ),
        ];
        for (list, zsh) in listed.iter().zip(["vendor-completions", "site-functions"]) {
            for path in [
                format!("/usr/share/man/man8/{package}.8.gz"),
                format!("/usr/share/man/man5/{page}.gz"),
                format!("/usr/share/bash-completion/completions/{package}"),
                format!("/usr/share/zsh/{zsh}/_{package}"),
                format!("/usr/share/fish/vendor_completions.d/{package}.fish"),
                format!("/usr/share/pullgate/schema/{schema}.json"),
            ] {
                assert!(list.lines().any(|line| line.ends_with(&path)), "{package}: {path}: {list}");
            }
        }
    }
}

#[test]
fn each_linked_crate_has_its_licence_text() {
    for package in PACKAGES {
        let text = file(package, "third-party-licences.txt.gz");
        let named: BTreeSet<_> =
            text.lines().filter_map(|line| line.split_once(" (").map(|(name, _)| name)).collect();
        for name in linked(package).iter().filter(|name| !name.starts_with("pullgate")) {
            assert!(named.contains(name.as_str()), "{package}: {name}");
        }
        assert!(text.contains("\nThe Rust standard library\n"));
    }
}

/// `Depends` of the deb and `Requires` of the rpm name this version.
#[test]
fn the_programs_need_no_newer_glibc_than_the_packages_ask_for() {
    for program in [pullgate_test::programs::pullgate(), pullgate_test::programs::signer()] {
        let symbols = output_of(Command::new("objdump").arg("-T").arg(&program));
        let version = |line: &str| {
            let (_, rest) = line.split_once("GLIBC_2.")?;
            rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse::<u32>().ok()
        };
        let newest = symbols.lines().filter_map(version).max().unwrap();
        assert!(newest <= 34, "{}: glibc 2.{newest}", program.display());
    }
}

#[test]
fn the_same_files_give_the_same_packages() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path(), &["--package", "pullgate-signer", "deb", "rpm", "tarball"]);
    let again: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(again.len(), 3);
    for path in again {
        let first = crate::made::made().join(path.file_name().unwrap());
        assert!(std::fs::read(&first).unwrap() == std::fs::read(&path).unwrap(), "{}", path.display());
    }
}
