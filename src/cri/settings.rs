//! The options of the proxy.

use std::time::Duration;

/// Options of connections and of the intercepted calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CriSettings {
    /// How many connections of callers are open.
    pub connections: usize,
    /// How long to wait after a pull until the runtime finds the image by its name.
    pub tag_record_timeout: Duration,
    /// Whether images that are present but not admitted are withheld from ImageStatus.
    pub image_status: bool,
    /// Whether containers and pods may be restored from checkpoints, whose content is not verified.
    pub checkpoint_restore: bool,
    /// Whether methods that our definitions of the CRI lack are forwarded where they may bring or run an image.
    pub unknown_methods: bool,
    /// Whether the name that a runtime may pull itself (inside a virtual machine) is pinned to the digest.
    pub pin_user_specified_image: bool,
    /// The image of pod sandboxes, for a runtime that does not report it.
    pub sandbox_image: Option<String>,
}

impl Default for CriSettings {
    fn default() -> Self {
        Self {
            connections: 256,
            tag_record_timeout: Duration::from_secs(5),
            image_status: true,
            checkpoint_restore: false,
            unknown_methods: false,
            pin_user_specified_image: false,
            sandbox_image: None,
        }
    }
}
