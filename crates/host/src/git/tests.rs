//! Against the program git, with repositories in temporary folders.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// A folder of its own, which goes with the test.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("standin-git-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A bare repository as somebody else's, and somebody who works with it.
struct World {
    folder: Temporary,
    git: Git,
}

const WHO: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "Ada"),
    ("GIT_AUTHOR_EMAIL", "ada@example.com"),
    ("GIT_COMMITTER_NAME", "Ada"),
    ("GIT_COMMITTER_EMAIL", "ada@example.com"),
];

impl World {
    /// Nothing, with a word about it, where there is no git.
    fn new(limits: Limits) -> Option<Self> {
        let folder = Temporary::new();
        let search = std::env::var_os("PATH");
        let git = Git::new(Settings { search, folder: folder.0.join("mirrors"), environment: Vec::new(), limits });
        if !git.is_there() {
            eprintln!("skipped: the program git is not in PATH");
            return None;
        }
        let world = Self { folder, git };
        world.run(&world.folder.0, &["init", "-q", "--bare", "-b", "main", "infra.git"]);
        world.run(&world.folder.0, &["init", "-q", "-b", "main", "work"]);
        world.run(&world.work(), &["remote", "add", "origin", world.bare().to_str().unwrap()]);
        world.put("README.md", "hello\n");
        world.put("environments/prod/main.tf", "a = 1\n");
        world.put("environments/prod/other.tf", "b = 1\n");
        world.push("main", "first");
        Some(world)
    }

    fn bare(&self) -> PathBuf {
        self.folder.0.join("infra.git")
    }

    fn work(&self) -> PathBuf {
        self.folder.0.join("work")
    }

    fn run(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(folder)
            .envs(WHO)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Commits what is in the work tree to a branch and pushes it; the commit's id.
    fn push(&self, branch: &str, message: &str) -> ObjectId {
        let work = self.work();
        self.run(&work, &["add", "-A"]);
        self.run(&work, &["commit", "-q", "--allow-empty", "-m", message]);
        self.run(&work, &["push", "-q", "origin", &format!("HEAD:refs/heads/{branch}")]);
        ObjectId::parse(&self.run(&work, &["rev-parse", "HEAD"])).unwrap()
    }

    fn mirror(&self) -> Mirror {
        self.git.mirror(Remote::new(self.bare().to_str().unwrap(), None).unwrap())
    }

    fn show(&self, what: &str) -> String {
        self.run(&self.bare(), &["show", "--format=%an <%ae> %at|%s|%P", what])
    }
}

fn change(branch: &str, base: &ObjectId) -> Change {
    Change {
        branch: branch.to_owned(),
        base: base.clone(),
        put: vec![
            ("environments/prod/main.tf".into(), b"a = 2\n".to_vec()),
            ("environments/prod/.proton/deployment-metadata.json".into(), b"{}".to_vec()),
            ("environments/prod/with \"quotes\" and ü.tf".into(), b"no newline".to_vec()),
        ],
        remove: vec!["environments/prod/other.tf".into()],
        message: "Update requested\n\nfor all".into(),
        author: Author { name: "standin <x>".into(), email: "standin@localhost".into() },
        at: 1_700_000_000,
    }
}

#[tokio::test]
async fn a_branch_is_fetched_listed_and_read() {
    let Some(world) = World::new(Limits::default()) else { return };
    let mirror = world.mirror();
    let head = mirror.fetch("main").await.unwrap();
    assert_eq!(mirror.head("main").await.unwrap(), head);
    let names = |entries: &[Entry]| entries.iter().map(|e| (e.path.clone(), e.kind)).collect::<Vec<_>>();
    let top = mirror.list(&head, "").await.unwrap();
    assert_eq!(names(&top), [("README.md".into(), Kind::File), ("environments".into(), Kind::Folder)]);
    let all = mirror.list_all(&head, "environments/").await.unwrap();
    assert_eq!(
        names(&all),
        [("environments/prod/main.tf".into(), Kind::File), ("environments/prod/other.tf".into(), Kind::File),]
    );
    assert_eq!(mirror.read(&head, "README.md", 100).await.unwrap(), Some(b"hello\n".to_vec()));
    assert_eq!(mirror.read(&head, "environments", 100).await.unwrap(), None);
    assert_eq!(mirror.read(&head, "nothing", 100).await.unwrap(), None);
    assert!(matches!(mirror.read(&head, "README.md", 5).await, Err(GitError::Refused(_))));
    let files = mirror.read_all(&head, "environments/prod", 100).await.unwrap();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["main.tf", "other.tf"]);
    assert_eq!(mirror.list(&head, "nothing").await.unwrap(), []);
    // A folder has the same id as long as nothing in it changes.
    let before = mirror.entry(&head, "environments/prod").await.unwrap().unwrap().id;
    world.put("README.md", "changed\n");
    world.push("main", "second");
    let next = mirror.fetch("main").await.unwrap();
    assert_ne!(next, head);
    assert_eq!(mirror.entry(&next, "environments/prod").await.unwrap().unwrap().id, before);
    assert!(mirror.is_in(&head, &next).await.unwrap());
    assert!(!mirror.is_in(&next, &head).await.unwrap());
}

#[tokio::test]
async fn a_mirror_that_is_lost_is_made_again() {
    let Some(world) = World::new(Limits::default()) else { return };
    let head = world.mirror().fetch("main").await.unwrap();
    std::fs::remove_dir_all(world.folder.0.join("mirrors")).unwrap();
    assert_eq!(world.mirror().list(&head, "").await.unwrap().len(), 2);
    // So is one that a killed process left half made.
    let folder = world.mirror().folder(&head);
    std::fs::remove_file(folder.join("HEAD")).unwrap();
    std::fs::create_dir_all(folder.with_extension("new").join("objects")).unwrap();
    assert_eq!(world.mirror().fetch("main").await.unwrap(), head);
    assert_eq!(world.mirror().list(&head, "").await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_change_is_proposed_once() {
    let Some(world) = World::new(Limits::default()) else { return };
    let mirror = world.mirror();
    let base = mirror.fetch("main").await.unwrap();
    let first = mirror.propose(&change("proton--x/1", &base)).await.unwrap();
    assert!(!first.found);
    assert_eq!(world.run(&world.bare(), &["rev-parse", "proton--x/1"]), first.commit.as_str());
    let shown = world.show("proton--x/1");
    assert!(shown.starts_with(&format!("standin x <standin@localhost> 1700000000|Update requested|{base}")), "{shown}");
    let files =
        world.run(&world.bare(), &["-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", "-z", "proton--x/1"]);
    let files: Vec<_> = files.split_terminator('\0').collect();
    assert_eq!(
        files,
        [
            "README.md",
            "environments/prod/.proton/deployment-metadata.json",
            "environments/prod/main.tf",
            "environments/prod/with \"quotes\" and ü.tf",
        ]
    );
    assert_eq!(world.run(&world.bare(), &["cat-file", "-p", &format!("{}:{}", first.commit, files[3])]), "no newline");
    // The same again, by another process and with another mirror too.
    let again = mirror.propose(&change("proton--x/1", &base)).await.unwrap();
    assert_eq!(again, Proposed { commit: first.commit.clone(), found: true });
    std::fs::remove_dir_all(world.folder.0.join("mirrors")).unwrap();
    let again = world.mirror().propose(&change("proton--x/1", &base)).await.unwrap();
    assert_eq!(again, Proposed { commit: first.commit.clone(), found: true });
    // The same change is the same commit.
    assert_eq!(world.mirror().commit(&change("proton--x/1", &base)).await.unwrap(), first.commit);
    assert!(mirror.delete_branch("proton--x/1").await.unwrap());
    assert!(!mirror.delete_branch("proton--x/1").await.unwrap());
    assert_eq!(mirror.heads(&["proton--x/1", "main"]).await.unwrap(), [None, Some(base)]);
}

#[tokio::test]
async fn one_of_two_who_push_at_the_same_time_wins() {
    let Some(world) = World::new(Limits::default()) else { return };
    let mirror = world.mirror();
    let base = mirror.fetch("main").await.unwrap();
    let ours = mirror.commit(&change("race", &base)).await.unwrap();
    // Another pushes between the look and the push.
    world.put("README.md", "other\n");
    let theirs = world.push("race", "theirs");
    assert!(matches!(mirror.push(&ours, "race").await, Err(GitError::Raced { .. })));
    assert_eq!(mirror.head("race").await.unwrap(), theirs);
    assert_eq!(mirror.propose(&change("race", &base)).await.unwrap(), Proposed { commit: theirs, found: true });
}

#[tokio::test]
async fn merges_of_all_kinds_are_seen() {
    let Some(world) = World::new(Limits::default()) else { return };
    let mirror = world.mirror();
    let base = mirror.fetch("main").await.unwrap();
    let paths = |change: &Change| change.put.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    let change = change("p", &base);
    let proposed = mirror.propose(&change).await.unwrap().commit;
    let merged = async || {
        let head = mirror.fetch("main").await.unwrap();
        mirror.is_merged(&proposed, &base, &head, &paths(&change)).await.unwrap()
    };
    assert!(!merged().await);
    world.put("unrelated", "x");
    world.push("main", "unrelated");
    assert!(!merged().await);
    let work = world.work();
    world.run(&work, &["fetch", "-q", "origin", "p"]);
    world.run(&work, &["merge", "-q", "--squash", "FETCH_HEAD"]);
    world.push("main", "squashed");
    assert!(merged().await);
    // Also when it was changed since.
    world.put("environments/prod/main.tf", "a = 3\n");
    world.push("main", "on top");
    assert!(merged().await);
}

#[tokio::test]
async fn what_is_not_there_is_told_apart() {
    let Some(world) = World::new(Limits::default()) else { return };
    let mirror = world.mirror();
    assert!(matches!(mirror.head("no-such").await, Err(GitError::NoBranch { .. })));
    assert!(matches!(mirror.head("--upload-pack=x").await, Err(GitError::Refused(_))));
    let of = |url: &str| world.git.mirror(Remote::new(url, None).unwrap());
    let gone = of(&format!("file://{}/gone.git", world.folder.0.display()));
    assert!(matches!(gone.head("main").await, Err(GitError::NoRepository { .. })));
    let nobody = of("http://127.0.0.1:1/a/b");
    let error = nobody.head("main").await.unwrap_err();
    assert!(error.is_passing(), "{error:?}");
    let no_git = Git::new(Settings { folder: world.folder.0.join("m"), ..Settings::default() });
    let error = no_git.mirror(Remote::new("/x", None).unwrap()).head("main").await.unwrap_err();
    assert_eq!(error, GitError::NoProgram);
    // A repository that vanishes after it was fetched is still read; it cannot be written.
    let base = mirror.fetch("main").await.unwrap();
    std::fs::rename(world.bare(), world.folder.0.join("moved.git")).unwrap();
    assert_eq!(mirror.list(&base, "").await.unwrap().len(), 2);
    assert!(matches!(mirror.propose(&change("x", &base)).await, Err(GitError::NoRepository { .. })));
}

#[tokio::test]
async fn large_repositories_are_refused_and_not_kept() {
    let limits = Limits { repository_bytes: 3_000_000, ..Limits::default() };
    let Some(world) = World::new(limits) else { return };
    // What does not compress.
    let mut noise = 1_u64;
    let bytes: String = (0..5_000_000)
        .map(|_| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b' ' + u8::try_from((noise >> 33) % 90).unwrap())
        })
        .collect();
    world.put("large.bin", &bytes);
    world.push("main", "large");
    let mirror = world.mirror();
    for _ in 0..2 {
        assert!(matches!(mirror.fetch("main").await, Err(GitError::TooBig { .. })));
    }
    let head = mirror.head("main").await.unwrap();
    assert!(!mirror.folder(&head).exists());
}

#[tokio::test]
async fn a_fetch_that_takes_long_goes_on() {
    let limits = Limits { patience: Duration::from_millis(1), ..Limits::default() };
    let Some(world) = World::new(limits) else { return };
    let mirror = world.mirror();
    // git takes longer than that to start.
    assert!(matches!(mirror.fetch("main").await, Err(GitError::Busy { .. })));
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    while let Err(error) = mirror.fetch("main").await {
        assert!(matches!(error, GitError::Busy { .. }), "{error:?}");
        assert!(tokio::time::Instant::now() < until, "never done");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn links_submodules_and_strange_names_lead_nowhere() {
    let Some(world) = World::new(Limits::default()) else { return };
    let work = world.work();
    std::os::unix::fs::symlink("/etc/passwd", work.join("link")).unwrap();
    std::os::unix::fs::symlink("/etc", work.join("etc")).unwrap();
    let head = world.run(&work, &["rev-parse", "HEAD"]);
    world.run(&work, &["update-index", "--add", "--cacheinfo", &format!("160000,{head},module")]);
    world.run(&work, &["add", "link", "etc"]);
    world.run(&work, &["commit", "-q", "-m", "links"]);
    world.run(&work, &["push", "-q", "origin", "HEAD:main"]);
    let mirror = world.mirror();
    let head = mirror.fetch("main").await.unwrap();
    let kinds: Vec<_> = mirror.list(&head, "").await.unwrap().into_iter().map(|e| (e.path, e.kind)).collect();
    assert!(
        kinds.contains(&("link".into(), Kind::Link)) && kinds.contains(&("module".into(), Kind::Module)),
        "{kinds:?}"
    );
    assert_eq!(mirror.read(&head, "link", 10_000).await.unwrap(), None);
    assert_eq!(mirror.read(&head, "etc/passwd", 10_000).await.unwrap(), None);
    assert_eq!(mirror.read_all(&head, "", 10_000).await.unwrap().len(), 3);
    for path in ["../x", "/etc/passwd", "a/../../b", ".git/config"] {
        assert!(matches!(mirror.read(&head, path, 10).await, Err(GitError::Refused(_))), "{path}");
        let put = Change { put: vec![(path.into(), Vec::new())], ..change("p", &head) };
        assert!(matches!(mirror.propose(&put).await, Err(GitError::Refused(_))), "{path}");
    }
    // Files below what is a link there replace the link, in the commit only.
    let put = Change { put: vec![("etc/passwd".into(), b"x".to_vec())], remove: Vec::new(), ..change("p", &head) };
    let commit = mirror.propose(&put).await.unwrap().commit;
    assert_eq!(mirror.read(&commit, "etc/passwd", 10).await.unwrap(), Some(b"x".to_vec()));
    // A tree that git itself would not make.
    let blob = world.run(&work, &["hash-object", "-w", "README.md"]);
    let raw: Vec<u8> =
        [b"100644 ..\0".to_vec(), (0..20).map(|at| u8::from_str_radix(&blob[at * 2..][..2], 16).unwrap()).collect()]
            .concat();
    std::fs::write(work.join("raw"), raw).unwrap();
    let tree = world.run(&work, &["hash-object", "-t", "tree", "--literally", "-w", "raw"]);
    let commit = world.run(&work, &["commit-tree", &tree, "-m", "evil"]);
    world.run(&work, &["push", "-q", "origin", &format!("{commit}:refs/heads/evil")]);
    let head = mirror.fetch("evil").await.unwrap();
    assert!(matches!(mirror.list(&head, "").await, Err(GitError::Refused(_))));
}

#[tokio::test]
async fn odd_branches_work() {
    let Some(world) = World::new(Limits::default()) else { return };
    for branch in ["日本語", "a%b;c'd\"e$f`g&h|i#j", "deep/er/one", "@x"] {
        world.put("README.md", branch);
        let pushed = world.push(branch, branch);
        let mirror = world.mirror();
        assert_eq!(mirror.fetch(branch).await.unwrap(), pushed, "{branch}");
        assert_eq!(mirror.read(&pushed, "README.md", 100).await.unwrap(), Some(branch.as_bytes().to_vec()));
        let name = format!("proposed/{branch}");
        assert!(!mirror.propose(&change(&name, &pushed)).await.is_ok_and(|proposed| proposed.found));
        assert!(mirror.delete_branch(&name).await.unwrap());
    }
    // A branch in the place of a folder of branches.
    world.run(&world.bare(), &["branch", "-D", "deep/er/one"]);
    let pushed = world.push("deep", "deep");
    assert_eq!(world.mirror().fetch("deep").await.unwrap(), pushed);
}

#[tokio::test]
async fn repositories_of_the_other_kind_of_ids_work() {
    let Some(world) = World::new(Limits::default()) else { return };
    world.run(&world.folder.0, &["init", "-q", "--bare", "-b", "main", "--object-format=sha256", "new.git"]);
    world.run(&world.folder.0, &["init", "-q", "-b", "main", "--object-format=sha256", "new"]);
    let work = world.folder.0.join("new");
    world.run(&work, &["commit", "-q", "--allow-empty", "-m", "first"]);
    world.run(&work, &["push", "-q", "../new.git", "HEAD:main"]);
    let url = format!("file://{}", world.folder.0.join("new.git").display());
    let mirror = world.git.mirror(Remote::new(&url, None).unwrap());
    let head = mirror.fetch("main").await.unwrap();
    assert_eq!(head.as_str().len(), 64);
    let proposed = mirror.propose(&change("p", &head)).await.unwrap();
    assert_eq!(
        mirror.read(&proposed.commit, "environments/prod/main.tf", 10).await.unwrap(),
        Some(b"a = 2\n".to_vec())
    );
}

#[tokio::test]
async fn nothing_of_the_surroundings_is_used() {
    let Some(world) = World::new(Limits::default()) else { return };
    let mirror = world.mirror();
    let base = mirror.fetch("main").await.unwrap();
    // Hooks in the mirror would run before a push.
    let hooks = mirror.folder(&base).join("hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    let hook = hooks.join("pre-push");
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    Command::new("chmod").arg("755").arg(&hook).status().unwrap();
    mirror.propose(&change("p", &base)).await.unwrap();
    // The hooks of the remote are its owner's, and have their say.
    let hook = world.bare().join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\necho not today >&2\nexit 1\n").unwrap();
    Command::new("chmod").arg("755").arg(&hook).status().unwrap();
    let error = mirror.propose(&change("q", &base)).await.unwrap_err();
    assert!(matches!(&error, GitError::Rejected { said, .. } if said.contains("not today")), "{error:?}");
}
