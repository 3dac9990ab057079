//! Proven lists of fresh inputs: the reference string of their proofs, and lists opened with every check.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tfhe::core_crypto::prelude::LweCiphertextCount;
use tfhe::integer::ciphertext::IntegerProvenCompactCiphertextListConformanceParams;
use tfhe::prelude::CiphertextList;
use tfhe::safe_serialization::{safe_deserialize_conformant, safe_serialize};
use tfhe::zk::{CompactPkeCrs, ZkComputeLoad, ZkPkeV2SupportedHashConfig, new_compact_pke_crs_conformance_params};
use tfhe::{CompactPublicKey, ProvenCompactCiphertextList, with_server_key_as_context};

use crate::checked::{CheckRecords, read_checked_crs};
use crate::digest::{Hash, hex, sha256, unhex_array};
use crate::failure::{Failure, Outcome};
use crate::files::write_new;
use crate::keys::{IntegerKey, KeyStore, tag_of};
use crate::parameters;
use crate::value::{EncryptedValue, Expanded, type_of};

/// Largest compact public key.
pub const MAX_PUBLIC_KEY: u64 = 1 << 20;
/// Largest reference string.
pub const MAX_CRS: u64 = 16 << 20;
/// Largest proven list.
pub const MAX_LIST: u64 = 1 << 20;

/// The file beside the reference string that says which it is.
const CRS_POINTER: &str = "crs";
/// The folder, in that of keys, of records which reference strings were checked: an engine that starts again proves nothing twice.
const CHECKED: &str = "checked";

/// A reference string from its bytes.
pub fn read_crs(mut bytes: &[u8]) -> Outcome<CompactPkeCrs> {
    let (public_key, _) = parameters::public_key();
    let count = LweCiphertextCount(parameters::LIST_BITS / 4);
    let conformance = new_compact_pke_crs_conformance_params(public_key, count);
    let conformance = conformance.map_err(|error| Failure::internal(error.to_string()))?;
    let read = safe_deserialize_conformant(&mut bytes, MAX_CRS, &conformance);
    let crs = read.map_err(|_| Failure::key("not a reference string of the supported parameters"))?;
    if bytes.is_empty() { Ok(crs) } else { Err(Failure::key("bytes follow the reference string")) }
}

/// A new reference string. Whoever makes it can prove falsehoods with what it throws away: it serves the one who made it.
pub fn make_crs() -> Outcome<Vec<u8>> {
    let crs = CompactPkeCrs::from_config(parameters::config(), parameters::LIST_BITS);
    let crs = crs.map_err(|error| Failure::internal(error.to_string()))?;
    let mut bytes = Vec::new();
    safe_serialize(&crs, &mut bytes, MAX_CRS).map_err(|error| Failure::internal(error.to_string()))?;
    Ok(bytes)
}

/// A public key from its bytes.
pub fn read_public_key(mut bytes: &[u8]) -> Outcome<CompactPublicKey> {
    let (conformance, _) = parameters::public_key();
    let read = safe_deserialize_conformant(&mut bytes, MAX_PUBLIC_KEY, &conformance);
    let key = read.map_err(|_| Failure::key("not a compact public key of the supported parameters"))?;
    if bytes.is_empty() { Ok(key) } else { Err(Failure::key("bytes follow the public key")) }
}

/// The reference string of a folder of keys.
pub struct CrsStore {
    loaded: Mutex<Option<(Hash, Arc<CompactPkeCrs>)>>,
    making: Mutex<()>,
}

impl CrsStore {
    /// One that has loaded nothing.
    pub fn new() -> Self {
        Self { loaded: Mutex::new(None), making: Mutex::new(()) }
    }

    /// Digest and length of the folder's reference string, which is made where there is none.
    pub fn of_folder(&self, keys: &KeyStore) -> Outcome<(Hash, u64)> {
        let _making = self.making.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(found) = pointed_to(keys.folder()) {
            return Ok((found, keys.file(&found, MAX_CRS)?.len() as u64));
        }
        let bytes = make_crs()?;
        let digest = sha256(&bytes);
        write_new(&keys.folder().join(hex(&digest)), &bytes, 0o644)?;
        // The pointer comes last: what it names is whole.
        write_new(&keys.folder().join(CRS_POINTER), hex(&digest).as_bytes(), 0o644)?;
        Ok((digest, bytes.len() as u64))
    }

    /// The reference string of that digest.
    pub fn load(&self, keys: &KeyStore, digest: &Hash) -> Outcome<Arc<CompactPkeCrs>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((known, crs)) = &*loaded
            && known == digest
        {
            return Ok(Arc::clone(crs));
        }
        let records = CheckRecords::at(&keys.folder().join(CHECKED));
        let crs = Arc::new(read_checked_crs(&keys.file(digest, MAX_CRS)?, &records)?);
        *loaded = Some((*digest, Arc::clone(&crs)));
        Ok(crs)
    }
}

impl Default for CrsStore {
    fn default() -> Self {
        Self::new()
    }
}

fn pointed_to(folder: &Path) -> Option<Hash> {
    let text = fs::read_to_string(folder.join(CRS_POINTER)).ok()?;
    unhex_array(text.trim_end())
}

/// What a list is opened with.
pub struct Opening<'a> {
    pub key: &'a IntegerKey,
    pub public_key: &'a CompactPublicKey,
    pub crs: &'a CompactPkeCrs,
    pub metadata: &'a [u8],
}

/// The values of a list whose proof holds for these keys and metadata.
pub fn open_list(mut bytes: &[u8], opening: &Opening) -> Outcome<Vec<EncryptedValue>> {
    let Opening { key, public_key, crs, metadata } = opening;
    if tag_of(*public_key) != Some(key.tag) {
        return Err(Failure::new("FHE_INPUT_FOREIGN_KEY", "public and server key are of different key sets"));
    }
    let conformance =
        IntegerProvenCompactCiphertextListConformanceParams::from_crs_and_parameters(parameters::public_key().0, crs)
            .forbid_compute_load(ZkComputeLoad::Proof)
            .forbid_hash_config(ZkPkeV2SupportedHashConfig::V0_4_0)
            .forbid_hash_config(ZkPkeV2SupportedHashConfig::V0_7_0);
    let read = safe_deserialize_conformant::<ProvenCompactCiphertextList>(&mut bytes, MAX_LIST, &conformance);
    let list = read.map_err(|_| Failure::malformed("not a proven list of the supported parameters"))?;
    if !bytes.is_empty() || list.is_empty() {
        return Err(Failure::malformed("the list is empty, or bytes follow it"));
    }
    if tag_of(&list) != Some(key.tag) {
        return Err(Failure::new("FHE_INPUT_FOREIGN_KEY", "the list is of another key set"));
    }
    if list.verify(crs, public_key, metadata).is_invalid() {
        return Err(Failure::new(
            "FHE_INPUT_PROOF_INVALID",
            "the list's proof does not hold for this key and metadata",
        ));
    }
    let expanded = with_server_key_as_context(key.server.clone(), || list.expand_without_verification());
    let expanded = expanded.map_err(|_| Failure::malformed("the list cannot be expanded"))?;
    let value_at = |at| {
        let value = expanded.get::<Expanded>(at).ok().flatten();
        let value = value.ok_or_else(|| Failure::malformed("the list cannot be expanded"))?;
        let kind = type_of(value.kind).filter(|kind| kind.blocks() == value.blocks.len());
        let kind = kind.ok_or_else(|| Failure::new("FHE_INPUT_TYPE", "the list has a value of an unknown type"))?;
        Ok(EncryptedValue { kind, blocks: value.blocks })
    };
    (0..expanded.len()).map(value_at).collect()
}
