//! Checksums of bodies.
