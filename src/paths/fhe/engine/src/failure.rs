//! The one error of this program: a code that the gateway can act on, and one line for people.

use std::fmt;

/// Why something was not done. `code` is stable; `message` names no key or value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
}

pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A failure with any code. Where a constructor below fits, it is clearer.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A command line that asks for nothing this program does.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new("USAGE", message)
    }

    /// A message that does not keep to the protocol.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::new("FHE_PROTOCOL", message)
    }

    /// A circuit that this engine does not run; nothing of it was run.
    pub fn circuit(message: impl Into<String>) -> Self {
        Self::new("FHE_CIRCUIT_INVALID", message)
    }

    /// A key, or reference string, that is not of the supported form or not what its name says.
    pub fn key(message: impl Into<String>) -> Self {
        Self::new("FHE_KEY_INVALID", message)
    }

    /// A key, or reference string, that is not in the folder of keys.
    pub fn key_unknown(message: impl Into<String>) -> Self {
        Self::new("FHE_KEY_UNKNOWN", message)
    }

    /// Bytes that are not a ciphertext of the supported parameters.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new("FHE_INPUT_MALFORMED", message)
    }

    /// A claim about something that this engine did not do.
    pub fn claim(message: impl Into<String>) -> Self {
        Self::new("FHE_CLAIM_INVALID", message)
    }

    /// A run that was told to end.
    pub fn cancelled() -> Self {
        Self::new("FHE_CANCELLED", "cancelled")
    }

    /// Work that panicked; the engine goes on.
    pub fn panicked() -> Self {
        Self::new("FHE_ENGINE_PANIC", "the engine panicked at this request")
    }

    /// Something inside that must not happen.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("INTERNAL", message)
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
        let code = if error.kind() == std::io::ErrorKind::OutOfMemory { "FHE_ENGINE_MEMORY" } else { "IO" };
        Self::new(code, error.to_string())
    }
}
