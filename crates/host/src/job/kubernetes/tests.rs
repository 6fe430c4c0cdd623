//! The runner against something that stands for the API server of a cluster: it keeps what it is given, and what happens to pods
//! is said by the tests.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::{File, Limits};
use super::*;

const BATCH: &str = "/apis/batch/v1/namespaces/builds/jobs";
const CORE: &str = "/api/v1/namespaces/builds";

/// What the cluster knows: objects by their paths, and the log of the one pod, with times.
#[derive(Default)]
struct Cluster {
    objects: BTreeMap<String, Value>,
    log: Vec<String>,
}

type Shared = Arc<Mutex<Cluster>>;

fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            patch.iter().for_each(|(name, value)| merge(into.entry(name).or_insert(Value::Null), value));
        }
        (into, patch) => *into = patch.clone(),
    }
}

impl Cluster {
    fn answer(&mut self, method: &str, target: &str, body: &[u8]) -> (u16, String) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let problem = |code: u16| {
            (code, json!({ "kind": "Status", "status": "Failure", "code": code, "reason": if code == 404 { "NotFound" } else { "AlreadyExists" }, "message": "no" }).to_string())
        };
        match method {
            "GET" if path == format!("{CORE}/pods") => {
                let of_pods = format!("{CORE}/pods/");
                let items: Vec<&Value> =
                    self.objects.iter().filter(|(path, _)| path.starts_with(&of_pods)).map(|(_, pod)| pod).collect();
                (200, json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items }).to_string())
            }
            "GET" if path.ends_with("/log") => (200, self.log_of(query)),
            "GET" => self.objects.get(path).map_or_else(|| problem(404), |found| (200, found.to_string())),
            "POST" => {
                let mut object: Value = serde_json::from_slice(body).expect("it is JSON");
                let path = format!("{path}/{}", object["metadata"]["name"].as_str().expect("it has a name"));
                if self.objects.contains_key(&path) {
                    return problem(409);
                }
                object["metadata"]["uid"] = json!("uid-1");
                self.objects.insert(path, object.clone());
                (201, object.to_string())
            }
            "PATCH" => {
                let Some(object) = self.objects.get_mut(path) else { return problem(404) };
                merge(object, &serde_json::from_slice(body).expect("it is JSON"));
                (200, object.to_string())
            }
            _ => problem(405),
        }
    }

    fn log_of(&self, query: &str) -> String {
        let option = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let since = option("sinceTime").map(|time| time.replace("%3A", ":").parse::<Timestamp>().expect("a time"));
        let mut lines: Vec<&str> = self.log.iter().map(String::as_str).collect();
        if let Some(since) = since {
            lines.retain(|line| {
                line.split(' ').next().and_then(|time| time.parse().ok()).is_some_and(|time: Timestamp| time >= since)
            });
        }
        if option("timestamps").is_none() {
            lines = lines.iter().map(|line| line.split_once(' ').expect("it has a time").1).collect();
        }
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

async fn serve(mut stream: TcpStream, cluster: Shared) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            let until = end + 4 + length.unwrap_or(0_usize);
            if bytes.len() >= until {
                let mut first = head.lines().next().unwrap_or_default().split(' ');
                let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
                let (code, text) =
                    cluster.lock().expect("nobody panicked").answer(method, target, &bytes[end + 4..until]);
                let head = format!(
                    "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    text.len()
                );
                stream.write_all(format!("{head}{text}").as_bytes()).await?;
                bytes.drain(..until);
                continue;
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await? {
            0 => return Ok(()),
            count => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

async fn cluster() -> (Kubernetes, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = listener.local_addr().expect("it listens");
    let shared = Shared::default();
    let cluster = shared.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, cluster.clone()));
        }
    });
    let runner = Kubernetes::new(KubernetesConfig {
        kubeconfig: None,
        namespace: "builds".to_owned(),
        image: "example/usual:1".to_owned(),
        endpoint: Some("http://standin.example:4566".to_owned()),
    });
    let config = Config::new(format!("http://{at}").parse().expect("a URL"));
    runner.client.set(Client::try_from(config).expect("a client")).ok().expect("the first one");
    (runner, shared)
}

fn spec() -> Spec {
    Spec {
        id: "0b9f-1".to_owned(),
        files: vec![File { path: "lib/it.sh".to_owned(), bytes: b"#!/bin/sh\necho it\n".to_vec() }],
        commands: vec!["lib/it.sh".to_owned(), "false".to_owned()],
        variables: vec![
            ("TOKEN".to_owned(), "swordfish".to_owned()),
            ("AWS_ENDPOINT_URL".to_owned(), "http://127.0.0.1:4566".to_owned()),
        ],
        folder_in: vec!["SRC".to_owned()],
        secrets: vec!["swordfish".to_owned()],
        collect: vec!["out.json".to_owned()],
        limits: Limits { time: Duration::from_secs(90), ..Limits::default() },
        image: None,
    }
}

fn texts(output: &Output) -> Vec<&str> {
    output.lines.iter().map(|line| line.text.as_str()).collect()
}

/// Says what happens to the pod and the Job.
fn happens(cluster: &Shared, log: &[&str], terminated: Option<Value>, condition: Option<Value>) {
    let mut cluster = cluster.lock().expect("nobody panicked");
    cluster.log.extend(log.iter().map(|line| (*line).to_owned()));
    let state = terminated.map_or_else(|| json!({ "running": {} }), |terminated| json!({ "terminated": terminated }));
    let status = json!({ "containerStatuses": [{
        "name": "job", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": state,
    }] });
    cluster.objects.insert(format!("{CORE}/pods/pod-1"), json!({ "metadata": { "name": "pod-1" }, "status": status }));
    if let Some(condition) = condition {
        let job = cluster.objects.get_mut(&format!("{BATCH}/standin-job-0b9f-1")).expect("it is there");
        job["status"] = json!({ "conditions": [condition] });
    }
}

#[tokio::test]
async fn a_job_is_made_once_followed_and_told() {
    let (runner, cluster) = cluster().await;
    let spec = spec();
    assert_eq!(runner.look(&spec.id, 0).await.expect("it answers"), Look::Unknown);
    runner.start(&spec).await.expect("it starts");
    let object = |path: &str| cluster.lock().expect("nobody panicked").objects.get(path).cloned().expect("it is there");
    let job = object(&format!("{BATCH}/standin-job-0b9f-1"));
    assert_eq!(job["spec"]["suspend"], json!(false));
    assert_eq!((&job["spec"]["activeDeadlineSeconds"], &job["spec"]["backoffLimit"]), (&json!(90), &json!(0)));
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        (&container["image"], &container["resources"]["limits"]["memory"]),
        (&json!("example/usual:1"), &json!("4294967296"))
    );
    assert!(!job.to_string().contains("swordfish"));
    let secret = object(&format!("{CORE}/secrets/standin-job-0b9f-1"));
    assert_eq!(secret["metadata"]["ownerReferences"][0]["uid"], json!("uid-1"));
    let value =
        |key: &str| String::from_utf8(STANDARD.decode(secret["data"][key].as_str().expect("text")).expect("base64"));
    assert_eq!((value("v0"), value("v1")), (Ok("swordfish".to_owned()), Ok("http://standin.example:4566".to_owned())));
    assert_eq!(value("v2"), Ok("/standin/job/work".to_owned()));

    // Again is the same job.
    runner.start(&spec).await.expect("nothing happens");
    assert_eq!(object(&format!("{BATCH}/standin-job-0b9f-1")), job);
    assert!(matches!(runner.look(&spec.id, 0).await, Ok(Look::Running(output)) if output.lines.is_empty()));

    happens(&cluster, &["2026-01-01T00:00:01.1Z one", "2026-01-01T00:00:01.2Z a swordfish"], None, None);
    let Ok(Look::Running(output)) = runner.look(&spec.id, 0).await else { panic!("it runs") };
    assert_eq!(texts(&output), ["one", "a ***"]);
    let piece = format!("2026-01-01T00:00:03Z {FILE_MARK} 0 {}", STANDARD.encode("{\"A\": \"a\"}"));
    let more = ["2026-01-01T00:00:01.9Z three", "2026-01-01T00:00:02Z four", &piece];
    let terminated = json!({ "exitCode": 1, "message": "2\n" });
    happens(
        &cluster,
        &more,
        Some(terminated),
        Some(json!({ "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded" })),
    );
    let Ok(Look::Ended(output, end)) = runner.look(&spec.id, output.next).await else { panic!("it has ended") };
    assert_eq!(texts(&output), ["three", "four"]);
    assert_eq!((&end.why, end.exit_code, &end.command), (&Why::Failed, Some(1), &Some((2, "false".to_owned()))));
    assert_eq!(end.last, ["one", "a ***", "three", "four"]);
    assert_eq!(end.file("out.json"), Some("{\"A\": \"a\"}"));
    let Ok(Look::Ended(output, _)) = runner.look(&spec.id, output.next).await else { panic!("it has ended") };
    assert!(output.lines.is_empty());
}

#[tokio::test]
async fn other_ends_are_told_apart() {
    let check = async |terminated: Option<Value>, condition: Value, expect: Why| {
        let (runner, cluster) = cluster().await;
        runner.start(&spec()).await.expect("it starts");
        happens(&cluster, &[], terminated, Some(condition));
        let Ok(Look::Ended(_, end)) = runner.look(&spec().id, 0).await else { panic!("it has ended") };
        assert_eq!(end.why, expect);
    };
    let over = |reason: &str| json!({ "type": "Failed", "status": "True", "reason": reason });
    check(Some(json!({ "exitCode": 0 })), json!({ "type": "Complete", "status": "True" }), Why::Succeeded).await;
    check(None, over("DeadlineExceeded"), Why::TimedOut(Duration::from_secs(90))).await;
    let killed = json!({ "exitCode": 137, "reason": "OOMKilled" });
    check(Some(killed), over("BackoffLimitExceeded"), Why::TooMuchMemory(4 << 30)).await;
    check(None, over("BackoffLimitExceeded"), Why::Interrupted).await;
}

#[tokio::test]
async fn a_job_is_stopped_before_or_while_it_runs() {
    let (runner, cluster) = cluster().await;
    runner.stop(&spec().id).await.expect("it can be asked");
    runner.start(&spec()).await.expect("nothing happens");
    assert!(matches!(runner.look(&spec().id, 0).await, Ok(Look::Ended(_, end)) if end.why == Why::Stopped));
    assert_eq!(cluster.lock().expect("nobody panicked").objects.len(), 1);

    let (runner, cluster) = tests::cluster().await;
    runner.start(&spec()).await.expect("it starts");
    happens(&cluster, &[], None, None);
    runner.stop(&spec().id).await.expect("it can be asked");
    let path = format!("{BATCH}/standin-job-0b9f-1");
    let active = |count: u32| {
        let mut cluster = cluster.lock().expect("nobody panicked");
        let job = cluster.objects.get_mut(&path).expect("it is there");
        assert_eq!(job["spec"]["suspend"], json!(true));
        job["status"] = json!({ "active": count });
    };
    active(1);
    assert!(matches!(runner.look(&spec().id, 0).await, Ok(Look::Running(_))));
    active(0);
    assert!(matches!(runner.look(&spec().id, 0).await, Ok(Look::Ended(_, end)) if end.why == Why::Stopped));
}

#[tokio::test]
async fn what_broke_off_while_it_was_started_is_gone_on_with() {
    let (runner, cluster) = cluster().await;
    let given = Given::new(&spec(), None).expect("it fits");
    let mut job = given.job("standin-job-0b9f-1", &spec(), &runner.config, false);
    job["metadata"]["uid"] = json!("uid-0");
    cluster.lock().expect("nobody panicked").objects.insert(format!("{BATCH}/standin-job-0b9f-1"), job);
    assert_eq!(runner.look(&spec().id, 0).await.expect("it answers"), Look::Unknown);
    runner.start(&spec()).await.expect("it goes on");
    assert!(matches!(runner.look(&spec().id, 0).await, Ok(Look::Running(_))));
    let secret = format!("{CORE}/secrets/standin-job-0b9f-1");
    assert_eq!(
        cluster.lock().expect("nobody panicked").objects[&secret]["metadata"]["ownerReferences"][0]["uid"],
        json!("uid-0")
    );
}

#[test]
fn the_script_of_the_container_works() {
    let folder = std::env::temp_dir().join(format!("standin-host-{}-container", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let spec = Spec {
        commands: vec![
            "lib/it.sh".to_owned(),
            "printf '{\"A\": \"b\"}' > out.json; (exit 3)".to_owned(),
            "echo never".to_owned(),
        ],
        ..spec()
    };
    // The container's folders, below one of ours.
    let here = |text: &str| {
        text.replace("/standin/", &format!("{}/", folder.display()))
            .replace("/dev/termination-log", &folder.join("ended").to_string_lossy())
    };
    for (path, bytes) in Given::new(&spec, None).expect("it fits").files {
        let path = folder.join("given").join(path);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("it is ours");
        let bytes = if path.extension().is_some_and(|end| end == "sh") && !path.ends_with("it.sh") {
            here(&String::from_utf8_lossy(&bytes)).into_bytes()
        } else {
            bytes
        };
        std::fs::write(path, bytes).expect("it is ours");
    }
    std::fs::create_dir_all(folder.join("job")).expect("it is ours");
    let output =
        std::process::Command::new("sh").arg("-c").arg(here(&script(&spec))).output().expect("there is a shell");
    let log = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{log} {}", String::from_utf8_lossy(&output.stderr));
    assert!(log.starts_with("$ lib/it.sh\nit\n$ printf") && !log.contains("never"), "{log}");
    assert_eq!(std::fs::read_to_string(folder.join("ended")).expect("it is told").trim(), "2");
    assert_eq!(collected(&log, &spec.collect), [("out.json".to_owned(), "{\"A\": \"b\"}".to_owned())]);
    std::fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn files_that_no_secret_takes_are_refused() {
    let big = File { path: "big".to_owned(), bytes: vec![b'x'; SECRET_BYTES_MAX] };
    let error = Given::new(&Spec { files: vec![big], ..spec() }, None).err().expect("it is too big");
    assert!(error.text().contains("which takes 1000000"), "{error}");
    assert!(name("A_b").is_ok_and(|name| name == "standin-job-a-b"));
    assert!(name("").is_err() && name("a/b").is_err() && name(&"a".repeat(51)).is_err());
}
