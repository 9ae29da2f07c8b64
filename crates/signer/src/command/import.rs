//! `pullgate-signer import`: converts another system's policy.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pullgate::config::{Problems, load_daemon_text, load_policy_text};
use pullgate_cli::{Outcome, output};
use pullgate_core::trust::{Algorithm, RootError, TrustedRoot};
use pullgate_import::{
    self as import, BinaryAuthorization, ConfigPart, ImportError, MAX_DOCUMENT_BYTES, Note, Options,
    SecurityCenter,
};

/// Arguments of `pullgate-signer import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 the policy decides as the original does (notes of `not imported` do not affect images), 1 the policy was
written, but decides differently: see the notes of `stricter` and `wider`, 2 nothing was imported.")]
// Replaces the option that other commands have.
#[command(arg = super::no_config())]
pub(super) struct Import {
    #[command(subcommand)]
    source: Source,
    /// Write the result to this new file instead of standard output; an existing file is never overwritten
    #[arg(long, global = true, value_name = "FILE")]
    out_file: Option<PathBuf>,
    /// Algorithm of the keys for which the input names no algorithm. Required for RSA keys (RSA_PSS_SHA_256,
    /// RSA_PKCS1_SHA_256, …), and for other keys that do not use their default algorithm (ECDSA_P384_SHA_256, ED25519PH, …)
    #[arg(long, global = true, value_name = "NAME")]
    algorithm: Option<Algorithm>,
    /// Where pullgate has no exact equivalent, admit more images than the original policy instead of fewer, and report each
    /// case
    #[arg(long, global = true)]
    widen: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Source {
    /// Alibaba Cloud Security Center: responses of DescribeAttestors and DescribeBinarySecurityPolicies
    SecurityCenter {
        /// Response of DescribeAttestors; repeat for each page
        #[arg(long, value_name = "FILE", required = true)]
        attestors: Vec<PathBuf>,
        /// Response of DescribeBinarySecurityPolicies; repeat for each page
        #[arg(long, value_name = "FILE", required = true)]
        policies: Vec<PathBuf>,
        /// ID of the cluster that this node belongs to
        #[arg(long, value_name = "ID")]
        cluster: String,
        /// Public key of an attestor, as `pullgate-signer keys public` writes it
        #[arg(long = "public-key", value_name = "ATTESTOR=FILE", value_parser = named)]
        public_keys: Vec<(String, PathBuf)>,
    },
    /// kritis and kritis-validation-hook: AttestationAuthority, GenericAttestationPolicy, AdmissionAllowlist
    Kritis {
        /// YAML files; all documents and lists in the files are read
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Google's Binary Authorization: the policy of a project, and its attestors
    Binauthz {
        /// The policy, as `gcloud container binauthz policy export` writes it
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Attestors, as `gcloud container binauthz attestors list` or `describe` writes them; repeat for each file
        #[arg(long = "attestors", value_name = "FILE")]
        attestors: Vec<PathBuf>,
        /// Cluster that this node belongs to, as LOCATION.NAME
        #[arg(long, value_name = "CLUSTER")]
        cluster: Option<String>,
    },
    /// Public keys of cosign
    Cosign {
        /// PEM files; each file name becomes the name of an authenticator
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Scope of the images that these keys sign, for example `registry.example.com/team`
        #[arg(long)]
        scope: String,
    },
    /// The trust policy of notation, with its trust stores
    Notation {
        /// trustpolicy.oci.json or trustpolicy.json
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Directory with the trust stores (x509/TYPE/NAME); default: truststore beside the file
        #[arg(long, value_name = "DIR")]
        trust_store: Option<PathBuf>,
    },
    /// The policy.json of podman, skopeo and CRI-O
    Containers {
        /// policy.json; keys are read from the paths that this file names
        #[arg(value_name = "FILE", default_value = "/etc/containers/policy.json")]
        file: PathBuf,
        /// trusted_root.json with the keys of Rekor (`rekorPublicKey…`) and the CA of Fulcio (`fulcio`) that the file names
        #[arg(long, value_name = "FILE")]
        trust_root: Option<PathBuf>,
    },
    /// The registries.d of podman, skopeo and CRI-O: a part of pullgate.toml that says where GPG signatures are stored
    RegistriesD {
        /// The directory
        #[arg(value_name = "DIR", default_value = "/etc/containers/registries.d")]
        directory: PathBuf,
    },
    /// kubelet's CredentialProviderConfig: a part of pullgate.toml with the programs that print credentials
    CredentialProviders {
        /// The file that kubelet's option --image-credential-provider-config names, in YAML or JSON
        file: PathBuf,
        /// The directory of the programs, as kubelet's option --image-credential-provider-bin-dir
        #[arg(long, value_name = "DIR")]
        bin_dir: String,
    },
}

fn named(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("write ATTESTOR=FILE")?;
    Ok((name.to_owned(), PathBuf::from(file)))
}

impl Import {
    pub(super) fn run(self) -> Outcome {
        match self.import() {
            Ok(notes) => {
                for note in &notes {
                    output::note(&note.to_string());
                }
                let differs = notes.iter().any(|note| note.effect.differs());
                if differs { Outcome::Refused } else { Outcome::Success }
            }
            Err(error) => {
                output::error(&error);
                Outcome::Usage
            }
        }
    }

    fn import(&self) -> Result<Vec<Note>, CommandError> {
        let options = Options { algorithm: self.algorithm, widen: self.widen };
        let (text, notes) = self.source.read(options)?;
        match &self.out_file {
            None => output::text(&text),
            Some(path) => {
                create(path, &text).map_err(|error| CommandError::Output { path: path.clone(), error })?
            }
        }
        Ok(notes)
    }
}

/// A text that was written, and how it differs from the original.
type Written = (String, Vec<Note>);

impl Source {
    /// Converts the source. What was written loads.
    fn read(&self, options: Options) -> Result<Written, CommandError> {
        let imported = match self {
            Self::SecurityCenter { attestors, policies, cluster, public_keys } => {
                let read =
                    |files: &[PathBuf]| files.iter().map(|file| bytes(file)).collect::<Result<Vec<_>, _>>();
                let (attestors, policies) = (read(attestors)?, read(policies)?);
                let mut keys = BTreeMap::new();
                for (name, file) in public_keys {
                    keys.insert(name.clone(), text(file)?);
                }
                let source = SecurityCenter {
                    attestors: &attestors,
                    policies: &policies,
                    cluster,
                    public_keys: &keys,
                };
                import::security_center(&source, options)
            }
            Self::Kritis { files } => {
                let texts = files.iter().map(|file| text(file)).collect::<Result<Vec<_>, _>>()?;
                import::kritis(&texts, options)
            }
            Self::Binauthz { file, attestors, cluster } => {
                let attestors = attestors.iter().map(|file| text(file)).collect::<Result<Vec<_>, _>>()?;
                let policy = text(file)?;
                let source = BinaryAuthorization {
                    policy: &policy,
                    attestors: &attestors,
                    cluster: cluster.as_deref(),
                };
                import::binauthz(&source, options)
            }
            Self::Cosign { files, scope } => {
                let mut keys = Vec::new();
                for file in files {
                    let name = file.file_stem().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
                    keys.push((name, text(file)?));
                }
                import::cosign(&keys, scope, options)
            }
            Self::Notation { file, trust_store } => {
                let beside = || file.with_file_name("truststore");
                let root = trust_store.clone().unwrap_or_else(beside).join("x509");
                let stores = |kind: &str, name: &str| certificates(&root.join(kind).join(name));
                import::notation(&bytes(file)?, &stores, options)
            }
            Self::Containers { file, trust_root } => {
                let files = |path: &str| bounded(Path::new(path));
                let root = trust_root.as_deref().map(trusted_root).transpose()?;
                import::containers(&bytes(file)?, &files, root.as_ref(), options)
            }
            Self::RegistriesD { directory } => return part(import::registries_d(&texts(directory)?)),
            Self::CredentialProviders { file, bin_dir } => {
                return part(import::credential_providers(&text(file)?, bin_dir));
            }
        };
        let imported = imported.map_err(CommandError::Import)?;
        let policy = imported.policy();
        load_policy_text(&policy, Timestamp::now()).map_err(CommandError::Load)?;
        Ok((policy, imported.notes().to_vec()))
    }
}

/// The trusted root in a file, which the policy then names.
fn trusted_root(path: &Path) -> Result<TrustedRoot, CommandError> {
    let failed = |error| CommandError::File { path: path.to_owned(), error };
    let text = text(path)?;
    let origin = std::path::absolute(path).map_err(failed)?.display().to_string();
    TrustedRoot::parse(origin, &text)
        .map_err(|error| CommandError::TrustRoot { path: path.to_owned(), error })
}

/// A part of pullgate.toml, which loads.
fn part(imported: Result<ConfigPart, ImportError>) -> Result<Written, CommandError> {
    let ConfigPart { text, notes } = imported.map_err(CommandError::Import)?;
    load_daemon_text(&text).map_err(CommandError::Load)?;
    Ok((text, notes))
}

/// Never overwrites a file: it may be the policy in force.
fn create(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).inspect_err(|_| {
        // An incomplete policy is useless, and would block the next run.
        let _ = fs::remove_file(path);
    })
}

/// The files in a directory of a trust store, which must be regular files (notation-go `verifier/truststore/truststore.go`).
fn certificates(directory: &Path) -> std::io::Result<Vec<String>> {
    let irregular = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidInput, what);
    if directory.is_symlink() {
        return Err(irregular("the directory is a symbolic link, which notation does not follow"));
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(std::path::absolute(directory)?)? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            return Err(irregular("it has something that is not a regular file, which notation refuses"));
        }
        let path = entry.path();
        files.push(path.to_str().ok_or_else(|| irregular("the name of a file is not UTF-8"))?.to_owned());
    }
    if files.is_empty() {
        return Err(irregular("it has no certificate"));
    }
    files.sort();
    Ok(files)
}

fn bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_DOCUMENT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn utf8(bytes: Vec<u8>) -> std::io::Result<String> {
    String::from_utf8(bytes).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}

fn bytes(path: &Path) -> Result<Vec<u8>, CommandError> {
    bounded(path).map_err(|error| CommandError::File { path: path.to_owned(), error })
}

/// The YAML files in a directory, by name.
fn texts(directory: &Path) -> Result<Vec<(String, String)>, CommandError> {
    let failed = |error| CommandError::File { path: directory.to_owned(), error };
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".yaml") {
            names.push(name);
        }
    }
    names.sort_unstable();
    names.into_iter().map(|name| Ok((name.clone(), text(&directory.join(name))?))).collect()
}

fn text(path: &Path) -> Result<String, CommandError> {
    bounded(path).and_then(utf8).map_err(|error| CommandError::File { path: path.to_owned(), error })
}

#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("cannot read {path}")]
    File {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("{path} is not a trusted root")]
    TrustRoot {
        path: PathBuf,
        #[source]
        error: RootError,
    },
    #[error("nothing was imported")]
    Import(#[source] ImportError),
    #[error(
        "nothing was imported, because the converted policy is not valid; change the original, or write the policy by hand"
    )]
    Load(#[source] Problems),
    #[error("cannot write {path}")]
    Output {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
}
