//! `pullgate image-verifier`: an image verifier for containerd. With it, the policy also applies to `ctr`, nerdctl and
//! every other client of containerd's transfer service (2.1 and newer).
//!
//! Contract (containerd `pkg/imageverifier/bindir` and `docs/image-verification.md`): containerd calls a program in
//! `bin_dir` as `PROGRAM -name NAME -digest DIGEST -stdin-media-type TYPE`, with the descriptor as JSON on standard input.
//! Exit code 0 admits, any other refuses; standard output is the reason. The program is a link to `pullgate`, or, for other
//! options than the defaults, a script of two lines: `#!/bin/sh` and `exec pullgate image-verifier "$@"`.
//!
//! The running daemon is queried first: it is fast, and its answer is final. If it does not answer, this process
//! decides, with the same files and the daemon's ledger; then every failure is a refusal. The contract does not name a
//! pod, so every rule that could apply must admit the image.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::daemon::{Daemon, DaemonMode};
use super::local_gate::LocalGate;
use crate::config;
use crate::node::control::{self, ControlReply, ControlRequest, Verdict};
use crate::telemetry::log;
use pullgate_cli::{Outcome, output};
use pullgate_core::untrusted::error_chain;

/// Maximum size of the descriptor, in bytes.
const MAX_DESCRIPTOR_BYTES: u64 = 64 << 10;

/// Timeout of the daemon. containerd's default timeout for a verifier is ten seconds (`per_verifier_timeout`), and a
/// local decision needs the rest.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Timeout of a local decision.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout of the daemon if there is no local decision.
const TIMEOUT_IF_REQUIRED: Duration = Duration::from_secs(9);

const DESCRIPTOR: &str = "application/vnd.oci.descriptor.v1+json";

/// Arguments of `pullgate image-verifier`.
#[derive(Debug, clap::Args)]
pub(super) struct ImageVerifier {
    #[command(flatten)]
    daemon: Daemon,
    /// Arguments from containerd: -name NAME -digest DIGEST -stdin-media-type TYPE
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

/// The words of the command line, with the subcommand if containerd runs `pullgate` itself. `-name` is no option of `pullgate`.
pub(super) fn with_command(words: &[OsString]) -> Vec<OsString> {
    let mut words = words.to_vec();
    if words.get(1).is_some_and(|word| word == "-name") {
        words.insert(1, "image-verifier".into());
    }
    words
}

impl ImageVerifier {
    pub(super) fn run(self, root: &Path) -> Outcome {
        log::init(log::Format::Text, tracing::Level::WARN);
        // An image that could not be verified is refused, whatever the error.
        let (line, outcome) = match self.decide(root) {
            Ok(verdict) if verdict.admitted => (verdict.line, Outcome::Success),
            Ok(verdict) => (verdict.line, Outcome::Refused),
            Err(line) => (line, Outcome::Refused),
        };
        output::line(&line);
        outcome
    }

    fn decide(&self, root: &Path) -> Result<Verdict, String> {
        let call = Call::parse(&self.arguments)?;
        call.check_descriptor(std::io::stdin().lock())?;
        // An invalid name is refused without a query, as in the daemon.
        let image = control::pinned(&call.name, &call.digest)?;
        let file = root.join(config::DAEMON_FILE);
        let config =
            config::load_daemon(&file).map_err(|problems| format!("invalid configuration: {problems}"))?;
        let request = ControlRequest::Verdict { name: call.name, digest: call.digest };
        let required = self.daemon.mode == DaemonMode::Require;
        let timeout = if required { TIMEOUT_IF_REQUIRED } else { TIMEOUT };
        let note = |error: &control::AskError| output::note(&format!("daemon: {}", error_chain(error)));
        let reply = self.daemon.ask(&config.control.socket, &request, timeout, note);
        match reply.map_err(|error| format!("cannot query the daemon: {}", error_chain(&error)))? {
            Some(ControlReply::Verdict(verdict)) => Ok(verdict),
            Some(ControlReply::Failed(why)) => Err(why),
            Some(_) => Err("unexpected reply type from the daemon".to_owned()),
            None => {
                let local = LocalGate::open_with_evidence(root).map_err(|error| error.to_string())?;
                // Before containerd kills this process, so that no program that was started for credentials is left behind.
                let verdict = async {
                    tokio::time::timeout(LOCAL_TIMEOUT, control::verdict(&local.gate, &image)).await
                };
                let decided = local.runtime.block_on(verdict);
                decided
                    .map(|(verdict, _)| verdict)
                    .map_err(|_| format!("{image} could not be verified within {LOCAL_TIMEOUT:?}"))
            }
        }
    }
}

/// The arguments from containerd.
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
            let value = rest.next().ok_or_else(|| format!("{argument} needs a value"))?;
            if slot.replace(value.clone()).is_some() {
                return Err(format!("duplicate argument {argument}"));
            }
        }
        Ok(Self {
            name: name.ok_or("missing argument -name")?,
            digest: digest.ok_or("missing argument -digest")?,
            media_type: media_type.unwrap_or_default(),
        })
    }

    /// The descriptor on standard input must have the digest in question.
    fn check_descriptor(&self, input: impl Read) -> Result<(), String> {
        if self.media_type != DESCRIPTOR {
            return Err(format!(
                "unexpected media type {:?} on standard input: {DESCRIPTOR} is required",
                self.media_type
            ));
        }
        let mut text = Vec::new();
        input.take(MAX_DESCRIPTOR_BYTES).read_to_end(&mut text).map_err(|error| error.to_string())?;
        let descriptor: Descriptor =
            serde_json::from_slice(&text).map_err(|error| format!("invalid descriptor: {error}"))?;
        if descriptor.digest == self.digest {
            Ok(())
        } else {
            Err(format!("the descriptor is of {:?}, but -digest is {}", descriptor.digest, self.digest))
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
