//! Files with a tenant's data: readable by their owner only unless it is said otherwise, replaced whole or not at all.

use crate::error::{Error, Result};
use crate::platform;
use crate::status::Status;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Larger than any snapshot; keeps a mistaken path from filling the memory.
const MOST: u64 = 256 * 1024 * 1024;

/// Reads a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let name = path.display().to_string();
    let failed = |e: std::io::Error| {
        let error = Error::new(Status::FileRead, format!("{name} cannot be read"))
            .target(name.clone())
            .caused_by(&e);
        match e.kind() {
            std::io::ErrorKind::PermissionDenied => error.help(
                "Check who may read it. What this module wrote is its owner's alone, unless it was told -Shared.",
            ),
            _ => error,
        }
    };
    let refused = |why: &str| Error::new(Status::FileRead, format!("{name} {why}")).target(name.clone());
    // A device or a pipe has no length, and may have no end.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(refused("is not a file"));
    }
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(failed)?.take(MOST + 1);
    file.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST {
        return Err(refused(&format!("is larger than {} MiB", MOST >> 20)));
    }
    Ok(bytes)
}

/// Writes a file that only its owner can read. It appears whole, by a rename.
pub fn write_private(path: &Path, bytes: &[u8], overwrite: bool) -> Result<()> {
    write(path, bytes, overwrite, false)
}

/// The same; a shared one has the rights that its folder gives, for one in which several accounts meet.
pub fn write(path: &Path, bytes: &[u8], overwrite: bool, shared: bool) -> Result<()> {
    let mut file = Private::begin(path, overwrite, shared)?;
    file.temporary.write_all(bytes).map_err(|e| unwritten(path, &e))?;
    file.finish().map(drop)
}

/// Makes a new file, its owner's alone or with the rights that its folder gives.
pub fn create(path: &Path, shared: bool) -> std::io::Result<File> {
    match shared {
        false => platform::create_private(path),
        true => File::options().read(true).write(true).create_new(true).open(path),
    }
}

/// A file that only its owner can read, while it is written. It appears whole, by a rename, or not at all.
#[derive(Debug)]
pub struct Private {
    path: PathBuf,
    overwrite: bool,
    temporary: NamedTempFile,
}

fn unwritten(path: &Path, cause: &std::io::Error) -> Error {
    let name = path.display().to_string();
    Error::new(Status::FileWrite, format!("{name} cannot be written"))
        .target(name)
        .caused_by(cause)
}

fn existing(path: &Path) -> Error {
    let name = path.display().to_string();
    Error::new(Status::FileWrite, format!("{name} exists")).target(name)
}

impl Private {
    /// Begins it; what is there is replaced only when that is allowed.
    pub fn create(path: &Path, overwrite: bool) -> Result<Self> {
        Private::begin(path, overwrite, false)
    }

    fn begin(path: &Path, overwrite: bool, shared: bool) -> Result<Self> {
        if !overwrite && path.exists() {
            return Err(existing(path).help("Choose another path, or allow it to be replaced."));
        }
        let folder = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let temporary = tempfile::Builder::new().make_in(folder, |path| create(path, shared));
        Ok(Private {
            path: path.into(),
            overwrite,
            temporary: temporary.map_err(|e| unwritten(path, &e))?,
        })
    }

    /// Ends it; gives the file, which may go on.
    pub fn finish(self) -> Result<File> {
        let Private {
            path,
            overwrite,
            temporary,
        } = self;
        temporary.as_file().sync_all().map_err(|e| unwritten(&path, &e))?;
        let outcome = if overwrite {
            temporary.persist(&path).map_err(|e| e.error)
        } else {
            temporary.persist_noclobber(&path).map_err(|e| e.error)
        };
        let file = outcome.map_err(|e| unwritten(&path, &e))?;
        platform::sync_folder(&path).map_err(|e| unwritten(&path, &e))?;
        Ok(file)
    }
}

impl Write for Private {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.temporary.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.temporary.flush()
    }
}

/// A file of lines, its owner's alone or with the rights that its folder gives. Each line is on the disk before work goes on.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    /// Begins a file, which appears with its first line. There must be none of that name.
    pub fn begin(path: &Path, shared: bool, first: &str) -> Result<Self> {
        if path.exists() {
            return Err(existing(path));
        }
        let mut file = Private::begin(path, false, shared)?;
        let written = file.write_all(format!("{first}\n").as_bytes());
        written.map_err(|e| unwritten(path, &e))?;
        Ok(Lines {
            path: path.into(),
            file: file.finish()?,
        })
    }

    /// What is whole of such a file: a last line that a crash cut off counts for nothing.
    pub fn whole(bytes: &[u8]) -> &[u8] {
        &bytes[..bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)]
    }

    /// Goes on after what is whole of a file, so many bytes.
    pub fn go_on(path: &Path, whole: u64) -> Result<Self> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .and_then(|mut file| {
                file.set_len(whole)?;
                file.seek(SeekFrom::End(0))?;
                Ok(file)
            });
        Ok(Lines {
            path: path.into(),
            file: opened.map_err(|e| unwritten(path, &e))?,
        })
    }

    /// Adds a line.
    pub fn append(&mut self, line: &str) -> Result<()> {
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written
            .and_then(|()| self.file.sync_all())
            .map_err(|e| unwritten(&self.path, &e))
    }
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
        // One that is shared is like any other of its folder.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            write(&path, b"four", true, true).unwrap();
            let other = folder.path().join("b");
            std::fs::write(&other, b"").unwrap();
            assert_eq!(mode(&path), mode(&other));
            std::fs::remove_file(&other).unwrap();
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
