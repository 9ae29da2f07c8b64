//! The files that `tests/environment/install` installs.

use std::fmt;
use std::path::PathBuf;

/// Tested releases of containerd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    V1_6,
    V1_7,
    V2_1,
}

impl Release {
    pub fn name(self) -> &'static str {
        match self {
            Self::V1_6 => "1.6",
            Self::V1_7 => "1.7",
            Self::V2_1 => "2.1",
        }
    }

    /// The directory with its containerd, runc, shim and ctr.
    pub fn programs(self) -> PathBuf {
        installed(&format!("containerd-{self}/bin"))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A tool: `skopeo`, `cosign`, `notation` or `docker-registry`.
pub fn tool(name: &str) -> PathBuf {
    installed(&format!("tools/bin/{name}"))
}

/// sigstore's timestamp authority.
pub fn timestamp_server() -> PathBuf {
    installed("timestamp-authority/bin/timestamp-server")
}

/// `stargz-snapshotter`, or `ctr-remote`, which converts images for it.
pub fn stargz(name: &str) -> PathBuf {
    installed(&format!("stargz/bin/{name}"))
}

/// What the tests of the charts run: `helm` or `jv`.
pub fn chart_tool(name: &str) -> PathBuf {
    installed(&format!("charts/bin/{name}"))
}

/// The JSON schemas of the API of a release of Kubernetes.
pub fn kubernetes_schemas(release: &str) -> PathBuf {
    installed(&format!("charts/schemas/{release}"))
}

/// An installed image, as an OCI layout.
pub fn image(name: &str) -> PathBuf {
    installed(&format!("images/{name}"))
}

/// One of the programs in `tests/environment`.
pub fn script(name: &str) -> PathBuf {
    crate::repository().join("tests/environment").join(name)
}

/// The directory of everything, with the Debian root in it.
pub(super) fn with_root() -> PathBuf {
    installed("root/lib/systemd/systemd");
    root()
}

/// The packages that `tests/environment/node-packages` has downloaded for the Debian root.
pub(super) fn node_packages() -> Vec<PathBuf> {
    let directory = root().join("node-packages");
    let stamp = root().join(".stamp-node-packages");
    assert!(
        stamp.exists(),
        "{} is not there: run tests/environment/node-packages first",
        directory.display()
    );
    let entries = std::fs::read_dir(&directory).expect("the stamp says that it is there");
    entries.flatten().map(|entry| entry.path()).collect()
}

/// The line of `versions` that begins with `package NAME`, without the name.
pub fn version_of(package: &str, versions: &str) -> String {
    let text = std::fs::read_to_string(installed(versions)).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("package {package} ")));
    line.unwrap_or("of unknown version").to_owned()
}

/// A test without its environment fails: it is never skipped.
fn installed(name: &str) -> PathBuf {
    let root = root();
    let path = root.join(name);
    let complete = [".stamp-parts", ".stamp-images"].iter().all(|stamp| root.join(stamp).exists());
    assert!(
        complete && path.exists(),
        "{} is not there: run tests/environment/install first",
        path.display()
    );
    path
}

fn root() -> PathBuf {
    let chosen =
        std::env::var_os("PULLGATE_ENVIRONMENT").filter(|value| !value.is_empty()).map(PathBuf::from);
    chosen.unwrap_or_else(|| {
        let home = std::env::var_os("HOME").expect("HOME is not set, and PULLGATE_ENVIRONMENT neither");
        PathBuf::from(home).join(".cache/pullgate/environment")
    })
}
