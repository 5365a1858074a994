//! Signs what Windows looks at before it runs it: libraries and scripts. With osslsigncode, or on Windows with signtool.

use crate::machine;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the password of a PFX file stands: a command line could be read by others.
pub const PASSWORD: &str = "SSPR_SIGN_PASSWORD";

/// What is signed: Authenticode knows these, and neither libraries of other systems nor plain text.
const SIGNED: &[&str] = &["dll", "ps1", "ps1xml", "psd1", "psm1"];

/// What the caller asked for.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Request {
    /// Sign with this certificate: a PFX file (osslsigncode; its password in SSPR_SIGN_PASSWORD), or on Windows the
    /// thumbprint of one in the certificate store (signtool).
    #[arg(long)]
    pub sign: Option<String>,
    /// Let this address add the time (RFC 3161), so that signatures hold when the certificate has ended.
    #[arg(long, requires = "sign")]
    pub timestamp: Option<String>,
    /// The root certificates (PEM) to verify the signatures against, where this system does not know the certificate's.
    #[arg(long, requires = "sign")]
    pub sign_roots: Option<PathBuf>,
}

/// Signs files, and verifies what it signed.
pub struct Signer {
    certificate: Certificate,
    timestamp: Option<String>,
    roots: Option<PathBuf>,
}

enum Certificate {
    Pfx {
        file: PathBuf,
        password: String,
        osslsigncode: PathBuf,
    },
    Store {
        thumbprint: String,
        signtool: PathBuf,
    },
}

impl Signer {
    /// What signs as asked; nothing where that was not asked.
    pub fn new(request: &Request, password: Option<String>) -> Result<Option<Self>> {
        let Some(name) = &request.sign else { return Ok(None) };
        let is_thumbprint = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let certificate = if is_thumbprint && !Path::new(name).exists() {
            Certificate::Store {
                thumbprint: name.clone(),
                signtool: machine::which("signtool").context(
                    "a certificate of the store is used by signtool, which is not on PATH; it comes with the Windows SDK",
                )?,
            }
        } else {
            let file = fs::canonicalize(name).with_context(|| format!("the certificate {name}"))?;
            Certificate::Pfx {
                file,
                password: password.unwrap_or_default(),
                osslsigncode: osslsigncode()?,
            }
        };
        Ok(Some(Signer {
            certificate,
            timestamp: request.timestamp.clone(),
            roots: request.sign_roots.clone(),
        }))
    }

    /// Signs what can be signed of these files of a folder; returns how many those were.
    pub fn sign(&self, folder: &Path, files: &[String]) -> Result<usize> {
        let can = |name: &&String| {
            let extension = Path::new(name.as_str()).extension();
            extension.is_some_and(|extension| SIGNED.iter().any(|known| extension.eq_ignore_ascii_case(known)))
        };
        let mut count = 0;
        for name in files.iter().filter(can) {
            let file = folder.join(name);
            self.one(&file).with_context(|| format!("{name} could not be signed"))?;
            self.verify(&file)
                .with_context(|| format!("the signature of {name} does not hold"))?;
            count += 1;
        }
        Ok(count)
    }

    fn one(&self, file: &Path) -> Result<()> {
        match &self.certificate {
            Certificate::Pfx {
                file: pfx,
                password,
                osslsigncode,
            } => {
                let mut made = file.as_os_str().to_owned();
                made.push(".signed");
                let mut command = Command::new(osslsigncode);
                // "-": the password comes through a pipe.
                command.args(["sign", "-readpass", "-", "-h", "sha256", "-n", "EntraSspr", "-pkcs12"]);
                command.arg(pfx);
                if let Some(address) = &self.timestamp {
                    command.args(["-ts", address]);
                }
                command.arg("-in").arg(file).arg("-out").arg(&made);
                said(&mut command, password)?;
                Ok(fs::rename(&made, file)?)
            }
            Certificate::Store { thumbprint, signtool } => {
                let mut command = Command::new(signtool);
                command.args(["sign", "/q", "/fd", "SHA256", "/d", "EntraSspr", "/sha1", thumbprint]);
                if let Some(address) = &self.timestamp {
                    command.args(["/tr", address, "/td", "SHA256"]);
                }
                said(command.arg(file), "").map(drop)
            }
        }
    }

    fn verify(&self, file: &Path) -> Result<()> {
        let mut command = match &self.certificate {
            Certificate::Pfx { osslsigncode, .. } => {
                let mut command = Command::new(osslsigncode);
                command.arg("verify");
                if let Some(roots) = &self.roots {
                    command.arg("-CAfile").arg(roots);
                }
                command.arg("-in");
                command
            }
            // The store's own roots are looked at.
            Certificate::Store { signtool, .. } => {
                let mut command = Command::new(signtool);
                command.args(["verify", "/q", "/pa"]);
                command
            }
        };
        said(command.arg(file), "").map(drop)
    }
}

/// The program, of a version that signs scripts.
pub fn osslsigncode() -> Result<PathBuf> {
    let program = machine::need("osslsigncode", "osslsigncode")?;
    let text = said(Command::new(&program).arg("--version"), "")?;
    if version(&text).is_none_or(|version| version < (2, 8)) {
        bail!(
            "{} is too old to sign scripts: 2.8 or newer is needed (Debian 13, or bookworm-backports)",
            program.display()
        );
    }
    Ok(program)
}

/// The version in `osslsigncode 2.9, using:`.
fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_whitespace().nth(1)?.trim_end_matches(',').split_once('.')?;
    let minor = minor.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Runs a program that reads this, and hands back what it said; that is the error where it fails.
fn said(command: &mut Command, input: &str) -> Result<String> {
    let name = OsString::from(command.get_program());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| name.display().to_string())?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that reads nothing may have closed it.
        let _ = pipe.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).trim().to_string();
    if !output.status.success() {
        bail!("{}: {text}", name.display());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::toy;
    use crate::rid::Rid;
    use crate::{build, package};

    /// A certificate made for the test, as a PFX file and as PEM; none where OpenSSL is not there.
    fn certificate(place: &Path, password: &str) -> Option<(PathBuf, PathBuf)> {
        let openssl = machine::which("openssl")?;
        let (key, pem, pfx) = (place.join("key.pem"), place.join("root.pem"), place.join("test.pfx"));
        let mut command = Command::new(&openssl);
        command.args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=Test of EntraSspr",
        ]);
        command.args([
            "-addext",
            "extendedKeyUsage=codeSigning",
            "-addext",
            "keyUsage=digitalSignature",
        ]);
        said(command.arg("-keyout").arg(&key).arg("-out").arg(&pem), "").unwrap();
        let mut command = Command::new(&openssl);
        command
            .args(["pkcs12", "-export", "-passout", "stdin", "-inkey"])
            .arg(&key);
        said(command.arg("-in").arg(&pem).arg("-out").arg(&pfx), password).unwrap();
        Some((pfx, pem))
    }

    #[test]
    fn what_is_signed_is_verified_and_holds_no_longer_when_it_is_changed() {
        let place = build::target().unwrap().join("tmp/sign-test");
        fs::create_dir_all(&place).unwrap();
        let password = "a pass word";
        let (Ok(program), Some((pfx, pem))) = (osslsigncode(), certificate(&place, password)) else {
            eprintln!("not run: needs openssl and osslsigncode 2.8 or newer");
            return;
        };
        let sources = build::root().join("powershell/EntraSspr");
        for name in ["EntraSspr.psd1", "EntraSspr.psm1", "EntraSspr.format.ps1xml"] {
            fs::copy(sources.join(name), place.join(name)).unwrap();
        }
        fs::copy(
            sources.join("Public/Get-SsprCheck.ps1"),
            place.join("Get-SsprCheck.PS1"),
        )
        .unwrap();
        fs::write(place.join("LICENSE"), "not signed").unwrap();
        let files = [
            "EntraSspr.psd1",
            "EntraSspr.psm1",
            "EntraSspr.format.ps1xml",
            "Get-SsprCheck.PS1",
            "LICENSE",
        ];
        let files = files.map(String::from);
        let request = Request {
            sign: Some(pfx.display().to_string()),
            timestamp: None,
            sign_roots: Some(pem),
        };
        let signer = Signer::new(&request, Some(password.into())).unwrap().unwrap();
        assert_eq!(signer.sign(&place, &files).unwrap(), 4);
        for name in &files[..4] {
            let text = fs::read_to_string(place.join(name)).unwrap();
            assert!(text.contains("SIG # Begin signature block"), "{name}");
            assert!(!text.contains(password), "{name}");
            fs::write(place.join(name), text.replacen('S', "s", 1)).unwrap();
            assert!(signer.verify(&place.join(name)).is_err(), "{name} was changed");
        }
        assert_eq!(fs::read_to_string(place.join("LICENSE")).unwrap(), "not signed");
        // Signed, but by nobody whom the system knows.
        let unknown = Request {
            sign_roots: None,
            ..request.clone()
        };
        let signer = Signer::new(&unknown, Some(password.into())).unwrap().unwrap();
        let error = format!("{:#}", signer.sign(&place, &files[..1]).unwrap_err());
        assert!(
            error.contains("the signature of EntraSspr.psd1 does not hold"),
            "{error}"
        );
        let wrong = Signer::new(&request, Some("another".into())).unwrap().unwrap();
        let error = format!("{:#}", wrong.sign(&place, &files[1..2]).unwrap_err());
        assert!(error.contains("EntraSspr.psm1 could not be signed"), "{error}");
        assert!(program.is_absolute());
    }

    #[test]
    fn a_signed_package_is_whole() {
        let place = build::target().unwrap().join("tmp/sign-package-test");
        fs::create_dir_all(&place).unwrap();
        let password = "a pass word";
        let (Ok(_), Some((pfx, pem))) = (osslsigncode(), certificate(&place, password)) else {
            eprintln!("not run: needs openssl and osslsigncode 2.8 or newer");
            return;
        };
        let Some(toy) = toy("to_sign", &["-DUSED=1"]) else {
            eprintln!("not run: needs x86_64-w64-mingw32-gcc");
            return;
        };
        let rid = Rid::named("win-x64").unwrap();
        let library = place.join(rid.library());
        fs::copy(&toy, &library).unwrap();
        let request = Request {
            sign: Some(pfx.display().to_string()),
            timestamp: None,
            sign_roots: Some(pem),
        };
        let signer = Signer::new(&request, Some(password.into())).unwrap().unwrap();
        let package = package::assemble_signed(&place.join("out"), &[(rid, library.clone())], Some(&signer)).unwrap();
        // Its hashes and its zip file are of what is signed.
        assert_eq!(package::faults(&package, None).unwrap(), Vec::<String>::new());
        let signed = [
            "lib/win-x64/entra_sspr.dll",
            "lib/win-x64/EntraSspr.Native.dll",
            "EntraSspr.psm1",
        ];
        for name in signed {
            let file = package.folder.join(name);
            signer.verify(&file).unwrap();
            let mut bytes = fs::read(&file).unwrap();
            let third = bytes.len() / 3;
            bytes[third] ^= 1;
            fs::write(&file, bytes).unwrap();
            assert!(signer.verify(&file).is_err(), "{name} was changed");
        }
        assert!(signer.verify(&library).is_err(), "the library itself is not signed");
    }

    #[test]
    fn a_certificate_that_is_not_there_is_an_error() {
        let request = |name: &str| Request {
            sign: Some(name.into()),
            ..Request::default()
        };
        assert!(Signer::new(&Request::default(), None).unwrap().is_none());
        assert!(Signer::new(&request("no such file.pfx"), None).is_err());
        if machine::which("signtool").is_none() {
            let error = Signer::new(&request(&"ab".repeat(20)), None).err().unwrap();
            assert!(error.to_string().contains("signtool"), "{error}");
        }
    }

    #[test]
    fn the_version_is_read() {
        assert_eq!(version("osslsigncode 2.9, using:\n\tOpenSSL 3.0"), Some((2, 9)));
        assert_eq!(version("osslsigncode 2.10-dev, using:"), Some((2, 10)));
        assert_eq!(version("what"), None);
    }
}
