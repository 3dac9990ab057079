//! `.zkey` files of Groth16 on BN254 as snarkjs 0.7 writes and reads them (version 1).

use std::collections::HashMap;
use std::path::Path;

use ark_bn254::{Bn254, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ec::pairing::Pairing;
use ark_ff::BigInt;
use rayon::prelude::*;

use crate::codec::{
    FIELD_BYTES, G1_BYTES, G2_BYTES, base_modulus, put_coefficient, put_g1, put_g2, read_coefficient, read_g1, read_g2,
    scalar_modulus,
};
use crate::container::{Container, ContainerWriter, u32_at};
use crate::failure::{Failure, Outcome};
use crate::r1cs::{R1cs, Term};

const MAX_BYTES: u64 = 4 << 30;
/// The largest domain that a key may have: 2^22 rows.
pub const MAX_DOMAIN: u32 = 1 << 22;
const TERM_BYTES: usize = 12 + FIELD_BYTES;
const HEADER_BYTES: usize = 4 + FIELD_BYTES + 4 + FIELD_BYTES + 12 + 3 * G1_BYTES + 3 * G2_BYTES;

/// The part of a key that a verifier needs, and the G1 twins that a prover needs.
#[derive(Clone)]
pub struct VerifyingKey {
    pub alpha1: G1Affine,
    pub beta1: G1Affine,
    pub beta2: G2Affine,
    pub gamma2: G2Affine,
    pub delta1: G1Affine,
    pub delta2: G2Affine,
    pub ic: Vec<G1Affine>,
}

impl VerifyingKey {
    /// Refuses a key whose second phase is missing (anyone could forge under it), or whose parts do not belong together.
    pub fn check(&self) -> Outcome<()> {
        let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
        if self.delta2 == self.gamma2 || self.delta2 == g2 || self.delta1 == g1 {
            return Err(Failure::key("the key has no second phase: delta was never contributed to"));
        }
        let points2 = [self.beta2, self.gamma2, self.delta2];
        let zero = self.alpha1.is_zero() || self.beta1.is_zero() || self.delta1.is_zero();
        if zero || points2.iter().any(|point| point.is_zero() || !point.is_in_correct_subgroup_assuming_on_curve()) {
            return Err(Failure::key("a point of the key is zero or outside its subgroup"));
        }
        let same = |one: G1Affine, two: G2Affine| Bn254::pairing(one, g2) == Bn254::pairing(g1, two);
        if !same(self.beta1, self.beta2) || !same(self.delta1, self.delta2) {
            return Err(Failure::key("beta or delta differs between the two groups"));
        }
        Ok(())
    }
}

/// The points of one wire polynomial, without the wires that have none.
pub struct Sparse<P> {
    pub wires: Vec<u32>,
    pub points: Vec<P>,
}

impl<P: AffineRepr> Sparse<P> {
    fn new(points: Vec<P>, first: usize) -> Self {
        let kept = points.into_iter().enumerate().filter(|(_, point)| !point.is_zero());
        let (wires, points) = kept.map(|(wire, point)| ((wire + first) as u32, point)).unzip();
        Self { wires, points }
    }
}

/// One matrix by rows. A model has few distinct weights, so terms name them by number.
pub struct Matrix {
    /// Where each row's terms begin; one more entry than rows.
    starts: Vec<u32>,
    wires: Vec<u32>,
    values: Vec<u32>,
}

impl Matrix {
    /// The row's product with the wires' values.
    pub fn row(&self, row: usize, table: &[Fr], witness: &[Fr]) -> Fr {
        let range = self.starts[row] as usize..self.starts[row + 1] as usize;
        let terms = self.wires[range.clone()].iter().zip(&self.values[range]);
        terms.fold(Fr::from(0u8), |sum, (wire, value)| sum + table[*value as usize] * witness[*wire as usize])
    }
}

/// A proving key, parsed once and kept.
pub struct ProvingKey {
    pub wires: usize,
    pub public_signals: usize,
    pub domain: usize,
    pub vk: VerifyingKey,
    pub a: Sparse<G1Affine>,
    pub b1: Sparse<G1Affine>,
    pub b2: Sparse<G2Affine>,
    pub c: Sparse<G1Affine>,
    pub h: Vec<G1Affine>,
    pub matrix_a: Matrix,
    pub matrix_b: Matrix,
    pub values: Vec<Fr>,
}

impl ProvingKey {
    /// Reads a key and refuses one that must not be used. Points are checked to lie on their curve; that they are those of
    /// the circuit is shown by every proof being verified before release.
    pub fn open(path: &Path) -> Outcome<Self> {
        let mut file = Container::open(path, b"zkey", &[1], MAX_BYTES)?;
        if u32_at(&file.section_of(1, 4)?, 0) != 1 {
            return Err(Failure::key("the key is not of Groth16"));
        }
        let (vk, sizes) = read_header(&mut file)?;
        let Sizes { wires, public_signals, domain } = sizes;
        let ic = read_points(&file.section_of(3, (public_signals + 1) * G1_BYTES)?, G1_BYTES, read_g1)?;
        let vk = VerifyingKey { ic, ..vk };
        vk.check()?;
        let g1 = |file: &mut Container<_>, id, count: usize| {
            read_points(&file.section_of(id, count * G1_BYTES)?, G1_BYTES, read_g1)
        };
        let a = Sparse::new(g1(&mut file, 5, wires)?, 0);
        let b1 = Sparse::new(g1(&mut file, 6, wires)?, 0);
        let c = Sparse::new(g1(&mut file, 8, wires - public_signals - 1)?, public_signals + 1);
        let h = g1(&mut file, 9, domain)?;
        let b2 = Sparse::new(read_points(&file.section_of(7, wires * G2_BYTES)?, G2_BYTES, read_g2)?, 0);
        let (matrix_a, matrix_b, values) = read_terms(&file.section(4)?, wires, domain)?;
        Ok(Self { wires, public_signals, domain, vk, a, b1, b2, c, h, matrix_a, matrix_b, values })
    }
}

struct Sizes {
    wires: usize,
    public_signals: usize,
    domain: usize,
}

fn read_header<R: std::io::Read + std::io::Seek>(file: &mut Container<R>) -> Outcome<(VerifyingKey, Sizes)> {
    let head = file.section_of(2, HEADER_BYTES)?;
    let fields = u32_at(&head, 0) == 32 && head[4..36] == base_modulus() && u32_at(&head, 36) == 32;
    if !fields || head[40..72] != scalar_modulus() {
        return Err(Failure::key("the key is not on BN254"));
    }
    let (wires, public, domain) = (u32_at(&head, 72), u32_at(&head, 76), u32_at(&head, 80));
    if !domain.is_power_of_two() || domain > MAX_DOMAIN || wires > 4 * MAX_DOMAIN || public >= wires || public >= domain
    {
        return Err(Failure::key("the key's sizes are out of range"));
    }
    let vk = VerifyingKey {
        alpha1: read_g1(&head[84..148])?,
        beta1: read_g1(&head[148..212])?,
        beta2: read_g2(&head[212..340])?,
        gamma2: read_g2(&head[340..468])?,
        delta1: read_g1(&head[468..532])?,
        delta2: read_g2(&head[532..660])?,
        ic: Vec::new(),
    };
    let sizes = Sizes { wires: wires as usize, public_signals: public as usize, domain: domain as usize };
    Ok((vk, sizes))
}

fn read_points<P: Send>(bytes: &[u8], size: usize, read: fn(&[u8]) -> Outcome<P>) -> Outcome<Vec<P>> {
    bytes.par_chunks_exact(size).map(read).collect()
}

fn read_terms(bytes: &[u8], wires: usize, domain: usize) -> Outcome<(Matrix, Matrix, Vec<Fr>)> {
    let count = if bytes.len() < 4 { usize::MAX } else { u32_at(bytes, 0) as usize };
    if count.checked_mul(TERM_BYTES).and_then(|length| length.checked_add(4)) != Some(bytes.len()) {
        return Err(Failure::key("the coefficients have a wrong length"));
    }
    let mut numbers: HashMap<&[u8], u32> = HashMap::new();
    let mut values = Vec::new();
    let mut counts = [vec![0u32; domain + 1], vec![0u32; domain + 1]];
    for term in bytes[4..].chunks_exact(TERM_BYTES) {
        let (matrix, row) = (u32_at(term, 0) as usize, u32_at(term, 4) as usize);
        if matrix > 1 || row >= domain || u32_at(term, 8) as usize >= wires {
            return Err(Failure::key("a coefficient is out of range"));
        }
        counts[matrix][row + 1] += 1;
        if !numbers.contains_key(&term[12..]) {
            numbers.insert(&term[12..], values.len() as u32);
            values.push(read_coefficient(&term[12..])?);
        }
    }
    let mut matrices = counts.map(|mut starts| {
        for row in 0..domain {
            starts[row + 1] += starts[row];
        }
        let length = starts[domain] as usize;
        (starts.clone(), Matrix { starts, wires: vec![0; length], values: vec![0; length] })
    });
    for term in bytes[4..].chunks_exact(TERM_BYTES) {
        let (next, matrix) = &mut matrices[u32_at(term, 0) as usize];
        let place = &mut next[u32_at(term, 4) as usize];
        matrix.wires[*place as usize] = u32_at(term, 8);
        matrix.values[*place as usize] = numbers[&term[12..]];
        *place += 1;
    }
    let [(_, a), (_, b)] = matrices;
    Ok((a, b, values))
}

/// All points of a key that is to be written, one entry per wire (H: per row of the domain).
pub struct KeyPoints {
    pub vk: VerifyingKey,
    pub a: Vec<G1Affine>,
    pub b1: Vec<G1Affine>,
    pub b2: Vec<G2Affine>,
    pub c: Vec<G1Affine>,
    pub h: Vec<G1Affine>,
    /// Section 10: the hash of the circuit's first phase and the contributions after it.
    pub contributions: Vec<u8>,
}

/// Writes a key of `circuit`, in the order of sections that snarkjs uses.
pub fn write_key(path: &Path, circuit: &R1cs, domain: usize, key: &KeyPoints) -> Outcome<()> {
    let mut out = ContainerWriter::create(path, b"zkey", 1, 10)?;
    out.section(1, &1u32.to_le_bytes())?;
    let mut head = Vec::with_capacity(HEADER_BYTES);
    for modulus in [base_modulus(), scalar_modulus()] {
        head.extend_from_slice(&(FIELD_BYTES as u32).to_le_bytes());
        head.extend_from_slice(&modulus);
    }
    for size in [circuit.wires, circuit.public_signals, domain] {
        head.extend_from_slice(&(size as u32).to_le_bytes());
    }
    put_g1(&key.vk.alpha1, &mut head);
    put_g1(&key.vk.beta1, &mut head);
    put_g2(&key.vk.beta2, &mut head);
    put_g2(&key.vk.gamma2, &mut head);
    put_g1(&key.vk.delta1, &mut head);
    put_g2(&key.vk.delta2, &mut head);
    out.section(2, &head)?;
    out.section(4, &coefficients(circuit))?;
    out.section(3, &points(&key.vk.ic, G1_BYTES, put_g1))?;
    out.section(9, &points(&key.h, G1_BYTES, put_g1))?;
    out.section(8, &points(&key.c, G1_BYTES, put_g1))?;
    out.section(5, &points(&key.a, G1_BYTES, put_g1))?;
    out.section(6, &points(&key.b1, G1_BYTES, put_g1))?;
    out.section(7, &points(&key.b2, G2_BYTES, put_g2))?;
    out.section(10, &key.contributions)?;
    out.finish()
}

fn points<P>(points: &[P], size: usize, put: fn(&P, &mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(points.len() * size);
    points.iter().for_each(|point| put(point, &mut bytes));
    bytes
}

/// Section 4: the terms of A and B row by row, then one row `z * 0 = 0` for the constant and for every public signal, so
/// that an unused public signal cannot be changed freely.
fn coefficients(circuit: &R1cs) -> Vec<u8> {
    let [a, b, _] = &circuit.matrices;
    let count = a.len() + b.len() + circuit.public_signals + 1;
    let mut bytes = Vec::with_capacity(4 + count * TERM_BYTES);
    bytes.extend_from_slice(&(count as u32).to_le_bytes());
    let mut cache: HashMap<BigInt<4>, Vec<u8>> = HashMap::new();
    let mut put = |matrix: u32, row: usize, wire: usize, value: &Fr| {
        for number in [matrix, row as u32, wire as u32] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let encoded = cache.entry(value.0).or_insert_with(|| {
            let mut encoded = Vec::with_capacity(FIELD_BYTES);
            put_coefficient(value, &mut encoded);
            encoded
        });
        bytes.extend_from_slice(encoded);
    };
    let (mut next_a, mut next_b) = (a.iter().peekable(), b.iter().peekable());
    for row in 0..circuit.rows {
        while let Some(Term { wire, value, .. }) = next_a.next_if(|term| term.row as usize == row) {
            put(0, row, *wire as usize, value);
        }
        while let Some(Term { wire, value, .. }) = next_b.next_if(|term| term.row as usize == row) {
            put(1, row, *wire as usize, value);
        }
    }
    let one = Fr::from(1u8);
    for signal in 0..=circuit.public_signals {
        put(0, circuit.rows + signal, signal, &one);
    }
    bytes
}
