//! Field elements and points as snarkjs stores them: little-endian, Montgomery form ("LEM") unless said otherwise.

use ark_bn254::{Fq, Fq2, Fr, FrConfig, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, MontConfig, PrimeField};

use crate::failure::{Failure, Outcome};

pub const FIELD_BYTES: usize = 32;
pub const G1_BYTES: usize = 64;
pub const G2_BYTES: usize = 128;

fn limbs(bytes: &[u8]) -> BigInt<4> {
    let mut value = [0u64; 4];
    for (limb, chunk) in value.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = chunk.iter().rev().fold(0, |acc, byte| (acc << 8) | u64::from(*byte));
    }
    BigInt::new(value)
}

fn put_limbs(value: &BigInt<4>, out: &mut Vec<u8>) {
    for limb in value.0 {
        out.extend_from_slice(&limb.to_le_bytes());
    }
}

/// A scalar in plain little-endian form, below the group order.
pub fn read_scalar(bytes: &[u8]) -> Outcome<BigInt<4>> {
    let value = limbs(bytes);
    if value >= Fr::MODULUS {
        return Err(Failure::format("a field element is not below the field order"));
    }
    Ok(value)
}

/// A scalar as a field element, from plain little-endian form.
pub fn read_fr(bytes: &[u8]) -> Outcome<Fr> {
    Fr::from_bigint(limbs(bytes)).ok_or_else(|| Failure::format("a field element is not below the field order"))
}

/// Appends a scalar in plain little-endian form.
pub fn put_fr(value: &Fr, out: &mut Vec<u8>) {
    put_limbs(&value.into_bigint(), out);
}

/// A coefficient as section 4 of a `.zkey` stores it: multiplied by R twice, so that one Montgomery product with a plain
/// witness value gives the product in Montgomery form.
pub fn read_coefficient(bytes: &[u8]) -> Outcome<Fr> {
    let inverse_r = Fr::new_unchecked(BigInt::new([1, 0, 0, 0]));
    Ok(Fr::new_unchecked(read_scalar(bytes)?) * inverse_r)
}

/// Appends a coefficient in the form that `read_coefficient` reads.
pub fn put_coefficient(value: &Fr, out: &mut Vec<u8>) {
    let r = Fr::new(<FrConfig as MontConfig<4>>::R);
    put_limbs(&(*value * r).0, out);
}

fn read_fq(bytes: &[u8]) -> Outcome<Fq> {
    let value = limbs(bytes);
    if value >= Fq::MODULUS {
        return Err(Failure::format("a coordinate is not below the field order"));
    }
    Ok(Fq::new_unchecked(value))
}

/// A point of the curve; the point at infinity is all zeros.
pub fn read_g1(bytes: &[u8]) -> Outcome<G1Affine> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(G1Affine::zero());
    }
    let (x, y) = (read_fq(&bytes[..32])?, read_fq(&bytes[32..64])?);
    let point = G1Affine::new_unchecked(x, y);
    if !point.is_on_curve() {
        return Err(Failure::format("a point is not on the curve G1"));
    }
    Ok(point)
}

/// A point of the twisted curve, not checked for its subgroup; the point at infinity is all zeros.
pub fn read_g2(bytes: &[u8]) -> Outcome<G2Affine> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(G2Affine::zero());
    }
    let part = |at: usize| read_fq(&bytes[at * 32..(at + 1) * 32]);
    let point = G2Affine::new_unchecked(Fq2::new(part(0)?, part(1)?), Fq2::new(part(2)?, part(3)?));
    if !point.is_on_curve() {
        return Err(Failure::format("a point is not on the curve G2"));
    }
    Ok(point)
}

/// Appends a point of G1.
pub fn put_g1(point: &G1Affine, out: &mut Vec<u8>) {
    match point.xy() {
        None => out.extend_from_slice(&[0; G1_BYTES]),
        Some((x, y)) => {
            put_limbs(&x.0, out);
            put_limbs(&y.0, out);
        }
    }
}

/// Appends a point of G2.
pub fn put_g2(point: &G2Affine, out: &mut Vec<u8>) {
    match point.xy() {
        None => out.extend_from_slice(&[0; G2_BYTES]),
        Some((x, y)) => {
            for part in [x.c0, x.c1, y.c0, y.c1] {
                put_limbs(&part.0, out);
            }
        }
    }
}

/// Modulus of the scalar field, plain little-endian, as every header states it.
pub fn scalar_modulus() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FIELD_BYTES);
    put_limbs(&Fr::MODULUS, &mut bytes);
    bytes
}

/// Modulus of the base field, plain little-endian.
pub fn base_modulus() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FIELD_BYTES);
    put_limbs(&Fq::MODULUS, &mut bytes);
    bytes
}
