//! `cargo run --release --package pullgate-fuzz -- [RUNS [TARGET…]]`: runs each target this often, or only those whose
//! names contain one of the words, and prints a table.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it prints its results")]

use std::process::ExitCode;

use pullgate_fuzz::TARGETS;

/// How often each target is run, unless the command line has a number.
const RUNS: u32 = 10_000_000;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let runs = match words.next().map(|word| word.parse()) {
        None => RUNS,
        Some(Ok(runs)) => runs,
        Some(Err(_)) => {
            eprintln!("usage: pullgate-fuzz [RUNS [TARGET...]]");
            return ExitCode::from(2);
        }
    };
    let chosen: Vec<String> = words.collect();
    // Each call makes other inputs; the number repeats them.
    let number = std::env::var("PULLGATE_FUZZ_NUMBER").ok().and_then(|text| text.parse().ok());
    let number = number.unwrap_or_else(|| u64::from(std::process::id()));
    println!("Inputs number {number} (PULLGATE_FUZZ_NUMBER={number} makes the same ones again).\n");
    println!("| parser | runs | accepted | time | findings |\n|---|---:|---:|---:|---:|");
    let mut found = false;
    for target in TARGETS
        .iter()
        .filter(|it| chosen.is_empty() || chosen.iter().any(|name| it.name.contains(name.as_str())))
    {
        match target.run(runs, number) {
            Ok(report) => {
                let seconds = report.time.as_secs_f64();
                println!("| {} | {} | {} | {seconds:.0} s | 0 |", target.name, report.runs, report.accepted);
            }
            Err(problem) => {
                found = true;
                println!("| {} | | | | **1** |", target.name);
                eprintln!("{}: {problem}", target.name);
            }
        }
    }
    if found { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
