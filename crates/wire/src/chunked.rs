//! The `aws-chunked` content coding.
