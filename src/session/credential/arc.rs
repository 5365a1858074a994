//! Azure Arc's proof: the agent names a file that only privileged accounts can read, and takes its content for a password.

use crate::error::{Error, Result};
use crate::status::Status;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::{Component, Path};
use zeroize::Zeroizing;

/// A key file is longer than this only if it is none.
const MAX_KEY: u64 = 4096;

/// The file that a challenge names: `Basic realm=<path>`.
pub(super) fn challenged(header: &str) -> Option<&str> {
    let (scheme, rest) = header.trim().split_once(' ')?;
    let (name, path) = rest.trim().split_once('=')?;
    let fits = scheme.eq_ignore_ascii_case("Basic") && name.trim().eq_ignore_ascii_case("realm");
    fits.then(|| path.trim().trim_matches('"'))
}

/// Reads the key. Whoever answers on the agent's port could name any file, so only what lies directly in the agent's own
/// folder, is called a key, is a plain file and is short is read and sent.
pub(super) fn key(path: &str, folder: &Path) -> Result<Zeroizing<String>> {
    let path = Path::new(path);
    let refuse = |why: &str| {
        Error::new(
            Status::IdentityUnavailable,
            format!("Azure Arc's challenge is not answered: the key file {why}"),
        )
        .target(path.display().to_string())
        .help("Check that it is really the Azure Connected Machine agent that answers on this machine.")
    };
    let plain = path.is_absolute()
        && !path
            .components()
            .any(|c| matches!(c, Component::ParentDir | Component::CurDir));
    if !plain {
        return Err(refuse("is not named by a plain path"));
    }
    if path.extension().is_none_or(|e| !e.eq_ignore_ascii_case("key")) {
        return Err(refuse("has not the extension .key"));
    }
    let unreadable = |e: &std::io::Error| {
        let error = refuse("cannot be read").caused_by(e);
        if e.kind() == std::io::ErrorKind::PermissionDenied {
            error.help(
                "Run as an administrator, or as a member of the group 'Hybrid Agent Extension Applications' (on Linux: himds).",
            )
        } else {
            error
        }
    };
    let real = |path: &Path| std::fs::canonicalize(path).map_err(|e| unreadable(&e));
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(refuse("lies in no folder"));
    };
    let folder = real(folder)?;
    if real(parent)? != folder {
        return Err(refuse("does not lie in the agent's own folder"));
    }
    // Opened where it was found to lie, so that no link on the way can be changed in between.
    let file = open(&folder.join(name)).map_err(|e| unreadable(&e))?;
    let about = file.metadata().map_err(|e| unreadable(&e))?;
    if !about.is_file() {
        return Err(refuse("is not a plain file"));
    }
    if about.len() > MAX_KEY {
        return Err(refuse("is longer than 4096 bytes"));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_KEY + 1)
        .read_to_string(&mut text)
        .map_err(|e| unreadable(&e))?;
    if text.len() as u64 > MAX_KEY {
        return Err(refuse("is longer than 4096 bytes"));
    }
    let text = Zeroizing::new(text.trim().to_string());
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err(refuse("holds no key"));
    }
    Ok(text)
}

/// Opens the file itself, never what a link at its place leads to.
#[cfg(unix)]
fn open(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    // Not waiting for the other end where a pipe lies in the file's place.
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

/// Opens the file itself, never what a link at its place leads to.
#[cfg(windows)]
fn open(path: &Path) -> std::io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
    // A link so opened is no plain file, and is refused as such.
    OpenOptions::new()
        .read(true)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_names_a_file() {
        assert_eq!(challenged("Basic realm=/a/b.key"), Some("/a/b.key"));
        assert_eq!(challenged(r#"basic Realm="C:\a b\c.key""#), Some(r"C:\a b\c.key"));
        for bad in ["", "Basic", "Bearer realm=/a.key", "Basic /a.key", "Basic name=/a.key"] {
            assert_eq!(challenged(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_the_documented_kind_of_file_is_read() {
        let root = tempfile::tempdir().unwrap();
        let tokens = root.path().join("tokens");
        let other = root.path().join("other");
        std::fs::create_dir_all(&tokens).unwrap();
        std::fs::create_dir_all(tokens.join("deeper")).unwrap();
        std::fs::create_dir_all(tokens.join("folder.key")).unwrap();
        std::fs::create_dir_all(&other).unwrap();
        let put = |path: &Path, text: &[u8]| std::fs::write(path, text).unwrap();
        put(&tokens.join("good.key"), b"abc+/=\n");
        put(&tokens.join("good.txt"), b"abc");
        put(&tokens.join("long.key"), &[b'a'; 4097]);
        put(&tokens.join("most.key"), &[b'a'; 4096]);
        put(&tokens.join("empty.key"), b" \n");
        put(&tokens.join("lines.key"), b"a\r\nX-Injected: 1");
        put(&tokens.join("binary.key"), &[0xff, 0xfe]);
        put(&tokens.join("deeper/a.key"), b"abc");
        put(&other.join("a.key"), b"abc");
        let read = |path: &Path| key(path.to_str().unwrap(), &tokens);
        assert_eq!(read(&tokens.join("good.key")).unwrap().as_str(), "abc+/=");
        assert_eq!(read(&tokens.join("most.key")).unwrap().len(), 4096);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(other.join("a.key"), tokens.join("link.key")).unwrap();
            std::os::unix::fs::symlink(&other, tokens.join("way")).unwrap();
        }
        for bad in [
            "good.txt",
            "long.key",
            "empty.key",
            "lines.key",
            "binary.key",
            "deeper/a.key",
            "../other/a.key",
            "../tokens/good.key",
            "folder.key",
            "none.key",
            "link.key",
            "way/a.key",
        ] {
            let error = read(&tokens.join(bad)).unwrap_err();
            assert_eq!(error.status, Status::IdentityUnavailable, "{bad}");
            assert!(error.target.is_some() && error.help.is_some(), "{bad}");
        }
        assert!(read(&other.join("a.key")).is_err());
        assert!(key("tokens/good.key", &tokens).is_err());
        assert!(key("", &tokens).is_err());
    }
}
