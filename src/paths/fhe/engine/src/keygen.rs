//! Key sets: a client key that never leaves its holder, and what others compute and encrypt with.

use std::fs::{DirBuilder, create_dir_all};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Value, json};
use tfhe::named::Named;
use tfhe::prelude::Tagged;
use tfhe::safe_serialization::safe_serialize;
use tfhe::{ClientKey, CompactPublicKey, CompressedServerKey, Versionize};

use crate::digest::{digest_text, hex, sha256};
use crate::failure::{Failure, Outcome};
use crate::files::write_new;
use crate::jcs::encode_jcs;
use crate::keys::{KeyTag, MAX_SERVER_KEY};
use crate::list::MAX_PUBLIC_KEY;
use crate::lwe;
use crate::parameters;

/// Largest client key.
pub const MAX_CLIENT_KEY: u64 = 1 << 20;

/// The keys of a set.
pub struct KeySet {
    pub client: ClientKey,
    pub server: CompressedServerKey,
    pub public: CompactPublicKey,
    pub tag: KeyTag,
}

impl KeySet {
    /// A new set with a tag of its own.
    pub fn generate() -> Outcome<Self> {
        let mut tag = KeyTag::default();
        getrandom::fill(&mut tag).map_err(|error| Failure::internal(format!("no randomness: {error}")))?;
        let mut client = ClientKey::generate(parameters::config());
        client.tag_mut().set_data(&tag);
        let server = CompressedServerKey::new(&client);
        let public = CompactPublicKey::try_new(&client).map_err(|error| Failure::internal(error.to_string()))?;
        Ok(Self { client, server, public, tag })
    }
}

/// Bytes of a key.
pub fn key_bytes<T: Serialize + Versionize + Named>(key: &T, most: u64) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    safe_serialize(key, &mut bytes, most).map_err(|error| Failure::internal(error.to_string()))?;
    Ok(bytes)
}

/// A new folder for a key set, or one that has none yet.
fn prepare(folder: &Path) -> Outcome<()> {
    const FILES: [&str; 4] = ["client.key", "server.key", "public.key", "key.json"];
    if let Some(file) = FILES.into_iter().find(|file| folder.join(file).exists()) {
        return Err(Failure::new("IO", format!("{file} exists already: a key set is not overwritten")));
    }
    if let Some(parent) = folder.parent() {
        create_dir_all(parent)?;
    }
    if !folder.exists() {
        DirBuilder::new().mode(0o700).create(folder)?;
    }
    Ok(())
}

fn now() -> Outcome<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| Failure::internal(error.to_string()))?;
    Ok(since.as_secs())
}

/// Makes a key set of kind `lwe` into a folder that has none, and returns its document.
pub fn write_lwe_key_set(folder: &Path) -> Outcome<Value> {
    prepare(folder)?;
    let (client, server) = lwe::keys::generate()?;
    let key_id = sha256(&server);
    let document = json!({
        "v": 1, "kind": "lwe", "keyId": hex(&key_id), "tag": hex(&client.tag), "parameters": lwe::parameters::PARAMETERS,
        "serverKey": { "digest": digest_text(&key_id), "bytes": server.len() }, "publicKey": null, "created": now()?,
    });
    write_new(&folder.join("client.key"), &zeroize::Zeroizing::new(client.encode()), 0o600)?;
    write_new(&folder.join("server.key"), &server, 0o644)?;
    write_new(&folder.join("key.json"), &encode_jcs(&document)?, 0o644)?;
    Ok(document)
}

/// Makes a key set of kind `integer` into a folder that has none, and returns its document.
pub fn write_key_set(folder: &Path) -> Outcome<Value> {
    prepare(folder)?;
    let set = KeySet::generate()?;
    let client = zeroize::Zeroizing::new(key_bytes(&set.client, MAX_CLIENT_KEY)?);
    let server = key_bytes(&set.server, MAX_SERVER_KEY)?;
    let public = key_bytes(&set.public, MAX_PUBLIC_KEY)?;
    let key_id = sha256(&server);
    let document = json!({
        "v": 1, "kind": "integer", "keyId": hex(&key_id), "tag": hex(&set.tag), "parameters": parameters::NAME,
        "serverKey": { "digest": digest_text(&key_id), "bytes": server.len() },
        "publicKey": { "digest": digest_text(&sha256(&public)), "bytes": public.len() },
        "created": now()?,
    });
    write_new(&folder.join("client.key"), &client, 0o600)?;
    write_new(&folder.join("server.key"), &server, 0o644)?;
    write_new(&folder.join("public.key"), &public, 0o644)?;
    write_new(&folder.join("key.json"), &encode_jcs(&document)?, 0o644)?;
    Ok(document)
}
