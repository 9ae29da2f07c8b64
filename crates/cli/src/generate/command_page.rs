//! Man pages of commands, in section 8.

use std::io;

use clap::Command;
use clap_mangen::Man;
use pullgate_config::description::FileDoc;
use roff::{Roff, bold, roman};

use super::title::title;

/// The name of each page, and the page.
pub(super) fn pages(program: &Command, files: &[FileDoc]) -> io::Result<Vec<(String, String)>> {
    let mut pages = Vec::new();
    let mut rest = vec![program];
    while let Some(command) = rest.pop() {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        let mut body = Vec::new();
        Man::new(command.clone()).section("8").render(&mut body)?;
        // `Man` leaves an empty date out, and what follows would be the date.
        let body = String::from_utf8_lossy(&body);
        let body: String = body.split_inclusive('\n').filter(|line| !line.starts_with(".TH ")).collect();
        let page = title(&name, "8", program) + &body + &see_also(program, &name, files).to_roff();
        pages.push((name, page));
        rest.extend(command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help"));
    }
    Ok(pages)
}

fn see_also(program: &Command, page: &str, files: &[FileDoc]) -> Roff {
    let program = Some((program.get_name(), "8")).filter(|(name, _)| *name != page);
    let others = program.into_iter().chain(files.iter().map(|file| (file.page, "5")));
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    let others: Vec<_> = others.collect();
    for (at, (name, section)) in others.iter().enumerate() {
        let comma = if at + 1 < others.len() { "," } else { "" };
        roff.text([bold(*name), roman(format!("({section}){comma}"))]);
    }
    roff
}
