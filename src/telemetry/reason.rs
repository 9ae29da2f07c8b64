//! The table of reason codes, which appear in the refusal that kubelet shows, in the log and in `verify`.

use std::fmt;

/// What an outcome is for kubelet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The image is admitted.
    Admitted,
    /// The image is refused: kubelet's `SignatureValidationFailed`.
    Refused(Cause),
    /// The decision was not possible: kubelet's `RegistryUnavailable`.
    Unavailable,
    /// The registry has no such image: kubelet's ordinary `ErrImagePull`.
    NotFound,
}

/// What a refusal is about, and so what could change it. A scan removes images only if nothing can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The digest, under whatever name.
    Digest,
    /// The rule. Where the rules for some pods differ, another pod may be admitted.
    Rule,
    /// Nothing known here shows that the image may run; the registry may have more.
    Evidence,
    /// The signatures that were found; the registry may have others.
    Signatures,
    /// Something that can be different at the next attempt.
    Attempt,
}

macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $variant:ident = $kind:ident $(($cause:ident))?, $code:literal,)+) => {
        /// Why an image was admitted or refused. The codes are stable: alerts and scripts may match on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[doc = $meaning])+ $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable code.
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// The reason with this code.
            pub fn of_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.code() == code)
            }

            /// What kubelet makes of it.
            pub fn kind(self) -> Kind {
                match self {
                    $(Self::$variant => Kind::$kind $((Cause::$cause))?,)+
                }
            }

            /// What the code means, as in docs/reasons.md.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($meaning),+).trim_ascii(),)+
                }
            }
        }
    };
}

reasons! {
    /// the signatures that the rule requires were found and are valid
    Verified = Admitted, "verified",
    /// a rule allows images of this name unsigned
    UnsignedAllowed = Admitted, "unsigned-allowed",
    /// the rule for this name has mode `off`, so nothing was checked
    RuleOff = Admitted, "rule-off",
    /// the image would be refused, but the rule for it is in audit mode
    AuditOnly = Admitted, "audit-only",
    /// the break-glass file admits the image, whatever the policy says
    BreakGlass = Admitted, "break-glass",
    /// a rule refuses images of this name, or no rule applies and the default is to refuse
    DeniedByRule = Refused(Rule), "denied-by-rule",
    /// a rule allowed images of this name unsigned, but only until a time that has passed
    AllowanceOver = Refused(Rule), "allowance-over",
    /// a rule allows some images of this name unsigned, but not this digest
    DigestNotAllowed = Refused(Evidence), "digest-not-allowed",
    /// the digest, or a digest that its index lists, is on the deny list
    DigestDenied = Refused(Digest), "digest-denied",
    /// there is no valid policy, so no image can be admitted
    NoPolicy = Refused(Attempt), "no-policy",
    /// containerd would not accept the image name
    InvalidReference = Refused(Attempt), "invalid-reference",
    /// no signature was found for the digest
    NoSignature = Refused(Signatures), "no-signature",
    /// signatures were found, but none of them is valid
    NoValidSignature = Refused(Signatures), "no-valid-signature",
    /// a signature is valid, but for another digest
    OtherDigest = Refused(Signatures), "other-digest",
    /// a signature is valid, but names another repository, or names no repository although the rule requires one
    OtherRepository = Refused(Signatures), "other-repository",
    /// a GPG signature names a key that the authenticator does not have
    UnknownKey = Refused(Signatures), "unknown-key",
    /// a signature was made with a key that the rule accepts, but the key is not valid now
    KeyNotValidNow = Refused(Attempt), "key-not-valid-now",
    /// signatures were found, but no authenticator of the rule can verify this kind of signature
    OtherSignatureKind = Refused(Signatures), "other-signature-kind",
    /// a signature is valid, but the authenticator does not accept the identity of the signer
    WrongIdentity = Refused(Signatures), "wrong-identity",
    /// the certificate of a signature was not issued by an authority that the authenticator trusts
    UntrustedCertificate = Refused(Signatures), "untrusted-certificate",
    /// a signature was made outside the validity period of its certificate
    CertificateExpired = Refused(Signatures), "certificate-expired",
    /// the certificate of a signature is not valid now, and no timestamp proves that it was valid when the signature was made
    CertificateNotValidNow = Refused(Attempt), "certificate-not-valid-now",
    /// the expiry time that a signature contains has passed
    SignatureExpired = Refused(Attempt), "signature-expired",
    /// a certificate of a signature is revoked, or its key is on the deny list
    CertificateRevoked = Refused(Signatures), "certificate-revoked",
    /// the policy requires a revocation check, but pullgate cannot find out whether a certificate of a signature is revoked
    RevocationUnknown = Refused(Attempt), "revocation-unknown",
    /// a signature requires a verification plug-in of notation, but pullgate runs no plug-ins
    VerificationPlugin = Refused(Signatures), "verification-plugin",
    /// according to the trusted root, a log or an authority that confirms a signature was not valid when the signature was
    /// made
    TrustRootExpired = Refused(Attempt), "trust-root-expired",
    /// no certificate transparency log of the trusted root vouches for the certificate of a signature
    NoCertificateLog = Refused(Signatures), "no-certificate-log",
    /// a signature has no entry in a transparency log
    NoLogEntry = Refused(Signatures), "no-log-entry",
    /// the log entry of a signature is not from a transparency log of the trusted root
    UntrustedLog = Refused(Signatures), "untrusted-log",
    /// the log entry of a signature is for another signature, certificate or image
    OtherLogEntry = Refused(Signatures), "other-log-entry",
    /// neither a timestamp nor a signed log entry proves when a signature was made
    NoSigningTime = Refused(Signatures), "no-signing-time",
    /// a signature was made with a hash that is too weak or not supported
    WeakSignature = Refused(Signatures), "weak-signature",
    /// an attestor signed something that is not an attestation of an image, or that differs from the payload beside the
    /// signature
    OtherPayload = Refused(Signatures), "other-payload",
    /// the key of a signature, or its primary key, is revoked
    KeyRevoked = Refused(Signatures), "key-revoked",
    /// the signing time of a signature is in the future
    FutureSigningTime = Refused(Attempt), "future-signing-time",
    /// the timestamp of a signature is for another signature, or comes from an authority that the authenticator does not
    /// trust
    UntrustedTimestamp = Refused(Signatures), "untrusted-timestamp",
    /// some signatures are valid, but not all that the rule requires
    NotEnoughSignatures = Refused(Signatures), "not-enough-signatures",
    /// the rule requires an attestation, and the digest has none of its type
    NoAttestation = Refused(Signatures), "no-attestation",
    /// attestations of the required type were found, but no signer that the condition accepts has signed one for this digest
    NoValidAttestation = Refused(Signatures), "no-valid-attestation",
    /// an attestation is valid, but does not say what the policy requires
    AttestationNotMet = Refused(Signatures), "attestation-not-met",
    /// the newest attestation is older than the policy allows, or has no signed time
    AttestationStale = Refused(Attempt), "attestation-stale",
    /// the image is on the node, but no evidence shows that it was verified under this name
    NotVerified = Refused(Evidence), "not-verified",
    /// the image has more signatures than the limit, and those that were read are not enough
    TooManySignatures = Refused(Attempt), "too-many-signatures",
    /// the image has more referrers than the limit, and the signatures that were read are not enough
    TooManyReferrers = Refused(Attempt), "too-many-referrers",
    /// the list of referrers, or of attestations in Grafeas, has more pages than the limit, and the signatures that were
    /// read are not enough
    TooManyPages = Refused(Attempt), "too-many-referrer-pages",
    /// a payload or bundle is larger than the limit, and the other signatures are not enough
    SignatureTooLarge = Refused(Attempt), "signature-too-large",
    /// an attestation, or a bundle that may contain one, is larger than the limit, and the other attestations are not enough
    AttestationTooLarge = Refused(Attempt), "attestation-too-large",
    /// all payloads and bundles together are larger than the limit, and the signatures that were read are not enough
    SignaturesTooLarge = Refused(Attempt), "signatures-too-large",
    /// a manifest or index is larger than the limit
    TooLarge = Refused(Attempt), "too-large",
    /// the headers of a response from the registry are larger than the limit
    HeadersTooLarge = Unavailable, "headers-too-large",
    /// the response of a token service is larger than the limit
    TokenTooLarge = Unavailable, "token-too-large",
    /// a registry redirects to an address that is not allowed
    RedirectRefused = Unavailable, "redirect-refused",
    /// a registry redirects more often than the limit
    TooManyRedirects = Unavailable, "too-many-redirects",
    /// the registry served bytes that do not match the digest
    DigestMismatch = Refused(Attempt), "digest-mismatch",
    /// the registry served a manifest that is malformed, ambiguous or of an unsupported kind
    BadManifest = Refused(Attempt), "bad-manifest",
    /// the registry has no such image
    NotFound = NotFound, "not-found",
    /// the registry cannot be reached or does not answer properly
    RegistryUnavailable = Unavailable, "registry-unavailable",
    /// the registry does not accept the credentials of the pull, or requires credentials that the pull does not have
    RegistryUnauthorized = Unavailable, "registry-unauthorized",
    /// the registry was busy at every attempt that the limits allow
    RegistryBusy = Unavailable, "registry-busy",
    /// one request to a registry did not end within its time limit
    RegistryTimeout = Unavailable, "registry-timeout",
    /// a connection to a registry could not be made within its time limit
    ConnectTimeout = Unavailable, "connect-timeout",
    /// too many requests to a registry are in progress, and none completed within the time limit
    TooManyRequests = Unavailable, "too-many-requests",
    /// all the memory for image documents and requests is in use, and none became free within the time limit
    MemoryInUse = Unavailable, "memory-in-use",
    /// TLS with the registry failed, because of its certificate, host name or TLS version, or because of this node's clock
    RegistryTls = Unavailable, "registry-tls",
    /// the signatures are valid, but the key service did not confirm them, which the policy requires
    KeyServiceUnavailable = Unavailable, "key-service-unavailable",
    /// the container would be restored from a checkpoint, or its image is not an image on the node and may be a checkpoint
    Checkpoint = Refused(Attempt), "checkpoint",
    /// the container runtime does not answer requests about the image
    RuntimeUnavailable = Refused(Attempt), "runtime-unavailable",
    /// verifying the image took longer than the time limit
    Timeout = Unavailable, "timeout",
    /// `pullgate doctor` asked for its canary, an image without a signature, and the policy refuses the canary
    Canary = Refused(Attempt), "canary",
    /// `pullgate doctor` asked for its canary, an image without a signature; the policy would admit the canary, but
    /// pullgate refuses it anyway
    CanaryAdmitted = Refused(Attempt), "canary-admitted",
    /// pullgate itself failed; the pull is refused
    Internal = Refused(Attempt), "internal",
}

impl Reason {
    /// Whether an image is admitted for this reason.
    pub fn admits(self) -> bool {
        self.kind() == Kind::Admitted
    }

    /// Whether the image was the canary of `pullgate doctor`, and not one that somebody wants to run.
    pub fn is_canary(self) -> bool {
        matches!(self, Self::Canary | Self::CanaryAdmitted)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes that admit, then the others, with their meaning and what to do.
    #[test]
    fn all_codes_and_no_others_are_documented() {
        let text = include_str!("../../docs/reasons.md");
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
        let documented: Vec<_> = cells
            .map(|cells| {
                assert!(cells.len() == 5 && !cells[3].is_empty(), "{cells:?}");
                (cells[1].trim_matches('`'), cells[2])
            })
            .collect();
        let expected = [true, false].into_iter().flat_map(|admits| {
            let those = Reason::ALL.iter().filter(move |reason| reason.admits() == admits);
            those.map(|reason| (reason.code(), reason.meaning()))
        });
        assert_eq!(documented, expected.collect::<Vec<_>>());
    }

    #[test]
    fn codes_are_distinct_and_plain() {
        let mut codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert!(codes.iter().all(|code| code.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'-'))));
        assert!(Reason::ALL.iter().all(|reason| !reason.meaning().is_empty()));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Reason::ALL.len());
    }
}
