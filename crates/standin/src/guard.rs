//! The leak guard: who tries to reach AWS itself, and real keys that lie about.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use standin_server::{LeakAttempt, LeakWatch};

use crate::env::{self, Get};

/// So many different attempts are told one by one.
const LEAKS_MAX: usize = 1000;

/// The ports of programs in a network of their own, by the ports from which their connections go on outside.
pub type Ports = Arc<Mutex<HashMap<u16, u16>>>;

/// Takes note of attempts to reach AWS.
#[derive(Debug, Default)]
pub struct Guard {
    leaks: Mutex<Vec<Leak>>,
    /// Of a command with a network of its own: its process, and the ports in there.
    inside: OnceLock<(u32, Ports)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Leak {
    host: String,
    /// Service and operation, as far as they could be read.
    call: Option<String>,
    /// The program, as far as the platform tells.
    program: Option<String>,
    /// The client's end of the last connection by which it was tried.
    remote: SocketAddr,
    times: u64,
}

impl Leak {
    fn is_like(&self, other: &Self) -> bool {
        self.host == other.host && self.call == other.call && self.program == other.program
    }

    fn text(&self) -> String {
        let mut text = self.program.clone().unwrap_or_else(|| "some program".to_owned());
        let _ = write!(text, " tried to reach {}", self.host);
        if let Some(call) = &self.call {
            let _ = write!(text, " ({call})");
        }
        text
    }
}

impl LeakWatch for Guard {
    fn tried(&self, attempt: LeakAttempt<'_>) -> String {
        let call = attempt.service.map(|service| match attempt.operation {
            Some(operation) => format!("{service} {operation}"),
            None => service.to_owned(),
        });
        let leak = Leak {
            host: attempt.host.to_owned(),
            call,
            program: self.program_at(attempt.remote.port()),
            remote: attempt.remote,
            times: 1,
        };
        let text = format!("standin run --guard: {}; nothing was sent to AWS", leak.text());
        tracing::warn!("{text}");
        self.note(leak);
        text
    }
}

impl Guard {
    /// Looks for programs in the network of a process from now on. `ports`: those in there, by those outside.
    #[cfg(target_os = "linux")]
    pub fn look_inside(&self, process: u32, ports: Ports) {
        // There is one command.
        let _ = self.inside.set((process, ports));
    }

    fn program_at(&self, port: u16) -> Option<String> {
        match self.inside.get() {
            None => program_at("self", port),
            Some((process, ports)) => {
                let port = ports.lock().unwrap_or_else(PoisonError::into_inner).get(&port).copied()?;
                program_at(&process.to_string(), port)
            }
        }
    }

    fn note(&self, leak: Leak) {
        let mut leaks = self.leaks.lock().unwrap_or_else(PoisonError::into_inner);
        // What comes through a tunnel says more than the tunnel did.
        if leak.call.is_some()
            && let Some(at) = leaks.iter().position(|known| known.call.is_none() && known.remote == leak.remote)
        {
            leaks[at].times -= 1;
            if leaks[at].times == 0 {
                leaks.remove(at);
            }
        }
        if let Some(known) = leaks.iter_mut().find(|known| known.is_like(&leak)) {
            known.times += 1;
            known.remote = leak.remote;
        } else if leaks.len() < LEAKS_MAX {
            leaks.push(leak);
        }
    }

    /// What leaked; `None` if nothing did.
    pub fn report(&self) -> Option<String> {
        let leaks = self.leaks.lock().unwrap_or_else(PoisonError::into_inner);
        if leaks.is_empty() {
            return None;
        }
        let mut text = "standin: the guard kept these from AWS:\n".to_owned();
        for leak in leaks.iter() {
            let times = if leak.times == 1 { String::new() } else { format!(", {} times", leak.times) };
            let _ = writeln!(text, "  {}{times}", leak.text());
        }
        Some(text)
    }
}

/// The program that has a TCP socket at a local port in the network of a process, by Linux's `/proc`.
fn program_at(process: &str, port: u16) -> Option<String> {
    let wanted = ["tcp", "tcp6"].iter().find_map(|table| {
        let table = std::fs::read_to_string(format!("/proc/{process}/net/{table}")).ok()?;
        table.lines().skip(1).find_map(|line| inode_at(line, port)).map(|inode| format!("socket:[{inode}]"))
    })?;
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Ok(pid) = process.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let has_it = |file: std::fs::DirEntry| {
            std::fs::read_link(file.path()).is_ok_and(|link| link.as_os_str().to_string_lossy() == wanted)
        };
        if files.flatten().any(has_it) {
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            return Some(program(pid, &String::from_utf8_lossy(&command)));
        }
    }
    None
}

/// The inode of a line of Linux's table of TCP sockets, if it is about that local port.
fn inode_at(line: &str, port: u16) -> Option<&str> {
    let columns: Vec<&str> = line.split_ascii_whitespace().collect();
    let (_, local) = columns.get(1)?.rsplit_once(':')?;
    let inode = *columns.get(9)?;
    (u16::from_str_radix(local, 16) == Ok(port) && inode != "0").then_some(inode)
}

/// A process by its arguments, which zero bytes end. Few of them: secrets may stand among the rest.
fn program(pid: u32, arguments: &str) -> String {
    const ARGUMENTS_TOLD: usize = 2;
    let told: Vec<&str> = arguments.split('\0').filter(|text| !text.is_empty()).take(ARGUMENTS_TOLD).collect();
    format!("{} (process {pid})", told.join(" "))
}

/// Warns of real keys in the environment and in the files where SDKs look for them; never shows one.
pub fn warnings(get: Get<'_>, variables: impl Iterator<Item = (OsString, OsString)>) -> String {
    let mut text = String::new();
    for (name, value) in variables {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        for key in keys(&value) {
            let _ = write!(text, "standin: the variable {name} holds what looks like a real key, {}", masked(key));
            text.push_str(if name == env::AWS_ACCESS_KEY_ID { "; the command gets another\n" } else { "\n" });
        }
    }
    for file in files(get) {
        let Ok(content) = std::fs::read_to_string(&file) else { continue };
        for key in keys(&content) {
            let (file, key) = (file.display(), masked(key));
            let _ =
                writeln!(text, "standin: {file} holds what looks like a real key, {key}; a profile may bring it in");
        }
    }
    text
}

fn files(get: Get<'_>) -> Vec<PathBuf> {
    let own = |name: &str, usual: &str| {
        let home = || env::text(get, env::HOME).map(|home| PathBuf::from(home).join(".aws").join(usual));
        env::text(get, name).map(PathBuf::from).or_else(home)
    };
    [own(env::AWS_SHARED_CREDENTIALS_FILE, "credentials"), own(env::AWS_CONFIG_FILE, "config")]
        .into_iter()
        .flatten()
        .collect()
}

/// Key ids as AWS gives them out: `AKIA` or `ASIA` and 16 more capitals and digits. Those of AWS's own examples end in
/// `EXAMPLE`.
fn keys(text: &str) -> impl Iterator<Item = &str> {
    const KEY_CHARS: usize = 20;
    text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| {
        word.len() == KEY_CHARS
            && (word.starts_with("AKIA") || word.starts_with("ASIA"))
            && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            && !word.ends_with("EXAMPLE")
    })
}

fn masked(key: &str) -> String {
    format!("{}…{}", &key[..4], &key[key.len() - 4..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt<'a>(host: &'a str, operation: Option<&'static str>, port: u16) -> LeakAttempt<'a> {
        let service = operation.map(|_| "sts");
        LeakAttempt { host, service, operation, remote: ([127, 0, 0, 1], port).into() }
    }

    #[test]
    fn a_tunnel_and_what_came_through_it_are_one() {
        let guard = Guard::default();
        assert_eq!(guard.report(), None);
        for port in [1, 2] {
            guard.tried(attempt("sts.amazonaws.com", None, port));
            guard.tried(attempt("sts.amazonaws.com", Some("GetCallerIdentity"), port));
        }
        guard.tried(attempt("s3.amazonaws.com", None, 3));
        let report = guard.report().expect("leaks");
        assert!(report.contains("sts.amazonaws.com (sts GetCallerIdentity), 2 times\n"), "{report}");
        assert!(report.contains("s3.amazonaws.com\n"), "{report}");
        assert_eq!(report.lines().count(), 3, "{report}");
    }

    #[test]
    fn sockets_are_found_by_their_port() {
        let line =
            "   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 20";
        assert_eq!(inode_at(line, 0x1f90), Some("4711"));
        assert_eq!(inode_at(line, 0xc350), None);
        assert_eq!(program(7, "python3\0test.py\0--token\0secret\0"), "python3 test.py (process 7)");
    }

    #[test]
    fn real_keys_are_told_but_not_shown() {
        let variables = [("AWS_ACCESS_KEY_ID", "AKIAQWERTYUIOPASDFGH"), ("DOC", "AKIAIOSFODNN7EXAMPLE"), ("A", "ASIA")];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        let text = warnings(&|_| None, variables.into_iter());
        assert_eq!(
            text,
            "standin: the variable AWS_ACCESS_KEY_ID holds what looks like a real key, AKIA…DFGH; the command gets another\n"
        );
    }

    #[test]
    fn files_with_keys_are_named() {
        let folder = std::env::temp_dir().join(format!("standin-guard-{}", std::process::id()));
        std::fs::create_dir_all(folder.join(".aws")).unwrap();
        std::fs::write(folder.join(".aws/credentials"), "[prod]\naws_access_key_id = AKIAQWERTYUIOPASDFGH\n").unwrap();
        let get = |name: &str| (name == env::HOME).then(|| folder.clone().into_os_string());
        let text = warnings(&get, std::iter::empty());
        assert!(text.contains(".aws/credentials holds what looks like a real key, AKIA…DFGH"), "{text}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
