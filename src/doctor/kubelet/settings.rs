//! The endpoints in the arguments and files of a kubelet, in the order in which they win.

use std::io;
use std::path::{Path, PathBuf};

use crate::node_install::{Tree, flag, values_in};

/// A value, and where it is set.
pub(super) type Setting = (String, String);

/// What a kubelet reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) image: Vec<Setting>,
    pub(super) runtime: Vec<Setting>,
    /// The files, in the order in which they are read.
    pub(super) files: Vec<PathBuf>,
}

/// The settings of a kubelet with these arguments: its configuration, then the drop-ins, then the arguments, the last one
/// wins (kubelet `NewKubeletCommand`).
pub(super) fn of_arguments(arguments: &[String], tree: &Tree) -> io::Result<Settings> {
    let mut settings = Settings::default();
    settings.files.extend(flag(arguments, "config").map(PathBuf::from));
    if let Some(directory) = flag(arguments, "config-dir") {
        settings.files.extend(tree.files_below(Path::new(directory), ".conf")?);
    }
    for file in &settings.files {
        let failed = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
        let text = tree.text(file).map_err(failed)?.unwrap_or_default();
        let last = |key: &str| {
            let (line, value) = values_in(&text, &[key]).pop()?;
            Some((value, format!("{}:{line}", file.display())))
        };
        set(&mut settings.image, last("imageServiceEndpoint"));
        set(&mut settings.runtime, last("containerRuntimeEndpoint"));
    }
    let argument = |name: &str| {
        let value = flag(arguments, name)?;
        Some((value.strip_prefix("unix://").unwrap_or(value).to_owned(), format!("the argument --{name}")))
    };
    set(&mut settings.image, argument("image-service-endpoint"));
    set(&mut settings.runtime, argument("container-runtime-endpoint"));
    Ok(settings)
}

/// An empty value is as if nothing had set it before: an image endpoint is then the runtime's.
fn set(settings: &mut Vec<Setting>, found: Option<Setting>) {
    match found {
        Some((value, _)) if value.is_empty() => settings.clear(),
        other => settings.extend(other),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn later_files_and_arguments_win() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        fs::create_dir(directory.path().join("d")).unwrap();
        write(
            "k.yaml",
            "containerRuntimeEndpoint: unix:///run/c.sock\nimageServiceEndpoint: unix:///a.sock\n",
        );
        write("d/10.conf", "{\"imageServiceEndpoint\": \"unix:///b.sock\"}");
        write("d/20.conf", "imageServiceEndpoint: /c.sock");
        write("d/30.yaml", "imageServiceEndpoint: /d.sock");
        let tree = Tree::new(directory.path());
        let read = |line: &str| {
            let arguments: Vec<_> = line.split(' ').map(ToOwned::to_owned).collect();
            of_arguments(&arguments, &tree).unwrap()
        };
        let values = |settings: &[Setting]| settings.iter().map(|it| it.0.clone()).collect::<Vec<_>>();
        let settings =
            read("kubelet --config=/k.yaml --config-dir /d --image-service-endpoint=unix:///e.sock");
        assert_eq!(values(&settings.image), ["/a.sock", "/b.sock", "/c.sock", "/e.sock"]);
        assert_eq!(settings.image[2].1, "/d/20.conf:1");
        assert_eq!(values(&settings.runtime), ["/run/c.sock"]);
        assert_eq!(settings.files.len(), 3);
        assert!(read("kubelet").image.is_empty());
        fs::create_dir(directory.path().join("d/40")).unwrap();
        write("d/40/site.conf", "imageServiceEndpoint: \"\"");
        assert!(read("kubelet --config=/k.yaml --config-dir=/d").image.is_empty());
        assert!(read("kubelet --config=/absent --image-service-endpoint=").image.is_empty());
    }
}
