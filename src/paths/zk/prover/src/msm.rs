//! Sums `Σ scalar · point` by buckets, in affine coordinates: the points of a bucket are added in pairs, all pairs of a window
//! share one inversion, and an addition then costs six products in place of the ten of projective buckets. Digits are
//! signed, and a scalar above half of the group order is a negative one: most wires of a model are bits or small integers of
//! either sign, which leave all windows but the lowest empty.

use ark_bn254::Fr;
use ark_ec::AffineRepr;
use ark_ec::short_weierstrass::{Affine, Projective, SWCurveConfig};
use ark_ff::{AdditiveGroup, BigInt, BigInteger, Field, PrimeField, Zero};
use rayon::prelude::*;

/// Widest window in bits.
const MAX_WINDOW: usize = 15;

/// `Σ scalars[i] · points[i]`. Scalars are below the group order.
pub fn sum<P: SWCurveConfig>(points: &[Affine<P>], scalars: &[BigInt<4>]) -> Projective<P> {
    let signed: Vec<(BigInt<4>, bool)> = scalars.par_iter().map(signed).collect();
    let large = signed.iter().filter(|(magnitude, _)| magnitude.num_bits() > 32).count();
    let bits = signed.par_iter().map(|(magnitude, _)| magnitude.num_bits()).max().unwrap_or(0) as usize;
    let window = window_for(large);
    // One bit more: the highest digit may carry.
    let windows: Vec<Projective<P>> =
        (0..bits / window + 1).into_par_iter().map(|at| window_sum(points, &signed, at * window, window)).collect();
    windows.iter().rev().fold(Projective::zero(), |mut total, part| {
        for _ in 0..window {
            total.double_in_place();
        }
        total + part
    })
}

/// Bits of a window: additions against the summing up of buckets, which costs about four additions for each.
fn window_for(large: usize) -> usize {
    let bits = (large.max(1).ilog2() as usize).saturating_sub(3);
    bits.clamp(6, MAX_WINDOW)
}

/// Magnitude, and whether the scalar is the negative of it.
fn signed(scalar: &BigInt<4>) -> (BigInt<4>, bool) {
    if *scalar <= Fr::MODULUS_MINUS_ONE_DIV_TWO {
        return (*scalar, false);
    }
    let mut magnitude = Fr::MODULUS;
    magnitude.sub_with_borrow(scalar);
    (magnitude, true)
}

/// The signed digit of `window` bits from `start` on: from -2^(window - 1) + 1 to 2^(window - 1).
fn digit(magnitude: &BigInt<4>, start: usize, window: usize) -> i32 {
    let bits = |from: usize, count: usize| -> u64 {
        let (limb, shift) = (from / 64, from % 64);
        let low = magnitude.0.get(limb).copied().unwrap_or(0) >> shift;
        let high = if shift == 0 { 0 } else { magnitude.0.get(limb + 1).copied().unwrap_or(0) << (64 - shift) };
        (low | high) & ((1 << count) - 1)
    };
    // The digit below carries where the bits below `start`, rounded, reach 2^start: where they are above half of it. Digits of
    // exactly one half do not carry, so the bits further below matter then, down to the first window that decides.
    let half = 1u64 << (window - 1);
    let mut carry = 0;
    let mut below = start;
    while below > 0 {
        below -= window;
        let value = bits(below, window);
        if value != half {
            carry = u64::from(value > half);
            break;
        }
        // Exactly half: it carries only where one comes from below.
    }
    let value = bits(start, window) + carry;
    if value > half { value as i32 - (1 << window) } else { value as i32 }
}

fn window_sum<P: SWCurveConfig>(
    points: &[Affine<P>],
    scalars: &[(BigInt<4>, bool)],
    start: usize,
    window: usize,
) -> Projective<P> {
    let digits: Vec<i32> = scalars
        .iter()
        .map(|(magnitude, negative)| {
            let digit = digit(magnitude, start, window);
            if *negative { -digit } else { digit }
        })
        .collect();
    let mut lengths = vec![0usize; 1 << (window - 1)];
    for digit in digits.iter().filter(|digit| **digit != 0) {
        lengths[digit.unsigned_abs() as usize - 1] += 1;
    }
    let mut sorted = sort_by_bucket(points, &digits, &lengths);
    while lengths.iter().any(|length| *length > 1) {
        halve(&mut sorted, &mut lengths);
    }
    let (mut running, mut total) = (Projective::zero(), Projective::zero());
    let mut end = sorted.len();
    for length in lengths.iter().rev() {
        if *length == 1 {
            end -= 1;
            running += sorted[end];
        }
        total += running;
    }
    total
}

/// The points of each bucket one after the other, negated where the digit is negative. Buckets are one to 2^(window - 1).
fn sort_by_bucket<P: SWCurveConfig>(points: &[Affine<P>], digits: &[i32], lengths: &[usize]) -> Vec<Affine<P>> {
    let mut next: Vec<usize> = lengths
        .iter()
        .scan(0, |from, length| {
            let start = *from;
            *from += length;
            Some(start)
        })
        .collect();
    let mut sorted = vec![Affine::zero(); lengths.iter().sum()];
    for (point, digit) in points.iter().zip(digits).filter(|(_, digit)| **digit != 0) {
        let place = &mut next[digit.unsigned_abs() as usize - 1];
        sorted[*place] = if *digit < 0 { -*point } else { *point };
        *place += 1;
    }
    sorted
}

/// Adds the points of each bucket in pairs, in place: half of them are left, rounded up.
fn halve<P: SWCurveConfig>(points: &mut Vec<Affine<P>>, lengths: &mut [usize]) {
    let mut slopes = Vec::with_capacity(points.len() / 2);
    let mut from = 0;
    for length in lengths.iter() {
        for pair in points[from..from + length].chunks_exact(2) {
            slopes.push(denominator(&pair[0], &pair[1]));
        }
        from += length;
    }
    invert_all(&mut slopes);
    let mut slopes = slopes.into_iter();
    let (mut from, mut to) = (0, 0);
    for length in lengths.iter_mut() {
        for at in (from..from + *length).step_by(2) {
            let alone = at + 1 == from + *length;
            points[to] = match slopes_of(alone, &mut slopes) {
                None => points[at],
                Some(inverse) => add(&points[at], &points[at + 1], inverse),
            };
            to += 1;
        }
        from += *length;
        *length = length.div_ceil(2);
    }
    points.truncate(to);
}

fn slopes_of<F>(alone: bool, slopes: &mut impl Iterator<Item = F>) -> Option<F> {
    if alone { None } else { slopes.next() }
}

/// What the slope through two points is divided by; one where there is none.
fn denominator<P: SWCurveConfig>(one: &Affine<P>, two: &Affine<P>) -> P::BaseField {
    if one.is_zero() || two.is_zero() {
        return P::BaseField::ONE;
    }
    if one.x != two.x {
        return two.x - one.x;
    }
    if one.y == two.y { one.y.double() } else { P::BaseField::ONE }
}

/// The sum, given the inverse of its denominator. The curve has no point with y = 0.
fn add<P: SWCurveConfig>(one: &Affine<P>, two: &Affine<P>, inverse: P::BaseField) -> Affine<P> {
    if one.is_zero() {
        return *two;
    }
    if two.is_zero() {
        return *one;
    }
    let slope = if one.x != two.x {
        (two.y - one.y) * inverse
    } else if one.y == two.y {
        let square = one.x.square();
        (square.double() + square) * inverse
    } else {
        return Affine::zero();
    };
    let x = slope.square() - one.x - two.x;
    Affine::new_unchecked(x, slope * (one.x - x) - one.y)
}

/// Inverts all by one inversion. None is zero.
fn invert_all<F: Field>(values: &mut [F]) {
    let mut product = F::ONE;
    let before: Vec<F> = values
        .iter()
        .map(|value| {
            let before = product;
            product *= value;
            before
        })
        .collect();
    let mut inverse = product.inverse().unwrap_or(F::ONE);
    for (value, before) in values.iter_mut().zip(before).rev() {
        let next = inverse * *value;
        *value = inverse * before;
        inverse = next;
    }
}
