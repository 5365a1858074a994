//! Windows: a file's access list, and service records of DNS.

use std::ffi::c_void;
use std::fs::File;
use std::io::{Error, Result};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr::null_mut;
use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE, HANDLE, INVALID_HANDLE_VALUE, LocalFree};
use windows_sys::Win32::NetworkManagement::Dns::{
    DNS_QUERY_STANDARD, DNS_RECORDW, DNS_TYPE_SRV, DnsFree, DnsFreeRecordList, DnsQuery_W,
};
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

/// Nothing: NTFS notes a new file in its own journal, in the order of what is flushed.
#[expect(clippy::unnecessary_wraps, reason = "Unix's may fail")]
pub fn sync_folder(_file: &Path) -> Result<()> {
    Ok(())
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

/// Looks up the service records of a name as Windows does: by the servers, the cache and the rules that this machine has.
pub fn service_records(name: String) -> Option<super::Lookup> {
    Some(Box::new(move || look_up(&name)))
}

/// Windows asks them itself.
pub fn name_servers() -> Vec<std::net::IpAddr> {
    Vec::new()
}

fn look_up(name: &str) -> Result<Vec<(u16, u16, String)>> {
    let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
    let mut records = null_mut();
    // SAFETY: the name is terminated; the one output is valid; what is reserved is NULL.
    let status = unsafe {
        DnsQuery_W(
            wide.as_ptr(),
            DNS_TYPE_SRV,
            DNS_QUERY_STANDARD,
            null_mut(),
            &raw mut records,
            null_mut(),
        )
    };
    if status != 0 {
        // 9003 and 9501: no such name, no such record.
        return Err(match status {
            9003 | 9501 => Error::new(std::io::ErrorKind::NotFound, "there is no such record"),
            other => Error::from_raw_os_error(other as i32),
        });
    }
    let mut found = Vec::new();
    let mut next: *const DNS_RECORDW = records.cast();
    while !next.is_null() {
        // SAFETY: a record of the list that Windows gave out, which lives until it is freed below.
        let record = unsafe { &*next };
        if record.wType == DNS_TYPE_SRV {
            // SAFETY: a record of this type holds this part.
            let service = unsafe { record.Data.SRV };
            // SAFETY: Windows's names are terminated.
            found.push((service.wPriority, service.wWeight, unsafe { text(service.pNameTarget) }));
        }
        next = record.pNext;
    }
    // SAFETY: the list that Windows gave out, freed once, as its documentation says.
    unsafe { DnsFree(records.cast(), DnsFreeRecordList) };
    Ok(found)
}

/// A text of Windows.
///
/// # Safety
/// It is NULL or terminated.
unsafe fn text(start: *const u16) -> String {
    if start.is_null() {
        return String::new();
    }
    // SAFETY: by the caller's promise there is an end, and nothing is read behind it.
    let length = (0..).take_while(|at| unsafe { *start.add(*at) } != 0).count();
    // SAFETY: so many were just read.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(start, length) })
}
