//! The certificates of environments.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use standin_mockoon::Server;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// What accepts TLS connections for an environment; `None` where it is served over plain HTTP.
///
/// # Errors
/// When a certificate or a key cannot be read or used.
pub fn acceptor(server: &Server, folder: &Path) -> Result<Option<TlsAcceptor>> {
    if !server.is_tls() {
        return Ok(None);
    }
    let tls = &server.environment().tls;
    let file = |text: &str| -> Result<PathBuf> {
        let rendered = server.render(text).map_err(|message| anyhow!("{text}: {message}"))?;
        Ok(folder.join(rendered))
    };
    let (mut chain, key) = if tls.is_pfx && !tls.pfx_path.is_empty() {
        let path = file(&tls.pfx_path)?;
        let passphrase = server.render(&tls.passphrase).map_err(|message| anyhow!("passphrase: {message}"))?;
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        super::pfx::identity(&bytes, &passphrase).with_context(|| format!("cannot use {}", path.display()))?
    } else if !tls.is_pfx && !tls.cert_path.is_empty() && !tls.key_path.is_empty() {
        (certificates(&file(&tls.cert_path)?)?, key(&file(&tls.key_path)?)?)
    } else {
        self_signed()?
    };
    if !tls.ca_path.is_empty() {
        // Clients that know the authority find their way from the certificate.
        chain.extend(certificates(&file(&tls.ca_path)?)?);
    }
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate and the key cannot be used")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.with_context(|| format!("cannot read certificates in PEM from {}", path.display()))?;
    if certificates.is_empty() {
        return Err(anyhow!("{} holds no certificate in PEM", path.display()));
    }
    Ok(certificates)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).with_context(|| {
        format!(
            "cannot read a private key in PEM from {}; one with a passphrase has to be decrypted first",
            path.display()
        )
    })
}

/// A certificate for this machine that nobody knows; another one in each run.
fn self_signed() -> Result<Identity> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).context("cannot make a certificate")?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok((vec![made.cert.der().clone()], key.into()))
}
