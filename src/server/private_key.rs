//! The private key of the broker's certificate, which may be encrypted.

use std::fs;
use std::path::Path;

use pkcs8::{EncryptedPrivateKeyInfo, SecretDocument};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::config::Secret;

/// Reads a key.
///
/// # Errors
/// What is wrong with the file, in a few words.
pub(super) fn read(
    path: &Path,
    password: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>, String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&text);
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        let advice = "openssl pkcs8 -topk8 -in OLD -out NEW";
        return Err(format!("it is encrypted in OpenSSL's old form: `{advice}` makes the new one"));
    }
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        let Some(Secret(password)) = password else {
            return Err("it is encrypted: --tls-key-password-file FILE".to_owned());
        };
        return decrypted(&text, password);
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
        pem::Error::NoItemsFound => "there is no private key in it".to_owned(),
        other => other.to_string(),
    })
}

fn decrypted(text: &str, password: &str) -> Result<PrivateKeyDer<'static>, String> {
    let malformed = |_| "what is encrypted in it is no key (PKCS #8)".to_owned();
    let (_, document) = SecretDocument::from_pem(text).map_err(malformed)?;
    let encrypted = EncryptedPrivateKeyInfo::try_from(document.as_bytes())
        .map_err(|error| format!("it is encrypted in a way that is not known: {error}"))?;
    let key = encrypted
        .decrypt(password)
        .map_err(|_| "its password is another one, or its cipher is not known".to_owned())?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}
