//! A development key in seconds, from secrets that this process draws and forgets. Whoever ran it could have kept them
//! and can then forge proofs: the state of such a key is `dev-insecure`, and nothing accepts it unless told to by name.

use std::path::Path;

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, Field};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use zeroize::Zeroize;

use crate::failure::{Failure, Outcome};
use crate::progress::report;
use crate::r1cs::{R1cs, Term};
use crate::secret::random_scalar;
use crate::zkey::{KeyPoints, MAX_DOMAIN, VerifyingKey, write_key};

/// Rows of the domain: the least power of two, two at least, that holds the circuit's rows and one row per public signal and
/// the constant.
pub fn domain_of(circuit: &R1cs) -> Outcome<usize> {
    let domain = (circuit.rows + circuit.public_signals + 1).next_power_of_two().max(2);
    if domain > MAX_DOMAIN as usize {
        return Err(Failure::format("the circuit has too many rows"));
    }
    Ok(domain)
}

/// The secrets of both phases. gamma is one, as in snarkjs; delta is drawn apart from it.
struct Secrets {
    tau: Fr,
    alpha: Fr,
    beta: Fr,
    delta: Fr,
}

impl Drop for Secrets {
    fn drop(&mut self) {
        for secret in [&mut self.tau, &mut self.alpha, &mut self.beta, &mut self.delta] {
            secret.zeroize();
        }
    }
}

/// Makes a key for `circuit` and writes it. Returns the part for verifiers.
pub fn dev_setup(circuit: &R1cs, path: &Path) -> Outcome<VerifyingKey> {
    let size = domain_of(circuit)?;
    let secrets =
        Secrets { tau: random_scalar()?, alpha: random_scalar()?, beta: random_scalar()?, delta: random_scalar()? };
    report("evaluate", 1, 4);
    let key = key_points(circuit, size, &secrets)?;
    key.vk.check()?;
    report("write", 4, 4);
    write_key(path, circuit, size, &key)?;
    Ok(key.vk)
}

fn key_points(circuit: &R1cs, size: usize, secrets: &Secrets) -> Outcome<KeyPoints> {
    let domain = domain_at(size)?;
    let lagrange = domain.evaluate_all_lagrange_coefficients(secrets.tau);
    let [mut u, v, w] = [0, 1, 2].map(|at| wire_sums(&circuit.matrices[at], &lagrange, circuit.wires));
    for signal in 0..=circuit.public_signals {
        u[signal] += lagrange[circuit.rows + signal];
    }
    let mix: Vec<Fr> =
        (0..circuit.wires).map(|wire| secrets.beta * u[wire] + secrets.alpha * v[wire] + w[wire]).collect();
    let inverse = secrets.delta.inverse().ok_or_else(|| Failure::internal("delta is zero"))?;
    let (public, private) = mix.split_at(circuit.public_signals + 1);
    let private: Vec<Fr> = private.iter().map(|value| *value * inverse).collect();
    let odd: Vec<Fr> = domain_at(2 * size)?
        .evaluate_all_lagrange_coefficients(secrets.tau)
        .into_iter()
        .skip(1)
        .step_by(2)
        .map(|value| value * inverse)
        .collect();
    report("points-g1", 2, 4);
    let (g1, g2) = (G1Projective::from(G1Affine::generator()), G2Projective::from(G2Affine::generator()));
    let mut all: Vec<Fr> = Vec::new();
    for part in [&u, &v, &private, &odd] {
        all.extend_from_slice(part);
    }
    let mut points = multiples(g1, &all).into_iter();
    let mut take = |count: usize| points.by_ref().take(count).collect::<Vec<_>>();
    let (a, b1, c, h) = (take(circuit.wires), take(circuit.wires), take(private.len()), take(size));
    report("points-g2", 3, 4);
    let one = |scalar: Fr| (g1 * scalar).into_affine();
    let vk = VerifyingKey {
        alpha1: one(secrets.alpha),
        beta1: one(secrets.beta),
        beta2: (g2 * secrets.beta).into_affine(),
        gamma2: G2Affine::generator(),
        delta1: one(secrets.delta),
        delta2: (g2 * secrets.delta).into_affine(),
        ic: multiples(g1, public),
    };
    let contributions = vec![0u8; 64 + 4];
    Ok(KeyPoints { vk, a, b1, b2: multiples(g2, &v), c, h, contributions })
}

fn domain_at(size: usize) -> Outcome<Radix2EvaluationDomain<Fr>> {
    Radix2EvaluationDomain::new(size).ok_or_else(|| Failure::format("the circuit has too many rows"))
}

fn wire_sums(terms: &[Term], lagrange: &[Fr], wires: usize) -> Vec<Fr> {
    let mut sums = vec![Fr::ZERO; wires];
    for Term { row, wire, value } in terms {
        sums[*wire as usize] += *value * lagrange[*row as usize];
    }
    sums
}

/// Multiples of one point; wires that do not occur give the point at infinity and cost nothing.
fn multiples<G: CurveGroup>(base: G, scalars: &[G::ScalarField]) -> Vec<G::Affine> {
    let used: Vec<usize> = (0..scalars.len()).filter(|at| scalars[*at] != G::ScalarField::ZERO).collect();
    let factors: Vec<_> = used.iter().map(|at| scalars[*at]).collect();
    let mut points = vec![G::Affine::zero(); scalars.len()];
    for (at, point) in used.into_iter().zip(base.batch_mul(&factors)) {
        points[at] = point;
    }
    points
}
