//! Lookup tables in the form that blind rotations take.

use tfhe::shortint::server_key::{LookupTableOwned, ManyLookupTableOwned};
use tfhe::shortint::{Ciphertext, ServerKey};

use crate::radix::Tables;

/// The tables of a node.
pub enum Accumulator {
    One(LookupTableOwned),
    Many(ManyLookupTableOwned),
}

impl Accumulator {
    /// The accumulator of these tables.
    pub fn new(key: &ServerKey, tables: &Tables) -> Self {
        if tables.count == 1 {
            return Self::One(key.generate_lookup_table(|value| u64::from(tables.entries[value as usize])));
        }
        let lookups: Vec<_> = tables.each().map(|table| move |value: u64| u64::from(table[value as usize])).collect();
        let functions: Vec<&dyn Fn(u64) -> u64> = lookups.iter().map(|lookup| lookup as &dyn Fn(u64) -> u64).collect();
        Self::Many(key.generate_many_lookup_table(&functions))
    }

    /// One blind rotation: what each table has at the block's value.
    pub fn look_up(&self, key: &ServerKey, block: &Ciphertext) -> Vec<Ciphertext> {
        match self {
            Self::One(table) => vec![key.apply_lookup_table(block, table)],
            Self::Many(tables) => key.apply_many_lookup_table(block, tables),
        }
    }
}
