//! Durations and sizes as people write them.

use std::time::Duration;

/// Seconds.
const DAY: u64 = 24 * 60 * 60;

/// The units that are written behind a number, each with its value.
pub type Units = [(&'static str, u64)];

/// Bytes.
pub const SIZES: &Units = &[("B", 1), ("KiB", 1024), ("MiB", 1024 * 1024)];
/// Milliseconds.
pub const DURATIONS: &Units = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 1000 * DAY)];
/// Seconds.
pub const AGES: &Units = &[("m", 60), ("h", 3600), ("d", DAY)];

/// Reads a whole number with one of these units, and nothing else.
pub fn parse_number(text: &str, units: &Units) -> Option<u64> {
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, written) = text.split_at_checked(end)?;
    let (_, value) = units.iter().find(|(name, _)| *name == written)?;
    number.parse::<u64>().ok()?.checked_mul(*value)
}

/// Reads a whole number with its unit, `500ms`, `15s`, `2m`, `12h` or `30d`, and nothing else.
pub fn parse_duration(text: &str) -> Option<Duration> {
    parse_number(text, DURATIONS).map(Duration::from_millis)
}

/// Writes a duration so that [`parse_duration`] reads it.
pub fn show_duration(duration: Duration) -> String {
    let (seconds, milliseconds) = (duration.as_secs(), duration.subsec_millis());
    match (seconds, milliseconds) {
        // One day is written in minutes, as the hours below it are.
        (seconds, 0) if seconds > DAY && seconds % DAY == 0 => format!("{}d", seconds / DAY),
        (seconds, 0) if seconds > 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        (seconds, 0) => format!("{seconds}s"),
        _ => format!("{}ms", duration.as_millis()),
    }
}

/// Reads a size, `512KiB` or `4MiB`, with or without a space before the unit.
pub fn parse_size(text: &str) -> Option<u64> {
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    parse_number(&format!("{number}{}", unit.trim_start_matches(' ')), SIZES)
}

/// Writes a size so that [`parse_size`] reads it.
pub fn show_size(bytes: u64) -> String {
    match bytes {
        bytes if bytes > 0 && bytes.is_multiple_of(1024 * 1024) => format!("{}MiB", bytes / 1024 / 1024),
        bytes if bytes > 0 && bytes.is_multiple_of(1024) => format!("{}KiB", bytes / 1024),
        bytes => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_and_writes_them_back() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("15s", 15_000),
            ("2m", 120_000),
            ("0s", 0),
            ("1500ms", 1500),
            ("1440m", 86_400_000),
            ("30d", 30 * 86_400_000),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
            assert_eq!(show_duration(Duration::from_millis(milliseconds)), text);
        }
        assert_eq!(parse_duration("12h"), parse_duration("720m"));
        for text in [
            "",
            "15",
            "s",
            "1.5s",
            "-1s",
            "15 s",
            "1w",
            "1h30m",
            "1.5d",
            "99999999999999999999s",
            "18446744073709551615m",
            "1s ",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn reads_sizes_and_writes_them_back() {
        for (text, bytes) in [("4MiB", 4 << 20), ("512KiB", 512 << 10), ("100B", 100), ("0B", 0)] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
            assert_eq!(show_size(bytes), text);
        }
        assert_eq!(parse_size("4 MiB"), Some(4 << 20));
        for text in ["", "4", "4MB", "4M", "-4MiB", "4.5MiB", "18446744073709551615MiB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
