use std::path::Path;
use std::time::Duration;

use super::super::File;
use super::*;

/// What [`jobs`] has tests start as the shepherd: this test with a folder.
#[test]
#[ignore = "it is the shepherd of the other tests' jobs"]
fn shepherd() {
    let folder = PathBuf::from(std::env::args().next_back().unwrap_or_default());
    if folder.is_absolute() {
        shepherd::watch(&folder).expect("it can be written to");
    }
}

fn jobs(name: &str, within: Within) -> Local {
    let folder = std::env::temp_dir().join(format!("standin-host-{}-jobs-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let own = std::env::current_exe().expect("tests are a program").into_os_string();
    let arguments = ["--exact", "job::local::tests::shepherd", "--ignored"].map(OsString::from);
    let shepherd = std::iter::once(own).chain(arguments).collect();
    let search = OsString::from("/usr/local/bin:/usr/bin:/bin");
    Local::new(LocalConfig { folder, shepherd, search, outlives: true, within, hidden: Vec::new() })
}

fn spec(commands: &[&str]) -> Spec {
    Spec {
        id: "job".to_owned(),
        commands: commands.iter().map(|command| (*command).to_owned()).collect(),
        limits: Limits { grace: Duration::from_millis(300), ..Limits::default() },
        ..Spec::default()
    }
}

/// Asks until there is an answer.
async fn poll<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = standin_core::Stopwatch::start();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it takes too long");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The end of a job, and all it wrote.
async fn end(jobs: &Local, id: &str) -> (End, Vec<String>) {
    let (mut from, mut lines) = (0, Vec::new());
    let end = poll(async || {
        let look = jobs.look(id, from).await.expect("it can be read");
        let (output, end) = match look {
            Look::Unknown => panic!("it was started"),
            Look::Running(output) => (output, None),
            Look::Ended(output, end) => (output, Some(end)),
        };
        from = output.next;
        lines.extend(output.lines.into_iter().map(|line| line.text));
        end
    });
    (end.await, lines)
}

async fn run(jobs: &Local, spec: &Spec) -> (End, Vec<String>) {
    jobs.start(spec).await.expect("it starts");
    end(jobs, &spec.id).await
}

fn remove(jobs: &Local) {
    std::fs::remove_dir_all(&jobs.inner.config.folder).expect("it is ours");
}

fn file(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().filter(|text| text.ends_with('\n')).map(|text| text.trim().to_owned())
}

/// The id that a command of a job wrote into a file of its working folder.
async fn id_in(jobs: &Local, name: &str) -> i32 {
    let path = jobs.inner.config.folder.join("job").join(WORK).join(name);
    poll(async || file(&path)).await.parse().expect("it is an id")
}

fn runs(id: i32) -> bool {
    processes::Process::find(id).is_some_and(|process| !process.has_ended())
}

#[tokio::test]
async fn commands_share_a_session_beside_their_files() {
    let jobs = jobs("session", Within::Process);
    let spec = Spec {
        files: vec![File { path: "scripts/it.sh".to_owned(), bytes: b"echo sourced $1\nMORE=more\n".to_vec() }],
        variables: vec![("GIVEN".to_owned(), "it's given".to_owned()), ("TOKEN".to_owned(), "swordfish".to_owned())],
        folder_in: vec!["SRC".to_owned()],
        secrets: vec!["swordfish".to_owned()],
        collect: ["out/result.json", "missing", "../end.json"].map(str::to_owned).to_vec(),
        ..spec(&[
            "export A=1; cd scripts",
            ". ./it.sh",
            "echo $A $MORE \"$GIVEN\" $TOKEN >&2\npwd | sed \"s,$SRC,SRC,\"",
            "mkdir $SRC/out; printf '{}' > $SRC/out/result.json; [ \"$HOME\" != /root ]",
        ])
    };
    let (end, lines) = run(&jobs, &spec).await;
    assert_eq!((&end.why, end.exit_code), (&Why::Succeeded, Some(0)), "{lines:?}");
    let shown = lines.iter().filter(|line| !line.starts_with('$')).map(String::as_str).collect::<Vec<_>>();
    assert_eq!(shown, ["sourced", "1 more it's given ***", "SRC/scripts"]);
    assert_eq!(end.files, [("out/result.json".to_owned(), "{}".to_owned())]);
    // Again is the same job.
    jobs.start(&spec).await.expect("nothing happens");
    assert_eq!(tests::end(&jobs, "job").await, (end, lines));
    poll(async || (!jobs.inner.config.folder.join("job/work").exists()).then_some(())).await;
    remove(&jobs);
}

#[tokio::test]
async fn the_first_failing_command_ends_the_job() {
    let jobs = jobs("fails", Within::Process);
    let (end, lines) = run(&jobs, &spec(&["echo one", "echo two; echo why >&2; (exit 7)", "echo three"])).await;
    assert_eq!((end.exit_code, end.command.as_ref().map(|(number, _)| *number)), (Some(7), Some(2)));
    assert!(end.sentence().contains("failed with exit code 7; its last lines:\n"), "{}", end.sentence());
    assert_eq!(lines.last().map(String::as_str), Some("why"));
    remove(&jobs);
}

#[tokio::test]
async fn nothing_is_left_of_a_job_that_is_stopped() {
    let jobs = jobs("stop", Within::Process);
    // One in another session, and one that does not end by itself.
    let hidden = "setsid sh -c 'trap \"\" TERM; echo $$ > hidden; while :; do sleep 1; done' &";
    jobs.start(&spec(&[hidden, "trap 'echo asked' TERM; echo $$ > shell; while :; do sleep 0.1; done"]))
        .await
        .expect("it starts");
    let (hidden, shell) = (id_in(&jobs, "hidden").await, id_in(&jobs, "shell").await);
    assert!(runs(hidden) && runs(shell));
    jobs.stop("job").await.expect("it can be asked");
    let (end, lines) = end(&jobs, "job").await;
    assert_eq!(end.why, Why::Stopped);
    assert!(lines.iter().any(|line| line == "asked"), "{lines:?}");
    assert!(!runs(hidden) && !runs(shell));
    remove(&jobs);
}

#[tokio::test]
async fn what_is_stopped_before_it_starts_never_starts() {
    let jobs = jobs("never", Within::Process);
    assert_eq!(jobs.look("job", 0).await.expect("there is none"), Look::Unknown);
    jobs.stop("job").await.expect("it can be asked");
    let (end, lines) = run(&jobs, &spec(&["echo never"])).await;
    assert_eq!((end.why, lines.len()), (Why::Stopped, 0));
    remove(&jobs);
}

#[tokio::test]
async fn a_job_ends_with_its_limits() {
    let jobs = jobs("limits", Within::Process);
    let limited = |id: &str, command: &str, limits: Limits| Spec { id: id.to_owned(), limits, ..spec(&[command]) };
    let usual = spec(&[]).limits;
    let time = limited("time", "sleep 1000", Limits { time: Duration::from_millis(100), ..usual });
    assert_eq!(run(&jobs, &time).await.0.why, Why::TimedOut(Duration::from_millis(100)));
    let bomb = "while :; do sleep 1000 & done";
    let processes = limited("processes", bomb, Limits { processes: 20, ..usual });
    assert_eq!(run(&jobs, &processes).await.0.why, Why::TooManyProcesses(20));
    // Below what one process may take, and above what all may.
    let hog = "for i in 1 2 3 4; do sh -c 'x=$(head -c 15000000 /dev/zero | tr \"\\\\0\" x); sleep 1000' & done; wait";
    let memory = limited("memory", hog, Limits { memory_bytes: 50 << 20, ..usual });
    assert_eq!(run(&jobs, &memory).await.0.why, Why::TooMuchMemory(50 << 20));
    let flood = limited("flood", "seq 1 200000", Limits { output_bytes: 10_000, ..usual });
    let (end, lines) = run(&jobs, &flood).await;
    assert!(end.succeeded() && lines.len() < 1000 && lines.last().is_some_and(|line| line == "200000"));
    remove(&jobs);
}

#[tokio::test]
async fn a_job_outlives_its_server_and_is_found_again() {
    let first = jobs("found", Within::Process);
    first
        .start(&spec(&["until [ -e go ]; do sleep 0.02; done", "echo once >> ../count; cat ../count"]))
        .await
        .expect("it starts");
    poll(async || first.look("job", 0).await.ok().filter(|look| matches!(look, Look::Running(it) if it.next > 0)))
        .await;
    // As after a crash: another one, which knows nothing of processes.
    let second = Local::new(first.inner.config.clone());
    second.start(&spec(&["echo another"])).await.expect("nothing happens");
    assert!(matches!(second.look("job", 0).await, Ok(Look::Running(_))));
    std::fs::write(first.inner.config.folder.join("job/work/go"), "").expect("it is ours");
    let (end, lines) = end(&second, "job").await;
    assert!(end.succeeded(), "{end:?}");
    assert_eq!(lines.last().map(String::as_str), Some("once"));
    remove(&first);
}

#[tokio::test]
async fn a_job_whose_shepherd_is_killed_is_interrupted() {
    let jobs = jobs("interrupted", Within::Process);
    jobs.start(&spec(&["setsid sleep 1000 & echo $! > hidden; echo $$ > shell; sleep 1000"])).await.expect("it starts");
    let (hidden, shell) = (id_in(&jobs, "hidden").await, id_in(&jobs, "shell").await);
    let folder = Folder::of(&jobs.inner.config.folder, "job").expect("an id");
    let shepherd = folder.watcher().expect("it is watched").id;
    let id = rustix::process::Pid::from_raw(shepherd).expect("an id");
    rustix::process::kill_process(id, rustix::process::Signal::KILL).expect("it is ours");
    let (end, _) = end(&jobs, "job").await;
    assert_eq!(end.why, Why::Interrupted);
    assert!(end.sentence().starts_with("interrupted: command 1 (`setsid"), "{}", end.sentence());
    assert!(!runs(hidden) && !runs(shell));
    jobs.start(&spec(&["echo again"])).await.expect("nothing happens");
    assert_eq!(tests::end(&jobs, "job").await.0.why, Why::Interrupted);
    remove(&jobs);
}

#[tokio::test]
async fn a_job_whose_shell_is_killed_failed() {
    let jobs = jobs("killed", Within::Process);
    jobs.start(&spec(&["echo $$ > shell; while :; do sleep 0.1; done"])).await.expect("it starts");
    let shell = rustix::process::Pid::from_raw(id_in(&jobs, "shell").await).expect("an id");
    rustix::process::kill_process(shell, rustix::process::Signal::KILL).expect("it is ours");
    let (end, _) = end(&jobs, "job").await;
    assert_eq!((end.why, end.signal), (Why::Failed, Some(9)));
    remove(&jobs);
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let jobs = jobs("cannot", Within::Process);
    let at = |path: &str| Spec { files: vec![File { path: path.to_owned(), bytes: Vec::new() }], ..spec(&["true"]) };
    let error = jobs.start(&at("../x")).await.expect_err("it leads out");
    assert!(error.text().contains("no path of a file"), "{error}");
    let error = jobs.look("../x", 0).await.expect_err("it leads out");
    assert!(error.text().contains("cannot be the id"), "{error}");
    let config = LocalConfig { shepherd: vec!["/bin/false".into()], ..jobs.inner.config.clone() };
    let (end, _) = run(&Local::new(config), &spec(&["true"])).await;
    assert!(matches!(end.why, Why::NotStarted(_)), "{end:?}");
    remove(&jobs);
}

#[tokio::test]
async fn namespaces_hide_other_processes() {
    if find(OsStr::new("/usr/bin:/bin"), "unshare").is_none() {
        return eprintln!("skipped: there is no unshare");
    }
    let jobs = jobs("unshare", Within::Namespaces);
    let (end, lines) = run(&jobs, &spec(&["ls -d /proc/[0-9]* | wc -l"])).await;
    if end.succeeded() {
        let count: u32 = lines.last().and_then(|line| line.trim().parse().ok()).expect("a number");
        assert!(count < 10, "{lines:?}");
    } else {
        // Not every machine lets everybody have namespaces.
        assert!(lines.iter().any(|line| line.contains("unshare")), "{end:?} {lines:?}");
    }
    remove(&jobs);
}

/// A program that stands for Docker's: it notes its arguments, and runs what it is given without any container.
const DOCKER: &str = r#"#!/bin/sh
echo "$@" >> "$CALLS"
[ "$1" = run ] || exit 0
while [ "$1" != --entrypoint ]; do
  if [ "$1" = --env ]; then case "$2" in *=*) export "$2" ;; esac; fi
  shift
done
shift 3
exec sh "$@"
"#;

/// Jobs in containers of a Docker that only stands for one, and the file of its calls.
fn containers(name: &str) -> (Local, PathBuf) {
    let plain = jobs(name, Within::Process);
    let folder = plain.inner.config.folder.clone();
    make(&folder.join("bin")).expect("it is ours");
    let (program, calls) = (folder.join("bin/docker"), folder.join("calls"));
    std::fs::write(&program, DOCKER).expect("it is ours");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("it is ours");
    let variables = [("CALLS".to_owned(), calls.to_string_lossy().into_owned())].into();
    let search = format!("{}:/usr/bin:/bin", folder.join("bin").display()).into();
    let within = Within::Container(docker::DockerConfig { image: "example/usual:1".to_owned(), variables });
    (Local::new(LocalConfig { search, within, ..plain.inner.config.clone() }), calls)
}

#[tokio::test]
async fn containers_have_the_folder_the_limits_and_a_name_to_be_found_by() {
    let (jobs, calls) = containers("docker");
    let variables = [("TOKEN", "swordfish"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")];
    let spec = Spec {
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        secrets: vec!["swordfish".to_owned()],
        image: Some("example/build:2".to_owned()),
        folder_in: vec!["SRC".to_owned()],
        collect: vec!["out".to_owned()],
        ..spec(&["echo $TOKEN $AWS_ENDPOINT_URL > out", "[ \"$PWD\" = \"$SRC\" ]; echo $TOKEN; (exit 4)"])
    };
    let (end, lines) = run(&jobs, &spec).await;
    assert_eq!((end.exit_code, end.command.as_ref().map(|(number, _)| *number)), (Some(4), Some(2)), "{lines:?}");
    assert_eq!(end.file("out"), Some("swordfish http://host.docker.internal:4566\n"));
    assert_eq!(lines.last().map(String::as_str), Some("***"));
    let calls = std::fs::read_to_string(calls).expect("it was called");
    let [started, removed] = calls.lines().collect::<Vec<_>>()[..] else { panic!("{calls}") };
    let folder = jobs.inner.config.folder.join("job").display().to_string();
    for part in [
        "run --rm --init --name standin-job-job --label standin.job=job",
        &format!("--volume {folder}:{folder} --workdir {folder}/work"),
        "--memory 4294967296 --pids-limit 1024",
        "--env TOKEN --env AWS_ENDPOINT_URL --env SRC",
        "--entrypoint sh example/build:2 -c",
    ] {
        assert!(started.contains(part), "no {part:?} in {started}");
    }
    assert!(!started.contains("swordfish") && !started.contains("--env PATH"), "{started}");
    assert_eq!(removed, "rm --force --volumes standin-job-job");
    remove(&jobs);
}

#[tokio::test]
async fn a_container_without_its_shepherd_is_removed() {
    let (jobs, calls) = containers("docker-interrupted");
    jobs.start(&spec(&["echo $$ > shell; sleep 1000"])).await.expect("it starts");
    id_in(&jobs, "shell").await;
    let folder = Folder::of(&jobs.inner.config.folder, "job").expect("an id");
    let shepherd = rustix::process::Pid::from_raw(folder.watcher().expect("it is watched").id).expect("an id");
    rustix::process::kill_process(shepherd, rustix::process::Signal::KILL).expect("it is ours");
    assert_eq!(end(&jobs, "job").await.0.why, Why::Interrupted);
    let calls = std::fs::read_to_string(calls).expect("it was called");
    assert_eq!(calls.lines().last(), Some("rm --force --volumes standin-job-job"));
    remove(&jobs);
}

#[tokio::test]
async fn a_missing_docker_is_told() {
    let plain = jobs("docker-missing", Within::Process);
    let within = Within::Container(docker::DockerConfig::default());
    let config = LocalConfig { search: "/nowhere".into(), within, ..plain.inner.config.clone() };
    let error = Local::new(config).start(&spec(&["true"])).await.expect_err("there is none");
    assert!(error.text().contains("no program docker is on the PATH"), "{error}");
    remove(&plain);
}

#[tokio::test]
async fn bubblewrap_lets_a_job_write_in_its_own_folder_only() {
    if find(OsStr::new("/usr/local/bin:/usr/bin:/bin"), "bwrap").is_none() {
        return eprintln!("skipped: there is no bwrap");
    }
    let plain = jobs("bubblewrap", Within::Bubblewrap);
    // Not in /tmp, which is empty anyway.
    let own = std::env::current_exe().expect("tests are a program");
    let data = own.with_file_name(format!("standin-host-{}-bubblewrap-data", std::process::id()));
    std::fs::create_dir_all(data.join("jobs")).expect("it can be made");
    std::fs::write(data.join("secret.key"), "secret").expect("it can be written");
    let key = data.join("secret.key").to_string_lossy().into_owned();
    let config = LocalConfig { folder: data.join("jobs"), hidden: vec![data.clone()], ..plain.inner.config.clone() };
    let jobs = Local::new(config);
    let commands = ["echo mine > file; cat file", "! touch /etc/standin-was-here", &format!("! cat {key}")];
    let (end, lines) = run(&jobs, &spec(&commands)).await;
    // Not every machine lets everybody have namespaces.
    assert!(end.succeeded() || lines.iter().any(|line| line.starts_with("bwrap:")), "{end:?} {lines:?}");
    let _ = std::fs::remove_dir_all(&data);
}
