//! TLS by rustls: one certificate for server and client, mutual when a CA is given.

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The files that TLS is made of, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, and those between it and the CA.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Who must have signed the other side's certificate. Without it no client has to show one, and peers
    /// are believed if they have this very certificate's issuer.
    pub ca: Option<PathBuf>,
}

/// Why the files make no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM of what is wanted.
    #[error("{0}: {1}")]
    File(PathBuf, rustls_pki_types::pem::Error),
    /// There is no certificate in it.
    #[error("{0}: there is no certificate in it")]
    Empty(PathBuf),
    /// They do not fit.
    #[error("certificate and key: {0}")]
    Config(#[from] rustls::Error),
    /// The CA makes no sense.
    #[error("the CA: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// Both sides' settings.
pub struct Tls {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|e| TlsError::File(path.to_path_buf(), e))?;
    if found.is_empty() { Err(TlsError::Empty(path.to_path_buf())) } else { Ok(found) }
}

impl Tls {
    /// Reads the files.
    pub fn load(files: &TlsFiles) -> Result<Tls, TlsError> {
        let chain = certificates(&files.cert)?;
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| TlsError::File(files.key.clone(), e))?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(files.ca.as_ref().unwrap_or(&files.cert))? {
            roots.add(certificate)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let server = match &files.ca {
            Some(_) => {
                let verifier: Arc<dyn ClientCertVerifier> =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider.clone()).build()?;
                server.with_client_cert_verifier(verifier)
            }
            None => server.with_no_client_auth(),
        };
        let mut server = server.with_single_cert(chain.clone(), key.clone_key())?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?.with_root_certificates(roots);
        let mut client = client.with_client_auth_cert(chain, key)?;
        client.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Tls { server: Arc::new(server), client: Arc::new(client) })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.server.clone().into()
    }

    pub(crate) fn connector(&self) -> TlsConnector {
        self.client.clone().into()
    }
}
