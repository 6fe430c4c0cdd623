//! The models that a command works with.

use std::path::{Path, PathBuf};

use clap::Args;
use standin_model::{Catalogue, Service, import};

use crate::env;
use crate::error::{Attempt as _, CommandError};

#[derive(Args, Clone, Debug)]
pub struct Models {
    /// Know the API of this model too: a Smithy JSON AST or a botocore service-2.json
    ///
    /// May be given several times.
    #[arg(long, value_name = "FILE", env = env::MODEL, value_delimiter = ',')]
    pub model: Vec<PathBuf>,
}

impl Models {
    /// The embedded catalogue, with the given models in it.
    ///
    /// # Errors
    /// When a file cannot be read or is no model.
    pub fn catalogue(&self) -> Result<&'static Catalogue, CommandError> {
        if self.model.is_empty() {
            return Ok(Catalogue::shared());
        }
        let mut catalogue = Catalogue::embedded();
        for service in read(&self.model)? {
            catalogue.add(service);
        }
        // Once per process; services live as long as the process in any case.
        Ok(Box::leak(Box::new(catalogue)))
    }
}

/// Reads model files.
///
/// # Errors
/// When a file cannot be read or is no model; the message names it.
pub fn read(files: &[PathBuf]) -> Result<Vec<Service>, CommandError> {
    let mut services = Vec::new();
    for file in files {
        services.extend(read_one(file)?);
    }
    Ok(services)
}

fn read_one(file: &Path) -> Result<Vec<Service>, CommandError> {
    let doing = format!("cannot read the model {}", file.display());
    let text = std::fs::read_to_string(file).attempt(&doing)?;
    import::any(&text).attempt(&doing)
}
