//! Metrics in a file, for the textfile collector of node_exporter.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::MetricsSource;

/// Writes the file at each interval until `stop` is true, and then removes it: a daemon that does not run has no metrics.
pub(super) async fn keep(
    file: PathBuf,
    interval: Duration,
    source: Arc<MetricsSource>,
    mut stop: watch::Receiver<bool>,
) {
    let mut failing = false;
    loop {
        let (text, path) = (source.page().await.text(), file.clone());
        let written = tokio::task::spawn_blocking(move || write(&path, text.as_bytes())).await;
        let failed = written.map_err(io::Error::other).and_then(|written| written).err();
        if let Some(error) = failed.as_ref().filter(|_| !failing) {
            tracing::warn!(%error, file = %file.display(), "cannot write the metrics file: the daemon tries again at each \
                                                            interval");
        }
        failing = failed.is_some();
        if tokio::time::timeout(interval, stop.wait_for(|stop| *stop)).await.is_ok() {
            let _ = fs::remove_file(&file);
            return;
        }
    }
}

/// Writes the file whole or not at all. node_exporter runs as another user, and reads only names that end in `.prom`.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Never a file, or the target of a link, that somebody else put there.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(text)?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    fs::rename(unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_readable_for_all_and_follows_no_link() {
        let directory = tempfile::tempdir().unwrap();
        let [path, unfinished, other] =
            ["a.prom", "a.unfinished", "other"].map(|name| directory.path().join(name));
        fs::write(&other, "before").unwrap();
        for link in [&path, &unfinished] {
            std::os::unix::fs::symlink(&other, link).unwrap();
        }
        write(&path, b"x 1\n").unwrap();
        write(&path, b"x 2\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "x 2\n");
        let metadata = fs::symlink_metadata(&path).unwrap();
        assert!(metadata.is_file() && metadata.permissions().mode() & 0o777 == 0o644, "{metadata:?}");
        assert_eq!(fs::read_to_string(&other).unwrap(), "before");
        assert!(!unfinished.exists());
    }
}
