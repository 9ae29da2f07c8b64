//! The Helm charts: rendered by helm, validated against the schemas of Kubernetes, and their programs run.

mod installer;
mod render;
mod signer;

use serde_json::json;

use render::{Chart, KUBERNETES, NODE, SIGNER, find, validate};

/// Other values with which each template and each branch of it is rendered.
const VARIANTS: [(&Chart, &str, &[&str]); 8] = [
    (&NODE, "as it is", &[]),
    (&NODE, "on all nodes", &["--set-json", "rollout.stages=[]", "--set", "rollout.exceptStages={canary}"]),
    (
        &NODE,
        "on all nodes of any kind",
        &["--set-json", "rollout.stages=[]", "--set", "nodeSelector=null,tolerations=null"],
    ),
    (&NODE, "signed", &["--set", "image.admission=signed,image.pullSecrets={a,b},rollout.maxSurge=10%"]),
    (&NODE, "without clean-up", &["--set", "cleanup.enabled=false,resources=null,priorityClassName="]),
    (&SIGNER, "as it is", &[]),
    (
        &SIGNER,
        "with TLS",
        &["--set", "listen.tlsSecret=tls,listen.clientCertificates=true,priorityClassName=high"],
    ),
    (
        &SIGNER,
        "with everything",
        &[
            "--set",
            "metrics.serviceMonitor.enabled=true,metrics.serviceMonitor.labels.release=prometheus,\
             persistence.storageClassName=fast,networkPolicy.metricsFrom[0].podSelector.matchLabels.app=prometheus,\
             networkPolicy.egressTo[0].ipBlock.cidr=192.0.2.0/24,tolerations[0].operator=Exists,\
             env[0].name=COSIGN_PASSWORD,env[0].valueFrom.secretKeyRef.name=signer,env[0].valueFrom.secretKeyRef.key=p",
        ],
    ),
];

#[test]
fn rendered_objects_are_valid() {
    for (chart, variant, arguments) in VARIANTS {
        let objects = chart.render(arguments);
        assert!(objects.len() >= 2, "{variant}: {objects:?}");
        for release in KUBERNETES {
            for object in &objects {
                let valid = validate(release, object);
                assert_eq!(valid, Ok(()), "{}, {variant}, {release}", chart.name);
            }
        }
    }
}

/// What would go unseen if the schemas were lax or were not used.
#[test]
fn a_wrong_object_is_not_valid() {
    let daemonset = find(&NODE.render(&[]), "DaemonSet", "pullgate");
    let monitor = SIGNER.render(&["--set", "metrics.serviceMonitor.enabled=true"]);
    let monitor = find(&monitor, "ServiceMonitor", "pullgate-signer");
    for (object, pointer, field, value) in [
        (&daemonset, "/spec/template/spec", "hostPid", json!(true)),
        (&daemonset, "/spec/template/spec", "hostPID", json!("yes")),
        (&daemonset, "/spec/template/spec/containers/0", "securitycontext", json!({})),
        (&daemonset, "/spec", "selector", json!("app=pullgate")),
        (&monitor, "/spec", "endpoint", json!([])),
    ] {
        let mut wrong = object.clone();
        wrong.pointer_mut(pointer).unwrap()[field] = value;
        assert!(validate(KUBERNETES[0], &wrong).is_err(), "{pointer}/{field}");
    }
}

#[test]
fn wrong_values_are_refused() {
    for (chart, arguments, at) in [
        (&NODE, "image.digest=latest", "'/image/digest'"),
        (&NODE, "image.digest=", "'/image/digest'"),
        (&NODE, "image.repository=", "'/image/repository'"),
        (&NODE, "image.repository=registry.example.com/pullgate:1", "'/image/repository'"),
        (&NODE, "image.tag=1", "'tag' not allowed"),
        (&NODE, "imag.digest=x", "'imag' not allowed"),
        (&NODE, "configuration.files=null,configuration.sources=null", "'/configuration'"),
        (&NODE, "configuration.files.\\.\\./x=y", "invalid propertyName '../x'"),
        (&NODE, "configuration.sources[0].secret.nam=x", "'nam' not allowed"),
        (&NODE, "rollout.maxSurge=0", "'/rollout/maxSurge'"),
        (&NODE, "rollout.maxUnavailable=1", "'maxUnavailable' not allowed"),
        (&NODE, "rollout.stages=canary", "'/rollout/stages'"),
        (&NODE, "rollout.stages=null", "missing property 'stages'"),
        (&NODE, "rollout.interval=1", "'/rollout/interval'"),
        (&SIGNER, "image.digest=", "'/image/digest'"),
        (&SIGNER, "config=", "'/config'"),
        (&SIGNER, "secret=", "'/secret'"),
        (&SIGNER, "replicas=2", "'replicas' not allowed"),
        (&SIGNER, "listen.clientCertificates=true", "'/listen/tlsSecret'"),
        (&SIGNER, "networkPolicy.notifyFrom=null", "'notifyFrom'"),
        (&SIGNER, "metrics.port=none", "'/metrics/port'"),
        (&SIGNER, "config=[listen]", "config must not contain [listen]"),
        (&SIGNER, "config=state.directory = '/'", "config must not contain [state]"),
    ] {
        let errors = chart.refusal(&["--set", arguments]);
        assert!(errors.contains(at), "{}, {arguments}: {errors}", chart.name);
    }
    let errors = NODE.refusal(&["--kube-version", "1.30.9"]);
    assert!(errors.contains("chart requires kubeVersion"), "{errors}");
}

#[test]
fn helm_lint_finds_nothing() {
    for chart in [&NODE, &SIGNER] {
        chart.lint();
    }
}

/// What a node gives to a pod of the chart, and what no pod of it gets.
#[test]
fn pods_are_pinned_and_have_no_credentials() {
    for (chart, kind, name) in [
        (&NODE, "DaemonSet", "pullgate"),
        (&NODE, "DaemonSet", "pullgate-cleanup"),
        (&SIGNER, "Deployment", "pullgate-signer"),
    ] {
        let object = find(&chart.render(&[]), kind, name);
        let pod = &object["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        let container = &pod["containers"][0];
        assert!(container["image"].as_str().unwrap().ends_with(render::DIGEST), "{name}");
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{name}");
        let selector = object["spec"]["selector"]["matchLabels"].as_object().unwrap();
        let labels = &object["spec"]["template"]["metadata"]["labels"];
        assert!(selector.iter().all(|(label, value)| labels[label] == *value), "{name}");
    }
}

#[test]
fn a_release_acts_on_the_nodes_of_its_stages() {
    let expressions = |arguments: &[&str]| {
        let objects = NODE.render(arguments);
        let of = |name| {
            let at =
                "/spec/template/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
            let terms = format!("{at}/nodeSelectorTerms/0/matchExpressions");
            find(&objects, "DaemonSet", name).pointer(&terms).cloned()
        };
        assert_eq!(of("pullgate"), of("pullgate-cleanup"), "what is installed is removed");
        of("pullgate")
    };
    let key = "pullgate.io/stage";
    let canary = json!({"key": key, "operator": "In", "values": ["canary"]});
    assert_eq!(expressions(&[]), Some(json!([canary])), "by default, only labelled nodes");
    let others = json!({"key": key, "operator": "NotIn", "values": ["canary"]});
    let arguments = ["--set-json", r#"rollout={"stages":[],"exceptStages":["canary"]}"#];
    assert_eq!(expressions(&arguments), Some(json!([others])));
    assert_eq!(expressions(&["--set-json", "rollout.stages=[]"]), None, "all nodes");
}
