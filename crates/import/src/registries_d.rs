//! containers/image `registries.d`: where the GPG signatures of images are.
//!
//! Source: containers-registries.d(5), and `docker/registries_d.go` (`loadAndMergeConfig`, `signatureTopLevel`). All files are
//! one configuration, in which nothing may be there twice. For an image, the most specific section with a lookaside decides;
//! one without is skipped, and the last resort is a directory that every containers/image knows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use crate::config_part::ConfigPart;
use crate::containers::scope::{self, Covered};
use crate::write::toml_string;
use crate::{Effect, ImportError, MAX_DOCUMENT_BYTES, shape};

/// Where containers/image looks if nothing is configured and it runs as root.
const DEFAULT: &str = "file:///var/lib/containers/sigstore";

/// One file. Fields that concern other things are skipped, as in containers/image.
#[derive(Deserialize)]
struct Document {
    #[serde(default, rename = "default-docker")]
    fallback: Option<Section>,
    #[serde(default)]
    docker: Option<BTreeMap<String, Option<Section>>>,
}

#[derive(Default, Deserialize)]
struct Section {
    #[serde(default)]
    lookaside: Option<String>,
    /// The older name.
    #[serde(default)]
    sigstore: Option<String>,
}

impl Section {
    fn address(self) -> Option<String> {
        let given = |address: &String| !address.is_empty();
        self.lookaside.filter(given).or(self.sigstore.filter(given))
    }
}

/// Converts the files of a `registries.d`, each with its name. Files whose names do not end in `.yaml` are not part of it.
///
/// # Errors
/// When containers/image would not load them either.
pub fn registries_d(files: &[(String, String)]) -> Result<ConfigPart, ImportError> {
    let (mut fallback, mut sections) = (None, BTreeMap::new());
    for (name, text) in files.iter().filter(|(name, _)| name.ends_with(".yaml")) {
        let document = read(name, text)?;
        if let Some(section) = document.fallback
            && fallback.replace(section).is_some()
        {
            return Err(shape(name, "`default-docker` is set in more than one file"));
        }
        for (namespace, section) in document.docker.unwrap_or_default() {
            if sections.insert(namespace.clone(), section.unwrap_or_default()).is_some() {
                return Err(shape(name, format!("namespace {namespace:?} is set in more than one file")));
            }
        }
    }
    let mut written = ConfigPart::of("registries-d");
    for (namespace, section) in sections {
        let Some(address) = section.address() else { continue };
        match scope::read(&namespace) {
            Ok(Covered::Below { folded: false, .. }) => written.table(&namespace, &address),
            Ok(Covered::Nothing) => {
                written.note(Effect::None, subject(&namespace), "no image name can be below this namespace");
            }
            _ => {
                let text = "`[[registry.signatures]]` accepts only registries and repositories, so pullgate looks for signatures of these images at the place for the whole repository";
                written.note(Effect::Stricter, subject(&namespace), text);
            }
        }
    }
    let fallback = fallback.unwrap_or_default().address();
    written.table("**", fallback.as_deref().unwrap_or(DEFAULT));
    Ok(written)
}

fn read(name: &str, text: &str) -> Result<Document, ImportError> {
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(ImportError::TooLong);
    }
    // An empty file is a configuration without sections.
    let parsed: Result<Option<Document>, _> = serde_saphyr::from_str(text);
    let document = parsed.map_err(|error| {
        let line = error.to_string().lines().next().unwrap_or_default().to_owned();
        ImportError::Yaml(format!("{name}: {line}"))
    })?;
    Ok(document.unwrap_or(Document { fallback: None, docker: None }))
}

impl ConfigPart {
    fn table(&mut self, scope: &str, address: &str) {
        let (scope, address) = (toml_string(scope), toml_string(address));
        let _ = write!(
            self.text,
            "\n[[registry.signatures]]\nscope = {scope}\nimage = true\nlookaside = {address}\n"
        );
    }
}

fn subject(namespace: &str) -> String {
    format!("namespace {namespace:?}")
}
