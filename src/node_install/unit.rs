//! The command line in a service unit, as `systemctl cat` prints the unit.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::tree::Tree;

/// What of a unit decides about kubelet's arguments (systemd.service(5), systemd.exec(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// The command lines in force.
    pub(super) commands: Vec<String>,
    /// A drop-in that sets `ExecStart=` after the one that was left out.
    pub(super) overrides: Option<String>,
    environment: Vec<String>,
    environment_files: Vec<PathBuf>,
}

impl Unit {
    /// Reads the text without the drop-in at `own`.
    pub(super) fn parse(text: &str, own: &Path) -> Self {
        let own_name = own.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (mut unit, mut file, mut service) = (Self::default(), String::new(), false);
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let line = line.trim();
            if let Some(path) = line.strip_prefix("# ").filter(|path| is_unit_file(path)) {
                path.clone_into(&mut file);
                service = false;
                continue;
            }
            if line.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with('[') {
                service = line == "[Service]";
                continue;
            }
            let mut whole = line.to_owned();
            while let Some(begin) = whole.strip_suffix('\\') {
                whole = format!("{} {}", begin.trim_end(), lines.next().unwrap_or_default().trim());
            }
            let (true, Some((key, value))) = (service && Path::new(&file) != own, whole.split_once('='))
            else {
                continue;
            };
            let value = value.trim();
            match key.trim() {
                "ExecStart" => {
                    // systemd reads drop-ins in the order of their names, wherever they are (systemd.unit(5)).
                    let name = file.rsplit('/').next().unwrap_or_default();
                    if file.ends_with(".conf") && name > own_name.as_str() {
                        unit.overrides = Some(file.clone());
                    }
                    put(&mut unit.commands, value, value.to_owned());
                }
                "Environment" => put(&mut unit.environment, value, value.to_owned()),
                "EnvironmentFile" => {
                    put(&mut unit.environment_files, value, PathBuf::from(value.trim_start_matches('-')));
                }
                _ => {}
            }
        }
        unit
    }

    /// The arguments of the command, with the values of variables.
    pub(super) fn arguments(&self, tree: &Tree) -> io::Result<Vec<String>> {
        let variables = self.variables(tree)?;
        let mut arguments = Vec::new();
        for word in words(self.commands.first().map_or("", String::as_str)) {
            match word.strip_prefix('$').filter(|name| !name.starts_with('{')) {
                // A word of its own is split at spaces.
                Some(name) => arguments.extend(words(variables.get(name).map_or("", String::as_str))),
                None => arguments.push(expand(&word, &variables)),
            }
        }
        Ok(arguments)
    }

    /// Variables by name. Those of files win (systemd.exec(5), EnvironmentFile=).
    pub(super) fn variables(&self, tree: &Tree) -> io::Result<BTreeMap<String, String>> {
        let mut assignments: Vec<String> = self.environment.iter().flat_map(|it| words(it)).collect();
        for file in &self.environment_files {
            let text = tree.text(file)?.unwrap_or_default();
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
            assignments.extend(lines.map(ToOwned::to_owned));
        }
        let split = |it: &String| {
            let (name, value) = it.split_once('=')?;
            let value = value.trim();
            let bare = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
            Some((name.trim().to_owned(), bare.unwrap_or(value).to_owned()))
        };
        Ok(assignments.iter().filter_map(split).collect())
    }
}

/// The value of `--name`.
pub(crate) fn flag<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let mut found = None;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("--").and_then(|rest| rest.strip_prefix(name)) {
            Some("") => found = words.next().map(String::as_str),
            Some(rest) => found = rest.strip_prefix('=').or(found),
            None => {}
        }
    }
    found
}

fn is_unit_file(path: &str) -> bool {
    path.starts_with('/') && (path.ends_with(".service") || path.ends_with(".conf"))
}

/// An empty assignment resets a list.
fn put<T>(list: &mut Vec<T>, value: &str, item: T) {
    if value.is_empty() { list.clear() } else { list.push(item) }
}

/// The words of a line; quotes around a word, or a part of it, are removed.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for character in line.chars() {
        match (character, quote) {
            (_, Some(open)) if character == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (_, None) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

fn expand(word: &str, variables: &BTreeMap<String, String>) -> String {
    let (mut text, mut rest) = (String::new(), word);
    while let Some((before, after)) = rest.split_once("${") {
        text.push_str(before);
        let (name, end) = after.split_once('}').unwrap_or((after, ""));
        text.push_str(variables.get(name).map_or("", String::as_str));
        rest = end;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "/etc/systemd/system/kubelet.service.d/10-pullgate.conf";
    /// The unit and the drop-in of kubeadm's packages (kubernetes/release, cmd/krel/templates/latest).
    const KUBEADM: &str = r#"# /usr/lib/systemd/system/kubelet.service
[Unit]
Description=kubelet: The Kubernetes Node Agent
[Service]
ExecStart=/usr/bin/kubelet
Restart=always

# /usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf
# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_CONFIG_ARGS \
  $KUBELET_EXTRA_ARGS "--root=${ROOT}/kubelet"
"#;

    #[test]
    fn reads_the_arguments_as_systemd_does() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("etc/default")).unwrap();
        let extra = "# comment\nKUBELET_EXTRA_ARGS=\"--config-dir /etc/k.d --v=2\"\nROOT=/var/lib\n";
        std::fs::write(directory.path().join("etc/default/kubelet"), extra).unwrap();
        let unit = Unit::parse(KUBEADM, Path::new(OWN));
        let arguments = unit.arguments(&Tree::new(directory.path())).unwrap();
        let expected = "/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml --config-dir /etc/k.d --v=2 --root=/var/lib/kubelet";
        assert_eq!(arguments.join(" "), expected);
        assert_eq!(flag(&arguments, "config"), Some("/var/lib/kubelet/config.yaml"));
        assert_eq!(flag(&arguments, "config-dir"), Some("/etc/k.d"));
        assert_eq!(flag(&arguments, "image-service-endpoint"), None);
    }

    #[test]
    fn our_own_drop_in_does_not_count_and_a_later_one_is_found() {
        let own = format!("# {OWN}\n[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --config-dir=/x\n");
        let unit = Unit::parse(&format!("{KUBEADM}{own}"), Path::new(OWN));
        assert_eq!(unit, Unit::parse(KUBEADM, Path::new(OWN)));
        let later = "# /etc/systemd/system/kubelet.service.d/20-site.conf\n[Service]\nExecStart=\nExecStart=/opt/kubelet\n";
        let unit = Unit::parse(&format!("{KUBEADM}{own}{later}"), Path::new(OWN));
        assert_eq!(unit.commands, ["/opt/kubelet"]);
        assert!(unit.overrides.unwrap().ends_with("20-site.conf"));
    }
}
