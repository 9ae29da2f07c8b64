//! Small, unique images, and their content in a registry.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::registry::Registry;
use super::{environment, process};

/// An image as an OCI layout.
#[derive(Clone, Debug)]
pub struct Layout {
    path: PathBuf,
    digest: String,
}

/// An image in a registry.
#[derive(Clone, Debug)]
pub struct Image {
    /// `127.0.0.1:PORT`.
    pub host: String,
    pub repository: String,
    pub tag: String,
    /// `sha256:…` of the manifest, or of the index.
    pub digest: String,
    layout: Layout,
}

/// Makes an image. Its program prints its user and then waits; the user is 1000:1000.
pub fn make(directory: &Path, options: &[&str]) -> Layout {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let label = format!("image-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let path = directory.join("images").join(&label);
    let mut make = Command::new(environment::script("make-image"));
    make.arg(&path)
        .args(["--label", &label])
        .args(options)
        .arg("--program")
        .arg(environment::image("program"));
    let digest = process::must_run(&mut make).trim().to_owned();
    Layout { path, digest }
}

/// An image of the test environment.
pub fn existing(name: &str) -> Layout {
    let path = environment::image(name);
    let index = std::fs::read(path.join("index.json")).expect("a layout has an index");
    let index: Value = serde_json::from_slice(&index).expect("an index is JSON");
    let digest = index["manifests"][0]["digest"].as_str().expect("a manifest has a digest").to_owned();
    Layout { path, digest }
}

impl Layout {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Pushes it as `repository:tag`.
    pub fn push(&self, registry: &Registry, name: &str) -> Image {
        let (repository, tag) = name.split_once(':').unwrap_or((name, "latest"));
        let image = Image {
            host: registry.host().to_owned(),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            digest: self.digest.clone(),
            layout: self.clone(),
        };
        copy(&format!("oci:{}", self.path.display()), &format!("docker://{}", image.by_tag()));
        image
    }
}

impl Image {
    /// `127.0.0.1:PORT/repository:tag`.
    pub fn by_tag(&self) -> String {
        format!("{}/{}:{}", self.host, self.repository, self.tag)
    }

    /// `127.0.0.1:PORT/repository@sha256:…`.
    pub fn by_digest(&self) -> String {
        format!("{}/{}@{}", self.host, self.repository, self.digest)
    }

    /// `127.0.0.1:PORT/repository:tag@sha256:…`.
    pub fn by_both(&self) -> String {
        format!("{}@{}", self.by_tag(), self.digest)
    }

    /// The same image by another host, which the node maps to the registry.
    pub fn at(&self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self.clone() }
    }

    /// Pushes the image again, as another `repository:tag`.
    pub fn push_as(&self, registry: &Registry, name: &str) -> Self {
        self.layout.push(registry, name)
    }

    /// The image with a changed manifest or index, as `tag` of the same repository.
    pub fn edited(&self, registry: &Registry, tag: &str, change: impl FnOnce(&mut Value)) -> Self {
        let before = registry.manifest(&self.repository, &self.digest);
        let mut manifest = serde_json::from_slice(&before).expect("a manifest is JSON");
        change(&mut manifest);
        let after = manifest.to_string();
        registry.put_manifest(&self.repository, tag, after.as_bytes());
        let digest = pullgate::digest::Digest::of(after.as_bytes()).to_string();
        Self { digest, tag: tag.to_owned(), ..self.clone() }
    }

    /// The digests in this index.
    pub fn children(&self, registry: &Registry) -> Vec<String> {
        let index = registry.manifest(&self.repository, &self.digest);
        let index: Value = serde_json::from_slice(&index).expect("an index is JSON");
        let children = index["manifests"].as_array().expect("an index has manifests").iter();
        children.filter_map(|child| child["digest"].as_str()).map(ToOwned::to_owned).collect()
    }

    /// The tag of this image's signatures in cosign's classic layout.
    pub fn signature_tag(&self) -> String {
        format!("{}.sig", self.referrers_tag())
    }

    /// The fallback tag of this image's referrers.
    pub fn referrers_tag(&self) -> String {
        self.digest.replace(':', "-")
    }
}

/// Copies an image or a signature with skopeo, which takes names as `docker://…` and `oci:…`.
pub fn copy(from: &str, to: &str) {
    process::must_run(copying().args([from, to]));
}

/// `skopeo copy`; the caller adds options and two names.
pub fn copying() -> Command {
    let mut skopeo = Command::new(environment::tool("skopeo"));
    skopeo.args(["--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests"]);
    skopeo.args(["--src-tls-verify=false", "--dest-tls-verify=false"]);
    skopeo
}
