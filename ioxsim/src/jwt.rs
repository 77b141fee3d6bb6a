//! The controller's tokens: JWTs signed with ES256 by a key of its own.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    Access,
    Refresh,
}

/// The claims of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    /// The session that it belongs to.
    pub(crate) session: u64,
    /// Unique for each token.
    pub(crate) jti: u64,
    #[serde(rename = "use")]
    pub(crate) purpose: Purpose,
    /// Seconds since the epoch.
    pub(crate) iat: u64,
    pub(crate) exp: u64,
}

/// Signs tokens, and verifies those that it signed.
pub(crate) struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Signer {
    /// Creates a signer with a new key; `None` if the system provides no randomness.
    pub(crate) fn generate() -> Option<Self> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).ok()?;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).ok()?;
        Some(Self { key, random })
    }

    pub(crate) fn sign(&self, claims: &Claims) -> Option<String> {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","typ":"JWT"}"#);
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).ok()?);
        let message = format!("{header}.{claims}");
        let signature = self.key.sign(&self.random, message.as_bytes()).ok()?;
        Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Returns the claims of a token that this key has signed and that has not expired.
    pub(crate) fn verify(&self, token: &str, utc: SystemTime) -> Option<Claims> {
        let (message, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key());
        key.verify(message.as_bytes(), &signature).ok()?;
        let (_, claims) = message.split_once('.')?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        (seconds(utc) < claims.exp).then_some(claims)
    }
}

/// Seconds since the epoch.
pub(crate) fn seconds(utc: SystemTime) -> u64 {
    utc.duration_since(SystemTime::UNIX_EPOCH)
        .as_ref()
        .map_or(0, Duration::as_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims {
            sub: "user@example.test".into(),
            session: 1,
            jti: 7,
            purpose: Purpose::Access,
            iat: 1000,
            exp: 1300,
        }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_token_is_valid_until_it_expires_and_only_for_its_own_key() {
        let signer = Signer::generate().unwrap();
        let token = signer.sign(&claims()).unwrap();
        assert_eq!(token.split('.').count(), 3);
        assert_eq!(signer.verify(&token, at(1299)), Some(claims()));
        assert_eq!(signer.verify(&token, at(1300)), None);
        assert_eq!(Signer::generate().unwrap().verify(&token, at(1000)), None);
    }

    #[test]
    fn a_token_that_was_tampered_with_is_refused() {
        let signer = Signer::generate().unwrap();
        let token = signer.sign(&claims()).unwrap();
        for index in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(bytes).unwrap();
            // The last character of a part has unused bits.
            if text != token && index + 1 != token.len() {
                assert_eq!(signer.verify(&text, at(1000)), None, "{index}");
            }
        }
        for text in ["", ".", "..", "a.b.c", "opaque"] {
            assert_eq!(signer.verify(text, at(1000)), None);
        }
    }
}
