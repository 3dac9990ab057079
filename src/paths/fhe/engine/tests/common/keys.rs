//! Real keys, values under them, and the codes of refusals.
#![allow(dead_code)]

use std::sync::OnceLock;

use triseal_fhe::failure::{Failure, Outcome};
use triseal_fhe::keygen::{KeySet, key_bytes};
use triseal_fhe::keys::{LoadedKey, MAX_SERVER_KEY};
use triseal_fhe::offline::{decrypt, encrypt};
use triseal_fhe::value::EncryptedValue;
use triseal_fhe::value_type::ValueType;

/// One key set, and the server key as it is loaded.
pub struct Keys {
    pub set: KeySet,
    pub loaded: LoadedKey,
}

/// The key set of all tests of one file.
pub fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let set = KeySet::generate().expect("makes keys");
        let bytes = key_bytes(&set.server, MAX_SERVER_KEY).expect("serialises");
        let loaded = LoadedKey::from_bytes(&bytes).expect("loads");
        Keys { set, loaded }
    })
}

pub const U8: ValueType = ValueType::Unsigned(8);
pub const I8: ValueType = ValueType::Signed(8);

/// A value as a gateway keeps it.
pub fn compressed(kind: ValueType, bits: u64) -> Vec<u8> {
    let Keys { set, loaded } = keys();
    encrypt(&set.client, kind, bits).compress(loaded.integer().expect("is integer")).expect("compresses")
}

/// What such a value is.
pub fn open(kind: ValueType, bytes: &[u8]) -> u64 {
    let Keys { set, loaded } = keys();
    let value = EncryptedValue::decompress(kind, bytes, loaded.integer().expect("is integer")).expect("expands");
    decrypt(&set.client, &value).expect("decrypts")
}

/// The code of a refusal.
pub fn code<T>(outcome: Outcome<T>) -> &'static str {
    outcome.err().map_or("accepted", |Failure { code, .. }| code)
}
