//! CreateCliToken and CreateWebLoginToken.

use sha2::{Digest as _, Sha256};
use standin_core::OperationError;
use standin_store::Batch;
use standin_typed::Shape as _;

use super::create::uuid;
use super::roles::{self, Granted};
use super::{Decided, Engine, Kept, Scope, not_found, validation};
use crate::host;
use crate::token::{self, Identity, Purpose};
use crate::types::{CreateCliTokenResponse, CreateWebLoginTokenResponse};

/// The longest name that Airflow has for somebody.
const USER_CHARS_MAX: usize = 64;
/// What callers may do in Airflow where nobody says otherwise, and all commands.
const ROLE: &str = "Admin";

impl Engine {
    pub(super) async fn cli_token(&self, scope: &Scope, name: &str) -> Result<Decided, OperationError> {
        let kept = self.reachable(scope, name).await.map_err(|error| {
            // The operation models nothing else.
            if error.code == standin_core::codes::VALIDATION { not_found(name) } else { error }
        })?;
        let (_, identity) = self.caller(scope).await;
        let output = CreateCliTokenResponse {
            cli_token: Some(mint(scope, &kept, Purpose::Cli, &identity)),
            web_server_hostname: Some(host::of(&kept.id, &scope.place.region, &scope.base_url)),
        };
        Ok((output.write(), Batch::default()))
    }

    pub(super) async fn web_token(&self, scope: &Scope, name: &str) -> Result<Decided, OperationError> {
        let kept = self.reachable(scope, name).await?;
        let (iam_identity, identity) = self.visitor(scope, &kept, "airflow:CreateWebLoginToken").await?;
        let output = CreateWebLoginTokenResponse {
            web_token: Some(mint(scope, &kept, Purpose::Login, &identity)),
            web_server_hostname: Some(host::of(&kept.id, &scope.place.region, &scope.base_url)),
            iam_identity: Some(iam_identity),
            airflow_identity: Some(identity.user),
        };
        Ok((output.write(), Batch::default()))
    }

    /// An environment whose web server answers.
    pub(super) async fn reachable(&self, scope: &Scope, name: &str) -> Result<Kept, OperationError> {
        let (kept, _) = self.existing(scope, name).await?;
        if kept.has_web_server() {
            return Ok(kept);
        }
        let status = kept.status().as_str();
        Err(validation(format!("Environments with {status} status have no web server; wait until it is AVAILABLE")))
    }

    /// Who calls, as IAM says and as Airflow does, with the role that IAM lets an action have.
    ///
    /// # Errors
    /// `AccessDeniedException` where IAM speaks of MWAA and grants no role.
    pub(super) async fn visitor(
        &self,
        scope: &Scope,
        kept: &Kept,
        action: &str,
    ) -> Result<(String, Identity), OperationError> {
        let (iam, identity) = self.caller(scope).await;
        let policies = self.neighbours.policies(&scope.place, &iam).await;
        let environment = scope.arn("airflow", &format!("role/{}", kept.name()));
        match roles::granted(&policies, action, &environment) {
            Granted::Unsaid => Ok((iam, identity)),
            Granted::Role(role) => Ok((iam, Identity { role: role.to_owned(), ..identity })),
            // Airflow's own client looks for these words.
            Granted::Nothing => {
                Err(OperationError::new("AccessDeniedException", "No Airflow role granted in IAM.").with_status(403))
            }
        }
    }

    /// Who calls: as IAM says, and as Airflow does.
    async fn caller(&self, scope: &Scope) -> (String, Identity) {
        let iam = self.neighbours.identity(&scope.place).await;
        let user = if iam.chars().count() <= USER_CHARS_MAX { iam.clone() } else { shortened(&iam) };
        (iam, Identity { user, role: ROLE.to_owned() })
    }
}

fn mint(scope: &Scope, kept: &Kept, purpose: Purpose, identity: &Identity) -> String {
    let mut draw = scope.draw("token");
    token::mint(&kept.secret, purpose, identity, scope.now(), &uuid(draw.next_u64(), draw.next_u64()))
}

/// The beginning of a name, and a digest of all of it.
fn shortened(name: &str) -> String {
    let digest: String = Sha256::digest(name.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let kept: String = name.chars().take(USER_CHARS_MAX - digest.len() - 1).collect();
    format!("{kept}-{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_stay_different() {
        let long = |end: &str| format!("assumed-role/{}/{end}", "a".repeat(60));
        assert_eq!(shortened(&long("x")).chars().count(), USER_CHARS_MAX);
        assert_ne!(shortened(&long("x")), shortened(&long("y")));
    }
}
