//! Randomness of the operating system, as field elements.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, PrimeField};
use zeroize::Zeroize;

use crate::failure::{Failure, Outcome};

/// A uniform scalar that is not zero, from 64 bytes of the operating system's generator.
pub fn random_scalar() -> Outcome<Fr> {
    let mut bytes = [0u8; 64];
    loop {
        getrandom::fill(&mut bytes).map_err(|error| Failure::internal(format!("no randomness: {error}")))?;
        let scalar = Fr::from_le_bytes_mod_order(&bytes);
        bytes.zeroize();
        if scalar != Fr::ZERO {
            return Ok(scalar);
        }
    }
}
