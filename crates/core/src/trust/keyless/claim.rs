//! What Fulcio writes into a certificate about the build that signs.

macro_rules! claims {
    ($($(#[doc = $doc:literal])+ $variant:ident = $arc:literal, $name:literal, $who:literal;)+) => {
        /// A claim of a certificate: an extension of Fulcio's arc 1.3.6.1.4.1.57264.1 (sigstore/fulcio
        /// `docs/oid-info.md`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Claim {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Claim {
            /// All claims.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The option in the policy.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The last arc of its object identifier.
            pub(super) fn arc(self) -> u32 {
                match self { $(Self::$variant => $arc,)+ }
            }

            /// Whether it says who signs, rather than under which circumstances.
            pub fn says_who(self) -> bool {
                match self { $(Self::$variant => $who,)+ }
            }
        }
    };
}

claims! {
    /// The build configuration that requested the signature, with its ref; the subject is made of it.
    Workflow = 9, "workflow", true;
    /// The kind of runner, such as `github-hosted`.
    Runner = 11, "runner", false;
    /// The repository that was built.
    SourceRepository = 12, "source-repository", true;
    /// The ref that was built.
    SourceRef = 14, "source-ref", false;
    /// The immutable number of the repository; a repository of the same name that is made later has another.
    SourceRepositoryId = 15, "source-repository-id", true;
    /// The immutable number of the owner of the repository.
    SourceRepositoryOwnerId = 17, "source-repository-owner-id", true;
    /// The build configuration that ran at the top, with its ref.
    BuildConfig = 18, "build-config", true;
    /// The event that started the build, such as `push`.
    Trigger = 20, "trigger", false;
}
