//! The options of policy.toml: which keys its tables may have, and what they mean.

use super::remote::RemoteOptions;
use pullgate_config::kind::{Choice, Unset};
use pullgate_config::options::{OptionDoc, Options, ReadByHand};
use pullgate_config::read_by_hand;

use crate::policy::{Mode, SignedObject};
use crate::signature::RepositoryIdentity;
use crate::trust::Algorithm;

const OF_AUTHENTICATOR: &str = "the authenticator's";

pub(super) const ROOT: &[ReadByHand] = read_by_hand! {
    /// What happens to images that no rule matches.
    "default": Choice, "", "deny, allow-unsigned";
    /// Why unsigned images are allowed by default.
    "default-reason": Text, "", "one line; needed with allow-unsigned";
};

pub(super) const AUTHENTICATOR: &[ReadByHand] = read_by_hand! {
    /// Whose signatures count: those of the holders of keys (key), of identities that an OpenID provider knows (keyless), of
    /// certificates of the Notary Project (notation), of cosign with certificates of a private PKI (certificate), or of holders of
    /// OpenPGP keys (gpg).
    "type": Choice, "key", "key, keyless, notation, certificate, gpg";
    /// The algorithm that signatures are verified with, whatever they claim; a list where the same key signs with
    /// several. A name with a hash and no curve is for the curve of that size: ECDSA_SHA_256 for P-256, ECDSA_SHA_384 for
    /// P-384, ECDSA_SHA_512 for P-521.
    "algorithm": Choice, "", Algorithm::NAMES;
    /// The length of the salt of RSASSA-PSS, in bytes.
    "salt-length": Count, "that of the hash", "a number, maximum";
};

pub(super) const KEYLESS: &[ReadByHand] = read_by_hand! {
    /// The trusted_root.json files of the Sigstore instances whose certificates count. A path is relative to the policy file.
    "trust-root": Path, "", "a JSON file, or a list of at most 4";
    /// The OpenID provider that knows the signer, exactly as the certificates have it.
    "issuer": Text, "", "an address";
    /// The subject of the certificates: an address or a URI. The whole of it must fit; `*` stands for any characters but `/`,
    /// `**` for any. A `subject`, a repository, an owner, a `workflow` or a `build-config` is needed.
    "subject": Text, "all", "a text, with `*`";
    /// The build configuration that requested the signature, with its ref. This and the following are claims of the
    /// certificate, with patterns as in `subject`.
    "workflow": Text, "all", "a text, with `*`";
    /// The kind of runner that the build ran on.
    "runner": Text, "all", "such as github-hosted";
    /// The repository that was built.
    "source-repository": Text, "all", "a text, with `*`";
    /// The ref that was built.
    "source-ref": Text, "all", "such as refs/heads/main";
    /// The immutable number of the repository: one of the same name that is made later has another.
    "source-repository-id": Text, "all", "a number, in quotes";
    /// The immutable number of the owner of the repository.
    "source-repository-owner-id": Text, "all", "a number, in quotes";
    /// The build configuration that ran at the top, with its ref.
    "build-config": Text, "all", "a text, with `*`";
    /// The event that started the build.
    "trigger": Text, "all", "such as push";
    /// Whether entries of transparency logs are required, for signature and certificate. Without them a timestamp must show when
    /// the certificate was used, and the root must not have any log.
    "log": Choice, "required", "required, none";
};

/// Of the types with CAs: notation and certificate.
pub(super) const X509: &[ReadByHand] = read_by_hand! {
    /// For notation and certificate: the CAs of signers. For notation a certificate of the chain must be one of them; for certificate
    /// the chain must lead to one of them. Files, or directories as notation has them (`truststore/x509/ca/NAME`); paths are
    /// relative to the policy file. A self-signed certificate of a signer is its own CA.
    "ca": List, "none", "PEM or DER files, directories";
    /// For notation and certificate: the roots of timestamp authorities. With them a signature needs a timestamp, and its certificates
    /// must be valid at that time and not now.
    "tsa": List, "none", "PEM or DER files, directories";
    /// For notation and certificate: whether every signature needs a timestamp, or only one whose certificates have expired; needs
    /// `tsa`.
    "timestamps": Choice, "always", "always, after-expiry";
    /// For notation and certificate: lists of revoked certificates (CRLs), as files or directories. Then a certificate counts only if a
    /// list of its issuer does not have it. The files are read again at each reload.
    "crl": List, "none", "DER or PEM files, directories";
    /// For notation and certificate: whether lists of revoked certificates are fetched from where the certificates say, and used for an
    /// hour.
    "distribution-points": Choice, "ignore", "ignore, fetch";
    /// For notation and certificate: what counts where no current list is about a certificate: nothing (required), certificates that do
    /// not say where they would be listed, as in notation (if-named), or all (if-known). Needs `crl` or `distribution-points`.
    "revocation": Choice, "required", "required, if-named, if-known";
};

/// Of `type = "notation"`, beside [`X509`].
pub(super) const NOTATION: &[ReadByHand] = read_by_hand! {
    /// For notation: the CAs of signing authorities, whose signatures state the time of signing themselves.
    "signing-authority": List, "none", "PEM or DER files, directories";
    /// For notation: the subjects of certificates that may sign: each has all attributes that one of these names, or `*` alone for all.
    "identities": List, "", "*, x509.subject: C=…, ST=…, O=…";
    /// For notation: whether the expiry of a signature and the validity of its certificates count (strict), or not (permissive).
    "level": Choice, "strict", "strict, permissive";
};

/// Of `type = "gpg"`.
pub(super) const GPG: &[ReadByHand] = read_by_hand! {
    /// For gpg: the files with the OpenPGP keys whose signatures count, as `gpg --export` writes them, armored or not. Paths are
    /// relative to the policy file.
    "keyrings": List, "none", "files; this or `armored`";
    /// For gpg: keys themselves, as `gpg --export --armor` writes them.
    "armored": Text, "none", "armored keys";
    /// For gpg: the fingerprints of the primary keys that count. A signature by a sub-key is one by its primary key.
    "fingerprints": List, "all of the keys", "40 digits each";
};

/// Of `type = "certificate"`, beside [`X509`].
pub(super) const CERTIFICATE: &[ReadByHand] = read_by_hand! {
    /// For certificate: CAs that are not trusted themselves, for signatures that come without the certificates between the signer and a
    /// CA of `ca`.
    "intermediates": List, "none", "PEM or DER files, directories";
    /// For certificate: the names of certificates that may sign, as subject alternative names. The whole of a name must fit; `*` stands
    /// for any characters but `/`, `**` for any.
    "names": List, "", "email:…, dns:…, uri:…";
};

pub(super) const KEY: &[ReadByHand] = read_by_hand! {
    /// The file with the public key; this, `pem` or `source`. The path is relative to the policy file.
    "file": Path, "", "PEM file";
    /// The public key itself.
    "pem": Text, "", "PEM text";
    /// The location from which the public key is fetched once; needs `fingerprint`.
    "source": Text, "", "alikms://, vault:// or pkcs11:";
    /// The SHA-256 of the DER public key at `source`, which `pullgate-signer keys public` shows.
    "fingerprint": Text, "", "sha256: and 64 digits";
    /// The algorithm for this key.
    "algorithm": Choice, OF_AUTHENTICATOR, Algorithm::NAMES;
    /// The length of the salt for this key.
    "salt-length": Count, OF_AUTHENTICATOR, "a number, maximum";
    /// The first moment at which the key counts.
    "not-before": Time, "none", "a date and time";
    /// The first moment at which the key no longer counts.
    "not-after": Time, "none", "a date and time";
};

pub(super) const NAMESPACE: &[ReadByHand] = read_by_hand! {
    /// The images that the rule applies to.
    "scope": Text, "", "a scope";
    /// The Kubernetes namespaces of the pods that the rule applies to. The rule is then more specific than one with the
    /// same scope and without `pods`.
    "pods": List, "all", "names of Kubernetes namespaces, with `*`";
    /// Allows images without a signature; needs `reason`.
    "allow": Choice, "", "unsigned";
    /// Refuses all images. The reason, which the refusal shows.
    "deny": Text, "", "one line";
    /// Why unsigned images are allowed.
    "reason": Text, "", "one line; needed with `allow`";
    /// The digests that `allow` is limited to.
    "digests": List, "all", "at most 10000 digests";
    /// When `allow` ends; then the rule refuses.
    "until": Time, "none", "a date and time";
    /// Other names of the same images, under which they may be signed.
    "aliases": List, "none", "scopes of the same form";
    /// The layouts of signatures that count. Notation signatures do not name their repository: one that was made for another
    /// repository counts here, too.
    "layouts": List, "all", "classic, bundle, notation, lookaside";
};

pub(super) const REQUIRE: &[ReadByHand] = read_by_hand! {
    /// Authenticators that must all have signed.
    "all": List, "", "names of authenticators";
    /// Authenticators of which one must have signed.
    "any": List, "", "names of authenticators";
    /// How many of the authenticators in `of` must have signed.
    "at-least": Count, "", "1 to the number in `of`";
    /// The authenticators that `at-least` counts.
    "of": List, "", "names of authenticators";
    /// Annotations that each signature must sign with the digest, with exactly these values, as in `{ team = "payments" }`:
    /// what `pullgate-signer sign -a` and `cosign sign -a` add.
    "annotations": Map, "none", "at most 16 texts";
};

pub(super) const DENY_DIGEST: &[ReadByHand] = read_by_hand! {
    /// The digest of an image or index that is refused whatever a rule says.
    "digest": Text, "", "a digest";
    /// Why it is refused.
    "reason": Text, "", "one line";
};

pub(super) const DENY_KEY: &[ReadByHand] = read_by_hand! {
    /// A key that counts in no authenticator, as `pullgate verify` shows it.
    "key": Text, "", "SHA-256 of the DER public key, or openpgp4fpr: and the fingerprint of an OpenPGP key";
    /// Why it is refused.
    "reason": Text, "", "one line";
};

pullgate_config::options! {
    /// The choices of `[[namespace]]`.
    #[derive(Debug)]
    pub(super) struct Choices {
        /// What must be signed of a multi-platform image: the index, the image for this node (platform), or either. What
        /// was signed is what is pulled.
        accept: SignedObject = "accept", Choice(&SignedObject::ALL.map(|it| (it.name(), it)), SignedObject::default());
        /// Whether a bundle must name its repository (required), as classic signatures always must: in the annotation
        /// docker-reference of its subject, which `pullgate-signer` writes. Otherwise a bundle that the same key signed in
        /// another repository counts here, too.
        identity: RepositoryIdentity = "identity", Choice(&RepositoryIdentity::ALL.map(|it| (it.name(), it)), RepositoryIdentity::default());
        /// Whether images are refused (enforce), pulled and logged (audit), or not checked at all (off).
        mode: Mode = "mode", Choice(&Mode::ALL.map(|it| (it.name(), it)), Mode::default());
    }
}

/// The keys of a table that also has the options of remote verification.
pub(super) fn with_remote(options: &[ReadByHand]) -> Vec<&'static str> {
    [ReadByHand::keys(options), RemoteOptions::keys()].concat()
}

/// All options of policy.toml.
pub(super) fn all() -> Vec<OptionDoc> {
    let [authenticator, namespace, deny] = ["[authenticator.NAME]", "[[namespace]]", "[deny]"];
    let within = |header: &str, options: Vec<OptionDoc>| -> Vec<OptionDoc> {
        options.into_iter().map(|option| OptionDoc { section: header.to_owned(), ..option }).collect()
    };
    let remote = within(authenticator, RemoteOptions::options());
    let of_keys = remote.iter().cloned().map(|option| OptionDoc {
        key: format!("keys.{}", option.key),
        default: Unset::Means(OF_AUTHENTICATOR),
        ..option
    });
    let mut all: Vec<OptionDoc> = ReadByHand::describe("", "", ROOT).collect();
    all.extend(ReadByHand::describe(authenticator, "", AUTHENTICATOR));
    all.extend(ReadByHand::describe(authenticator, "", X509));
    all.extend(ReadByHand::describe(authenticator, "", NOTATION));
    all.extend(ReadByHand::describe(authenticator, "", GPG));
    all.extend(ReadByHand::describe(authenticator, "", CERTIFICATE));
    all.extend(remote.iter().cloned());
    all.extend(ReadByHand::describe(authenticator, "", KEYLESS));
    all.extend(ReadByHand::describe(authenticator, "keys.", KEY));
    all.extend(of_keys);
    all.extend(ReadByHand::describe(namespace, "", NAMESPACE));
    all.extend(within(namespace, Choices::options()));
    all.extend(ReadByHand::describe(namespace, "require.", REQUIRE));
    all.extend(ReadByHand::describe(deny, "digests.", DENY_DIGEST));
    all.extend(ReadByHand::describe(deny, "keys.", DENY_KEY));
    all.into_iter().map(|option| OptionDoc { file: "policy.toml", ..option }).collect()
}
