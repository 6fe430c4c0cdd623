//! Linked repositories as the engine sees them, behind a trait.

use standin_core::BoxFuture;

use crate::types::RepositoryProvider;

/// A linked repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryPlace {
    /// Of whom it is linked for.
    pub account: String,
    pub region: String,
    pub provider: RepositoryProvider,
    /// `owner/name`.
    pub name: String,
}

/// A file or folder of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryEntry {
    /// Without its folder.
    pub name: String,
    pub is_folder: bool,
    /// Of the content, with all that a folder holds: the same for the same content.
    pub id: String,
}

/// Files by path.
pub type Contents = Vec<(String, Vec<u8>)>;

/// Reads repositories. Errors are sentences for statuses; what is not there is `None`.
pub trait Repositories: Send + Sync {
    /// The id of the commit at the tip of a branch, now.
    fn head<'a>(&'a self, place: &'a RepositoryPlace, branch: &'a str)
    -> BoxFuture<'a, Result<Option<String>, String>>;

    /// What lies in a folder of a commit that [`Self::head`] told; `""` is the top.
    fn list<'a>(
        &'a self,
        place: &'a RepositoryPlace,
        commit: &'a str,
        folder: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<RepositoryEntry>>, String>>;

    /// A file, or all files of a folder with their paths in it: `bytes_max` of them together.
    fn read<'a>(
        &'a self,
        place: &'a RepositoryPlace,
        commit: &'a str,
        path: &'a str,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Option<Contents>, String>>;
}

/// Where no repository can be reached.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRepositories;

impl NoRepositories {
    fn refusal<T>(place: &RepositoryPlace) -> Result<T, String> {
        Err(format!(
            "standin does not know where repository {} is: name its place in the configuration, as proton.repositories.\"{}\"",
            place.name, place.name
        ))
    }
}

impl Repositories for NoRepositories {
    fn head<'a>(&'a self, place: &'a RepositoryPlace, _: &'a str) -> BoxFuture<'a, Result<Option<String>, String>> {
        Box::pin(std::future::ready(Self::refusal(place)))
    }

    fn list<'a>(
        &'a self,
        place: &'a RepositoryPlace,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<RepositoryEntry>>, String>> {
        Box::pin(std::future::ready(Self::refusal(place)))
    }

    fn read<'a>(
        &'a self,
        place: &'a RepositoryPlace,
        _: &'a str,
        _: &'a str,
        _: usize,
    ) -> BoxFuture<'a, Result<Option<Contents>, String>> {
        Box::pin(std::future::ready(Self::refusal(place)))
    }
}
