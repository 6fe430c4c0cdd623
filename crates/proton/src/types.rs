//! The types of Proton's API: a struct for every structure, an enum for every enumeration, all from the catalogue.

#![allow(clippy::all, clippy::pedantic, reason = "written by build.rs")]

use standin_typed::prelude::*;
pub use standin_typed::{Shape, convert};

include!(concat!(env!("OUT_DIR"), "/types.rs"));
