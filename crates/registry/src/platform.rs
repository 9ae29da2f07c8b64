//! Which image of an index is for this node.
//!
//! The choice is containerd's for the node's own platform (`platforms.Only(DefaultSpec())` of containerd's `platforms`
//! module): exact architecture first, then compatible ones; `v8` is the default variant of arm64 and `v7` that of arm.
//! Where containerd would have to guess, nothing is chosen, because a guess could differ from what is pulled.

/// The platform of an image as its descriptor declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: String,
}

impl Platform {
    /// Normalises the fields of a descriptor as containerd does (`platforms.Normalize`).
    pub(super) fn of(os: &str, architecture: &str, variant: &str) -> Self {
        let (os, architecture) = (os.to_ascii_lowercase(), architecture.to_ascii_lowercase());
        let variant = variant.to_ascii_lowercase();
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
            ("x86_64" | "x86-64" | "amd64", other) => ("amd64", other),
            ("i386", _) => ("386", ""),
            ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
            ("aarch64" | "arm64", other) => ("arm64", other),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) | ("arm", "6") => ("arm", "v6"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "8") => ("arm", "v8"),
            (other, variant) => (other, variant),
        };
        Self { os, variant: variant.to_owned(), architecture: architecture.to_owned() }
    }

    #[must_use]
    pub fn of_node() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86" => "386",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            "loongarch64" => "loong64",
            other => other,
        };
        Self::of("linux", architecture, "")
    }

    /// The platforms whose images it runs, the best first.
    pub(super) fn runnable(&self) -> Vec<Self> {
        let mut all = vec![self.clone()];
        let of = |architecture: &str, variant: &str| Self {
            os: self.os.clone(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        };
        match (self.architecture.as_str(), self.variant.as_str()) {
            ("amd64", "") => all.push(of("386", "")),
            ("arm64", "") => all.extend(["v8", "v7", "v6", "v5"].map(|variant| of("arm", variant))),
            ("arm", "v7") => all.extend(["v6", "v5"].map(|variant| of("arm", variant))),
            _ => {}
        }
        all
    }
}

/// `linux/arm/v7`
impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_normalised_as_in_containerd() {
        for (node, image, runs) in [
            (("amd64", ""), ("amd64", ""), true),
            (("amd64", ""), ("x86_64", "v1"), true),
            (("amd64", ""), ("amd64", "v2"), false),
            (("amd64", ""), ("386", ""), true),
            (("amd64", ""), ("arm64", ""), false),
            (("aarch64", ""), ("arm64", "v8"), true),
            (("aarch64", ""), ("arm64", ""), true),
            (("aarch64", ""), ("arm64", "v9"), false),
            (("aarch64", ""), ("arm", "v7"), true),
            (("aarch64", ""), ("arm", ""), true),
            (("arm", ""), ("arm", "v8"), false),
            (("arm", ""), ("arm", "v6"), true),
            (("arm", "v6"), ("arm", "v7"), false),
            (("s390x", ""), ("s390x", ""), true),
        ] {
            let (node, image) =
                (Platform::of("linux", node.0, node.1), Platform::of("linux", image.0, image.1));
            assert_eq!(node.runnable().contains(&image), runs, "{image} on {node}");
        }
        let best = Platform::of("linux", "arm64", "v8").runnable();
        assert_eq!(best.first().map(ToString::to_string).as_deref(), Some("linux/arm64"));
        assert!(!best.contains(&Platform::of("windows", "arm64", "")));
    }
}
