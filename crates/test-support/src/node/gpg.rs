//! The real gpg and skopeo as signers, and a lookaside server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::images::{self, Image};
use super::{directory, environment, process};

/// A home of gpg with keys without passphrases, and where skopeo puts signatures.
pub struct Gpg {
    root: PathBuf,
}

/// The agent that gpg starts must not outlive the test.
impl Drop for Gpg {
    fn drop(&mut self) {
        let mut kill = Command::new("gpgconf");
        let _ = process::run(kill.arg("--homedir").arg(self.home()).args(["--kill", "all"]));
    }
}

impl Gpg {
    /// That in a directory, which is made if it is missing.
    pub fn of(root: PathBuf) -> Self {
        for directory in [root.clone(), root.join("home"), root.join("signatures"), root.join("registries.d")]
        {
            directory::make(&directory);
        }
        Self { root }
    }

    fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// The directory that a lookaside server has to serve.
    pub fn signatures(&self) -> PathBuf {
        self.root.join("signatures")
    }

    /// containers' `registries.d`: skopeo writes signatures into the directory, and everybody reads them at `lookaside`.
    pub fn registries(&self, lookaside: &str) -> PathBuf {
        let registries = self.root.join("registries.d");
        let staging = self.signatures();
        let text = format!(
            "default-docker:\n  lookaside: {lookaside}\n  lookaside-staging: file://{}\n",
            staging.display()
        );
        directory::write(&registries.join("default.yaml"), text);
        registries
    }

    /// Makes a key, and returns the file with its public half.
    pub fn key(&self, name: &str) -> PathBuf {
        let file = self.root.join(format!("{name}.gpg"));
        if file.exists() { file } else { self.make_key(name, "never") }
    }

    fn make_key(&self, name: &str, end: &str) -> PathBuf {
        process::must_run(self.gpg().args(["--quick-generate-key", name, "ed25519", "sign", end]));
        self.export(name)
    }

    /// Writes the public half of a key, as gpg has it now.
    fn export(&self, name: &str) -> PathBuf {
        let file = self.root.join(format!("{name}.gpg"));
        process::must_run(self.gpg().arg("--output").arg(&file).args(["--export", &exactly(name)]));
        file
    }

    /// Signs the image with skopeo, which copies it to itself.
    pub fn sign(&self, image: &Image, key: &str) {
        let mut skopeo = images::copying();
        let passphrase = self.root.join("passphrase");
        directory::write(&passphrase, "");
        skopeo.env("GNUPGHOME", self.home()).arg("--registries.d").arg(self.root.join("registries.d"));
        skopeo.arg("--sign-passphrase-file").arg(passphrase).args(["--sign-by", &self.fingerprint(key)]);
        let name = format!("docker://{}", image.by_tag());
        process::must_run(skopeo.args([&name, &name]));
    }

    /// As [`Self::key`] and [`Self::sign`], on a day of 2020 after which the key has expired.
    pub fn sign_in_the_past(&self, image: &Image, name: &str) -> PathBuf {
        let configuration = self.home().join("gpg.conf");
        directory::write(&configuration, "faked-system-time 20200101T120000\n");
        let file = self.make_key(name, "1d");
        self.sign(image, name);
        directory::write(&configuration, "");
        file
    }

    /// Revokes a key, and returns the file with its public half.
    pub fn revoke(&self, name: &str) -> PathBuf {
        let fingerprint = self.fingerprint(name);
        let made = self.home().join(format!("openpgp-revocs.d/{fingerprint}.rev"));
        // gpg writes it with a colon before the first line, so that nobody imports it by mistake.
        let certificate = std::fs::read_to_string(made).expect("gpg makes it with the key");
        let file = self.root.join("revocation");
        directory::write(&file, certificate.replace(":-----BEGIN", "-----BEGIN"));
        process::must_run(self.gpg().arg("--import").arg(file));
        self.export(name)
    }

    /// Verifies an image with skopeo, which reads signatures where [`Self::registries`] says: whether one by a key of this
    /// file counts.
    ///
    /// # Errors
    /// skopeo's output.
    pub fn verify(&self, image: &Image, keyring: &Path) -> Result<String, String> {
        let policy = self.root.join("policy.json");
        let required = json!([{ "type": "signedBy", "keyType": "GPGKeys", "keyPath": keyring }]);
        let text = json!({ "default": [{ "type": "reject" }], "transports": { "docker": { "": required } } });
        directory::write(&policy, text.to_string());
        let (home, copy) = (self.root.join("verifying"), self.root.join("copy"));
        directory::make(&home);
        let _ = std::fs::remove_dir_all(&copy);
        let mut skopeo = Command::new(environment::tool("skopeo"));
        skopeo.env("GNUPGHOME", home).arg("--policy").arg(policy);
        skopeo.arg("--registries.d").arg(self.root.join("registries.d"));
        skopeo.args(["copy", "--quiet", "--remove-signatures", "--src-tls-verify=false"]);
        skopeo.arg(format!("docker://{}", image.by_tag()));
        process::run(skopeo.arg(format!("dir:{}", copy.display())))
    }

    /// Where skopeo puts the first signature of an image.
    fn signature(&self, image: &Image) -> PathBuf {
        let place = format!("{}@{}/signature-1", image.repository, image.digest.replace(':', "="));
        self.signatures().join(place)
    }

    /// Copies the first signature of an image to another one.
    pub fn copy_signature(&self, signed: &Image, other: &Image) {
        let (from, to) = (self.signature(signed), self.signature(other));
        to.parent().into_iter().for_each(directory::make);
        directory::write(&to, std::fs::read(from).expect("the image is signed"));
    }

    /// A text in an armored message that is signed with a key.
    pub fn message(&self, text: &str, key: &str) -> Vec<u8> {
        let (data, message) = (self.root.join("data"), self.root.join("message.asc"));
        directory::write(&data, text);
        let mut sign = self.gpg();
        sign.args(["--local-user", &self.fingerprint(key), "--armor", "--output"]).arg(&message);
        process::must_run(sign.arg("--sign").arg(&data));
        std::fs::read(message).expect("gpg wrote the message")
    }

    fn fingerprint(&self, name: &str) -> String {
        let mut list = self.gpg();
        let listed = process::must_run(list.args(["--with-colons", "--list-keys", &exactly(name)]));
        let line = listed.lines().find(|line| line.starts_with("fpr:")).expect("a key has a fingerprint");
        line.split(':').nth(9).expect("the fingerprint is in the line").to_owned()
    }

    fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.env("GNUPGHOME", self.home()).args(["--batch", "--yes", "--quiet", "--no-tty"]);
        gpg.args(["--pinentry-mode", "loopback", "--passphrase", "", "--trust-model", "always"]);
        gpg
    }
}

fn exactly(name: &str) -> String {
    format!("={name}")
}

/// Serves the files of a directory on loopback, until it is dropped.
pub struct Lookaside {
    address: String,
    stopped: Arc<AtomicBool>,
}

impl Drop for Lookaside {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes it up.
        let _ = TcpStream::connect(&self.address);
    }
}

impl Lookaside {
    pub fn serve(directory: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let _ = answer(stream, &directory);
            }
        });
        Self { address, stopped }
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn answer(mut stream: TcpStream, directory: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    match std::fs::read(directory.join(path)) {
        Ok(body) => {
            write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len())?;
            stream.write_all(&body)
        }
        Err(_) => {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        }
    }
}
