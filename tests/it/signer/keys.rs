//! Keys in services, as configured in `signer.toml`.

use super::*;
use pullgate_signer::Status;
use pullgate_test::acs;
use pullgate_test::kms::Kms;
use pullgate_test::registry::{Body, Recorded, Scripted};
use pullgate_test::vault::{NAME, Vault};

/// The settings of a file with these lines about keys, for the key at `location`.
fn load(registry: &Registry, directory: &Path, location: &str, keys: &str) -> SignerSettings {
    use std::os::unix::fs::PermissionsExt as _;
    let profiles = "[default]\ntype = access_key\naccess_key_id = LTAI\naccess_key_secret = pg5ECRET-key\n";
    for (name, text) in [
        ("secret", "pg5ECRET-key"),
        ("token", "hvs.pg5ECRET-token"),
        ("secret-id", "pg5ECRET-id"),
        ("credentials", profiles),
    ] {
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
    pullgate_signer::load_signer(&directory.join("signer.toml")).unwrap()
}

const KMS: &str =
    "[keys.kms]\naccess-key-id = \"LTAI\"\naccess-key-secret-file = \"AT/secret\"\ntimeout = \"1s\"\n";
const VAULT: &str = "[keys.vault]\ntoken-file = \"AT/token\"\nnamespace = \"team\"\n";

#[tokio::test]
pub(crate) async fn keys_in_kms_and_vault_sign_pushed_images() {
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
        // Without these settings the key is not available.
        let directory = tempfile::tempdir().unwrap();
        let unknown = Signer::open(load(&registry, directory.path(), &location, without)).await;
        assert!(matches!(unknown, Err(SignerError::Settings(_))), "{location}: {unknown:?}");
    }
}

#[tokio::test]
async fn throttled_keys_and_expired_credentials_are_retried() {
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
        let status = Status::of(&service.signer);
        assert_eq!((status.waiting + status.busy, status.parked), (1, 0), "{code}: {status:?}");
        assert_eq!(signatures(&registry, "team/app", &digest), 0);
        kms.answers(|_, _| None::<Scripted>);
        service.idle().await;
        assert_eq!(signatures(&registry, "team/app", &digest), 1, "{code}");
    }
    assert_eq!(audit(directory.path()).len(), 3);
    service.stop().await;
}

/// STS's answer to AssumeRole for the role of these tests.
fn sts(request: &Recorded) -> Scripted {
    if let Some(code) = acs::refusal(request, "LTAI", "pg5ECRET-key", None) {
        return acs::error(403, code);
    }
    let parameter = |name| acs::parameter(request, name);
    if parameter("RoleArn").as_deref() != Some("acs:ram::1:role/signer")
        || parameter("ExternalId").as_deref() != Some("ext")
    {
        return acs::error(400, "InvalidParameter");
    }
    let expiration = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3600);
    let credentials = json!({
        "AccessKeyId": "STS.1", "AccessKeySecret": "pg5ECRET-temporary", "SecurityToken": "pg5ECRET-session",
        "Expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    Scripted::ok("application/json", json!({ "Credentials": credentials }).to_string())
}

#[tokio::test]
pub(crate) async fn key_services_are_contacted_as_configured() {
    let registry = Registry::start().await;
    let (kms, of_role, slow) =
        (Kms::start("rsa-2048").await, Kms::start("rsa-2048").await, Kms::start("rsa-2048").await);
    of_role.knows("STS.1", "pg5ECRET-temporary", Some("pg5ECRET-session"));
    let service = Registry::start().await;
    service.hook(|request| Some(sts(request)));
    let key = "access-key-id = \"LTAI\"\naccess-key-secret-file = \"AT/secret\"";
    let role = |role: &str, rest: &str| {
        let place = format!("sts = \"http://{}\"", service.host());
        format!("{key}\nassume-role = \"acs:ram::1:role/{role}\"\n{place}\n{rest}")
    };
    let vault = Vault::start("rsa-2048", "rsa-2048", None).await;
    let (at_vault, unnamed) = (vault.location(), vault.location());
    let unnamed = unnamed.split("&address").next().unwrap_or_default();
    assert!(unnamed.starts_with(&format!("vault://{NAME}")));
    let address = format!("token-file = \"AT/token\"\naddress = \"http://{}\"", vault.server.host());
    let login = |id: &str, rest: &str| format!("role-id = {id:?}\nsecret-id-file = \"AT/secret-id\"\n{rest}");
    for (table, location, lines, opens) in [
        ("kms", kms.location(), "credentials-file = \"AT/credentials\"".to_owned(), true),
        (
            "kms",
            kms.location(),
            "credentials-file = \"AT/credentials\"\nprofile = \"other\"".to_owned(),
            false,
        ),
        ("kms", of_role.location(), role("signer", "external-id = \"ext\""), true),
        ("kms", of_role.location(), role("signer", "external-id = \"other\""), false),
        ("kms", of_role.location(), role("signer", ""), false),
        ("kms", of_role.location(), role("other", "external-id = \"ext\""), false),
        ("kms", of_role.location(), key.to_owned(), false),
        ("kms", slow.location(), format!("{key}\nrequest-timeout = \"200ms\""), true),
        ("kms", slow.location(), format!("{key}\nrequest-timeout = \"20s\""), false),
        ("vault", unnamed.to_owned(), address, true),
        ("vault", unnamed.to_owned(), "token-file = \"AT/token\"".to_owned(), false),
        ("vault", at_vault.clone(), login("signer", ""), true),
        ("vault", at_vault.clone(), login("signer", "mount = \"approle\""), true),
        ("vault", at_vault.clone(), login("signer", "mount = \"ci\""), false),
        ("vault", at_vault.clone(), login("other", ""), false),
    ] {
        // The first request gets no answer: with a short timeout it is retried.
        slow.answers(|_, count| (count == 0).then(|| Scripted::status(200).body(Body::Hang)));
        let directory = tempfile::tempdir().unwrap();
        let keys = format!("[keys.{table}]\ntimeout = \"5s\"\n{lines}\n");
        let opened = Signer::open(load(&registry, directory.path(), &location, &keys)).await;
        assert_eq!(opened.is_ok(), opens, "{keys}: {opened:?}");
    }
}
