//! The options whose tests need a real containerd: `options::every_listed_option_has_its_test` of this program names them.

/// File and option.
pub(crate) const TESTED: &[(&str, &str)] = &[
    ("pullgate.toml", "[listen] socket"),
    ("pullgate.toml", "[listen] group"),
    ("pullgate.toml", "[listen] mode"),
    ("pullgate.toml", "[control] socket"),
    ("pullgate.toml", "[runtime] socket"),
    ("pullgate.toml", "[runtime] image-socket"),
    ("pullgate.toml", "[gate] image-status"),
    ("pullgate.toml", "[gate] sandbox-image"),
    ("pullgate.toml", "[scan] interval"),
    ("pullgate.toml", "[scan] remove-unused"),
    ("pullgate.toml", "[ledger] directory"),
    ("pullgate.toml", "[metrics] listen"),
    ("pullgate.toml", "[metrics] textfile"),
    ("pullgate.toml", "[metrics] textfile-interval"),
    ("pullgate.toml", "[log] format"),
    ("pullgate.toml", "[log] level"),
    ("expectations", "[[case]] image"),
    ("expectations", "[[case]] pod-namespace"),
    ("expectations", "[[case]] rule"),
    ("expectations", "[[case]] action"),
    ("expectations", "[[case]] mode"),
    ("signer.toml", "[keys] pkcs11.module"),
    ("signer.toml", "[keys] pkcs11.pin-file"),
];
