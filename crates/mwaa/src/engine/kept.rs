//! An environment as a row: as the API shows it, and what only the engine knows.

use std::sync::Arc;

use standin_core::{OperationError, Twist};
use standin_model::{Document, Fields};
use standin_store::{IndexEntry, Row};
use standin_typed::{Shape as _, optional, required};

use crate::runtime::Contents;
use crate::types::{Environment, EnvironmentStatus, LastUpdate};

/// The table of environments, by their names.
pub(super) const TABLE: &str = "environment";
/// The index of environments by the ids in their hosts.
pub(super) const BY_ID: &str = "id";

/// An environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    pub environment: Environment,
    /// Of its files in S3.
    pub contents: Contents,
    /// A UUID, which its host begins with.
    pub id: String,
    /// What its tokens are signed with.
    pub secret: String,
    /// Of the last job that was enqueued for it; others have nothing to do any more.
    pub(super) turn: i64,
    /// As it was before an update that is under way.
    pub(super) before: Option<Environment>,
    /// Of its files before that update.
    pub(super) contents_before: Contents,
    /// Whether its customer's endpoints were waited for.
    pub(super) connected: bool,
    /// Whether it is unavailable because its Airflow is not well, and may be so again.
    pub(super) unwell: bool,
    /// Where a fault rule lets the transition under way end.
    pub(super) twist: Option<Twist>,
}

impl Kept {
    pub fn name(&self) -> &str {
        self.environment.name.as_deref().unwrap_or_default()
    }

    pub fn status(&self) -> EnvironmentStatus {
        self.environment.status.unwrap_or(EnvironmentStatus::Unavailable)
    }

    /// Whether its web server answers: from when it was first there until it is deleted.
    pub fn has_web_server(&self) -> bool {
        use EnvironmentStatus as Status;
        !matches!(self.status(), Status::Creating | Status::CreateFailed | Status::Pending)
    }

    pub(super) fn set_status(&mut self, status: EnvironmentStatus) {
        self.environment.status = Some(status);
        self.unwell = false;
    }

    pub(super) fn last_update(&mut self) -> &mut LastUpdate {
        self.environment.last_update.get_or_insert_default()
    }

    pub(super) fn from_row(row: &Row) -> Result<Self, OperationError> {
        Self::read(&row.body)
            .ok_or_else(|| OperationError::internal(format!("the row of environment {} cannot be read", row.key)))
    }

    fn read(body: &Document) -> Option<Self> {
        let fields = body.as_map()?;
        let twist = |text: String| match text.as_str() {
            "failed" => Some(Twist::Failed),
            "stuck" => Some(Twist::Stuck),
            _ => None,
        };
        Some(Self {
            environment: optional(fields, "environment")?,
            contents: read_contents(fields.get("contents")),
            contents_before: read_contents(fields.get("contents_before")),
            id: required(fields, "id"),
            secret: required(fields, "secret"),
            turn: required(fields, "turn"),
            before: optional(fields, "before"),
            connected: required(fields, "connected"),
            unwell: required(fields, "unwell"),
            twist: optional(fields, "twist").and_then(twist),
        })
    }

    pub(super) fn body(&self) -> Document {
        let mut fields = Fields::with_capacity(10);
        fields.push("environment", self.environment.write());
        fields.push("id", self.id.clone());
        fields.push("secret", self.secret.clone());
        fields.push("turn", self.turn);
        fields.push("connected", self.connected);
        for (name, contents) in [("contents", &self.contents), ("contents_before", &self.contents_before)] {
            if *contents != Contents::default() {
                fields.push(name, write_contents(contents));
            }
        }
        if self.unwell {
            fields.push("unwell", true);
        }
        if let Some(before) = &self.before {
            fields.push("before", before.write());
        }
        if let Some(twist) = self.twist {
            fields.push("twist", if twist == Twist::Failed { "failed" } else { "stuck" });
        }
        Document::Map(fields)
    }

    pub(super) fn index(&self) -> Arc<[IndexEntry]> {
        Arc::new([IndexEntry::new(BY_ID, self.id.as_str())])
    }
}

fn read_contents(document: Option<&Document>) -> Contents {
    let text = |name: &str| document?.get(name)?.as_str().map(str::to_owned);
    Contents { plugins: text("plugins"), requirements: text("requirements"), startup_script: text("startup_script") }
}

fn write_contents(contents: &Contents) -> Document {
    let mut fields = Fields::with_capacity(3);
    for (name, content) in [
        ("plugins", &contents.plugins),
        ("requirements", &contents.requirements),
        ("startup_script", &contents.startup_script),
    ] {
        if let Some(content) = content {
            fields.push(name, content.clone());
        }
    }
    Document::Map(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let environment = Environment { name: Some("birds".into()), ..Environment::default() };
        let kept = Kept {
            before: Some(environment.clone()),
            environment,
            contents: Contents { plugins: Some("tag".into()), ..Contents::default() },
            contents_before: Contents::default(),
            id: "1".into(),
            secret: "s".into(),
            turn: 3,
            connected: true,
            unwell: true,
            twist: Some(Twist::Stuck),
        };
        assert_eq!(Kept::read(&kept.body()), Some(kept));
        assert_eq!(Kept::read(&Document::Null), None);
    }
}
