//! The local certificate authority and the certificates that it gives to names.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject};
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache, StoresServerSessions};
use rustls::sign::CertifiedKey;
use standin_model::Timestamp;

const CERTIFICATE_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca-key.pem";

/// Clocks of containers and virtual machines may be behind.
const BACKDATED_DAYS: u64 = 30;
const CA_DAYS: u64 = 3650;
/// Apple's systems refuse certificates that are valid for more than 825 days.
const LEAF_DAYS: u64 = 790;

/// Certificates that are kept. The oldest goes first: making one anew takes a fraction of a millisecond.
const LEAVES_MAX: usize = 512;

/// Sessions that clients may resume, over all names.
const SESSIONS_MAX: usize = 1024;

/// The longest common name that X.509 allows.
const COMMON_NAME_CHARS_MAX: usize = 64;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Signs certificates for whatever name a client asks for.
///
/// The authority itself is made, or read from its directory, when it is first needed. Whoever trusts its certificate
/// trusts whoever has the directory's key file, which is readable by its owner only.
#[derive(Debug)]
pub struct CertAuthority {
    directory: Option<PathBuf>,
    now: Timestamp,
    made: Mutex<Option<Arc<Made>>>,
}

#[derive(Debug)]
struct Made {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
    sessions: Arc<dyn StoresServerSessions + Send + Sync>,
    leaves: Mutex<Leaves>,
    refusing: Arc<ServerConfig>,
    now: Timestamp,
}

#[derive(Debug, Default)]
struct Leaves {
    by_name: HashMap<LeafName, Arc<ServerConfig>>,
    oldest_first: VecDeque<LeafName>,
}

/// What a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum LeafName {
    /// In lower case.
    Dns(Box<str>),
    /// For clients that name no host because they connected to an address. Good for the loopback names as well: a port
    /// may have been forwarded.
    Address(IpAddr),
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    #[error("cannot use {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is not a key in PEM that can be used", path.display())]
    Key { path: PathBuf, source: rcgen::Error },
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    #[error("cannot use a certificate")]
    Use(#[from] rustls::Error),
}

impl CertAuthority {
    /// An authority that lasts as long as the process. `now` is the system's time, whatever a virtual clock says:
    /// clients check against theirs.
    pub fn in_memory(now: Timestamp) -> Self {
        Self { directory: None, now, made: Mutex::default() }
    }

    /// An authority kept as `ca.pem` and `ca-key.pem` in a directory, which is made when it is missing.
    /// Processes that start at the same time in the same directory get the same authority.
    pub fn in_directory(directory: PathBuf, now: Timestamp) -> Self {
        Self { directory: Some(directory), now, made: Mutex::default() }
    }

    /// The certificate that clients must trust, in PEM.
    ///
    /// # Errors
    /// When the directory cannot be read or written, or holds something else.
    pub fn ca_pem(&self) -> Result<String, CaError> {
        self.made().map(|made| made.pem.clone())
    }

    /// Where the certificate is, once [`ca_pem`](Self::ca_pem) gave it; `None` when it is in memory only.
    pub fn pem_path(&self) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join(CERTIFICATE_FILE))
    }

    /// TLS settings with a certificate for a name; `None` gives settings that refuse every handshake with an alert.
    pub(super) fn config_for(&self, name: Option<LeafName>) -> Result<Arc<ServerConfig>, CaError> {
        let made = self.made()?;
        match name {
            Some(name) => made.config_for(name),
            None => Ok(Arc::clone(&made.refusing)),
        }
    }

    /// Whether [`config_for`](Self::config_for) is ready without making anything.
    pub(super) fn ready_config_for(&self, name: &LeafName) -> Option<Arc<ServerConfig>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let leaves = made.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        leaves.by_name.get(name).cloned()
    }

    fn made(&self) -> Result<Arc<Made>, CaError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*made {
            return Ok(Arc::clone(made));
        }
        let (key, pem) = match &self.directory {
            None => {
                let key = new_key()?;
                let pem = self_signed(&key, self.now)?;
                (key, pem)
            }
            Some(directory) => kept(directory, self.now)?,
        };
        let new = Arc::new(Made::new(key, pem, self.now)?);
        *made = Some(Arc::clone(&new));
        Ok(new)
    }
}

impl Made {
    fn new(key: KeyPair, pem: String, now: Timestamp) -> Result<Self, CaError> {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let refusing = Arc::new(server_config(&provider)?.with_cert_resolver(Arc::new(NoCertificate)));
        Ok(Self {
            issuer: Issuer::new(ca_params(&key, now), key),
            pem,
            certificate,
            provider,
            sessions: ServerSessionMemoryCache::new(SESSIONS_MAX),
            leaves: Mutex::default(),
            refusing,
            now,
        })
    }

    fn config_for(&self, name: LeafName) -> Result<Arc<ServerConfig>, CaError> {
        // Held while the certificate is made, so that many connections at once make one.
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = leaves.by_name.get(&name) {
            return Ok(Arc::clone(config));
        }
        let key = new_key()?;
        let leaf = leaf_params(&name, self.now)?.signed_by(&key, &self.issuer)?;
        let chain = vec![leaf.der().clone(), self.certificate.clone()];
        let mut config = server_config(&self.provider)?
            .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.session_storage = Arc::clone(&self.sessions) as _;
        let config = Arc::new(config);
        if leaves.oldest_first.len() >= LEAVES_MAX
            && let Some(oldest) = leaves.oldest_first.pop_front()
        {
            leaves.by_name.remove(&oldest);
        }
        leaves.oldest_first.push_back(name.clone());
        leaves.by_name.insert(name, Arc::clone(&config));
        Ok(config)
    }
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

fn server_config(
    provider: &Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>, rustls::Error> {
    Ok(ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth())
}

fn new_key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

/// The authority's certificate is determined by its key but for dates and signature, so that it can issue without
/// anything being read from the certificate.
fn ca_params(key: &KeyPair, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    let key_id = params.key_identifier(key);
    // Several authorities may sit in one trust store, and issuers are found by name.
    let unique: String = key_id.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "standin");
    params.distinguished_name.push(DnType::CommonName, format!("standin local CA {unique}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_dates(&mut params, now, CA_DAYS);
    params
}

fn self_signed(key: &KeyPair, now: Timestamp) -> Result<String, rcgen::Error> {
    Ok(ca_params(key, now).self_signed(key)?.pem())
}

fn leaf_params(name: &LeafName, now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    let loopback = [
        SanType::DnsName("localhost".try_into()?),
        SanType::IpAddress(Ipv4Addr::LOCALHOST.into()),
        SanType::IpAddress(Ipv6Addr::LOCALHOST.into()),
    ];
    let common_name = match name {
        LeafName::Dns(name) if **name == *"localhost" => {
            params.subject_alt_names = loopback.to_vec();
            name.to_string()
        }
        LeafName::Dns(name) => {
            params.subject_alt_names = vec![SanType::DnsName(name.to_string().try_into()?)];
            name.to_string()
        }
        LeafName::Address(ip) => {
            params.subject_alt_names = loopback.to_vec();
            if !matches!(*ip, IpAddr::V4(Ipv4Addr::LOCALHOST) | IpAddr::V6(Ipv6Addr::LOCALHOST)) {
                params.subject_alt_names.push(SanType::IpAddress(*ip));
            }
            ip.to_string()
        }
    };
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "standin");
    if common_name.len() <= COMMON_NAME_CHARS_MAX {
        params.distinguished_name.push(DnType::CommonName, common_name);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_dates(&mut params, now, LEAF_DAYS);
    Ok(params)
}

fn set_dates(params: &mut CertificateParams, now: Timestamp, days: u64) {
    // Far from the ends of what the date type holds.
    let seconds = u64::try_from(now.seconds).unwrap_or(0).clamp(DAY.as_secs() * BACKDATED_DAYS, 1 << 37);
    let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    let days_of = |days: u64| DAY * u32::try_from(days).expect("a constant of a few thousand");
    params.not_before = now - days_of(BACKDATED_DAYS);
    params.not_after = now + days_of(days);
}

/// Reads the authority of a directory, or makes it. The key is what counts: whoever creates its file first has made
/// the authority, everybody else takes that. Certificates that two processes make of one key are equally good.
fn kept(directory: &Path, now: Timestamp) -> Result<(KeyPair, String), CaError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| CaError::File { path, source }
    };
    fs::create_dir_all(directory).map_err(at(directory))?;
    let path = directory.join(KEY_FILE);
    let key_pem = match read(&path).map_err(at(&path))? {
        Some(pem) => pem,
        None => {
            create(&path, new_key()?.serialize_pem().as_bytes(), Access::Owner).map_err(at(&path))?;
            read(&path).map_err(at(&path))?.ok_or_else(|| at(&path)(io::ErrorKind::NotFound.into()))?
        }
    };
    let key = KeyPair::from_pem(&key_pem).map_err(|source| CaError::Key { path, source })?;

    let path = directory.join(CERTIFICATE_FILE);
    if let Some(pem) = read(&path).map_err(at(&path))? {
        if certifies(&pem, &key) {
            return Ok((key, pem));
        }
        tracing::warn!(path = %path.display(), "the certificate is not of the key beside it: replaced");
        fs::remove_file(&path).map_err(at(&path))?;
    }
    create(&path, self_signed(&key, now)?.as_bytes(), Access::Everybody).map_err(at(&path))?;
    let pem = read(&path).map_err(at(&path))?.ok_or_else(|| at(&path)(io::ErrorKind::NotFound.into()))?;
    Ok((key, pem))
}

/// Whether a certificate has that public key. It stands in the certificate as it is.
fn certifies(pem: &str, key: &KeyPair) -> bool {
    let public = key.public_key_raw();
    CertificateDer::from_pem_slice(pem.as_bytes())
        .is_ok_and(|certificate| certificate.windows(public.len()).any(|window| window == public))
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Access {
    Owner,
    Everybody,
}

/// Creates a file with all of its content at once; one that exists is left as it is.
fn create(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // What is written here is different each time. Process ids are not: in containers all are 1.
    let unique = BuildHasherDefault::<DefaultHasher>::default().hash_one(content);
    let beside = path.with_file_name(format!(".{name}.{unique:016x}"));
    write_new(&beside, content, access)?;
    // Unlike a rename, a link does not replace.
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // Some file systems of shared folders have no links.
        Err(_) => match write_new(path, content, access) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            written => written,
        },
        Ok(()) => Ok(()),
    }
}

fn write_new(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(if access == Access::Owner { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = access;
    let mut file: File = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_seconds(1_800_000_000)
    }

    /// A directory of this test's own, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("standin-ca-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_directory_keeps_its_authority() {
        let scratch = Scratch::new("keeps");
        let pem = || CertAuthority::in_directory(scratch.0.clone(), now()).ca_pem().expect("an authority");
        let first = pem();
        assert!(first.starts_with("-----BEGIN CERTIFICATE-----"));
        assert_eq!(pem(), first);
        let files: Vec<_> = fs::read_dir(&scratch.0).expect("a directory").map(|e| e.expect("an entry")).collect();
        assert_eq!(files.len(), 2, "nothing is left beside: {files:?}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(scratch.0.join(KEY_FILE)).expect("a key").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn nothing_is_made_before_it_is_needed() {
        let scratch = Scratch::new("lazy");
        let authority = CertAuthority::in_directory(scratch.0.clone(), now());
        assert!(!scratch.0.exists());
        assert!(authority.ready_config_for(&LeafName::Dns("localhost".into())).is_none());
        assert!(!scratch.0.exists());
    }

    #[test]
    fn authorities_made_at_once_are_one() {
        let scratch = Scratch::new("race");
        let barrier = std::sync::Barrier::new(8);
        let pems: Vec<String> = std::thread::scope(|scope| {
            let made: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        CertAuthority::in_directory(scratch.0.clone(), now()).ca_pem().expect("an authority")
                    })
                })
                .collect();
            made.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(pems.iter().all(|pem| *pem == pems[0]));
    }

    #[test]
    fn a_certificate_of_another_key_is_replaced_and_a_broken_key_is_told() {
        let scratch = Scratch::new("mixed");
        let open = || CertAuthority::in_directory(scratch.0.clone(), now()).ca_pem();
        let first = open().expect("an authority");
        fs::remove_file(scratch.0.join(KEY_FILE)).expect("removed");
        let second = open().expect("an authority");
        assert_ne!(first, second);
        assert_eq!(open().expect("an authority"), second);
        fs::write(scratch.0.join(KEY_FILE), "no key").expect("written");
        assert!(matches!(open(), Err(CaError::Key { .. })));
    }

    #[test]
    fn certificates_are_kept_within_bounds() {
        let authority = CertAuthority::in_memory(now());
        let name = |n: usize| LeafName::Dns(format!("b{n}.localhost").into());
        let first = authority.config_for(Some(name(0))).expect("a certificate");
        assert!(Arc::ptr_eq(&first, &authority.config_for(Some(name(0))).expect("the same")));
        for n in 1..=LEAVES_MAX {
            authority.config_for(Some(name(n))).expect("a certificate");
        }
        assert!(authority.ready_config_for(&name(0)).is_none(), "the oldest is gone");
        assert!(authority.ready_config_for(&name(LEAVES_MAX)).is_some());
    }

    #[test]
    fn long_names_get_certificates_too() {
        let name = format!("{}.{}.localhost", "a".repeat(63), "b".repeat(63));
        CertAuthority::in_memory(now()).config_for(Some(LeafName::Dns(name.into()))).expect("a certificate");
    }
}
