//! Settings for opening keys. They contain paths of secrets, never secrets.

use std::path::PathBuf;
use std::time::Duration;

use super::passphrase::Passphrase;
use super::service_options::{SECRET_FILE, VaultAuth, identity, login, vault_address, vault_namespace};
use pullgate_config::bound::{MINUTE, SECOND};
use pullgate_config::kind::{PATH, Section, count, time};
use pullgate_config::options::Pass;
use pullgate_net::alibaba::{Identity, METADATA};
use pullgate_net::service;

/// The name of an assumed role's sessions in ActionTrail.
const SESSION: &str = "pullgate-signer";

/// The longest that a key service may take.
const LONGEST: u64 = 100 * SECOND;

pullgate_config::options! {
    /// Settings for opening and using keys, by kind of location.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct KeySettings {
        /// For encrypted key files.
        passphrase: Passphrase { passphrase };
        /// PKCS#11 tokens.
        token: TokenSettings = "pkcs11", Section("[keys.pkcs11]");
        /// Alibaba Cloud KMS. Credentials: a RAM role of this ECS instance, or a credentials file of the SDKs, or an access
        /// key; by default ALIBABA_CLOUD_ACCESS_KEY_ID and …_SECRET of the environment. They are used to assume
        /// `assume-role`, if set.
        kms: KmsSettings = "kms", Section("[keys.kms]");
        /// Vault or OpenBao. Credentials: a token, which an agent may replace in its file, or an AppRole; by default
        /// VAULT_TOKEN (BAO_TOKEN) of the environment.
        transit: TransitSettings = "vault", Section("[keys.vault]");
    }
}

pullgate_config::options! {
    /// PKCS#11 tokens.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct TokenSettings {
        /// The PKCS#11 module, for keys whose URI does not name one.
        module: Option<PathBuf> = "module", PATH.optional("from the key", "\"/usr/lib/softhsm/libsofthsm2.so\"");
        /// The directories to search for a module that is named without its directory, in order.
        module_directories: Vec<PathBuf> = "module-directories", PATH.list(64, &[
            "/usr/lib/x86_64-linux-gnu/pkcs11",
            "/usr/lib/x86_64-linux-gnu/softhsm",
            "/usr/lib/aarch64-linux-gnu/pkcs11",
            "/usr/lib/aarch64-linux-gnu/softhsm",
            "/usr/lib64/pkcs11",
            "/usr/lib/pkcs11",
            "/usr/lib/softhsm",
            "/usr/local/lib/pkcs11",
        ]);
        /// The file with the PIN, for keys whose URI does not name one.
        pin_file: Option<PathBuf> = "pin-file", SECRET_FILE.optional("from the key", "\"/etc/pullgate/token.pin\"");
        /// Maximum number of signatures that a token makes at the same time.
        sessions: usize = "sessions", count(4, 1, 64);
        /// How long one signature may take, including the wait for a session.
        deadline: Duration = "timeout", time(30 * SECOND, 100, LONGEST);
    }
}

/// Limits for the use of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Time for one signature, including retries.
    pub deadline: Duration,
    /// Requests per second: a service that throttles one client throttles its whole account.
    pub rate: u32,
    /// Concurrent requests.
    pub concurrency: usize,
}

pullgate_config::options! {
    /// Alibaba Cloud KMS.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct KmsSettings {
        /// The identity.
        identity: Identity { |pass| identity(pass, SESSION) };
        /// How requests are sent.
        service: service::ServiceSettings { service };
        /// KMS allows 200 requests a second for an account.
        bounds: Bounds { |pass| bounds(pass, 100) };
    }
    also {
        /// The URL of the instance metadata: [`METADATA`].
        metadata: String = METADATA.to_owned();
    }
}

pullgate_config::options! {
    /// The transit engine of Vault and OpenBao.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct TransitSettings {
        /// The address of the service.
        address: Option<String> { vault_address };
        /// The Vault namespace.
        namespace: Option<String> { vault_namespace };
        /// The login.
        login: VaultAuth { login };
        /// How requests are sent.
        service: service::ServiceSettings { service };
        /// Bounds.
        bounds: Bounds { |pass| bounds(pass, 200) };
    }
}

fn passphrase(pass: &mut Pass<'_, '_, '_>) -> Passphrase {
    let doc = "The file with the passphrase of encrypted key files.";
    let kind = SECRET_FILE
        .optional("from COSIGN_PASSWORD in the environment", "\"/etc/pullgate/release.passphrase\"");
    pass.option("passphrase-file", &[doc], &kind).map_or(Passphrase::Environment, Passphrase::File)
}

fn service(pass: &mut Pass<'_, '_, '_>) -> service::ServiceSettings {
    let [step, connect] = [service::STEP, service::CONNECT].map(|time| time.as_secs() * SECOND);
    service::ServiceSettings {
        authorities: pass.option(
            "authorities",
            &["Files with CA certificates that are trusted in addition to those of the system."],
            &PATH.list(64, &[]),
        ),
        step: pass.option(
            "request-timeout",
            &["How long one request to the service may take."],
            &time(step, 100, LONGEST),
        ),
        connect: pass.option(
            "connect-timeout",
            &["How long connecting to the service may take, including TLS."],
            &time(connect, 100, MINUTE),
        ),
        ..service::ServiceSettings::default()
    }
}

fn bounds(pass: &mut Pass<'_, '_, '_>, rate: u64) -> Bounds {
    Bounds {
        deadline: pass.option(
            "timeout",
            &["How long one signature may take, including retries."],
            &time(30 * SECOND, 100, LONGEST),
        ),
        rate: pass.option(
            "requests-per-second",
            &["Maximum number of requests to the service per second."],
            &count(rate, 1, 10_000),
        ),
        concurrency: pass.option(
            "concurrency",
            &["Maximum number of concurrent requests to the service."],
            &count(16, 1, 1024),
        ),
    }
}
