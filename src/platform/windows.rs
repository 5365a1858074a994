//! Windows: a file's access list.

use std::ffi::c_void;
use std::fs::File;
use std::io::{Error, Result};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr::null_mut;
use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE, HANDLE, INVALID_HANDLE_VALUE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{GetTokenInformation, SECURITY_ATTRIBUTES, TOKEN_QUERY, TOKEN_USER, TokenUser};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, CreateFileW, FILE_ATTRIBUTE_NORMAL, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// Memory that Windows allocated for us.
struct Local(*mut c_void);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: Windows gave it out to be freed so, and it is freed once; NULL is allowed.
        unsafe { LocalFree(self.0) };
    }
}

/// Makes a new file that only its owner may open: its access list names this process's user and nobody else, and
/// inherits nothing from the folder. The user is its owner too, not the group of administrators as in an elevated
/// process otherwise, so that the same user may read it without elevation.
pub fn create_private(path: &Path) -> Result<File> {
    let user = user()?;
    let list = wide(format!("O:{user}D:P(A;;FA;;;{user})").encode_utf16());
    let mut descriptor = Local(null_mut());
    // SAFETY: the text is terminated, the output is valid, and its length is not asked for.
    let made = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            list.as_ptr(),
            SDDL_REVISION_1,
            &raw mut descriptor.0,
            null_mut(),
        )
    };
    if made == 0 {
        return Err(Error::last_os_error());
    }
    let attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: 0,
    };
    // In the form that has no limit of length, where Windows knows it.
    let whole = match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => std::fs::canonicalize(folder).map(|folder| folder.join(name)).ok(),
        _ => None,
    };
    let name = wide(whole.as_deref().unwrap_or(path).as_os_str().encode_wide());
    // SAFETY: the name is terminated; attributes and descriptor outlive the call.
    let handle = unsafe {
        CreateFileW(
            name.as_ptr(),
            GENERIC_READ | GENERIC_WRITE,
            // As Rust's own files: it is renamed while it is open.
            FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
            &raw const attributes,
            CREATE_NEW,
            FILE_ATTRIBUTE_NORMAL,
            null_mut(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(Error::last_os_error());
    }
    // SAFETY: an open file's handle that nobody else has.
    Ok(unsafe { File::from_raw_handle(handle) })
}

/// The process's user, as access lists write it.
fn user() -> Result<String> {
    let mut token: HANDLE = null_mut();
    // SAFETY: the process's own pseudo handle, and a valid output.
    if unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) } == 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: an open handle that nobody else has.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    // Longer than the structure with the longest id there is, and aligned for it.
    let mut buffer = [0u64; 32];
    let mut used = 0;
    // SAFETY: the buffer is valid for the length that is told.
    let read = unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            TokenUser,
            buffer.as_mut_ptr().cast(),
            size_of_val(&buffer) as u32,
            &raw mut used,
        )
    };
    if read == 0 {
        return Err(Error::last_os_error());
    }
    let mut text = null_mut();
    // SAFETY: Windows filled the buffer with this structure, whose id points into it; the output is valid.
    let told = unsafe {
        let user = buffer.as_ptr().cast::<TOKEN_USER>();
        ConvertSidToStringSidW((*user).User.Sid, &raw mut text)
    };
    if told == 0 {
        return Err(Error::last_os_error());
    }
    let _text = Local(text.cast());
    // SAFETY: a text that Windows terminated, and that lives until the end of this function.
    let letters = unsafe {
        let length = (0..).take_while(|at| *text.add(*at) != 0).count();
        std::slice::from_raw_parts(text, length)
    };
    Ok(String::from_utf16_lossy(letters))
}

/// A text as Windows takes it.
fn wide(text: impl Iterator<Item = u16>) -> Vec<u16> {
    text.chain([0]).collect()
}
