//! Writes the types of MWAA's operations.

fn main() {
    standin_typed::generate::Types::of("mwaa").write();
}
