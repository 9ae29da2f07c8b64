//! `break-glass.toml`: exceptions for an emergency, in a file that is read at each decision.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::document::{Document, Value};
use super::file::{FileError, Guard};
use super::problem::Problems;
use super::suggest;
use crate::policy::{
    BreakGlass, BreakGlassSource, Exception, ExceptionTarget, LONGEST_EXCEPTION, MAX_EXCEPTIONS, Scope,
};
use pullgate_config::options::{OptionDoc, REQUIRED, ReadByHand};
use pullgate_config::read_by_hand;

/// The file in the configuration directory.
pub const BREAK_GLASS_FILE: &str = "break-glass.toml";

/// The most bytes of the file: 256 KiB.
const MAX_BYTES: u64 = 256 * 1024;

const OPEN: &[ReadByHand] = read_by_hand! {
    /// The digest of the image or index that may run, under any name.
    "digest": Digest, "", "a digest; set this or `scope`";
    /// The scope of the images that may run.
    "scope": Text, "", "a scope; set this or `digest`";
    /// Why the images may run. The log contains this reason at each use of the exception.
    "reason": Sentence, REQUIRED, "one line";
    /// When the exception ends.
    "until": Time, REQUIRED, "a date and time, at most 7 days ahead";
};

const TABLES: &[ReadByHand] = read_by_hand! {
    /// Exceptions, each for one image or index, or for all images of a scope.
    "open": Table("[[open]]") [0..=MAX_EXCEPTIONS], "", "";
};

/// The options of break-glass.toml.
pub(super) fn break_glass_options() -> Vec<OptionDoc> {
    let tables = ReadByHand::describe("", "", TABLES);
    let all = tables.chain(ReadByHand::describe("[[open]]", "", OPEN));
    all.map(|option| OptionDoc { file: BREAK_GLASS_FILE, ..option }).collect()
}

/// The file of one configuration directory.
#[derive(Clone, Debug)]
pub struct BreakGlassFile {
    root: PathBuf,
}

impl BreakGlassFile {
    /// The file of the configuration directory `root`. It usually does not exist.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Reads the current exceptions; without the file there are none.
    ///
    /// # Errors
    /// All problems of the file. Then there is no exception, whatever else is in it.
    pub fn read(&self, now: Timestamp) -> Result<BreakGlass, Problems> {
        // The usual case, in one system call. A link that leads nowhere is a file that cannot be read.
        let found = self.root.join(BREAK_GLASS_FILE).symlink_metadata();
        if found.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(BreakGlass::default());
        }
        self.read_guarded(now, Guard::of_process())
    }

    fn read_guarded(&self, now: Timestamp, guard: Guard) -> Result<BreakGlass, Problems> {
        let path = self.root.join(BREAK_GLASS_FILE);
        let text = match guard.read(&self.root, &path, MAX_BYTES) {
            Ok(text) => text,
            Err(FileError::Missing) if path.symlink_metadata().is_err() => return Ok(BreakGlass::default()),
            Err(error) => {
                return Err(Problems::from(vec![error.problem(BREAK_GLASS_FILE, &path)]));
            }
        };
        Document::load(BREAK_GLASS_FILE, &text, |document| Some(BreakGlass::new(read(document, now))))
    }
}

/// Reads the file at each decision, which is one `stat` as long as it does not exist.
impl BreakGlassSource for BreakGlassFile {
    fn exceptions(&self, now: Timestamp) -> BreakGlass {
        self.read(now).unwrap_or_else(|problems| {
            for problem in &problems {
                tracing::warn!(problem = %problem.line(), "the break-glass file is invalid: no exception is in effect");
            }
            BreakGlass::default()
        })
    }
}

fn read(document: &mut Document<'_>, now: Timestamp) -> Vec<Exception> {
    let Some(mut root) = document.parse(&["open"]) else { return Vec::new() };
    let Some(value) = root.take("open") else { return Vec::new() };
    let span = value.span.clone();
    let form = "written as [[open]], once for each exception";
    let elements = document.array(value, "`open`", form).unwrap_or_default();
    if elements.len() > MAX_EXCEPTIONS {
        document.problem(span, format!("more than {MAX_EXCEPTIONS} exceptions"), "remove expired ones");
        return Vec::new();
    }
    elements.into_iter().filter_map(|element| read_opening(document, element, now)).collect()
}

fn read_opening(document: &mut Document<'_>, value: Value<'_>, now: Timestamp) -> Option<Exception> {
    let mut table = document.table(value, "[[open]]", &ReadByHand::keys(OPEN))?;
    let (digest, scope) = (table.take("digest"), table.take("scope"));
    let (reason, until) = (table.take("reason"), table.take("until"));
    let what = match (digest, scope) {
        (Some(digest), None) => document.digest(digest, "`digest`").map(ExceptionTarget::Digest),
        (None, Some(scope)) => {
            let (text, span) = document.string(scope, "`scope`")?;
            Scope::parse(&text)
                .map_err(|error| {
                    let message = format!("{} is not a scope: {error}", suggest::quoted(&text));
                    document.problem(span, message, "write it as in policy.toml");
                })
                .ok()
                .map(ExceptionTarget::Scope)
        }
        _ => {
            let hint = "write either `digest` or `scope`";
            document.problem(table.span.clone(), "[[open]] must have either `digest` or `scope`", hint);
            None
        }
    };
    let (Some(reason), Some(until)) = (reason, until) else {
        let hint = "add `reason` and `until`; `until` may be at most 7 days ahead";
        document.problem(table.span, "[[open]] has no `reason` or no `until`", hint);
        return None;
    };
    let reason = document.sentence(reason, "`reason`");
    let span = until.span.clone();
    let until = document.time(until, "`until`")?;
    if until.duration_since(now) > LONGEST_EXCEPTION {
        document.problem(
            span,
            "`until` is more than 7 days ahead",
            "choose an earlier time; you can renew the exception later",
        );
        return None;
    }
    Some(Exception { what: what?, reason: reason?, until })
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use pullgate_test::schema::agrees;

    use super::*;
    use crate::reference::Repository;

    const NOW: &str = "2026-06-01T00:00:00Z";

    fn read_text(text: &str, mode: u32, guard: Guard) -> Result<bool, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(BREAK_GLASS_FILE);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let now = NOW.parse().unwrap();
        let image = Repository::parse("r.io/team/app").unwrap();
        let read = BreakGlassFile::of(directory.path()).read_guarded(now, guard);
        agrees("break-glass", text, read.as_ref().map(drop).map_err(ToString::to_string));
        read.map(|glass| glass.exception_for(&image, None, now).is_some())
            .map_err(|problems| problems.to_string())
    }

    #[test]
    fn the_examples_open_what_they_say() {
        let installed = include_str!("../../config/break-glass.toml");
        let examples = installed.replace("#! ", "");
        assert_eq!(read_text(installed, 0o600, Guard::of_process()), Ok(false));
        let named = examples.replace("registry.example.com/payments", "r.io/team");
        assert_eq!(read_text(&named, 0o600, Guard::of_process()), Ok(true));
    }

    #[test]
    fn opens_what_a_good_file_says_and_nothing_else() {
        let open = |rest: &str| format!("[[open]]\nscope = \"r.io/team\"\n{rest}\n");
        let good = open("reason = \"outage\"\nuntil = 2026-06-02T00:00:00Z");
        let guard = Guard::of_process();
        assert_eq!(read_text(&good, 0o600, guard), Ok(true));
        assert_eq!(read_text("", 0o600, guard), Ok(false));
        let over = open("reason = \"outage\"\nuntil = 2026-05-31T00:00:00Z");
        assert_eq!(read_text(&over, 0o600, guard), Ok(false));
        let missing = BreakGlassFile::of(Path::new("/nonexistent")).read(NOW.parse().unwrap());
        assert!(missing.is_ok_and(|glass| !glass.has_digests(NOW.parse().unwrap())));
        for (text, mode, said) in [
            (good.clone(), 0o620, "is writable by its group or by everybody"),
            (open("reason = \"outage\"\nuntil = 2026-06-08T00:00:01Z"), 0o600, "more than 7 days ahead"),
            (open("reason = \"outage\""), 0o600, "no `reason` or no `until`"),
            (open("until = 2026-06-02T00:00:00Z"), 0o600, "no `reason` or no `until`"),
            (open("reason = \" \"\nuntil = 2026-06-02T00:00:00Z"), 0o600, "`reason` is empty"),
            (open("reason = \"x\"\nuntil = 2026-06-02"), 0o600, "is a local date"),
            // One invalid exception disables the others too.
            (format!("{good}[[open]]\n"), 0o600, "must have either `digest` or `scope`"),
            (format!("{good}digest = \"sha256:00\"\n"), 0o600, "must have either"),
            (format!("{good}bogus = 1\n"), 0o600, "unknown key `bogus`"),
            (format!("{good}[[open"), 0o600, "not valid TOML"),
        ] {
            let error = read_text(&text, mode, guard).unwrap_err();
            assert!(error.contains(said), "{text}\n{error}");
        }
        let error = read_text(&good, 0o600, Guard::of_user(4_000_000)).err();
        // The file belongs to root, or to the wrong user.
        let root = nix::unistd::geteuid().is_root();
        assert_eq!(error.is_none(), root);
    }
}
