//! Passwords for disposable users, from the system's random source.

use crate::error::{Error, Result};
use crate::status::Status;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// As long as they are where no policy asks for more.
const USUAL: usize = 24;
/// The longest that a controller takes.
const LONGEST: usize = 256;
/// The kinds of characters of which a complex password has three. None that looks like another.
const KINDS: [&[u8]; 4] = [
    b"ABCDEFGHJKLMNPQRSTUVWXYZ",
    b"abcdefghijkmnopqrstuvwxyz",
    b"23456789",
    b"!#%*+-./:=?@_",
];

/// One that keeps to a policy, by the length that this asks for at the least.
pub fn good(minimum: usize) -> Result<Zeroizing<String>> {
    of_length(minimum.clamp(USUAL, LONGEST))
}

/// One of that length, of all kinds as far as it has the room.
pub fn of_length(length: usize) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(length));
    for at in 0..length {
        let kind = match KINDS.get(at) {
            Some(kind) => kind,
            None => KINDS[below(KINDS.len())?],
        };
        text.push(char::from(kind[below(kind.len())?]));
    }
    Ok(text)
}

/// Some hexadecimal digits, for a name that nobody else has.
pub fn digits(count: usize) -> Result<String> {
    (0..count)
        .map(|_| below(16).map(|digit| char::from(b"0123456789abcdef"[digit])))
        .collect()
}

/// A number below another, each as likely.
fn below(limit: usize) -> Result<usize> {
    let source = SystemRandom::new();
    // What is left over at the top would make some likelier.
    let whole = 256 - 256 % limit;
    loop {
        let mut byte = Zeroizing::new([0]);
        source
            .fill(byte.as_mut())
            .map_err(|_| Error::new(Status::Internal, "the system gives no random numbers"))?;
        let byte = usize::from(byte[0]);
        if byte < whole {
            return Ok(byte % limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_keeps_to_any_policy_and_is_never_the_same() {
        for minimum in [0, 7, 24, 25, 127, 255, 1000] {
            let (one, other) = (good(minimum).unwrap(), good(minimum).unwrap());
            assert_ne!(*one, *other);
            assert!(one.len() >= minimum.min(LONGEST) && (USUAL..=LONGEST).contains(&one.len()));
            for kind in KINDS {
                assert!(one.bytes().any(|byte| kind.contains(&byte)), "{}", one.len());
            }
        }
        assert_eq!(of_length(6).unwrap().len(), 6);
        assert_eq!(of_length(0).unwrap().len(), 0);
        let name = digits(12).unwrap();
        assert!(name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
