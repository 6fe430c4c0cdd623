//! The tables of rules and operations in `docs/proton.md` name tests that exist.

use std::fs;
use std::path::Path;

const RULES: usize = 171;

/// The cells of all rows of the page's tables.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let rows = page.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    rows.map(|row| row.split('|').map(str::trim).collect()).collect()
}

/// Names of tests are code: `FILE::TEST`. The rest is prose.
fn must_exist(root: &Path, of: &str, cell: &str) {
    for test in cell.split('`').skip(1).step_by(2) {
        let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{of}: {test}"));
        let folder = if file.contains('/') { root.to_owned() } else { root.join("e2e/python") };
        let text = fs::read_to_string(folder.join(file)).unwrap_or_else(|_| panic!("{of}: there is no {file}"));
        let defined = [format!("def {name}("), format!("fn {name}(")];
        assert!(defined.iter().any(|start| text.contains(start.as_str())), "{of}: there is no {test}");
    }
}

#[test]
fn every_rule_and_operation_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/proton.md")).expect("the page is there");
    let rows = rows(&page);
    let rules: Vec<&Vec<&str>> = rows.iter().filter(|cells| cells[0].parse::<usize>().is_ok()).collect();
    let numbers: Vec<usize> = rules.iter().filter_map(|cells| cells[0].parse().ok()).collect();
    assert_eq!(numbers, (1..=RULES).collect::<Vec<_>>());
    for cells in rules {
        let [number, _, tests] = cells.as_slice() else { panic!("{cells:?}") };
        must_exist(&root, number, tests);
    }
    for operation in standin_proton::types::OPERATIONS {
        let row = rows.iter().find(|cells| cells[0] == *operation);
        let tests = row.and_then(|cells| cells.get(1)).unwrap_or_else(|| panic!("there is no row for {operation}"));
        assert!(tests.contains("::"), "{operation} has no test");
        must_exist(&root, operation, tests);
    }
}
