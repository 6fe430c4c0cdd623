//! What does not work, or works otherwise than it seems: said when an environment is loaded.

use std::fmt;

/// One thing to tell the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Method and endpoint; `None` where it is about the whole environment.
    pub route: Option<String>,
    pub message: String,
}

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.route {
            Some(route) => write!(out, "{route}: {}", self.message),
            None => out.write_str(&self.message),
        }
    }
}
