//! Certificates by openssl, and signatures with them by the real notation.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{directory, environment, process};

/// The kinds of keys that the Notary Project has, each with the options of `openssl genpkey`.
pub const KEYS: [(&str, [&str; 4]); 6] = [
    ("rsa2048", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ("rsa3072", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"]),
    ("rsa4096", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"]),
    ("p256", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("p384", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("p521", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"]),
];

/// The formats of envelopes.
pub const FORMATS: [&str; 2] = ["jws", "cose"];

/// A CA of openssl.
pub struct Authority {
    directory: PathBuf,
}

/// A certificate of a signer.
pub struct Signer {
    pub(super) name: String,
    pub key: PathBuf,
    pub certificate: PathBuf,
    /// The certificate of its CA.
    pub(super) authority: PathBuf,
    /// Both certificates, its own first.
    pub chain: PathBuf,
    pub(super) expired: bool,
}

impl Authority {
    /// A CA that is valid for a year.
    pub fn make(directory: &Path, name: &str) -> Self {
        let own = directory.join("authorities").join(name);
        directory::make(&own);
        let authority = Self { directory: own };
        authority.make_key("ca", "p256");
        let mut request =
            authority.openssl_of_an_hour_ago(&["req", "-x509", "-new", "-key", "ca.key", "-days", "365"]);
        request.args(["-subj", &format!("/C=US/ST=WA/O={name}/CN={name} CA"), "-out", "ca.pem"]);
        request.args(["-addext", "basicConstraints=critical,CA:TRUE"]);
        process::must_run(request.args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]));
        directory::write(&authority.path("index"), "");
        directory::write(&authority.path("number"), "01\n");
        let text = "[ca]\ndefault_ca = own\n[own]\ndatabase = index\ncrlnumber = number\ndefault_md = sha256\n\
                    certificate = ca.pem\nprivate_key = ca.key\nserial = serial\n[list]\nauthorityKeyIdentifier = keyid:always\n\
                    [any]\ncountryName = optional\nstateOrProvinceName = optional\norganizationName = optional\n\
                    commonName = supplied\n";
        directory::write(&authority.path("ca.conf"), text);
        authority
    }

    /// Its certificate.
    pub fn certificate(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A certificate for `CN=name` of the organisation `organisation`, with a key of this kind and more lines of extensions.
    pub fn issue(&self, (organisation, name): (&str, &str), key: &str, extensions: &str) -> Signer {
        self.make_key(name, key);
        let [certificate, chain] = self.certify_request((organisation, name), None, extensions, 300);
        let key = self.path(&format!("{name}.key"));
        Signer {
            name: name.to_owned(),
            key,
            certificate,
            authority: self.certificate(),
            chain,
            expired: false,
        }
    }

    /// The same, with a certificate that was valid in January 2025.
    pub fn issue_expired(&self, names: (&str, &str), key: &str, extensions: &str) -> Signer {
        let signer = self.issue(names, key, extensions);
        let mut issue = self.openssl(&["ca", "-config", "ca.conf", "-batch", "-notext", "-policy", "any"]);
        issue.args(["-create_serial", "-outdir", ".", "-in", "request", "-extfile", "extensions"]);
        issue.args(["-startdate", "20250101000000Z", "-enddate", "20250201000000Z"]);
        process::must_run(issue.arg("-out").arg(&signer.certificate));
        Signer { expired: true, ..signer }
    }

    /// The certificate of a key that is elsewhere, and that of the CA, in one file.
    pub fn certify(&self, (organisation, name): (&str, &str), public_key: &Path) -> PathBuf {
        self.make_key(name, "p256");
        let [_, chain] = self.certify_request((organisation, name), Some(public_key), "", 300);
        chain
    }

    /// Replaces the files of a certificate by one for the same key that ends after this number of days.
    pub fn renew(&self, (organisation, name): (&str, &str), days: i32) {
        self.certify_request((organisation, name), None, "", days);
    }

    /// The files of a certificate for the key of this name, or for another one, and of its chain.
    fn certify_request(
        &self,
        (organisation, name): (&str, &str),
        public_key: Option<&Path>,
        extensions: &str,
        days: i32,
    ) -> [PathBuf; 2] {
        let mut request = self.openssl(&["req", "-new", "-key", &format!("{name}.key"), "-out", "request"]);
        process::must_run(request.args(["-subj", &format!("/C=US/ST=WA/O={organisation}/CN={name}")]));
        let usage =
            if extensions.contains("extendedKeyUsage") { "" } else { "extendedKeyUsage=codeSigning\n" };
        let text = format!("keyUsage=critical,digitalSignature\n{usage}{extensions}\n");
        directory::write(&self.path("extensions"), text);
        let certificate = format!("{name}.pem");
        let mut issue = self
            .openssl_of_an_hour_ago(&["x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca.key"]);
        let days = days.to_string();
        issue.args(["-CAcreateserial", "-days", &days, "-extfile", "extensions", "-out", &certificate]);
        if let Some(public_key) = public_key {
            issue.arg("-force_pubkey").arg(public_key);
        }
        process::must_run(&mut issue);
        let [own, authority] = [self.path(&certificate), self.certificate()];
        let parts = [&own, &authority].map(|part| std::fs::read(part).expect("openssl has written it"));
        let chain = self.path(&format!("{name}.chain.pem"));
        directory::write(&chain, parts.concat());
        [own, chain]
    }

    /// Revokes a certificate.
    pub fn revoke(&self, signer: &Signer) {
        let certificate = format!("{}.pem", signer.name);
        let mut revoke = self.openssl(&["ca", "-config", "ca.conf", "-revoke", &certificate]);
        process::must_run(revoke.args(["-crl_reason", "keyCompromise"]));
    }

    /// The list of what is revoked, valid for a month.
    pub fn list(&self) -> PathBuf {
        let mut list = self.openssl(&["ca", "-config", "ca.conf", "-gencrl", "-crldays", "30"]);
        process::must_run(list.args(["-crlexts", "list", "-out", "list.pem"]));
        self.path("list.pem")
    }

    /// Writes the list of what is revoked as a server has to serve it.
    pub fn publish_list(&self, file: &Path) {
        self.list();
        process::must_run(self.openssl(&["crl", "-in", "list.pem", "-outform", "der", "-out"]).arg(file));
    }

    fn make_key(&self, name: &str, kind: &str) {
        let (_, options) = KEYS.into_iter().find(|(known, _)| *known == kind).expect("a kind of key");
        let file = format!("{name}.key");
        process::must_run(self.openssl(&["genpkey", "-quiet"]).args(options).args(["-out", &file]));
        let key = std::fs::read_to_string(self.path(&file)).expect("openssl has written the key");
        crate::secrets::register_key(&key);
    }

    fn openssl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("openssl");
        command.current_dir(&self.directory).args(arguments);
        command
    }

    /// For certificates, which must not begin later than a timestamp minus its accuracy (RFC 3161, section 2.4.2): sigstore's
    /// timestamp authority states one second.
    fn openssl_of_an_hour_ago(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("faketime");
        command.current_dir(&self.directory).args(["-f", "-1h", "openssl"]).args(arguments);
        command
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }
}

/// The real notation with a home of its own.
pub struct Notation {
    home: PathBuf,
}

impl Notation {
    pub fn new(home: PathBuf) -> Self {
        directory::make(&home.join("notation"));
        Self { home }
    }

    /// Its directory with trust policy and trust stores.
    pub fn configuration(&self) -> PathBuf {
        self.home.join("notation")
    }

    /// Signs an image in its registry, with more options.
    pub fn sign(&self, reference: &str, signer: &Signer, format: &str, options: &[&str]) {
        let [key, chain] = [&signer.key, &signer.chain].map(|path| path.display().to_string());
        // notation takes keys in files only from its configuration.
        let mut text = String::new();
        let _ = write!(text, r#"{{"keys":[{{"name":"own","keyPath":{key:?},"certPath":{chain:?}}}]}}"#);
        directory::write(&self.configuration().join("signingkeys.json"), text);
        let mut sign =
            self.command(&["sign", "--insecure-registry", "--key", "own", "--signature-format", format]);
        process::must_run(sign.args(options).arg(reference));
    }

    /// Trusts the CA of the authenticator, for subjects of this organisation, by a trust policy of this level.
    pub fn trust(&self, authority: &Authority, organisation: &str, level: &str) {
        let certificate = std::fs::read(authority.certificate()).expect("a CA has a certificate");
        self.fill_store("ca", &certificate);
        self.write_policy(organisation, level, r#""ca:own""#);
    }

    /// As [`Self::trust`], at level strict, with timestamps by an authority of this root, which are required.
    pub fn trust_timestamps(&self, authority: &Authority, organisation: &str, root: &str) {
        self.trust(authority, organisation, "strict");
        self.fill_store("tsa", root.as_bytes());
        self.write_policy(organisation, "strict", r#""ca:own","tsa:own""#);
    }

    fn fill_store(&self, kind: &str, certificate: &[u8]) {
        let store = self.configuration().join(format!("truststore/x509/{kind}/own"));
        let _ = std::fs::remove_dir_all(&store);
        directory::make(&store);
        directory::write(&store.join("certificate.pem"), certificate);
    }

    fn write_policy(&self, organisation: &str, level: &str, stores: &str) {
        let text = format!(
            r#"{{"version":"1.0","trustPolicies":[{{"name":"own","registryScopes":["*"],
            "signatureVerification":{{"level":"{level}"}},"trustStores":[{stores}],
            "trustedIdentities":["x509.subject: C=US, ST=WA, O={organisation}"]}}]}}"#
        );
        directory::write(&self.configuration().join("trustpolicy.json"), text);
    }

    /// Verifies an image by the trust policy.
    ///
    /// # Errors
    /// notation's output.
    pub fn verify(&self, reference: &str) -> Result<String, String> {
        process::run(&mut self.command(&["verify", "--insecure-registry", reference]))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(environment::tool("notation"));
        command.env("HOME", &self.home).env("XDG_CONFIG_HOME", &self.home).env("XDG_CACHE_HOME", &self.home);
        command.args(arguments);
        command
    }
}
