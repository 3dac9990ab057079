//! A key set of kind `lwe`: made, stored, and expanded for evaluation. SPEC section 9.1.

use tfhe::core_crypto::commons::math::random::{CompressionSeed, Seed};
use tfhe::core_crypto::prelude::*;
use zeroize::Zeroize;

use super::frame::{self, Kind, Reader, Tag};
use super::parameters::{self as p, modulus};
use crate::failure::{Failure, Outcome};

/// Both secret keys; whoever holds them reads every input and output.
pub struct ClientKey {
    pub tag: Tag,
    ring: GlweSecretKeyOwned<u64>,
    small: LweSecretKeyOwned<u64>,
}

/// What evaluates: the seeded form, as it is uploaded and hashed.
pub struct ServerKey {
    pub tag: Tag,
    bootstrap: SeededLweBootstrapKeyOwned<u64>,
    switch: SeededLweKeyswitchKeyOwned<u64>,
}

/// The server key, ready for use.
pub struct EvaluationKey {
    pub tag: Tag,
    pub(super) bootstrap: FourierLweBootstrapKeyOwned,
    pub(super) switch: LweKeyswitchKeyOwned<u64>,
}

fn random<const N: usize>() -> Outcome<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::internal(format!("no randomness: {error}")))?;
    Ok(bytes)
}

/// A public seed for a compressed ciphertext.
pub(super) fn random_seed() -> Outcome<[u8; 16]> {
    random()
}

/// What a stored seed expands to.
pub(super) fn compression(seed: [u8; 16]) -> CompressionSeed {
    Seed(u128::from_le_bytes(seed)).into()
}

fn empty_bootstrap(seed: [u8; 16]) -> SeededLweBootstrapKeyOwned<u64> {
    let (base, levels) = p::BOOTSTRAP;
    SeededLweBootstrapKey::new(
        0,
        GlweSize(2),
        PolynomialSize(p::DEGREE),
        DecompositionBaseLog(base),
        DecompositionLevelCount(levels),
        LweDimension(p::SMALL),
        compression(seed),
        modulus(),
    )
}

fn empty_switch(seed: [u8; 16]) -> SeededLweKeyswitchKeyOwned<u64> {
    let (base, levels) = p::SWITCH;
    SeededLweKeyswitchKey::new(
        0,
        DecompositionBaseLog(base),
        DecompositionLevelCount(levels),
        LweDimension(p::DEGREE),
        LweDimension(p::SMALL),
        compression(seed),
        modulus(),
    )
}

/// A new key set: the client's file and the server's.
///
/// # Errors
/// `INTERNAL` where the operating system gives no randomness.
pub fn generate() -> Outcome<(ClientKey, Vec<u8>)> {
    let tag = random()?;
    let mut seeder = new_seeder();
    let seeder = seeder.as_mut();
    let mut secret = SecretRandomGenerator::<DefaultRandomGenerator>::new(seeder.seed());
    let small = allocate_and_generate_new_binary_lwe_secret_key(LweDimension(p::SMALL), &mut secret);
    let ring =
        allocate_and_generate_new_binary_glwe_secret_key(GlweDimension(1), PolynomialSize(p::DEGREE), &mut secret);
    let client = ClientKey { tag, ring, small };
    let (first, second) = (random()?, random()?);
    let mut bootstrap = empty_bootstrap(first);
    par_generate_seeded_lwe_bootstrap_key(&client.small, &client.ring, &mut bootstrap, p::ring_noise(), seeder);
    let mut switch = empty_switch(second);
    generate_seeded_lwe_keyswitch_key(&client.big(), &client.small, &mut switch, p::small_noise(), seeder);
    let mut bytes = frame::start(Kind::ServerKey, &tag, 8 * (bootstrap.as_ref().len() + switch.as_ref().len()) + 32);
    bytes.extend_from_slice(&first);
    frame::put_words(&mut bytes, bootstrap.as_ref());
    bytes.extend_from_slice(&second);
    frame::put_words(&mut bytes, switch.as_ref());
    Ok((client, bytes))
}

impl ClientKey {
    /// The key of wires: the ring's, read as a vector.
    pub(super) fn big(&self) -> LweSecretKeyOwned<u64> {
        self.ring.clone().into_lwe_secret_key()
    }

    pub(super) fn ring(&self) -> &GlweSecretKeyOwned<u64> {
        &self.ring
    }

    /// The file: one byte for each bit of the small key, then of the ring's.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = frame::start(Kind::ClientKey, &self.tag, p::SMALL + p::DEGREE);
        bytes.extend(self.small.as_ref().iter().chain(self.ring.as_ref()).map(|bit| u8::from(*bit == 1)));
        bytes
    }

    /// # Errors
    /// `FHE_KEY_INVALID` for another length, or a byte that is no bit.
    pub fn parse(bytes: &[u8]) -> Outcome<Self> {
        let (tag, mut reader) = Reader::open(Kind::ClientKey, bytes)?;
        let (small, ring) = (reader.take(p::SMALL)?, reader.take(p::DEGREE)?);
        reader.end()?;
        if small.iter().chain(ring).any(|bit| *bit > 1) {
            return Err(Kind::ClientKey.refuse("a client key has a byte that is no bit"));
        }
        let words = |bits: &[u8]| bits.iter().map(|bit| u64::from(*bit)).collect::<Vec<_>>();
        Ok(Self {
            tag,
            ring: GlweSecretKey::from_container(words(ring), PolynomialSize(p::DEGREE)),
            small: LweSecretKey::from_container(words(small)),
        })
    }
}

impl Drop for ClientKey {
    fn drop(&mut self) {
        self.ring.as_mut().zeroize();
        self.small.as_mut().zeroize();
    }
}

impl ServerKey {
    /// # Errors
    /// `FHE_KEY_INVALID` for another kind of file or another length.
    pub fn parse(bytes: &[u8]) -> Outcome<Self> {
        let (tag, mut reader) = Reader::open(Kind::ServerKey, bytes)?;
        let mut bootstrap = empty_bootstrap(reader.array()?);
        let count = bootstrap.as_ref().len();
        bootstrap.as_mut().copy_from_slice(&reader.words(count)?);
        let mut switch = empty_switch(reader.array()?);
        let count = switch.as_ref().len();
        switch.as_mut().copy_from_slice(&reader.words(count)?);
        reader.end()?;
        Ok(Self { tag, bootstrap, switch })
    }

    /// The key ready for use: about 120 MB of transformed bootstrap key and 60 MB of key-switching key.
    #[must_use]
    pub fn expand(self) -> EvaluationKey {
        let standard = self.bootstrap.par_decompress_into_lwe_bootstrap_key();
        let mut bootstrap = FourierLweBootstrapKey::new(
            standard.input_lwe_dimension(),
            standard.glwe_size(),
            standard.polynomial_size(),
            standard.decomposition_base_log(),
            standard.decomposition_level_count(),
        );
        par_convert_standard_lwe_bootstrap_key_to_fourier(&standard, &mut bootstrap);
        let switch = self.switch.decompress_into_lwe_keyswitch_key();
        EvaluationKey { tag: self.tag, bootstrap, switch }
    }
}

impl EvaluationKey {
    /// Bytes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bootstrap.as_view().data().len() * 16 + self.switch.as_ref().len() * 8
    }
}
