//! Keeps an environment like its folder while somebody works in there.

use std::time::{Duration, Instant};

use super::host::Event;
use super::imports::{self, ImportError};
use super::project::Look;
use super::session::Session;
use crate::cli::output::to_stderr;
use crate::error::{CommandError, Kind};

/// How often the folder is looked at. There is no watcher of files that works on all systems and shared folders.
const LOOK: Duration = Duration::from_millis(500);
/// How long after a change Airflow is asked what it could not import: it reads files every few seconds.
const ASK: Duration = Duration::from_secs(45);
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Uploads what changes, until somebody ends it. `link` is told a fresh link whenever somebody wants one.
///
/// # Errors
/// When the server is gone, or nobody reads what is written any more.
pub fn follow(
    session: &mut Session<'_>,
    mut look: Look,
    mut link: impl FnMut(&str) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let mut changed = Some(Instant::now());
    let mut asked = Instant::now();
    let mut told: Vec<ImportError> = imports(session).unwrap_or_default();
    loop {
        match session.host.events.wait(LOOK) {
            Some(Event::Stop) => return Ok(()),
            Some(Event::Line) => match session.site.login_url(&mut session.host.remote) {
                Ok(url) => link(&url)?,
                Err(error) => to_stderr(&error.report()),
            },
            None => {}
        }
        let now = session.project.look();
        if now != look {
            look = now;
            // The next look sees what an editor is still at.
            match session.refresh() {
                Ok(uploaded) if uploaded.is_nothing() => {}
                Ok(_) => changed = Some(Instant::now()),
                Err(error) if error.kind == Kind::Interrupted => return Ok(()),
                Err(error) => to_stderr(&error.report()),
            }
            session.board.done();
        }
        if changed.is_some_and(|changed| changed.elapsed() < ASK) && asked.elapsed() > ASK_EVERY {
            asked = Instant::now();
            if let Some(errors) = imports(session) {
                for error in errors.iter().filter(|error| !is_among(error, &told)) {
                    to_stderr(&format!("broken: {error}\n"));
                }
                for error in told.iter().filter(|error| !is_among(error, &errors)) {
                    if !errors.iter().any(|other| other.file == error.file) {
                        to_stderr(&format!("mended: {}\n", error.file.display()));
                    }
                }
                told = errors;
            }
        }
    }
}

fn is_among(error: &ImportError, others: &[ImportError]) -> bool {
    others.iter().any(|other| (&other.file, other.line, &other.message) == (&error.file, error.line, &error.message))
}

/// Nothing where Airflow does not tell just now.
fn imports(session: &mut Session<'_>) -> Option<Vec<ImportError>> {
    imports::all(&mut session.site, &mut session.host.remote, &session.project.dags()).ok()
}
