//! `pullgate verifier`: containerd's image verifier contract, so that `ctr`, nerdctl and whatever else pulls through
//! containerd's transfer service (2.1 and newer) obeys the same policy.
//!
//! Contract (containerd `pkg/imageverifier/bindir` and `docs/image-verification.md`): a program in `bin_dir` is called as
//! `PROGRAM -name NAME -digest DIGEST -stdin-media-type TYPE` with the descriptor as JSON on standard input. Exit code 0
//! admits, any other refuses; standard output is the reason. Put a two-line script there:
//! `#!/bin/sh` and `exec pullgate verifier "$@"`.
//!
//! The daemon that runs is asked first: it is fast, and what it says is final. Where it does not answer this program
//! decides by itself, by the same files and the evidence of the daemon; whatever goes wrong then is a refusal. No pod is
//! told, so the strictest rule of the name speaks.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::daemon::{Daemon, Use};
use super::decider::Decider;
use super::{Outcome, output};
use crate::config;
use crate::node::control::{self, Answer, Question, Verdict};
use crate::telemetry::log;

/// The largest descriptor that is read, in bytes.
const MAX_DESCRIPTOR_BYTES: u64 = 64 << 10;

/// How long the daemon may take. containerd gives a verifier ten seconds (`per_verifier_timeout`): where the daemon may be
/// replaced, there has to be time left for that.
const PATIENCE: Duration = Duration::from_secs(4);

/// The same, where nothing can replace it.
const LAST_PATIENCE: Duration = Duration::from_secs(9);

const DESCRIPTOR: &str = "application/vnd.oci.descriptor.v1+json";

/// Arguments of `pullgate verifier`.
#[derive(Debug, clap::Args)]
pub(super) struct Verifier {
    #[command(flatten)]
    daemon: Daemon,
    /// As containerd gives them: -name NAME -digest DIGEST -stdin-media-type TYPE
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

impl Verifier {
    pub(super) fn run(self, root: &Path) -> Outcome {
        log::init(log::Format::Text, tracing::Level::WARN);
        // Whatever went wrong: what could not be verified is refused.
        let (line, outcome) = match self.decide(root) {
            Ok(verdict) if verdict.admitted => (verdict.line, Outcome::Fine),
            Ok(verdict) => (verdict.line, Outcome::Refused),
            Err(line) => (line, Outcome::Refused),
        };
        output::line(&line);
        outcome
    }

    fn decide(&self, root: &Path) -> Result<Verdict, String> {
        let call = Call::parse(&self.arguments)?;
        call.check_descriptor(std::io::stdin().lock())?;
        // Before anybody is asked: a name that is none is refused here as there.
        let image = control::pinned(&call.name, &call.digest)?;
        let file = root.join(config::DAEMON_FILE);
        let config = config::load_daemon(&file)
            .map_err(|problems| format!("the configuration cannot be used: {problems}"))?;
        let question = Question::Verdict { name: call.name, digest: call.digest };
        let patience = if self.daemon.wanted == Use::Require { LAST_PATIENCE } else { PATIENCE };
        let note =
            |error: &control::AskError| output::note(&format!("daemon: {}", crate::telemetry::chain(error)));
        let asked = self.daemon.ask(&config.control.socket, &question, patience, note);
        match asked
            .map_err(|error| format!("the daemon does not answer: {}", crate::telemetry::chain(&error)))?
        {
            Some(Answer::Verdict(verdict)) => Ok(verdict),
            Some(Answer::Failed(why)) => Err(why),
            Some(_) => Err("the daemon answers another question".to_owned()),
            None => {
                let decider = Decider::open_with_evidence(root).map_err(|error| error.to_string())?;
                Ok(decider.runtime.block_on(control::verdict(&decider.gate, &image)).0)
            }
        }
    }
}

/// What containerd asks.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    name: String,
    digest: String,
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
        Ok(Self {
            name: name.ok_or("-name is missing")?,
            digest: digest.ok_or("-digest is missing")?,
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
        if descriptor.digest == self.digest {
            Ok(())
        } else {
            Err(format!("the descriptor is of {:?}, and {} is asked about", descriptor.digest, self.digest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn call(arguments: &[&str]) -> Result<Call, String> {
        Call::parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn reads_what_containerd_writes_and_nothing_else() {
        let digest = Digest::of(b"image").to_string();
        let good =
            call(&["-name", "reg.example/a:1", "-digest", &digest, "-stdin-media-type", DESCRIPTOR]).unwrap();
        assert_eq!((good.name.as_str(), &good.digest), ("reg.example/a:1", &digest));
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
            vec!["-name", "a", "-name", "b", "-digest", &digest],
            vec!["-name", "a", "-digest", &digest, "-surprise", "x"],
            vec!["-name", "a", "-digest"],
        ] {
            assert!(call(&bad).is_err(), "{bad:?}");
        }
        let untyped = call(&["-name", "a", "-digest", &digest]).unwrap();
        assert!(untyped.check_descriptor(format!("{{\"digest\":\"{digest}\"}}").as_bytes()).is_err());
    }
}
