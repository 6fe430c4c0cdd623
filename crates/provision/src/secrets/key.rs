//! The keys that credentials are sealed by: where they come from, how they are made and exchanged.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::SecretError;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// The file of the data directory.
const FILE: &str = "secret.key";
/// Longer files are none of keys.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// A key of AES-256-GCM. Shows its id only.
#[derive(Clone)]
pub struct Key {
    bytes: [u8; KEY_BYTES],
    /// What tells it from others, and nothing of it: eight hexadecimal digits.
    pub(super) id: String,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Key {}

impl Key {
    fn new(bytes: [u8; KEY_BYTES]) -> Self {
        let told = digest(&SHA256, &[b"standin key id\n", &bytes[..]].concat());
        let id = told.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Self { bytes, id }
    }

    /// A new one, of the system's randomness.
    fn draw() -> Result<Self, SecretError> {
        let mut bytes = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| SecretError::NoRandomness)?;
        Ok(Self::new(bytes))
    }

    /// Reads 32 bytes in base64, or in 64 hexadecimal digits.
    fn parse(text: &str) -> Option<Self> {
        let bytes = if text.len() == 2 * KEY_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let digit = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
            (0..KEY_BYTES).map(|at| digit(2 * at)).collect::<Option<Vec<u8>>>()?
        } else {
            STANDARD.decode(text).ok()?
        };
        bytes.try_into().ok().map(Self::new)
    }

    /// Seals a text together with what must stay beside it: the nonce, then what it became, in base64.
    pub(super) fn seal(&self, beside: &str, text: &str) -> Result<String, SecretError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SecretError::NoRandomness)?;
        let mut sealed = text.as_bytes().to_vec();
        let cipher = self.cipher().ok_or(SecretError::NoRandomness)?;
        cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(beside), &mut sealed)
            .map_err(|_| SecretError::NoRandomness)?;
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    /// What was sealed; nothing where it was by another key, beside something else, or was changed.
    pub(super) fn open(&self, beside: &str, sealed: &str) -> Option<String> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.cipher()?.open_in_place(nonce, Aad::from(beside), &mut sealed).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &self.bytes).ok().map(LessSafeKey::new)
    }
}

/// Where keys come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeySource {
    /// Given with the configuration. The first seals, all open.
    Given(Vec<Key>),
    /// `secret.key` in this directory, for its owner alone. Made when the first credential is set.
    Folder(PathBuf),
    /// Made when the first credential is set, and gone with the process: as the state that it belongs to.
    #[default]
    Process,
    /// None: state outlives this process, which has no place for a key.
    Nowhere,
}

impl KeySource {
    /// Reads keys, separated by commas or spaces: 32 bytes each, in base64 or hexadecimal digits.
    ///
    /// # Errors
    /// Where one is none. The message does not have it.
    pub fn given(text: &str) -> Result<Self, String> {
        let parts = text.split([',', ' ', '\n', '\t']).filter(|part| !part.is_empty());
        let keys: Option<Vec<Key>> = parts.map(Key::parse).collect();
        match keys {
            Some(keys) if !keys.is_empty() => Ok(Self::Given(keys)),
            _ => Err("a key is 32 bytes in base64, as `openssl rand -base64 32` makes them".to_owned()),
        }
    }
}

/// The keys as they are known now.
#[derive(Debug)]
pub(super) struct Keys {
    source: KeySource,
    /// The first seals.
    known: Mutex<Vec<Key>>,
}

fn lock<T>(slot: &Mutex<T>) -> MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keys {
    pub(super) fn new(source: KeySource) -> Self {
        let known = if let KeySource::Given(keys) = &source { keys.clone() } else { Vec::new() };
        Self { source, known: known.into() }
    }

    /// The key of that id, where this server has it.
    pub(super) fn of(&self, id: &str) -> Result<Option<Key>, SecretError> {
        let find = |keys: &[Key]| keys.iter().find(|key| key.id == id).cloned();
        let mut known = lock(&self.known);
        if let Some(key) = find(&known) {
            return Ok(Some(key));
        }
        if let KeySource::Folder(folder) = &self.source {
            *known = read(&folder.join(FILE))?;
        }
        Ok(find(&known))
    }

    /// The key that seals, made where there is none yet.
    pub(super) fn first(&self) -> Result<Key, SecretError> {
        let mut known = lock(&self.known);
        match &self.source {
            KeySource::Folder(folder) => {
                let path = folder.join(FILE);
                *known = read(&path)?;
                if known.is_empty() {
                    fs::create_dir_all(folder).map_err(|source| at(&path, source))?;
                    create(&path, &text(&[Key::draw()?])).map_err(|source| at(&path, source))?;
                    // Another may have been faster.
                    *known = read(&path)?;
                }
            }
            KeySource::Process if known.is_empty() => known.push(Key::draw()?),
            KeySource::Nowhere => return Err(SecretError::NoKey),
            KeySource::Process | KeySource::Given(_) => {}
        }
        known.first().cloned().ok_or(SecretError::NoKey)
    }

    /// Begins to seal with another key, and still opens with those that were: the new one.
    pub(super) fn exchange(&self) -> Result<Key, SecretError> {
        let first = self.first()?;
        if let KeySource::Given(_) = self.source {
            return Ok(first);
        }
        let new = Key::draw()?;
        let mut known = lock(&self.known);
        let keys: Vec<Key> = std::iter::once(new.clone()).chain(known.iter().cloned()).collect();
        self.keep(&keys)?;
        *known = keys;
        Ok(new)
    }

    /// Forgets all keys but the first.
    pub(super) fn forget_old(&self) -> Result<(), SecretError> {
        if let KeySource::Given(_) = self.source {
            return Ok(());
        }
        let mut known = lock(&self.known);
        known.truncate(1);
        self.keep(&known)
    }

    fn keep(&self, keys: &[Key]) -> Result<(), SecretError> {
        let KeySource::Folder(folder) = &self.source else { return Ok(()) };
        let path = folder.join(FILE);
        replace(&path, &text(keys)).map_err(|source| at(&path, source))
    }
}

fn at(path: &Path, source: io::Error) -> SecretError {
    SecretError::File { path: path.to_owned(), source: Arc::new(source) }
}

fn text(keys: &[Key]) -> String {
    keys.iter().map(|key| STANDARD.encode(key.bytes) + "\n").collect()
}

/// The keys of a file; none where there is no file.
fn read(path: &Path) -> Result<Vec<Key>, SecretError> {
    let length = match fs::metadata(path) {
        Ok(about) => about.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at(path, error)),
    };
    let bad = || SecretError::BadFile { path: path.to_owned() };
    if length > FILE_BYTES_MAX {
        return Err(bad());
    }
    let text = fs::read_to_string(path).map_err(|source| at(path, source))?;
    let keys: Vec<Key> = text.split_whitespace().map(Key::parse).collect::<Option<_>>().ok_or_else(bad)?;
    if keys.is_empty() { Err(bad()) } else { Ok(keys) }
}

/// A file beside another that is not there yet.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let mut draw = [0; 8];
    SystemRandom::new().fill(&mut draw).map_err(|_| io::Error::other("there is no randomness"))?;
    Ok(path.with_file_name(format!(".{FILE}.{:016x}", u64::from_le_bytes(draw))))
}

/// Creates a file with all of its content at once; one that exists is left as it is.
fn create(path: &Path, content: &str) -> io::Result<()> {
    let beside = beside(path)?;
    write_new(&beside, content)?;
    // Unlike a rename, a link does not replace.
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    let written = match linked {
        // Some file systems of shared folders have no links.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => write_new(path, content),
        other => other,
    };
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Puts another content into the place of a file's, all at once.
fn replace(path: &Path, content: &str) -> io::Result<()> {
    let beside = beside(path)?;
    write_new(&beside, content)?;
    fs::rename(&beside, path)
}

fn write_new(path: &Path, content: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}
