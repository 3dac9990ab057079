//! Groth16 proofs, in the arrangement of snarkjs: the quotient is taken at the odd points of the doubled domain, whose
//! Lagrange polynomials the key holds, so that no division is needed.

use ark_bn254::{Fr, G1Affine, G2Affine};
use ark_ec::CurveGroup;
use ark_ec::short_weierstrass::{Affine, Projective, SWCurveConfig};
use ark_ff::{BigInt, FftField, PrimeField};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use rayon::prelude::*;

use crate::failure::{Failure, Outcome};
use crate::msm;
use crate::secret::random_scalar;
use crate::verify::verify;
use crate::zkey::{ProvingKey, Sparse};

/// A proof and the public signals that it is about.
pub struct Proof {
    pub a: G1Affine,
    pub b: G2Affine,
    pub c: G1Affine,
    pub public_signals: Vec<Fr>,
}

/// Proves, and verifies what it proved: a witness that does not satisfy the circuit gives no proof.
pub fn prove(key: &ProvingKey, witness: &[BigInt<4>]) -> Outcome<Proof> {
    if witness.len() != key.wires {
        return Err(Failure::witness("the witness has another number of wires than the key's circuit"));
    }
    let values: Vec<Fr> = witness.par_iter().map(|value| Fr::new(*value)).collect();
    let ((a_sum, (b1_sum, b2_sum)), (c_sum, h_sum)) = rayon::join(
        || {
            let a = sum(&key.a, witness);
            (a, rayon::join(|| sum(&key.b1, witness), || sum(&key.b2, witness)))
        },
        || {
            let quotient = quotient(key, &values);
            (sum(&key.c, witness), quotient.map(|h| msm::sum(&key.h, &h)))
        },
    );
    let (r, s) = (random_scalar()?, random_scalar()?);
    let a = a_sum + key.vk.alpha1 + key.vk.delta1 * r;
    let b1 = b1_sum + key.vk.beta1 + key.vk.delta1 * s;
    let b2 = b2_sum + key.vk.beta2 + key.vk.delta2 * s;
    let c = c_sum + h_sum? + a * s + b1 * r - key.vk.delta1 * (r * s);
    let proof = Proof {
        a: a.into_affine(),
        b: b2.into_affine(),
        c: c.into_affine(),
        public_signals: values[1..=key.public_signals].to_vec(),
    };
    if !verify(&key.vk, &proof)? {
        return Err(Failure::witness("the witness does not satisfy the circuit of this key"));
    }
    Ok(proof)
}

fn sum<P: SWCurveConfig>(points: &Sparse<Affine<P>>, witness: &[BigInt<4>]) -> Projective<P> {
    let scalars: Vec<_> = points.wires.iter().map(|wire| witness[*wire as usize]).collect();
    msm::sum(&points.points, &scalars)
}

/// `A B - C` at the odd points of the doubled domain, in plain form.
fn quotient(key: &ProvingKey, witness: &[Fr]) -> Outcome<Vec<BigInt<4>>> {
    let out_of_range = || Failure::key("the key's domain is out of range");
    let domain: Radix2EvaluationDomain<Fr> = Radix2EvaluationDomain::new(key.domain).ok_or_else(out_of_range)?;
    let shift = Fr::get_root_of_unity(2 * key.domain as u64).ok_or_else(out_of_range)?;
    let coset = domain.get_coset(shift).ok_or_else(out_of_range)?;
    let rows = |matrix: &crate::zkey::Matrix| -> Vec<Fr> {
        (0..key.domain).into_par_iter().map(|row| matrix.row(row, &key.values, witness)).collect()
    };
    let (mut a, mut b) = rayon::join(|| rows(&key.matrix_a), || rows(&key.matrix_b));
    let mut c: Vec<Fr> = a.par_iter().zip(&b).map(|(a, b)| *a * b).collect();
    for values in [&mut a, &mut b, &mut c] {
        domain.ifft_in_place(values);
        coset.fft_in_place(values);
    }
    Ok(a.par_iter().zip(&b).zip(&c).map(|((a, b), c)| (*a * b - c).into_bigint()).collect())
}
