//! Listening Unix sockets that have their mode and group before anyone can connect.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr};
use nix::unistd::Group;

/// A listening socket. Its file is removed on drop, unless systemd created it.
#[derive(Debug)]
pub struct UnixSocket {
    listener: StdListener,
    /// The path to remove on drop, and its inode. `None` for sockets of systemd.
    created: Option<(PathBuf, u64)>,
}

impl UnixSocket {
    /// The socket that systemd passed, otherwise a new one at `path`.
    ///
    /// A new socket is created in a directory that only this user can enter, and moved to `path` when it has its mode
    /// and group.
    ///
    /// # Errors
    /// When another process listens there, the path is not a socket, the group does not exist, or the file system
    /// fails.
    pub fn open(path: &Path, group: Option<&str>, mode: u32) -> Result<Self, UnixSocketError> {
        let mut inherited = listenfd::ListenFd::from_env();
        if inherited.len() > 1 {
            return Err(UnixSocketError::TooManyInherited(inherited.len()));
        }
        if let Some(listener) = inherited.take_unix_listener(0).map_err(UnixSocketError::Inherit)? {
            listener.set_nonblocking(true).map_err(UnixSocketError::Inherit)?;
            return Ok(Self { listener, created: None });
        }
        Self::make(path, group, mode)
    }

    /// A new socket at `path` with this mode, regardless of sockets from systemd.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn with_mode(path: &Path, mode: u32) -> Result<Self, UnixSocketError> {
        Self::make(path, None, mode)
    }

    /// Checks that a group for a socket exists.
    ///
    /// # Errors
    /// When there is no such group.
    pub fn check_group(name: &str) -> Result<(), UnixSocketError> {
        group_id(name).map(drop)
    }

    fn make(path: &Path, group: Option<&str>, mode: u32) -> Result<Self, UnixSocketError> {
        let failed = |what: &'static str| {
            let path = path.to_owned();
            move |error: io::Error| UnixSocketError::Make { what, path, error }
        };
        refuse_occupied(path)?;
        let group = group.map(group_id).transpose()?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(failed("create the directory of"))?;
        let private = parent.join(format!(".pullgate-{}", std::process::id()));
        let _ = fs::remove_dir_all(&private);
        fs::DirBuilder::new().create(&private).map_err(failed("make a directory for"))?;
        let _removed = RemoveDirectory(private.clone());
        fs::set_permissions(&private, Permissions::from_mode(0o700)).map_err(failed("protect"))?;
        let hidden = private.join("socket");
        let listener = StdListener::bind(&hidden).map_err(failed("bind"))?;
        listener.set_nonblocking(true).map_err(failed("prepare"))?;
        fs::set_permissions(&hidden, Permissions::from_mode(mode)).map_err(failed("set the mode of"))?;
        if let Some(group) = group {
            nix::unistd::chown(&hidden, None, Some(group))
                .map_err(io::Error::from)
                .map_err(failed("set the group of"))?;
        }
        let inode = fs::symlink_metadata(&hidden).map_err(failed("access"))?.ino();
        fs::rename(&hidden, path).map_err(failed("put into place"))?;
        Ok(Self { listener, created: Some((path.to_owned(), inode)) })
    }

    /// The path of a socket that systemd passed. `None` for other sockets.
    #[must_use]
    pub fn inherited(&self) -> Option<PathBuf> {
        let address = self.created.is_none().then(|| self.listener.local_addr().ok()).flatten()?;
        address.as_pathname().map(Path::to_owned)
    }

    /// The listener, registered with the event loop.
    ///
    /// # Errors
    /// When it cannot be registered.
    pub fn listener(&self) -> io::Result<tokio::net::UnixListener> {
        tokio::net::UnixListener::from_std(self.listener.try_clone()?)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if let Some((path, inode)) = &self.created {
            // Another process may have replaced the socket.
            if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.ino() == *inode) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

struct RemoveDirectory(PathBuf);

impl Drop for RemoveDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A socket file that no process serves is left over from a crash and may be replaced; anything else may not.
fn refuse_occupied(path: &Path) -> Result<(), UnixSocketError> {
    match fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            Err(UnixSocketError::NotASocket(path.to_owned()))
        }
        Ok(_) => match connect(path) {
            Err(Errno::ECONNREFUSED | Errno::ENOENT) => Ok(()),
            // EAGAIN: the backlog is full, so a process listens there, even if it is slow or stopped.
            Ok(_) | Err(Errno::EAGAIN) => Err(UnixSocketError::Served(path.to_owned())),
            Err(error) => Err(UnixSocketError::Make {
                what: "check whether a process serves",
                path: path.to_owned(),
                error: error.into(),
            }),
        },
    }
}

/// Connects without waiting.
fn connect(path: &Path) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(socket)
}

fn group_id(name: &str) -> Result<nix::unistd::Gid, UnixSocketError> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid),
        _ => Err(UnixSocketError::NoGroup(name.to_owned())),
    }
}

/// Why a socket cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum UnixSocketError {
    /// systemd passed more than one socket.
    #[error(
        "{0} sockets were passed by systemd, but only one is supported; a .socket unit for pullgate has one ListenStream"
    )]
    TooManyInherited(usize),
    /// The socket from systemd is not a listening Unix socket.
    #[error("the socket passed by systemd cannot be used; it must be a ListenStream with a path")]
    Inherit(#[source] io::Error),
    /// A step of creating the socket failed.
    #[error("cannot {what} the socket {path}")]
    Make {
        /// The step, as a verb phrase.
        what: &'static str,
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    /// The configured group does not exist.
    #[error("group `{0}` does not exist; create the group, or remove `group` from [listen]")]
    NoGroup(String),
    #[error("{0} exists and is not a socket; move this file away or choose another path")]
    NotASocket(PathBuf),
    /// Another process listens there.
    #[error("another process serves {0}")]
    Served(PathBuf),
}

impl UnixSocketError {
    /// The error for a listener that cannot be registered.
    pub fn listen(path: &Path, error: io::Error) -> Self {
        Self::Make { what: "listen on", path: path.to_owned(), error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn has_its_mode_and_group_and_leaves_no_other_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/pullgate.sock");
        let socket = UnixSocket::make(&path, None, 0o600).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "the temporary directory is removed"
        );
        drop(socket);
        assert!(!path.exists());
        let group = Group::from_gid(nix::unistd::getgid()).unwrap().unwrap();
        let socket = UnixSocket::make(&path, Some(&group.name), 0o660).unwrap();
        assert_eq!(mode(&path), 0o660);
        assert_eq!(fs::metadata(&path).unwrap().gid(), group.gid.as_raw());
        drop(socket);
    }

    /// The signer's control and notify sockets, and the daemon's, are made here.
    #[test]
    fn c_no_one_sees_a_socket_without_its_mode() {
        use std::sync::atomic::{AtomicBool, Ordering};

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pullgate.sock");
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut modes = std::collections::BTreeSet::new();
                while !done.load(Ordering::Relaxed) {
                    modes.extend(fs::symlink_metadata(&path).map(|metadata| metadata.mode() & 0o777).ok());
                }
                modes
            });
            for _ in 0..500 {
                drop(UnixSocket::with_mode(&path, 0o620).unwrap());
            }
            done.store(true, Ordering::Relaxed);
            let modes = watcher.join().unwrap();
            assert!(modes.iter().all(|mode| *mode == 0o620), "{modes:?}");
        });
    }

    #[test]
    fn replaces_a_left_over_socket_but_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pullgate.sock");
        drop(StdListener::bind(&path).unwrap());
        let socket = UnixSocket::make(&path, None, 0o600).unwrap();
        assert!(matches!(UnixSocket::make(&path, None, 0o600), Err(UnixSocketError::Served(_))));
        drop(socket);
        fs::write(&path, "a file").unwrap();
        assert!(matches!(UnixSocket::make(&path, None, 0o600), Err(UnixSocketError::NotASocket(_))));
        fs::remove_file(&path).unwrap();
        assert!(matches!(
            UnixSocket::make(&path, Some("no-such-group-here"), 0o660),
            Err(UnixSocketError::NoGroup(_))
        ));
    }

    #[test]
    fn a_stopped_process_does_not_block_the_check() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pullgate.sock");
        let stopped =
            socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        socket::bind(stopped.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        socket::listen(&stopped, socket::Backlog::new(0).unwrap()).unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = connect(&path) {
            waiting.push(stream);
            assert!(waiting.len() < 16, "the backlog is not limited");
        }
        assert!(matches!(UnixSocket::make(&path, None, 0o600), Err(UnixSocketError::Served(_))));
        drop(stopped);
        UnixSocket::make(&path, None, 0o600).unwrap();
    }

    #[test]
    fn the_socket_of_a_successor_is_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pullgate.sock");
        let first = UnixSocket::make(&path, None, 0o600).unwrap();
        fs::remove_file(&path).unwrap();
        let _second = UnixSocket::make(&path, None, 0o600).unwrap();
        drop(first);
        assert!(path.exists());
    }
}
