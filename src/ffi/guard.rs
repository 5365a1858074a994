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
