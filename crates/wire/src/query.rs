//! Form bodies as in the AWS Query and EC2 Query protocols.
