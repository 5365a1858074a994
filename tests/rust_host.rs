//! A host that is written in Rust and links the library: its own panics and its own runtime are left alone.

use entra_sspr as _;
use std::ffi::{CStr, c_char};
use std::panic;
use std::ptr::null_mut;
use std::sync::Mutex;

unsafe extern "C" {
    fn sspr_snapshot_load(request_json: *const c_char, out_task: *mut u64, out_error: *mut *mut c_char) -> i32;
    fn sspr_task_next(task: u64, timeout_ms: u32, out_event: *mut *mut c_char, out_error: *mut *mut c_char) -> i32;
    fn sspr_task_close(task: u64, out_error: *mut *mut c_char) -> i32;
}

fn load(request: &CStr) -> i32 {
    let (mut task, mut event) = (0, null_mut());
    // SAFETY: the pointers are valid for the calls.
    unsafe {
        assert_eq!(sspr_snapshot_load(request.as_ptr(), &raw mut task, null_mut()), 0);
        let status = sspr_task_next(task, 60_000, &raw mut event, null_mut());
        assert!(event.is_null());
        assert_eq!(sspr_task_close(task, null_mut()), 0);
        status
    }
}

/// One test, for a process has one panic hook.
#[test]
fn a_rust_host_keeps_its_panics_and_its_runtime() {
    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let panicking = |thread: &str| {
        let thread = std::thread::Builder::new().name(thread.into());
        assert!(thread.spawn(|| panic!("the host's own")).unwrap().join().is_err());
    };
    panic::set_hook(Box::new(|info| SEEN.lock().unwrap().push(info.to_string())));
    panicking("before");

    // A call from a thread of the host's tokio runtime, and from one that unwinds.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { assert_eq!(load(c"{\"path\":\"/nonexistent/x\"}"), 502) });
    struct Caller;
    impl Drop for Caller {
        fn drop(&mut self) {
            assert_eq!(load(c"{\"path\":\"/nonexistent/x\"}"), 502);
        }
    }
    let unwound = panic::catch_unwind(|| {
        let _caller = Caller;
        panic!("the host's own");
    });
    assert!(unwound.is_err());

    panicking("after");
    panicking("entra-sspr");
    let seen = SEEN.lock().unwrap();
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(seen.iter().all(|text| text.contains("the host's own")), "{seen:?}");
    drop(seen);
    drop(panic::take_hook());
}
