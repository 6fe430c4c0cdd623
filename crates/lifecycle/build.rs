//! Lists the overlays that are built in: every file of `overlays/`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=overlays");
    let folder = Path::new(&variable("CARGO_MANIFEST_DIR")).join("overlays");
    let entries = std::fs::read_dir(&folder).expect("the folder of overlays can be read");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("its entries can be read").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut list = String::from("&[\n");
    for file in files {
        let service = file.file_stem().expect("it has a name").to_string_lossy();
        let _ = writeln!(list, "    ({service:?}, include_str!({file:?})),");
    }
    list.push(']');
    let out = Path::new(&variable("OUT_DIR")).join("overlays.rs");
    std::fs::write(out, list).expect("the output folder can be written");
}

fn variable(name: &str) -> String {
    std::env::var(name).expect("cargo sets it for build scripts")
}
