//! Key generation from powers of tau: the second phase is prepared for the one domain size that the circuit has, in minutes
//! less than for all sizes. What comes out has no second phase yet; `contribute` adds one.

use std::path::Path;

use ark_bn254::{Fq, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField};
use ark_poly::domain::DomainCoeff;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::codec::{G1_BYTES, put_g1, put_g2, read_g1, read_g2};
use crate::container::{Container, ContainerWriter};
use crate::dev_setup::domain_of;
use crate::failure::{Failure, Outcome};
use crate::powers::Powers;
use crate::progress::report;
use crate::r1cs::R1cs;
use crate::secret::random_scalar;
use crate::zkey::{KeyPoints, VerifyingKey, write_key};

/// The Lagrange polynomials at tau, in the exponent: the inverse transform of the powers.
fn lagrange<A: AffineRepr<ScalarField = Fr>>(powers: &[A], size: usize) -> Outcome<Vec<A>>
where
    A::Group: DomainCoeff<Fr>,
{
    let domain = Radix2EvaluationDomain::<Fr>::new(size).ok_or_else(|| Failure::format("the circuit is too large"))?;
    let mut points: Vec<A::Group> = powers.iter().map(|power| power.into_group()).collect();
    points.resize(size, A::Group::ZERO);
    domain.ifft_in_place(&mut points);
    Ok(A::Group::normalize_batch(&points))
}

/// Terms of one wire: which basis point, with which coefficient.
type Terms = Vec<(u32, Fr)>;

fn by_wire(circuit: &R1cs, matrix: usize) -> Vec<Terms> {
    let mut wires = vec![Terms::new(); circuit.wires];
    for term in &circuit.matrices[matrix] {
        wires[term.wire as usize].push((term.row, term.value));
    }
    wires
}

fn weigh<A: AffineRepr<ScalarField = Fr>>(parts: &[(&Terms, &[A])]) -> A::Group
where
    A::Group: CurveGroup<Affine = A, ScalarField = Fr>,
{
    let terms = parts.iter().flat_map(|(terms, basis)| terms.iter().map(|(row, value)| (basis[*row as usize], *value)));
    let (bases, factors): (Vec<A>, Vec<Fr>) = terms.unzip();
    if bases.is_empty() {
        A::Group::ZERO
    } else {
        <A::Group as ark_ec::VariableBaseMSM>::msm_unchecked(&bases, &factors)
    }
}

/// Makes the key of `circuit` before any contribution, and writes it. gamma and delta are still the generators.
pub fn prepare(circuit: &R1cs, powers_file: &Path, sha256: &str, path: &Path) -> Outcome<()> {
    let size = domain_of(circuit)?;
    report("powers", 1, 5);
    let powers = Powers::open(powers_file, sha256, size)?;
    report("transform", 2, 5);
    // The quotient's numerator has degree 2n - 2 at most, so the power 2n - 1, which the smallest file lacks, counts nothing.
    let odd: Vec<G1Affine> = lagrange(&powers.tau1, 2 * size)?.into_iter().skip(1).step_by(2).collect();
    let tau1 = lagrange(&powers.tau1[..size], size)?;
    let tau2 = lagrange(&powers.tau2, size)?;
    let alpha = lagrange(&powers.alpha_tau1, size)?;
    let beta = lagrange(&powers.beta_tau1, size)?;
    report("combine", 3, 5);
    let [mut a, b, c] = [0, 1, 2].map(|matrix| by_wire(circuit, matrix));
    for (signal, terms) in a.iter_mut().enumerate().take(circuit.public_signals + 1) {
        terms.push(((circuit.rows + signal) as u32, Fr::ONE));
    }
    let g1 = |points: Vec<G1Projective>| G1Projective::normalize_batch(&points);
    let mixed = |wire: usize| weigh(&[(&a[wire], &beta[..]), (&b[wire], &alpha[..]), (&c[wire], &tau1[..])]);
    let mix: Vec<G1Affine> = g1((0..circuit.wires).into_par_iter().map(mixed).collect());
    let (ic, private) = mix.split_at(circuit.public_signals + 1);
    report("combine-g2", 4, 5);
    let b2: Vec<G2Projective> = b.par_iter().map(|terms| weigh(&[(terms, &tau2[..])])).collect();
    let key = KeyPoints {
        vk: VerifyingKey {
            alpha1: powers.alpha_tau1[0],
            beta1: powers.beta_tau1[0],
            beta2: powers.beta2,
            gamma2: G2Affine::generator(),
            delta1: G1Affine::generator(),
            delta2: G2Affine::generator(),
            ic: ic.to_vec(),
        },
        a: g1(a.par_iter().map(|terms| weigh(&[(terms, &tau1[..])])).collect()),
        b1: g1(b.par_iter().map(|terms| weigh(&[(terms, &tau1[..])])).collect()),
        b2: G2Projective::normalize_batch(&b2),
        c: private.to_vec(),
        h: odd,
        contributions: vec![0u8; 64 + 4],
    };
    report("write", 5, 5);
    write_key(path, circuit, size, &key)
}

/// What a contribution is bound to: the circuit and the transcript before it (`../../wire/setup.ts`).
pub struct Bound {
    pub circuit: [u8; 32],
    pub previous: [u8; 32],
}

/// What a contribution did, and the Schnorr proof that its factor was known.
pub struct Contributed {
    pub delta1: G1Affine,
    pub delta2: G2Affine,
    pub commitment: G1Affine,
    pub response: Fr,
}

/// Multiplies delta by a secret that is forgotten, and divides what delta divides. Shows that the secret was known.
pub fn contribute(from: &Path, to: &Path, bound: &Bound) -> Outcome<Contributed> {
    let (mut secret, mut nonce) = (random_scalar()?, random_scalar()?);
    let (before, delta1, delta2) = multiply(from, to, secret)?;
    let commitment = (before * nonce).into_affine();
    let response = nonce + challenge(bound, &[before, delta1], &delta2, &commitment) * secret;
    secret.zeroize();
    nonce.zeroize();
    Ok(Contributed { delta1, delta2, commitment, response })
}

/// Multiplies delta by a factor that everybody knows: that of a beacon.
pub fn apply_factor(from: &Path, to: &Path, factor: Fr) -> Outcome<(G1Affine, G2Affine)> {
    let (_, delta1, delta2) = multiply(from, to, factor)?;
    Ok((delta1, delta2))
}

/// The first 31 bytes of SHA-256 over what the proof is about, as a big-endian number.
fn challenge(bound: &Bound, ones: &[G1Affine], delta2: &G2Affine, commitment: &G1Affine) -> Fr {
    let mut hasher = Sha256::new();
    hasher.update(b"triseal.zk.factor.v1\0");
    hasher.update(bound.circuit);
    hasher.update(bound.previous);
    let mut put = |value: &Fq| hasher.update(value.into_bigint().to_bytes_be());
    ones.iter().for_each(|point| [point.x, point.y].iter().for_each(&mut put));
    [delta2.x.c0, delta2.x.c1, delta2.y.c0, delta2.y.c1].iter().for_each(&mut put);
    [commitment.x, commitment.y].iter().for_each(&mut put);
    Fr::from_be_bytes_mod_order(&hasher.finalize()[..31])
}

/// Writes the key with delta times `factor`. Returns delta before in G1, and after in both groups.
fn multiply(from: &Path, to: &Path, factor: Fr) -> Outcome<(G1Affine, G1Affine, G2Affine)> {
    let mut file = Container::open(from, b"zkey", &[1], 4 << 30)?;
    let mut inverse = factor.inverse().ok_or_else(|| Failure::setup("the factor is zero"))?;
    let mut head = file.section(2)?;
    if head.len() != 660 {
        return Err(Failure::key("the key's header has a wrong length"));
    }
    let (before, before2) = (read_g1(&head[468..532])?, read_g2(&head[532..660])?);
    let (delta1, delta2) = ((before * factor).into_affine(), (before2 * factor).into_affine());
    head.truncate(468);
    put_g1(&delta1, &mut head);
    put_g2(&delta2, &mut head);
    let mut out = ContainerWriter::create(to, b"zkey", 1, 10)?;
    for (step, id) in [1, 2, 4, 3, 9, 8, 5, 6, 7, 10].into_iter().enumerate() {
        report("section", step + 1, 10);
        let bytes = if id == 2 { head.clone() } else { file.section(id)? };
        out.section(id, &if id == 8 || id == 9 { scaled(&bytes, inverse)? } else { bytes })?;
    }
    inverse.zeroize();
    out.finish()?;
    Ok((before, delta1, delta2))
}

fn scaled(bytes: &[u8], factor: Fr) -> Outcome<Vec<u8>> {
    let points: Vec<G1Projective> =
        bytes.par_chunks_exact(G1_BYTES).map(|point| Ok(read_g1(point)? * factor)).collect::<Outcome<_>>()?;
    let mut out = Vec::with_capacity(bytes.len());
    G1Projective::normalize_batch(&points).iter().for_each(|point| put_g1(point, &mut out));
    Ok(out)
}
