//! The parameter set of encrypted inference. SPEC section 9.
//!
//! Dimensions and noises are those of tfhe-rs's `PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128`, on which security rests
//! alone; the bootstrap decomposes finer than in that set, which changes correctness and time only.

use tfhe::core_crypto::prelude::*;

/// The name in `key.json` and in claims.
pub const PARAMETERS: &str = "TRISEAL_LWE_918_2048_L2";
/// Dimension of the small key, under which a lookup is bootstrapped.
pub const SMALL: usize = 918;
/// Degree of the polynomials: the dimension of every wire, and how many values one input ciphertext holds.
pub const DEGREE: usize = 2048;
/// TUniform bound of the small key's noise, log2.
pub const SMALL_NOISE: u32 = 45;
/// TUniform bound of the ring's noise, log2.
pub const RING_NOISE: u32 = 17;
/// Decomposition of the bootstrap: digits of 15 bits, two of them.
pub const BOOTSTRAP: (usize, usize) = (15, 2);
/// Decomposition of the key switch: digits of 4 bits, four of them.
pub const SWITCH: (usize, usize) = (4, 4);

/// The modulus of every ciphertext: 2^64.
#[must_use]
pub fn modulus() -> CiphertextModulus<u64> {
    CiphertextModulus::new_native()
}

/// Noise of fresh ciphertexts under the small key.
#[must_use]
pub fn small_noise() -> DynamicDistribution<u64> {
    DynamicDistribution::new_t_uniform(SMALL_NOISE)
}

/// Noise of fresh ciphertexts of the ring.
#[must_use]
pub fn ring_noise() -> DynamicDistribution<u64> {
    DynamicDistribution::new_t_uniform(RING_NOISE)
}
