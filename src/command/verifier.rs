//! `pullgate verifier`: containerd's image verifier contract, so that `ctr`, nerdctl and whatever else pulls through
//! containerd's transfer service (2.1 and newer) obeys the same policy.
//!
//! Contract (containerd `pkg/imageverifier/bindir` and `docs/image-verification.md`): a program in `bin_dir` is called as
//! `PROGRAM -name NAME -digest DIGEST -stdin-media-type TYPE` with the descriptor as JSON on standard input. Exit code 0
//! admits, any other refuses; standard output is the reason. Put a two-line script there:
//! `#!/bin/sh` and `exec pullgate verifier "$@"`.
//!
//! No credentials and no pod are told, so registries are asked anonymously and the strictest rule of the name speaks.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::decider::Decider;
use super::{Outcome, output};
use crate::digest::Digest;
use crate::gate::{Explanation, Question};
use crate::reference::Reference;
use crate::registry::Credentials;
use crate::telemetry::log;

/// The largest descriptor that is read, in bytes.
const MAX_DESCRIPTOR_BYTES: u64 = 64 << 10;

const DESCRIPTOR: &str = "application/vnd.oci.descriptor.v1+json";

/// Arguments of `pullgate verifier`.
#[derive(Debug, clap::Args)]
pub(super) struct Verifier {
    /// As containerd gives them: -name NAME -digest DIGEST -stdin-media-type TYPE
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

impl Verifier {
    pub(super) fn run(self, root: &Path) -> Outcome {
        log::init(log::Format::Text, tracing::Level::WARN);
        match self.decide(root) {
            Ok(reason) => {
                output::line(&reason);
                Outcome::Fine
            }
            // Whatever went wrong: what could not be verified is refused.
            Err(reason) => {
                output::line(&reason);
                Outcome::Refused
            }
        }
    }

    fn decide(&self, root: &Path) -> Result<String, String> {
        let call = Call::parse(&self.arguments)?;
        call.check_descriptor(std::io::stdin().lock())?;
        let decider = Decider::open(root).map_err(|error| error.to_string())?;
        let image = call.pinned()?;
        let question = Question { image, credentials: Credentials::anonymous(), namespace: None };
        let decided = decider.runtime.block_on(decider.gate.admit(&question, &mut Explanation::default()));
        decided
            .map(|pinned| format!("admitted by {} [{}]", pinned.rule(), pinned.reason()))
            .map_err(|refusal| refusal.line().to_owned())
    }
}

/// What containerd asks.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    name: String,
    digest: Digest,
    media_type: String,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

impl Call {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let [mut name, mut digest, mut media_type] = [const { None::<String> }; 3];
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let slot = match argument.as_str() {
                "-name" | "--name" => &mut name,
                "-digest" | "--digest" => &mut digest,
                "-stdin-media-type" | "--stdin-media-type" => &mut media_type,
                other => return Err(format!("unknown argument {other:?}")),
            };
            let value = rest.next().ok_or_else(|| format!("{argument} has no value"))?;
            if slot.replace(value.clone()).is_some() {
                return Err(format!("{argument} stands twice"));
            }
        }
        let digest = digest.ok_or("-digest is missing")?;
        Ok(Self {
            name: name.ok_or("-name is missing")?,
            digest: Digest::parse(&digest).map_err(|error| format!("-digest: {error}"))?,
            media_type: media_type.unwrap_or_default(),
        })
    }

    /// The descriptor on standard input has to be of the digest that is judged.
    fn check_descriptor(&self, input: impl Read) -> Result<(), String> {
        if self.media_type != DESCRIPTOR {
            return Err(format!("standard input is {:?} where {DESCRIPTOR} is expected", self.media_type));
        }
        let mut text = Vec::new();
        input.take(MAX_DESCRIPTOR_BYTES).read_to_end(&mut text).map_err(|error| error.to_string())?;
        let descriptor: Descriptor = serde_json::from_slice(&text)
            .map_err(|error| format!("the descriptor cannot be read: {error}"))?;
        if descriptor.digest == self.digest.as_str() {
            Ok(())
        } else {
            Err(format!("the descriptor is of {:?}, and {} is asked about", descriptor.digest, self.digest))
        }
    }

    /// The name with the digest that is to be judged, whatever its tag leads to by now.
    fn pinned(&self) -> Result<String, String> {
        let reference = Reference::parse(&self.name).map_err(|error| format!("-name: {error}"))?;
        match reference.digest() {
            Some(digest) if *digest != self.digest => {
                Err(format!("{} is another digest than {}", self.name, self.digest))
            }
            _ => Ok(reference.with_digest(&self.digest).to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(arguments: &[&str]) -> Result<Call, String> {
        Call::parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn reads_what_containerd_writes_and_nothing_else() {
        let digest = Digest::of(b"image").to_string();
        let good =
            call(&["-name", "reg.example/a:1", "-digest", &digest, "-stdin-media-type", DESCRIPTOR]).unwrap();
        assert_eq!(good.pinned(), Ok(format!("reg.example/a@{digest}")));
        assert_eq!(
            good.check_descriptor(format!("{{\"digest\":\"{digest}\",\"size\":1}}").as_bytes()),
            Ok(())
        );
        let other = Digest::of(b"other");
        assert!(good.check_descriptor(format!("{{\"digest\":\"{other}\"}}").as_bytes()).is_err());
        assert!(good.check_descriptor(&b"not JSON"[..]).is_err());
        for bad in [
            vec![],
            vec!["-name", "reg.example/a:1"],
            vec!["-digest", &digest],
            vec!["-name", "a", "-digest", "sha256:1"],
            vec!["-name", "a", "-name", "b", "-digest", &digest],
            vec!["-name", "a", "-digest", &digest, "-surprise", "x"],
            vec!["-name", "a", "-digest"],
        ] {
            assert!(call(&bad).is_err(), "{bad:?}");
        }
        let pinned = format!("reg.example/a@{other}");
        assert!(call(&["-name", &pinned, "-digest", &digest]).unwrap().pinned().is_err());
        let untyped = call(&["-name", "a", "-digest", &digest]).unwrap();
        assert!(untyped.check_descriptor(format!("{{\"digest\":\"{digest}\"}}").as_bytes()).is_err());
    }
}
