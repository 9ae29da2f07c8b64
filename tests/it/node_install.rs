//! `pullgate node`: on directories in place of nodes, with a kubelet and a systemd that the test plays. pullgate's socket, the
//! policy check and `packaging/maintain` are the real ones.

mod doctor;
mod fake;

use std::fs;
use std::time::Duration;

use fake::{Fake, LAYOUTS, Layout, RESTART, without_record};
use pullgate::node_install::{self, Node, NodeError};

fn layout(name: &str) -> &'static Layout {
    LAYOUTS.iter().find(|it| it.name == name).unwrap()
}

fn refused(error: &NodeError) -> &str {
    let NodeError::Refused(why) = error else { panic!("{error:?}") };
    why
}

#[test]
fn every_layout_gets_its_files_and_is_restored_to_the_byte() {
    for layout in &LAYOUTS {
        let name = layout.name;
        let node = Fake::new(layout);
        let before = node.files();
        let plan = node.with(node_install::plan).unwrap();
        assert!(!plan.is_done(), "{name}");
        assert_eq!(node.files(), before, "{name}: a plan changes nothing");
        assert_eq!(node.changes(), [""; 0], "{name}");

        node.with(node_install::install).unwrap_or_else(|error| panic!("{name}: {error:?}\n{}", node.said()));
        let restart = format!("{RESTART} {}", layout.unit);
        let changes = node.changes();
        assert_eq!(changes.iter().filter(|it| **it == restart).count(), 1, "{name}: {changes:?}");
        assert!(node.is_connected(), "{name}");
        let after = node.files();
        let new: Vec<_> = after.keys().filter(|it| !before.contains_key(*it)).cloned().collect();
        for path in layout.written {
            assert!(new.iter().any(|it| it == path), "{name}: {path} in {new:?}");
        }
        let ours = ["/usr/", "/var/lib/pullgate/"];
        let is_other = |it: &&String| !it.ends_with('/') && !ours.iter().any(|ours| it.starts_with(ours));
        let others = new.iter().filter(is_other).count();
        assert_eq!(others, layout.written.len(), "{name}: nothing else of kubelet: {new:?}");

        node.with(node_install::install).unwrap();
        assert_eq!(node.changes(), changes, "{name}: nothing to do the second time");
        assert_eq!(node.files(), after, "{name}");
        assert!(node.with(node_install::plan).unwrap().is_done(), "{name}");

        node.with(node_install::uninstall).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(node.files(), before, "{name}");
        assert!(!node.is_connected() && !node.is_enabled(), "{name}");
        node.with(node_install::uninstall).unwrap();
        assert_eq!(node.files(), before, "{name}");
    }
}

#[test]
fn everything_is_put_back_if_kubelet_does_not_become_ready() {
    for name in ["kubeadm", "k3s agent", "RKE2 server"] {
        let mut node = Fake::new(layout(name));
        let before = node.files();
        node.break_with_pullgate(true);
        node.settings.timeout = Duration::from_secs(2);
        let error = node.with(node_install::install).unwrap_err();
        let NodeError::NotReady { why, .. } = cause_of_put_back(&error) else { panic!("{name}: {error:?}") };
        assert!(why.contains("healthz"), "{name}: {why}");
        node.assert_only_record_since(&before);
        assert!(!node.is_enabled(), "{name}");
        let changes = node.changes();
        assert_eq!(changes.iter().filter(|it| it.starts_with(RESTART)).count(), 2, "{name}: {changes:?}");

        // Not again and again: only when something has changed, or an operator asks for it.
        let again = node.with(node_install::install).unwrap_err();
        assert!(refused(&again).contains("--retry"), "{name}: {again:?}");
        assert_eq!(node.changes(), changes, "{name}");
        node.break_with_pullgate(false);
        node.settings.timeout = Duration::from_secs(30);
        node.settings.retry = true;
        node.with(node_install::install).unwrap();
        assert!(node.is_connected(), "{name}");
        node.with(node_install::uninstall).unwrap();
        assert_eq!(node.files(), before, "{name}");
    }
}

/// A kubelet that needs longer than its time, also without pullgate, is not restarted at each call.
#[test]
fn a_kubelet_that_is_too_slow_is_left_alone() {
    let mut node = Fake::new(layout("k3s agent"));
    let before = node.files();
    node.settings.timeout = Duration::ZERO;
    let error = node.with(node_install::install).unwrap_err();
    assert!(matches!(error, NodeError::NotPutBack(_)), "{error:?}");
    let changes = node.changes();
    let again = node.with(node_install::install).unwrap_err();
    assert!(refused(&again).contains("--retry"), "{again:?}");
    assert_eq!(node.changes(), changes);
    node.settings.timeout = Duration::from_secs(30);
    node.with(node_install::uninstall).unwrap();
    assert_eq!(node.files(), before);
}

/// Without pullgate, kubelet would pull what nobody has verified.
#[test]
fn a_node_that_enforced_the_policy_is_not_put_back() {
    let mut node = Fake::new(layout("kubeadm"));
    node.with(node_install::install).unwrap();
    let installed = node.files();
    node.break_with_pullgate(true);
    node.settings.timeout = Duration::from_secs(2);
    let drop_in = "etc/systemd/system/kubelet.service.d/10-pullgate.conf";
    fs::remove_file(node.settings.root.join(drop_in)).unwrap();
    let error = node.with(node_install::install).unwrap_err();
    assert!(matches!(error, NodeError::NotReady { .. }), "{error:?}");
    let left: Vec<_> = node.files().into_keys().collect();
    assert_eq!(left, installed.into_keys().collect::<Vec<_>>());
    assert!(node.is_enabled());
    node.break_with_pullgate(false);
    node.settings.timeout = Duration::from_secs(30);
    node.with(node_install::install).unwrap();
    assert!(node.is_connected());
}

fn cause_of_put_back(error: &NodeError) -> &NodeError {
    let NodeError::PutBack(cause) = error else { panic!("{error:?}") };
    cause
}

#[test]
fn kubelet_is_not_touched_if_a_check_fails() {
    type Change = fn(&mut Fake);
    let cases: [(&str, &str, Change, &str); 12] = [
        ("old kubelet", "kubeadm", |it| it.version("v1.30.9"), "update it to 1.31"),
        ("no version", "plain", |it| it.version("unknown"), "prints no version"),
        (
            "SOCI",
            "EKS with user data",
            |it| {
                let file = "etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf";
                it.write(file, "{\"imageServiceEndpoint\": \"unix:///run/soci.sock\"}");
            },
            "40-nodeadm.conf:1; if this is a lazy-pulling snapshotter",
        ),
        (
            "a file that is read later",
            "EKS with user data",
            |it| {
                let file = "etc/kubernetes/kubelet/config.json.d/90-site.conf";
                it.write(file, "imageServiceEndpoint: unix:///run/other.sock");
            },
            "remove it there",
        ),
        (
            "an empty one that is read later",
            "EKS with user data",
            |it| {
                let file = "etc/kubernetes/kubelet/config.json.d/90-site.conf";
                it.write(file, "{\"maxPods\": 5,\n\"imageServiceEndpoint\": \"\"}");
            },
            "kubelet's image endpoint is set to \"\" in /etc/kubernetes/kubelet/config.json.d/90-site.conf:2; remove it there",
        ),
        (
            "an empty one that is read later, in a directory",
            "EKS with user data",
            |it| {
                let file = "etc/kubernetes/kubelet/config.json.d/60/00-site.conf";
                it.write(file, "imageServiceEndpoint: null\ncontainerRuntimeEndpoint: unix:///run/c.sock\n");
            },
            "kubelet's image endpoint is set to \"/run/c.sock\" in /etc/kubernetes/kubelet/config.json.d/60/00-site.conf:1",
        ),
        (
            "an empty argument",
            "kubeadm",
            |it| it.write("etc/default/kubelet", "KUBELET_EXTRA_ARGS=--image-service-endpoint="),
            "in the arguments of kubelet.service; remove it there",
        ),
        (
            "an argument",
            "kubeadm",
            |it| {
                it.write("etc/default/kubelet", "KUBELET_EXTRA_ARGS=--image-service-endpoint=/run/other.sock")
            },
            "in the arguments of kubelet.service",
        ),
        (
            "a later command",
            "plain",
            |it| {
                let file = "etc/systemd/system/kubelet.service.d/20-site.conf";
                it.write(file, "[Service]\nExecStart=\nExecStart=/opt/kubelet\n");
            },
            "20-site.conf sets ExecStart=",
        ),
        ("no answer", "k3s agent", |it| it.stop_pullgate(), "does not answer"),
        ("kubelet is down", "RKE2 server", |it| it.healthy(false), "kubelet is not healthy"),
        (
            "stargz of k3s",
            "k3s server",
            |it| it.write("etc/rancher/k3s/config.yaml", "snapshotter: stargz\n"),
            "stargz",
        ),
    ];
    for (name, kind, change, expected) in cases {
        let mut node = Fake::new(layout(kind));
        change(&mut node);
        node.settings.timeout = Duration::from_millis(100);
        let before = node.kubelet_files();
        let error = node.with(node_install::install).unwrap_err();
        let error = if let NodeError::PutBack(cause) = error { *cause } else { error };
        assert!(refused(&error).contains(expected), "{name}: {error}");
        assert!(!node.files().contains_key("/usr/bin/pullgate"), "{name}");
        assert_eq!(node.kubelet_files(), before, "{name}");
        assert!(!node.changes().iter().any(|it| it.starts_with(RESTART)), "{name}: {:?}", node.changes());
    }
}

#[test]
fn kubelet_is_not_touched_if_the_policy_does_not_load() {
    let node = Fake::new(layout("kubeadm"));
    node.write("etc/pullgate/policy.toml", "default = \"perhaps\"\n");
    let before = node.kubelet_files();
    let error = node.with(node_install::install).unwrap_err();
    let NodeError::Policy(said) = &error else { panic!("{error:?}") };
    assert!(said.to_string().contains("policy.toml:1"), "{said}");
    assert_eq!(node.kubelet_files(), before);
    assert!(!node.is_enabled());
    // Nor is anything else.
    assert!(!node.files().keys().any(|it| it.contains("pullgate") && !it.starts_with("/etc/pullgate")));
}

/// The old program stays, with its units, whatever is wrong with the new one.
#[test]
fn an_update_that_fails_leaves_the_old_program_in_force() {
    let mut node = Fake::new(layout("kubeadm"));
    let before = node.files();
    node.update("1.0");
    node.with(node_install::install).unwrap();
    let (files, program) = (node.files(), node.program());
    node.settings.timeout = Duration::from_millis(200);

    node.update("2.0 refuses");
    let count = node.changes().len();
    let error = node.with(node_install::install).unwrap_err();
    let NodeError::Policy(said) = &error else { panic!("{error:?}") };
    assert!(said.to_string().contains("2.0 refuses the policy"), "{said}");
    assert_eq!((node.files(), &node.changes()[count..]), (files.clone(), &[][..]));

    node.update("2.1 hangs");
    let error = node.with(node_install::install).unwrap_err();
    assert!(refused(cause_of_put_back(&error)).contains("does not answer"), "{error:?}");
    assert_eq!(node.files_without_record(), without_record(&files));
    assert_eq!(node.program(), program);
    assert!(node.is_connected() && node.is_enabled());
    let (count, restarts) = (node.changes().len(), |it: &&String| it.starts_with(RESTART));
    assert_eq!(node.changes().iter().filter(restarts).count(), 1, "kubelet was not touched");
    // Kubelet's calls waited meanwhile, so not again and again.
    assert!(refused(&node.with(node_install::install).unwrap_err()).contains("--retry"));
    assert_eq!(node.changes().len(), count);

    node.update("2.2");
    node.settings.timeout = Duration::from_secs(30);
    node.with(node_install::install).unwrap();
    assert_eq!(node.program(), "2.2 # unit of 2.2");
    node.with(node_install::uninstall).unwrap();
    assert_eq!(node.files(), before);
}

/// kubelet then runs with the configuration that it had, and with pullgate.
#[test]
fn an_update_of_kubelet_s_configuration_that_fails_is_put_back() {
    let mut node = Fake::new(layout("kubeadm"));
    node.with(node_install::install).unwrap();
    let drop_in = "/etc/systemd/system/kubelet.service.d/10-pullgate.conf";
    let (installed, before) = (node.files(), node.files().remove(drop_in));
    node.write("etc/default/kubelet", "KUBELET_EXTRA_ARGS=--config-dir=/etc/site/kubelet.d\n");
    node.break_with(Some("site"));
    node.settings.timeout = Duration::from_millis(500);
    node.update("2.0");
    let error = node.with(node_install::install).unwrap_err();
    assert!(matches!(cause_of_put_back(&error), NodeError::NotReady { .. }), "{error:?}");
    let now = node.files();
    assert_eq!(now.get(drop_in), before.as_ref());
    assert_eq!(now.get("/usr/bin/pullgate"), installed.get("/usr/bin/pullgate"));
    assert!(node.is_connected(), "with the file in the directory of the drop-in");

    node.break_with(None);
    node.settings.retry = true;
    node.settings.timeout = Duration::from_secs(30);
    node.with(node_install::install).unwrap();
    assert!(node.is_connected());
    assert!(!node.files().contains_key("/etc/kubernetes/kubelet.conf.d/50-pullgate.conf"));
}

/// Somebody else's connection to the socket says nothing about kubelet.
#[test]
fn only_a_connection_of_kubelet_counts() {
    let mut node = Fake::new(layout("k3s agent"));
    let before = node.files();
    node.settings.timeout = Duration::from_secs(1);
    // The connection is this process's.
    node.kubelet_is(Some(1));
    let error = node.with(node_install::install).unwrap_err();
    let NodeError::NotReady { why, .. } = cause_of_put_back(&error) else { panic!("{error:?}") };
    assert!(why.contains("kubelet has no connection"), "{why}");
    node.assert_only_record_since(&before);
    node.kubelet_is(None);
    node.settings.retry = true;
    node.settings.timeout = Duration::from_secs(30);
    node.with(node_install::install).unwrap();
}

#[test]
fn a_snapshotter_that_pullgate_calls_is_replaced_as_endpoint() {
    let node = Fake::new(layout("EKS with user data"));
    let file = "etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf";
    node.write(file, "{\"imageServiceEndpoint\": \"unix:///run/soci.sock\"}");
    node.write("etc/pullgate/pullgate.toml", "[runtime]\nimage-socket = \"/run/soci.sock\"\n");
    node.with(node_install::install).unwrap();
    assert!(node.is_connected());
}

/// kubelet merges its files in the order of their names.
#[test]
fn an_endpoint_that_an_earlier_file_empties_does_not_count() {
    let node = Fake::new(layout("EKS with user data"));
    node.write("etc/kubernetes/kubelet/config.json.d/30-site.conf", "imageServiceEndpoint: /run/soci.sock\n");
    node.write("etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf", "{\"imageServiceEndpoint\": \"\"}");
    node.with(node_install::install).unwrap();
    assert!(node.is_connected());
}

/// An empty image endpoint that wins is the runtime's.
#[test]
fn an_empty_endpoint_of_a_kubelet_that_calls_pullgate_for_everything_is_pullgate_s() {
    let node = Fake::new(layout("EKS with user data"));
    let directory = "etc/kubernetes/kubelet/config.json.d";
    node.write(
        &format!("{directory}/40-nodeadm.conf"),
        "containerRuntimeEndpoint: unix:///run/pullgate/pullgate.sock\n",
    );
    node.write(&format!("{directory}/90-site.conf"), "imageServiceEndpoint: \"\"\n");
    let plan = node.with(node_install::plan).unwrap().text();
    assert!(
        plan.contains("its image endpoint is already /run/pullgate/pullgate.sock, set in /etc"),
        "{plan}"
    );
}

#[test]
fn a_kubelet_that_does_not_run_yet_is_not_started() {
    let mut node = Fake::new(layout("EKS"));
    node.stop_kubelet();
    node.stop_pullgate();
    node.with(node_install::install).unwrap();
    assert!(node.is_enabled());
    assert!(!node.changes().iter().any(|it| it.starts_with(RESTART)), "{:?}", node.changes());
    assert!(node.kubelet_files().keys().any(|it| it.ends_with("50-pullgate.conf")));
}

#[test]
fn a_kubelet_that_reads_the_files_but_was_not_restarted_is_restarted() {
    let mut node = Fake::new(layout("kubeadm"));
    node.with(node_install::install).unwrap();
    node.disconnect();
    node.settings.timeout = Duration::from_secs(2);
    let count = node.changes().len();
    node.with(node_install::install).unwrap();
    assert!(node.is_connected());
    assert!(node.changes().get(count..).unwrap().iter().any(|it| it.starts_with(RESTART)));
}

#[test]
fn what_others_changed_since_stays() {
    let node = Fake::new(layout("k3s agent"));
    node.with(node_install::install).unwrap();
    let file = "etc/systemd/system/k3s-agent.service.d/10-pullgate.conf";
    node.write(file, "[Unit]\n# changed by hand\n");
    node.with(node_install::uninstall).unwrap();
    assert!(node.said().contains("10-pullgate.conf was not restored"), "{}", node.said());
    assert!(node.files().contains_key(&format!("/{file}")));
}

#[test]
fn a_drop_in_that_was_there_before_comes_back() {
    let node = Fake::new(layout("kubeadm"));
    let file = "etc/systemd/system/kubelet.service.d/10-pullgate.conf";
    node.write(file, "[Unit]\nAfter=pullgate.socket\n");
    let before = node.files();
    node.with(node_install::install).unwrap();
    assert_ne!(node.files().get(&format!("/{file}")), before.get(&format!("/{file}")));
    node.with(node_install::uninstall).unwrap();
    assert_eq!(node.files(), before);
}

type Operation = fn(&Node<'_, Fake>) -> Result<(), NodeError>;

#[test]
fn running_it_again_recovers_from_an_end_at_any_step() {
    let layout = layout("kubeadm");
    let whole = Fake::new(layout);
    whole.with(node_install::install).unwrap();
    let (files, calls) = (whole.files(), whole.calls());
    // The first calls only ask.
    assert!(calls > 12, "{calls}");
    let recoveries: [Operation; 2] = [node_install::install, node_install::uninstall];
    for end in 8..calls {
        for recovery in recoveries {
            let mut node = Fake::new(layout);
            let before = node.files();
            node.end_after(Some(end));
            node.settings.timeout = Duration::from_millis(20);
            let _ = node.with(node_install::install);
            node.end_after(None);
            node.settings.timeout = Duration::from_secs(30);
            node.settings.retry = true;
            node.with(recovery)
                .unwrap_or_else(|error| panic!("after {end} calls: {error:?}\n{}", node.said()));
            if node.is_connected() {
                assert_eq!(node.files_without_record(), without_record(&files), "after {end} calls");
                node.with(node_install::uninstall).unwrap();
            }
            assert_eq!(node.files(), before, "after {end} calls");
        }
    }
}

/// As above, for an update that succeeds and for one that is put back.
#[test]
fn running_it_again_recovers_from_an_end_at_any_step_of_an_update() {
    let layout = layout("kubeadm");
    for update in ["2.0", "2.0 hangs"] {
        for (number, end) in (10..46).step_by(2).enumerate() {
            let mut node = Fake::new(layout);
            let before = node.files();
            node.update("1.0");
            node.with(node_install::install).unwrap();
            node.update(update);
            node.end_after(Some(end));
            node.settings.timeout = Duration::from_millis(20);
            let _ = node.with(node_install::install);
            node.end_after(None);
            node.settings.timeout = Duration::from_secs(30);
            node.settings.retry = true;
            node.update("3.0");
            let name = format!("{update}, after {end} calls");
            if number % 2 == 0 {
                node.with(node_install::install).unwrap_or_else(|error| panic!("{name}: {error:?}"));
                assert_eq!(node.program(), "3.0 # unit of 3.0", "{name}");
                assert!(node.is_connected(), "{name}");
            }
            node.with(node_install::uninstall).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(node.files(), before, "{name}");
        }
    }
}

#[test]
fn only_one_at_a_time_changes_a_node() {
    let node = Fake::new(layout("plain"));
    let lock = fs::File::create(node.settings.root.join("run/pullgate-node.lock")).unwrap();
    lock.lock().unwrap();
    let error = node.with(node_install::install).unwrap_err();
    assert!(matches!(error, NodeError::Locked), "{error:?}");
    assert!(!node.settings.root.join("usr/bin/pullgate").exists());
}
