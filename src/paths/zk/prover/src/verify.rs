//! Verification of a proof under a key.

use ark_bn254::{Bn254, G1Projective};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Zero;

use crate::failure::{Failure, Outcome};
use crate::prove::Proof;
use crate::zkey::VerifyingKey;

/// Whether the proof holds. The points of the proof must lie on their curves; their subgroups are checked here.
pub fn verify(key: &VerifyingKey, proof: &Proof) -> Outcome<bool> {
    if proof.public_signals.len() + 1 != key.ic.len() {
        return Err(Failure::proof("the key is for another number of public signals"));
    }
    let subgroup = proof.b.is_in_correct_subgroup_assuming_on_curve();
    if !subgroup || proof.a.is_zero() || proof.b.is_zero() || proof.c.is_zero() {
        return Err(Failure::proof("a point of the proof is zero or outside its subgroup"));
    }
    let signals = key.ic[1..].iter().zip(&proof.public_signals).map(|(point, signal)| *point * signal);
    let inputs = signals.sum::<G1Projective>() + key.ic[0];
    let left = [-proof.a, key.alpha1, inputs.into_affine(), proof.c];
    let right = [proof.b, key.beta2, key.gamma2, key.delta2];
    Ok(Bn254::multi_pairing(left, right).is_zero())
}
