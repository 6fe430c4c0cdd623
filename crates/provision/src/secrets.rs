//! Credentials by name: what git and forges are given, sealed in the store.
//!
//! A row tells its name, its kind and its user; the secret itself is sealed by AES-256-GCM together with them, so that no
//! row stands for another. Rows go with the state wherever it is saved and loaded; the key does not.

mod key;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use standin_model::{Document, Fields, Timestamp};
use standin_store::{Batch, Scan, Space, Store, StoreError, Table};
use tokio::sync::Mutex;

use key::Keys;
pub use key::{Key, KeySource};

const TABLE: &str = "credential";
/// Rows that are read at once.
const PAGE: usize = 100;
/// Of one server. A key of 16,384 bits takes 13 KB.
const COUNT_MAX: usize = 1000;
const SECRET_BYTES_MAX: usize = 32 << 10;
const NAME_MAX: usize = 100;
const USER_MAX: usize = 200;
/// How often a change is tried again where another was faster.
const TRIES: usize = 20;

/// Why a credential cannot be had or kept. No message has anything of a secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SecretError {
    #[error("{name:?} is no name of a credential: letters, digits, `.`, `_` and `-`, {NAME_MAX} at most")]
    Name { name: String },
    #[error("{0}")]
    Form(String),
    #[error("there is no credential {name:?}; `standin proton credential set {name}` keeps one")]
    Missing { name: String },
    #[error(
        "the credential {name:?} is sealed by key {id}, which this server does not have: give it the key of the server \
         that sealed it (STANDIN_SECRET_KEY, or secret.key in the data directory), or set the credential anew"
    )]
    OtherKey { name: String, id: String },
    #[error("the credential {name:?} was changed behind the server's back; set it anew")]
    Broken { name: String },
    #[error(
        "there is no key to seal credentials by: set STANDIN_SECRET_KEY to 32 bytes in base64, the same for all servers \
         of the database, or give the server a data directory"
    )]
    NoKey,
    #[error("there are {COUNT_MAX} credentials, which is the most; delete one first")]
    TooMany,
    #[error("the system gives no randomness")]
    NoRandomness,
    #[error("{} holds no keys; put back the file that was there, or remove it and set the credentials anew", path.display())]
    BadFile { path: PathBuf },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: Arc<io::Error> },
    #[error("the store: {0}")]
    Store(String),
}

impl From<StoreError> for SecretError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A token that stands alone.
    Token,
    /// A user with a password or token.
    Login,
    /// A private key of SSH.
    SshKey,
    /// The private key of a GitHub app. Its user is the app's id.
    AppKey,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Token, Self::Login, Self::SshKey, Self::AppKey];

    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Login => "login",
            Self::SshKey => "ssh-key",
            Self::AppKey => "app-key",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

/// What somebody is let in by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    pub kind: Kind,
    /// Of a login, or of an SSH key; the id of an app.
    pub user: Option<String>,
    pub value: Hidden,
}

impl Secret {
    /// The credential that a user and a secret text make: keys are known by their form.
    ///
    /// # Errors
    /// Where the text is none, too long, or would break the line it is sent in.
    pub fn new(user: Option<String>, app: bool, text: &str) -> Result<Self, SecretError> {
        let form = |why: &str| Err(SecretError::Form(why.to_owned()));
        let (user, text) = (user.filter(|user| !user.is_empty()), text.trim());
        if let Some(user) = &user
            && (user.len() > USER_MAX || user.chars().any(char::is_control) || user.contains(':'))
        {
            return form("a user has no colon and no control characters, and 200 characters at most");
        }
        if text.is_empty() {
            return form("the secret is empty");
        }
        if text.len() > SECRET_BYTES_MAX {
            return form("the secret has more than 32 KB");
        }
        let is_key = text.starts_with("-----BEGIN ") && text.contains("PRIVATE KEY-----");
        if app && (!is_key || user.is_none()) {
            return form("an app has an id, as its user, and a private key that begins with -----BEGIN");
        }
        if is_key {
            let bad = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\r');
            if text.chars().any(bad) {
                return form("the private key has control characters");
            }
            // OpenSSH wants the end of the last line, and no carriage returns.
            let value = Hidden::new(text.replace('\r', "") + "\n");
            return Ok(Self { kind: if app { Kind::AppKey } else { Kind::SshKey }, user, value });
        }
        if text.chars().any(char::is_control) {
            return form(
                "a token or password is one line without control characters; a private key begins with -----BEGIN",
            );
        }
        let kind = if user.is_some() { Kind::Login } else { Kind::Token };
        Ok(Self { kind, user, value: Hidden::new(text) })
    }
}

/// What is told of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub name: String,
    pub kind: Kind,
    pub user: Option<String>,
    pub set_at: Timestamp,
    /// The id of the key that it is sealed by.
    pub key: String,
    /// Whether this server has that key.
    pub readable: bool,
}

/// What a change of keys did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// The id of the key that seals from now on.
    pub key: String,
    /// Credentials that are sealed by it.
    pub sealed: usize,
    /// Names of those that no key of this server opens: they stay as they are.
    pub left: Vec<String>,
}

/// The credentials of a server.
#[derive(Debug)]
pub struct Secrets {
    store: Arc<dyn Store>,
    table: Table,
    keys: Keys,
    /// One change of keys at a time.
    changing: Mutex<()>,
}

/// A row, taken apart.
struct Kept {
    about: About,
    sealed: String,
    version: u64,
}

impl Secrets {
    pub fn new(store: Arc<dyn Store>, source: KeySource) -> Self {
        // They belong to the server, whatever account a caller is of.
        let table = Space::new("", "", "proton").table(TABLE);
        Self { store, table, keys: Keys::new(source), changing: Mutex::new(()) }
    }

    /// Keeps a credential; whether there was one of that name before.
    ///
    /// # Errors
    /// Where the name is none, or it cannot be sealed or kept.
    pub async fn set(&self, name: &str, secret: &Secret, now: Timestamp) -> Result<bool, SecretError> {
        check_name(name)?;
        let _changing = self.changing.lock().await;
        for _ in 0..TRIES {
            let before = self.store.get(&self.table, name).await?;
            if before.is_none() && self.store.count(&self.table, "").await? >= COUNT_MAX as u64 {
                return Err(SecretError::TooMany);
            }
            let key = self.keys.first()?;
            let body = body(name, secret, now, &key)?;
            let mut batch = Batch::default();
            batch.check(&self.table, name, before.as_ref().map(|row| row.version));
            batch.put(&self.table, name, body, []);
            match self.store.commit(batch).await {
                Ok(_) => return Ok(before.is_some()),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(SecretError::Store("too many others change the credential".to_owned()))
    }

    /// All credentials by name, without what is secret.
    ///
    /// # Errors
    /// Where the store or the file of keys cannot be read.
    pub async fn list(&self) -> Result<Vec<About>, SecretError> {
        Ok(self.rows().await?.into_iter().map(|kept| kept.about).collect())
    }

    /// Forgets a credential; whether there was one.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn delete(&self, name: &str) -> Result<bool, SecretError> {
        let known = self.store.get(&self.table, name).await?.is_some();
        if known {
            let mut batch = Batch::default();
            batch.delete(&self.table, name);
            self.store.commit(batch).await?;
        }
        Ok(known)
    }

    /// The credential of a name.
    ///
    /// # Errors
    /// Where there is none, or this server does not have its key.
    pub async fn find(&self, name: &str) -> Result<Secret, SecretError> {
        let missing = || SecretError::Missing { name: name.to_owned() };
        let row = self.store.get(&self.table, name).await?.ok_or_else(missing)?;
        let kept = self.read(name, &row.body, row.version)?;
        self.open(&kept)
    }

    /// Seals everything by a new key, which is drawn here, or is the first of those that are given. Where the process ends
    /// in between, both keys are kept, and open.
    ///
    /// # Errors
    /// Where the store or the file of keys cannot be written.
    pub async fn rekey(&self) -> Result<Rekeyed, SecretError> {
        let _changing = self.changing.lock().await;
        let key = self.keys.exchange()?;
        for _ in 0..TRIES {
            let (mut batch, mut left, mut sealed) = (Batch::default(), Vec::new(), 0);
            for kept in self.rows().await? {
                let Ok(secret) = self.open(&kept) else {
                    left.push(kept.about.name);
                    continue;
                };
                let name = kept.about.name.as_str();
                batch.check(&self.table, name, Some(kept.version));
                batch.put(&self.table, name, body(name, &secret, kept.about.set_at, &key)?, []);
                sealed += 1;
            }
            match if batch.is_empty() { Ok(0) } else { self.store.commit(batch).await } {
                Ok(_) => {
                    self.keys.forget_old()?;
                    return Ok(Rekeyed { key: key.id, sealed, left });
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(SecretError::Store("too many others change the credentials".to_owned()))
    }

    fn open(&self, kept: &Kept) -> Result<Secret, SecretError> {
        let About { name, kind, user, key: id, .. } = &kept.about;
        let other = || SecretError::OtherKey { name: name.clone(), id: id.clone() };
        let key = self.keys.of(id)?.ok_or_else(other)?;
        let broken = || SecretError::Broken { name: name.clone() };
        let value = key.open(&beside(name, *kind, user.as_deref()), &kept.sealed).ok_or_else(broken)?;
        Ok(Secret { kind: *kind, user: user.clone(), value: Hidden(value) })
    }

    async fn rows(&self) -> Result<Vec<Kept>, SecretError> {
        let (mut found, mut after) = (Vec::new(), None::<Arc<str>>);
        loop {
            let scan = Scan { prefix: "", after: after.as_deref(), limit: PAGE };
            let rows = self.store.scan(&self.table, scan).await?;
            for row in &rows {
                found.push(self.read(&row.key, &row.body, row.version)?);
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE => after = Some(last.key.clone()),
                _ => return Ok(found),
            }
        }
    }

    fn read(&self, name: &str, body: &Document, version: u64) -> Result<Kept, SecretError> {
        let text = |member: &str| body.get(member).and_then(Document::as_str);
        let broken = || SecretError::Broken { name: name.to_owned() };
        let key = text("key").ok_or_else(broken)?.to_owned();
        let about = About {
            name: name.to_owned(),
            kind: text("kind").and_then(Kind::named).ok_or_else(broken)?,
            user: text("user").map(str::to_owned),
            set_at: text("setAt").and_then(Timestamp::parse_date_time).ok_or_else(broken)?,
            readable: self.keys.of(&key)?.is_some(),
            key,
        };
        Ok(Kept { about, sealed: text("sealed").ok_or_else(broken)?.to_owned(), version })
    }
}

fn check_name(name: &str) -> Result<(), SecretError> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(fits) {
        return Err(SecretError::Name { name: name.chars().take(NAME_MAX).collect() });
    }
    Ok(())
}

/// What a secret is sealed together with. None of it has line ends.
fn beside(name: &str, kind: Kind, user: Option<&str>) -> String {
    format!("standin credential 1\n{name}\n{}\n{}", kind.name(), user.unwrap_or_default())
}

fn body(name: &str, secret: &Secret, set_at: Timestamp, key: &Key) -> Result<Document, SecretError> {
    let Secret { kind, user, value } = secret;
    let mut fields = Fields::new();
    fields.push("kind", kind.name());
    if let Some(user) = user {
        fields.push("user", user.clone());
    }
    fields.push("sealed", key.seal(&beside(name, *kind, user.as_deref()), value.reveal())?);
    fields.push("key", key.id.clone());
    fields.push("setAt", set_at.to_date_time());
    Ok(Document::Map(fields))
}
