//! Which certificates the client trusts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::env::{self, Get};

/// Where systems keep the certificates that they trust; the first that exists counts.
const SYSTEM_ROOTS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The file with the system's certificates, where there is one.
pub fn system_roots(get: Get<'_>) -> Option<PathBuf> {
    env::text(get, env::SSL_CERT_FILE)
        .map(PathBuf::from)
        .into_iter()
        .chain(SYSTEM_ROOTS.iter().map(PathBuf::from))
        .find(|path| path.is_file())
}

/// The certificates to trust: a file, or else the system's.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    pub file: Option<PathBuf>,
    /// Whoever answers is trusted.
    is_blind: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("found no file of the system's certificates; give one with --ca")]
    NoFile,
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("{} holds no certificate", path.display())]
    Empty { path: PathBuf },
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

impl Trust {
    /// Trusts the certificates in a file, or else the system's.
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { file, is_blind: false }
    }

    /// Trusts any certificate.
    pub fn anybody() -> Self {
        Self { file: None, is_blind: true }
    }

    pub(crate) fn config(&self) -> Result<ClientConfig, TrustError> {
        let provider = Arc::new(ring::default_provider());
        if self.is_blind {
            let algorithms = provider.signature_verification_algorithms;
            return Ok(ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(algorithms)))
                .with_no_client_auth());
        }
        let path = self.file.clone().or_else(|| system_roots(&env::process)).ok_or(TrustError::NoFile)?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(&path)?);
        if roots.is_empty() {
            return Err(TrustError::Empty { path });
        }
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth())
    }
}

/// Takes any certificate whose key signs the handshake.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let read = |source| TrustError::Read { path: path.to_owned(), source };
    CertificateDer::pem_file_iter(path).map_err(read)?.collect::<Result<_, _>>().map_err(read)
}
