//! Whose certificates are trusted.

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The certificates that a server may prove itself by: the system's, or those of a bundle instead, as with the AWS
/// command line.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    bundle: Option<Vec<u8>>,
}

/// Why a bundle of certificates cannot be used.
#[derive(Debug, Error)]
pub enum TrustError {
    /// It cannot be read.
    #[error("cannot read the certificates in {path}, which {from} names: {why}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// The setting that names it.
        from: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// There is none in it, or one that is damaged.
    #[error("{path}, which {from} names, cannot be used: {why}; it has to hold certificates in PEM form")]
    NoCertificates {
        /// Which file.
        path: PathBuf,
        /// The setting that names it.
        from: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Trust {
    /// The certificates in this file alone. `from` says who names it, such as `AWS_CA_BUNDLE`.
    ///
    /// # Errors
    /// The file cannot be read, or does not hold certificates.
    pub fn bundle(path: &Path, from: &str) -> Result<Self, TrustError> {
        let refused = |why: String| TrustError::NoCertificates {
            path: path.to_owned(),
            from: from.to_owned(),
            why,
        };
        let pem = std::fs::read(path).map_err(|why| TrustError::Unreadable {
            path: path.to_owned(),
            from: from.to_owned(),
            why,
        })?;
        // What the client does not understand later, it does not tell.
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match certificates {
            Ok(found) if found.is_empty() => Err(refused("there is no certificate in it".to_owned())),
            Ok(_) => Ok(Self { bundle: Some(pem) }),
            Err(why) => Err(refused(why.to_string())),
        }
    }

    pub(super) fn context(&self) -> Option<TlsContext> {
        let store = match &self.bundle {
            Some(pem) => TrustStore::empty().with_pem_certificate(pem.clone()),
            None => TrustStore::default(),
        };
        TlsContext::builder().with_trust_store(store).build().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_certificates_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let said = Trust::bundle(&file, "AWS_CA_BUNDLE").unwrap_err().to_string();
        assert!(said.contains("ca.pem, which AWS_CA_BUNDLE names: "), "{said}");
        for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
            std::fs::write(&file, text).unwrap();
            let said = Trust::bundle(&file, "ca_bundle").unwrap_err().to_string();
            assert!(
                said.contains("which ca_bundle names, cannot be used"),
                "{text:?}: {said}"
            );
        }
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(Trust::bundle(&file, "ca_bundle").unwrap().bundle.is_some());
    }
}
