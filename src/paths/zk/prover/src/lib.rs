//! Groth16 on BN254 in snarkjs file formats: key generation, proving, verification. No unsafe code.

pub mod codec;
pub mod container;
pub mod dev_setup;
pub mod document;
pub mod failure;
pub mod msm;
pub mod powers;
pub mod prepare;
pub mod progress;
pub mod prove;
pub mod r1cs;
pub mod same_key;
pub mod secret;
pub mod serve;
pub mod verify;
pub mod wtns;
pub mod zkey;
