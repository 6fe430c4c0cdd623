//! Against servers that answer what they are told to, and remember what they were asked.

use std::collections::VecDeque;
use std::sync::Mutex;

use http_body_util::{BodyExt as _, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

/// A request: method, path with query, the header that signs in, body.
type Asked = (String, String, String, Value);

/// A forge that answers in turn.
struct Fake {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    headers: Arc<Mutex<Vec<http::HeaderMap>>>,
}

impl Fake {
    async fn new(answers: Vec<(u16, Value)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, headers) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
        let (kept, kept_headers) = (asked.clone(), headers.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, headers, answers) = (kept.clone(), kept_headers.clone(), answers.clone());
                let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let (asked, headers, answers) = (asked.clone(), headers.clone(), answers.clone());
                    async move {
                        let (parts, body) = request.into_parts();
                        let bytes = body.collect().await.unwrap().to_bytes();
                        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                        let login = ["authorization", "private-token"]
                            .iter()
                            .find_map(|name| parts.headers.get(*name))
                            .map(|value| value.to_str().unwrap().to_owned());
                        let path = parts.uri.path_and_query().unwrap().to_string();
                        asked.lock().unwrap().push((parts.method.to_string(), path, login.unwrap_or_default(), body));
                        headers.lock().unwrap().push(parts.headers);
                        let (status, body) = answers.lock().unwrap().pop_front().expect("no more answers");
                        let body = Full::new(bytes::Bytes::from(body.to_string()));
                        // GitHub's clock, not this machine's.
                        let date = "Tue, 14 Nov 2023 22:13:20 GMT";
                        http::Response::builder().status(status).header("date", date).body(body)
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, asked, headers }
    }

    fn forge(&self, kind: Kind, repository: &str, login: Option<Login>) -> Forge {
        let (url, _) = Url::parse(&format!("{}/{repository}.git", self.url)).unwrap();
        Forge::new(Settings { kind, repository: url, api: None, login, tls: None }).unwrap()
    }

    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn asked(method: &str, path: &str, login: &str, body: Value) -> Asked {
    (method.to_owned(), path.to_owned(), login.to_owned(), body)
}

fn token() -> Option<Login> {
    Some(Login::Token("t0ken".to_owned()))
}

const PROPOSAL: Proposal<'_> =
    Proposal { branch: "proton--proton-environment-1", base: "main/x", title: "Update", body: "of it" };

#[tokio::test]
async fn github_is_spoken() {
    let pull = |state: &str, merged: Value| json!({ "number": 7, "html_url": "https://gh/o/n/pull/7", "state": state, "merged_at": merged });
    let fake = Fake::new(vec![
        (200, json!([])),
        (201, pull("open", Value::Null)),
        (200, json!([pull("open", Value::Null)])),
        (200, pull("closed", Value::Null)),
        (200, pull("closed", json!("2026-01-01T00:00:00Z"))),
        (200, pull("closed", Value::Null)),
        (201, json!({ "id": 1 })),
    ])
    .await;
    let forge = fake.forge(Kind::GitHub, "o/n", token());
    let url = "https://gh/o/n/pull/7".to_owned();
    let open = Pull { number: 7, url: url.clone(), state: State::Open };
    assert_eq!(forge.propose(&PROPOSAL).await.unwrap(), open);
    assert_eq!(forge.propose(&PROPOSAL).await.unwrap(), open);
    assert_eq!(forge.look(7).await.unwrap().state, State::Closed);
    assert_eq!(forge.look(7).await.unwrap().state, State::Merged);
    forge.close(7).await.unwrap();
    forge.comment(7, "hello").await.unwrap();
    let find = "/api/v3/repos/o/n/pulls?state=all&head=o%3Aproton--proton-environment-1&base=main%2Fx&sort=created\
                &direction=desc&per_page=1";
    let by = "Bearer t0ken";
    assert_eq!(
        fake.asked(),
        [
            asked("GET", find, by, Value::Null),
            asked(
                "POST",
                "/api/v3/repos/o/n/pulls",
                by,
                json!({ "title": "Update", "head": "proton--proton-environment-1", "base": "main/x", "body": "of it" })
            ),
            asked("GET", find, by, Value::Null),
            asked("GET", "/api/v3/repos/o/n/pulls/7", by, Value::Null),
            asked("GET", "/api/v3/repos/o/n/pulls/7", by, Value::Null),
            asked("PATCH", "/api/v3/repos/o/n/pulls/7", by, json!({ "state": "closed" })),
            asked("POST", "/api/v3/repos/o/n/issues/7/comments", by, json!({ "body": "hello" })),
        ]
    );
    for headers in &*fake.headers.lock().unwrap() {
        assert_eq!(headers["accept"], "application/vnd.github+json");
        assert_eq!(headers["x-github-api-version"], "2022-11-28");
        assert_eq!(headers["user-agent"], "standin");
    }
}

#[tokio::test]
async fn an_app_of_github_signs_itself_in() {
    // Made for this test, and good for nothing else.
    let pem = include_str!("tests/app.pem");
    let fake = Fake::new(vec![
        (200, json!({})),
        (200, json!({ "id": 99 })),
        (201, json!({ "token": "ghs_x" })),
        (200, json!({ "number": 7, "html_url": "u", "state": "open", "merged_at": null })),
        (200, json!({ "number": 7, "html_url": "u", "state": "open", "merged_at": null })),
    ])
    .await;
    let forge = fake.forge(Kind::GitHub, "o/n", Some(Login::App { id: "42".to_owned(), key: pem.to_owned() }));
    for _ in 0..2 {
        assert_eq!(forge.look(7).await.unwrap().state, State::Open);
    }
    let credential = forge.git_credential().await.unwrap();
    let expect = Credential::Password { user: "x-access-token".to_owned(), password: "ghs_x".to_owned() };
    assert!(credential == Some(expect));
    let asked = fake.asked();
    let paths: Vec<_> = asked.iter().map(|(method, path, ..)| format!("{method} {path}")).collect();
    assert_eq!(
        paths,
        [
            "GET /api/v3/",
            "GET /api/v3/repos/o/n/installation",
            "POST /api/v3/app/installations/99/access_tokens",
            "GET /api/v3/repos/o/n/pulls/7",
            "GET /api/v3/repos/o/n/pulls/7",
        ]
    );
    assert_eq!(asked[3].2, "Bearer ghs_x");
    let token = asked[1].2.strip_prefix("Bearer ").unwrap();
    assert_eq!(asked[2].2, asked[1].2);
    let parts: Vec<_> = token.split('.').collect();
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let decoded = |part: &str| serde_json::from_slice::<Value>(&engine.decode(part).unwrap()).unwrap();
    assert_eq!(decoded(parts[0]), json!({ "alg": "RS256", "typ": "JWT" }));
    let now = 1_700_000_000;
    assert_eq!(decoded(parts[1]), json!({ "iat": now - 60, "exp": now + 540, "iss": "42" }));
    let der =
        <rustls::pki_types::PrivateKeyDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(pem.as_bytes())
            .unwrap();
    let rustls::pki_types::PrivateKeyDer::Pkcs1(der) = der else { panic!("the test's key is as GitHub gives them") };
    let pair = ring::signature::RsaKeyPair::from_der(der.secret_pkcs1_der()).unwrap();
    let public = ring::signature::UnparsedPublicKey::new(
        &ring::signature::RSA_PKCS1_2048_8192_SHA256,
        ring::signature::KeyPair::public_key(&pair).as_ref().to_vec(),
    );
    let signed = format!("{}.{}", parts[0], parts[1]);
    public.verify(signed.as_bytes(), &engine.decode(parts[2]).unwrap()).unwrap();
}

#[tokio::test]
async fn gitlab_is_spoken() {
    let request = |state: &str, source: u64| json!({ "iid": 7, "web_url": "u", "state": state, "source_project_id": source, "target_project_id": 1 });
    let fake = Fake::new(vec![
        // One of a fork is not ours.
        (200, json!([request("opened", 2)])),
        (201, request("opened", 1)),
        (200, json!([request("opened", 2), request("merged", 1)])),
        (200, request("locked", 1)),
        (200, request("closed", 1)),
        (200, request("closed", 1)),
        (201, json!({})),
    ])
    .await;
    let forge = fake.forge(Kind::GitLab, "group/sub/n", token());
    assert_eq!(forge.propose(&PROPOSAL).await.unwrap(), Pull { number: 7, url: "u".to_owned(), state: State::Open });
    assert_eq!(forge.propose(&PROPOSAL).await.unwrap().state, State::Merged);
    assert_eq!(forge.look(7).await.unwrap().state, State::Open);
    assert_eq!(forge.look(7).await.unwrap().state, State::Closed);
    forge.close(7).await.unwrap();
    forge.comment(7, "hello").await.unwrap();
    let of = |rest: &str| format!("/api/v4/projects/group%2Fsub%2Fn/merge_requests{rest}");
    let find = of("?state=all&source_branch=proton--proton-environment-1&target_branch=main%2Fx&order_by=created_at\
                   &sort=desc&per_page=20");
    let open = json!({
        "source_branch": "proton--proton-environment-1", "target_branch": "main/x", "title": "Update", "description": "of it"
    });
    assert_eq!(
        fake.asked(),
        [
            asked("GET", &find, "t0ken", Value::Null),
            asked("POST", &of(""), "t0ken", open),
            asked("GET", &find, "t0ken", Value::Null),
            asked("GET", &of("/7"), "t0ken", Value::Null),
            asked("GET", &of("/7"), "t0ken", Value::Null),
            asked("PUT", &of("/7"), "t0ken", json!({ "state_event": "close" })),
            asked("POST", &of("/7/notes"), "t0ken", json!({ "body": "hello" })),
        ]
    );
}

#[tokio::test]
async fn bitbucket_is_spoken() {
    let request = |state: &str| {
        json!({
            "id": 7, "state": state, "links": { "html": { "href": "u" } },
            "source": { "repository": { "full_name": "W/n" } }
        })
    };
    let fake = Fake::new(vec![
        (200, json!({ "values": [] })),
        (201, request("OPEN")),
        (200, json!({ "values": [request("SUPERSEDED")] })),
        (200, request("MERGED")),
        (200, request("DECLINED")),
        (201, json!({})),
    ])
    .await;
    let (repository, _) = Url::parse("https://bitbucket.org/w/n.git").unwrap();
    let login = Some(Login::Password { user: "me".to_owned(), password: "pass".to_owned() });
    let api = Some(format!("{}/2.0/", fake.url));
    let forge = Forge::new(Settings { kind: Kind::Bitbucket, repository, api, login, tls: None }).unwrap();
    assert_eq!(forge.propose(&PROPOSAL).await.unwrap(), Pull { number: 7, url: "u".to_owned(), state: State::Open });
    assert_eq!(forge.propose(&PROPOSAL).await.unwrap().state, State::Closed);
    assert_eq!(forge.look(7).await.unwrap().state, State::Merged);
    forge.close(7).await.unwrap();
    forge.comment(7, "hello").await.unwrap();
    let of = |rest: &str| format!("/2.0/repositories/w/n/pullrequests{rest}");
    let find = of("?q=source.branch.name%20%3D%20%22proton--proton-environment-1%22%20AND%20destination.branch.name\
                   %20%3D%20%22main%2Fx%22&state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED&sort=-created_on\
                   &pagelen=20");
    let by = "Basic bWU6cGFzcw==";
    let open = json!({
        "title": "Update", "description": "of it",
        "source": { "branch": { "name": "proton--proton-environment-1" } },
        "destination": { "branch": { "name": "main/x" } },
    });
    assert_eq!(
        fake.asked(),
        [
            asked("GET", &find, by, Value::Null),
            asked("POST", &of(""), by, open),
            asked("GET", &find, by, Value::Null),
            asked("GET", &of("/7"), by, Value::Null),
            asked("POST", &of("/7/decline"), by, Value::Null),
            asked("POST", &of("/7/comments"), by, json!({ "content": { "raw": "hello" } })),
        ]
    );
}

#[tokio::test]
async fn gitea_is_spoken() {
    let pull = |number: u64, branch: &str, state: &str, merged: bool| {
        json!({
            "number": number, "html_url": "u", "state": state, "merged": merged,
            "head": { "ref": branch, "repo_id": 1 }, "base": { "ref": "main/x", "repo_id": 1 }
        })
    };
    let ours = "proton--proton-environment-1";
    let mut fork = pull(3, ours, "open", false);
    fork["head"]["repo_id"] = json!(2);
    let fake = Fake::new(vec![
        (200, json!([pull(1, "other", "open", false), fork])),
        (200, json!([])),
        (201, pull(7, ours, "open", false)),
        (200, json!([pull(9, "other", "open", false)])),
        (200, json!([pull(7, ours, "closed", true)])),
        (200, pull(7, ours, "closed", false)),
        (201, pull(7, ours, "closed", false)),
        (201, json!({})),
    ])
    .await;
    let forge = fake.forge(Kind::Gitea, "o/n", token());
    assert_eq!(forge.propose(&PROPOSAL).await.unwrap(), Pull { number: 7, url: "u".to_owned(), state: State::Open });
    assert_eq!(forge.propose(&PROPOSAL).await.unwrap().state, State::Merged);
    assert_eq!(forge.look(7).await.unwrap().state, State::Closed);
    forge.close(7).await.unwrap();
    forge.comment(7, "hello").await.unwrap();
    let page = |page: u32| format!("/api/v1/repos/o/n/pulls?state=all&sort=recentupdate&limit=50&page={page}");
    let by = "token t0ken";
    let open = json!({ "title": "Update", "head": ours, "base": "main/x", "body": "of it" });
    assert_eq!(
        fake.asked(),
        [
            asked("GET", &page(1), by, Value::Null),
            asked("GET", &page(2), by, Value::Null),
            asked("POST", "/api/v1/repos/o/n/pulls", by, open),
            asked("GET", &page(1), by, Value::Null),
            asked("GET", &page(2), by, Value::Null),
            asked("GET", "/api/v1/repos/o/n/pulls/7", by, Value::Null),
            asked("PATCH", "/api/v1/repos/o/n/pulls/7", by, json!({ "state": "closed" })),
            asked("POST", "/api/v1/repos/o/n/issues/7/comments", by, json!({ "body": "hello" })),
        ]
    );
}

#[tokio::test]
async fn two_who_propose_at_the_same_time_get_one_request() {
    let pull = json!({ "number": 7, "html_url": "u", "state": "open", "merged_at": null });
    let exists = json!({ "message": "Validation Failed", "errors": [{ "message": "A pull request already exists" }] });
    let fake = Fake::new(vec![(200, json!([])), (422, exists.clone()), (200, json!([pull]))]).await;
    assert_eq!(fake.forge(Kind::GitHub, "o/n", token()).propose(&PROPOSAL).await.unwrap().number, 7);
    // Where there is none after all, the refusal is told.
    let fake = Fake::new(vec![(200, json!([])), (422, exists), (200, json!([]))]).await;
    let error = fake.forge(Kind::GitHub, "o/n", token()).propose(&PROPOSAL).await.unwrap_err();
    assert!(error.to_string().contains("already exists"), "{error}");
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let check = async |status: u16, body: Value, expect: fn(&ForgeError) -> bool| {
        let error =
            Fake::new(vec![(status, body)]).await.forge(Kind::GitHub, "o/n", token()).look(7).await.unwrap_err();
        assert!(expect(&error) && !format!("{error} {error:?}").contains("t0ken"), "{status}: {error:?}");
    };
    check(401, json!({ "message": "Bad credentials" }), |e| matches!(e, ForgeError::Denied { .. })).await;
    check(403, json!({ "message": "API rate limit exceeded" }), ForgeError::is_passing).await;
    check(404, json!({ "message": "Not Found" }), |e| matches!(e, ForgeError::Missing { .. })).await;
    check(301, json!({}), |e| matches!(e, ForgeError::Rejected { .. })).await;
    check(502, json!("bad gateway"), ForgeError::is_passing).await;
    check(200, json!("<html>"), |e| matches!(e, ForgeError::Strange { .. })).await;
    check(200, json!({ "number": -1, "state": "open" }), |e| matches!(e, ForgeError::Strange { .. })).await;
    let (repository, _) = Url::parse("http://127.0.0.1:1/o/n").unwrap();
    let settings = Settings { kind: Kind::Gitea, repository, api: None, login: token(), tls: None };
    let error = Forge::new(settings).unwrap().look(7).await.unwrap_err();
    assert!(error.is_passing(), "{error:?}");
}

#[test]
fn apis_are_where_forges_have_them() {
    let check = |url: &str, expect: &str| {
        let (url, _) = Url::parse(url).unwrap();
        let kind = Kind::of_host(url.host()).unwrap_or(Kind::GitHub);
        assert_eq!(kind.api(&url).unwrap(), expect, "{url}");
    };
    check("https://github.com/o/n.git", "https://api.github.com");
    check("git@github.com:o/n.git", "https://api.github.com");
    check("https://ghe.example/o/n.git", "https://ghe.example/api/v3");
    check("ssh://git@ghe.example:2222/o/n.git", "https://ghe.example/api/v3");
    check("https://gitlab.com/g/s/n.git", "https://gitlab.com/api/v4");
    check("git@bitbucket.org:w/n.git", "https://api.bitbucket.org/2.0");
    check("https://codeberg.org/o/n.git", "https://codeberg.org/api/v1");
    assert!(Kind::GitHub.api(&Url::parse("/srv/git/n.git").unwrap().0).is_err());
}
