//! SYSVOL, where group policy objects keep their files.

use super::group_policy::Template;
use super::{policy_object, template_edit};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// How long a file may take: a share that is not there hangs.
const TIME: Duration = Duration::from_secs(20);
/// No template is longer.
const MOST: u64 = 4 * 1024 * 1024;

/// Where an object's security template lies.
const TEMPLATE: &[&str] = &["MACHINE", "Microsoft", "Windows NT", "SecEdit", "GptTmpl.inf"];

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SysvolError {
    /// Only Windows reaches the share by its name.
    #[error("the share cannot be reached from here: name where it is mounted with -SysvolPath")]
    NotHere,
    /// It is no path below SYSVOL.
    #[error("the object's gPCFileSysPath leads elsewhere than to SYSVOL")]
    Elsewhere,
    /// It could not be read.
    #[error("{path} cannot be read")]
    Read {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It could not be written.
    #[error("{path} cannot be written")]
    Write {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its version cannot be changed.
    #[error(transparent)]
    Version(#[from] policy_object::PolicyObjectError),
    /// It is no template.
    #[error(transparent)]
    Template(#[from] super::group_policy::TemplateError),
}

/// The folder of a group policy object: below the mounted share, or by its own name.
fn folder(mounted: Option<&Path>, gpc_file_sys_path: &str) -> Result<PathBuf, SysvolError> {
    // `\\example.test\sysvol\example.test\Policies\{GUID}`
    let mut parts = gpc_file_sys_path.trim_start_matches('\\').split('\\');
    let (_, share) = (parts.next(), parts.next());
    if !share.is_some_and(|share| share.eq_ignore_ascii_case("sysvol")) {
        return Err(SysvolError::Elsewhere);
    }
    let rest: Vec<&str> = parts.collect();
    if rest.is_empty()
        || rest
            .iter()
            .any(|part| matches!(*part, "" | "." | "..") || part.contains(['/', ':']))
    {
        return Err(SysvolError::Elsewhere);
    }
    match mounted {
        Some(mounted) => Ok(rest.iter().fold(mounted.to_path_buf(), |path, part| path.join(part))),
        None if cfg!(windows) => Ok(gpc_file_sys_path.into()),
        None => Err(SysvolError::NotHere),
    }
}

/// A path below a folder, whatever the case of its names: on Windows it does not count.
fn below(folder: &Path, parts: &[&str]) -> PathBuf {
    parts.iter().fold(folder.to_path_buf(), |path, part| {
        let exact = path.join(part);
        if cfg!(windows) || exact.exists() {
            return exact;
        }
        let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
        let same = entries
            .map(|entry| entry.file_name())
            .find(|name| name.eq_ignore_ascii_case(part));
        same.map_or(exact, |name| path.join(name))
    })
}

async fn read(path: PathBuf) -> Result<Option<Vec<u8>>, SysvolError> {
    let name = path.display().to_string();
    let reading = async {
        let length = tokio::fs::metadata(&path).await?.len();
        if length > MOST {
            return Err(std::io::Error::other("it is too long for what it should be"));
        }
        tokio::fs::read(&path).await
    };
    match tokio::time::timeout(TIME, reading)
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SysvolError::Read { path: name, source }),
    }
}

/// What an object's files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Its security template; empty where it has none.
    pub template: Template,
    /// The computer settings' version by GPT.INI.
    pub version: Option<u32>,
    /// Whether they are no more than `set_minimum_password_age` makes.
    pub sets_age_alone: bool,
}

/// Reads the files of a group policy object.
pub async fn files(mounted: Option<&Path>, gpc_file_sys_path: &str) -> Result<Files, SysvolError> {
    let folder = folder(mounted, gpc_file_sys_path)?;
    let ini = read(below(&folder, &["GPT.INI"])).await?;
    // Every object has one: where it is missing, the share is not the one that is meant.
    let ini = ini.ok_or_else(|| SysvolError::Read {
        path: folder.join("GPT.INI").display().to_string(),
        source: std::io::ErrorKind::NotFound.into(),
    })?;
    let bytes = read(below(&folder, TEMPLATE)).await?.unwrap_or_default();
    let template = Template::read(&bytes)?;
    let age = template.minimum_password_age.and_then(|age| u16::try_from(age).ok());
    let bare = age.map(|age| template_edit::with_minimum_password_age(None, age));
    Ok(Files {
        sets_age_alone: bare.transpose()? == Some(bytes) && has_no_other_files(&folder),
        template,
        version: version(&ini),
    })
}

/// Whether an object's folder holds no more than its template and GPT.INI.
fn has_no_other_files(folder: &Path) -> bool {
    let is_ours = |path: &Path, name: &std::ffi::OsStr, depth: usize| {
        let ours = TEMPLATE.get(depth).is_some_and(|part| name.eq_ignore_ascii_case(part));
        ours || path == folder && name.eq_ignore_ascii_case("GPT.INI")
    };
    (0..TEMPLATE.len()).all(|depth| {
        let path = below(folder, &TEMPLATE[..depth]);
        let mut entries = std::fs::read_dir(&path).into_iter().flatten();
        entries.all(|entry| entry.is_ok_and(|entry| is_ours(&path, &entry.file_name(), depth)))
    })
}

/// An object's files as they were before they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The security template.
    pub template: Vec<u8>,
    /// GPT.INI.
    pub ini: Vec<u8>,
    /// The minimum password age that was to be written into them, in days.
    pub days: u16,
}

/// The files of a group policy object, before this age is written into them.
pub async fn keep(mounted: Option<&Path>, gpc_file_sys_path: &str, days: u16) -> Result<Kept, SysvolError> {
    let folder = folder(mounted, gpc_file_sys_path)?;
    Ok(Kept {
        template: read(below(&folder, TEMPLATE)).await?.unwrap_or_default(),
        ini: read(below(&folder, &["GPT.INI"])).await?.unwrap_or_default(),
        days,
    })
}

/// What stood in a file before the write by which it was cut off in the middle; else what stands there now. Its beginning is
/// then what was being written, and what is behind that is the rest of what was there, or nothing.
fn mended(now: Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    let same = now.iter().zip(new).take_while(|(now, new)| now == new).count();
    let is_cut = now.len() == same && same < new.len() || now.get(same..) == old.get(same..);
    match is_cut && now != new {
        true => old.to_vec(),
        false => now,
    }
}

/// What an object's template and GPT.INI held before the writes that they were cut off in. What was kept before each of these is
/// given, of the latest first.
fn whole(template: Vec<u8>, ini: Vec<u8>, kept: &[Kept]) -> Result<(Vec<u8>, Vec<u8>), SysvolError> {
    let Some((last, earlier)) = kept.split_first() else {
        return Ok((template, ini));
    };
    // What was kept may have been cut off itself: what was then to be written was made of what was whole.
    let (sound, sound_ini) = whole(last.template.clone(), last.ini.clone(), earlier)?;
    let new = template_edit::with_minimum_password_age(Some(&sound), last.days)?;
    let version = policy_object::raised(policy_object::version(&sound_ini)?.unwrap_or_default());
    let new_ini = policy_object::with_version(&sound_ini, version)?;
    let template = mended(template, &last.template, &new);
    whole(template, mended(ini, &last.ini, &new_ini), earlier)
}

/// Sets the minimum password age in an object's security template, in days, and raises the version of its files; gives the
/// new version. Files are written where they lie, so that they keep their access lists: the template first, for its version
/// is what makes clients read it. What an earlier write was cut off in is made whole from what was kept. Only where the
/// object is made may there be no files yet.
pub async fn set_minimum_password_age(
    mounted: Option<&Path>,
    gpc_file_sys_path: &str,
    days: u16,
    made: bool,
    kept: &[Kept],
) -> Result<u32, SysvolError> {
    let folder = folder(mounted, gpc_file_sys_path)?;
    let (ini_path, path) = (below(&folder, &["GPT.INI"]), below(&folder, TEMPLATE));
    let ini = read(ini_path.clone()).await?.unwrap_or_default();
    let template = read(path.clone()).await?.unwrap_or_default();
    let (template, ini) = whole(template, ini, kept)?;
    for (path, bytes) in [(&path, &template), (&ini_path, &ini)] {
        if !made && bytes.is_empty() {
            return Err(SysvolError::Read {
                path: path.display().to_string(),
                source: std::io::Error::other("it is empty or not there: what it held is not known"),
            });
        }
    }
    let version = policy_object::raised(policy_object::version(&ini)?.unwrap_or_default());
    let template = template_edit::with_minimum_password_age(Some(&template), days)?;
    write(path, &template).await?;
    write(ini_path, &policy_object::with_version(&ini, version)?).await?;
    Ok(version)
}

/// Whether an object's files can be written: one is opened, and left as it is.
pub async fn is_writable(mounted: Option<&Path>, gpc_file_sys_path: &str) -> bool {
    let Ok(folder) = folder(mounted, gpc_file_sys_path) else {
        return false;
    };
    let mut options = tokio::fs::OpenOptions::new();
    let opening = tokio::time::timeout(
        TIME,
        options.append(true).open(below(&folder, &["GPT.INI"])).into_future(),
    );
    opening.await.is_ok_and(|opened| opened.is_ok())
}

/// Removes the files that `set_minimum_password_age` makes of an object that has none, and their folders; others that are
/// there keep the folders, and are an error. What is gone already is passed over.
pub async fn remove(mounted: Option<&Path>, gpc_file_sys_path: &str) -> Result<(), SysvolError> {
    let folder = folder(mounted, gpc_file_sys_path)?;
    let removing = async |path: PathBuf| {
        let removed = match path.is_dir() {
            true => tokio::fs::remove_dir(&path).await,
            false => tokio::fs::remove_file(&path).await,
        };
        match removed {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(SysvolError::Write {
                path: path.display().to_string(),
                source,
            }),
            _ => Ok(()),
        }
    };
    for depth in (1..=TEMPLATE.len()).rev() {
        removing(below(&folder, &TEMPLATE[..depth])).await?;
    }
    removing(below(&folder, &["GPT.INI"])).await?;
    removing(folder).await
}

async fn write(path: PathBuf, bytes: &[u8]) -> Result<(), SysvolError> {
    let name = path.display().to_string();
    let writing = async {
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        // What is there is not taken away first: who is cut off then would leave nothing.
        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(false).open(&path).await?;
        file.write_all(bytes).await?;
        file.set_len(bytes.len() as u64).await?;
        file.sync_all().await
    };
    let written = tokio::time::timeout(TIME, writing).await;
    written
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
        .map_err(|source| SysvolError::Write { path: name, source })
}

/// The low half of `Version=` in GPT.INI; None where it names none.
fn version(file: &[u8]) -> Option<u32> {
    let version = policy_object::version(file).ok().flatten();
    version.map(|version| version & 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_out_of_the_share_is_refused() {
        let mounted = Path::new("/mnt/sysvol");
        let good = folder(Some(mounted), r"\\example.test\sysvol\example.test\Policies\{A}").unwrap();
        assert_eq!(good, Path::new("/mnt/sysvol/example.test/Policies/{A}"));
        for bad in [
            r"\\example.test\c$\x",
            r"\\example.test\sysvol\..\x",
            r"\\example.test\sysvol",
            r"\\example.test\sysvol\a/../b",
            "",
            r"C:\x",
        ] {
            assert!(
                matches!(folder(Some(mounted), bad), Err(SysvolError::Elsewhere)),
                "{bad}"
            );
        }
    }

    #[test]
    fn what_was_cut_off_in_the_middle_is_what_was_there() {
        let (old, new) = (
            b"MinimumPasswordAge = 1\r\nx".as_slice(),
            b"MinimumPasswordAge = 10\r\nx".as_slice(),
        );
        for (old, new) in [(old, new), (new, old)] {
            for written in 0..new.len() {
                // As a file is that was emptied first, and one that was not.
                let cut = [&new[..written], &new[..written]];
                for (cut, rest) in cut.into_iter().zip([&[][..], old.get(written..).unwrap_or_default()]) {
                    assert_eq!(mended([cut, rest].concat(), old, new), old, "{written}");
                }
            }
            let tail = [new, old.get(new.len()..).unwrap_or_default()].concat();
            assert!([old, new].contains(&mended(tail, old, new).as_slice()));
            assert_eq!(mended(new.to_vec(), old, new), new);
            assert_eq!(mended(old.to_vec(), old, new), old);
            assert_eq!(
                mended(b"MinimumPasswordAge = 7\r\n".to_vec(), old, new),
                b"MinimumPasswordAge = 7\r\n"
            );
        }
    }

    /// Cut off in the middle of being applied, and then in the middle of being taken back.
    #[test]
    fn what_was_cut_off_twice_is_what_was_there_first() {
        let old = Kept {
            template: template_edit::with_minimum_password_age(None, 1).unwrap(),
            ini: b"[General]\r\nVersion=65545\r\ndisplayName=New\r\n".to_vec(),
            days: 12,
        };
        let age = |days| template_edit::with_minimum_password_age(Some(&old.template), days).unwrap();
        let next = |ini: &[u8]| {
            let version = policy_object::version(ini).unwrap().unwrap();
            policy_object::with_version(ini, policy_object::raised(version)).unwrap()
        };
        let cut = |new: &[u8], now: &[u8], at: usize, emptied: bool| {
            let rest = if emptied {
                &[]
            } else {
                now.get(at..).unwrap_or_default()
            };
            [&new[..at], rest].concat()
        };
        let (forth, back, forth_ini) = (age(12), age(1), next(&old.ini));
        for emptied in [false, true] {
            for first in (0..forth.len()).step_by(3) {
                let made = Kept {
                    template: cut(&forth, &old.template, first, emptied),
                    ini: cut(&forth_ini, &old.ini, first % forth_ini.len(), emptied),
                    days: 1,
                };
                // What comes behind its only digit may be there already.
                let is_whole = made.ini == forth_ini;
                let back_ini = next(if is_whole { &forth_ini } else { &old.ini });
                for second in (0..back.len()).step_by(5) {
                    let template = cut(&back, &made.template, second, emptied);
                    let ini = cut(&back_ini, &made.ini, second % back_ini.len(), emptied);
                    let whole = whole(template, ini, &[made.clone(), old.clone()]);
                    let (template, ini) = whole.unwrap_or_else(|e| panic!("{first} {second} {emptied}: {e}"));
                    assert!(template == old.template, "{first} {second} {emptied}");
                    assert!(
                        [&old.ini, &forth_ini, &back_ini].contains(&&ini),
                        "{first} {second} {emptied}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_computer_s_half_of_the_version_counts() {
        assert_eq!(version(b"[General]\r\nVersion=65539\r\ndisplayName=New\r\n"), Some(3));
        assert_eq!(version(b"[General]\r\n"), None);
    }
}
