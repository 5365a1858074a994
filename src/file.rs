//! Files with a tenant's data: readable by their owner only, replaced whole or not at all.

use crate::error::{Error, Result};
use crate::platform;
use crate::status::Status;
use std::io::{Read, Write};
use std::path::Path;

/// Larger than any snapshot; keeps a mistaken path from filling the memory.
const MOST: u64 = 256 * 1024 * 1024;

/// Reads a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let name = path.display().to_string();
    let failed = |e: std::io::Error| {
        Error::new(Status::FileRead, format!("{name} cannot be read"))
            .target(name.clone())
            .caused_by(&e)
    };
    let refused = |why: &str| Error::new(Status::FileRead, format!("{name} {why}")).target(name.clone());
    // A device or a pipe has no length, and may have no end.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(refused("is not a file"));
    }
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(path).map_err(failed)?.take(MOST + 1);
    file.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST {
        return Err(refused(&format!("is larger than {} MiB", MOST >> 20)));
    }
    Ok(bytes)
}

/// Writes a file that only its owner can read. It appears whole, by a rename.
pub fn write_private(path: &Path, bytes: &[u8], overwrite: bool) -> Result<()> {
    let name = path.display().to_string();
    let failed = |e: std::io::Error| {
        Error::new(Status::FileWrite, format!("{name} cannot be written"))
            .target(name.clone())
            .caused_by(&e)
    };
    if !overwrite && path.exists() {
        return Err(Error::new(Status::FileWrite, format!("{name} exists"))
            .target(name)
            .help("Choose another path, or allow it to be replaced."));
    }
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .make_in(folder, platform::create_private)
        .map_err(failed)?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(failed)?;
    let outcome = if overwrite {
        file.persist(path).map_err(|e| e.error)
    } else {
        file.persist_noclobber(path).map_err(|e| e.error)
    };
    outcome.map(drop).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_private_and_is_not_replaced_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_private(&path, b"one", false).unwrap();
        assert_eq!(
            write_private(&path, b"two", false).unwrap_err().status,
            Status::FileWrite
        );
        write_private(&path, b"three", true).unwrap();
        assert_eq!(read(&path).unwrap(), b"three");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap_err().status, Status::FileRead);
        #[cfg(unix)]
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err().status, Status::FileRead);
    }
}
