//! The types of MWAA Serverless's API, from the catalogue.

#![allow(clippy::all, clippy::pedantic, reason = "written by build.rs")]

use standin_typed::prelude::*;

include!(concat!(env!("OUT_DIR"), "/serverless.rs"));
