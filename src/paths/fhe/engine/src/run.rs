//! A run: compressed inputs in, compressed outputs out, the same bytes each time for the same inputs, seed and circuit.

use std::sync::{Arc, Mutex};

use tfhe::prelude::ReRandomize;
use tfhe::{ReRandomizationContext, ReRandomizationMode, with_server_key_as_context};

use crate::circuit::Circuit;
use crate::control::Control;
use crate::digest::{Hash, sha256};
use crate::execute::execute;
use crate::failure::{Failure, Outcome};
use crate::keys::{IntegerKey, LoadedKey};
use crate::lru::ByteLru;
use crate::lwe;
use crate::radix::RadixCircuit;
use crate::value::{EncryptedValue, Whole};
use crate::value_type::ValueType;

/// Domain of the seeds, and of the encryptions of zero that are made from them.
const SEED_DOMAIN: [u8; 8] = *b"TrislRrd";
const ZERO_DOMAIN: [u8; 8] = *b"TrislEnc";
const FUNCTION: &[u8] = b"triseal.fhe.run.v1\0";

/// Expanded values by the key's id, type and digest of their compressed bytes: never anything that is not decompress(compress(x)).
pub struct ValueCache(Mutex<ByteLru<(Hash, ValueType, Hash), Arc<EncryptedValue>>>);

impl ValueCache {
    /// A cache that holds up to so many bytes.
    pub fn new(limit: u64) -> Self {
        Self(Mutex::new(ByteLru::new(limit)))
    }

    /// The value of compressed bytes, and their digest.
    pub fn expand(&self, kind: ValueType, bytes: &[u8], key: &IntegerKey) -> Outcome<(Arc<EncryptedValue>, Hash)> {
        let digest = sha256(bytes);
        let place = (key.id, kind, digest);
        if let Some(value) = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get(&place) {
            return Ok((value, digest));
        }
        let value = Arc::new(EncryptedValue::decompress(kind, bytes, key)?);
        let held = Arc::clone(&value);
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(place, held, value.bytes());
        Ok((value, digest))
    }
}

/// What a run is of.
pub struct RunInput<'a> {
    pub circuit: &'a Circuit,
    pub circuit_digest: &'a Hash,
    pub seed: &'a Hash,
    /// Compressed values, one for each input of the circuit.
    pub inputs: &'a [&'a [u8]],
}

/// An output of a run.
pub struct RunOutput {
    pub kind: String,
    pub digest: Hash,
    pub bytes: Vec<u8>,
}

/// What a run gave.
pub struct RunResult {
    /// Bootstraps of the circuit.
    pub pbs: usize,
    pub inputs: Vec<Hash>,
    pub outputs: Vec<RunOutput>,
}

/// Runs a circuit under a key.
pub fn run(key: &LoadedKey, cache: &ValueCache, input: &RunInput, control: &Control) -> Outcome<RunResult> {
    match input.circuit {
        Circuit::Radix(circuit) => run_radix(key.integer()?, cache, circuit, input, control),
        Circuit::Lwe(circuit) => run_lwe(key.lwe()?, circuit, input, control),
    }
}

/// All inputs are one ciphertext, and all outputs one file: SPEC section 9.1. Nothing is re-randomised: nobody but the holder of the
/// client key makes inputs.
fn run_lwe(
    key: &lwe::keys::EvaluationKey,
    circuit: &lwe::circuit::Circuit,
    input: &RunInput,
    control: &Control,
) -> Outcome<RunResult> {
    let [bytes] = input.inputs else {
        return Err(Failure::new("FHE_INPUT_TYPE", "a circuit of kind lwe takes one ciphertext"));
    };
    let output = lwe::run::run(key, circuit, &lwe::cipher::Input::parse(bytes)?, control)?;
    let bytes_out = output.encode();
    let outputs = vec![RunOutput { kind: "lwe".to_owned(), digest: sha256(&bytes_out), bytes: bytes_out }];
    Ok(RunResult { pbs: circuit.bootstraps(), inputs: vec![sha256(bytes)], outputs })
}

fn run_radix(
    key: &IntegerKey,
    cache: &ValueCache,
    circuit: &RadixCircuit,
    input: &RunInput,
    control: &Control,
) -> Outcome<RunResult> {
    if input.inputs.len() != circuit.inputs.len() {
        return Err(Failure::new("FHE_INPUT_TYPE", "the circuit takes another number of inputs"));
    }
    let expand = |(kind, bytes): (&ValueType, &&[u8])| {
        control.checkpoint()?;
        cache.expand(*kind, bytes, key)
    };
    let expanded = circuit.inputs.iter().zip(input.inputs).map(expand).collect::<Outcome<Vec<_>>>()?;
    let (values, inputs): (Vec<_>, Vec<_>) = expanded.into_iter().unzip();
    let values = re_randomize(key, &values, input)?;
    let outputs = execute(key, circuit, &values, control)?;
    let compress = |value: &EncryptedValue| {
        let bytes = value.compress(key)?;
        Ok(RunOutput { kind: value.kind.to_string(), digest: sha256(&bytes), bytes })
    };
    // One after the other, on this thread: each uses the whole pool, and tfhe-rs borrows a cell of its thread while it waits for it. On a
    // thread of the pool it would take up another run's compression meanwhile, and panic over that cell.
    let outputs = outputs.iter().map(compress).collect::<Outcome<Vec<_>>>()?;
    control.checkpoint()?;
    Ok(RunResult { pbs: circuit.nodes.len(), inputs, outputs })
}

/// The inputs, each with a fresh encryption of zero added that follows from all of them, the seed and the circuit.
fn re_randomize(key: &IntegerKey, values: &[Arc<EncryptedValue>], input: &RunInput) -> Outcome<Vec<EncryptedValue>> {
    let function = [FUNCTION, input.circuit_digest.as_slice(), input.seed.as_slice()];
    let mut context = ReRandomizationContext::new(SEED_DOMAIN, function, ZERO_DOMAIN);
    let mut wholes = values.iter().map(|value| Whole::new(value)).collect::<Outcome<Vec<_>>>()?;
    for whole in &wholes {
        match whole {
            Whole::Unsigned(value) => context.add_ciphertext(value),
            Whole::Signed(value) => context.add_ciphertext(value),
            Whole::Bool(value) => context.add_ciphertext(value),
        }
    }
    let mut seeds = context.finalize();
    let failed = |error: tfhe::Error| Failure::internal(error.to_string());
    with_server_key_as_context(key.server.clone(), || {
        for whole in &mut wholes {
            let seed = seeds.next_seed().map_err(failed)?;
            let mode = ReRandomizationMode::UseAvailableMode;
            match whole {
                Whole::Unsigned(value) => value.re_randomize(mode, seed),
                Whole::Signed(value) => value.re_randomize(mode, seed),
                Whole::Bool(value) => value.re_randomize(mode, seed),
            }
            .map_err(failed)?;
        }
        Ok::<(), Failure>(())
    })?;
    let rebuilt = wholes.into_iter().zip(values);
    Ok(rebuilt.map(|(whole, value)| EncryptedValue { kind: value.kind, blocks: whole.into_blocks() }).collect())
}
