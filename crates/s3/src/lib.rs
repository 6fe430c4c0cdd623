//! Amazon S3: buckets and objects that are really there.
