//! Whether kubelet uses pullgate's socket: by its configuration, and by its connection.

mod find;
mod settings;

use super::{Diagnosis, Finding};
pub use find::{Sockets, find};

/// The first version that can use pullgate: see docs/install.md, "kubelet before 1.31".
const FIRST_VERSION: (u32, u32) = (1, 31);

/// What a socket in kubelet's configuration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Pullgate,
    /// The socket that pullgate itself forwards to.
    Runtime,
    Other,
}

/// An endpoint, and where it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The path of the socket.
    pub socket: String,
    pub place: String,
    pub target: Target,
}

/// A kubelet of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeletFacts {
    /// How to name it: `kubelet (process 12)`.
    pub name: String,
    /// Its process; `None` if it does not run.
    pub pid: Option<u32>,
    pub version: Option<(u32, u32)>,
    /// The image endpoints that are set, the one that wins last.
    pub image_endpoints: Vec<Endpoint>,
    /// The runtime endpoints that are set, the one that wins last.
    pub runtime_endpoints: Vec<Endpoint>,
    /// A file of its configuration that changed after its start.
    pub changed: Option<String>,
    /// What cannot be read.
    pub problem: Option<String>,
}

impl KubeletFacts {
    /// Where its image calls go. Without an image endpoint, they go to the runtime endpoint (kubelet `PreInitRuntimeService`).
    #[must_use]
    pub fn image_endpoint(&self) -> Option<&Endpoint> {
        self.image_endpoints.last().or(self.runtime_endpoints.last())
    }
}

/// The findings about the kubelets that were found. `callers` are the processes that made an image call on a connection that
/// is still open, if known: kubelet has another connection to its runtime endpoint. `pod_rules` is whether the policy has rules for the namespaces of pods.
#[must_use]
pub fn evaluate(
    kubelets: &Result<Vec<KubeletFacts>, String>,
    callers: Option<&[u32]>,
    pod_rules: bool,
) -> Vec<Finding> {
    match kubelets {
        Err(why) => vec![Finding::new(Diagnosis::KubeletUnknown, why)],
        Ok(kubelets) => kubelets.iter().flat_map(|kubelet| one(kubelet, callers, pod_rules)).collect(),
    }
}

fn one(kubelet: &KubeletFacts, callers: Option<&[u32]>, pod_rules: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |diagnosis, evidence: &str| {
        findings.push(Finding::new(diagnosis, &format!("{}: {evidence}", kubelet.name)));
    };
    if let Some((major, minor)) = kubelet.version.filter(|version| *version < FIRST_VERSION) {
        found(Diagnosis::KubeletVersion, &format!("version {major}.{minor}"));
    }
    if let Some(problem) = &kubelet.problem {
        found(Diagnosis::KubeletUnknown, problem);
    }
    let Some(endpoint) = kubelet.image_endpoint() else {
        if kubelet.problem.is_none() {
            let evidence = "no image endpoint is set, so it uses the runtime's socket";
            found(Diagnosis::ImageEndpoint, evidence);
        }
        return findings;
    };
    let described = format!("{} by {}", endpoint.socket, endpoint.place);
    if endpoint.target != Target::Pullgate {
        found(Diagnosis::ImageEndpoint, &described);
        return findings;
    }
    let others = kubelet.image_endpoints.iter().filter(|it| it.target != Target::Pullgate);
    let others: Vec<_> = others.map(|it| format!("{} by {}", it.socket, it.place)).collect();
    if !others.is_empty() {
        found(Diagnosis::SeveralEndpoints, &format!("{described}, but also {}", others.join(", ")));
    }
    match kubelet.runtime_endpoints.last() {
        Some(runtime) if runtime.target == Target::Pullgate => {}
        runtime => {
            let place = runtime.map_or_else(
                || "the runtime endpoint is not set".to_owned(),
                |it| format!("the runtime endpoint is {} by {}", it.socket, it.place),
            );
            found(if pod_rules { Diagnosis::PodRules } else { Diagnosis::RuntimeEndpoint }, &place);
        }
    }
    let connected = kubelet.pid.zip(callers).map(|(pid, callers)| callers.contains(&pid));
    match (kubelet.pid, connected, &kubelet.changed) {
        (None, ..) => found(Diagnosis::KubeletStopped, &described),
        (Some(_), Some(true), _) => found(Diagnosis::KubeletOk, &format!("connected, {described}")),
        (Some(_), _, Some(file)) => {
            found(Diagnosis::NotRestarted, &format!("{file} changed after its start"))
        }
        (Some(_), Some(false), None) => found(Diagnosis::NotConnected, &described),
        (Some(_), None, None) => found(Diagnosis::KubeletOk, &described),
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(target: Target, place: &str) -> Endpoint {
        let socket = match target {
            Target::Pullgate => "/run/pullgate/pullgate.sock",
            Target::Runtime => "/run/containerd/containerd.sock",
            Target::Other => "/run/soci.sock",
        };
        Endpoint { socket: socket.to_owned(), place: place.to_owned(), target }
    }

    fn kubelet(images: &[Target], runtime: &[Target]) -> KubeletFacts {
        KubeletFacts {
            name: "kubelet (process 7)".to_owned(),
            pid: Some(7),
            version: Some((1, 33)),
            image_endpoints: images.iter().map(|it| endpoint(*it, "config.yaml:1")).collect(),
            runtime_endpoints: runtime.iter().map(|it| endpoint(*it, "its arguments")).collect(),
            changed: None,
            problem: None,
        }
    }

    fn codes(kubelet: KubeletFacts, callers: Option<&[u32]>, pod_rules: bool) -> Vec<String> {
        evaluate(&Ok(vec![kubelet]), callers, pod_rules).into_iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn the_endpoint_that_wins_decides() {
        use Target::{Other, Pullgate, Runtime};
        let connected: Option<&[u32]> = Some(&[3, 7]);
        for (images, runtime, expected) in [
            (&[Pullgate][..], &[Pullgate][..], &["kubelet"][..]),
            (&[Pullgate], &[Runtime], &["runtime-endpoint", "kubelet"]),
            (&[Pullgate], &[], &["runtime-endpoint", "kubelet"]),
            (&[], &[Pullgate], &["kubelet"]),
            (&[Other, Pullgate], &[Pullgate], &["several-image-endpoints", "kubelet"]),
            (&[Pullgate, Other], &[Pullgate], &["image-endpoint"]),
            (&[Runtime], &[Pullgate], &["image-endpoint"]),
            (&[], &[Runtime], &["image-endpoint"]),
            (&[], &[], &["image-endpoint"]),
        ] {
            assert_eq!(codes(kubelet(images, runtime), connected, false), expected, "{images:?} {runtime:?}");
        }
        assert_eq!(codes(kubelet(&[Pullgate], &[]), connected, true), ["pod-rules", "kubelet"]);
    }

    #[test]
    fn the_process_and_its_connection_count() {
        let both = [Target::Pullgate];
        let plain = || kubelet(&both, &both);
        let changed = || KubeletFacts { changed: Some("config.yaml".to_owned()), ..plain() };
        let stopped = KubeletFacts { pid: None, ..plain() };
        let old = KubeletFacts { version: Some((1, 30)), ..plain() };
        let unreadable =
            KubeletFacts { problem: Some("config.yaml: denied".to_owned()), ..kubelet(&[], &[]) };
        for (name, kubelet, callers, expected) in [
            ("connected", plain(), Some(&[7][..]), &["kubelet"][..]),
            ("not connected", plain(), Some(&[8]), &["kubelet-not-connected"]),
            ("daemon unknown", plain(), None, &["kubelet"]),
            ("changed, and restarted since", changed(), Some(&[7]), &["kubelet"]),
            ("changed", changed(), Some(&[8]), &["kubelet-not-restarted"]),
            ("changed, daemon unknown", changed(), None, &["kubelet-not-restarted"]),
            ("stopped", stopped, Some(&[]), &["kubelet-stopped"]),
            ("old", old, Some(&[7]), &["kubelet-version", "kubelet"]),
            ("unreadable", unreadable, Some(&[7]), &["kubelet-unknown"]),
        ] {
            assert_eq!(codes(kubelet, callers, false), expected, "{name}");
        }
        let none = evaluate(&Err("no kubelet found".to_owned()), None, false);
        assert_eq!(none[0].id, "kubelet-unknown");
    }
}
