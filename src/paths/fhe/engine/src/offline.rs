//! The commands of key holders and auditors, over files.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};
use tfhe::ClientKey;
use tfhe::integer::ciphertext::{DataKind, Expandable, IntegerRadixCiphertext};
use tfhe::integer::{BooleanBlock, RadixCiphertext, SignedRadixCiphertext};
use tfhe::safe_serialization::safe_deserialize;
use tfhe::zk::ZkComputeLoad;
use tfhe::{CompactCiphertextListBuilder, ProvenCompactCiphertextList};

use crate::checked::{CheckRecords, read_checked_crs};
use crate::circuit::read_circuit;
use crate::control::Control;
use crate::digest::{Hash, digest_text, hex};
use crate::failure::{Failure, Outcome};
use crate::files::{read_file, write_new};
use crate::keygen::{MAX_CLIENT_KEY, key_bytes};
use crate::keys::{KeyTag, LoadedKey, MAX_SERVER_KEY, tag_of};
use crate::list::{MAX_CRS, MAX_LIST, MAX_PUBLIC_KEY, make_crs, read_public_key};
use crate::run::{RunInput, ValueCache, run};
use crate::value::{EncryptedValue, MAX_VALUE};
use crate::value_type::ValueType;

const MAX_CIRCUIT: u64 = 16 << 20;
/// Expanded inputs of a replay: it has them once.
const REPLAY_CACHE: u64 = 64 << 20;

/// A client key and the tag of its set.
pub fn read_client_key(path: &Path) -> Outcome<(ClientKey, KeyTag)> {
    let bytes = zeroize::Zeroizing::new(read_file(path, MAX_CLIENT_KEY)?);
    let read = safe_deserialize::<ClientKey>(bytes.as_slice(), MAX_CLIENT_KEY);
    let key = read.map_err(|_| Failure::key("not a client key"))?;
    let tag = tag_of(&key).ok_or_else(|| Failure::key("the client key has no tag of 16 bytes"))?;
    Ok((key, tag))
}

/// A value under a client key.
pub fn encrypt(key: &ClientKey, kind: ValueType, bits: u64) -> EncryptedValue {
    let integer: &tfhe::integer::ClientKey = key.as_ref();
    let blocks = match kind {
        ValueType::Bool => vec![integer.encrypt_bool(bits != 0).into_raw_parts()],
        ValueType::Unsigned(_) | ValueType::Signed(_) => integer.encrypt_radix(bits, kind.blocks()).into_blocks(),
    };
    EncryptedValue { kind, blocks }
}

/// What a value decrypts to, as two's complement bits.
pub fn decrypt(key: &ClientKey, value: &EncryptedValue) -> Outcome<u64> {
    let integer: &tfhe::integer::ClientKey = key.as_ref();
    Ok(match value.kind {
        ValueType::Bool => {
            let block = BooleanBlock::from_expanded_blocks(value.blocks.clone(), DataKind::Boolean);
            u64::from(integer.decrypt_bool(&block.map_err(|error| Failure::internal(error.to_string()))?))
        }
        ValueType::Unsigned(_) => integer.decrypt_radix(&RadixCiphertext::from(value.blocks.clone())),
        ValueType::Signed(width) => {
            let value: i64 = integer.decrypt_signed_radix(&SignedRadixCiphertext::from(value.blocks.clone()));
            value as u64 & (u64::MAX >> (64 - width))
        }
    })
}

fn clear(kind: ValueType, text: &str) -> Outcome<u64> {
    kind.parse_clear(text).ok_or_else(|| Failure::usage(format!("`{text}` is no {kind} in decimal spelling")))
}

/// `encrypt`: a value to a file, as tfhe-rs serialises it.
pub fn encrypt_file(key: &Path, kind: ValueType, text: &str, out: &Path) -> Outcome<Value> {
    let bits = clear(kind, text)?;
    let (key, tag) = read_client_key(key)?;
    let bytes = encrypt(&key, kind, bits).to_bytes(&tag)?;
    write_new(out, &bytes, 0o644)?;
    Ok(json!({ "type": kind.to_string(), "bytes": bytes.len() }))
}

/// `decrypt`: the value of a file, compressed or as tfhe-rs serialises it.
pub fn decrypt_file(key: &Path, kind: ValueType, file: &Path) -> Outcome<Value> {
    let (key, tag) = read_client_key(key)?;
    let bytes = read_file(file, MAX_VALUE)?;
    let value = match EncryptedValue::from_bytes(kind, &bytes) {
        Ok((value, found)) if found == tag => value,
        Ok(_) => return Err(Failure::new("FHE_INPUT_FOREIGN_KEY", "the ciphertext is of another key set")),
        Err(failure) if failure.code == "FHE_INPUT_MALFORMED" => decompress(&key, kind, &bytes, &tag)?,
        Err(failure) => return Err(failure),
    };
    Ok(json!({ "type": kind.to_string(), "value": kind.clear_text(decrypt(&key, &value)?) }))
}

/// A compressed value with the client key alone: the key that expands it follows from it.
fn decompress(key: &ClientKey, kind: ValueType, bytes: &[u8], tag: &KeyTag) -> Outcome<EncryptedValue> {
    let list = crate::value::read_compressed(kind, bytes, Some(tag))?;
    let (integer, _, compression, ..) = key.clone().into_raw_parts();
    let compression = compression.ok_or_else(|| Failure::key("the client key has no compression key"))?;
    let (_, expansion) = integer.new_compression_decompression_keys(&compression);
    let value = list.into_raw_parts().0.get::<crate::value::Expanded>(0, &expansion);
    match value {
        Ok(Some(value)) if value.blocks.len() == kind.blocks() => Ok(EncryptedValue { kind, blocks: value.blocks }),
        _ => Err(Failure::malformed("the compressed value cannot be expanded")),
    }
}

/// `crs`: a reference string to a file.
pub fn crs_file(out: &Path) -> Outcome<Value> {
    let bytes = make_crs()?;
    write_new(out, &bytes, 0o644)?;
    Ok(json!({ "digest": digest_text(&crate::digest::sha256(&bytes)), "bytes": bytes.len() }))
}

/// What `prove` proves.
pub struct Proving<'a> {
    pub public_key: &'a Path,
    pub crs: &'a Path,
    pub metadata: &'a [u8],
    /// Each `<type>:<value>`.
    pub values: &'a [String],
    /// Reference strings that need no second check.
    pub checked: &'a CheckRecords,
}

/// `prove`: a proven list to a file.
pub fn prove_file(proving: &Proving, out: &Path) -> Outcome<Value> {
    let read = |text: &String| {
        let (kind, value) = text.split_once(':').ok_or_else(|| Failure::usage("expected --value TYPE:VALUE"))?;
        let kind = ValueType::parse(kind).ok_or_else(|| Failure::usage(format!("unknown type `{kind}`")))?;
        Ok((kind, clear(kind, value)?))
    };
    let values = proving.values.iter().map(read).collect::<Outcome<Vec<_>>>()?;
    let public_key = read_public_key(&read_file(proving.public_key, MAX_PUBLIC_KEY)?)?;
    let crs = read_checked_crs(&read_file(proving.crs, MAX_CRS)?, proving.checked)?;
    let mut builder = ProvenCompactCiphertextList::builder(&public_key);
    values.iter().try_for_each(|(kind, bits)| push(&mut builder, *kind, *bits))?;
    let list = builder.build_with_proof_packed(&crs, proving.metadata, ZkComputeLoad::Verify);
    let list = list.map_err(|error| Failure::internal(error.to_string()))?;
    let bytes = key_bytes(&list, MAX_LIST)?;
    write_new(out, &bytes, 0o644)?;
    Ok(json!({ "values": values.len(), "bytes": bytes.len() }))
}

fn push(builder: &mut CompactCiphertextListBuilder, kind: ValueType, bits: u64) -> Outcome<()> {
    let failed = |error: tfhe::Error| Failure::internal(error.to_string());
    match kind {
        ValueType::Bool => builder.push(bits != 0),
        ValueType::Unsigned(width) => builder.push_with_num_bits(bits, width as usize).map_err(failed)?,
        ValueType::Signed(width) => {
            let value = ((bits << (64 - width)) as i64) >> (64 - width);
            builder.push_with_num_bits(value, width as usize).map_err(failed)?
        }
    };
    Ok(())
}

/// What `replay` executes again.
pub struct Replaying<'a> {
    pub server_key: &'a Path,
    pub circuit: &'a Path,
    pub inputs: &'a [PathBuf],
    pub seed: Hash,
}

/// `replay`: the digests of a run's outputs, which are written to a folder where one is given.
pub fn replay_files(replaying: &Replaying, out: Option<&Path>) -> Outcome<Value> {
    let (circuit, circuit_digest) = read_circuit(&read_file(replaying.circuit, MAX_CIRCUIT)?)?;
    let inputs = replaying.inputs.iter().map(|path| read_file(path, MAX_VALUE)).collect::<Outcome<Vec<_>>>()?;
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let key = LoadedKey::from_bytes(&read_file(replaying.server_key, MAX_SERVER_KEY)?)?;
    let never = AtomicBool::new(false);
    let control = Control::new(&never, &|_, _| {});
    let input = RunInput { circuit: &circuit, circuit_digest: &circuit_digest, seed: &replaying.seed, inputs: &inputs };
    let result = run(&key, &ValueCache::new(REPLAY_CACHE), &input, &control)?;
    if let Some(folder) = out {
        std::fs::create_dir_all(folder)?;
        for (at, output) in result.outputs.iter().enumerate() {
            write_new(&folder.join(format!("{at}.ct")), &output.bytes, 0o644)?;
        }
    }
    let outputs: Value = result.outputs.iter().map(|output| digest_text(&output.digest)).collect();
    Ok(json!({
        "seed": hex(&replaying.seed), "circuitDigest": digest_text(&circuit_digest), "pbs": result.pbs,
        "inputs": result.inputs.iter().map(digest_text).collect::<Value>(), "outputs": outputs,
    }))
}
