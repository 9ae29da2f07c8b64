//! The archives for machines without a package manager.

use std::path::Path;
use std::process::Command;

use crate::made::{PACKAGES, VERSION, output_of, tarball};

fn files(directory: &Path) -> Vec<String> {
    let listed = output_of(Command::new("find").arg(directory).args(["-type", "f", "-printf", "%P\n"]));
    let mut files: Vec<_> = listed.lines().map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
fn an_archive_installs_keeps_configuration_and_goes() {
    for package in PACKAGES {
        let directory = tempfile::tempdir().unwrap();
        output_of(Command::new("tar").arg("-xf").arg(tarball(package)).arg("-C").arg(directory.path()));
        let unpacked = directory.path().join(format!("{package}-{VERSION}-linux-x86_64"));
        let root = directory.path().join("root");
        let script = |name: &str| {
            let mut command = Command::new(unpacked.join(name));
            command.env("DESTDIR", &root);
            command
        };
        output_of(&mut script("install"));
        assert_eq!(files(&root), files(&unpacked.join("files")), "{package}");
        let configuration = root.join(if package == "pullgate" {
            "etc/pullgate/policy.toml"
        } else {
            "etc/pullgate/signer.toml"
        });
        std::fs::write(&configuration, "# edited\n").unwrap();
        output_of(&mut script("install"));
        assert_eq!(std::fs::read_to_string(&configuration).unwrap(), "# edited\n", "{package}");
        if package == "pullgate" {
            let kubelet = root.join("etc/default/kubelet");
            std::fs::create_dir_all(kubelet.parent().unwrap()).unwrap();
            std::fs::write(
                &kubelet,
                "KUBELET_EXTRA_ARGS=--image-service-endpoint=unix:///run/pullgate/pullgate.sock\n",
            )
            .unwrap();
            let refused = script("uninstall").output().unwrap();
            assert!(!refused.status.success(), "{refused:?}");
            assert!(root.join("usr/bin/pullgate").exists());
            std::fs::remove_file(&kubelet).unwrap();
        }
        output_of(&mut script("uninstall"));
        assert!(
            files(&root).iter().all(|path| path.starts_with("etc/pullgate/")),
            "{package}: {:?}",
            files(&root)
        );
    }
}
