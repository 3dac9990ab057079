//! One programmable bootstrap: key switch, modulus switch, blind rotation, extraction. SPEC section 9.3.

use tfhe::core_crypto::prelude::*;

use super::keys::EvaluationKey;
use super::parameters::{DEGREE, SMALL, modulus};

/// A ciphertext under the ring's key.
pub type Wire = LweCiphertextOwned<u64>;

/// log2 of the steps that a blind rotation tells apart.
const ROTATION_LOG: usize = 12;

/// The small ciphertext of `wire * 2^shift` plus half a slot, so that noise of either sign stays in the slot.
#[must_use]
pub fn switch(key: &EvaluationKey, wire: &Wire, shift: u32, slots: usize) -> LweCiphertextOwned<u64> {
    let mut argument = wire.clone();
    lwe_ciphertext_cleartext_mul_assign(&mut argument, Cleartext(1 << shift));
    lwe_ciphertext_plaintext_add_assign(&mut argument, Plaintext((1 << 62) / slots as u64));
    let mut small = LweCiphertext::new(0, LweSize(SMALL + 1), modulus());
    keyswitch_lwe_ciphertext(&key.switch, &argument, &mut small);
    small
}

/// What `wire * 2^shift` selects in each of `tables`, which have one length.
#[must_use]
pub fn lookup(key: &EvaluationKey, wire: &Wire, shift: u32, tables: &[&[u64]]) -> Vec<Wire> {
    let slots: usize = tables.iter().map(|table| table.len()).sum();
    let small = switch(key, wire, shift, slots);
    let rotation =
        lwe_ciphertext_centered_binary_modulus_switch::<u64, usize, _>(small, CiphertextModulusLog(ROTATION_LOG));
    let mut accumulator = GlweCiphertext::new(0u64, GlweSize(2), PolynomialSize(DEGREE), modulus());
    let width = DEGREE / slots;
    let entries = tables.iter().flat_map(|table| table.iter());
    for (part, entry) in accumulator.get_mut_body().as_mut().chunks_exact_mut(width).zip(entries) {
        part.fill(*entry);
    }
    blind_rotate_assign(&rotation, &mut accumulator, &key.bootstrap);
    let mut first = 0;
    let extract = |table: &&[u64]| {
        let mut out = LweCiphertext::new(0, LweSize(DEGREE + 1), modulus());
        extract_lwe_sample_from_glwe_ciphertext(&accumulator, &mut out, MonomialDegree(first));
        first += table.len() * width;
        out
    };
    tables.iter().map(extract).collect()
}
