//! Templates and inputs in, infrastructure code out. What comes out depends on what goes in, and on nothing else.

pub mod cloudformation;
pub mod codebuild;
mod column;
mod filters;
pub mod inputs;
pub(crate) mod jinja;
mod methods;
pub mod terraform;

use crate::bundle::Infrastructure;
use crate::finding::Finding;
use crate::manifest::Method;

pub use codebuild::Build;
pub use inputs::{ComponentInputs, EnvironmentInputs, InstanceInputs, PipelineInputs, ServiceInputs, Target};
pub use terraform::Metadata;

/// What a provisioning engine gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Rendered {
    /// A template without Jinja, which was seen to be CloudFormation.
    CloudFormation {
        template: String,
    },
    /// Files for the folder of the resource, by path.
    Terraform {
        files: Vec<(String, String)>,
    },
    CodeBuild(Box<Build>),
}

/// What is rendered for whom, apart from the inputs.
#[derive(Clone, Debug, Default)]
pub struct Identity<'i> {
    pub arn: &'i str,
    /// Names of tags, without `aws:`, and their values.
    pub tags: &'i [(String, String)],
    /// Terraform's metadata file is written where this is known.
    pub metadata: Option<Metadata<'i>>,
}

/// Renders the templates of a folder for one resource.
///
/// # Errors
/// Everything that is wrong, with the place in the bundle.
pub fn render(
    infrastructure: &Infrastructure,
    target: &Target<'_>,
    identity: &Identity<'_>,
) -> Result<Rendered, Vec<Finding>> {
    match &infrastructure.method {
        Method::CloudFormation { file } => {
            let path = infrastructure.path(file);
            let text = source(infrastructure, file).map_err(|finding| vec![finding])?;
            let template = cloudformation::render(text, &path, target)?;
            Ok(Rendered::CloudFormation { template })
        }
        Method::Terraform { files } => {
            let mut sources = Vec::new();
            for file in files {
                sources.push((file.as_str(), source(infrastructure, file).map_err(|finding| vec![finding])?));
            }
            Ok(Rendered::Terraform { files: terraform::render(&sources, target, identity) })
        }
        Method::CodeBuild(settings) => {
            let path = infrastructure.path(crate::manifest::FILE);
            let build = codebuild::render(settings, &path, &infrastructure.files, target, identity)?;
            Ok(Rendered::CodeBuild(Box::new(build)))
        }
    }
}

fn source<'i>(infrastructure: &'i Infrastructure, file: &str) -> Result<&'i str, Finding> {
    let path = infrastructure.path(file);
    let bytes = infrastructure.files.get(file);
    let bytes = bytes.ok_or_else(|| Finding::error("layout", &path, (0, 0), "the bundle does not have this file"))?;
    std::str::from_utf8(bytes).map_err(|_| Finding::error("text", &path, (0, 0), "the file is not UTF-8 text"))
}
