//! Keys that are in services, as `signer.toml` has them.

use pullgate::config;

use super::*;
use crate::support::acs;
use crate::support::kms::Kms;
use crate::support::registry::Scripted;
use crate::support::vault::Vault;

/// The settings of a file with these lines about keys, for the key at `location`.
fn load(registry: &Registry, directory: &Path, location: &str, keys: &str) -> Settings {
    use std::os::unix::fs::PermissionsExt as _;
    for (name, text) in [("secret", "pg5ECRET-key"), ("token", "hvs.pg5ECRET-token")] {
        std::fs::write(directory.join(name), text).unwrap();
        std::fs::set_permissions(directory.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let (host, at) = (registry.host(), directory.display());
    let text = format!(
        "[registry]\nhost = {host:?}\nhosts = \"/nonexistent\"\n[listen]\naddress = \"127.0.0.1:0\"\n\
         [control]\nsocket = \"{at}/control.sock\"\n[state]\ndirectory = \"{at}/state\"\n\
         [limits]\nattempts = 1\nlongest-pause = \"1s\"\n{keys}\n\
         [authenticator.release]\nkey = {location:?}\nalgorithm = \"RSA_PSS_SHA_256\"\n\
         [[rule]]\nname = \"team\"\nauthenticator = \"release\"\nscope = \"{host}/team\"\n",
        keys = keys.replace("AT", &at.to_string()),
    );
    std::fs::write(directory.join("signer.toml"), text).unwrap();
    config::load_signer(&directory.join("signer.toml")).unwrap()
}

const KMS: &str =
    "[keys.kms]\naccess-key-id = \"LTAI\"\naccess-key-secret-file = \"AT/secret\"\ntimeout = \"1s\"\n";
const VAULT: &str = "[keys.vault]\ntoken-file = \"AT/token\"\nnamespace = \"team\"\n";

#[tokio::test]
async fn of_kms_and_of_vault_sign_what_is_pushed() {
    let (kms, vault) =
        (Kms::start("rsa-2048").await, Vault::start("rsa-2048", "rsa-2048", Some("team")).await);
    for (location, keys, without) in [(kms.location(), KMS, ""), (vault.location(), VAULT, "[keys.vault]\n")]
    {
        let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
        let service = Service::started(load(&registry, directory.path(), &location, keys)).await;
        let digest = registry.image("team/app", "1", "one");
        assert_eq!(service.notify(&pushes(&[("team/app", "1", &digest)])).await, 202);
        service.idle().await;
        assert_eq!(signatures(&registry, "team/app", &digest), 1, "{location}");
        let [line] = audit(directory.path()).try_into().unwrap();
        assert_eq!((&line["outcome"], &line["algorithm"]), (&json!("signed"), &json!("RSA_PSS_SHA_256")));
        service.stop().await;
        // Without what the file says the key is not to be had.
        let directory = tempfile::tempdir().unwrap();
        let unknown = Signer::open(load(&registry, directory.path(), &location, without)).await;
        assert!(matches!(unknown, Err(SignerError::Settings(_))), "{location}: {unknown:?}");
    }
}

#[tokio::test]
async fn that_are_throttled_or_whose_credentials_have_expired_are_tried_again() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let kms = Kms::start("rsa-2048").await;
    let service = Service::started(load(&registry, directory.path(), &kms.location(), KMS)).await;
    for (tag, status, code) in [
        ("1", 400, "Throttling.User"),
        ("2", 403, "InvalidSecurityToken.Expired"),
        ("3", 403, "Forbidden.NoPermission"),
    ] {
        let failed = service.metric("failures_total").await;
        kms.answers(move |_, _| Some(acs::error(status, code)));
        let digest = registry.image("team/app", tag, tag);
        assert_eq!(service.notify(&pushes(&[("team/app", tag, &digest)])).await, 202);
        let end = tokio::time::Instant::now() + PATIENCE;
        while service.metric("failures_total").await < failed + 2 {
            assert!(tokio::time::Instant::now() < end, "{code}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let status = service.signer.status();
        assert_eq!((status.waiting + status.busy, status.parked), (1, 0), "{code}: {status:?}");
        assert_eq!(signatures(&registry, "team/app", &digest), 0);
        kms.answers(|_, _| None::<Scripted>);
        service.idle().await;
        assert_eq!(signatures(&registry, "team/app", &digest), 1, "{code}");
    }
    assert_eq!(audit(directory.path()).len(), 3);
    service.stop().await;
}
