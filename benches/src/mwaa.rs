//! `cargo run --release --manifest-path benches/Cargo.toml -- mwaa [ENVIRONMENTS] [--airflow VERSION]`: MWAA with simulated Airflows,
//! few environments and many, told in `docs/benchmarks-mwaa.md`; with a version, a real Airflow as well.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::cases::Case;
use crate::load::{self, Request, Traffic};
use crate::process::Server;
use crate::report;

const FEW: usize = 10;
/// Environments of the large account, unless the command line says otherwise.
const MANY: usize = 1000;
/// Environments that live their whole life one after the other, beside those that are there.
const LIVES: usize = 1000;
/// Requests of one kind, one after the other; the median counts.
const ALONE: usize = 300;
/// Requests of one kind over 16 connections.
const LOADED: usize = 5_000;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(900);
/// How often a real Airflow is asked.
const LOOK: Duration = Duration::from_millis(100);

const DAG: &str = "from airflow.decorators import dag, task\n\n@dag(dag_id=\"NAME\", schedule=None)\ndef pipeline():\n    @task\n    def one():\n        return 1\n\n    one()\n\npipeline()\n";

struct Findings {
    environments: usize,
    /// From the create to the answer that says AVAILABLE.
    available: Duration,
    /// Create, get until AVAILABLE, delete, get until gone: one after the other.
    lives_per_second: f64,
    /// What the server has grown by after all these lives.
    bytes_per_life: i64,
    bytes_per_environment: u64,
    get: Duration,
    list: Duration,
    token: Duration,
    rest: Duration,
    tokens_per_second: f64,
    rest_per_second: f64,
    gets_per_second: f64,
}

/// What a real Airflow takes.
struct Real {
    version: String,
    cold: bool,
    available: Duration,
    edit_visible: Duration,
    /// Proportional set size of all its processes, in kibibytes.
    kib: u64,
    rest: Duration,
}

pub async fn measure(arguments: &[&str]) -> Result<()> {
    let (mut many, mut version) = (MANY, None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match *argument {
            "--airflow" => version = Some((*rest.next().context("--airflow VERSION")?).to_owned()),
            number => many = number.parse()?,
        }
    }
    ensure!(many > FEW, "more than {FEW} environments");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("benches/ has a parent")?;
    let binary = crate::build(root)?;
    let directory = std::env::temp_dir().join(format!("standin-bench-{}", std::process::id()));
    let folder = directory.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for (name, place) in [("memory", &[][..]), ("SQLite", &["--data-dir", &folder])] {
        for environments in [FEW, many] {
            let server = Server::standin_with(&binary, place).await?;
            found.push((name, one(&server, environments).await?));
            drop(server);
            let _ = std::fs::remove_dir_all(&directory);
        }
    }
    let mut real = Vec::new();
    if let Some(version) = version {
        // The second finds the installation of the first.
        for cold in [true, false] {
            let server = Server::standin_with(&binary, &["--data-dir", &folder]).await?;
            real.push(airflow(&server, &version, cold, &directory).await?);
        }
        let _ = std::fs::remove_dir_all(&directory);
    }
    let text = markdown(&found, &real);
    print!("{text}");
    std::fs::write(root.join("docs/benchmarks-mwaa.md"), text)?;
    Ok(())
}

fn request(port: u16, method: &'static str, path: &str, signing_name: &'static str, body: &[u8]) -> Request {
    // A few of them for as long as the program runs.
    let path: &'static str = path.to_owned().leak();
    Case { name: "", protocol: "", method, path, signing_name, headers: &[], body: b"" }.request_of(port, body)
}

/// A request of MWAA. Six zeros in it are a number that may be set.
fn mwaa(port: u16, method: &'static str, path: &str, input: &Value) -> Request {
    let body = if input.is_null() { String::new() } else { input.to_string() };
    request(port, method, path, "airflow", body.as_bytes())
}

async fn ok(port: u16, request: &Request) -> Result<Value> {
    let answer = load::one(port, request).await?;
    ensure!(answer.status == 200, "answered with {}: {}", answer.status, answer.text());
    Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
}

async fn put_dag(port: u16, name: &str) -> Result<()> {
    let request =
        request(port, "PUT", &format!("/birds-dags/dags/{name}.py"), "s3", DAG.replace("NAME", name).as_bytes());
    ok(port, &request).await.map(drop)
}

fn input(tags: &Value) -> Value {
    json!({
        "DagS3Path": "dags",
        "ExecutionRoleArn": "arn:aws:iam::111122223333:role/airflow",
        "SourceBucketArn": "arn:aws:s3:::birds-dags",
        "NetworkConfiguration": {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
        "Tags": tags,
    })
}

/// The requests of a life.
struct Life {
    create: Request,
    get: Request,
    delete: Request,
}

impl Life {
    fn new(port: u16) -> Self {
        let path = "/environments/life-000000";
        let create = mwaa(port, "PUT", path, &input(&json!({"team": "birds"})));
        // The number stands in the name, before the digits of the rest.
        let at = create.bytes.windows(11).position(|part| part == b"life-000000").map_or(0, |at| at + 5);
        Self {
            create: Request { serial_at: at, ..create },
            get: mwaa(port, "GET", path, &Value::Null),
            delete: mwaa(port, "DELETE", path, &Value::Null),
        }
    }

    fn number(&mut self, number: usize) {
        [&mut self.create, &mut self.get, &mut self.delete].into_iter().for_each(|request| request.number(number));
    }

    /// Creates, and waits until it is AVAILABLE.
    async fn begin(&self, port: u16) -> Result<Duration> {
        let started = Instant::now();
        ok(port, &self.create).await?;
        while started.elapsed() < PATIENCE {
            let shown = ok(port, &self.get).await?;
            match shown["Environment"]["Status"].as_str() {
                Some("AVAILABLE") => return Ok(started.elapsed()),
                Some("CREATING") => {}
                other => bail!("the environment is {other:?}: {shown}"),
            }
        }
        bail!("an environment did not become AVAILABLE")
    }

    /// Deletes, and waits until it is gone.
    async fn end(&self, port: u16) -> Result<()> {
        let started = Instant::now();
        ok(port, &self.delete).await?;
        while load::one(port, &self.get).await?.status != 404 {
            ensure!(started.elapsed() < PATIENCE, "an environment did not go");
        }
        Ok(())
    }
}

async fn one(server: &Server, environments: usize) -> Result<Findings> {
    let port = server.port;
    ok(port, &request(port, "PUT", "/birds-dags", "s3", b"")).await?;
    put_dag(port, "hello").await?;
    let mut life = Life::new(port);
    // What the first loads is no environment's memory.
    life.number(999_999);
    life.begin(port).await?;
    life.end(port).await?;
    let before = server.resident_kib()?;
    for number in 0..environments {
        life.number(number);
        life.begin(port).await?;
    }
    let bytes_per_environment = server.resident_kib()?.saturating_sub(before) * 1024 / environments as u64;

    // The first lives fill what is kept of requests, and leave their log groups, as on AWS: the names come again.
    let mut available = Vec::with_capacity(LIVES);
    let (mut started, mut settled) = (Instant::now(), 0);
    for _ in 0..3 {
        started = Instant::now();
        settled = server.resident_kib()?;
        available.clear();
        for number in 0..LIVES {
            life.number(100_000 + number);
            available.push(life.begin(port).await?);
            life.end(port).await?;
        }
    }
    let lives_per_second = LIVES as f64 / started.elapsed().as_secs_f64();
    let grown = i64::try_from(server.resident_kib()?)? - i64::try_from(settled)?;
    available.sort_unstable();

    life.number(0);
    let token = mwaa(port, "POST", "/clitoken/life-000000", &json!({}));
    let rest = mwaa(port, "POST", "/restapi/life-000000", &json!({"Path": "/dags", "Method": "GET"}));
    let list = mwaa(port, "GET", "/environments", &Value::Null);
    let alone = |request: &Request, traffic| load::alone(port, request.clone(), traffic, ALONE);
    let under_load = async |request: &Request, traffic| -> Result<f64> {
        Ok(load::run(server, request, traffic, LOADED).await?.requests_per_second)
    };
    Ok(Findings {
        environments,
        available: available[available.len() / 2],
        lives_per_second,
        bytes_per_life: grown * 1024 / i64::try_from(LIVES)?,
        bytes_per_environment,
        get: alone(&life.get, Traffic::Among(environments)).await?,
        list: alone(&list, Traffic::Same).await?,
        token: alone(&token, Traffic::Among(environments)).await?,
        rest: alone(&rest, Traffic::Same).await?,
        gets_per_second: under_load(&life.get, Traffic::Among(environments)).await?,
        tokens_per_second: under_load(&token, Traffic::Among(environments)).await?,
        rest_per_second: under_load(&rest, Traffic::Same).await?,
    })
}

/// A real Airflow, from the create on.
async fn airflow(server: &Server, version: &str, cold: bool, data: &Path) -> Result<Real> {
    let port = server.port;
    if cold {
        ok(port, &request(port, "PUT", "/birds-dags", "s3", b"")).await?;
        put_dag(port, "hello").await?;
    }
    let mut asked = input(&json!({"standin:runtime": "local"}));
    asked["AirflowVersion"] = json!(version);
    let path = format!("/environments/real-{}", if cold { "cold" } else { "warm" });
    let get = mwaa(port, "GET", &path, &Value::Null);
    let started = Instant::now();
    ok(port, &mwaa(port, "PUT", &path, &asked)).await?;
    loop {
        let shown = ok(port, &get).await?;
        match shown["Environment"]["Status"].as_str() {
            Some("AVAILABLE") => break,
            Some("CREATING") => tokio::time::sleep(LOOK).await,
            other => bail!("the environment is {other:?}: {shown}"),
        }
        ensure!(started.elapsed() < PATIENCE, "Airflow did not become AVAILABLE");
    }
    let available = started.elapsed();
    let kib = proportional_kib(data);
    let rest = mwaa(port, "POST", &path.replace("environments", "restapi"), &json!({"Path": "/dags", "Method": "GET"}));
    let name = format!("edited-{cold}");
    put_dag(port, &name).await?;
    let edited = Instant::now();
    loop {
        let answer = load::one(port, &rest).await?;
        if answer.status == 200 && answer.text().contains(&name) {
            break;
        }
        ensure!(edited.elapsed() < PATIENCE, "a new DAG did not become visible");
        tokio::time::sleep(LOOK).await;
    }
    let edit_visible = edited.elapsed();
    let rest = load::alone(port, rest, Traffic::Same, 20).await?;
    ok(port, &mwaa(port, "DELETE", &path, &Value::Null)).await?;
    while load::one(port, &get).await?.status != 404 {
        ensure!(edited.elapsed() < PATIENCE, "an environment did not go");
        tokio::time::sleep(LOOK).await;
    }
    Ok(Real { version: version.to_owned(), cold, available, edit_visible, kib, rest })
}

/// The memory of all processes that run within a folder: each page counts once, however many share it.
fn proportional_kib(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    let within = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|process| std::fs::read_link(process.join("cwd")).is_ok_and(|current| current.starts_with(folder)));
    let of = |process: std::path::PathBuf| -> Option<u64> {
        let text = std::fs::read_to_string(process.join("smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().trim_end_matches(" kB").trim().parse().ok()
    };
    within.filter_map(of).sum()
}

fn times(one: &Findings) -> [Duration; 5] {
    [one.available, one.get, one.list, one.token, one.rest]
}

fn rates(one: &Findings) -> [f64; 4] {
    [one.lives_per_second, one.gets_per_second, one.tokens_per_second, one.rest_per_second]
}

fn markdown(found: &[(&str, Findings)], real: &[Real]) -> String {
    let mut text = format!(
        "# MWAA\n\nWritten by `cargo run --release --manifest-path benches/Cargo.toml -- mwaa`: environments with a simulated Airflow, \
         few and many, over\nHTTP. *Available* is from the create to the answer that says AVAILABLE, the client asking without a pause, each \
         time on a new connection;\n*lives/s* are environments that are created, asked for until they are AVAILABLE, deleted, and asked for until \
         they are gone, one after the\nother ({LIVES} of them); *bytes/life* is what the server has grown by in the third thousand, of the same names. Rates are over \
         16 connections, times medians in microseconds of\nrequests one after the other. *Rest* is InvokeRestApi of `/dags`. Client and server \
         share the machine: read the ratios.\n\n"
    );
    let columns = "available | get | list | token | rest | lives/s | gets/s | tokens/s | rest/s";
    let cells = |one: &Findings| {
        let times = times(one).map(|time| format!("{:.0}", time.as_secs_f64() * 1e6));
        times.into_iter().chain(rates(one).map(|rate| format!("{rate:.0}"))).collect::<Vec<_>>().join(" | ")
    };
    let _ = writeln!(
        text,
        "| backend | environments | {columns} | bytes/environment | bytes/life |\n| --- |{}",
        " ---: |".repeat(12)
    );
    for (name, one) in found {
        let memory = if *name == "memory" {
            format!("{} | {}", one.bytes_per_environment, one.bytes_per_life)
        } else {
            "- | -".to_owned()
        };
        let _ = writeln!(text, "| {name} | {} | {} | {memory} |", one.environments, cells(one));
    }
    text.push_str(
        "\nGoals: available ≤ 50,000 µs, lives/s ≥ 10. Many compared to few: times as many times as long, rates as shares.\n\n",
    );
    let _ = writeln!(text, "| backend | | {columns} |\n| --- | --- |{}", " ---: |".repeat(9));
    for pair in found.chunks(2) {
        let [(name, few), (_, many)] = pair else { continue };
        let shares = rates(many).into_iter().zip(rates(few)).map(|(many, few)| format!("{:.2}", many / few));
        let shares = shares.collect::<Vec<_>>().join(" | ");
        let ratios = report::ratios(&times(many), &times(few));
        let _ = writeln!(text, "| {name} | {} to {} | {ratios} | {shares} |", few.environments, many.environments);
    }
    if !real.is_empty() {
        text.push_str(
            "\nWith a real Airflow (`--airflow VERSION`): *cold* is the first environment of a version, which installs it; *warm* the next \
             one,\nafter a restart of standin. Memory is the proportional set size of all its processes once AVAILABLE.\n\n\
             | Airflow | | create to AVAILABLE | new DAG to visible | InvokeRestApi of `/dags` | memory |\n| --- | --- | ---: | ---: | ---: | ---: |\n",
        );
        for one in real {
            let _ = writeln!(
                text,
                "| {} | {} | {:.1} s | {:.1} s | {:.0} ms | {} MB |",
                one.version,
                if one.cold { "cold" } else { "warm" },
                one.available.as_secs_f64(),
                one.edit_visible.as_secs_f64(),
                one.rest.as_secs_f64() * 1e3,
                one.kib * 1024 / 1_000_000,
            );
        }
    }
    text
}
