//! Man pages of configuration files, in section 5: the options in the order of docs/options.md.

use clap::Command;
use pullgate_config::description::{FileDoc, OptionDoc, OptionKind};
use roff::{Inline, Roff, bold, roman};

use super::title::title;

pub(super) fn page(file: &FileDoc, program: &Command) -> String {
    let mut roff = Roff::new();
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{} - {}", file.page, file.about))]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text(words(file.place));
    roff.text(words("The file is written in TOML. Unknown keys are errors. To use another directory than `/etc/pullgate`, add `--config`."));
    roff.control("SH", ["OPTIONS"]);
    let mut section = "";
    let mut table = String::new();
    for option in file.options.iter().filter(|option| !is_table(option)) {
        if option.section != section {
            section = &option.section;
            roff.control("SS", [section]);
            if let Some(about) = of_table(file, section.trim_matches(['[', ']'])) {
                roff.text(words(about));
            }
        }
        let within = option.key.rsplit_once('.').map_or("", |(table, _)| table);
        if within != table {
            within.clone_into(&mut table);
            let path = format!("{}.{within}", section.trim_matches(['[', ']']));
            if let Some(about) = of_table(file, &path).filter(|_| !within.is_empty()) {
                entry(&mut roff, within, about);
            }
        }
        entry(&mut roff, &option.key, &option.description());
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold(program.get_name()), roman("(8)")]);
    title(file.page, "5", program) + &roff.to_roff()
}

fn entry(roff: &mut Roff, key: &str, text: &str) {
    roff.control("TP", []);
    roff.text([bold(key)]);
    roff.text(words(text));
}

fn is_table(option: &OptionDoc) -> bool {
    matches!(option.kind, OptionKind::Table(_))
}

/// What is said about the table with this path.
fn of_table<'f>(file: &'f FileDoc, path: &str) -> Option<&'f str> {
    let found = file.options.iter().find(|option| match option.kind {
        OptionKind::Table(header) => header.trim_matches(['[', ']']) == path,
        _ => false,
    });
    found.map(|option| option.doc.as_str())
}

/// Text with what is in backticks in bold.
fn words(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 0 { roman(part) } else { bold(part) }).collect()
}
