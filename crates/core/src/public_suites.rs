//! The table of public test suites in docs/formats.md: tests compare it with what they count.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use crate::digest::Digest;

/// A file of the repository.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// Asserts that docs/formats.md has these counts for a suite, and reports them: `tests/environment/totals` shows all reports
/// at the end of `make test`.
#[track_caller]
pub(crate) fn report(suite: &str, accepted: usize, refused: usize) {
    let counts = format!("| {suite} | {accepted} | {refused} |");
    let document = fs::read_to_string(path("docs/formats.md")).unwrap();
    let mut rows = document.lines().filter(|line| line.starts_with(&format!("| {suite} |")));
    let row = rows.next().unwrap_or_default();
    assert!(row.starts_with(&counts), "docs/formats.md has {row:?}, but the tests count: {counts}");
    assert_eq!(rows.next(), None, "docs/formats.md has the suite twice");
    if let Some(run) = std::env::var_os("PULLGATE_TEST_RUN") {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(PathBuf::from(run).join("public-suites"))
            .unwrap();
        file.write_all(format!("{counts}\n").as_bytes()).unwrap();
    }
}

/// Files of the suites that are not in tests/fixtures: package, start of the path, and why. `tests/fixtures/public-suites` lists
/// the files of all suites about signatures; the other test data of containers/image is about images.
const LEFT_OUT: [(&str, &str, &str); 26] = [
    (
        CONTAINERS,
        "signature/fixtures/fulcio_v1.crt.pem",
        "a CA of Fulcio, which the trusted root of the public instance has",
    ),
    (
        CONTAINERS,
        "signature/fixtures/pki-c",
        "the certificate and the chain of `dir-img-cosign-pki-valid`, which has them too",
    ),
    (
        CONTAINERS,
        "signature/fixtures/pki_intermediate_crts.pem",
        "the same signature has its intermediate CA",
    ),
    (
        CONTAINERS,
        "signature/fixtures/rekor.pub",
        "the key of the public instance, which its trusted root has",
    ),
    (CONTAINERS, "signature/internal/testdata/rekor.pub", "the same"),
    (CONTAINERS, "signature/fixtures/some-rsa-key.pub", "a key without a signature"),
    (CONTAINERS, "signature/fixtures/regenerate-keys.sh", "a script"),
    (CONTAINERS, "signature/sigstore/rekor/testdata/start-rekor.sh", "a script"),
    (CONTAINERS, "signature/fixtures/secring.gpg", "private keys, which sign nothing here"),
    (CONTAINERS, "signature/simplesigning/testdata/secring.gpg", "the same"),
    (CONTAINERS, "signature/fixtures/trustdb.gpg", "the database of gpg, which only gpg reads"),
    (CONTAINERS, "signature/simplesigning/testdata/trustdb.gpg", "the same"),
    (CONTAINERS, "signature/simplesigning/testdata/.gitignore", "not data"),
    (CONTAINERS, "signature/simplesequoia/testdata/.gitignore", "not data"),
    (CONTAINERS, "signature/simplesequoia/testdata/data/", "the store of Sequoia, which only Sequoia reads"),
    (NOTATION, "config/testdata/", "the configuration of notation"),
    (NOTATION, "dir/testdata/", "a file to copy"),
    (NOTATION, "internal/testdata/oci-layout/", "an image; the envelopes beside it are there"),
    (NOTATION, "plugin/testdata/", "plug-ins, which are not run here"),
    (
        NOTATION,
        "verifier/testdata/truststore/x509/ca/valid-trust-store_SYMLINK/",
        "a symbolic link, which only a file system has",
    ),
    (
        NOTATION,
        "verifier/testdata/truststore/x509/trust-store-with-cert-symlinks/GlobalSignRootCA_SYMLINK.crt",
        "the same",
    ),
    (
        NOTATION,
        "verifier/testdata/truststore/x509/trust-store-with-directories/sub-dir/",
        "an empty directory",
    ),
    (SIGSTORE, "test_data/managed-key/key.pub", "the log entry of the bundle has the key"),
    (
        SIGSTORE,
        "test_data/upstream/sigstore-python/SOURCE.md",
        "its origin, which the README beside the fixtures has",
    ),
    (SIGSTORE, "test_data/x509/nonroot-privkey.pem", "a private key, which signs nothing here"),
    (SIGSTORE, "test_data/x509/root-privkey.pem", "the same"),
];
const CONTAINERS: &str = "golang-github-containers-image-dev";
const NOTATION: &str = "golang-github-notaryproject-notation-go-dev";
const SIGSTORE: &str = "sigstore-verify";

#[test]
fn every_file_of_the_suites_is_there_or_has_a_reason() {
    let fixtures = path("tests/fixtures");
    let listed = fs::read_to_string(fixtures.join("public-suites")).unwrap();
    let (mut directories, mut present) = (vec![fixtures], BTreeSet::new());
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                present.insert(Digest::of(&fs::read(path).unwrap()).hex().to_owned());
            }
        }
    }
    let mut unused: BTreeSet<_> = LEFT_OUT.into();
    let missing = listed.lines().filter(|line| {
        let [digest, package, path] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let of = |row: &&(&str, &str, &str)| package == row.0 && path.starts_with(row.1);
        let reason = LEFT_OUT.iter().find(of);
        if let Some(row) = reason {
            unused.remove(row);
        }
        reason.is_none() && !present.contains(digest)
    });
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0]);
    assert_eq!(unused, BTreeSet::new(), "reasons for no file");
}
