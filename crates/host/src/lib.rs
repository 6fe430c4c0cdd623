//! What standin does outside of itself: it runs programs, and reads and writes git repositories.
//!
//! # Invariants
//! - Nothing here knows what it is for: no AWS, no Proton, no rows.
//! - Whatever is started can be found again by its name, by another process after a crash, and is started once.
//! - Nothing that a caller names becomes an option of a program, a path outside of its folder, or a host that no one configured.

pub mod forge;
pub mod git;
pub mod job;
