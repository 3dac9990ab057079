//! What the holder of a client key of kind `lwe` does, over files.

use std::path::Path;

use serde_json::{Value, json};

use super::cipher::{Output, decrypt, encrypt};
use super::circuit::Circuit;
use super::keys::ClientKey;
use crate::failure::{Failure, Outcome};
use crate::files::{read_file, write_new};

const MAX_CIRCUIT: u64 = 16 << 20;
const MAX_CLIENT_KEY: u64 = 1 << 16;
/// Largest output: 1,024 numbers of eight parts would be larger, but no model has them.
const MAX_OUTPUT: u64 = 64 << 20;

fn open(key: &Path, circuit: &Path) -> Outcome<(ClientKey, Circuit)> {
    let key = ClientKey::parse(&zeroize::Zeroizing::new(read_file(key, MAX_CLIENT_KEY)?))?;
    Ok((key, Circuit::parse(&read_file(circuit, MAX_CIRCUIT)?)?))
}

/// `encrypt-vector`: the inputs of a circuit to a file.
///
/// # Errors
/// `USAGE` for another number of values than the circuit takes; as the parsers of key and circuit.
pub fn encrypt_vector(key: &Path, circuit: &Path, values: &[u64], out: &Path) -> Outcome<Value> {
    let (key, circuit) = open(key, circuit)?;
    if values.len() != circuit.inputs {
        return Err(Failure::usage(format!("the circuit takes {} values", circuit.inputs)));
    }
    let bytes = encrypt(&key, values, circuit.exponent)?;
    write_new(out, &bytes, 0o644)?;
    Ok(json!({ "values": values.len(), "bytes": bytes.len() }))
}

/// `decrypt-vector`: the integers of an output file.
///
/// # Errors
/// As the parsers of key, circuit and output, and `decrypt`.
pub fn decrypt_vector(key: &Path, circuit: &Path, file: &Path) -> Outcome<Value> {
    let (key, circuit) = open(key, circuit)?;
    let output = Output::parse(&read_file(file, MAX_OUTPUT)?)?;
    Ok(json!({ "value": decrypt(&key, &circuit, &output)? }))
}
