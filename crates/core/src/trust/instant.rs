//! Times of certificates.

use jiff::Timestamp;
use x509_cert::time::Time;

/// The time as a timestamp. 99991231235959Z, which stands for no expiry (RFC 5280 section 4.1.2.5), is later than the last
/// timestamp, which is then the result.
pub(super) fn instant(time: Time) -> Timestamp {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok();
    seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or(Timestamp::MAX)
}
