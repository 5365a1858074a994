//! Text over the C boundary: NUL-terminated UTF-8 in, one owned kind of string out.

use crate::error::{Error, Result};
use crate::status::Status;
use std::ffi::{CStr, CString, c_char};

/// Reads a caller's text.
///
/// # Safety
/// `pointer` is NULL or points to a NUL-terminated text that lives as long as the call.
pub(super) unsafe fn take<'a>(pointer: *const c_char, name: &str) -> Result<&'a str> {
    if pointer.is_null() {
        return Err(null(name));
    }
    // SAFETY: not NULL, and the caller promises a terminated text.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str()
        .map_err(|_| Error::new(Status::ArgumentUtf8, format!("{name} is not UTF-8")).target(name))
}

/// A pointer that must not be NULL.
pub(super) fn null(name: &str) -> Error {
    Error::new(Status::ArgumentNull, format!("{name} is NULL")).target(name)
}

/// Hands a text to the caller, who gives it back to `sspr_string_free`.
pub(super) fn give(text: String) -> *mut c_char {
    // Our JSON escapes NUL, so that none is inside; if there were one, it would be left out, not cut at.
    let text = CString::new(text).unwrap_or_else(|error| {
        let bytes: Vec<u8> = error.into_vec().into_iter().filter(|byte| *byte != 0).collect();
        CString::new(bytes).unwrap_or_default()
    });
    text.into_raw()
}

/// Gives back a text that this library handed out.
///
/// `text` is what an `out_...` parameter of type `char **` received, or NULL (nothing happens). It must not be used
/// afterwards, nor given back twice. Any thread may call it.
///
/// # Safety
/// `text` came from this library and was not given back before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sspr_string_free(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: it came from `CString::into_raw`, by the caller's promise.
        drop(unsafe { CString::from_raw(text) });
    }
}

/// The version of the interface that this header is of.
pub const SSPR_ABI_VERSION: u32 = 1;

/// The version of this interface, as the library has it: compare it with SSPR_ABI_VERSION after loading. It changes when
/// a function's signature or meaning does. Any thread may call it.
#[unsafe(no_mangle)]
pub extern "C" fn sspr_abi_version() -> u32 {
    SSPR_ABI_VERSION
}

/// The library's version, such as "0.1.0". A static text: do not free it. Any thread may call it.
#[unsafe(no_mangle)]
pub extern "C" fn sspr_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_or_refused() {
        // SAFETY: NULL, or terminated texts that live on.
        unsafe {
            assert_eq!(take(c"a\u{e4}".as_ptr(), "x").unwrap(), "a\u{e4}");
            let error = take(std::ptr::null(), "x").unwrap_err();
            assert_eq!(
                (error.status, error.target.as_deref()),
                (Status::ArgumentNull, Some("x"))
            );
            assert_eq!(take(c"\xff".as_ptr(), "x").unwrap_err().status, Status::ArgumentUtf8);
        }
    }

    #[test]
    fn a_text_goes_out_whole_and_comes_back() {
        for (given, got) in [("", c""), ("text", c"text"), ("with\0in", c"within")] {
            let pointer = give(given.into());
            // SAFETY: it was just handed out, and is given back once.
            unsafe {
                assert_eq!(CStr::from_ptr(pointer), got);
                sspr_string_free(pointer);
            }
        }
        // SAFETY: NULL is allowed.
        unsafe { sspr_string_free(std::ptr::null_mut()) };
        // SAFETY: it is static and terminated.
        let version = unsafe { CStr::from_ptr(sspr_version()) };
        assert_eq!(version.to_str().unwrap(), env!("CARGO_PKG_VERSION"));
    }
}
