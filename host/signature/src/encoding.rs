//! Base64 as RFC 4648 has it, with padding, as the PEM of keys and other tools write it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Writes bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads exactly `N` bytes.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() > N * 2 {
        return None;
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}
