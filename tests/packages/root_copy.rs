//! A copy of the Debian root of the test environment, which ends with the value.

use std::path::Path;
use std::process::{Command, Output};

use pullgate_test::node::root_copy::{self, ENVIRONMENT};
use tempfile::TempDir;

use crate::made::output_of;

/// Where package managers and systemctl keep their own records.
const RECORDS: [&str; 8] = [
    "var/lib/dpkg/",
    "var/lib/apt/",
    "var/lib/rpm/",
    "root/.rpmdb/",
    "var/log/",
    "var/cache/",
    "run/systemd/",
    "tmp/",
];

#[derive(Debug)]
pub(crate) struct RootCopy {
    copy: root_copy::RootCopy,
    directory: TempDir,
}

impl RootCopy {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { copy: root_copy::RootCopy::new(directory.path()), directory }
    }

    /// Runs a command of the shell in the copy.
    pub(crate) fn try_run(&self, command: &str) -> Output {
        let mut shell = self.outside("chroot");
        shell.arg(self.root()).args(["env", "-i"]).args(ENVIRONMENT).args(["bash", "-c", command]);
        shell.output().unwrap()
    }

    pub(crate) fn run(&self, command: &str) -> String {
        let output = self.try_run(command);
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{command}\n{stdout}{stderr}");
        stdout.into_owned()
    }

    /// What a command writes that fails.
    pub(crate) fn fails(&self, command: &str) -> String {
        let output = self.try_run(command);
        assert!(!output.status.success(), "{command} succeeds");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// A program of this machine that sees the copy at [`Self::root`].
    pub(crate) fn outside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.copy.process()));
        command.args(["--mount", "--pid", "--net", "--", program]);
        command
    }

    pub(crate) fn root(&self) -> std::path::PathBuf {
        self.copy.root()
    }

    /// Puts a file into /tmp, and returns its path there.
    pub(crate) fn put(&self, file: &Path) -> String {
        let name = format!("/tmp/{}", file.file_name().unwrap().to_str().unwrap());
        output_of(self.outside("cp").arg(file).arg(format!("{}{name}", self.root().display())));
        name
    }

    /// The files that are new or changed, but for the records of package managers, and the directories of ours.
    pub(crate) fn changes(&self) -> Vec<String> {
        let listed = output_of(
            self.outside("find").arg(self.directory.path().join("changes")).args(["-printf", "%y %P\n"]),
        );
        let mut changes: Vec<_> = listed
            .lines()
            .filter(|line| !line.starts_with('d') || line.contains("pullgate"))
            .filter_map(|line| line.split_once(' ').map(|(_, path)| path.to_owned()))
            .filter(|path| !RECORDS.iter().any(|directory| path.starts_with(directory)))
            .collect();
        changes.sort();
        changes
    }
}
