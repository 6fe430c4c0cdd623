//! Writes the types of the operations of MWAA and MWAA Serverless.

fn main() {
    standin_typed::generate::Types::of("mwaa").write();
    standin_typed::generate::Types::of("mwaa-serverless").write_as("serverless.rs");
}
