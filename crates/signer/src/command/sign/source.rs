//! The sources of image names: the command line, a list, a registry.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use tokio::sync::mpsc;

use super::report::{Item, Report};
use super::tagged_images::TaggedImages;
use pullgate_core::reference::MAX_INPUT;

/// The lines of a list, as they are read.
pub(super) type ImageList = mpsc::Receiver<Result<String, io::Error>>;

/// The names: first those on the command line, then those of the list, then those in the registry.
pub(super) struct Source {
    pub(super) named: VecDeque<String>,
    pub(super) list: Option<ImageList>,
    pub(super) tagged: Option<TaggedImages>,
}

impl Source {
    pub(super) async fn next(&mut self) -> Option<Item> {
        if let Some(image) = self.named.pop_front() {
            return Some(Item::Image(image));
        }
        if let Some(lines) = &mut self.list {
            match lines.recv().await {
                Some(Ok(line)) => return Some(Item::Image(line)),
                Some(Err(error)) => return Some(Item::Failed(Report::invalid("the list", &error))),
                None => self.list = None,
            }
        }
        self.tagged.as_mut()?.next().await
    }
}

/// Reads a list with one image on each line, in its own thread, because a pipe may be slow. Skips empty lines and lines that
/// begin with `#`.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn read_list(path: &Path) -> io::Result<ImageList> {
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
                    Err(io::Error::other(format!("a line is longer than {MAX_INPUT} bytes")))
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
