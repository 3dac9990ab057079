//! The one parameter set of integer keys, and what tfhe-rs is told about it wherever bytes of others are read.

use tfhe::shortint::AtomicPatternParameters;
use tfhe::shortint::parameters::v1_7::meta::cpu::V1_7_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128 as META;
use tfhe::shortint::parameters::{
    CiphertextConformanceParams, CompactPublicKeyEncryptionParameters, CompressionParameters,
    ReRandomizationParameters, ShortintKeySwitchingParameters,
};
use tfhe::{Config, ConfigBuilder};

/// The name that key documents and claims give the set: two bits of message and two of carry, failure below 2^-128.
pub const NAME: &str = "V1_7_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128";

/// Values of a block with its carry.
pub const BLOCK_VALUES: u8 = 16;

/// Bits that one proven list can hold: the CRS is made for so many, and a prover's time grows with it.
pub const LIST_BITS: usize = 512;

/// Parameters of computation.
pub fn compute() -> AtomicPatternParameters {
    META.compute_parameters
}

/// Parameters of compressed values.
pub fn compression() -> CompressionParameters {
    META.compression_parameters.expect("the set has compression")
}

/// Parameters of the compact public key, and of the key that brings its lists under the computation's key.
pub fn public_key() -> (CompactPublicKeyEncryptionParameters, ShortintKeySwitchingParameters) {
    let dedicated = META.dedicated_compact_public_key_parameters.expect("the set has a dedicated public key");
    (dedicated.pke_params, dedicated.ksk_params)
}

/// What keys are made with: the set without noise squashing, and without the key for random numbers, which programs cannot ask for.
pub fn config() -> Config {
    ConfigBuilder::with_custom_parameters(compute())
        .enable_compression(compression())
        .use_dedicated_compact_public_key_parameters(public_key())
        .enable_ciphertext_re_randomization(ReRandomizationParameters::DerivedCPKWithoutKeySwitch)
        .use_dedicated_oprf_key(false)
        .build()
}

/// What a block that was freshly encrypted, or came out of a bootstrap, must look like.
pub fn block() -> CiphertextConformanceParams {
    compute().to_shortint_conformance_param()
}
