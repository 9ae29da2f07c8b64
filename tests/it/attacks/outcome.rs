//! The outcome of a pull, from what the registries received and the daemon's own record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use pullgate_test::registry::{Log, Recorded};

/// The answer to kubelet, and the request to containerd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// containerd was asked for this name, once.
    Pulled(String),
    /// kubelet's `SignatureValidationFailed`.
    Refused,
    /// kubelet's `RegistryUnavailable`.
    Unavailable,
    /// The image does not exist.
    Absent,
    /// The request itself was refused, with this gRPC status.
    Unreadable(String),
}

/// The requests of a pull by tag whose image has a signature in the classic layout, over the usual payload.
pub(super) const SIGNED: &str = "tag sig fallback referrers";

/// The same over another payload, which has to be fetched.
pub(super) const FETCHED: &str = "tag sig fallback referrers blob";

/// The same without any signature.
pub(super) const UNSIGNED: &str = "tag sig fallback referrers";

impl Verdict {
    /// The verdict of an answer; `names` are the images that containerd pulled.
    pub(super) fn of(status: &str, line: &str, names: &str) -> Self {
        match status {
            "0" => Self::Pulled(names.to_owned()),
            "2" if line.starts_with("SignatureValidationFailed: ") => Self::Refused,
            "2" if line.starts_with("RegistryUnavailable: ") => Self::Unavailable,
            "5" => Self::Absent,
            _ => Self::Unreadable(status.to_owned()),
        }
    }
}

/// No body was read.
pub(super) const NOTHING: RangeInclusive<u64> = 0..=0;

/// The size of small documents: manifests, payloads, lists, errors.
pub(super) const LITTLE: RangeInclusive<u64> = 1..=8 << 10;

/// Up to a limit, which is reached, and the content of the socket buffers when the reader closes the connection.
pub(super) const fn bounded(limit: u64) -> RangeInclusive<u64> {
    limit / 2..=limit + (16 << 20)
}

/// Everything about a pull that an attack could change.
pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    /// The reason code of the daemon's record, which is also the one in kubelet's line.
    pub(super) reason: String,
    /// The line that kubelet sees.
    pub(super) line: String,
    /// How often each kind of request was made; with the host's name before those to other hosts than the test registry.
    requests: BTreeMap<String, usize>,
    /// Which of the marked credentials were sent, and the host if it is not the test registry.
    credentials: BTreeSet<String>,
    /// Bytes of all bodies that were read.
    bytes: u64,
    /// The recorded requests.
    lines: Vec<String>,
    /// The daemon's log during the pull.
    pub(super) log: String,
    asserted: Arc<AtomicBool>,
}

/// Everything but the log.
impl Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut all = f.debug_struct("Outcome");
        all.field("verdict", &self.verdict).field("reason", &self.reason).field("line", &self.line);
        all.field("credentials", &self.credentials).field("bytes", &self.bytes);
        all.field("lines", &self.lines).finish()
    }
}

/// The expected outcome of a pull. An omitted field is asserted too: no request was sent, no credentials were sent,
/// few bytes were read.
pub(super) struct Expect<'a> {
    pub(super) verdict: &'a Verdict,
    /// The reason code of the daemon's record; empty if it writes no record.
    pub(super) reason: &'a str,
    /// Kinds of requests (see [`kind`]), each once, or with a count `*3` or `*1..4` (inclusive); `?` is `*0..1`. The
    /// test fails on a request of any other kind.
    pub(super) requests: &'a str,
    /// The names of the secrets that were sent (see [`Watch::mark`]), with `@host` if not to the test registry. The test
    /// fails on any other secret that was sent.
    pub(super) credentials: &'a str,
    /// How many bytes of bodies were read from the registries.
    pub(super) bytes: RangeInclusive<u64>,
}

impl Default for Expect<'_> {
    fn default() -> Self {
        Self { verdict: &Verdict::Refused, reason: "", requests: "", credentials: "", bytes: LITTLE }
    }
}

impl<'a> Expect<'a> {
    /// The image is pulled, because the policy's requirement was met.
    pub(super) fn verified(pulled: &'a Verdict) -> Self {
        Self { verdict: pulled, reason: "verified", ..Self::default() }
    }

    /// [`Expect::verified`] if the reason code is `verified`, otherwise [`Expect::refused`]: for tables.
    pub(super) fn decided(reason: &'a str, pulled: &'a Verdict) -> Self {
        if reason == "verified" { Self::verified(pulled) } else { Self::refused(reason) }
    }

    /// kubelet gets `SignatureValidationFailed` with this reason code.
    pub(super) fn refused(reason: &'a str) -> Self {
        Self { verdict: &Verdict::Refused, reason, ..Self::default() }
    }

    /// kubelet gets `RegistryUnavailable` with this reason code.
    pub(super) fn unavailable(reason: &'a str) -> Self {
        Self { verdict: &Verdict::Unavailable, reason, ..Self::default() }
    }
}

impl Outcome {
    /// Asserts all five at once; `about` is the row of a table, for the message.
    #[track_caller]
    pub(super) fn assert(&self, about: impl Debug, expect: Expect<'_>) {
        self.asserted.store(true, Ordering::Relaxed);
        let Expect { verdict, reason, requests, credentials, bytes } = expect;
        assert_eq!((&self.verdict, self.reason.as_str()), (verdict, reason), "{about:?}: {self:#?}");
        let mut left = self.requests.clone();
        for wanted in requests.split_whitespace() {
            let (kind, times) = times(wanted);
            let made = left.remove(kind).unwrap_or(0);
            assert!(times.contains(&made), "{about:?}: {kind} {made} times, not {times:?}: {self:#?}");
        }
        assert!(left.is_empty(), "{about:?}: more requests than {requests:?}: {left:?} of {self:#?}");
        let shown: BTreeSet<String> = credentials.split_whitespace().map(str::to_owned).collect();
        assert_eq!(self.credentials, shown, "{about:?}: {self:#?}");
        assert!(bytes.contains(&self.bytes), "{about:?}: {} bytes, not {bytes:?}: {self:#?}", self.bytes);
    }
}

fn times(wanted: &str) -> (&str, RangeInclusive<usize>) {
    if let Some(kind) = wanted.strip_suffix('?') {
        return (kind, 0..=1);
    }
    let Some((kind, times)) = wanted.split_once('*') else { return (wanted, 1..=1) };
    let number = |text: &str| text.parse::<usize>().unwrap();
    match times.split_once("..") {
        Some((from, to)) => (kind, number(from)..=number(to)),
        None => (kind, number(times)..=number(times)),
    }
}

/// Secrets with their names in the tests, and the registries that may receive them.
#[derive(Default)]
pub(super) struct Watch {
    marks: Vec<(String, String)>,
    logs: Vec<(String, Log)>,
    /// Whether the test has asserted an outcome, or has declared that it need not.
    asserted: Arc<AtomicBool>,
}

/// A test of an attack must assert everything about the outcome: the verdict alone is not enough.
impl Drop for Watch {
    fn drop(&mut self) {
        let asserted = self.asserted.load(Ordering::Relaxed) || std::thread::panicking();
        assert!(asserted, "assert an outcome, or call `only_verdicts` if the test is not about an attack");
    }
}

/// The current position in each log.
pub(super) struct Since(Vec<(usize, u64)>);

impl Watch {
    /// Another registry to record; the first one is the test registry.
    pub(super) fn log(&mut self, name: &str, log: Log) {
        self.logs.push((name.to_owned(), log));
    }

    /// Names a secret, which must not occur by chance.
    pub(super) fn mark(&mut self, name: &str, secret: &str) {
        assert!(secret.len() >= 6, "{name} is too short to be recognised");
        let mark = (name.to_owned(), secret.to_owned());
        if !self.marks.contains(&mark) {
            self.marks.push(mark);
        }
    }

    /// The test only checks verdicts.
    pub(super) fn only_verdicts(&self) {
        self.asserted.store(true, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Since {
        let place = |(_, log): &(String, Log)| (log.requests().len(), log.written());
        Since(self.logs.iter().map(place).collect())
    }

    pub(super) fn outcome(&self, since: &Since, verdict: Verdict, reason: String, line: String) -> Outcome {
        let (mut requests, mut credentials) = (BTreeMap::new(), BTreeSet::new());
        let (mut bytes, mut lines) = (0, Vec::new());
        for (number, ((name, log), (from, written))) in self.logs.iter().zip(&since.0).enumerate() {
            let tokens = log.tokens();
            bytes += log.written() - written;
            for request in log.requests().get(*from..).unwrap_or_default() {
                let kind = kind(request);
                let kind = if number == 0 { kind } else { format!("{name}:{kind}") };
                *requests.entry(kind).or_insert(0) += 1;
                lines.push(format!("{name}: {}", request.line()));
                let shown = self.shown(request, &tokens);
                let named = |mark| if number == 0 { mark } else { format!("{mark}@{name}") };
                credentials.extend(shown.into_iter().map(named));
            }
        }
        let (log, asserted) = (String::new(), Arc::clone(&self.asserted));
        Outcome { verdict, reason, line, requests, credentials, bytes, lines, log, asserted }
    }

    /// The marks of the secrets that a request contains.
    fn shown(&self, request: &Recorded, tokens: &[String]) -> BTreeSet<String> {
        let mut texts = vec![request.uri.to_string(), unescaped(request.uri.query().unwrap_or_default())];
        let body = String::from_utf8_lossy(&request.body).into_owned();
        texts.extend([unescaped(&body), body]);
        texts.extend(request.headers.values().map(|value| String::from_utf8_lossy(value.as_bytes()).into()));
        let authorization = request.header("authorization");
        let basic = authorization.and_then(|value| value.strip_prefix("Basic "));
        let decoded = basic.and_then(|text| STANDARD.decode(text).ok());
        texts.extend(decoded.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
        let held = |secret: &str| texts.iter().any(|text| text.contains(secret));
        let mut shown: BTreeSet<String> =
            self.marks.iter().filter(|(_, secret)| held(secret)).map(|(name, _)| name.clone()).collect();
        let bearer = authorization.and_then(|value| value.strip_prefix("Bearer "));
        if bearer.is_some_and(|bearer| tokens.iter().any(|token| token == bearer)) {
            shown.insert("token".to_owned());
        } else if authorization.is_some() && shown.is_empty() {
            shown.insert("unknown".to_owned());
        }
        shown
    }
}

fn unescaped(form: &str) -> String {
    let url = reqwest::Url::parse(&format!("http://x/?{form}")).unwrap();
    url.query_pairs().map(|(name, value)| format!("{name}={value}\n")).collect()
}

/// The kind of a request: `tag`, `manifest` (by digest), `sig` and `fallback` (the tags of signatures), `referrers`,
/// `blob`, `token`, `grafeas`, `other`; preceded by the method unless it is GET, and followed by `?ns` if it names the registry
/// that the mirror is used for.
fn kind(request: &Recorded) -> String {
    let path = request.uri.path();
    let last = path.rsplit('/').next().unwrap_or_default();
    let kind = match path {
        "/token" => "token",
        _ if path.contains("/manifests/") => match last {
            _ if last.starts_with("sha256-") && last.ends_with(".sig") => "sig",
            _ if last.starts_with("sha256-") && last.ends_with(".att") => "att",
            _ if last.starts_with("sha256-") || last.starts_with("sha512-") => "fallback",
            _ if last.contains(':') => "manifest",
            _ => "tag",
        },
        _ if path.contains("@sha256=") => "lookaside",
        _ if path.ends_with("/occurrences") => "grafeas",
        _ if path.contains("/blobs/") => "blob",
        _ if path.contains("/referrers/") => "referrers",
        _ => "other",
    };
    let method = match request.method.as_str() {
        "GET" => String::new(),
        method => format!("{method}-"),
    };
    let mirror = request.uri.query().is_some_and(|query| query.starts_with("ns="));
    format!("{method}{kind}{}", if mirror { "?ns" } else { "" })
}

/// The daemon's own records of pulls in its log: verdict and reason of each.
pub(super) fn recorded(log: &str) -> Vec<(String, String)> {
    let record = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| line["fields"][name].as_str().map(str::to_owned);
        Some((text("verdict")?, text("reason")?))
    };
    log.lines().filter_map(record).collect()
}

#[test]
fn request_counts_are_parsed() {
    for (wanted, expected) in [
        ("tag", ("tag", 1..=1)),
        ("tag?", ("tag", 0..=1)),
        ("tag*3", ("tag", 3..=3)),
        ("a*1..4", ("a", 1..=4)),
    ] {
        assert_eq!(times(wanted), expected);
    }
}
