//! The startup script: sourced by bash before requirements are installed; what it exports reaches all processes of Airflow.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Ended, Variables, attend, log};
use crate::local::process::Spec;
use crate::local::settings::is_protected;

/// How long it may take: five minutes on MWAA.
const LIMIT: Duration = Duration::from_secs(5 * 60);
/// Its output, among the environment's logs.
pub(in crate::local) const LOG: &str = "startup_script_execution.log";
/// What bash itself sets.
const OF_BASH: [&str; 4] = ["_", "OLDPWD", "PWD", "SHLVL"];

/// What sources a script and then writes the variables down, however the script ends: on its last line, by `exit`, or by a failing
/// command under `set -e`.
const SOURCE: &str = r#"
standin_script=$1 standin_exports=$2
shift 2
standin_keep() { /usr/bin/env -0 > "$standin_exports"; }
exit() { local status=${1:-$?}; standin_keep; builtin exit "$status"; }
trap standin_keep EXIT
source "$standin_script"
standin_status=$?
standin_keep
builtin exit "$standin_status"
"#;

/// Sources a script for one component; the variables that it exports, but for those that scripts cannot set.
///
/// `spec`: a process of the environment, whose variables it sees.
///
/// # Errors
/// Where bash is missing, it takes too long, or its variables cannot be told, in words. A script that fails is none: that is in its log.
pub(in crate::local) async fn source(
    script: &Path,
    component: &str,
    bash: Option<PathBuf>,
    mut spec: Spec,
) -> Result<Variables, String> {
    let bash = bash.ok_or("the startup script needs bash, which is not on the PATH")?;
    let failed = |error: std::io::Error| format!("the startup script: {error}");
    let exports = spec.folder.join(format!("files/exports-{component}"));
    let out = log(&spec.folder, LOG).map_err(failed)?;
    writeln!(&out, "standin: the startup script is run for the component {component}").map_err(failed)?;
    spec.program = bash;
    spec.arguments = ["-c", SOURCE, "startup"].map(str::to_owned).to_vec();
    spec.arguments.extend([script, &exports].map(|path| path.to_string_lossy().into_owned()));
    let ended = attend(spec.command(), &out, LIMIT).await.map_err(failed)?;
    match &ended {
        Ended::Well => {}
        Ended::Badly(status) => {
            writeln!(&out, "standin: the startup script ended with {status}; Airflow starts anyway").map_err(failed)?;
        }
        Ended::Late => {
            let reason = format!("the startup script took longer than {} minutes and was ended", LIMIT.as_secs() / 60);
            writeln!(&out, "standin: {reason}").map_err(failed)?;
            return Err(reason);
        }
    }
    let written = tokio::fs::read(&exports).await;
    let _ = tokio::fs::remove_file(&exports).await;
    let written = written.map_err(|_| {
        format!("the variables of the startup script could not be captured; its output is in logs/{LOG}")
    })?;
    Ok(changed(&written, &spec.variables))
}

/// The variables of a script, `name=value` with a null byte behind each, that are not as they were and that scripts may set.
fn changed(written: &[u8], before: &Variables) -> Variables {
    let lines = written.split(|byte| *byte == 0).filter_map(|line| std::str::from_utf8(line).ok()?.split_once('='));
    let allowed = lines.filter(|(name, value)| {
        is_name(name)
            && !OF_BASH.contains(name)
            && !is_protected(name)
            && before.get(*name).is_none_or(|before| before != value)
    });
    allowed.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Whether programs can have a variable of this name; functions that bash exports have others.
fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::files::tests::folder;

    async fn run(name: &str, script: &str) -> (Result<Variables, String>, String) {
        let at = folder(&format!("script-{name}"));
        std::fs::create_dir_all(at.join("files")).expect("a folder of our own");
        let file = at.join("startup.sh");
        std::fs::write(&file, script).expect("it is ours");
        let variables = [("PATH", "/usr/bin:/bin"), ("MWAA_AIRFLOW_COMPONENT", "worker"), ("KEPT", "same")];
        let spec = Spec {
            name: "startup",
            program: PathBuf::new(),
            arguments: Vec::new(),
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            folder: at.clone(),
            log: at.join("log"),
            user: None,
            ends_on: rustix::process::Signal::TERM,
        };
        let exported = source(&file, "worker", Some("/bin/bash".into()), spec).await;
        let said = std::fs::read_to_string(at.join("logs").join(LOG)).expect("there is a log");
        std::fs::remove_dir_all(at).expect("it is ours");
        (exported, said)
    }

    async fn check(name: &str, script: &str, expect: &[(&str, &str)]) {
        let (exported, said) = run(name, script).await;
        let expect = expect.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(exported, Ok(expect), "{name}: {said}");
    }

    #[tokio::test]
    async fn what_is_exported_is_kept_however_the_script_ends() {
        check("plain", "export A=1\nB=2\nexport C='x y\nz'", &[("A", "1"), ("C", "x y\nz")]).await;
        check("exit", "export A=1\nexit 3\nexport B=2", &[("A", "1")]).await;
        check("function", "f() { export A=$1; exit; }\nf in", &[("A", "in")]).await;
        check("strict", "set -euo pipefail\nexport A=1\nfalse\nexport B=2", &[("A", "1")]).await;
        check("return", "export A=1\nreturn 1", &[("A", "1")]).await;
        check("trap", "trap 'true' EXIT\nexport A=1\nexit 1", &[("A", "1")]).await;
        check("subshell", "( export B=1; exit 1 )\nexport A=1", &[("A", "1")]).await;
        check("arguments", "export A=$#", &[("A", "0")]).await;
        check("component", r#"[[ $MWAA_AIRFLOW_COMPONENT == worker ]] && export A=1"#, &[("A", "1")]).await;
        check("path", "export PATH=$PATH:/opt", &[("PATH", "/usr/bin:/bin:/opt")]).await;
    }

    #[tokio::test]
    async fn protected_variables_and_functions_are_not() {
        let script = "export AIRFLOW_HOME=/x MWAA__CORE__X=1 ECS_X=1 PYTHONPATH=/x AWS_REGION=x KEPT=same\nf() { :; }\nexport -f f";
        check("protected", script, &[]).await;
    }

    #[tokio::test]
    async fn what_it_says_is_logged_and_what_it_hides_is_a_failure() {
        let (exported, said) = run("fails", "echo out; echo err >&2; exit 7").await;
        assert_eq!(exported, Ok(Variables::new()));
        for part in ["out\n", "err\n", "exit status: 7; Airflow starts anyway"] {
            assert!(said.contains(part), "{said}");
        }
        let (exported, _) = run("exec", "exec true").await;
        assert!(exported.expect_err("nothing is told").contains("could not be captured"));
    }
}
