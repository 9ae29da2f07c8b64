//! Attestations by certificates of a private PKI, of which is not known whether they are revoked: T142.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::outcome::Expect;
use super::world::{World, node};
use pullgate_test::notary::{EMAIL, Notary};
use pullgate_test::registry::{Registry, Scripted};
use pullgate_test::signer::{attach_annotated_envelopes, statement};

const REVIEW: &str = "https://example.com/review/v1";

const REQUESTS: &str = "tag sig fallback referrers att blob*2";

/// Two certificates with different lists: an attacker who stops the list of the newer one must not make the older one count.
#[tokio::test]
async fn t142_an_older_review_does_not_count_beside_one_of_unknown_revocation() {
    let world = World::start(node()).await;
    let server = Registry::start().await;
    let lists: Arc<Mutex<BTreeMap<String, Scripted>>> = Arc::default();
    let served = Arc::clone(&lists);
    server.hook(move |request| served.lock().unwrap().get(request.uri.path()).cloned());
    let list = |notary: &Notary, revoked| Scripted::ok("application/pkix-crl", notary.list(revoked, 2100));
    for (name, newer, reason) in [
        (
            "known",
            &(|notary: &Notary| list(notary, false)) as &dyn Fn(&Notary) -> Scripted,
            "attestation-not-met",
        ),
        ("stopped", &|_| Scripted::status(503), "revocation-unknown"),
        // What a revoked certificate signed is no longer evidence of anything.
        ("revoked", &|notary| list(notary, true), "verified"),
    ] {
        let [old, new] = ["old", "new"].map(|which| {
            let notary = Notary::new(&format!("http://{}/{name}-{which}", server.host()));
            let root = world.directory.path().join(format!("{name}-{which}.pem"));
            std::fs::write(&root, &notary.root).unwrap();
            (notary, root.display().to_string())
        });
        lists.lock().unwrap().insert(format!("/{name}-old"), list(&old.0, false));
        lists.lock().unwrap().insert(format!("/{name}-new"), newer(&new.0));
        world.set_policy(&format!(
            "default = \"deny\"\n[authenticator.security]\ntype = \"certificate\"\nca = [{:?}, {:?}]\n\
             names = [\"email:{EMAIL}\"]\ndistribution-points = \"fetch\"\n[attestation.reviewed]\ntype = \"custom\"\n\
             by = \"security\"\npredicate-type = {REVIEW:?}\nmax-age = \"30d\"\ntime = \"/at\"\n\
             fields = {{ \"/approved\" = true }}\n[[namespace]]\nscope = \"{}/team\"\n\
             require = {{ attestations = [\"reviewed\"] }}\n",
            old.1,
            new.1,
            world.registry.host()
        ));
        let path = format!("team/{name}");
        let digest = world.registry.image(&path, "1", name);
        let review = |days: i64, approved: bool| {
            let at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
            statement(&digest, REVIEW, &json!({ "approved": approved, "at": at.to_string() }))
        };
        let attached = [old.0.attest(&review(10, true)), new.0.attest(&review(1, false))];
        attach_annotated_envelopes(&world.registry, &path, &digest, &attached);
        let outcome = world.outcome(&format!("{path}:1")).await;
        let pinned = world.pinned(&path, &digest);
        let expected = match reason {
            "verified" => Expect::verified(&pinned),
            _ => Expect::refused(reason),
        };
        outcome.assert(name, Expect { requests: REQUESTS, ..expected });
    }
}
