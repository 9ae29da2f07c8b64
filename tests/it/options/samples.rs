//! What the sample files say besides the options: introductions, and examples of the tables that are read by hand.

/// A table that is read by hand.
pub(super) struct ByHand {
    /// What to know about the table before its options.
    pub(super) about: &'static str,
    /// Its header in the declarations.
    pub(super) section: &'static str,
    pub(super) example: &'static str,
}

pub(super) const PULLGATE: &str = "\
#:schema /usr/share/pullgate/schema/daemon.json
#
# /etc/pullgate/pullgate.toml: sockets, registries and limits of the daemon. Every value here is the default, and the file
# is optional. policy.toml decides which images may run.
# The daemon reads this file only at startup, and an invalid file prevents startup: run `pullgate policy check` before a
# restart.
#
# Lines that begin with `#!` are examples: remove `#! ` to use them.
";

pub(super) const SIGNER: &str = "\
#:schema /usr/share/pullgate/schema/signer.json
#
# /etc/pullgate/signer.toml: which images `pullgate-signer`, the service beside a registry, signs, and with which keys. Every
# value here is the default, except the host. `pullgate-signer check` checks this file and opens the keys that are in files.
# SIGHUP reloads this file. Changes of [listen], [control], [metrics], [state] and a part of [limits] need a restart. Logging
# is configured in [log] of pullgate.toml.
#
# Lines that begin with `#!` are examples: remove `#! ` to use them.
";

pub(super) const SIGNING: &[ByHand] = &[
    ByHand {
        about: "The keys that sign.",
        section: "[authenticator.NAME]",
        example: r#"
#! [authenticator.release]
#! key = "keys/release.key"
#! algorithm = "RSA_PSS_SHA_256"
#! certificate-chain = "keys/release.chain.pem"
#! signatures-per-second = 200
"#,
    },
    ByHand {
        about: "A rule signs the images that are pushed after the service first loaded the rule; for older images, run \
                `pullgate-signer request`. A changed rule counts as a new rule. A scope is a namespace or a repository.",
        section: "[[rule]]",
        example: r#"
#! [[rule]]
#! name = "payments"
#! authenticator = "release"
#! scope = ["registry.example.com/payments"]
#! trigger = "manual"
#! layout = "notation"
#! envelope = "cose"
#! expires-in = "365d"
#! timestamp = "http://timestamp.example.com"
#! timestamp-ca = ["/etc/pullgate/keys/timestamp-roots.pem"]
#! tags = { include = ["v*"], exclude = ["*-rc*"] }
"#,
    },
];

pub(super) const POLICY: &str = "\
#:schema /usr/share/pullgate/schema/policy.json
#
# /etc/pullgate/policy.toml: which images this node runs.
#
# Until you edit this file, pullgate refuses every pull. `pullgate policy check` reports every problem in it and in
# policy.d/*.toml. These files form one policy; the order of files and rules has no effect. Only root and the user of the
# daemon may have write permission for policy files, key files and their directories.
#
# Lines that begin with `#!` are examples: remove `#! ` to use them.
";

pub(super) const RULES: &[ByHand] = &[
    ByHand { about: "", section: "", example: "default = \"deny\"\n" },
    ByHand {
        about: "\
An authenticator names one or more public keys and their algorithm. A key is in a PEM file (BEGIN PUBLIC KEY), or in Alibaba Cloud \
KMS, Vault, OpenBao or a PKCS#11 token, pinned by its fingerprint. The daemon fetches such a key once (`[keys]` in \
pullgate.toml); to fetch it by hand, run `pullgate-signer keys fetch`:
  keys = [{ source = \"alikms://KEY/VERSION?region=cn-hangzhou\", fingerprint = \"sha256:…\" }]
  keys = [{ source = \"vault://release?mount=transit&version=1\", fingerprint = \"sha256:…\" }]
A key may also set `algorithm`, `salt-length`, `verify` and the `remote-` options for itself.",
        section: "[authenticator.NAME]",
        example: r#"
#! [authenticator.release]
#! algorithm = "RSA_PSS_SHA_256"
#! keys = [
#!     { file = "keys/release-2026.pem", not-after = 2027-01-01T00:00:00Z },
#!     { file = "keys/release-2027.pem", not-before = 2026-12-01T00:00:00Z, algorithm = "ECDSA_SHA_256" },
#! ]

#! [authenticator.security]
#! algorithm = "ECDSA_SHA_256"
#! keys = [{ file = "keys/security.pem" }]
"#,
    },
    ByHand {
        about: "\
An attestation is a condition that rules can require: what a signed statement about the image must say, and whose signature it \
must have. See docs/attestations.md.",
        section: "[attestation.NAME]",
        example: r#"
#! [attestation.scanned]
#! type = "vulnerabilities"
#! by = "security"
#! max-age = "7d"
#! max-severity = "medium"
#! except = ["CVE-2026-0001"]
"#,
    },
    ByHand {
        about: "\
Rules. A scope is a repository and everything below it, in whole path segments, or a host for its whole registry. `*` matches \
characters within a segment, `**` whole segments. Only the most specific matching scope applies; two equally specific scopes that \
match the same name are an error. `nginx` is docker.io/library/nginx.
Hosts are compared in one form: lower case, without port 443, and docker.io for index.docker.io, registry-1.docker.io and \
registry.hub.docker.com. A rule does not match the other names of a registry, such as its address, another port or a DNS alias, so \
deny by default and allow hosts by name.
A rule has one of `require`, `allow` and `deny`. If a pull does not name the pod's namespace, each of the rules that differ \
in `pods` must admit the image.
A key counts once, however many signatures it made and however many authenticators contain it. Use a separate key for each \
scope, or `layouts = [\"classic\"]`, because classic signatures name their repository.",
        section: "[[namespace]]",
        example: r#"
#! [[namespace]]
#! scope = "registry.example.com/payments"
#! require = { all = ["release", "security"] }
#! # Other names of the same images, under which they may be signed:
#! aliases = ["registry-vpc.example.com/payments"]

#! [[namespace]]
#! scope = "registry.example.com"
#! require = { any = ["release"] }

#! [[namespace]]
#! scope = "registry.example.com/production"
#! require = { all = ["release"], attestations = ["scanned"] }

#! [[namespace]]
#! scope = "registry.example.com"
#! pods = ["sandbox", "sandbox-*"]
#! require = { any = ["release", "security"] }
#! mode = "audit"

#! [[namespace]]
#! scope = "registry.k8s.io"
#! allow = "unsigned"
#! reason = "images of the cluster itself, needed before anything else runs"
#! until = 2030-01-01T00:00:00Z

#! [[namespace]]
#! scope = "quay.io/tools"
#! require = { any = ["security"] }
#! accept = "either"
#! layouts = ["classic"]

#! [[namespace]]
#! scope = "docker.io/bitnami/**"
#! deny = "use the images of registry.example.com/base instead"
"#,
    },
    ByHand {
        about: "The deny list has precedence over all rules. Signatures by a denied key never count, whichever \
                authenticator has the key. The fingerprint of the compressed form of an EC key denies the key, too.",
        section: "[deny]",
        example: r#"
#! [deny]
#! digests = [{ digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000", reason = "backdoor" }]
#! keys = [{ key = "sha256:0000000000000000000000000000000000000000000000000000000000000000", reason = "laptop stolen" }]
"#,
    },
];

pub(super) const BREAK_GLASS: &str = "\
#:schema /usr/share/pullgate/schema/break-glass.json
#
# /etc/pullgate/break-glass.toml: exceptions for an emergency. The images that this file names run for a short time,
# whatever the policy says. The packages do not install this file: copy it there in an emergency, and remove it afterwards.
# The daemon reads it at each decision, so no reload is needed, and logs each use of an exception.
#
# Only root and the user of the daemon may have write permission for this file. If it has any error, no exception applies.
# Lines that begin with `#!` are examples: remove `#! ` to use them.
";

pub(super) const EXCEPTIONS: &[ByHand] = &[ByHand {
    about: "One image or index, or all images of a scope.",
    section: "[[open]]",
    example: r#"
#! [[open]]
#! digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
#! reason = "incident 4711: the signing service is down"
#! until = 2026-06-02T12:00:00Z

#! [[open]]
#! scope = "registry.example.com/payments"
#! reason = "incident 4711: the signing service is down"
#! until = 2026-06-02T12:00:00Z
"#,
}];
