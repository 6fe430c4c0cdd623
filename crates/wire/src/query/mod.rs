//! Form bodies as in the AWS Query and EC2 Query protocols, and the XML that answers them.

mod form;
mod names;
mod read;
mod result;
mod write;

pub use read::read_form;
pub use result::{read_result, write_result};
pub use write::write_form;

#[cfg(test)]
mod tests;
