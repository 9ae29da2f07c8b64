//! The real cosign signing without keys, with services of the tests.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::keys::PrivateKey;
use super::policy::Policy;
use super::signing::{self, Cosign, Layout};
use super::{directory, process};
use crate::sigstore::{ISSUER, Log, Person, SUBJECT, Services};

/// The name of the authenticator in the policies of [`Keyless`].
pub const CI: &str = "ci";

/// An instance of Sigstore, and cosign as its client.
pub struct Keyless {
    pub services: Services,
    home: PathBuf,
}

impl Keyless {
    pub fn start(home: PathBuf) -> Self {
        directory::make(&home);
        let services = Services::start();
        for (name, content) in [
            ("root.json", services.sigstore.trusted_root()),
            (config_of(Log::V1), services.signing_config(Log::V1)),
            (config_of(Log::V2), services.signing_config(Log::V2)),
        ] {
            directory::write(&home.join(name), content.to_string());
        }
        Self { services, home }
    }

    /// Requires a signature by [`Person::builder`], whatever the ref, for images below `scope`.
    pub fn require(&self, policy: Policy, scope: &str) -> Policy {
        let subject = SUBJECT.split_once('@').map_or(SUBJECT, |(before, _)| before);
        let lines = format!("issuer = \"{ISSUER}\"\nsubject = \"{subject}@refs/tags/v*\"");
        self.require_of(policy, &self.services.sigstore.trusted_root(), &lines).require(scope, &[CI])
    }

    /// Adds the authenticator with another root, and other lines that say who may sign.
    pub fn require_of(&self, policy: Policy, root: &Value, lines: &str) -> Policy {
        policy.file("trust/root.json", root.to_string()).add_lines(&format!(
            "[authenticator.{CI}]\ntype = \"keyless\"\ntrust-root = \"trust/root.json\"\n{lines}"
        ))
    }

    /// Signs `reference` as this person.
    ///
    /// # Errors
    /// cosign's output.
    pub fn sign(&self, reference: &str, person: &Person, log: Log, layout: Layout) -> Result<String, String> {
        let token = self.home.join("token");
        directory::write(&token, self.services.token(person));
        let mut sign = self.command("sign");
        sign.args(["-y", "--identity-token"]).arg(token);
        sign.arg("--trusted-root").arg(self.home.join("root.json"));
        match layout {
            Layout::Bundle => {
                sign.arg("--signing-config").arg(self.home.join(config_of(log)));
            }
            Layout::Classic => {
                sign.args(["--new-bundle-format=false", "--use-signing-config=false"]);
                sign.arg(format!("--fulcio-url={}", self.services.fulcio_url()));
                sign.arg(format!("--rekor-url={}", self.services.rekor_url()));
                sign.arg(format!("--timestamp-server-url={}", self.services.timestamp_url()));
            }
        }
        process::run(sign.arg(reference))
    }

    /// Signs `reference` with a key, and logs it.
    ///
    /// # Errors
    /// cosign's output.
    pub fn sign_by_key(&self, reference: &str, key: &PrivateKey, log: Log) -> Result<String, String> {
        let key = Cosign::new(self.home.clone()).imported(&key.name, &key.file);
        let mut sign = self.command("sign");
        sign.arg("-y").arg("--key").arg(key);
        sign.arg("--signing-config").arg(self.home.join(config_of(log)));
        process::run(sign.arg("--trusted-root").arg(self.home.join("root.json")).arg(reference))
    }

    /// cosign with a registry on this machine.
    fn command(&self, command: &str) -> Command {
        let mut cosign = signing::command(&self.home);
        cosign.args([command, "--allow-http-registry"]);
        cosign
    }

    /// Verifies `reference` with cosign: whether a signature by this subject and issuer counts with this root.
    ///
    /// # Errors
    /// cosign's output.
    pub fn verify(
        &self,
        reference: &str,
        (subject, issuer): (&str, &str),
        root: &Value,
        options: &[&str],
    ) -> Result<String, String> {
        let file = self.home.join("verified-with.json");
        directory::write(&file, root.to_string());
        let mut verify = self.command("verify");
        verify.args(["--certificate-identity", subject]);
        verify.args(["--certificate-oidc-issuer", issuer, "--trusted-root"]).arg(file);
        process::run(verify.args(options).arg(reference))
    }
}

/// The file that says where the services are.
fn config_of(log: Log) -> &'static str {
    match log {
        Log::V1 => "v1.json",
        Log::V2 => "v2.json",
    }
}
