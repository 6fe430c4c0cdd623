//! JSON as in the AWS JSON and REST-JSON protocols.
