//! `.r1cs` files (version 1, BN254): the constraint system from which keys are made.

use std::path::Path;

use ark_bn254::Fr;

use crate::codec::{FIELD_BYTES, read_fr, scalar_modulus};
use crate::container::{Container, u32_at};
use crate::failure::{Failure, Outcome};

const MAX_BYTES: u64 = 2 << 30;
const MAX_ROWS: u32 = 1 << 22;
const TERM_BYTES: usize = 4 + FIELD_BYTES;

/// A coefficient at a row and a wire.
pub struct Term {
    pub row: u32,
    pub wire: u32,
    pub value: Fr,
}

/// A constraint system `A w * B w = C w`, its wires ordered: one, public signals, private wires.
pub struct R1cs {
    pub wires: usize,
    pub public_signals: usize,
    pub rows: usize,
    /// Terms of A, B and C in the order of the file.
    pub matrices: [Vec<Term>; 3],
}

impl R1cs {
    /// Reads a file of at most 2 GiB and 2^22 rows.
    pub fn open(path: &Path) -> Outcome<Self> {
        let mut file = Container::open(path, b"r1cs", &[1], MAX_BYTES)?;
        let head = file.section_of(1, 4 + FIELD_BYTES + 28)?;
        if u32_at(&head, 0) as usize != FIELD_BYTES || head[4..36] != scalar_modulus() {
            return Err(Failure::format("the circuit is not over the scalar field of BN254"));
        }
        let wires = u32_at(&head, 36);
        let public = u64::from(u32_at(&head, 40)) + u64::from(u32_at(&head, 44));
        let rows = u32_at(&head, 60);
        if rows > MAX_ROWS || wires > 4 * MAX_ROWS || public >= u64::from(wires) {
            return Err(Failure::format("the circuit's sizes are out of range"));
        }
        let body = file.section(2)?;
        let matrices = read_rows(&body, rows, wires)?;
        Ok(Self { wires: wires as usize, public_signals: public as usize, rows: rows as usize, matrices })
    }
}

fn read_rows(body: &[u8], rows: u32, wires: u32) -> Outcome<[Vec<Term>; 3]> {
    let short = || Failure::format("the constraints are truncated");
    let mut matrices = [Vec::new(), Vec::new(), Vec::new()];
    let mut rest = body;
    for row in 0..rows {
        for matrix in &mut matrices {
            if rest.len() < 4 {
                return Err(short());
            }
            let count = u32_at(rest, 0) as usize;
            rest = &rest[4..];
            let length = count.checked_mul(TERM_BYTES).filter(|length| *length <= rest.len()).ok_or_else(short)?;
            let (terms, next) = rest.split_at(length);
            rest = next;
            for term in terms.chunks_exact(TERM_BYTES) {
                let wire = u32_at(term, 0);
                if wire >= wires {
                    return Err(Failure::format("a constraint names a wire that is not there"));
                }
                matrix.push(Term { row, wire, value: read_fr(&term[4..])? });
            }
        }
    }
    if !rest.is_empty() {
        return Err(Failure::format("bytes after the last constraint"));
    }
    Ok(matrices)
}
