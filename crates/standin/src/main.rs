use std::process::ExitCode;

/// Every request allocates; this allocator halves what that costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    standin::cli::main(std::env::args_os())
}
