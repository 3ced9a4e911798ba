//! What the parts of a cluster know each other by: certificates, the key of service accounts, and a token. They are made
//! for one cluster and go with it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::daemon::write;
use crate::error::{Error, ErrorKind, Result};

/// The secrets that others are given; the rest is in files.
#[derive(Debug)]
pub(crate) struct Certificates {
    /// The authority that has signed the API server's certificate, as PEM.
    pub(crate) authority: String,
    /// By which the administrator is known.
    pub(crate) token: String,
}

pub(crate) const AUTHORITY: &str = "ca.crt";
pub(crate) const CERTIFICATE: &str = "server.crt";
pub(crate) const KEY: &str = "server.key";
pub(crate) const ACCOUNTS: &str = "accounts.key";
pub(crate) const ACCOUNTS_PUBLIC: &str = "accounts.pub";
pub(crate) const TOKENS: &str = "tokens.csv";

impl Certificates {
    /// Makes them in `folder`; `names` are the names and addresses that the API server is called by.
    pub(crate) fn make(folder: &Path, names: &[&str]) -> Result<Self> {
        let (authority, certificate, key) = signed(names).map_err(describe)?;
        let accounts = KeyPair::generate().map_err(describe)?;
        let token = token().map_err(|error| Error::io("make a token", error))?;
        write(&folder.join(AUTHORITY), &authority)?;
        write(&folder.join(CERTIFICATE), &certificate)?;
        write(&folder.join(KEY), &key)?;
        write(&folder.join(ACCOUNTS), &accounts.serialize_pem())?;
        write(&folder.join(ACCOUNTS_PUBLIC), &accounts.public_key_pem())?;
        write(&folder.join(TOKENS), &format!("{token},admin,admin,system:masters\n"))?;
        Ok(Self { authority, token })
    }
}

/// An authority's certificate, one that it has signed for `names`, and the key of that.
fn signed(names: &[&str]) -> std::result::Result<(String, String, String), rcgen::Error> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "shimmer");
    let key = KeyPair::generate()?;
    let authority = params.self_signed(&key)?.pem();
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok((authority, params.signed_by(&key, &issuer)?.pem(), key.serialize_pem()))
}

fn token() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn describe(error: rcgen::Error) -> Error {
    Error::new(ErrorKind::Environment, format!("cannot make the cluster's certificates: {error}"))
}
