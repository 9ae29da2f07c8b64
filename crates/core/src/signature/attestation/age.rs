//! Ages as the policy writes them.

use jiff::SignedDuration;

/// In the largest unit that is whole: `7d`, `36h` or `90m`.
pub(super) fn show(age: SignedDuration) -> String {
    match age.as_secs() {
        seconds if seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
        seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds => format!("{}m", seconds / 60),
    }
}
