//! kubelet's `CredentialProviderConfig`: the programs that print credentials of registries.
//!
//! Sources: `readCredentialProviderConfig` and `validateCredentialProviderConfig` in Kubernetes'
//! `pkg/credentialprovider/plugin/config.go`. JSON is YAML.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use pullgate_core::go_duration::go_duration;
use serde::Deserialize;

use crate::config_part::ConfigPart;
use crate::write::toml_string;
use crate::{Effect, ImportError, MAX_DOCUMENT_BYTES, shape};

/// The groups of the file, and of the programs' requests, before the version.
const CONFIG_GROUP: &str = "kubelet.config.k8s.io/";
const API_GROUP: &str = "credentialprovider.kubelet.k8s.io/";
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha1"];
/// The longest that pullgate caches credentials.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// kubelet refuses fields that it does not know.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    #[serde(default)]
    providers: Vec<Provider>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Provider {
    name: String,
    api_version: String,
    #[serde(default)]
    match_images: Vec<String>,
    default_cache_duration: String,
    #[serde(default)]
    args: Option<Vec<String>>,
    #[serde(default)]
    env: Option<Vec<Variable>>,
    #[serde(default)]
    token_attributes: Option<TokenAttributes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    name: String,
    #[serde(default)]
    value: String,
}

/// What a program wants to know about the service account of a pod. Other fields change nothing here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenAttributes {
    require_service_account: bool,
}

/// Converts a `CredentialProviderConfig`. `directory` has the programs, as kubelet's `--image-credential-provider-bin-dir`.
///
/// # Errors
/// When kubelet would not start with it either.
pub fn credential_providers(text: &str, directory: &str) -> Result<ConfigPart, ImportError> {
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(ImportError::TooLong);
    }
    let document: Document = serde_saphyr::from_str(text).map_err(|error| {
        ImportError::Yaml(error.to_string().lines().next().unwrap_or_default().to_owned())
    })?;
    if document.kind != "CredentialProviderConfig" || !document.api_version.starts_with(CONFIG_GROUP) {
        return Err(shape("kind", "is not a CredentialProviderConfig of kubelet.config.k8s.io"));
    }
    if document.providers.is_empty() {
        return Err(shape("providers", "is empty"));
    }
    let mut part = ConfigPart::of("credential-providers");
    part.text.push_str(
        "# The programs get only the environment variables below, and PATH. kubelet also passes its own, such as \
         HTTPS_PROXY.\n",
    );
    let mut names = BTreeSet::new();
    for provider in document.providers {
        let place = format!("provider {:?}", provider.name);
        if provider.name.contains(['/', ' ']) || ["", ".", ".."].contains(&provider.name.as_str()) {
            return Err(shape(place, "cannot be the name of a program"));
        }
        if !names.insert(provider.name.clone()) {
            return Err(shape(place, "is listed twice"));
        }
        part.provider(provider, directory.trim_end_matches('/'), place)?;
    }
    Ok(part)
}

impl ConfigPart {
    fn provider(&mut self, provider: Provider, directory: &str, place: String) -> Result<(), ImportError> {
        let version = provider.api_version.strip_prefix(API_GROUP);
        let Some(version) = version.filter(|version| VERSIONS.contains(version)) else {
            return Err(shape(place, "has an unknown `apiVersion`"));
        };
        if provider.match_images.is_empty() {
            return Err(shape(place, "has no `matchImages`"));
        }
        let Some(cache) = go_duration(&provider.default_cache_duration) else {
            return Err(shape(place, "has a `defaultCacheDuration` that is not a duration"));
        };
        if provider.token_attributes.is_some_and(|attributes| attributes.require_service_account) {
            let text = "needs the service account token of a pod, which pullgate does not have; set other credentials for its images in `[registry]`";
            self.note(Effect::Stricter, place, text);
            return Ok(());
        }
        let variables = provider.env.unwrap_or_default().into_iter();
        let variables: Vec<String> =
            variables.map(|Variable { name, value }| format!("{name}={value}")).collect();
        let _ = write!(
            self.text,
            "\n[[registry.credential-provider]]\ncommand = {}\nmatch-images = {}\ndefault-cache-duration = \"{}s\"\n",
            toml_string(&format!("{directory}/{}", provider.name)),
            toml_list(&provider.match_images),
            cache.min(LONGEST).as_secs(),
        );
        for (key, values) in [("args", provider.args.unwrap_or_default()), ("environment", variables)] {
            if !values.is_empty() {
                let _ = writeln!(self.text, "{key} = {}", toml_list(&values));
            }
        }
        if version != "v1" {
            let _ = writeln!(self.text, "api-version = \"{version}\"");
        }
        Ok(())
    }
}

fn toml_list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| toml_string(text)).collect();
    format!("[{}]", texts.join(", "))
}
