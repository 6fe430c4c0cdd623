//! `mwaa up`: an environment that follows a folder.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::{Value, json};
use standin_mwaa::runtimes::TAG;

use super::host::Host;
use super::imports;
use super::open::in_browser;
use super::project;
use super::session::{Session, SessionArgs};
use super::watch;
use crate::cli::Out;
use crate::cli::commands::remote::{list, text};
use crate::error::CommandError;

#[derive(Args, Debug)]
pub struct UpArgs {
    /// A folder with dags/
    #[arg(default_value = ".")]
    dir: PathBuf,

    #[command(flatten)]
    session: SessionArgs,

    /// Open the link in a browser
    #[arg(long)]
    open: bool,

    /// End when the environment is up, rather than follow the folder
    #[arg(long)]
    no_watch: bool,

    /// Wait no longer than this for the environment, as in 90s or 20m
    #[arg(long, value_name = "DURATION", default_value = "20m", value_parser = standin_core::parse_duration)]
    timeout: Duration,

    /// Print JSON: a line once the environment is up, and one for each later link
    #[arg(long)]
    json: bool,
}

impl UpArgs {
    pub(super) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let project = project::read(&self.dir)?;
        let mut host = self.session.host.open(&self.dir)?;
        let outcome = self.on(project, &mut host, out);
        let closed = host.close();
        outcome.and_then(|()| closed.map(|()| 0))
    }

    fn on(&self, project: project::Project, host: &mut Host, out: &mut Out) -> Result<(), CommandError> {
        let look = project.look();
        let mut session = Session::begin(&self.session, project, host, self.timeout)?;
        let url = session.site.login_url(&mut session.host.remote)?;
        self.say(&mut session, &url, out)?;
        if self.open {
            in_browser(&url);
        }
        if self.no_watch {
            return Ok(());
        }
        let link = |url: &str, out: &mut Out| {
            let told = if self.json { writeln!(out, "{}", json!({ "loginUrl": url })) } else { writeln!(out, "{url}") };
            told.and_then(|()| out.flush())
        };
        watch::follow(&mut session, look, |url| link(url, out))
    }

    /// Tells what there is.
    fn say(&self, session: &mut Session<'_>, url: &str, out: &mut Out) -> Result<(), CommandError> {
        let found = session.found()?.unwrap_or_default();
        let dags = session.site.rest(&mut session.host.remote, &Method::GET, "/dags?limit=100", None)?;
        let dags = dags.good("list DAGs")?;
        let names: Vec<&str> = list(&dags, "dags").iter().map(|dag| text(dag, "dag_id")).collect();
        let errors = imports::all(&mut session.site, &mut session.host.remote, &session.project.dags())?;
        let (version, runtime) = (text(&found, "AirflowVersion"), text(&found["Tags"], TAG));
        let endpoint = session.host.endpoint.to_string();
        if self.json {
            let errors: Vec<Value> = errors
                .iter()
                .map(|error| json!({ "file": error.file, "line": error.line, "message": error.message }))
                .collect();
            let up = json!({
                "name": session.name, "airflow": version, "runtime": runtime, "status": found["Status"],
                "endpoint": endpoint, "webserver": found["WebserverUrl"], "loginUrl": url, "dags": names,
                "importErrors": errors,
            });
            writeln!(out, "{up}")?;
            return out.flush();
        }
        let kind = if runtime == "simulated" { "a simulated Airflow" } else { "Airflow" };
        let dags = match names.len() {
            0 => "no DAGs yet".to_owned(),
            1 => format!("the DAG {}", names[0]),
            many => format!("{many} DAGs"),
        };
        writeln!(out, "{kind} {version} is up as {}, with {dags}", session.name)?;
        writeln!(out, "  sign in  {url}")?;
        writeln!(out, "           within a minute; the Enter key makes another link")?;
        writeln!(out, "  AWS      eval \"$(standin env --endpoint {endpoint})\"")?;
        match session.host.data_dir() {
            Some(folder) => writeln!(out, "  state    {}; Ctrl-C ends it, and up goes on with it", folder.display())?,
            None if session.host.is_own() => writeln!(out, "  state    in memory, gone at the end, which is Ctrl-C")?,
            None => writeln!(out, "  state    that of the server, which goes on when Ctrl-C ends this")?,
        }
        for error in errors {
            writeln!(out, "  broken   {error}")?;
        }
        out.flush()
    }
}
