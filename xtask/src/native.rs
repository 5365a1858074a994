//! The library just built, driven through its C interface as any other program would do it.

use anyhow::{Context, Result, bail};
use libloading::{Library, Symbol};
use serde_json::{Value, json};
use std::ffi::{CStr, CString, c_char};
use std::path::Path;
use std::ptr;

type Open = unsafe extern "C" fn(*const c_char, *mut u64, *mut *mut c_char) -> i32;
type SetSecret = unsafe extern "C" fn(u64, *const c_char, *const u8, u32, *mut *mut c_char) -> i32;
type Start = unsafe extern "C" fn(u64, *const c_char, *mut u64, *mut *mut c_char) -> i32;
type StartAlone = unsafe extern "C" fn(*const c_char, *mut u64, *mut *mut c_char) -> i32;
type Next = unsafe extern "C" fn(u64, u32, *mut *mut c_char, *mut *mut c_char) -> i32;
type Close = unsafe extern "C" fn(u64, *mut *mut c_char) -> i32;
type Free = unsafe extern "C" fn(*mut c_char);

const PENDING: i32 = 1;
const ENDED: i32 = 2;

/// The loaded library.
pub struct Native(Library);

/// A session in it, closed when dropped.
pub struct Session<'n> {
    native: &'n Native,
    handle: u64,
}

impl Session<'_> {
    /// Signs in as an app with its secret.
    pub fn sign_in(&self, client_id: &str, secret: &str) -> Result<()> {
        self.native.secret(self.handle, "clientSecret", secret.as_bytes())?;
        let request = json!({"method": "clientSecret", "clientId": client_id});
        self.run("sspr_session_sign_in", &request).map(drop)
    }

    /// Connects to a directory with an account's password.
    pub fn connect(&self, request: &Value, password: &str) -> Result<()> {
        self.native
            .secret(self.handle, "directoryPassword", password.as_bytes())?;
        self.run("sspr_directory_connect", request).map(drop)
    }

    /// Its handle, as requests name it.
    pub fn handle(&self) -> String {
        self.handle.to_string()
    }

    /// Starts a task, and waits for its result.
    pub fn run(&self, name: &str, request: &Value) -> Result<Value> {
        let text = CString::new(request.to_string())?;
        let (mut task, mut error) = (0, ptr::null_mut());
        // SAFETY: the type is the header's; the pointers live as long as the call.
        let status = unsafe { self.native.function::<Start>(name)?(self.handle, text.as_ptr(), &mut task, &mut error) };
        self.native.check(name, status, error)?;
        let outcome = self.native.result(name, task);
        self.native.close("sspr_task_close", task)?;
        outcome
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let _ = self.native.close("sspr_session_close", self.handle);
    }
}

impl Native {
    /// Loads the library.
    pub fn load(library: &Path) -> Result<Self> {
        // SAFETY: our own library, just built; loading it runs no code of its own.
        let library = unsafe { Library::new(library) }.with_context(|| library.display().to_string())?;
        Ok(Native(library))
    }

    /// Opens a session.
    pub fn session(&self, config: &Value) -> Result<Session<'_>> {
        let text = CString::new(config.to_string())?;
        let (mut handle, mut error) = (0, ptr::null_mut());
        // SAFETY: the type is the header's; the pointers live as long as the call.
        let status = unsafe { self.function::<Open>("sspr_session_open")?(text.as_ptr(), &mut handle, &mut error) };
        self.check("sspr_session_open", status, error)?;
        Ok(Session { native: self, handle })
    }

    /// Starts a task of no session, and waits for its result.
    pub fn run(&self, name: &str, request: &Value) -> Result<Value> {
        let text = CString::new(request.to_string())?;
        let (mut task, mut error) = (0, ptr::null_mut());
        // SAFETY: the type is the header's; the pointers live as long as the call.
        let status = unsafe { self.function::<StartAlone>(name)?(text.as_ptr(), &mut task, &mut error) };
        self.check(name, status, error)?;
        let outcome = self.result(name, task);
        self.close("sspr_task_close", task)?;
        outcome
    }

    /// A function of the library.
    ///
    /// # Safety
    /// `F` is the function's type, as the header declares it.
    unsafe fn function<F>(&self, name: &str) -> Result<Symbol<'_, F>> {
        // SAFETY: the caller's promise.
        unsafe { self.0.get(name.as_bytes()) }.with_context(|| name.to_string())
    }

    fn take(&self, text: *mut c_char) -> Result<String> {
        if text.is_null() {
            return Ok(String::new());
        }
        // SAFETY: a text that the library handed out: terminated, and ours until it is given back.
        let copy = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        // SAFETY: the type is the header's; the text is given back once.
        unsafe { self.function::<Free>("sspr_string_free")?(text) };
        Ok(copy)
    }

    fn check(&self, what: &str, status: i32, error: *mut c_char) -> Result<()> {
        let error = self.take(error)?;
        if (0..100).contains(&status) {
            return Ok(());
        }
        let document: Value = serde_json::from_str(&error).unwrap_or_default();
        bail!("{what}: {}", document["message"].as_str().unwrap_or("no message"));
    }

    fn secret(&self, session: u64, name: &str, bytes: &[u8]) -> Result<()> {
        let text = CString::new(name)?;
        let length = u32::try_from(bytes.len())?;
        let mut error = ptr::null_mut();
        // SAFETY: the type is the header's; `bytes` is valid for `length` bytes.
        let status = unsafe {
            self.function::<SetSecret>("sspr_session_set_secret")?(
                session,
                text.as_ptr(),
                bytes.as_ptr(),
                length,
                &mut error,
            )
        };
        self.check("sspr_session_set_secret", status, error)
    }

    fn result(&self, name: &str, task: u64) -> Result<Value> {
        let mut result = Value::Null;
        loop {
            let (mut event, mut error) = (ptr::null_mut(), ptr::null_mut());
            // SAFETY: the type is the header's; the pointers live as long as the call.
            let status = unsafe { self.function::<Next>("sspr_task_next")?(task, 1000, &mut event, &mut error) };
            self.check(name, status, error)?;
            match status {
                PENDING => {}
                ENDED => return Ok(result),
                _ => {
                    let mut event: Value = serde_json::from_str(&self.take(event)?)?;
                    if event["event"] == "result" {
                        result = event["result"].take();
                    }
                }
            }
        }
    }

    fn close(&self, name: &str, handle: u64) -> Result<()> {
        let mut error = ptr::null_mut();
        // SAFETY: the type is the header's; the pointers live as long as the call.
        let status = unsafe { self.function::<Close>(name)?(handle, &mut error) };
        self.check(name, status, error)
    }
}
