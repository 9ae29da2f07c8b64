//! The options of the proxy.

use std::path::PathBuf;
use std::time::Duration;

use pullgate_config::bound::{MINUTE, SECOND};
use pullgate_config::document::{Document, Value};
use pullgate_config::kind::{Choice, Flag, Form, OptionKind, count, time};

use crate::reference::Reference;

const IMAGE: Form<String> = Form { kind: OptionKind::Text, bounds: "an image", read: read_image };

pullgate_config::options! {
    /// `[gate]`, with the limits of the proxy.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct CriSettings {
        /// "enforce": pullgate reports an image that is on the node but not admitted as absent, so that kubelet pulls it and
        /// pullgate decides on the pull. "off": pullgate decides on pulls only; every image that is on the node runs.
        image_status: bool = "image-status", Choice(&[("enforce", true), ("off", false)], true);
        /// Whether containers and pods may be restored from a checkpoint, whose content pullgate cannot verify. A checkpoint
        /// is a file, or an image that declares that it contains one; "deny" refuses such an image even if a rule admits it.
        /// The option has an effect only if kubelet's runtime endpoint is also pullgate.
        checkpoint_restore: bool = "checkpoint-restore", Choice(&[("deny", false), ("allow", true)], false);
        /// Whether to forward calls of methods that this version of pullgate does not know. This applies to all methods of
        /// the image service, and to methods of the runtime service whose names contain Pull, Load, Import, Create, Restore
        /// or Checkpoint; other unknown methods are always forwarded. A denied call gets the answer of a runtime that does
        /// not have the method.
        unknown_methods: bool = "unknown-methods", Choice(&[("deny", false), ("allow", true)], false);
        /// Whether to append the verified digest to the image name that the runtime receives. Set it for runtimes that pull
        /// inside a virtual machine (Kata, confidential containers). The option has an effect only if kubelet's runtime
        /// endpoint is also pullgate.
        pin_user_specified_image: bool = "pin-user-specified-image", Flag(false);
        /// The image of pod sandboxes. The runtime pulls it without kubelet, so pullgate verifies and pulls it first.
        /// containerd 1.6 and 1.7 report its name. For containerd 2.x, pullgate reads the name from `pinned_images` in
        /// containerd's configuration (`containerd-config` in [registry]). If containerd 2.x uses its default image, write the
        /// name here.
        sandbox_image: Option<String> = "sandbox-image", IMAGE.optional("the one that the runtime uses", "\"registry.k8s.io/pause:3.10\"");
    }
    also {
        limits: CriLimits = CriLimits::default();
        /// The file of containerd's configuration, where the runtime does not report its sandbox image.
        containerd_config: Option<PathBuf> = None;
    }
}

pullgate_config::options! {
    /// The part of `[limits]` that is about calls.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CriLimits {
        /// Maximum wait until the runtime knows a pulled image by its tag.
        tag_record_timeout: Duration = "tag-record-timeout", time(5 * SECOND, 100, MINUTE);
        /// Maximum number of open connections to the CRI socket. From seven eighths of this number on, each new connection
        /// closes the oldest idle one. The last eighth is reserved for the first connection of each process of root, such as
        /// kubelet.
        connections: usize = "connections", count(256, 16, 4096);
    }
}

fn read_image(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let hint = "write it as containerd's configuration does, such as \"registry.k8s.io/pause:3.10\"";
    document.parsed(key, value, ["is not the name of an image", hint], |text| {
        Reference::parse(text).is_ok().then(|| text.to_owned())
    })
}
