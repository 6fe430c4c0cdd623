//! Files for a repository by which its forge plans what Proton proposes, applies what is merged, and tells Proton how it went.

/// Whose workflows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workflows {
    /// GitHub Actions.
    GitHub,
    /// GitLab CI.
    GitLab,
    /// Gitea and Forgejo Actions, which read GitHub's.
    Gitea,
    /// None: the script alone.
    Plain,
}

/// What all of them run, and people by hand.
const SCRIPT: (&str, &str) = (".proton/deploy.sh", include_str!("workflows/deploy.sh"));
const GITHUB: &str = include_str!("workflows/github.yml");
const GITLAB: &str = include_str!("workflows/gitlab.yml");

impl Workflows {
    /// By the name of a forge.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "github" => Some(Self::GitHub),
            "gitlab" => Some(Self::GitLab),
            "gitea" | "forgejo" => Some(Self::Gitea),
            "plain" | "bitbucket" => Some(Self::Plain),
            _ => None,
        }
    }

    /// The files by path, for a repository whose branch `branch` is what counts.
    pub fn files(self, branch: &str) -> Vec<(&'static str, String)> {
        // A name of a branch has neither quotes nor line breaks that matter within double quotes of YAML, but for these.
        let branch: String =
            branch.chars().flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c])).collect();
        let workflow = match self {
            Self::GitHub => Some((".github/workflows/proton.yml", GITHUB)),
            Self::Gitea => Some((".gitea/workflows/proton.yml", GITHUB)),
            Self::GitLab => Some((".gitlab-ci.yml", GITLAB)),
            Self::Plain => None,
        };
        let workflow = workflow.map(|(path, text)| (path, text.replace("{branch}", &branch)));
        std::iter::once((SCRIPT.0, SCRIPT.1.to_owned())).chain(workflow).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(forge: &str, expect: &[&str]) {
        let files = Workflows::named(forge).unwrap().files("release/1.x");
        assert_eq!(files.iter().map(|(path, _)| *path).collect::<Vec<_>>(), expect, "{forge}");
        for (path, text) in files.iter().skip(1) {
            assert!(text.contains("\"release/1.x\"") && !text.contains("{branch}"), "{path}");
            assert!(text.contains("deploy.sh plan") && text.contains("deploy.sh apply"), "{path}");
        }
    }

    #[test]
    fn every_forge_has_its_files() {
        check("github", &[".proton/deploy.sh", ".github/workflows/proton.yml"]);
        check("gitlab", &[".proton/deploy.sh", ".gitlab-ci.yml"]);
        check("forgejo", &[".proton/deploy.sh", ".gitea/workflows/proton.yml"]);
        check("plain", &[".proton/deploy.sh"]);
        assert_eq!(Workflows::named("sourceforge"), None);
    }

    #[test]
    fn quotes_in_branches_stay_in_their_strings() {
        let files = Workflows::GitHub.files("a\"b");
        assert!(files[1].1.contains("branches: [\"a\\\"b\"]"));
    }
}
