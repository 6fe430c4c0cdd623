//! What is proposed: the files of a resource in their folder, and the words around them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use standin_host::git::{Author, Change, Entry, GitError, Kind, Mirror, ObjectId};
use standin_proton::engine::provision::{Order, Subject};
use standin_proton::render::terraform::{METADATA_FILE, is_generated};

/// The top folder that environments lie in where a repository has it.
const ENVIRONMENTS: &str = "environments";
/// Larger files are none that standin wrote: templates have 200 KB at most.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Of the files of a folder that are looked at.
const FOLDER_BYTES_MAX: u64 = 32 << 20;

/// `proton--proton-TYPE-UUID`: the same for every step of a deployment, and for no other.
pub(super) fn branch_of(order: &Order) -> String {
    let digest = Sha256::digest(format!("proton pull request of {}", order.deployment_id).as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    // The bits by which a UUID says that it is a random one.
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    let mut text = format!("proton--proton-{}-", order.subject.kind());
    for (at, byte) in id.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Subject of the commit and title of the request.
pub(super) fn message(order: &Order) -> String {
    format!("Update requested for Proton - {}", order.subject.title())
}

/// What the request says.
pub(super) fn body(order: &Order) -> String {
    let Order { resource_arn, deployment_id, .. } = order;
    format!(
        "standin proposes the Terraform of `{resource_arn}`, for its deployment `{deployment_id}`.\n\n\
         Merging this changes nothing in Proton by itself. Whoever applies it says how it went:\n\n\
         ```\naws proton notify-resource-deployment-status-change --resource-arn {resource_arn} \\\n  \
         --deployment-id {deployment_id} --status SUCCEEDED --outputs key=NAME,valueString=VALUE\n```\n\n\
         Closing this without merging cancels the deployment.\n"
    )
}

pub(super) fn author() -> Author {
    Author { name: "standin".to_owned(), email: "standin@localhost".to_owned() }
}

/// The folder of a resource in a repository.
pub(super) struct Folder {
    pub path: String,
}

impl Folder {
    /// The folder of an order's resource in a commit.
    pub async fn of(order: &Order, mirror: &Mirror, commit: &ObjectId) -> Result<Self, GitError> {
        let path = order.subject.folder();
        // Pipelines belong to no environment.
        if matches!(order.subject, Subject::Pipeline { .. }) {
            return Ok(Self { path });
        }
        let top = mirror.entry(commit, ENVIRONMENTS).await?;
        let nested = top.is_some_and(|entry| entry.kind == Kind::Folder);
        Ok(Self { path: if nested { format!("{ENVIRONMENTS}/{path}") } else { path } })
    }

    /// A file of the folder, from the root of the repository.
    pub fn file(&self, path: &str) -> String {
        format!("{}/{path}", self.path)
    }

    /// The files that came from a template, by their paths in the folder. Those of resources whose folders lie in this one are theirs.
    pub async fn generated(&self, mirror: &Mirror, commit: &ObjectId) -> Result<Vec<(String, String)>, GitError> {
        let below = |entry: &Entry| entry.path.strip_prefix(&self.path)?.strip_prefix('/').map(str::to_owned);
        let mut entries = mirror.list_all(commit, &self.path).await?;
        entries.retain(|entry| entry.kind == Kind::File && entry.bytes <= FILE_BYTES_MAX);
        let others: BTreeSet<String> = entries
            .iter()
            .filter_map(|entry| below(entry)?.strip_suffix(METADATA_FILE).map(str::to_owned))
            .filter(|folder| folder.ends_with('/'))
            .collect();
        entries.retain(|entry| {
            below(entry).is_some_and(|path| !others.iter().any(|other| path.starts_with(other.as_str())))
        });
        let contents = mirror.contents(commit, &entries, FOLDER_BYTES_MAX).await?;
        let texts = entries.iter().zip(contents).filter_map(|(entry, bytes)| {
            let (path, text) = (below(entry)?, String::from_utf8(bytes).ok()?);
            is_generated(&path, &text).then_some((path, text))
        });
        Ok(texts.collect())
    }

    /// The change that brings the files of an order, and takes away those that earlier versions had. `extra` files come where the
    /// repository has none of their names.
    pub async fn change(
        &self,
        order: &Order,
        mirror: &Mirror,
        base: &ObjectId,
        files: &[(String, String)],
        at: i64,
        extra: Vec<(&'static str, String)>,
    ) -> Result<Change, GitError> {
        let before = self.generated(mirror, base).await?;
        let is_new = |path: &String| files.iter().any(|(new, _)| new == path);
        let remove = before.iter().filter(|(path, _)| !is_new(path)).map(|(path, _)| self.file(path)).collect();
        let mut put: Vec<_> = files.iter().map(|(path, text)| (self.file(path), text.clone().into_bytes())).collect();
        // Those that are there are their owner's.
        for (path, text) in extra {
            if mirror.entry(base, path).await?.is_none() {
                put.push((path.to_owned(), text.into_bytes()));
            }
        }
        let (branch, message) = (branch_of(order), message(order));
        Ok(Change { branch, base: base.clone(), put, remove, message, author: author(), at })
    }
}
