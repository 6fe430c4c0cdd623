//! One process per data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use standin_core::Stopwatch;

use crate::StoreError;

/// The lock's name in the data directory. It holds the number of the process.
const FILE: &str = "state.lock";
/// How long the lock of a process that is gone is waited for: what it was about to start when it was killed holds it, until it
/// has become another program.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// Held until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        let failed = |error: std::io::Error| StoreError::backend(format!("locking {}", path.display()), error);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let waiting = Stopwatch::start();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            let mut owner = String::new();
            // Who it is helps, but is not needed.
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut owner));
            let owner = owner.trim();
            if !is_gone(owner) || waiting.elapsed() >= PATIENCE {
                return Err(StoreError::backend(
                    format!("opening {}", directory.join(super::FILE).display()),
                    format!("process {owner} uses it (it holds the lock {})", path.display()),
                ));
            }
            std::thread::sleep(LOOK);
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Whether a process is known to be there no more.
fn is_gone(id: &str) -> bool {
    let processes = Path::new("/proc");
    id.bytes().all(|byte| byte.is_ascii_digit())
        && !id.is_empty()
        && processes.join("self").exists()
        && !processes.join(id).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_there_is_not_gone() {
        for id in [std::process::id().to_string().as_str(), "", "x", "../self"] {
            assert!(!is_gone(id), "{id}");
        }
        if cfg!(target_os = "linux") {
            assert!(is_gone("4194305"), "Linux has no such number");
        }
    }
}
