//! `.wtns` files (version 2, BN254): the value of every wire.

use std::io::Cursor;

use ark_ff::BigInt;

use crate::codec::{FIELD_BYTES, read_scalar, scalar_modulus};
use crate::container::{Container, u32_at};
use crate::failure::{Failure, Outcome};

/// The values of the wires in plain form, the first of them one.
pub fn read_witness(bytes: &[u8], wires: usize) -> Outcome<Vec<BigInt<4>>> {
    let mut file = Container::read(Cursor::new(bytes), b"wtns", &[2])?;
    let head = file.section_of(1, 8 + FIELD_BYTES)?;
    if u32_at(&head, 0) as usize != FIELD_BYTES || head[4..36] != scalar_modulus() {
        return Err(Failure::witness("the witness is not over the scalar field of BN254"));
    }
    if u32_at(&head, 36) as usize != wires {
        return Err(Failure::witness("the witness has another number of wires than the key's circuit"));
    }
    let body = file.section_of(2, wires * FIELD_BYTES)?;
    let values: Vec<_> = body.chunks_exact(FIELD_BYTES).map(read_scalar).collect::<Outcome<_>>()?;
    if values.first() != Some(&BigInt::new([1, 0, 0, 0])) {
        return Err(Failure::witness("the first wire is not one"));
    }
    Ok(values)
}
