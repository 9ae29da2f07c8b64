//! What a user of a release verifies.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use pullgate_test::node::environment;

use crate::made::output_of;

fn signer(directory: &Path, arguments: &[&str]) -> String {
    output_of(Command::new(pullgate_test::programs::signer()).current_dir(directory).args(arguments))
}

#[test]
fn the_signature_of_checksums_is_verified_by_openssl_and_cosign() {
    for (kind, algorithm) in [("EC_P256", "ECDSA_SHA_256"), ("RSA_3072", "RSA_PKCS1_SHA_256")] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        std::fs::write(path.join("SHA256SUMS"), "checksums\n").unwrap();
        signer(path, &["keys", "generate", "release.key", "--kind", kind]);
        std::fs::write(path.join("release.pem"), signer(path, &["keys", "public", "release.key"])).unwrap();
        let signature =
            signer(path, &["keys", "sign", "SHA256SUMS", "--key", "release.key", "--algorithm", algorithm]);
        std::fs::write(path.join("SHA256SUMS.sig"), &signature).unwrap();
        let openssl = |file: &str| {
            let decoded = output_of(Command::new("openssl").current_dir(path).args([
                "base64",
                "-d",
                "-A",
                "-in",
                "SHA256SUMS.sig",
                "-out",
                "raw",
            ]));
            assert_eq!(decoded, "");
            let mut command = Command::new("openssl");
            command.current_dir(path).args([
                "dgst",
                "-sha256",
                "-verify",
                "release.pem",
                "-signature",
                "raw",
                file,
            ]);
            command.status().unwrap().success()
        };
        let cosign = |file: &str| {
            let mut command = Command::new(environment::tool("cosign"));
            command
                .current_dir(path)
                .env("HOME", path)
                .stderr(File::create(path.join("cosign.log")).unwrap());
            command.args(["verify-blob", "--key", "release.pem", "--signature", "SHA256SUMS.sig"]);
            command.args(["--insecure-ignore-tlog=true", "--private-infrastructure", file]);
            command.status().unwrap().success()
        };
        assert!(openssl("SHA256SUMS") && cosign("SHA256SUMS"), "{kind}");
        std::fs::write(path.join("other"), "other\n").unwrap();
        assert!(!openssl("other") && !cosign("other"), "{kind}");
    }
}
