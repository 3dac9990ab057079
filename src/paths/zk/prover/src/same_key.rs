//! Whether a key that was contributed to is the prepared key of its circuit but for delta: everything that the second phase
//! leaves alone is byte for byte the same, and what delta divides was divided by exactly it.

use std::path::Path;

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use rayon::prelude::*;

use crate::codec::{G1_BYTES, read_g1, read_g2};
use crate::container::Container;
use crate::failure::{Failure, Outcome};
use crate::progress::report;
use crate::secret::random_scalar;

const MAX_BYTES: u64 = 4 << 30;
const DELTA: usize = 468;

/// Refuses `contributed` where it is not `prepared` with another delta.
pub fn assert_same_key(prepared: &Path, contributed: &Path) -> Outcome<()> {
    let mut before = Container::open(prepared, b"zkey", &[1], MAX_BYTES)?;
    let mut after = Container::open(contributed, b"zkey", &[1], MAX_BYTES)?;
    for (step, id) in [1, 3, 4, 5, 6, 7].into_iter().enumerate() {
        report("compare", step + 1, 8);
        if before.section(id)? != after.section(id)? {
            return Err(Failure::setup("the key is not that of this circuit and these powers of tau"));
        }
    }
    let (head, changed) = (before.section_of(2, 660)?, after.section_of(2, 660)?);
    if head[..DELTA] != changed[..DELTA] {
        return Err(Failure::setup("the key is not that of this circuit and these powers of tau"));
    }
    let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
    let (delta1, delta2) = (read_g1(&changed[DELTA..532])?, read_g2(&changed[532..])?);
    let grouped = delta2.is_in_correct_subgroup_assuming_on_curve() && !delta2.is_zero();
    if !grouped || Bn254::pairing(delta1, g2) != Bn254::pairing(g1, delta2) {
        return Err(Failure::setup("delta differs between the two groups"));
    }
    for (step, id) in [8, 9].into_iter().enumerate() {
        report("divide", step + 7, 8);
        let (whole, divided) = (points(&before.section(id)?)?, points(&after.section(id)?)?);
        if whole.len() != divided.len() {
            return Err(Failure::setup("the key has another number of points"));
        }
        // One random combination of all points: it holds by chance once in 2^254.
        let factors: Vec<Fr> = (0..whole.len()).map(|_| random_scalar()).collect::<Outcome<_>>()?;
        let sum = |list: &[G1Affine]| G1Projective::msm_unchecked(list, &factors).into_affine();
        if Bn254::pairing(sum(&divided), delta2) != Bn254::pairing(sum(&whole), g2) {
            return Err(Failure::setup("a point of the key was not divided by delta"));
        }
    }
    Ok(())
}

fn points(bytes: &[u8]) -> Outcome<Vec<G1Affine>> {
    if !bytes.len().is_multiple_of(G1_BYTES) {
        return Err(Failure::format("a section of points has a wrong length"));
    }
    bytes.par_chunks_exact(G1_BYTES).map(read_g1).collect()
}
