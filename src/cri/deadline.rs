//! `grpc-timeout`: the caller's deadline, which runs while a pull is verified.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, "Timeout": at most 8 digits and a unit.

use std::time::Duration;

use http::header::{HeaderMap, HeaderValue};

const GRPC_TIMEOUT: &str = "grpc-timeout";

/// Lowers the deadline in `headers` by what was `spent`. A deadline that we cannot read crosses as it is.
pub(super) fn reduce(headers: &mut HeaderMap, spent: Duration) {
    let Some(limit) = headers.get(GRPC_TIMEOUT).and_then(|value| parse(value.to_str().ok()?)) else { return };
    if let Ok(value) = HeaderValue::from_str(&format(limit.saturating_sub(spent))) {
        headers.insert(GRPC_TIMEOUT, value);
    }
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

fn format(limit: Duration) -> String {
    let units = [("u", limit.as_micros()), ("m", limit.as_millis()), ("S", u128::from(limit.as_secs()))];
    units
        .into_iter()
        .find(|(_, count)| *count < 100_000_000)
        .map_or_else(|| format!("{}H", limit.as_secs() / 3600), |(unit, count)| format!("{count}{unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_is_taken_off() {
        for (given, spent, expected) in [
            ("5S", Duration::from_millis(1500), "3500000u"),
            ("2H", Duration::from_secs(3600), "3600000m"),
            ("100m", Duration::from_secs(1), "0u"),
            ("99999999S", Duration::from_secs(1), "99999998S"),
            ("99999999H", Duration::ZERO, "99999999H"),
            // Not deadlines: left to the runtime to make something of.
            ("soon", Duration::from_secs(1), "soon"),
            ("123456789S", Duration::from_secs(1), "123456789S"),
            ("S", Duration::from_secs(1), "S"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_TIMEOUT, given.parse().unwrap());
            reduce(&mut headers, spent);
            assert_eq!(headers[GRPC_TIMEOUT], expected, "{given} less {spent:?}");
        }
    }

    #[test]
    fn no_deadline_stays_none() {
        let mut headers = HeaderMap::new();
        reduce(&mut headers, Duration::from_secs(1));
        assert!(headers.is_empty());
    }
}
