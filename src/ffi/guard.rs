//! What every exported function runs in: nothing but a status and an error document comes out.

use super::text;
use crate::error::Result;
use crate::panics;
use crate::status::Status;
use std::ffi::c_char;

/// Runs guarded code; an error or a panic becomes a status and an error document.
///
/// # Safety
/// `out_error` is NULL or valid for a write.
pub(super) unsafe fn call(out_error: *mut *mut c_char, body: impl FnOnce() -> Result<Status>) -> i32 {
    if !out_error.is_null() {
        // SAFETY: not NULL, and the caller promises that it is valid.
        unsafe { out_error.write(std::ptr::null_mut()) };
    }
    let guarded = || {
        panics::fault("call");
        body()
    };
    let error = match panics::caught(guarded).flatten() {
        Ok(status) => return status.code(),
        Err(error) => error,
    };
    if !out_error.is_null() {
        let document = panics::caught(|| text::give(error.to_json())).unwrap_or(std::ptr::null_mut());
        // SAFETY: as above.
        unsafe { out_error.write(document) };
    }
    error.status.code()
}

/// What an output holds until there is something to hand out.
pub(super) trait Output: Copy {
    const NOTHING: Self;
}

impl Output for u64 {
    const NOTHING: Self = 0;
}

impl Output for *mut c_char {
    const NOTHING: Self = std::ptr::null_mut();
}

/// The same for a function with an output: emptied on entry, written on success.
///
/// # Safety
/// `out` and `out_error` are NULL or valid for a write.
pub(super) unsafe fn output<T: Output>(
    out: *mut T,
    name: &str,
    out_error: *mut *mut c_char,
    body: impl FnOnce() -> Result<(Status, T)>,
) -> i32 {
    if !out.is_null() {
        // SAFETY: not NULL, and the caller promises that it is valid.
        unsafe { out.write(T::NOTHING) };
    }
    let body = || {
        if out.is_null() {
            return Err(text::null(name));
        }
        let (status, value) = body()?;
        // SAFETY: not NULL, and the caller promises that it is valid.
        unsafe { out.write(value) };
        Ok(status)
    };
    // SAFETY: the caller's promise.
    unsafe { call(out_error, body) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::ffi::text::sspr_string_free;
    use std::ffi::CStr;
    use std::ptr::null_mut;

    /// What a guarded body comes to: status, output, the error's name.
    fn run(body: impl FnOnce() -> Result<(Status, u64)>) -> (i32, u64, Option<String>) {
        let (mut out, mut error) = (77, null_mut());
        // SAFETY: the pointers are valid, and the document is given back once.
        unsafe {
            let status = output(&raw mut out, "out", &raw mut error, body);
            let name = (!error.is_null()).then(|| {
                let document: serde_json::Value = serde_json::from_slice(CStr::from_ptr(error).to_bytes()).unwrap();
                assert_eq!(document["code"], status);
                document["message"].as_str().unwrap().to_string()
            });
            sspr_string_free(error);
            (status, out, name)
        }
    }

    #[test]
    fn outputs_are_written_on_success_only() {
        assert_eq!(run(|| Ok((Status::Ok, 7))), (0, 7, None));
        assert_eq!(run(|| Ok((Status::Pending, 0))), (1, 0, None));
        let refused = || Err(Error::new(Status::HandleInvalid, "no"));
        assert_eq!(run(refused), (104, 0, Some("no".into())));
        let (status, out, message) = run(|| panic!("canary"));
        assert_eq!((status, out), (900, 0));
        let message = message.unwrap();
        assert!(message.contains("guard.rs:") && message.contains("canary"), "{message}");
    }

    #[test]
    fn no_output_and_no_error_pointer_do_no_harm() {
        // SAFETY: NULL is allowed.
        unsafe {
            let mut begun = false;
            let body = || {
                begun = true;
                Ok((Status::Ok, 7u64))
            };
            assert_eq!(output(null_mut(), "out", null_mut(), body), 101);
            assert!(!begun, "nothing is done when its outcome could not be told");
            assert_eq!(call(null_mut(), || panic!("canary")), 900);
        }
    }
}
