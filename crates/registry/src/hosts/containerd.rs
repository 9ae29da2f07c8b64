//! Where containerd looks for `hosts.toml` files according to its own configuration, or which hosts it uses without any.
//!
//! The file is never written. Where versions of containerd read it differently there is a warning. Sources:
//! `internal/cri/config` and `plugins/cri/images/plugin.go` of containerd 2.x, `pkg/cri/config` of 1.x,
//! `cmd/containerd/server/config` (imports).

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use http::HeaderMap;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::super::file_stamp::FileStamp;
use super::file::header;
use super::legacy::Legacy;
use pullgate_core::untrusted::sanitize;

/// The most bytes of a configuration file that are read.
const SIZE: u64 = 1 << 20;
/// The most files that are read, imports included.
const FILES: usize = 64;

/// The CRI plugin's section by the version of the file: 1, 2, and from 3 on (containerd 2.x).
const SECTIONS: [(u64, &str); 3] =
    [(1, "cri"), (2, "io.containerd.grpc.v1.cri"), (3, "io.containerd.cri.v1.images")];

#[derive(Debug, Default)]
pub(super) struct Found {
    /// The directories in `config_path`; `None` when nothing sets it.
    pub(super) directories: Option<Vec<PathBuf>>,
    /// Hosts and credentials in the configuration itself.
    pub(super) legacy: Legacy,
    /// `registry.headers`: sent with each request to any host, before the host's own
    /// (`ResolverOptions.Headers`, and `request` in `core/remotes/docker/resolver.go`).
    pub(super) headers: HeaderMap,
    /// Why containerd cannot pull with this configuration.
    pub(super) unusable: Option<String>,
    pub(super) warnings: Vec<String>,
    /// Whether images may be pulled by the transfer service, which reads `/a:/b` as the name of one directory.
    pub(super) transfers: bool,
    /// The image of pod sandboxes; `None` when nothing sets it.
    sandbox_image: Option<String>,
    stamps: Vec<(PathBuf, Option<FileStamp>)>,
}

impl Found {
    /// Whether the hosts come from the configuration itself, and not from `hosts.toml` files.
    pub(super) fn names_hosts(&self) -> bool {
        self.directories.is_none() && self.legacy.names_hosts()
    }

    /// Whether no file changed since it was read.
    pub(super) fn is_current(&self) -> bool {
        self.stamps.iter().all(|(path, stamp)| FileStamp::of(path) == *stamp)
    }
}

/// Reads containerd's configuration at `path`; a missing file sets nothing.
pub(super) fn read(path: &Path) -> Found {
    let mut reader = Reader { version: 1, ..Reader::default() };
    reader.file(path, true);
    let Reader { mut found, version, registries, sandbox_images, deprecated, local } = reader;
    found.transfers = version >= 3 && !local && !deprecated;
    let section = SECTIONS.iter().rev().find(|(since, _)| *since <= version).map_or("", |(_, name)| name);
    let is_read = |name: &str| name == section || (name == "io.containerd.grpc.v1.cri" && version <= 1);
    found.sandbox_image =
        sandbox_images.into_iter().rev().find(|(name, _)| is_read(name)).map(|(_, image)| image);
    for (name, registry) in registries {
        if !is_read(&name) {
            found.warnings.push(format!(
                "{}: containerd ignores the registry section below {name}, because the configuration has version \
                 {version}",
                path.display()
            ));
            continue;
        }
        if let Some(value) = registry.config_path {
            found.directories =
                Some(std::env::split_paths(&value).filter(|path| path.is_absolute()).collect());
        }
        for name in registry.headers.keys() {
            found.headers.remove(name);
        }
        found.headers.extend(registry.headers);
        match registry.legacy {
            Ok(mut legacy) => {
                let odd = std::mem::take(&mut legacy.warnings);
                found.warnings.extend(odd.into_iter().map(|what| format!("{}: {what}", path.display())));
                found.legacy.merge(legacy);
            }
            Err(reason) => found.unusable = Some(format!("{}: {reason}", path.display())),
        }
    }
    if found.directories.as_ref().is_some_and(Vec::is_empty) {
        found.directories = None;
    }
    if let Some(reason) = &found.unusable {
        found.warnings.push(format!("{reason}: every pull from a registry is refused until it is fixed"));
    }
    if found.legacy.names_hosts() {
        let path = path.display();
        found.warnings.push(match found.directories {
            None => format!(
                "{path}: containerd and pullgate use registry.mirrors and registry.configs instead of hosts.toml files; \
                 move these settings to hosts.toml files below a config_path, because containerd 2.4 no longer supports \
                 them"
            ),
            Some(_) => format!(
                "{path}: registry.mirrors and registry.configs are ignored, because config_path is set; move these \
                 settings to hosts.toml files, because containerd 1.6 or later does not start with both"
            ),
        });
    } else if found.legacy.has_credentials() {
        found.warnings.push(format!(
            "{}: pulls without credentials use the credentials in this file, as in containerd; containerd 2.4 no longer supports credentials in this file",
            path.display()
        ));
    }
    if found.transfers && found.directories.as_ref().is_some_and(|directories| directories.len() > 1) {
        found.warnings.push(two_directories(path));
    }
    found.warnings = found.warnings.iter().map(|warning| sanitize(warning)).collect();
    found
}

/// The image of pod sandboxes that containerd's configuration at `path` sets.
#[must_use]
pub fn sandbox_image(path: &Path) -> Option<String> {
    read(path).sandbox_image
}

/// A bug of containerd 2.1 to 2.3 (issues 12415, 12636 and 12808).
pub(super) fn two_directories(path: &Path) -> String {
    format!(
        "{}: config_path names several directories, which containerd 2.1 to 2.3 reads as one name when it pulls by the \
         transfer service, so it ignores all hosts.toml files; name one directory, or set use_local_image_pull",
        path.display()
    )
}

#[derive(Default)]
struct Reader {
    found: Found,
    version: u64,
    /// The sections `registry` by plugin name; the one that was read last is last.
    registries: Vec<(String, Section)>,
    /// The images of pod sandboxes by plugin name; the one that was read last is last.
    sandbox_images: Vec<(String, String)>,
    /// Whether any of them has deprecated fields.
    deprecated: bool,
    /// A setting that makes containerd 2.x pull without the transfer service (`CheckLocalImagePullConfigs`).
    local: bool,
}

struct Section {
    config_path: Option<String>,
    headers: HeaderMap,
    legacy: Result<Legacy, String>,
}

impl Reader {
    fn file(&mut self, path: &Path, main: bool) {
        if self.found.stamps.len() >= FILES || self.found.stamps.iter().any(|(known, _)| known == path) {
            return;
        }
        self.found.stamps.push((path.to_owned(), FileStamp::of(path)));
        let text = match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => return self.warn(path, &format!("it cannot be accessed: {error}")),
            Ok(metadata) if !metadata.is_file() || metadata.len() > SIZE => {
                return self.warn(path, &format!("it is not a file of at most {SIZE} bytes"));
            }
            Ok(_) => match fs::read_to_string(path) {
                Ok(text) => Zeroizing::new(text),
                Err(error) => return self.warn(path, &format!("it cannot be read: {error}")),
            },
        };
        let Ok(document) = DeTable::parse(&text) else { return self.warn(path, "it is not valid TOML") };
        let root = document.get_ref();
        if main && let Some(version) = number(root, "version") {
            self.version = version;
        }
        for (name, plugin) in
            root.get("plugins").and_then(|value| value.get_ref().as_table()).into_iter().flatten()
        {
            self.plugin(name.get_ref(), plugin.get_ref());
        }
        let imports = root.get("imports").and_then(|value| value.get_ref().as_array());
        let directory = path.parent().unwrap_or(Path::new("/"));
        for pattern in imports.into_iter().flatten().filter_map(|value| value.get_ref().as_str()) {
            self.import(&directory.join(pattern));
        }
    }

    /// Files by a glob whose last segment may contain `*`.
    fn import(&mut self, pattern: &Path) {
        let name = pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((before, after)) = name.split_once('*') else { return self.file(pattern, false) };
        let directory = pattern.parent().unwrap_or(Path::new("/"));
        self.found.stamps.push((directory.to_owned(), FileStamp::of(directory)));
        let mut files: Vec<PathBuf> = fs::read_dir(directory)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
            })
            .collect();
        files.sort();
        for file in files {
            self.file(&file, false);
        }
    }

    fn plugin(&mut self, name: &str, plugin: &DeValue<'_>) {
        let Some(plugin) = plugin.as_table() else { return };
        if !SECTIONS.iter().any(|(_, section)| *section == name) {
            return;
        }
        let flag = |key: &str| plugin.get(key).and_then(|value| value.get_ref().as_bool());
        self.local |= flag("use_local_image_pull") == Some(true)
            || flag("discard_unpacked_layers") == Some(true)
            || flag("disable_snapshot_annotations") == Some(false)
            || flag("image_pull_with_sync_fs") == Some(true)
            || number(plugin, "max_concurrent_downloads").is_some_and(|count| count != 3);
        // `sandbox_image` became an entry of `pinned_images` in version 3 (containerd 2.0, `internal/cri/config`).
        let pinned = plugin.get("pinned_images").and_then(|value| value.get_ref().as_table());
        let sandbox = [plugin.get("sandbox_image"), pinned.and_then(|pinned| pinned.get("sandbox"))];
        for image in sandbox.into_iter().flatten().filter_map(|value| value.get_ref().as_str()) {
            self.sandbox_images.push((name.to_owned(), image.to_owned()));
        }
        let Some(registry) = plugin.get("registry").and_then(|value| value.get_ref().as_table()) else {
            return;
        };
        self.deprecated |= ["mirrors", "configs", "auths"].iter().any(|key| {
            registry
                .get(*key)
                .and_then(|value| value.get_ref().as_table())
                .is_some_and(|table| !table.is_empty())
        });
        let config_path = registry.get("config_path").and_then(|value| value.get_ref().as_str());
        let headers = registry.get("headers").and_then(|value| value.get_ref().as_table());
        let mut odd = Vec::new();
        let headers = headers.map_or_else(|| Ok(HeaderMap::new()), |headers| header(headers, &mut odd));
        self.found
            .warnings
            .extend(odd.into_iter().map(|what| format!("registry.headers of containerd: {what}")));
        let section = Section {
            config_path: config_path.map(str::to_owned),
            legacy: headers.as_ref().map_or_else(|why| Err(why.clone()), |_| Legacy::read(registry)),
            headers: headers.unwrap_or_default(),
        };
        self.registries.push((name.to_owned(), section));
    }

    fn warn(&mut self, path: &Path, why: &str) {
        self.found.warnings.push(format!(
            "{}: {why}, so pullgate may read other hosts.toml files than containerd",
            path.display()
        ));
    }
}

fn number(table: &DeTable<'_>, key: &str) -> Option<u64> {
    let DeValue::Integer(integer) = table.get(key)?.get_ref() else { return None };
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (Option<Vec<PathBuf>>, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        fs::write(&path, text).unwrap();
        let found = read(&path);
        (found.directories, found.warnings)
    }

    #[test]
    fn config_path_is_found_in_every_version() {
        let (v2, v3) = ("io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images");
        let section =
            |name: &str, path: &str| format!("[plugins.\"{name}\".registry]\nconfig_path = \"{path}\"\n");
        let one = Some(vec![PathBuf::from("/a")]);
        let two = Some(vec![PathBuf::from("/a"), PathBuf::from("/b")]);
        let local = format!("[plugins.\"{v3}\"]\nuse_local_image_pull = true\n");
        for (text, expected, warning) in [
            (section("cri", "/a"), &one, ""),
            (section(v2, "/a"), &one, ""),
            (format!("version = 2\n{}", section(v2, "/a")), &one, ""),
            (format!("version = 2\n{}", section(v2, "/a:/b")), &two, ""),
            (format!("version = 3\n{}", section(v3, "/a")), &one, ""),
            (format!("version = 4\n{}", section(v3, "/a")), &one, ""),
            (format!("version = 3\n{}", section(v3, "/a:/b")), &two, "several directories"),
            (format!("version = 3\n{local}{}", section(v3, "/a:/b")), &two, ""),
            (format!("version = 3\n{}", section(v2, "/a")), &None, "containerd ignores the registry section"),
            (format!("version = 3\n{}", section(v3, "")), &None, ""),
            ("version = 3\n".to_owned(), &None, ""),
            ("version = ".to_owned(), &None, "not valid TOML"),
            (
                format!(
                    "version = 2\n[plugins.\"{v2}\".registry.mirrors.\"docker.io\"]\nendpoint = [\"https://m\"]"
                ),
                &None,
                "instead of hosts.toml files",
            ),
            (
                format!(
                    "version = 2\n[plugins.\"{v2}\".registry.mirrors.\"docker.io\"]\nendpoint = [\"https://m\"]\n{}",
                    section(v2, "/a")
                ),
                &one,
                "are ignored, because config_path is set",
            ),
            (
                format!(
                    "version = 2\n[plugins.\"{v2}\".registry.configs.\"m\".auth]\nusername = \"u\"\n{}",
                    section(v2, "/a")
                ),
                &one,
                "pulls without credentials use",
            ),
            (
                format!("version = 2\n[plugins.\"{v2}\".registry]\nmirrors = 1"),
                &None,
                "every pull from a registry is refused",
            ),
            (
                format!("version = 3\n[plugins.\"{v2}\".registry.mirrors.\"docker.io\"]\nendpoint = [\"m\"]"),
                &None,
                "containerd ignores the registry section",
            ),
        ] {
            let (directories, warnings) = read_text(&text);
            assert_eq!(directories, *expected, "{text}");
            let text_of_warnings = warnings.join("\n");
            assert_eq!(warnings.len(), usize::from(!warning.is_empty()), "{text}: {text_of_warnings}");
            assert!(text_of_warnings.contains(warning), "{text}: {text_of_warnings}");
        }
    }

    #[test]
    fn headers_are_read() {
        let read_headers = |lines: &str| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("config.toml");
            let section = "plugins.\"io.containerd.cri.v1.images\".registry.headers";
            fs::write(&path, format!("version = 3\n[{section}]\n{lines}")).unwrap();
            read(&path)
        };
        let found = read_headers("X-Team = [\"a\", \"b\"]\n\"x y\" = [\"c\"]");
        assert_eq!(found.headers.get_all("x-team").iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((found.headers.len(), found.unusable), (2, None));
        assert!(found.headers.values().all(http::HeaderValue::is_sensitive));
        assert_eq!(
            found.warnings,
            [
                "registry.headers of containerd: a header has a name or value that HTTP does not allow, and is left out"
            ]
        );
        assert!(read_headers("X-Team = 1").unusable.is_some(), "containerd does not start with it");
    }

    #[test]
    fn the_sandbox_image_is_found_in_every_version() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        let before = "[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"pause:1\"\n";
        let since = "[plugins.\"io.containerd.cri.v1.images\".pinned_images]\nsandbox = \"pause:2\"\n";
        for (text, expected) in [
            (String::new(), None),
            ("[plugins.cri]\nsandbox_image = \"pause:0\"\n".to_owned(), Some("pause:0")),
            (format!("version = 2\n{before}"), Some("pause:1")),
            (format!("version = 3\n{since}"), Some("pause:2")),
            (format!("version = 3\n{before}{since}"), Some("pause:2")),
            (format!("version = 2\n{before}{since}"), Some("pause:1")),
            (format!("version = 3\n{before}"), None),
            (format!("version = 3\nimports = [\"more.toml\"]\n{since}"), Some("pause:3")),
            (
                "version = 3\n[plugins.\"io.containerd.cri.v1.images\".pinned_images]\nsandbox = 1\n"
                    .to_owned(),
                None,
            ),
        ] {
            fs::write(&path, &text).unwrap();
            fs::write(directory.path().join("more.toml"), since.replace("pause:2", "pause:3")).unwrap();
            assert_eq!(sandbox_image(&path).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn imports_are_read_and_changes_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        let parts = directory.path().join("conf.d");
        fs::create_dir(&parts).unwrap();
        fs::write(&path, "version = 2\nimports = [\"conf.d/*.toml\"]\n").unwrap();
        let found = read(&path);
        assert!(found.directories.is_none() && found.is_current());
        let text = "[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/a\"\n";
        fs::write(parts.join("registry.toml"), text).unwrap();
        assert!(!found.is_current());
        assert_eq!(read(&path).directories, Some(vec![PathBuf::from("/a")]));
        assert!(read(&directory.path().join("missing")).warnings.is_empty());
    }
}
