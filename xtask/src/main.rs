//! Tasks of the workspace; `cargo xtask` lists them.

mod locks;
mod pack;
mod tidy;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask TASK

  tidy                    check that dependencies between crates point down only, and the length of files
  pack [--packages DIR]   rebuild catalogue/catalogue.bin from the packages in catalogue/sources.toml
                          (downloads them with pip into DIR, by default target/botocore)
  locks [VERSION]         resolve what is installed with each Airflow anew, with the uv on the PATH, as
                          crates/mwaa/locks/recipes.txt says
";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy::run(),
        ["pack"] => pack::run("target/botocore".as_ref()),
        ["pack", "--packages", folder] => pack::run(folder.as_ref()),
        ["locks"] => locks::run("uv".as_ref(), None),
        ["locks", version] => locks::run("uv".as_ref(), Some(version)),
        _ => bail!("{USAGE}"),
    }
}
