//! The bucket sums beside the library's, over scalars of every kind.

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, CurveGroup, PrimeGroup};
use ark_ff::{BigInt, Field, PrimeField, Zero};
use triseal_prover::msm::sum;

/// Numbers that follow from a seed: a linear congruence, of which the upper bits are taken.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }

    fn scalar(&mut self) -> Fr {
        Fr::from(self.next()) * Fr::from(self.next()).square() * Fr::from(self.next()).square() + Fr::from(self.next())
    }

    /// Zero, bits, small ones of either sign, halves of windows, and any.
    fn mixed(&mut self) -> Fr {
        let small = Fr::from(self.next() % 1000);
        match self.next() % 8 {
            0 => Fr::zero(),
            1 | 2 => Fr::from(1u8),
            3 => small,
            4 => -small,
            5 => Fr::from(2u8).pow([self.next() % 254]),
            6 => -Fr::from(2u8).pow([self.next() % 254]),
            _ => self.scalar(),
        }
    }
}

fn plain(scalars: &[Fr]) -> Vec<BigInt<4>> {
    scalars.iter().map(|scalar| scalar.into_bigint()).collect()
}

fn naive<G: CurveGroup<ScalarField = Fr>>(points: &[G::Affine], scalars: &[Fr]) -> G {
    points.iter().zip(scalars).map(|(point, scalar)| *point * scalar).sum()
}

fn check<G, F>(generator: G, sum: F)
where
    G: CurveGroup<ScalarField = Fr>,
    F: Fn(&[G::Affine], &[BigInt<4>]) -> G,
{
    let mut dice = Dice(7);
    for count in [0, 1, 2, 3, 40, 300] {
        let points: Vec<G::Affine> = (0..count).map(|_| (generator * dice.scalar()).into_affine()).collect();
        let mixed: Vec<Fr> = (0..count).map(|_| dice.mixed()).collect();
        assert_eq!(sum(&points, &plain(&mixed)), naive::<G>(&points, &mixed), "mixed, {count}");
        let any: Vec<Fr> = (0..count).map(|_| dice.scalar()).collect();
        assert_eq!(sum(&points, &plain(&any)), naive::<G>(&points, &any), "any, {count}");
    }
}

#[test]
fn sums_are_those_of_the_group() {
    check(G1Projective::generator(), |points: &[G1Affine], scalars| sum(points, scalars));
    check(G2Projective::generator(), |points: &[G2Affine], scalars| sum(points, scalars));
}

#[test]
fn equal_opposite_and_zero_points_are_added_like_others() {
    let g = G1Affine::generator();
    let twice = (g + g).into_affine();
    let points = [g, g, -g, g, G1Affine::zero(), twice, -twice, g, -g, -g, twice, G1Affine::zero(), g];
    let (one, two) = (Fr::from(1u8), Fr::from(2u8));
    for scalars in [vec![one; 13], vec![-one; 13], vec![two; 13], vec![-Fr::from(3u8) / two; 13]] {
        assert_eq!(sum(&points, &plain(&scalars)), naive::<G1Projective>(&points, &scalars));
    }
    let digits: Vec<Fr> = [1i64, -1, 1, 2, 5, -1, -1, 32, -32, 33, -31, 1, 64].map(Fr::from).to_vec();
    assert_eq!(sum(&points, &plain(&digits)), naive::<G1Projective>(&points, &digits));
}

#[test]
fn the_ends_of_the_range_and_every_carry_are_right() {
    let largest = -Fr::from(1u8);
    let half = largest / Fr::from(2u8);
    // Digits of exactly half a window, one after the other, with and without a carry from below.
    let halves = |lowest: u8| (0..40).fold(Fr::from(lowest), |sum, at| sum + Fr::from(2u8).pow([6 * at + 5]));
    let scalars = [largest, half, half + Fr::from(1u8), halves(0), halves(1), halves(63), -halves(1), Fr::zero()];
    let points: Vec<G1Affine> = (1..=8u8).map(|at| (G1Projective::generator() * Fr::from(at)).into_affine()).collect();
    assert_eq!(sum(&points, &plain(&scalars)), naive::<G1Projective>(&points, &scalars));
}
