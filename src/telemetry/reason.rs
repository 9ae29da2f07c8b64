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
    /// the rule for this name is off, so nothing was looked at
    RuleOff = Admitted, "rule-off",
    /// the image would be refused, but the rule for it is in audit mode
    AuditOnly = Admitted, "audit-only",
    /// the break-glass file lets the image through, whatever the policy says
    BreakGlass = Admitted, "break-glass",
    /// a rule refuses images of this name, or no rule applies and the default is to refuse
    DeniedByRule = Refused(Rule), "denied-by-rule",
    /// the time for which a rule allows images of this name unsigned is over
    AllowanceOver = Refused(Rule), "allowance-over",
    /// a rule allows only other digests of images of this name unsigned
    DigestNotAllowed = Refused(Evidence), "digest-not-allowed",
    /// the deny list has the digest, or the index lists one that is on it
    DigestDenied = Refused(Digest), "digest-denied",
    /// no policy is usable, so nothing can be admitted
    NoPolicy = Refused(Attempt), "no-policy",
    /// the image name is not one that containerd would accept
    InvalidReference = Refused(Attempt), "invalid-reference",
    /// no signature was found for the digest
    NoSignature = Refused(Signatures), "no-signature",
    /// signatures were found, but none of them is valid
    NoValidSignature = Refused(Signatures), "no-valid-signature",
    /// signatures were found, but no authenticator of the rule reads their kind
    OtherSignatureKind = Refused(Signatures), "other-signature-kind",
    /// a signature is valid, but by an identity that the authenticator does not accept
    WrongIdentity = Refused(Signatures), "wrong-identity",
    /// the certificate of a signature is not by an authority that the authenticator trusts
    UntrustedCertificate = Refused(Signatures), "untrusted-certificate",
    /// a signature was made when its certificate was not valid
    CertificateExpired = Refused(Signatures), "certificate-expired",
    /// the certificate of a signature is not valid now, and no timestamp shows that it was when the signature was made
    CertificateNotValidNow = Refused(Attempt), "certificate-not-valid-now",
    /// a signature says until when it counts, and that time is over
    SignatureExpired = Refused(Attempt), "signature-expired",
    /// a certificate of a signature is revoked, or its key is on the deny list
    CertificateRevoked = Refused(Signatures), "certificate-revoked",
    /// whether a certificate of a signature is revoked must be known, and is not
    RevocationUnknown = Refused(Attempt), "revocation-unknown",
    /// a signature requires a verification plug-in of notation, and pullgate runs none
    VerificationPlugin = Refused(Signatures), "verification-plugin",
    /// no authority of the trusted root was valid when a signature was made
    TrustRootExpired = Refused(Attempt), "trust-root-expired",
    /// the certificate of a signature is not shown by a certificate transparency log of the trusted root
    NoCertificateLog = Refused(Signatures), "no-certificate-log",
    /// a signature has no entry in a transparency log
    NoLogEntry = Refused(Signatures), "no-log-entry",
    /// the log entry of a signature is not by a log of the trusted root
    UntrustedLog = Refused(Signatures), "untrusted-log",
    /// the log entry of a signature is about another signature, certificate or image
    OtherLogEntry = Refused(Signatures), "other-log-entry",
    /// nothing that is signed shows when a signature was made
    NoSigningTime = Refused(Signatures), "no-signing-time",
    /// a signature is made with a hash that is too weak, or not supported
    WeakSignature = Refused(Signatures), "weak-signature",
    /// the key of a signature is revoked, or the primary key above it
    KeyRevoked = Refused(Signatures), "key-revoked",
    /// the key of a signature has expired, or the primary key above it
    KeyExpired = Refused(Attempt), "key-expired",
    /// a signature was made at a time that has not come
    FutureSigningTime = Refused(Attempt), "future-signing-time",
    /// the timestamp of a signature is not by an authority that the authenticator trusts, or of something else
    UntrustedTimestamp = Refused(Signatures), "untrusted-timestamp",
    /// some signatures are valid, but not all that the rule requires
    NotEnoughSignatures = Refused(Signatures), "not-enough-signatures",
    /// the image is on the node, but no evidence shows that it was verified under this name
    NotVerified = Refused(Evidence), "not-verified",
    /// more signatures are attached than the limit allows, and none of those read sufficed
    TooManySignatures = Refused(Attempt), "too-many-signatures",
    /// more referrers than the limit are attached, and none of those read sufficed
    TooManyReferrers = Refused(Attempt), "too-many-referrers",
    /// the registry spreads the referrers over more pages than the limit, and none of those read sufficed
    TooManyPages = Refused(Attempt), "too-many-referrer-pages",
    /// a payload or bundle is larger than the limit, and the others did not suffice
    SignatureTooLarge = Refused(Attempt), "signature-too-large",
    /// all payloads and bundles together are larger than the limit, and those read did not suffice
    SignaturesTooLarge = Refused(Attempt), "signatures-too-large",
    /// a manifest or index is larger than the limit
    TooLarge = Refused(Attempt), "too-large",
    /// the header of an answer is larger than the limit
    HeadersTooLarge = Unavailable, "headers-too-large",
    /// the answer of a token service is larger than the limit
    TokenTooLarge = Unavailable, "token-too-large",
    /// a registry redirects to where it must not
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
    /// the registry requires other credentials than the pull carries
    RegistryUnauthorized = Unavailable, "registry-unauthorized",
    /// the registry is busy, and stayed so for all the attempts that the limits allow
    RegistryBusy = Unavailable, "registry-busy",
    /// one request to a registry did not end within its time limit
    RegistryTimeout = Unavailable, "registry-timeout",
    /// a connection to a registry could not be made within its time limit
    ConnectTimeout = Unavailable, "connect-timeout",
    /// too many requests to a registry are under way, and none completed within the time limit
    TooManyRequests = Unavailable, "too-many-requests",
    /// documents of other images take all the memory that documents may have, and none became free within the time limit
    MemoryInUse = Unavailable, "memory-in-use",
    /// TLS with the registry failed: certificate, name, version, or this node's clock
    RegistryTls = Unavailable, "registry-tls",
    /// the signatures are valid, but the service that must confirm their key cannot be asked
    KeyServiceUnavailable = Unavailable, "key-service-unavailable",
    /// the container would be restored from a checkpoint or run from something that is not an image id
    Checkpoint = Refused(Attempt), "checkpoint",
    /// the container runtime does not answer questions about the image
    RuntimeUnavailable = Refused(Attempt), "runtime-unavailable",
    /// the time for verifying one pull is used up
    Timeout = Unavailable, "timeout",
    /// pullgate itself failed; the pull is refused
    Internal = Refused(Attempt), "internal",
}

impl Reason {
    /// Whether an image is admitted for this reason.
    pub fn admits(self) -> bool {
        self.kind() == Kind::Admitted
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
