//! What is kept of the lists that come from one address.

use std::collections::BTreeSet;

use pullgate_test::notary::Notary;
use pullgate_test::registry::{Registry as Server, Scripted};

use super::*;
use crate::registry::RegistrySettings;
use crate::signature::{self, Attachment, Attempts, Known, RepositoryIdentity, Subject};
use crate::trust::x509::{Certificate, Revocation, RevocationMode, Store};
use crate::trust::{Authenticator, NotationSet, Signers};

const ADDRESS: &str = "http://crl.example/ca.crl";

/// A fetcher, and a signer who says where its list is.
struct World {
    notary: Notary,
    address: String,
    fetcher: Arc<CrlFetcher>,
}

impl World {
    fn new() -> Self {
        Self::at(ADDRESS)
    }

    fn at(address: &str) -> Self {
        Self { notary: Notary::new(address), address: address.to_owned(), fetcher: Arc::default() }
    }

    /// The list of the signer's CA at an address.
    fn source(&self, address: &str) -> CrlSource {
        CrlSource::new(address.to_owned(), &Certificate::parse(self.notary.ca()).unwrap())
    }

    /// A list is the answer.
    fn keep(&self, list: &[u8]) {
        self.keep_at(&self.address, list);
    }

    fn keep_at(&self, address: &str, list: &[u8]) {
        let source = self.source(address);
        let read = Crl::parse_signed(list, &source).map_err(|error| error.to_string());
        self.fetcher.keep(source, read);
    }

    fn fail(&self) {
        self.fetcher.keep(self.source(&self.address), Err("no answer".to_owned()));
    }

    /// What becomes of a signature in 2026 with what is known now.
    fn judge(&self) -> String {
        self.judge_with(&self.fetcher.known())
    }

    fn judge_with(&self, crls: &FetchedCrls) -> String {
        let mut ca = Store::default();
        ca.add(self.notary.root.as_bytes()).unwrap();
        let revocation = Revocation::new(RevocationMode::Required, true);
        let set = NotationSet { revocation, ..NotationSet::below(ca) };
        let authenticator = Authenticator::of("notary".to_owned(), Signers::Notation(Box::new(set)));
        let manifest = b"{}";
        let document = self.notary.sign(manifest).into();
        let attachment = Attachment::Notation { place: "referrer".to_owned(), document };
        let annotations = BTreeMap::new();
        let subject = Subject {
            digest: &Digest::of(manifest),
            repositories: &[],
            content: ("application/vnd.oci.image.manifest.v1+json", manifest.len()),
            annotations: &annotations,
            identity: RepositoryIdentity::default(),
        };
        let (now, attempts) = ("2026-12-01T00:00:00Z".parse().unwrap(), &Attempts::default());
        let known = Known { now, crls, attempts };
        match signature::verify_knowing(&attachment, &authenticator, &subject, known) {
            Ok(_) => "ok".to_owned(),
            Err(error) if !error.crls_to_fetch().is_empty() => "fetch".to_owned(),
            Err(error) => format!("{:?}", error.fault().unwrap()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_asked_for_again_after_an_hour_and_a_failure_after_a_minute() {
    let world = World::new();
    assert_eq!(world.judge(), "fetch");
    world.keep(&world.notary.list(false, 2100));
    assert_eq!(world.judge(), "ok");
    tokio::time::advance(REFRESH).await;
    assert_eq!(world.judge(), "fetch");
    // A failure keeps what was there.
    world.fail();
    assert_eq!(world.judge(), "ok");
    tokio::time::advance(RETRY).await;
    assert_eq!(world.judge(), "fetch");
    world.keep(&world.notary.list(true, 2100));
    assert_eq!(world.judge(), "CertificateRevoked");
    // What is revoked stays so, without asking.
    tokio::time::advance(REFRESH).await;
    assert_eq!(world.judge(), "CertificateRevoked");
}

#[tokio::test]
async fn t87_an_older_list_of_the_issuer_pardons_nobody() {
    let world = World::new();
    world.keep(&world.notary.list_of(true, 2026, 2100));
    assert_eq!(world.judge(), "CertificateRevoked");
    for year in [2024, 2023, 2025] {
        world.keep(&world.notary.list_of(false, year, 2100));
        assert_eq!(world.judge(), "CertificateRevoked", "{year}");
    }
}

#[tokio::test]
async fn t87_a_list_by_another_key_replaces_nothing() {
    let (world, stranger) = (World::new(), Notary::new(ADDRESS));
    world.keep(&world.notary.list(true, 2100));
    assert_eq!(world.judge(), "CertificateRevoked");
    for from in [2024, 2026] {
        world.keep(&stranger.list_of(false, from, 2100));
        assert_eq!(world.judge(), "CertificateRevoked", "{from}");
    }
    let world = World::new();
    world.keep(&world.notary.list(false, 2100));
    assert_eq!(world.judge(), "ok");
    world.keep(&stranger.list(true, 2100));
    assert_eq!(world.judge(), "ok");
    world.keep(&world.notary.list(true, 2100));
    assert_eq!(world.judge(), "CertificateRevoked");
}

#[tokio::test]
async fn a_list_that_has_ended_still_revokes_after_a_failure() {
    let world = World::new();
    world.keep(&world.notary.list_of(true, 2024, 2025));
    assert_eq!(world.judge(), "CertificateRevoked");
    world.fail();
    assert_eq!(world.judge(), "CertificateRevoked");
    world.keep(&world.notary.list_of(false, 2023, 2100));
    assert_eq!(world.judge(), "CertificateRevoked");
    // One that has ended and does not have it says nothing.
    let world = World::new();
    world.keep(&world.notary.list_of(false, 2024, 2025));
    assert_eq!(world.judge(), "RevocationUnknown");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_ends_is_asked_for_again_before_an_hour() {
    let world = World::new();
    world.keep(&world.notary.list_of(false, 2024, 2025));
    assert_eq!(world.judge(), "RevocationUnknown");
    tokio::time::advance(RETRY).await;
    assert_eq!(world.judge(), "fetch");
}

/// A server, and the part of pullgate that asks it.
async fn server(answer: impl Fn(&str) -> Scripted + Send + Sync + 'static) -> (Server, Arc<Registry>) {
    let server = Server::start().await;
    server.hook(move |request| Some(answer(request.uri.path())));
    (server, Arc::new(Registry::new(RegistrySettings::default()).unwrap()))
}

#[tokio::test]
async fn lists_of_others_do_not_displace_those_of_an_image_that_is_being_judged() {
    let list = Arc::new(Mutex::new(Vec::new()));
    let served = Arc::clone(&list);
    let (server, registry) =
        server(move |_| Scripted::ok("application/pkix-crl", served.lock().unwrap().clone())).await;
    let world = World::at(&format!("http://{}/ca.crl", server.host()));
    *list.lock().unwrap() = world.notary.list(false, 2100);
    let mut rounds = CrlRounds::default();
    let sources = BTreeSet::from([world.source(&world.address)]);
    assert!(rounds.fetch((&world.fetcher, &registry), sources).await);
    assert_eq!(world.judge(), "ok");
    for number in 0..MAX_LISTS {
        world.keep_at(&format!("http://other.example/{number}"), &world.notary.list(false, 2100));
    }
    assert_eq!(world.fetcher.known().0.len(), MAX_LISTS);
    assert_eq!(world.judge(), "fetch");
    assert_eq!(world.judge_with(&rounds.known(&world.fetcher)), "ok");
}

#[tokio::test(start_paused = true)]
async fn a_list_whose_server_fails_is_displaced_last() {
    let world = World::new();
    world.keep(&world.notary.list(true, 2100));
    world.fail();
    for number in 0..MAX_LISTS {
        world.keep_at(&format!("http://other.example/{number}"), &world.notary.list(false, 2100));
    }
    let known = world.fetcher.known();
    assert_eq!(known.0.len(), MAX_LISTS);
    assert!(known.0.get(&world.source(ADDRESS)).is_some_and(|crl| crl.list.is_some()));
    assert_eq!(world.judge(), "CertificateRevoked");
}

#[tokio::test]
async fn an_image_gets_a_bounded_number_of_lists_and_a_reason_for_each_other() {
    let (server, registry) = server(|_| Scripted::status(404)).await;
    let world = World::new();
    let addresses = (0..20).map(|number| format!("http://{}/{number}", server.host()));
    let sources: BTreeSet<CrlSource> = addresses.map(|address| world.source(&address)).collect();
    let mut rounds = CrlRounds::default();
    let parts = (&world.fetcher, &registry);
    assert!(rounds.fetch(parts, sources.clone()).await);
    assert_eq!(server.lines().len(), 16);
    let known = rounds.known(&world.fetcher);
    assert!(known.0.keys().eq(&sources));
    assert!(known.0.values().all(|crl| crl.failed.is_some() && !crl.is_stale));
    // More rounds ask nobody, and they end.
    assert!(rounds.fetch(parts, BTreeSet::from([world.source(ADDRESS)])).await);
    assert!(rounds.fetch(parts, BTreeSet::from([world.source(ADDRESS)])).await);
    assert!(!rounds.fetch(parts, BTreeSet::from([world.source(ADDRESS)])).await);
    assert_eq!(server.lines().len(), 16);
}

/// 30,000 certificates take more than 3 MiB.
#[tokio::test]
async fn long_lists_have_a_bound_together_for_all_and_for_one_image() {
    let world = World::new();
    let lists: Vec<Vec<u8>> =
        (2020..2026).map(|year| world.notary.list_with(0..30_000, (year, 2100))).collect();
    let (served, one) = (lists.clone(), lists[0].clone());
    let (server, registry) = server(move |path| {
        let number: usize = path.trim_start_matches('/').parse().unwrap();
        Scripted::ok("application/pkix-crl", served.get(number).cloned().unwrap_or_default())
    })
    .await;
    let addresses = (0..lists.len()).map(|number| format!("http://{}/{number}", server.host()));
    let sources = addresses.map(|address| world.source(&address)).collect();
    let mut rounds = CrlRounds::default();
    assert!(rounds.fetch((&world.fetcher, &registry), sources).await);
    let kept = world.fetcher.known();
    assert!(bytes(kept.0.values()) <= MAX_BYTES && kept.0.len() < lists.len(), "{}", kept.0.len());
    let own = rounds.known(&Arc::default());
    assert!(bytes(own.0.values()) <= MAX_BYTES);
    assert_eq!(own.0.len(), lists.len());
    let refused = own.0.values().filter(|crl| crl.list.is_none()).map(|crl| crl.failed.clone().unwrap());
    let refused: BTreeSet<String> = refused.collect();
    let expected = "the CRLs of the image need more than 16 MiB of memory in total; \
                    save the CRLs as files, and name the files in `crl`";
    assert_eq!(refused, BTreeSet::from([expected.to_owned()]));
    // The same list at many addresses counts once.
    for number in 0..lists.len() {
        world.keep_at(&format!("http://other.example/{number}"), &one);
    }
    let kept = world.fetcher.known();
    let same = kept.0.keys().filter(|source| source.address().contains("other.example"));
    assert_eq!(same.count(), lists.len());
}
