//! The options of policy.toml: which keys its tables may have, and what they mean.

use super::remote::RemoteOptions;
use jiff::SignedDuration;
use pullgate_config::description::{OptionKind, Range};
use pullgate_config::duration::AGES;
use pullgate_config::kind::{Choice, Unset};
use pullgate_config::options::{OptionDoc, Options, REQUIRED, ReadByHand};
use pullgate_config::read_by_hand;

use crate::policy::{
    MAX_ANNOTATIONS, MAX_ATTESTATIONS, MAX_AUTHENTICATORS, MAX_DENIED, MAX_POD_PATTERNS, MAX_RULES, Mode,
    SignedObject,
};
use crate::signature::RepositoryIdentity;
use crate::signature::attestation::MAX_FIELDS;
use crate::trust::{Algorithm, MAX_KEYS, MAX_ROOTS, openpgp};

/// How many digests one rule may list.
pub(super) const MAX_DIGESTS: usize = 10_000;
/// The keys of those who must have signed.
pub(super) const SIGNERS: &[&str] = &["all", "any", "at-least", "of"];
/// Maximum number of texts in one list of an attestation.
pub(super) const MAX_TEXTS: usize = 16;
/// Maximum number of vulnerabilities that do not count.
pub(super) const MAX_EXCEPT: usize = 1000;
/// The longest age: ten years.
pub(super) const MAX_AGE: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

const OF_AUTHENTICATOR: &str = "the authenticator's";

const COUNT: Range = Range { units: &[], bare: true, minimum: 0, maximum: i64::MAX as u64, word: "" };
const SALT: Range = Range { word: "maximum", ..COUNT };
const AGE: Range =
    Range { units: AGES, bare: false, minimum: 60, maximum: MAX_AGE.as_secs().unsigned_abs(), word: "" };

/// The tables, by their path.
const TABLES: &[ReadByHand] = read_by_hand! {
    /// Whose signatures count.
    "authenticator": Table("[authenticator.NAME]"), "", "";
    /// The public keys, for the types key and attestor.
    "authenticator.NAME.keys": Table("[[authenticator.NAME.keys]]") [0..=MAX_KEYS], "", "";
    /// Conditions that rules can require: what a signed statement about the image must say, and whose signature it must
    /// have.
    "attestation": Table("[attestation.NAME]"), "", "";
    /// Rules. A scope is a repository and everything below it, in whole path segments, or a host for its whole registry;
    /// only the most specific matching scope applies. A rule has one of `require`, `allow` and `deny`.
    "namespace": Table("[[namespace]]") [0..=MAX_RULES], "", "";
    /// Which authenticators must have signed, and which attestations the image must have.
    "namespace.require": Table("[namespace.require]"), "", "";
    /// The deny list, which has precedence over all rules.
    "deny": Table("[deny]"), "", "";
    /// Denied images.
    "deny.digests": Table("[[deny.digests]]") [0..=MAX_DENIED], "", "";
    /// Denied keys. Signatures by a denied key never count, whichever authenticator has the key.
    "deny.keys": Table("[[deny.keys]]") [0..=MAX_DENIED], "", "";
};

pub(super) const ROOT: &[ReadByHand] = read_by_hand! {
    /// What happens to images that no rule matches.
    "default": Choice, "", "deny, allow-unsigned";
    /// Why unsigned images are allowed by default.
    "default-reason": Sentence, "", "one line; required with allow-unsigned";
};

pub(super) const AUTHENTICATOR: &[ReadByHand] = read_by_hand! {
    /// Whose signatures count: holders of keys (key), identities that an OpenID provider has authenticated (keyless),
    /// holders of Notary Project certificates (notation), holders of certificates of a private PKI who sign with cosign
    /// (certificate), holders of OpenPGP keys (gpg), or an attestor of Binary Authorization or kritis (attestor).
    "type": Choice, "key", "key, keyless, notation, certificate, gpg, attestor";
    /// The algorithm that pullgate verifies signatures with, whatever a signature claims; a list if the same key signs with
    /// several algorithms. An ECDSA name without a curve means the curve that goes with the hash: ECDSA_SHA_256 for P-256,
    /// ECDSA_SHA_384 for P-384, ECDSA_SHA_512 for P-521.
    "algorithm": Choice | [1..=Algorithm::ALL.len()], "", Algorithm::NAMES;
    /// The length of the RSASSA-PSS salt in bytes, or "maximum" for the longest that the key allows.
    "salt-length": Number(SALT), "that of the hash", "a number, maximum";
};

pub(super) const KEYLESS: &[ReadByHand] = read_by_hand! {
    /// The trusted_root.json files of the Sigstore instances whose certificates count. For keys with `log = "required"`,
    /// name the files of the instances whose transparency logs count. A path is relative to the policy file.
    "trust-root": Path | [1..=MAX_ROOTS], "", "a JSON file, or a list of at most 4";
    /// The URL of the OpenID provider (issuer) that authenticated the signer, exactly as in the certificates.
    "issuer": Text, "", "a URL";
    /// The subject of the certificates: an email address or a URI. The pattern must match the whole subject; `*` stands for
    /// any characters except `/`, `**` for any characters. An authenticator needs `subject`, `workflow`,
    /// `source-repository`, `source-repository-id`, `source-repository-owner-id` or `build-config`.
    "subject": Text, "all", "a text; may contain `*`";
    /// The build configuration (for GitHub, the workflow file) that requested the signature, with its Git ref. This option
    /// and the following ones are claims of the certificate, with patterns as in `subject`.
    "workflow": Text, "all", "a text; may contain `*`";
    /// The kind of runner that the build ran on.
    "runner": Text, "all", "such as github-hosted";
    /// The repository that was built.
    "source-repository": Text, "all", "a text; may contain `*`";
    /// The Git ref that was built.
    "source-ref": Text, "all", "such as refs/heads/main";
    /// The immutable number of the repository. A repository that is created later under the same name has another number.
    "source-repository-id": Text, "all", "a number, in quotes";
    /// The immutable number of the owner of the repository.
    "source-repository-owner-id": Text, "all", "a number, in quotes";
    /// The top-level build configuration of the run, with its Git ref.
    "build-config": Text, "all", "a text; may contain `*`";
    /// The event that started the build.
    "trigger": Text, "all", "such as push";
    /// For keyless: whether the signature and its certificate need entries in transparency logs. With "none", a timestamp
    /// must prove when the certificate was used, and the trusted root must not contain any log. For key: whether each
    /// signature needs an entry of its own in a transparency log of `trust-root`.
    "log": Choice, "required; none for keys", "required, none";
};

/// Of the types with CAs: notation and certificate.
pub(super) const X509: &[ReadByHand] = read_by_hand! {
    /// For notation and certificate: the certificates of the signers' CAs. For notation, the chain of a signature must
    /// contain one of them; for certificate, the chain must lead to one of them. Name files, or directories such as
    /// notation's `truststore/x509/ca/NAME`; paths are relative to the policy file. A self-signed certificate of a signer is
    /// its own CA.
    "ca": Path [1..=usize::MAX], "none", "PEM or DER files, directories";
    /// For notation and certificate: the root certificates of timestamp authorities. If you set them, a signature needs a
    /// timestamp, and its certificates must be valid at the time of that timestamp instead of now.
    "tsa": Path [1..=usize::MAX], "none", "PEM or DER files, directories";
    /// For notation and certificate: whether every signature needs a timestamp (always), or only a signature whose
    /// certificates have expired (after-expiry); needs `tsa`.
    "timestamps": Choice, "always", "always, after-expiry";
    /// For notation and certificate: files or directories with certificate revocation lists (CRLs). A certificate does not
    /// count if a CRL of its issuer lists it. `revocation` says which certificates count if there is no CRL. pullgate reads
    /// the files again at each reload.
    "crl": Path [1..=usize::MAX], "none", "DER or PEM files, directories";
    /// For notation and certificate: whether to fetch CRLs from the addresses that the certificates name (CRL distribution
    /// points), and to use each CRL for an hour. pullgate uses the files in `crl`, too, but relies on them alone only if a
    /// fetch fails.
    "distribution-points": Choice, "ignore", "ignore, fetch";
    /// For notation and certificate: which certificates count if no current CRL covers them: no certificate (required),
    /// certificates that name no CRL address, as in notation (if-named), or all certificates (if-known). Needs `crl` or
    /// `distribution-points`.
    "revocation": Choice, "required", "required, if-named, if-known";
};

/// Of `type = "notation"`, beside [`X509`].
pub(super) const NOTATION: &[ReadByHand] = read_by_hand! {
    /// For notation: the certificates of the CAs of signing authorities. A signature of a signing authority contains its own
    /// signing time, which counts.
    "signing-authority": Path [1..=usize::MAX], "none", "PEM or DER files, directories";
    /// For notation: the subjects of the certificates that may sign, or `*` alone for all. A certificate may sign if its
    /// subject has all attributes of at least one entry.
    "identities": Text [0..=usize::MAX], "", "*, x509.subject: C=…, ST=…, O=…";
    /// For notation: whether the expiry of a signature and the validity of its certificates count (strict), or not (permissive).
    "level": Choice, "strict", "strict, permissive";
};

/// Of `type = "gpg"`.
pub(super) const GPG: &[ReadByHand] = read_by_hand! {
    /// For gpg and attestor: the files with the OpenPGP keys whose signatures count, as `gpg --export` writes the keys,
    /// armored or not. Paths are relative to the policy file.
    "keyrings": Path [1..=usize::MAX], "none", "files; set this or `armored`";
    /// For gpg and attestor: the OpenPGP keys themselves instead of files, as `gpg --export --armor` writes them.
    "armored": Text, "none", "armored keys";
    /// For gpg and attestor: the fingerprints of the primary keys that count. A signature made with a sub-key counts as a
    /// signature by its primary key.
    "fingerprints": Text [1..=openpgp::MAX_KEYS], "all of the keys", "40 digits each";
};

/// Of `type = "certificate"`, beside [`X509`].
pub(super) const CERTIFICATE: &[ReadByHand] = read_by_hand! {
    /// For certificate: the certificates of intermediate CAs, for signatures that come without them. These CAs are not
    /// trusted themselves: their chain must lead to a CA of `ca`.
    "intermediates": Path [0..=usize::MAX], "none", "PEM or DER files, directories";
    /// For certificate: the names of certificates that may sign, as subject alternative names. A pattern must match the
    /// whole name; `*` stands for any characters except `/`, `**` for any characters.
    "names": Text [0..=usize::MAX], "", "email:…, dns:…, uri:…";
};

pub(super) const KEY: &[ReadByHand] = read_by_hand! {
    /// The file with the public key. Set one of `file`, `pem` and `source`. The path is relative to the policy file.
    "file": Path, "", "PEM file";
    /// The public key itself.
    "pem": Text, "", "PEM text";
    /// The location from which the public key is fetched once; needs `fingerprint`.
    "source": Text, "", "alikms://, vault:// or pkcs11:";
    /// The SHA-256 of the DER public key at `source`, which `pullgate-signer keys public` shows.
    "fingerprint": Digest, "", "sha256: and 64 digits";
    /// The algorithm for this key.
    "algorithm": Choice | [1..=Algorithm::ALL.len()], OF_AUTHENTICATOR, Algorithm::NAMES;
    /// The length of the salt for this key.
    "salt-length": Number(SALT), OF_AUTHENTICATOR, "a number, maximum";
    /// The first moment at which the key counts.
    "not-before": Time, "none", "a date and time";
    /// The first moment at which the key no longer counts.
    "not-after": Time, "none", "a date and time";
};

pub(super) const NAMESPACE: &[ReadByHand] = read_by_hand! {
    /// The images that the rule applies to.
    "scope": Text, REQUIRED, "a scope";
    /// The Kubernetes namespaces of the pods that the rule applies to. The rule is then more specific than one with the
    /// same scope and without `pods`.
    "pods": Text [1..=MAX_POD_PATTERNS], "all", "names of Kubernetes namespaces; may contain `*`";
    /// Allows images without a signature; needs `reason`.
    "allow": Choice, "", "unsigned";
    /// Refuses all images. The value is the reason that the refusal shows.
    "deny": Sentence, "", "one line";
    /// Why unsigned images are allowed.
    "reason": Sentence, "", "one line; required with `allow`";
    /// The digests that `allow` is limited to.
    "digests": Digest [1..=MAX_DIGESTS], "all", "at most 10000 digests";
    /// When `allow` ends. From then on, the rule refuses the images.
    "until": Time, "none", "a date and time";
    /// Other names of the same images. A signature that contains one of these names counts, too.
    "aliases": Text [0..=usize::MAX], "none", "scopes of the same form";
    /// The layouts of signatures that count. Bundles and Notation signatures need not name their repository; see `identity`.
    "layouts": Choice [1..=usize::MAX], "all", "classic, bundle, notation, lookaside, grafeas";
};

pub(super) const REQUIRE: &[ReadByHand] = read_by_hand! {
    /// Authenticators that must all have signed.
    "all": Text [1..=MAX_AUTHENTICATORS], "", "names of authenticators";
    /// Authenticators of which one must have signed.
    "any": Text [1..=MAX_AUTHENTICATORS], "", "names of authenticators";
    /// How many of the authenticators in `of` must have signed.
    "at-least": Number(COUNT), "", "1 to the number in `of`";
    /// The authenticators that `at-least` counts.
    "of": Text [1..=MAX_AUTHENTICATORS], "", "names of authenticators";
    /// Annotations that each signature must contain with exactly these values, as in `{ team = "payments" }`. They are
    /// signed together with the digest; `pullgate-signer sign -a` and `cosign sign -a` add them.
    "annotations": Texts(MAX_ANNOTATIONS), "none", "at most 16 texts";
    /// Names of `[attestation.NAME]`: attestations that the image must have, in addition to signatures or instead of
    /// signatures.
    "attestations": Text [1..=MAX_ATTESTATIONS], "none", "at most 16 names";
};

pub(super) const ATTESTATION: &[ReadByHand] = read_by_hand! {
    /// What the attestation must say about the image: where the image was built (slsa-provenance), which vulnerabilities it
    /// has (vulnerabilities), that it has a bill of materials (sbom), that a verifier checked it (vsa), or anything else
    /// (custom).
    "type": Choice, REQUIRED, "slsa-provenance, vulnerabilities, sbom, vsa, custom";
    /// The authenticator that must have signed the attestation, of keys, keyless identities or certificates. Several
    /// authenticators are written as in `require`.
    "by": Either(&[OptionKind::Text, OptionKind::Part("[namespace.require]", SIGNERS)]), REQUIRED, "a name, or a table as `require`";
    /// Maximum age of the newest attestation, by a signed time. If you set it, only the newest attestation of each
    /// authenticator counts.
    "max-age": Number(AGE), "any; required for vulnerabilities", "1m to 3650d";
    /// Fields that the predicate must have: the JSON pointer of each field, and its exact value, as in `{
    /// "/metadata/reviewed" = true }`.
    "fields": Fields(MAX_FIELDS), "none", "at most 32 texts, whole numbers, true or false";
};

/// Of `type = "slsa-provenance"`.
pub(super) const PROVENANCE: &[ReadByHand] = read_by_hand! {
    /// For slsa-provenance: the exact id of the builder, or a list of ids, one of which the builder must have.
    "builder": Text | [1..=MAX_TEXTS], "", "a URI, or a list of at most 16";
    /// For slsa-provenance: the repository that was built, without `git+`, `.git` and the ref. `*` stands for any
    /// characters except `/`, `**` for any characters.
    "source-repository": Text, "all", "a text; may contain `*`";
    /// For slsa-provenance: the ref that was built, such as `refs/heads/main`.
    "source-ref": Text, "all", "a text; may contain `*`";
    /// For slsa-provenance: the exact build type, or a list of build types, one of which the build must have.
    "build-type": Text | [1..=MAX_TEXTS], "all", "a URI, or a list of at most 16";
};

/// Of `type = "vulnerabilities"`.
pub(super) const VULNERABILITIES: &[ReadByHand] = read_by_hand! {
    /// For vulnerabilities: the highest severity that a vulnerability of the image may have. An unknown severity counts as
    /// higher than critical.
    "max-severity": Choice, "", "none, negligible, low, medium, high, critical";
    /// For vulnerabilities: the ids of vulnerabilities that do not count, as the scanner writes the ids.
    "except": Text | [1..=MAX_EXCEPT], "none", "at most 1000 ids";
};

/// Of `type = "sbom"`.
pub(super) const SBOM: &[ReadByHand] = read_by_hand! {
    /// For sbom: the formats that count.
    "formats": Choice [1..=usize::MAX], "all", "spdx, cyclonedx";
};

/// Of `type = "vsa"`.
pub(super) const SUMMARY: &[ReadByHand] = read_by_hand! {
    /// For vsa: the exact id of the verifier, or a list of ids, one of which the verifier must have.
    "verifier": Text | [1..=MAX_TEXTS], "", "a URI, or a list of at most 16";
    /// For vsa: the resource that the verifier must have verified.
    "resource": Text, "", "a URI; may contain `*`";
    /// For vsa: the levels that the verifier must all have verified. A higher level of the same track counts, too.
    "levels": Text | [1..=MAX_TEXTS], "none", "at most 16 texts";
};

/// Of `type = "custom"`.
pub(super) const CUSTOM: &[ReadByHand] = read_by_hand! {
    /// For custom: the exact type of the predicate.
    "predicate-type": Text, "", "a URI";
    /// For custom: the JSON pointer of the time in the predicate from which `max-age` is counted. If you do not set it,
    /// only the time of a keyless signature counts.
    "time": Text, "none", "a JSON pointer";
};

pub(super) const DENY_DIGEST: &[ReadByHand] = read_by_hand! {
    /// The digest of an image or index that is refused whatever a rule says.
    "digest": Digest, REQUIRED, "a digest";
    /// Why the digest is refused.
    "reason": Sentence, REQUIRED, "one line";
};

pub(super) const DENY_KEY: &[ReadByHand] = read_by_hand! {
    /// The fingerprint of a key, as `pullgate verify --wide` shows it. No authenticator accepts signatures by this key.
    "key": Text, REQUIRED, "SHA-256 of the DER public key, or openpgp4fpr: and the fingerprint of an OpenPGP key";
    /// Why the key is refused.
    "reason": Sentence, REQUIRED, "one line";
};

pullgate_config::options! {
    /// The choices of `[[namespace]]`.
    #[derive(Debug)]
    pub(super) struct Choices {
        /// Which part of a multi-platform image must be signed: the index, the image for this node (platform), or either.
        /// The runtime pulls the digest that was signed.
        accept: SignedObject = "accept", Choice(&SignedObject::ALL.map(|it| (it.name(), it)), SignedObject::default());
        /// Whether a bundle or a Notation signature must name its repository, in the signed annotation docker-reference,
        /// which `pullgate-signer` writes. With "optional", a signature that the same signer made for another repository
        /// counts here, too. Classic and GPG signatures must always name their repository.
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
    let attestation = "[attestation.NAME]";
    let within = |header: &str, options: Vec<OptionDoc>| -> Vec<OptionDoc> {
        options.into_iter().map(|option| OptionDoc { section: header.to_owned(), ..option }).collect()
    };
    let remote = within(authenticator, RemoteOptions::options());
    let of_keys = remote.iter().cloned().map(|option| OptionDoc {
        key: format!("keys.{}", option.key),
        default: Unset::Described(OF_AUTHENTICATOR),
        ..option
    });
    let mut all: Vec<OptionDoc> = ReadByHand::describe("", "", ROOT).collect();
    all.extend(ReadByHand::describe("", "", TABLES));
    all.extend(ReadByHand::describe(authenticator, "", AUTHENTICATOR));
    all.extend(ReadByHand::describe(authenticator, "", X509));
    all.extend(ReadByHand::describe(authenticator, "", NOTATION));
    all.extend(ReadByHand::describe(authenticator, "", GPG));
    all.extend(ReadByHand::describe(authenticator, "", CERTIFICATE));
    all.extend(remote.iter().cloned());
    all.extend(ReadByHand::describe(authenticator, "", KEYLESS));
    all.extend(ReadByHand::describe(authenticator, "keys.", KEY));
    all.extend(of_keys);
    for options in [ATTESTATION, PROVENANCE, VULNERABILITIES, SBOM, SUMMARY, CUSTOM] {
        all.extend(ReadByHand::describe(attestation, "", options));
    }
    all.extend(ReadByHand::describe(namespace, "", NAMESPACE));
    all.extend(within(namespace, Choices::options()));
    all.extend(ReadByHand::describe(namespace, "require.", REQUIRE));
    all.extend(ReadByHand::describe(deny, "digests.", DENY_DIGEST));
    all.extend(ReadByHand::describe(deny, "keys.", DENY_KEY));
    all.into_iter().map(|option| OptionDoc { file: "policy.toml", ..option }).collect()
}
