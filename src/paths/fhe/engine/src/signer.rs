//! The key that signs what the engine did.

use std::fs;
use std::path::Path;

use ed25519_dalek::{Signer, SigningKey};
use zeroize::Zeroizing;

use crate::digest::{hex, unhex_array};
use crate::failure::{Failure, Outcome};
use crate::files::{read_file, write_new};

/// A signing key.
pub struct EngineSigner(SigningKey);

impl EngineSigner {
    /// The key of a seed file: 64 hexadecimal digits, as the gateway writes them, or 32 bytes. One is made where there is none.
    pub fn of_file(path: &Path) -> Outcome<Self> {
        if !fs::exists(path)? {
            let mut seed = Zeroizing::new([0u8; 32]);
            getrandom::fill(seed.as_mut()).map_err(|error| Failure::internal(format!("no randomness: {error}")))?;
            let text = Zeroizing::new(format!("{}\n", hex(seed.as_slice())));
            write_new(path, text.as_bytes(), 0o600)?;
        }
        let bytes = Zeroizing::new(read_file(path, 128)?);
        let raw: Option<[u8; 32]> = bytes.as_slice().try_into().ok();
        let text = std::str::from_utf8(&bytes).ok().and_then(|text| unhex_array(text.trim_end()));
        let seed = raw.or(text).ok_or_else(|| Failure::key("the signing key's file holds no seed of 32 bytes"))?;
        Ok(Self::of_seed(&Zeroizing::new(seed)))
    }

    /// The key of a seed.
    pub fn of_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public key, in hexadecimal digits.
    pub fn public_key(&self) -> String {
        hex(self.0.verifying_key().as_bytes())
    }

    /// An Ed25519 signature, in hexadecimal digits.
    pub fn sign(&self, message: &[u8]) -> String {
        hex(&self.0.sign(message).to_bytes())
    }
}
