//! One command of git: told what to do by arguments, what to keep to itself by its environment, and ended when it takes too long.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::error::brief;
use super::{Credential, GitError, Remote, Shared};

/// Of what git says to people.
const SAID_BYTES_MAX: usize = 64 * 1024;
/// How often the size of a folder is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// A command of git.
pub(super) struct Run<'r> {
    shared: &'r Shared,
    arguments: Vec<OsString>,
    /// The repository; nothing for commands that need none.
    folder: Option<&'r Path>,
    input: Vec<u8>,
    /// Whose credential it may use.
    remote: Option<&'r Remote>,
    deadline: Duration,
    output_bytes_max: usize,
    /// A folder that must not grow beyond a size while the command runs.
    watched: Option<(&'r Path, u64)>,
}

/// What came of a command that ended by itself.
pub(super) struct Ran {
    pub ok: bool,
    pub code: Option<i32>,
    pub output: Vec<u8>,
    pub said: String,
}

impl Ran {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).trim().to_owned()
    }
}

impl<'r> Run<'r> {
    pub fn new(shared: &'r Shared, command: &str) -> Self {
        Self {
            shared,
            arguments: vec![command.into()],
            folder: None,
            input: Vec::new(),
            remote: None,
            deadline: shared.settings.limits.local,
            output_bytes_max: shared.settings.limits.output_bytes,
            watched: None,
        }
    }

    pub fn with<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub fn within(mut self, folder: &'r Path) -> Self {
        self.folder = Some(folder);
        self
    }

    pub fn input(mut self, input: Vec<u8>) -> Self {
        self.input = input;
        self
    }

    pub fn of(mut self, remote: &'r Remote) -> Self {
        self.remote = Some(remote);
        self.deadline = self.shared.settings.limits.remote;
        self
    }

    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub fn output_bytes_max(mut self, most: usize) -> Self {
        self.output_bytes_max = most;
        self
    }

    pub fn watched(mut self, folder: &'r Path, most: u64) -> Self {
        self.watched = Some((folder, most));
        self
    }

    fn name(&self) -> String {
        self.arguments[0].to_string_lossy().into_owned()
    }

    /// Runs it; an answer that is not 0 is no error here.
    ///
    /// # Errors
    /// Where git is not there, takes too long, says too much or makes the watched folder too large.
    pub async fn any(self) -> Result<Ran, GitError> {
        let program = self.shared.program.as_ref().ok_or(GitError::NoProgram)?;
        let failed = |error: std::io::Error| GitError::Failed { command: self.name(), said: error.to_string() };
        let key = match self.remote.and_then(|remote| remote.credential.as_ref()) {
            Some(Credential::Key { text }) => Some(KeyFile::write(&self.shared.settings.folder, text).map_err(failed)?),
            _ => None,
        };
        let mut command = Command::new(program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.shared.settings.environment.iter().map(|(name, value)| (name, value)))
            .envs(self.variables(key.as_ref()))
            .current_dir(self.folder.unwrap_or(&self.shared.settings.folder))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        // What git itself started ends with it, however this function is left.
        let _group = Group(child.id());
        let (mut to, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let input = &self.input;
        let write = async move {
            if let Some(to) = &mut to {
                // A command that does not read to the end has said why.
                let _ = to.write_all(input).await;
            }
            drop(to);
        };
        let work = async {
            let ((), output, said) =
                tokio::join!(write, read(out, self.output_bytes_max, true), read(err, SAID_BYTES_MAX, false));
            Ok::<_, GitError>((child.wait().await.map_err(failed)?, output.map_err(failed)?, said.map_err(failed)?))
        };
        let (status, output, said) = tokio::select! {
            done = tokio::time::timeout(self.deadline, work) => {
                done.map_err(|_| GitError::TimedOut { command: self.name(), seconds: self.deadline.as_secs() })??
            }
            limit = outgrown(self.watched) => {
                let url = self.remote.map(|remote| remote.url.to_string()).unwrap_or_default();
                return Err(GitError::TooBig { url, limit });
            }
        };
        let Some(output) = output else {
            return Err(GitError::TooMuch { command: self.name(), limit: self.output_bytes_max });
        };
        let said = String::from_utf8_lossy(&said.unwrap_or_default()).into_owned();
        Ok(Ran { ok: status.success(), code: status.code(), output, said })
    }

    /// Runs it and expects it to go well.
    ///
    /// # Errors
    /// As [`Self::any`], and what git said where it failed.
    pub async fn well(self) -> Result<Ran, GitError> {
        let (name, remote) = (self.name(), self.remote);
        let ran = self.any().await?;
        if ran.ok {
            return Ok(ran);
        }
        // Push tells by its output what became of references.
        let all = format!("{}\n{}", ran.said, String::from_utf8_lossy(&ran.output));
        Err(match remote {
            Some(remote) => GitError::of_remote(remote.url.as_str(), &name, &all),
            None => GitError::Failed { command: name, said: brief(&ran.said) },
        })
    }

    /// The environment: no configuration but ours, no questions, no transports that run programs.
    fn variables(&self, key: Option<&KeyFile>) -> Vec<(OsString, OsString)> {
        let folder = &self.shared.settings.folder;
        let mut variables: Vec<(OsString, OsString)> = Vec::new();
        let mut set = |name: &str, value: &OsStr| variables.push((name.into(), value.to_owned()));
        if let Some(search) = &self.shared.settings.search {
            set("PATH", search);
        }
        for (name, value) in [
            ("LC_ALL", "C"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ALLOW_PROTOCOL", "file:http:https:ssh"),
            ("GIT_LITERAL_PATHSPECS", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_SSH_VARIANT", "ssh"),
            ("GCM_INTERACTIVE", "never"),
        ] {
            set(name, value.as_ref());
        }
        // Not the user's: neither settings nor .netrc.
        set("HOME", folder.as_os_str());
        set("XDG_CONFIG_HOME", folder.as_os_str());
        set("GIT_CEILING_DIRECTORIES", folder.as_os_str());
        set("GIT_CONFIG_GLOBAL", folder.join(super::CONFIG_FILE).as_os_str());
        if let Some(folder) = self.folder {
            set("GIT_DIR", folder.as_os_str());
        }
        let mut ssh = format!(
            "ssh -o BatchMode=yes -o ConnectTimeout=15 -o StrictHostKeyChecking=accept-new -o ForwardAgent=no -o \
             PermitLocalCommand=no -o UserKnownHostsFile={}",
            quoted(&folder.join("known_hosts"))
        );
        let mut config = vec![("core.hooksPath".to_owned(), "/dev/null".to_owned()), ("gc.auto".into(), "0".into())];
        let credential = self.remote.and_then(|remote| remote.credential.as_ref());
        match credential {
            Some(Credential::Password { user, password }) => {
                if let Some(origin) = self.remote.and_then(|remote| remote.url.origin()) {
                    set("STANDIN_GIT_USER", user.as_ref());
                    set("STANDIN_GIT_PASSWORD", password.as_ref());
                    // For this host only, also when it redirects to another.
                    config.push((format!("credential.{origin}.helper"), HELPER.to_owned()));
                }
            }
            Some(Credential::KeyFile { path }) => {
                ssh += &format!(" -o IdentitiesOnly=yes -i {}", quoted(path));
            }
            Some(Credential::Key { .. }) | None => {}
        }
        if let Some(key) = key {
            ssh += &format!(" -o IdentitiesOnly=yes -i {}", quoted(&key.0));
        }
        set("GIT_SSH_COMMAND", ssh.as_ref());
        set("GIT_CONFIG_COUNT", config.len().to_string().as_ref());
        for (at, (name, value)) in config.iter().enumerate() {
            set(&format!("GIT_CONFIG_KEY_{at}"), name.as_ref());
            set(&format!("GIT_CONFIG_VALUE_{at}"), value.as_ref());
        }
        variables
    }
}

/// Answers git's question for a user and a password from its environment.
const HELPER: &str = "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \"$STANDIN_GIT_USER\" \
                      \"$STANDIN_GIT_PASSWORD\"; }; f";

/// For a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}

/// Ends the process group of a command that is not waited for any more.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.0.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// A private key in a file that only standin's user reads, as long as a command needs it.
struct KeyFile(PathBuf);

impl KeyFile {
    fn write(folder: &Path, text: &str) -> std::io::Result<Self> {
        use std::io::Write as _;
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}{}-{number}", super::KEY_FILES, std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path)?;
        let written = Self(path);
        file.write_all(text.as_bytes())?;
        // OpenSSH insists on it.
        if !text.ends_with('\n') {
            file.write_all(b"\n")?;
        }
        Ok(written)
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Reads up to a number of bytes; nothing where there are more, unless the rest is left out.
async fn read(from: Option<impl AsyncRead + Unpin>, most: usize, strict: bool) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let Some(mut from) = from else { return Ok(Some(bytes)) };
    (&mut from).take(most as u64 + 1).read_to_end(&mut bytes).await?;
    if bytes.len() > most {
        if strict {
            return Ok(None);
        }
        bytes.truncate(most);
        tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    }
    Ok(Some(bytes))
}

/// Comes back with the limit when a folder has become larger; never where nothing is watched.
async fn outgrown(watched: Option<(&Path, u64)>) -> u64 {
    let Some((folder, most)) = watched else { return std::future::pending().await };
    loop {
        tokio::time::sleep(LOOK).await;
        if size_of(folder) > most {
            return most;
        }
    }
}

/// The bytes of the files in a folder.
pub(super) fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => size_of(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
