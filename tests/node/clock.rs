//! The node's clock is two years off: T86.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa};

use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{Node, RELEASE, Release, directory};
use pullgate_test::secrets;

const HOST: &str = "registry.example.com";
const YEAR: i64 = 365 * 24 * 60 * 60;

/// Starts pullgate at another time. The monotonic clock is unchanged.
pub(crate) fn start_at(node: &mut Node, years: i64) {
    node.pullgate.stop();
    let preload = format!("LD_PRELOAD={}", library().display());
    let time = format!("FAKETIME={:+}", years * YEAR);
    let real = ["FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"];
    node.pullgate.start_in(&[["env", &preload, &time].as_slice(), &real].concat());
    let record = node.pullgate.records().pop().expect("it has reported that it serves");
    let reported: Timestamp = record["timestamp"].as_str().unwrap().parse().unwrap();
    let off = reported.as_second() - Timestamp::now().as_second();
    assert!((off - years * YEAR).abs() < 3600, "its clock is {off} s off");
}

/// What `faketime` preloads.
fn library() -> PathBuf {
    let all = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found = all.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    found.expect("faketime is not installed: run tests/environment/install first")
}

fn in_years(years: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + years * YEAR).unwrap()
}

/// The node's clock decides whether keys are valid, for pulls and for evidence.
#[test]
fn t86_key_validity_follows_the_clock() {
    let mut node = Node::start(Release::V2_1);
    let (signed, unsigned) = (node.push_signed("team/app:1"), node.push("team/unsigned:1"));
    node.kubelet().pull(&Pod::of(signed.by_tag())).unwrap();
    let (past, future) = (in_years(-1), in_years(1));
    let (after, before) = (format!("not-after = {future}"), format!("not-before = {past}"));
    let both = format!("{before}, {after}");
    let later = format!("not-before = {future}");
    for (years, window, admitted) in [
        (0, both.as_str(), true),
        (0, &later, false),
        (2, "", true),
        (2, &both, false),
        (2, &after, false),
        (2, &before, true),
        (2, &later, true),
        (-2, "", true),
        (-2, &both, false),
        (-2, &after, true),
        (-2, &before, false),
    ] {
        let case = format!("{years} years off, {window:?}");
        let policy = match window {
            "" => Policy::deny().authenticator(RELEASE, &[&node.release]),
            window => Policy::deny().authenticator_with(RELEASE, &node.release, window),
        };
        policy.require("**", &[RELEASE]).write(node.pullgate.configuration());
        start_at(&mut node, years);
        let kubelet = node.kubelet_through_pullgate();
        // First from evidence, without the registry; by this clock it was written years ago, or in the future.
        node.registry.freeze();
        let ran = kubelet.run(&Pod::of(signed.by_tag()).never());
        assert_eq!(ran.as_ref().map(|ran| ran.user).ok(), admitted.then_some(1000), "{case}: {ran:?}");
        node.registry.thaw();
        let pulled = kubelet.ensure_image(&Pod::of(signed.by_tag()));
        assert_eq!(pulled.is_ok(), admitted, "{case}: {pulled:?}");
        if let Err(waiting) = pulled {
            assert_eq!(waiting.code(), "key-not-valid-now", "{case}: {}", waiting.message);
        }
        let waiting = kubelet.ensure_image(&Pod::of(unsigned.by_tag())).unwrap_err();
        assert_eq!(waiting.code(), "no-signature", "{case}: {}", waiting.message);
        assert!(!node.pullgate.log().contains("panicked"), "{case}: {}", node.pullgate.log());
    }
}

/// If a certificate is outside its validity, the error mentions the clock.
#[test]
fn t86_an_expired_certificate_is_reported_with_the_clock() {
    let mut node = Node::start(Release::V2_1);
    node.map_host(HOST);
    let known = node.push("team/known:1").at(HOST);
    let unknown = node.push("team/unknown:1").at(HOST);
    node.sign(&known);
    node.sign(&unknown);
    speak_tls(&mut node);
    node.kubelet().pull(&Pod::of(known.by_tag())).unwrap();
    for (years, problem) in [(2, "has expired"), (-2, "is not yet valid")] {
        start_at(&mut node, years);
        let kubelet = node.kubelet_through_pullgate();
        let waiting = kubelet.ensure_image(&Pod::of(unknown.by_tag())).unwrap_err();
        assert_eq!(
            (waiting.reason, waiting.code()),
            ("RegistryUnavailable", "registry-tls"),
            "{}",
            waiting.message
        );
        assert!(
            waiting.message.contains(&format!("its certificate {problem}; check the clock of this node")),
            "{}",
            waiting.message
        );
        // An image with evidence is decided without the registry.
        for pod in [Pod::of(known.by_tag()).if_not_present(), Pod::of(known.by_digest())] {
            let ran = kubelet.run(&pod).unwrap_or_else(|waiting| panic!("{years}: {}", waiting.message));
            assert_eq!(ran.user, 1000);
        }
        assert!(!node.pullgate.log().contains("panicked"), "{}", node.pullgate.log());
    }
    start_at(&mut node, 0);
    assert!(
        node.kubelet().ensure_image(&Pod::of(unknown.by_tag())).is_ok(),
        "with the right clock it is admitted"
    );
}

/// Switches the node's registry to TLS, with a certificate that is valid last year, this year and next year.
fn speak_tls(node: &mut Node) {
    let root = node.directory().join("tls");
    directory::make(&root);
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, secrets::new_key()).unwrap();
    let year = i32::from(Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).year());
    let mut server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    server.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    server.not_after = rcgen::date_time_ymd(year + 1, 12, 28);
    let key = secrets::new_key();
    let certificate = server.signed_by(&key, &authority).unwrap();
    let write = |name: &str, content: String| {
        directory::write(&root.join(name), content);
        root.join(name)
    };
    let authority = write("ca.pem", authority.pem());
    let (certificate, key) =
        (write("server.pem", certificate.pem()), write("server.key", key.serialize_pem()));
    node.registry.restart_with_tls(&certificate, &key);
    map_host_to_tls(node, &authority);
}

fn map_host_to_tls(node: &Node, authority: &Path) {
    let server = format!("https://{}", node.registry.host());
    let text = format!(
        "server = {server:?}\n\n[host.{server:?}]\ncapabilities = [\"pull\", \"resolve\"]\nca = {:?}\n",
        authority.display().to_string()
    );
    directory::write(&node.containerd.hosts().join(HOST).join("hosts.toml"), text);
}
