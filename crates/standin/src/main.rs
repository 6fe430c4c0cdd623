use std::process::ExitCode;

fn main() -> ExitCode {
    standin::cli::main(std::env::args_os())
}
