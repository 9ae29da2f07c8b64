//! Where the names of images come from: the command line, a list, a registry.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use tokio::sync::mpsc;

use super::existing::Existing;
use super::report::Report;
use crate::reference::MAX_INPUT;

/// One thing to do, or one that cannot be done.
pub(super) enum Item {
    Image(String),
    Failed(Report),
}

/// The lines of a list, as they are read.
pub(super) type List = mpsc::Receiver<Result<String, io::Error>>;

/// The names, in the order of the command line: its own, those of the list, those of the registry.
pub(super) struct Source {
    pub(super) named: VecDeque<String>,
    pub(super) list: Option<List>,
    pub(super) existing: Option<Existing>,
}

impl Source {
    pub(super) async fn next(&mut self) -> Option<Item> {
        if let Some(image) = self.named.pop_front() {
            return Some(Item::Image(image));
        }
        if let Some(lines) = &mut self.list {
            match lines.recv().await {
                Some(Ok(line)) => return Some(Item::Image(line)),
                Some(Err(error)) => return Some(Item::Failed(Report::unusable("the list", &error))),
                None => self.list = None,
            }
        }
        self.existing.as_mut()?.next().await
    }
}

/// Reads a list, one image a line, in a thread of its own: a pipe may come slowly. Empty lines and those that begin with `#`
/// are left out.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn read_list(path: &Path) -> io::Result<List> {
    let input: Box<dyn Read + Send> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let (sender, receiver) = mpsc::channel(64);
    std::thread::spawn(move || {
        let mut input = BufReader::new(input);
        loop {
            let mut line = String::new();
            let read = (&mut input).take(MAX_INPUT as u64 + 2).read_line(&mut line);
            let item = match read {
                Ok(0) => return,
                Ok(_) if line.len() > MAX_INPUT && !line.ends_with('\n') => {
                    Err(io::Error::other(format!("a line has more than {MAX_INPUT} bytes")))
                }
                Ok(_) if line.trim().is_empty() || line.trim_start().starts_with('#') => continue,
                Ok(_) => Ok(line.trim().to_owned()),
                Err(error) => Err(error),
            };
            let failed = item.is_err();
            if sender.blocking_send(item).is_err() || failed {
                return;
            }
        }
    });
    Ok(receiver)
}
