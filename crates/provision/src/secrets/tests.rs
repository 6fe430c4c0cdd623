use standin_store::MemoryStore;

use super::*;

const KEY_A: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const KEY_B: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn now() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000)
}

fn given(keys: &str) -> KeySource {
    KeySource::given(keys).expect("keys")
}

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

fn token(text: &str) -> Secret {
    Secret::new(None, false, text).expect("a token")
}

/// A folder of this test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("standin-secrets-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("secret.key")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Everything that a store holds, as a saved state shows it.
async fn dump(secrets: &Secrets) -> String {
    let rows = secrets.store.scan(&secrets.table, Scan { prefix: "", after: None, limit: 10 }).await.expect("rows");
    rows.iter().map(|row| row.body.to_json().to_string()).collect()
}

#[test]
fn what_a_text_is_shows_in_its_form() {
    let check = |user: Option<&str>, app: bool, text: &str, expect: Result<Kind, &str>| {
        let made = Secret::new(user.map(str::to_owned), app, text);
        match (made, expect) {
            (Ok(secret), Ok(kind)) => assert_eq!(secret.kind, kind),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (made, expect) => panic!("{made:?} is not {expect:?}"),
        }
    };
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\r\nAAAA\r\n-----END OPENSSH PRIVATE KEY-----";
    check(None, false, "ghp_x\n", Ok(Kind::Token));
    check(Some("u"), false, "p w", Ok(Kind::Login));
    check(None, false, key, Ok(Kind::SshKey));
    check(Some("git"), false, key, Ok(Kind::SshKey));
    check(Some("123"), true, key, Ok(Kind::AppKey));
    check(None, true, key, Err("an app has an id"));
    check(Some("1"), true, "token", Err("begins with -----BEGIN"));
    check(None, false, " \n", Err("empty"));
    check(None, false, "a\nb: c", Err("one line"));
    check(None, false, "a\0b", Err("one line"));
    check(Some("a:b"), false, "c", Err("no colon"));
    check(None, false, &"x".repeat(SECRET_BYTES_MAX + 1), Err("32 KB"));
    let ssh = Secret::new(None, false, key).expect("a key");
    assert!(ssh.value.reveal().ends_with("-----\n") && !ssh.value.reveal().contains('\r'));
    assert!(!format!("{ssh:?}").contains("AAAA"));
}

#[tokio::test]
async fn a_credential_is_kept_shown_without_its_secret_and_deleted() {
    let secrets = Secrets::new(store(), KeySource::Process);
    let login = Secret::new(Some("me".to_owned()), false, "s3cr3t-of-mine").expect("a login");
    assert!(!secrets.set("git.example", &login, now()).await.expect("set"));
    assert!(secrets.set("git.example", &login, now()).await.expect("set again"));
    assert_eq!(secrets.find("git.example").await.expect("found"), login);
    let listed = secrets.list().await.expect("listed");
    assert_eq!(
        (listed[0].name.as_str(), listed[0].kind, listed[0].user.as_deref(), listed[0].readable),
        ("git.example", Kind::Login, Some("me"), true)
    );
    assert!(!dump(&secrets).await.contains("s3cr3t"));
    assert!(secrets.delete("git.example").await.expect("deleted"));
    assert!(!secrets.delete("git.example").await.expect("gone"));
    assert!(matches!(secrets.find("git.example").await, Err(SecretError::Missing { .. })));
    for name in ["", "a/b", "a b", "../x", &"x".repeat(101)] {
        assert!(matches!(secrets.set(name, &login, now()).await, Err(SecretError::Name { .. })), "{name}");
    }
}

#[tokio::test]
async fn rows_cannot_be_swapped_or_changed() {
    let secrets = Secrets::new(store(), given(KEY_A));
    secrets.set("a", &token("of-a"), now()).await.expect("set");
    secrets.set("b", &Secret::new(Some("u".to_owned()), false, "of-b").expect("a login"), now()).await.expect("set");
    let row = secrets.store.get(&secrets.table, "a").await.expect("read").expect("a row");
    let write = async |name: &str, member: &str, value: &str| {
        let mut body = (*row.body).clone();
        let fields = body.as_map_mut().expect("a map");
        fields.remove(member);
        fields.push(member.to_owned(), value.to_owned());
        let mut batch = Batch::default();
        batch.put(&secrets.table, name, body, []);
        secrets.store.commit(batch).await.expect("written");
    };
    write("b", "setAt", "2026-01-01T00:00:00Z").await;
    assert!(matches!(secrets.find("b").await, Err(SecretError::Broken { .. })), "the row of another name");
    write("a", "user", "somebody").await;
    assert!(matches!(secrets.find("a").await, Err(SecretError::Broken { .. })), "another user");
    write("a", "kind", "app-key").await;
    assert!(matches!(secrets.find("a").await, Err(SecretError::Broken { .. })), "another kind");
    write("a", "sealed", "AAAA").await;
    assert!(matches!(secrets.find("a").await, Err(SecretError::Broken { .. })), "nothing that was sealed");
    write("a", "setAt", "2026-01-01T00:00:00Z").await;
    assert_eq!(secrets.find("a").await.expect("as it was").value.reveal(), "of-a");
}

#[tokio::test]
async fn another_server_needs_the_key() {
    let store = store();
    Secrets::new(store.clone(), given(KEY_A)).set("a", &token("t"), now()).await.expect("set");
    let other = Secrets::new(store.clone(), given(KEY_B));
    let error = other.find("a").await.expect_err("another key").to_string();
    assert!(error.contains("STANDIN_SECRET_KEY") && !error.contains(KEY_A), "{error}");
    assert!(!other.list().await.expect("listed")[0].readable);
    let nowhere = Secrets::new(store.clone(), KeySource::Nowhere);
    assert!(matches!(nowhere.set("b", &token("t"), now()).await, Err(SecretError::NoKey)));
    // With both keys, the first seals.
    let both = Secrets::new(store.clone(), given(&format!("{KEY_B},{KEY_A}")));
    assert_eq!(both.find("a").await.expect("found").value.reveal(), "t");
    let rekeyed = both.rekey().await.expect("rekeyed");
    assert_eq!((rekeyed.sealed, rekeyed.left), (1, Vec::new()));
    assert_eq!(other.find("a").await.expect("found").value.reveal(), "t");
}

#[tokio::test]
async fn the_key_of_a_data_directory_is_made_once_and_exchanged() {
    let (scratch, store) = (Scratch::new("file"), store());
    let open = || Secrets::new(store.clone(), KeySource::Folder(scratch.0.clone()));
    assert!(open().list().await.expect("nothing").is_empty());
    assert!(!scratch.file().exists(), "no credential, no key");
    let first = open();
    first.set("a", &token("t"), now()).await.expect("set");
    let before = std::fs::read_to_string(scratch.file()).expect("a key");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(scratch.file()).expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(open().find("a").await.expect("found").value.reveal(), "t");
    open().set("b", &token("u"), now()).await.expect("set");
    assert_eq!(std::fs::read_to_string(scratch.file()).expect("a key"), before, "made once");
    // A row that came from elsewhere stays.
    Secrets::new(store.clone(), given(KEY_B)).set("c", &token("v"), now()).await.expect("set");
    let rekeyed = open().rekey().await.expect("rekeyed");
    assert_eq!((rekeyed.sealed, rekeyed.left), (2, vec!["c".to_owned()]));
    let after = std::fs::read_to_string(scratch.file()).expect("a key");
    assert!(after != before && after.lines().count() == 1);
    // A server that knew the old key reads the new one.
    assert_eq!(first.find("b").await.expect("found").value.reveal(), "u");
    std::fs::write(scratch.file(), "nonsense").expect("written");
    assert!(matches!(open().find("a").await, Err(SecretError::BadFile { .. })));
}

/// A change of keys that ends between any two of its steps leaves everything readable.
#[tokio::test]
async fn a_change_of_keys_may_end_anywhere() {
    let (scratch, store) = (Scratch::new("cut"), store());
    let open = || Secrets::new(store.clone(), KeySource::Folder(scratch.0.clone()));
    open().set("a", &token("t"), now()).await.expect("set");
    // The new key is in the file, and nothing is sealed by it yet.
    open().keys.exchange().expect("exchanged");
    assert_eq!(std::fs::read_to_string(scratch.file()).expect("keys").lines().count(), 2);
    assert_eq!(open().find("a").await.expect("found").value.reveal(), "t");
    open().set("b", &token("u"), now()).await.expect("set");
    let rekeyed = open().rekey().await.expect("rekeyed");
    assert_eq!(rekeyed.sealed, 2);
    assert_eq!(std::fs::read_to_string(scratch.file()).expect("keys").lines().count(), 1);
    assert_eq!(open().find("a").await.expect("found").value.reveal(), "t");
}

#[test]
fn keys_are_given_in_base64_or_hexadecimal() {
    let check = |text: &str, good: bool| assert_eq!(KeySource::given(text).is_ok(), good, "{text}");
    check(KEY_A, true);
    check("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", true);
    check(&format!("{KEY_A}, {KEY_B}"), true);
    check("", false);
    check("short", false);
    check(&KEY_A[2..], false);
    let error = KeySource::given("hunter2").expect_err("no key");
    assert!(!error.contains("hunter2"));
    let KeySource::Given(keys) = given(KEY_A) else { panic!("given") };
    assert!(!format!("{keys:?}").contains("0102"));
}
