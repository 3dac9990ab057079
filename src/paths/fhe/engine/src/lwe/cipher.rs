//! Inputs encrypted into one ring ciphertext, outputs decrypted to integers. SPEC section 9.1.

use tfhe::core_crypto::prelude::*;

use super::bootstrap::Wire;
use super::circuit::Circuit;
use super::frame::{self, Kind, Reader, Tag};
use super::keys::{self, ClientKey};
use super::parameters::{self as p, modulus};
use crate::failure::{Failure, Outcome};

/// All inputs of a run: coefficient i is input i.
pub struct Input {
    pub tag: Tag,
    ring: SeededGlweCiphertext<Vec<u64>>,
}

/// The wires that a run gives, one for each part of each output.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    pub tag: Tag,
    pub wires: Vec<Wire>,
}

fn seeded(seed: [u8; 16], body: Vec<u64>) -> SeededGlweCiphertext<Vec<u64>> {
    SeededGlweCiphertext::from_container(body, GlweSize(2), keys::compression(seed), modulus())
}

/// The file of `values`, each in steps of 2^exponent; the coefficients behind them encrypt 0.
///
/// # Errors
/// `FHE_INPUT_MALFORMED` for more values than one ciphertext holds, or a value that is no number of 16 bits.
pub fn encrypt(key: &ClientKey, values: &[u64], exponent: u32) -> Outcome<Vec<u8>> {
    if values.len() > p::DEGREE || values.iter().any(|value| *value > 0xffff) || exponent > 63 {
        return Err(Kind::Input.refuse("an input has up to 2048 numbers of 16 bits"));
    }
    let mut plain = vec![0; p::DEGREE];
    for (slot, value) in plain.iter_mut().zip(values) {
        *slot = value << exponent;
    }
    let seed = keys::random_seed()?;
    let mut ring = seeded(seed, vec![0; p::DEGREE]);
    let list = PlaintextList::from_container(plain);
    encrypt_seeded_glwe_ciphertext(key.ring(), &mut ring, &list, p::ring_noise(), new_seeder().as_mut());
    let mut bytes = frame::start(Kind::Input, &key.tag, 16 + 8 * p::DEGREE);
    bytes.extend_from_slice(&seed);
    frame::put_words(&mut bytes, ring.as_ref());
    Ok(bytes)
}

impl Input {
    /// # Errors
    /// `FHE_INPUT_MALFORMED` for another kind of file or another length.
    pub fn parse(bytes: &[u8]) -> Outcome<Self> {
        let (tag, mut reader) = Reader::open(Kind::Input, bytes)?;
        let ring = seeded(reader.array()?, reader.words(p::DEGREE)?);
        reader.end()?;
        Ok(Self { tag, ring })
    }

    pub(super) fn expand(&self) -> GlweCiphertextOwned<u64> {
        self.ring.clone().decompress_into_glwe_ciphertext()
    }
}

impl Output {
    /// The file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = frame::start(Kind::Output, &self.tag, 4 + self.wires.len() * 8 * (p::DEGREE + 1));
        bytes.extend_from_slice(&u32::try_from(self.wires.len()).unwrap_or(u32::MAX).to_le_bytes());
        for wire in &self.wires {
            frame::put_words(&mut bytes, wire.as_ref());
        }
        bytes
    }

    /// # Errors
    /// `FHE_INPUT_MALFORMED` for another kind of file or another length.
    pub fn parse(bytes: &[u8]) -> Outcome<Self> {
        let (tag, mut reader) = Reader::open(Kind::Output, bytes)?;
        let count = u32::from_le_bytes(reader.array()?);
        let mut wires = Vec::new();
        for _ in 0..count {
            wires.push(LweCiphertext::from_container(reader.words(p::DEGREE + 1)?, modulus()));
        }
        reader.end()?;
        Ok(Self { tag, wires })
    }
}

/// The integers that `output` holds for `circuit`.
///
/// # Errors
/// `FHE_INPUT_FOREIGN_KEY` for the output of another key set, `FHE_INPUT_MALFORMED` for that of another circuit.
pub fn decrypt(key: &ClientKey, circuit: &Circuit, output: &Output) -> Outcome<Vec<i64>> {
    if key.tag != output.tag {
        return Err(Failure::new("FHE_INPUT_FOREIGN_KEY", "an output of another key set"));
    }
    if output.wires.len() != circuit.outputs.iter().map(Vec::len).sum::<usize>() {
        return Err(Kind::Output.refuse("an output of another circuit"));
    }
    let big = key.big();
    let mut wires = output.wires.iter();
    let number = |parts: &Vec<super::circuit::Part>| {
        parts.iter().zip(&mut wires).fold(0i64, |sum, (part, wire)| {
            sum.wrapping_add(part.weight.wrapping_mul(phase(&big, wire, part.exponent)))
        })
    };
    Ok(circuit.outputs.iter().map(number).collect())
}

fn phase(big: &LweSecretKeyOwned<u64>, wire: &Wire, exponent: u32) -> i64 {
    let raw = decrypt_lwe_ciphertext(big, wire).0;
    let half = if exponent == 0 { 0 } else { 1u64 << (exponent - 1) };
    raw.wrapping_add(half).cast_signed() >> exponent
}
