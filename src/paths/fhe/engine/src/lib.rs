//! The FHE engine of Triseal (`src/paths/fhe/SPEC.md`): circuits of lookup tables over tfhe-rs, as a process behind a
//! Unix socket and as offline commands.

pub mod accumulators;
pub mod checked;
pub mod circuit;
pub mod claim;
pub mod control;
pub mod digest;
pub mod engine;
pub mod execute;
pub mod failure;
pub mod files;
pub mod frame;
pub mod jcs;
pub mod keygen;
pub mod keys;
pub mod list;
pub mod lru;
pub mod lwe;
pub mod message;
pub mod offline;
pub mod options;
pub mod parameters;
pub mod radix;
pub mod run;
pub mod serve;
pub mod signer;
pub mod value;
pub mod value_type;
