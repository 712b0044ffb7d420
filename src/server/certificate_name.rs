//! The name that a client certificate stands for: who EXTERNAL logs in.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::asn1::{Any, ObjectIdentifier, OctetString};
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::config::{LoginFrom, NameType, TlsSettings};

/// The attribute of a subject that is its common name (X.520, section 6.2.2).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// The extension with alternative names (RFC 5280, section 4.2.1.6).
const ALTERNATIVE_NAMES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// Which name of a certificate is meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameRule {
    from: LoginFrom,
    kind: NameType,
    index: usize,
}

impl NameRule {
    /// The rule of the settings.
    pub(super) fn of(settings: &TlsSettings) -> Self {
        Self {
            from: settings.tls_login_from,
            kind: settings.tls_login_san_type,
            index: settings.tls_login_san_index,
        }
    }

    /// The name of a certificate, if it has such a one. A certificate takes a page of the stack,
    /// which is not to be that of a thread that has none to read.
    #[inline(never)]
    pub(super) fn name(self, certificate: &CertificateDer<'_>) -> Option<String> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let name = match self.from {
            // As RFC 4514 writes it.
            LoginFrom::DistinguishedName => certificate.tbs_certificate.subject.to_string(),
            LoginFrom::CommonName => common_names(&certificate)?,
            LoginFrom::SubjectAlternativeName => self.alternative(&certificate)?,
        };
        (!name.is_empty()).then_some(name)
    }

    fn alternative(self, certificate: &Certificate) -> Option<String> {
        let extensions = certificate.tbs_certificate.extensions.as_ref()?;
        let names = extensions.iter().find(|one| one.extn_id == ALTERNATIVE_NAMES)?;
        let names = SubjectAltName::from_der(names.extn_value.as_bytes()).ok()?;
        let of_kind = names.0.iter().filter_map(|name| match (self.kind, name) {
            (NameType::Dns, GeneralName::DnsName(name))
            | (NameType::Email, GeneralName::Rfc822Name(name))
            | (NameType::Uri, GeneralName::UniformResourceIdentifier(name)) => {
                Some(name.as_str().to_owned())
            }
            (NameType::Ip, GeneralName::IpAddress(address)) => ip(address),
            _ => None,
        });
        of_kind.into_iter().nth(self.index)
    }
}

/// All common names of the subject, with commas between them, as RabbitMQ joins them.
fn common_names(certificate: &Certificate) -> Option<String> {
    let attributes = certificate.tbs_certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let names = attributes.filter(|attribute| attribute.oid == COMMON_NAME);
    let names: Option<Vec<String>> = names.map(|attribute| text(&attribute.value)).collect();
    names.map(|names| names.join(","))
}

/// The text of an attribute; `None` if it is none.
fn text(value: &Any) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {
            String::from_utf8(value.value().to_vec()).ok()
        }
        // In practice Latin-1.
        Tag::TeletexString => Some(value.value().iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => {
            let units =
                value.value().chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        _ => None,
    }
}

fn ip(address: &OctetString) -> Option<String> {
    let bytes = address.as_bytes();
    let address = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some(address.to_string())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn each_part_of_a_certificate_can_be_the_name() {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "alice");
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.subject_alt_names = vec![
            SanType::DnsName("first.example".try_into().unwrap()),
            SanType::Rfc822Name("alice@example.org".try_into().unwrap()),
            SanType::DnsName("second.example".try_into().unwrap()),
            SanType::URI("urn:alice".try_into().unwrap()),
            SanType::IpAddress("192.0.2.7".parse().unwrap()),
        ];
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let named = |from, kind, index| NameRule { from, kind, index }.name(certificate.der());
        let subject = named(LoginFrom::DistinguishedName, NameType::Dns, 0).unwrap();
        assert!(subject.contains("CN=alice") && subject.contains("O=Example"), "{subject}");
        assert_eq!(named(LoginFrom::CommonName, NameType::Dns, 0).as_deref(), Some("alice"));
        for (kind, index, expected) in [
            (NameType::Dns, 0, Some("first.example")),
            (NameType::Dns, 1, Some("second.example")),
            (NameType::Dns, 2, None),
            (NameType::Email, 0, Some("alice@example.org")),
            (NameType::Uri, 0, Some("urn:alice")),
            (NameType::Ip, 0, Some("192.0.2.7")),
        ] {
            let name = named(LoginFrom::SubjectAlternativeName, kind, index);
            assert_eq!(name.as_deref(), expected, "{kind:?} {index}");
        }
        let bare = CertificateParams::new([]).unwrap();
        let bare = bare.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let rule =
            NameRule { from: LoginFrom::SubjectAlternativeName, kind: NameType::Dns, index: 0 };
        assert_eq!(rule.name(bare.der()), None);
    }
}
