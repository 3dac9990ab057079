//! What key holders do, in memory: keys, encryption, proofs, decryption; and what the engine does with a proven list.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use tfhe::prelude::Tagged;
use tfhe::safe_serialization::safe_serialize;
use tfhe::zk::ZkComputeLoad;
use tfhe::{ClientKey, CompactPublicKey, CompressedServerKey, ConfigBuilder, ProvenCompactCiphertextList};
use triseal_fhe::digest::unhex;
use triseal_fhe::failure::{Failure, Outcome};
use triseal_fhe::files::read_file;
use triseal_fhe::keygen::{MAX_CLIENT_KEY, key_bytes};
use triseal_fhe::keys::MAX_SERVER_KEY;
use triseal_fhe::list::{MAX_LIST, MAX_PUBLIC_KEY, Opening, open_list};
use triseal_fhe::offline::{decrypt, encrypt};
use triseal_fhe::parameters;
use triseal_fhe::value::EncryptedValue;
use triseal_fhe::value_type::ValueType;

use crate::{Keys, milliseconds, text};

const U64: ValueType = ValueType::Unsigned(64);
/// As long as what a run's list is bound to.
const METADATA: [u8; 256] = [7; 256];

fn list_of(keys: &Keys, bits: u64, metadata: &[u8]) -> Outcome<Vec<u8>> {
    let failed = |error: tfhe::Error| Failure::internal(error.to_string());
    let mut builder = ProvenCompactCiphertextList::builder(&keys.public);
    builder.push_with_num_bits(bits, 64).map_err(failed)?;
    let list = builder.build_with_proof_packed(&keys.crs, metadata, ZkComputeLoad::Verify).map_err(failed)?;
    key_bytes(&list, MAX_LIST)
}

/// `prove`: a list of one u64 to a file.
pub fn prove(keys: &Keys, request: &Value) -> Outcome<Value> {
    let metadata = unhex(text(request, "metadata")?).ok_or_else(|| Failure::usage("metadata is hexadecimal"))?;
    let bits = U64.parse_clear(text(request, "value")?).ok_or_else(|| Failure::usage("expected a u64"))?;
    let start = Instant::now();
    let bytes = list_of(keys, bits, &metadata)?;
    let ms = milliseconds(start);
    std::fs::write(text(request, "out")?, &bytes)?;
    Ok(json!({ "ms": ms, "bytes": bytes.len() }))
}

/// `list`: a proven list opened and its values compressed, as the engine does before a run.
pub fn open(keys: &Keys, request: &Value) -> Outcome<Value> {
    let metadata = unhex(text(request, "metadata")?).ok_or_else(|| Failure::usage("metadata is hexadecimal"))?;
    let list = read_file(Path::new(text(request, "list")?), MAX_LIST)?;
    let key = keys.integer()?;
    let start = Instant::now();
    let opening = Opening { key, public_key: &keys.public, crs: &keys.crs, metadata: &metadata };
    let values = open_list(&list, &opening)?;
    let opened = milliseconds(start);
    values.iter().try_for_each(|value| value.compress(key).map(drop))?;
    let ms = milliseconds(start);
    Ok(json!({ "ms": ms, "openMs": opened, "compressMs": ms - opened }))
}

/// `keygen`: a whole key set, or the keys that node-tfhe can make, each with its bytes.
pub fn keygen(all: bool) -> Outcome<Value> {
    let few = ConfigBuilder::with_custom_parameters(parameters::compute())
        .use_dedicated_compact_public_key_parameters(parameters::public_key())
        .use_dedicated_oprf_key(false)
        .build();
    let start = Instant::now();
    let mut client = ClientKey::generate(if all { parameters::config() } else { few });
    client.tag_mut().set_data(&[1; 16]);
    let client_bytes = key_bytes(&client, MAX_CLIENT_KEY)?.len();
    let made = milliseconds(start);
    let server = key_bytes(&CompressedServerKey::new(&client), MAX_SERVER_KEY)?.len();
    let server_ms = milliseconds(start) - made;
    let public = CompactPublicKey::try_new(&client).map_err(|error| Failure::internal(error.to_string()))?;
    let public_bytes = key_bytes(&public, MAX_PUBLIC_KEY)?.len();
    Ok(json!({
        "ms": milliseconds(start), "clientMs": made, "serverMs": server_ms,
        "clientBytes": client_bytes, "serverBytes": server, "publicBytes": public_bytes,
    }))
}

/// `client`: one u64 encrypted, proven, and decrypted.
pub fn times(keys: &Keys) -> Outcome<Value> {
    let bits = 0x0123_4567_89ab_cdef;
    let start = Instant::now();
    let bytes = encrypt(&keys.client, U64, bits).to_bytes(&keys.tag)?;
    let encrypted = milliseconds(start);
    let start = Instant::now();
    let list = list_of(keys, bits, &METADATA)?;
    let proven = milliseconds(start);
    let start = Instant::now();
    let (value, _) = EncryptedValue::from_bytes(U64, &bytes)?;
    let same = decrypt(&keys.client, &value)? == bits;
    let decrypted = milliseconds(start);
    let mut crs = Vec::new();
    safe_serialize(&keys.crs, &mut crs, 1 << 26).map_err(|error| Failure::internal(error.to_string()))?;
    if !same {
        return Err(Failure::internal("another value was decrypted"));
    }
    Ok(json!({
        "encryptMs": encrypted, "proveMs": proven, "decryptMs": decrypted,
        "ciphertextBytes": bytes.len(), "listBytes": list.len(), "crsBytes": crs.len(),
    }))
}
