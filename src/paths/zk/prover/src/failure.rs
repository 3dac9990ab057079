//! The one error of this program: a code that a supervising process can act on, and one line for people.

use std::fmt;

/// Why a command did not do what was asked. `code` is stable; `message` names no witness value.
#[derive(Debug)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
}

pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A file that is not of the documented form.
    pub fn format(message: impl Into<String>) -> Self {
        Self { code: "FORMAT_INVALID", message: message.into() }
    }

    /// A key that must not be used: truncated, foreign, or without a second phase.
    pub fn key(message: impl Into<String>) -> Self {
        Self { code: "ZK_KEY_INVALID", message: message.into() }
    }

    /// Powers of tau, a key or a contribution that the setup's rules refuse.
    pub fn setup(message: impl Into<String>) -> Self {
        Self { code: "ZK_SETUP_INVALID", message: message.into() }
    }

    /// A witness that does not belong to the key's circuit or does not satisfy it.
    pub fn witness(message: impl Into<String>) -> Self {
        Self { code: "ZK_WITNESS_INVALID", message: message.into() }
    }

    /// A proof that does not verify, or is malformed.
    pub fn proof(message: impl Into<String>) -> Self {
        Self { code: "ZK_PROOF_INVALID", message: message.into() }
    }

    /// A command line or request that asks for nothing this program does.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: "USAGE", message: message.into() }
    }

    /// Something inside that must not happen; the caller may retry in a fresh process.
    pub fn internal(message: impl Into<String>) -> Self {
        Self { code: "INTERNAL", message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self { code: "IO", message: error.to_string() }
    }
}
