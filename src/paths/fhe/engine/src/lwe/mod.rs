//! Encrypted inference: exact dot products and lookup tables over LWE ciphertexts. SPEC section 9.

pub mod bootstrap;
pub mod cipher;
pub mod circuit;
pub mod frame;
pub mod keys;
pub mod offline;
pub mod parameters;
pub mod run;
