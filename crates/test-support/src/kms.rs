//! A fake of Alibaba Cloud KMS with one key: it verifies each request and makes real signatures.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate::trust::{Algorithm, Curve, HashFunction, PrivateKey, PssSalt, Scheme};
use serde_json::{Value, json};

use crate::acs::{self, Nonces, parameter};
use crate::registry::{Authority, Options, Recorded, Registry, Scripted};
use crate::secrets::Secret;
use crate::signer::key_file;

pub const KEY: &str = "key-hzz62f1cb66fa42qo5z2w";
pub const VERSION: &str = "2ab1a983-7072-4bbc-a582-584b5bd8a2f2";

const REGION: &str = "cn-hangzhou";

/// Scripted responses; `None` for the normal one.
type Answers = Box<dyn Fn(&Recorded, usize) -> Option<Scripted> + Send + Sync>;

/// Runs until it is dropped.
pub struct Kms {
    pub server: Registry,
    state: Arc<State>,
    /// A part of the location.
    endpoint: String,
}

struct State {
    pem: String,
    public: String,
    /// The access key that it accepts.
    access: Mutex<(String, Secret, Option<Secret>)>,
    nonces: Nonces,
    answers: Mutex<Option<Answers>>,
    request_count: AtomicUsize,
    /// Signs another message than the requested one.
    faulty: std::sync::atomic::AtomicBool,
}

impl Kms {
    /// Starts a server with a key of `tests/fixtures/keys`.
    pub async fn start(name: &str) -> Self {
        let kms = Self::start_with(name, Options::default()).await;
        Self { endpoint: format!("&endpoint=http://{}", kms.server.host()), ..kms }
    }

    /// As [`Kms::start`], as the public endpoint of the region, with a certificate of this authority. A proxy has to lead
    /// there.
    pub async fn start_as_public(name: &str, authority: &Arc<Authority>) -> Self {
        let tls = Some((Arc::clone(authority), format!("kms.{REGION}.aliyuncs.com")));
        Self::start_with(name, Options { tls, ..Options::default() }).await
    }

    async fn start_with(name: &str, options: Options) -> Self {
        let read = |half| std::fs::read_to_string(key_file(name, half)).unwrap();
        let state = Arc::new(State {
            pem: read("key"),
            public: read("pub"),
            access: Mutex::new(("LTAI".to_owned(), Secret::marked("pg5ECRET-key"), None)),
            nonces: Nonces::default(),
            answers: Mutex::default(),
            request_count: AtomicUsize::new(0),
            faulty: false.into(),
        });
        let server = Registry::with(options).await;
        let shared = Arc::clone(&state);
        server.hook(move |request| Some(shared.answer(request)));
        Self { server, state, endpoint: String::new() }
    }

    /// `alikms://…`
    pub fn location(&self) -> String {
        format!("alikms://{KEY}/{VERSION}?region={REGION}{}", self.endpoint)
    }

    /// Scripts responses; the second argument is the number of earlier requests.
    pub fn answers(&self, answers: impl Fn(&Recorded, usize) -> Option<Scripted> + Send + Sync + 'static) {
        self.state.request_count.store(0, Ordering::SeqCst);
        *self.state.answers.lock().unwrap() = Some(Box::new(answers));
    }

    /// Accepts another access key from now on.
    pub fn knows(&self, id: &str, secret: impl Into<Secret>, token: Option<&str>) {
        *self.state.access.lock().unwrap() = (id.to_owned(), secret.into(), token.map(Secret::from));
    }

    /// The number of requests since [`Kms::answers`].
    pub fn asked(&self) -> usize {
        self.state.request_count.load(Ordering::SeqCst)
    }

    pub fn be_faulty(&self) {
        self.state.faulty.store(true, Ordering::SeqCst);
    }
}

impl State {
    fn answer(&self, request: &Recorded) -> Scripted {
        let earlier = self.request_count.fetch_add(1, Ordering::SeqCst);
        let (id, secret, token) = self.access.lock().unwrap().clone();
        if let Some(code) = acs::refusal(request, &id, secret.as_str(), token.as_ref().map(Secret::as_str)) {
            return acs::error(403, code);
        }
        if !self.nonces.is_fresh(request) {
            return acs::error(400, "SignatureNonceUsed");
        }
        if let Some(answer) =
            self.answers.lock().unwrap().as_ref().and_then(|answers| answers(request, earlier))
        {
            return answer;
        }
        assert_eq!(request.header("x-acs-version"), Some("2016-01-20"));
        assert_eq!(request.method, "POST");
        assert!(request.body.is_empty());
        if parameter(request, "KeyId").as_deref() != Some(KEY) {
            return acs::error(404, "Forbidden.KeyNotFound");
        }
        if parameter(request, "KeyVersionId").as_deref() != Some(VERSION) {
            return acs::error(400, "InvalidParameter");
        }
        let mut answer = json!({ "KeyId": KEY, "KeyVersionId": VERSION, "RequestId": "1" });
        match request.header("x-acs-action") {
            Some("GetPublicKey") => answer["PublicKey"] = self.public.clone().into(),
            Some("AsymmetricSign") => match self.sign(request) {
                Some(value) => answer["Value"] = value,
                None => return acs::error(400, "InvalidParameter"),
            },
            Some("AsymmetricVerify") => match self.verify(request) {
                Some(value) => answer["Value"] = value,
                None => return acs::error(400, "InvalidParameter"),
            },
            _ => return acs::error(404, "InvalidAction.NotFound"),
        }
        Scripted::ok("application/json", answer.to_string())
    }

    fn key(&self, request: &Recorded) -> Option<(PrivateKey, Vec<u8>)> {
        let algorithm: Algorithm = parameter(request, "Algorithm")?.parse().ok()?;
        let key = PrivateKey::from_pem(&self.pem, algorithm, PssSalt::Length(32)).ok()?;
        let digest = STANDARD.decode(parameter(request, "Digest")?).ok().filter(|it| it.len() == 32)?;
        Some((key, digest))
    }

    fn sign(&self, request: &Recorded) -> Option<Value> {
        let (key, digest) = self.key(request)?;
        let digest = if self.faulty.load(Ordering::SeqCst) { vec![0; 32] } else { digest };
        Some(STANDARD.encode(sign_digest(&self.pem, key.public().algorithm(), &digest)).into())
    }

    fn verify(&self, request: &Recorded) -> Option<Value> {
        let (key, digest) = self.key(request)?;
        let value = STANDARD.decode(parameter(request, "Value")?).ok()?;
        Some(verify_digest(&self.public, key.public().algorithm(), &digest, &value).into())
    }
}

/// The same expression with each hash as a type.
macro_rules! with_hash {
    ($hash:expr, $Hash:ident => $expression:expr) => {
        match $hash {
            HashFunction::Sha256 => {
                type $Hash = rsa::sha2::Sha256;
                $expression
            }
            HashFunction::Sha384 => {
                type $Hash = rsa::sha2::Sha384;
                $expression
            }
            HashFunction::Sha512 => {
                type $Hash = rsa::sha2::Sha512;
                $expression
            }
        }
    };
}

/// Signs the digest of an unknown message, as a service does. pullgate has no such function.
pub fn sign_digest(pem: &str, algorithm: Algorithm, digest: &[u8]) -> Vec<u8> {
    use p256::ecdsa::signature::hazmat::PrehashSigner as _;
    use rsa::pkcs8::DecodePrivateKey as _;
    let rsa = || rsa::PrivateKey::from_pkcs8_pem(pem).unwrap();
    macro_rules! ecdsa {
        ($curve:ident) => {{
            let key = $curve::ecdsa::SigningKey::from($curve::SecretKey::from_pkcs8_pem(pem).unwrap());
            let signature: $curve::ecdsa::Signature = key.sign_prehash(digest).unwrap();
            signature.to_der().as_bytes().to_vec()
        }};
    }
    match algorithm.scheme() {
        Scheme::RsaPss(hash) => with_hash!(hash, H => rsa().sign(rsa::Pss::<H>::new(), digest).unwrap()),
        Scheme::RsaPkcs1(hash) => {
            with_hash!(hash, H => rsa().sign(rsa::Pkcs1v15Sign::new::<H>(), digest).unwrap())
        }
        Scheme::Ecdsa(Curve::P256, _) => ecdsa!(p256),
        Scheme::Ecdsa(Curve::P384, _) => ecdsa!(p384),
        Scheme::Ecdsa(Curve::P521, _) => ecdsa!(p521),
        Scheme::Ed25519 | Scheme::Ed25519ph => panic!("{algorithm} has no digest"),
    }
}

/// Whether a service would accept the signature.
pub fn verify_digest(pem: &str, algorithm: Algorithm, digest: &[u8], signature: &[u8]) -> bool {
    use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
    use rsa::pkcs8::DecodePublicKey as _;
    let rsa = || rsa::PublicKey::from_public_key_pem(pem).unwrap();
    macro_rules! ecdsa {
        ($curve:ident) => {{
            let key = $curve::ecdsa::VerifyingKey::from_public_key_pem(pem).unwrap();
            $curve::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok())
        }};
    }
    match algorithm.scheme() {
        Scheme::RsaPss(hash) => {
            with_hash!(hash, H => rsa().verify(rsa::Pss::<H>::new(), digest, signature).is_ok())
        }
        Scheme::RsaPkcs1(hash) => {
            with_hash!(hash, H => rsa().verify(rsa::Pkcs1v15Sign::new::<H>(), digest, signature).is_ok())
        }
        Scheme::Ecdsa(Curve::P256, _) => ecdsa!(p256),
        Scheme::Ecdsa(Curve::P384, _) => ecdsa!(p384),
        Scheme::Ecdsa(Curve::P521, _) => ecdsa!(p521),
        Scheme::Ed25519 | Scheme::Ed25519ph => panic!("{algorithm} has no digest"),
    }
}
