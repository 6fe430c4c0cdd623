//! The table of rules in `docs/proton.md` names tests that exist.

use std::fs;
use std::path::Path;

const ROWS: usize = 171;

#[test]
fn every_rule_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/proton.md")).expect("the page is there");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
        .filter(|cells| cells.len() == 5 && cells[1].parse::<usize>().is_ok())
        .collect();
    let numbers: Vec<usize> = rows.iter().filter_map(|cells| cells[1].parse().ok()).collect();
    assert_eq!(numbers, (1..=ROWS).collect::<Vec<_>>());
    for cells in &rows {
        // Names of tests are code: `FILE::TEST`. The rest is prose.
        for (at, test) in cells[3].split('`').enumerate().filter(|(at, _)| at % 2 == 1) {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("row {}: {test} ({at})", cells[1]));
            let folder = if file.contains('/') { root.clone() } else { root.join("e2e/python") };
            let text = fs::read_to_string(folder.join(file)).unwrap_or_else(|_| panic!("row {}: {file}", cells[1]));
            let defined = [format!("def {name}("), format!("fn {name}(")];
            assert!(defined.iter().any(|start| text.contains(start.as_str())), "row {}: {test}", cells[1]);
        }
    }
}
