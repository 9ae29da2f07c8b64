//! containers/image `registries.d`: where GPG signatures are.

use pullgate::config::load_daemon_text;
use pullgate::registry::Lookaside;
use pullgate_import::{self as import, ConfigPart, Effect};

fn imported(files: &[(&str, &str)]) -> ConfigPart {
    let files: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    import::registries_d(&files).unwrap_or_else(|error| panic!("{error}: {files:?}"))
}

/// Scope and place of each source, as the daemon reads them.
fn sources(imported: &ConfigPart) -> Vec<(String, String)> {
    let sources = load_daemon_text(&imported.text).unwrap().registry.sources;
    let shown = sources.into_iter().map(|source| {
        assert!(source.image && source.repository.is_none() && source.directory.is_none());
        let place = match source.lookaside.unwrap() {
            Lookaside::Server { secure, authority, path } => {
                format!("{} {authority} {path}", if secure { "https" } else { "http" })
            }
            Lookaside::Directory(path) => path.display().to_string(),
        };
        (source.scope, place)
    });
    shown.collect()
}

#[test]
fn sections_become_sources_as_containers_image_chooses_them() {
    let default = ("**", "/var/lib/containers/sigstore");
    for (name, files, expected) in [
        ("nothing", vec![], vec![default]),
        ("an empty file", vec![("default.yaml", "")], vec![default]),
        ("comments", vec![("default.yaml", "# nothing\n")], vec![default]),
        (
            "as Fedora has it",
            vec![
                (
                    "default.yaml",
                    "default-docker:\n#  lookaside: https://example.com\n  lookaside-staging: file:///var/lib/containers/sigstore\n",
                ),
                (
                    "registry.access.redhat.com.yaml",
                    "docker:\n     registry.access.redhat.com:\n         sigstore: https://access.redhat.com/webassets/docker/content/sigstore\n",
                ),
                (
                    "registry.redhat.io.yaml",
                    "docker:\n     registry.redhat.io:\n         sigstore: https://registry.redhat.io/containers/sigstore\n",
                ),
            ],
            vec![
                ("registry.access.redhat.com", "https access.redhat.com /webassets/docker/content/sigstore"),
                ("registry.redhat.io", "https registry.redhat.io /containers/sigstore"),
                default,
            ],
        ),
        (
            "the newer name comes first, an empty one does not count",
            vec![(
                "a.yaml",
                "docker:\n  r.example:\n    lookaside: https://a.example\n    sigstore: https://b.example\n  s.example:\n    lookaside: ''\n    sigstore: http://c.example:8080/x\n",
            )],
            vec![("r.example", "https a.example "), ("s.example", "http c.example:8080 /x"), default],
        ),
        (
            "a section without a lookaside is skipped for the one above",
            vec![(
                "a.yaml",
                "default-docker:\n  lookaside: file:///sigs\ndocker:\n  r.example:\n    lookaside: https://a.example\n  r.example/team:\n    use-sigstore-attachments: true\n  r.example/other/app:\n    lookaside-staging: file:///staging\n",
            )],
            vec![("r.example", "https a.example "), ("**", "/sigs")],
        ),
        (
            "repositories, ports and Docker Hub",
            vec![(
                "a.yaml",
                "docker:\n  localhost:5000/a/b:\n    lookaside: file:///one\n  docker.io:\n    lookaside: file:///two\n  docker.io/library/nginx:\n    lookaside: file:///three\n",
            )],
            vec![
                ("docker.io", "/two"),
                ("docker.io/library/nginx", "/three"),
                ("localhost:5000/a/b", "/one"),
                default,
            ],
        ),
        ("other files are not part of it", vec![("a.yml", "docker: ["), ("README", "x: [")], vec![default]),
    ] {
        let expected: Vec<_> =
            expected.iter().map(|(scope, place)| ((*scope).to_owned(), (*place).to_owned())).collect();
        let imported = imported(&files);
        assert_eq!(sources(&imported), expected, "{name}:\n{}", imported.text);
        assert!(imported.notes.is_empty(), "{name}: {:?}", imported.notes);
    }
}

#[test]
fn what_is_no_registry_or_repository_is_noted() {
    let section = |name: &str| format!("docker:\n  \"{name}\":\n    lookaside: https://a.example\n");
    for (namespace, effect) in [
        ("*.example.com", Effect::Stricter),
        ("r.example/app:1", Effect::Stricter),
        ("R.example/app", Effect::Stricter),
        ("r.example/App", Effect::None),
        ("nginx", Effect::None),
    ] {
        let imported = imported(&[("a.yaml", &section(namespace))]);
        assert_eq!(sources(&imported).len(), 1, "{namespace}");
        assert_eq!(
            imported.notes.iter().map(|note| note.effect).collect::<Vec<_>>(),
            [effect],
            "{namespace}"
        );
    }
}

#[test]
fn what_containers_image_does_not_load_is_an_error() {
    let one = "docker:\n  r.example:\n    lookaside: https://a.example\n";
    let default = "default-docker:\n  lookaside: https://a.example\n";
    for (name, files) in [
        ("a namespace twice", vec![("a.yaml", one), ("b.yaml", one)]),
        ("the default twice", vec![("a.yaml", default), ("b.yaml", default)]),
        ("not YAML", vec![("a.yaml", "docker: [")]),
        ("not a mapping", vec![("a.yaml", "- docker")]),
        ("a list of namespaces", vec![("a.yaml", "docker:\n  - r.example\n")]),
        ("a number", vec![("a.yaml", "docker:\n  r.example:\n    lookaside: [1]\n")]),
    ] {
        let files: Vec<_> =
            files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert!(import::registries_d(&files).is_err(), "{name}");
    }
}
