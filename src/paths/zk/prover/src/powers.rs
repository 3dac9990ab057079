//! `.ptau` files: powers of a secret that nobody knows if one contributor of their ceremony was honest.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::codec::{FIELD_BYTES, G1_BYTES, G2_BYTES, base_modulus, read_g1, read_g2};
use crate::container::{Container, u32_at};
use crate::failure::{Failure, Outcome};
use crate::secret::random_scalar;

const MAX_BYTES: u64 = 8 << 30;
const MAX_POWER: u32 = 23;

/// The powers that a key of one domain size needs.
pub struct Powers {
    /// `tau^i` for i below twice the domain, the last of them possibly missing: see `prepare.rs`.
    pub tau1: Vec<G1Affine>,
    pub tau2: Vec<G2Affine>,
    pub alpha_tau1: Vec<G1Affine>,
    pub beta_tau1: Vec<G1Affine>,
    pub beta2: G2Affine,
}

/// SHA-256 of a file, in lower-case hexadecimal.
pub fn sha256_of(path: &Path) -> Outcome<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Powers {
    /// Reads the powers for `domain` from a file with the given SHA-256, and checks that they are powers of one number.
    pub fn open(path: &Path, sha256: &str, domain: usize) -> Outcome<Self> {
        if sha256_of(path)? != sha256 {
            return Err(Failure::setup("the powers of tau are not the file of the given digest"));
        }
        let mut file = Container::open(path, b"ptau", &[1], MAX_BYTES)?;
        let head = file.section_of(1, 4 + FIELD_BYTES + 8)?;
        let power = u32_at(&head, 36);
        if u32_at(&head, 0) != 32 || head[4..36] != base_modulus() || power > MAX_POWER {
            return Err(Failure::format("the powers of tau are not on BN254, or too many"));
        }
        if domain > 1 << power {
            return Err(Failure::setup("the powers of tau are too few for this circuit"));
        }
        let count = (2 * domain).min((2 << power) - 1);
        let g1 = |file: &mut Container<File>, id, count: usize| -> Outcome<Vec<G1Affine>> {
            file.part(id, 0, (count * G1_BYTES) as u64)?.par_chunks_exact(G1_BYTES).map(read_g1).collect()
        };
        let tau2 = file.part(3, 0, (domain * G2_BYTES) as u64)?;
        let powers = Self {
            tau1: g1(&mut file, 2, count)?,
            tau2: tau2.par_chunks_exact(G2_BYTES).map(read_g2).collect::<Outcome<_>>()?,
            alpha_tau1: g1(&mut file, 4, domain)?,
            beta_tau1: g1(&mut file, 5, domain)?,
            beta2: read_g2(&file.section_of(6, G2_BYTES)?)?,
        };
        powers.check()?;
        Ok(powers)
    }

    /// Each list must be a geometric series with the ratio tau: shown for a random combination of all neighbours at once.
    fn check(&self) -> Outcome<()> {
        let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
        let (tau2, subgroup) = (self.tau2[1], self.tau2.par_iter().chain([&self.beta2]));
        if !subgroup.clone().all(G2Affine::is_in_correct_subgroup_assuming_on_curve) || tau2.is_zero() {
            return Err(Failure::setup("a power of tau is outside its subgroup"));
        }
        let same = |a: G1Affine, b: G2Affine, c: G1Affine, d: G2Affine| Bn254::pairing(a, b) == Bn254::pairing(c, d);
        for list in [&self.tau1, &self.alpha_tau1, &self.beta_tau1] {
            let factors = factors(list.len() - 1)?;
            let low = G1Projective::msm_unchecked(list, &factors).into_affine();
            let high = G1Projective::msm_unchecked(&list[1..], &factors).into_affine();
            if !same(high, g2, low, tau2) {
                return Err(Failure::setup("the powers of tau are not powers of one number"));
            }
        }
        let factors = factors(self.tau2.len() - 1)?;
        let low = G2Projective::msm_unchecked(&self.tau2, &factors).into_affine();
        let high = G2Projective::msm_unchecked(&self.tau2[1..], &factors).into_affine();
        let starts = self.tau1[0] == g1 && self.tau2[0] == g2 && !self.alpha_tau1[0].is_zero();
        if !starts || !same(g1, high, self.tau1[1], low) || !same(self.beta_tau1[0], g2, g1, self.beta2) {
            return Err(Failure::setup("the powers of tau differ between the two groups"));
        }
        Ok(())
    }
}

fn factors(count: usize) -> Outcome<Vec<Fr>> {
    (0..count).map(|_| random_scalar()).collect()
}
