//! Programs on the node: systemctl, kubelet, and pullgate as installed.

use std::process::{Command, Stdio};

use super::NodeError;

/// The end of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Whether its exit code was 0.
    pub success: bool,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

/// Where the programs of the node run.
pub trait Host {
    /// Runs a program to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    fn run(&self, program: &str, arguments: &[&str]) -> std::io::Result<Ran>;
}

/// The node of this process, or the node whose processes it sees.
#[derive(Clone, Copy, Debug)]
pub struct RealHost {
    /// Whether this process has a root of its own: programs then run in the mounts and the root of the node's process 1.
    pub enter: bool,
}

impl Host for RealHost {
    fn run(&self, program: &str, arguments: &[&str]) -> std::io::Result<Ran> {
        let mut command = if self.enter {
            let mut command = Command::new("nsenter");
            command.args(["--target", "1", "--mount", "--root", "--", program]);
            command
        } else {
            Command::new(program)
        };
        let output = command.args(arguments).stdin(Stdio::null()).output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ran {
            success: output.status.success(),
            output: text(&output.stdout),
            errors: text(&output.stderr),
        })
    }
}

/// The standard output of a program that must succeed.
pub(super) fn output(host: &impl Host, program: &str, arguments: &[&str]) -> Result<String, NodeError> {
    let command = || std::iter::once(&program).chain(arguments).copied().collect::<Vec<_>>().join(" ");
    let ran =
        host.run(program, arguments).map_err(|source| NodeError::Start { command: command(), source })?;
    if ran.success {
        return Ok(ran.output);
    }
    let said = format!("{}\n{}", ran.errors.trim(), ran.output.trim());
    Err(NodeError::Failed { command: command(), said: said.trim().to_owned() })
}

/// The standard output of a `systemctl` that must succeed.
pub(super) fn systemctl(host: &impl Host, arguments: &[&str]) -> Result<String, NodeError> {
    output(host, "systemctl", arguments)
}

/// What systemd says about a unit. Empty values if it does not know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UnitState {
    pub(super) loaded: bool,
    pub(super) running: bool,
    /// Running, and not starting any more.
    pub(super) active: bool,
    pub(super) enabled: bool,
    /// Another one after each start.
    pub(super) invocation: String,
    /// Of the unit's main process. `0` if there is none.
    pub(super) main_process: String,
    /// The path of the unit's cgroup.
    pub(super) group: String,
    /// The path of the first Unix socket of a socket unit.
    pub(super) listen: Option<String>,
}

impl UnitState {
    pub(super) fn of(host: &impl Host, unit: &str) -> Result<Self, NodeError> {
        let properties =
            "--property=LoadState,ActiveState,UnitFileState,InvocationID,MainPID,ControlGroup,Listen";
        let text = systemctl(host, &["show", properties, unit])?;
        let mut state = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "LoadState" => state.loaded = value == "loaded",
                "ActiveState" => {
                    state.active = value == "active";
                    state.running = matches!(value, "active" | "activating" | "reloading" | "refreshing");
                }
                "UnitFileState" => state.enabled = matches!(value, "enabled" | "enabled-runtime"),
                "InvocationID" => value.clone_into(&mut state.invocation),
                "MainPID" => value.clone_into(&mut state.main_process),
                "ControlGroup" => value.clone_into(&mut state.group),
                "Listen" if state.listen.is_none() => {
                    let path = value.strip_suffix(" (Stream)").filter(|path| path.starts_with('/'));
                    state.listen = path.map(ToOwned::to_owned);
                }
                _ => {}
            }
        }
        Ok(state)
    }
}
