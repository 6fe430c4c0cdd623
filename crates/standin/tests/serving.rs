//! `serve`, `run`, `call`, `ca` and the introspection commands, against servers of the same binary.

#![cfg(unix)]

mod common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use common::{Folder, outcome};
use http_body_util::Full;
use serde_json::{Value, json};
use standin::client::{Connection, Trust};

/// A running `standin serve`.
struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    /// What it printed up to and with the line that ends in `Ready.`
    start: String,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut start = String::new();
        while !start.ends_with("Ready.\n") {
            let length = start.len();
            output.read_line(&mut start).expect("UTF-8");
            assert_ne!(start.len(), length, "the server ended: {:?}", outcome_of(&mut child));
        }
        Self { child, output, start }
    }

    fn url(&self) -> String {
        let at = self.start.find("http://").expect("the URL is printed");
        self.start[at..].split_whitespace().next().expect("a word").to_owned()
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(kill.expect("kill runs").success());
    }

    /// Exit code and the rest of what is printed.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("UTF-8");
        (self.child.wait().expect("ends").code(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn outcome_of(child: &mut Child) -> (Option<i32>, String) {
    let mut error = String::new();
    let _ = child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut error));
    (child.wait().ok().and_then(|status| status.code()), error)
}

fn serve(folder: &Folder, flags: &[&str]) -> Server {
    Server::start(folder.standin(&["serve", "--listen", "127.0.0.1:0"]).args(flags))
}

/// Sets canned answers.
fn answer(url: &str, rules: &Value) {
    let mut connection = Connection::new(url.parse().expect("a URL"), Trust::default(), Duration::from_secs(20));
    let request = http::Request::put("/_standin/responses").body(Full::new(Bytes::from(rules.to_string())));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let response = runtime.block_on(connection.send(request.expect("a request"))).expect("an answer");
    assert!(response.status().is_success(), "{:?}", response.body());
}

#[test]
fn serving_says_what_where_and_ends_with_what_was_used() {
    let folder = Folder::new("serve");
    let server = serve(&folder, &["--seed", "42", "--account", "123456789012"]);
    for part in
        ["AWS services, ", " operations\n", "seed     42", "account 123456789012, region us-east-1", "standin call "]
    {
        assert!(server.start.contains(part), "{part}: {}", server.start);
    }
    let url = server.url();
    let described = folder.json(&["call", "sts", "get-caller-identity", "--endpoint", &url]);
    assert!(described.is_object());
    server.signal("TERM");
    let (code, rest) = server.end();
    assert_eq!(code, Some(0));
    assert!(rest.contains("sts: GetCallerIdentity"), "{rest}");
}

#[test]
fn quiet_leaves_the_ready_line_only() {
    let folder = Folder::new("quiet");
    // Without a command, as `standin` alone.
    let server = Server::start(&mut folder.standin(&["--quiet", "--listen", "127.0.0.1:0"]));
    assert_eq!(server.start, "Ready.\n");
    server.signal("INT");
    assert_eq!(server.end(), (Some(0), String::new()));
}

#[test]
fn flags_win_over_variables_over_the_file() {
    let folder = Folder::new("layers");
    std::fs::write(
        folder.path().join("standin.toml"),
        "seed = 1\nregion = \"eu-west-1\"\naccount = \"111111111111\"\n",
    )
    .expect("written");
    let mut command = folder.standin(&["--seed", "3"]);
    command.env("STANDIN_SEED", "2").env("STANDIN_ACCOUNT", "222222222222").env("STANDIN_REGION", "");
    command.env("LOCALSTACK_GATEWAY_LISTEN", "127.0.0.1:0").env("LOCALSTACK_AUTH_TOKEN", "ls-any");
    let server = Server::start(&mut command);
    assert!(server.start.contains("seed     3;"), "{}", server.start);
    assert!(server.start.contains("account 222222222222, region eu-west-1"), "{}", server.start);
}

#[test]
fn wrong_settings_are_refused_by_name() {
    let folder = Folder::new("settings");
    let file = folder.path().join("own.toml");
    std::fs::write(&file, "sead = 1\n").expect("written");
    let check = |arguments: &[&str], variable: (&str, &str), expect: &[&str]| {
        let output = folder.standin(arguments).env(variable.0, variable.1).output().expect("the binary runs");
        let (code, _, error) = outcome(&output);
        assert_eq!(code, 2, "{error}");
        for part in expect {
            assert!(error.contains(part), "{part}: {error}");
        }
    };
    check(&["--config", "own.toml"], ("A", ""), &["own.toml: there is no setting \"sead\"", "did you mean seed?"]);
    check(&[], ("STANDIN_SEED", "x"), &["'x'", "the value comes from the environment variable STANDIN_SEED"]);
    check(&[], ("GATEWAY_LISTEN", "nowhere.example:1"), &["GATEWAY_LISTEN: \"nowhere.example\" is no IP address"]);
    check(&["--limits", "connection_max=1"], ("A", ""), &["there is no limit", "did you mean connections_max?"]);
    check(&["--services", "porton"], ("A", ""), &["did you mean proton?"]);
    check(&["--log", "==="], ("A", ""), &["log: cannot read"]);
}

#[test]
fn a_taken_address_is_explained() {
    let folder = Folder::new("taken");
    let server = serve(&folder, &[]);
    let address = server.url().replace("http://", "");
    let (code, output, error) = folder.run(&["--listen", &address]);
    assert_eq!((code, output.as_str()), (1, ""));
    assert!(error.contains(&format!("cannot listen on {address}")) && error.contains("hint: "), "{error}");
}

#[test]
fn call_prints_outputs_errors_and_pages() {
    let folder = Folder::new("call");
    let server = serve(&folder, &[]);
    let url = server.url();
    let rules = json!([
        {"service": "mwaa", "operation": "GetEnvironment", "input": {"Name": "a"}, "output": {"Environment": {"Name": "a"}}},
        {"service": "mwaa", "operation": "GetEnvironment",
         "error": {"code": "ResourceNotFoundException", "message": "no such environment"}},
        {"service": "mwaa", "operation": "ListEnvironments", "sequence": [
            {"output": {"Environments": ["a", "b"], "NextToken": "t"}}, {"output": {"Environments": ["c"]}}]},
        {"service": "s3", "operation": "GetObject", "output": {"ContentType": "text/plain", "Body": "aGVsbG8="}},
    ]);
    answer(&url, &rules);
    let call = |arguments: &[&str]| folder.run(&[&["call", "--endpoint", &url], arguments].concat());

    std::fs::write(folder.path().join("input.json"), "{\"Name\": \"a\"}").expect("written");
    let (code, output, _) = call(&["mwaa", "get-environment", "--input", "@input.json", "--include"]);
    assert_eq!((code, output.as_str()), (0, "{\n  \"Environment\": {\n    \"Name\": \"a\"\n  }\n}\n"));

    let (code, output, error) = call(&["mwaa", "get-environment", "--input", "{\"Name\": \"b\"}"]);
    assert_eq!((code, output.as_str()), (254, ""));
    assert_eq!(
        error,
        "error: An error occurred (ResourceNotFoundException) when calling the GetEnvironment operation (status 404): \
         no such environment\n"
    );

    let (code, output, error) = call(&["airflow", "ListEnvironments", "--all"]);
    assert_eq!((code, error.as_str()), (0, ""));
    let all: Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!(all, json!({"Environments": ["a", "b", "c"]}));

    let (code, output, error) =
        call(&["s3", "get-object", "-i", "{\"Bucket\": \"b\", \"Key\": \"k\"}", "-o", "object"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(std::fs::read(folder.path().join("object")).expect("written"), b"hello");
    assert!(output.contains("\"bytes\": 5"), "{output}");
}

#[test]
fn call_speaks_every_protocol_of_a_service() {
    let folder = Folder::new("protocols");
    let server = serve(&folder, &[]);
    let url = server.url();
    let rule = json!([{"service": "cloudwatch", "operation": "ListDashboards",
        "output": {"DashboardEntries": [{"DashboardName": "d", "LastModified": 86400}]}}]);
    answer(&url, &rule);
    for protocol in ["awsQuery", "awsJson1_0", "rpcv2Cbor"] {
        let output =
            folder.json(&["call", "cloudwatch", "list-dashboards", "--endpoint", &url, "--protocol", protocol]);
        let expect = json!([{"DashboardName": "d", "LastModified": "1970-01-02T00:00:00Z"}]);
        assert_eq!(output["DashboardEntries"], expect, "{protocol}");
    }
}

#[test]
fn call_trusts_the_servers_ca_over_tls() {
    let folder = Folder::new("tls");
    let server = serve(&folder, &[]);
    let url = server.url();
    let pem = folder.output(&["ca", "--endpoint", &url]);
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n"), "{pem}");
    std::fs::write(folder.path().join("ca.pem"), pem).expect("written");
    let https = url.replace("http://127.0.0.1", "https://localhost");
    let call = ["call", "sts", "get-caller-identity", "--endpoint", &https];
    assert!(folder.json(&[&call[..], &["--ca", "ca.pem"]].concat()).is_object());
    let (code, _, error) = folder.run(&[&call[..], &["--ca", "missing.pem"]].concat());
    assert_eq!(code, 1);
    assert!(error.contains("cannot read missing.pem"), "{error}");
}

#[test]
fn ca_is_kept_in_the_data_directory() {
    let folder = Folder::new("data");
    let server = serve(&folder, &["--data-dir", "data"]);
    let from_server = folder.output(&["ca", "--endpoint", &server.url()]);
    assert_eq!(folder.output(&["ca", "--data-dir", "data"]), from_server);
}

#[test]
fn call_says_when_nothing_answers() {
    let folder = Folder::new("nobody");
    // The discard port, which nothing listens on.
    let (code, output, error) = folder.run(&["call", "sts", "get-caller-identity", "--endpoint", "http://127.0.0.1:9"]);
    assert_eq!((code, output.as_str()), (1, ""));
    assert!(
        error.starts_with("error: nothing answers at http://127.0.0.1:9\n") && error.contains("`standin`"),
        "{error}"
    );
}

#[test]
fn requests_can_be_listed_and_explained() {
    let folder = Folder::new("requests");
    let server = serve(&folder, &[]);
    let url = server.url();
    folder.json(&["call", "sts", "get-caller-identity", "--endpoint", &url]);
    folder.json(&["call", "mwaa", "list-environments", "--endpoint", &url]);
    let listed = folder.json(&["requests", "--service", "sts", "--json", "--endpoint", &url]);
    assert_eq!(listed["requests"].as_array().map(Vec::len), Some(1), "{listed}");
    let id = listed["requests"][0]["id"].as_str().expect("an id");
    assert!(folder.output(&["requests", "--endpoint", &url]).contains(id));
    assert_eq!(folder.json(&["explain", id, "--endpoint", &url])["id"], id);
    let (code, _, error) = folder.run(&["explain", "no-such-id", "--endpoint", &url]);
    assert_eq!(code, 1);
    assert!(error.contains("404"), "{error}");
    // A global service is signed for the region where it lives.
    folder.json(&["call", "iam", "list-users", "--region", "cn-northwest-1", "--endpoint", &url]);
    let listed = folder.json(&["requests", "--service", "iam", "--json", "--endpoint", &url]);
    assert_eq!(listed["requests"][0]["region"], "cn-northwest-1", "{listed}");
    folder.json(&["call", "iam", "list-users", "--region", "eu-west-1", "--endpoint", &url]);
    let listed = folder.json(&["requests", "--service", "iam", "--limit", "1", "--json", "--endpoint", &url]);
    assert_eq!(listed["requests"][0]["region"], "us-east-1", "{listed}");
    assert!(folder.output(&["coverage", "--endpoint", &url]).contains("ListEnvironments"));
    assert_eq!(
        folder.json(&["coverage", "--json", "--endpoint", &url])["operations"].as_array().map(Vec::len),
        Some(3)
    );
}

#[test]
fn run_serves_a_command_and_gives_its_exit_code() {
    let folder = Folder::new("run");
    let standin = env!("CARGO_BIN_EXE_standin");
    let script = format!(
        "echo $AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID ${{AWS_PROFILE-none}}; {standin} call sts get-caller-identity >/dev/null; exit 7"
    );
    let mut command = folder.standin(&["run", "--fresh", "--", "sh", "-c", &script]);
    let (code, output, error) = outcome(&command.env("AWS_PROFILE", "production").output().expect("the binary runs"));
    assert_eq!(code, 7, "{error}");
    assert!(output.starts_with("http://127.0.0.1:") && output.ends_with(" test none\n"), "{output}");
    assert!(error.contains("sts: GetCallerIdentity"), "{error}");
    // Its server is gone with it.
    let url = output.split(' ').next().expect("the URL");
    assert_eq!(folder.run(&["coverage", "--endpoint", url]).0, 1);
}

#[test]
fn run_takes_the_server_that_is_there_unless_settings_are_given() {
    let folder = Folder::new("run-there");
    let server = serve(&folder, &[]);
    let url = server.url();
    let seen = |flags: &[&str]| {
        let arguments = [&["run", "--endpoint", &url], flags, &["--", "sh", "-c", "echo $AWS_ENDPOINT_URL"]].concat();
        folder.output(&arguments).trim().to_owned()
    };
    assert_eq!(seen(&[]), url);
    assert_ne!(seen(&["--seed", "5"]), url);
    assert_ne!(seen(&["--fresh"]), url);
}

#[test]
fn run_is_the_proxy_of_programs_without_an_endpoint() {
    let folder = Folder::new("run-proxy");
    let script = "echo $HTTPS_PROXY $AWS_CA_BUNDLE; grep -c BEGIN \"$NODE_EXTRA_CA_CERTS\"; \
                  grep -qf \"$NODE_EXTRA_CA_CERTS\" \"$SSL_CERT_FILE\" && echo both";
    let output = folder.output(&["run", "--fresh", "--proxy", "--", "sh", "-c", script]);
    let mut words = output.split_whitespace();
    assert!(words.next().is_some_and(|url| url.starts_with("http://127.0.0.1:")), "{output}");
    let bundle = words.next().expect("a file");
    assert_eq!(words.collect::<Vec<_>>(), ["1", "both"]);
    assert!(!std::path::Path::new(bundle).exists(), "{bundle} is left behind");
}

#[test]
fn run_makes_https_trusted_only_where_others_stay_trusted() {
    let folder = Folder::new("run-ca");
    let script = "grep -c BEGIN \"$AWS_CA_BUNDLE\"; echo ${HTTPS_PROXY-none}";
    std::fs::write(folder.path().join("system.pem"), "-----BEGIN SOMETHING-----\n").expect("written");
    let mut command = folder.standin(&["run", "--fresh", "--", "sh", "-c", script]);
    let (_, output, error) = outcome(&command.env("SSL_CERT_FILE", "system.pem").output().expect("the binary runs"));
    assert_eq!((output.as_str(), error.as_str()), ("2\nnone\n", ""));
}

#[test]
fn run_passes_signals_on() {
    let folder = Folder::new("run-signal");
    let script = "trap 'kill $!; exit 5' TERM; sleep 1000 & echo Ready.; wait";
    let mut command = folder.standin(&["run", "--fresh", "--", "sh", "-c", script]);
    let server = Server::start(command.stdin(Stdio::null()));
    server.signal("TERM");
    assert_eq!(server.end(), (Some(5), String::new()));
}

#[test]
fn run_tells_what_cannot_be_run() {
    let folder = Folder::new("run-missing");
    let (code, _, error) = folder.run(&["run", "--fresh", "--", "no-such-command"]);
    assert_eq!(code, 127);
    assert!(error.starts_with("error: cannot run no-such-command\n"), "{error}");
    let (code, _, error) = folder.run(&["run", "--fresh", "--", "sh", "-c", "kill -KILL $$"]);
    assert_eq!((code, error.as_str()), (137, ""));
}

#[test]
fn aws_runs_the_aws_cli_with_the_environment() {
    let folder = Folder::new("aws");
    // Stands in for the AWS CLI, which may not be installed.
    let fake = folder.path().join("aws");
    std::fs::write(&fake, "#!/bin/sh\necho \"$@\" $AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID\nexit 3\n").expect("written");
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&fake, permissions).expect("executable");
    let mut command = folder.standin(&["aws", "s3", "ls", "--help", "--endpoint-url=x"]);
    command.env("PATH", folder.path()).env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let (code, output, _) = outcome(&command.output().expect("the binary runs"));
    assert_eq!((code, output.as_str()), (3, "s3 ls --help --endpoint-url=x http://127.0.0.1:1 test\n"));
    let mut command = folder.standin(&["aws", "s3", "ls"]);
    let (code, _, error) = outcome(&command.env("PATH", "/nowhere").output().expect("the binary runs"));
    assert_eq!(code, 127);
    assert!(error.starts_with("error: cannot run aws\n"), "{error}");
}
