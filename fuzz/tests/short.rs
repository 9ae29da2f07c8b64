//! A short run of each target, and a check that the seeds reach the parsers.

use pullgate_fuzz::TARGETS;

#[test]
fn every_seed_is_accepted() {
    let mut refused = Vec::new();
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{}: it has no seed", target.name);
        let numbered = seeds.iter().enumerate().filter(|(_, seed)| !(target.parse)(seed));
        refused.extend(numbered.map(|(number, _)| format!("{}: seed {number}", target.name)));
    }
    assert_eq!(refused, [] as [&str; 0]);
}

#[test]
fn no_parser_panics() {
    for target in TARGETS {
        let report = target.run(300, 1).unwrap_or_else(|problem| panic!("{}: {problem}", target.name));
        assert!(report.accepted < 300, "{}: it accepts everything", target.name);
    }
}

/// Otherwise the changes would be too coarse to reach what is behind the first check.
#[test]
fn some_changed_inputs_are_accepted() {
    let without: Vec<_> = TARGETS
        .iter()
        .filter(|target| target.run(2000, 2).is_ok_and(|report| report.accepted == 0))
        .map(|target| target.name)
        .collect();
    // A change of what is signed is always noticed.
    let signed: Vec<&str> = without.iter().copied().filter(|name| !name.starts_with("signed: ")).collect();
    assert_eq!(signed, [] as [&str; 0]);
}
