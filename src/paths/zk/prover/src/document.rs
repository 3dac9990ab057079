//! The JSON forms of snarkjs: proofs, public signals and verification keys, numbers as decimal strings.

use std::str::FromStr;

use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ec::pairing::Pairing;
use ark_ff::PrimeField;
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::prepare::Contributed;
use crate::prove::Proof;
use crate::zkey::VerifyingKey;

/// The form of a point of G1.
pub fn g1(point: &G1Affine) -> Value {
    match point.xy() {
        None => json!(["0", "1", "0"]),
        Some((x, y)) => json!([x.to_string(), y.to_string(), "1"]),
    }
}

fn fq2(value: &Fq2) -> Value {
    json!([value.c0.to_string(), value.c1.to_string()])
}

/// The form of a point of G2.
pub fn g2(point: &G2Affine) -> Value {
    match point.xy() {
        None => json!([["0", "0"], ["1", "0"], ["0", "0"]]),
        Some((x, y)) => json!([fq2(&x), fq2(&y), ["1", "0"]]),
    }
}

/// What a contribution did, for its transcript.
pub fn contributed_document(done: &Contributed) -> Value {
    json!({
        "delta1": g1(&done.delta1), "delta2": g2(&done.delta2),
        "proof": { "commitment": g1(&done.commitment), "response": done.response.to_string() },
    })
}

/// `proof.json`.
pub fn proof_document(proof: &Proof) -> Value {
    json!({
        "pi_a": g1(&proof.a), "pi_b": g2(&proof.b), "pi_c": g1(&proof.c),
        "protocol": "groth16", "curve": "bn128",
    })
}

/// `public.json`.
pub fn signals_document(proof: &Proof) -> Value {
    proof.public_signals.iter().map(Fr::to_string).collect()
}

/// `verification_key.json`, with the pairing of alpha and beta as snarkjs writes it.
pub fn key_document(key: &VerifyingKey) -> Value {
    let pairing = Bn254::pairing(key.alpha1, key.beta2).0;
    let half = |value: &ark_bn254::Fq6| json!([fq2(&value.c0), fq2(&value.c1), fq2(&value.c2)]);
    json!({
        "protocol": "groth16", "curve": "bn128", "nPublic": key.ic.len() - 1,
        "vk_alpha_1": g1(&key.alpha1), "vk_beta_2": g2(&key.beta2), "vk_gamma_2": g2(&key.gamma2),
        "vk_delta_2": g2(&key.delta2), "vk_alphabeta_12": [half(&pairing.c0), half(&pairing.c1)],
        "IC": key.ic.iter().map(g1).collect::<Value>(),
    })
}

/// A decimal number in its only spelling, below the order of its field.
fn number<F: PrimeField + FromStr>(value: &Value) -> Outcome<F> {
    let text = value.as_str().filter(|text| text.len() <= 78);
    let parsed = text.and_then(|text| F::from_str(text).ok().filter(|number| number.to_string() == text));
    parsed.ok_or_else(|| Failure::proof("expected a decimal number below the field order"))
}

fn items<const N: usize>(value: &Value) -> Outcome<&[Value; N]> {
    let list = value.as_array().and_then(|list| <&[Value; N]>::try_from(list.as_slice()).ok());
    list.ok_or_else(|| Failure::proof(format!("expected an array of {N}")))
}

fn parse_g1(value: &Value) -> Outcome<G1Affine> {
    let [x, y, z] = items(value)?;
    let point = G1Affine::new_unchecked(number::<Fq>(x)?, number(y)?);
    if z != "1" || !point.is_on_curve() {
        return Err(Failure::proof("expected an affine point of G1"));
    }
    Ok(point)
}

fn parse_fq2(value: &Value) -> Outcome<Fq2> {
    let [c0, c1] = items(value)?;
    Ok(Fq2::new(number(c0)?, number(c1)?))
}

fn parse_g2(value: &Value) -> Outcome<G2Affine> {
    let [x, y, z] = items(value)?;
    let point = G2Affine::new_unchecked(parse_fq2(x)?, parse_fq2(y)?);
    if *z != json!(["1", "0"]) || !point.is_on_curve() {
        return Err(Failure::proof("expected an affine point of G2"));
    }
    Ok(point)
}

/// A proof from `proof.json` and `public.json`.
pub fn parse_proof(proof: &Value, signals: &Value) -> Outcome<Proof> {
    if proof["protocol"] != "groth16" || proof["curve"] != "bn128" {
        return Err(Failure::proof("expected a Groth16 proof on bn128"));
    }
    let list = signals.as_array().ok_or_else(|| Failure::proof("expected an array of public signals"))?;
    Ok(Proof {
        a: parse_g1(&proof["pi_a"])?,
        b: parse_g2(&proof["pi_b"])?,
        c: parse_g1(&proof["pi_c"])?,
        public_signals: list.iter().map(number).collect::<Outcome<_>>()?,
    })
}

/// A verification key; refused as `VerifyingKey::check` refuses it, less what needs the G1 twins.
pub fn parse_key(value: &Value) -> Outcome<VerifyingKey> {
    let ic = value["IC"].as_array().filter(|ic| ic.len() <= 1 << 16).ok_or_else(|| Failure::key("IC is missing"))?;
    let ic = ic.iter().map(parse_g1).collect::<Outcome<Vec<_>>>()?;
    if ic.is_empty() || value["nPublic"].as_u64() != Some(ic.len() as u64 - 1) {
        return Err(Failure::key("IC does not fit the number of public signals"));
    }
    let key = VerifyingKey {
        alpha1: parse_g1(&value["vk_alpha_1"])?,
        beta1: G1Affine::zero(),
        beta2: parse_g2(&value["vk_beta_2"])?,
        gamma2: parse_g2(&value["vk_gamma_2"])?,
        delta1: G1Affine::zero(),
        delta2: parse_g2(&value["vk_delta_2"])?,
        ic,
    };
    if key.delta2 == key.gamma2 || key.delta2 == G2Affine::generator() {
        return Err(Failure::key("the key has no second phase: delta was never contributed to"));
    }
    if [key.beta2, key.gamma2, key.delta2].iter().any(|point| !point.is_in_correct_subgroup_assuming_on_curve()) {
        return Err(Failure::key("a point of the key is outside its subgroup"));
    }
    Ok(key)
}
