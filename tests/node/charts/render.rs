//! helm, and jv with the schemas of Kubernetes.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use pullgate_test::node::directory::Directory;
use pullgate_test::node::{environment, process};
use serde_json::Value;

/// The first release that the charts support, and the newest with schemas.
pub(super) const KUBERNETES: [&str; 2] = ["1.31", "1.37"];

pub(super) const DIGEST: &str = "@sha256:0000000000000000000000000000000000000000000000000000000000000001";

/// A chart, with values that are enough for it.
pub(super) struct Chart {
    pub(super) name: &'static str,
    values: &'static str,
}

pub(super) const NODE: Chart =
    Chart { name: "pullgate", values: include_str!("../../fixtures/charts/pullgate.yaml") };

pub(super) const SIGNER: Chart =
    Chart { name: "pullgate-signer", values: include_str!("../../fixtures/charts/pullgate-signer.yaml") };

impl Chart {
    fn path(&self) -> PathBuf {
        pullgate_test::repository().join("packaging/chart").join(self.name)
    }

    fn helm(&self, command: &[&str], arguments: &[&str]) -> Output {
        let directory = Directory::new();
        let values = directory.path().join("values.yaml");
        fs::write(&values, self.values).unwrap();
        let mut helm = Command::new(environment::chart_tool("helm"));
        // helm reads no configuration of the user.
        helm.env_clear().env("HOME", directory.path());
        helm.args(command).arg(self.path()).arg("--values").arg(&values);
        process::output(helm.args(["--namespace", "platform"]).args(arguments))
    }

    fn template(&self, arguments: &[&str]) -> Output {
        self.helm(&["template", self.name], arguments)
    }

    /// The objects that helm would create, those of hooks too.
    pub(super) fn render(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.template(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}, {arguments:?}: {errors}", self.name);
        serde_saphyr::from_multiple(&String::from_utf8(output.stdout).unwrap()).unwrap()
    }

    /// What helm says of values that the chart does not accept.
    pub(super) fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.template(arguments);
        assert!(!output.status.success(), "{}, {arguments:?} is accepted", self.name);
        String::from_utf8(output.stderr).unwrap()
    }

    pub(super) fn lint(&self) {
        let output = self.helm(&["lint", "--strict"], &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// The object of this kind and name.
pub(super) fn find(objects: &[Value], kind: &str, name: &str) -> Value {
    let found = objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name} in {objects:#?}")).clone()
}

/// Whether a release of Kubernetes knows this object with exactly these fields.
pub(super) fn validate(release: &str, object: &Value) -> Result<(), String> {
    let schemas = environment::kubernetes_schemas(release);
    let kind = object["kind"].as_str().unwrap().to_lowercase();
    let version = object["apiVersion"].as_str().unwrap();
    // The group without its domain: networking.k8s.io/v1 is in networkpolicy-networking-v1.json.
    let version = match version.split_once('/') {
        Some((group, version)) => format!("{}-{version}", group.split('.').next().unwrap_or_default()),
        None => version.to_owned(),
    };
    let name = format!("{kind}-{version}.json");
    let ours = pullgate_test::repository().join("tests/fixtures/charts").join(&name);
    let schema = if ours.exists() { ours } else { schemas.join(name) };
    let directory = Directory::new();
    let instance = directory.path().join("object.json");
    fs::write(&instance, object.to_string()).unwrap();
    let mut jv = Command::new(environment::chart_tool("jv"));
    jv.arg("--map").arg(format!("https://kubernetes.io/api/={}/", schemas.display()));
    let output = process::output(jv.arg(schema).arg(instance));
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{object:#}\n{text}")) }
}
