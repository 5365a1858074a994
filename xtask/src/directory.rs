//! A forest of two Active Directory domains on loopback: Samba's domain controllers, each in a folder of its own below a
//! Debian that is kept apart from the machine's.

use crate::{build, machine};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What to do with the controllers.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Action {
    /// Install what is missing, and start the controllers of domains as their files of cases say.
    Start,
    /// Stop the controllers.
    Stop,
    /// Say which controllers run.
    Status,
}

/// A domain.
pub struct Domain {
    /// Its folder below /srv.
    folder: &'static str,
    realm: &'static str,
    netbios: &'static str,
    host: &'static str,
    address: &'static str,
    /// Only one controller of a machine can have the SMB server.
    smb: bool,
    cases: Cases,
}

/// What a domain is filled with.
#[derive(Clone, Copy)]
enum Cases {
    /// What a file of lab/directory says.
    File(&'static str),
    /// The same as another, from its folder: a second controller, which does not replicate.
    CopyOf(&'static str),
    /// Many users, in so many units; in one container where there are none.
    Many { users: u32, units: u32 },
}

impl Cases {
    fn text(self) -> Result<String> {
        match self {
            Cases::File(name) => {
                let path = build::root().join("lab/directory").join(name);
                fs::read_to_string(&path).with_context(|| path.display().to_string())
            }
            Cases::CopyOf(folder) => Ok(folder.into()),
            Cases::Many { users, units } => {
                let unit = |n: u32| serde_json::json!({"name": format!("Unit {n}")});
                let people = |n: u32| serde_json::json!({"name": format!("u{n}x{{n}}"), "in": format!("Unit {n}"), "count": users / units.max(1)});
                let crowd = match units {
                    0 => vec![serde_json::json!({"name": "u{n}", "count": users})],
                    units => (1..=units).map(people).collect(),
                };
                let guid = "bf967aba-0de6-11d0-a285-00aa003049e2";
                let grant = |right: &str| format!("(OA;CIIO;{right};{guid};{{MSOL_16fb75d0227d}})");
                let grants = [
                    "CR;00299570-246d-11d0-a768-00aa006e0529",
                    "WP;28630ebf-41d5-11d1-a9c1-0000f80367c1",
                    "WP;bf967a0a-0de6-11d0-a285-00aa003049e2",
                ];
                let document = serde_json::json!({
                    "password": PASSWORD,
                    "units": (1..=units).map(unit).collect::<Vec<_>>(),
                    "users": [{"name": "MSOL_16fb75d0227d", "uac": 66048}],
                    "crowd": crowd,
                    "access": [{"on": "", "add": grants.map(grant)}],
                });
                Ok(document.to_string())
            }
        }
    }
}

const DOMAINS: &[Domain] = &[
    Domain {
        folder: "dc1",
        realm: "example.test",
        netbios: "EXAMPLE",
        host: "dc1",
        address: "127.0.0.1",
        smb: true,
        cases: Cases::File("parent.json"),
    },
    Domain {
        folder: "dc2",
        realm: "child.example.test",
        netbios: "CHILD",
        host: "dc2",
        address: "127.0.0.2",
        smb: false,
        cases: Cases::File("child.json"),
    },
    // To go on with when the first is lost, or to be lost.
    Domain {
        folder: "dc1copy",
        realm: "example.test",
        netbios: "EXAMPLE",
        host: "dc1",
        address: "127.0.0.3",
        smb: false,
        cases: Cases::CopyOf("dc1"),
    },
];

/// What the benchmarks read, one at a time.
const fn many(folder: &'static str, users: u32, units: u32) -> Domain {
    Domain {
        folder,
        realm: "many.test",
        netbios: "MANY",
        host: "dc4",
        address: "127.0.0.4",
        smb: false,
        cases: Cases::Many { users, units },
    }
}

/// 20,000 users spread over units, the same in one container, and a tenth of them.
pub const SPREAD: Domain = many("spread", 20_000, 40);
pub const SINGLE: Domain = many("single", 20_000, 0);
pub const FEW: Domain = many("few", 2_000, 40);
/// A thousand units, each with a user.
pub const UNITS: Domain = many("units", 1_000, 1_000);

/// A domain's controller for a benchmark; it stops when this is dropped.
pub struct Running {
    pub controller: Controller,
    domain: &'static Domain,
}

impl Running {
    /// Starts it.
    pub fn start(domain: &'static Domain) -> Result<Self> {
        let lab = Lab::new()?;
        lab.install()?;
        lab.end(domain)?;
        lab.provision(domain)?;
        address(domain.address)?;
        lab.launch(domain)?;
        Ok(Running {
            controller: lab.controller(domain),
            domain,
        })
    }
}

/// A Python script of ours inside the controllers' Debian, with the files that it reads beside it.
pub fn python(script: &Path, files: &[&Path]) -> Result<Command> {
    let lab = Lab::new()?;
    lab.install()?;
    let place = lab.scripts()?;
    for file in files.iter().chain([&script]) {
        fs::copy(file, place.join(file.file_name().context("a file has a name")?))?;
    }
    let mut command = lab.inside();
    let name = script.file_name().context("a script has a name")?;
    command.arg("python3").arg(Path::new("/srv/lab").join(name));
    Ok(command)
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(lab) = Lab::new() {
            let _ = lab.end(self.domain);
        }
    }
}

/// The domains' administrator's password: the lab's own, worth nothing elsewhere.
const PASSWORD: &str = "Lab-Passw0rd-1!";

/// A controller, as tests are told of it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Controller {
    /// The domain's DNS name.
    pub domain: String,
    /// The controller's own name, which its certificate bears.
    pub host: String,
    pub address: String,
    /// The DNS server that knows the whole forest.
    pub dns_server: String,
    /// The domain's SYSVOL.
    pub sysvol: PathBuf,
    /// What signed its certificate.
    pub ca_file: PathBuf,
    pub administrator: String,
    pub password: String,
    /// The process to kill for a controller that is lost at once.
    pub process: u32,
}

/// Does it, and prints which controllers there are.
pub fn run(action: Action) -> Result<()> {
    let lab = Lab::new()?;
    match action {
        Action::Start => println!("{}", start()?),
        Action::Stop => lab.stop()?,
        Action::Status => {
            for domain in DOMAINS {
                let state = if lab.runs(domain) { "runs" } else { "does not run" };
                println!("{:<20} {:<10} {state}", domain.realm, domain.address);
            }
        }
    }
    Ok(())
}

/// Installs Samba where it is not; controllers start in seconds then.
pub fn install() -> Result<()> {
    Lab::new()?.install()
}

/// Starts the controllers; returns them as JSON, for the variable `SSPR_LAB_DIRECTORY` that the tests read.
pub fn start() -> Result<String> {
    Ok(serde_json::to_string_pretty(&Lab::new()?.start()?)?)
}

/// The folder that all of it stands in.
struct Lab {
    place: PathBuf,
}

impl Lab {
    fn new() -> Result<Self> {
        if !cfg!(target_os = "linux") {
            bail!("the directory lab needs Debian, as root: Samba's domain controller runs there");
        }
        Ok(Lab {
            place: build::target()?.join("directory"),
        })
    }

    fn root(&self) -> PathBuf {
        self.place.join("root")
    }

    fn start(&self) -> Result<Vec<Controller>> {
        self.install()?;
        for domain in DOMAINS {
            if !self.runs(domain) {
                self.provision(domain)?;
            }
        }
        for domain in DOMAINS {
            if !self.runs(domain) {
                address(domain.address)?;
                self.launch(domain)?;
            }
        }
        Ok(DOMAINS.iter().map(|domain| self.controller(domain)).collect())
    }

    fn controller(&self, domain: &Domain) -> Controller {
        Controller {
            domain: domain.realm.into(),
            host: format!("{}.{}", domain.host, domain.realm),
            address: domain.address.into(),
            dns_server: format!("{}:53", DOMAINS[0].address),
            sysvol: self.root().join(format!("srv/{}/state/sysvol", domain.folder)),
            ca_file: self.root().join(format!("srv/{}/private/tls/ca.pem", domain.folder)),
            administrator: format!("{}\\Administrator", domain.netbios),
            password: PASSWORD.into(),
            process: self.process(domain).unwrap_or_default(),
        }
    }

    /// A Debian of its own with Samba, once. What is left of one that was not finished is made anew.
    fn install(&self) -> Result<()> {
        let (root, done) = (self.root(), self.place.join("installed"));
        if done.is_file() {
            return Ok(());
        }
        let debootstrap = machine::need("debootstrap", "debootstrap").context("the directory lab needs debootstrap")?;
        machine::need("unshare", "util-linux")?;
        if root.exists() {
            remove(&root)?;
        }
        fs::create_dir_all(&self.place)?;
        let mirror = mirror()?;
        eprintln!("xtask: installing Samba's domain controller in {}", root.display());
        let log = self.place.join("install.log");
        let mut base = Command::new(debootstrap);
        base.args(["--variant=minbase", "--include=ca-certificates", "trixie"])
            .arg(&root)
            .arg(&mirror);
        quietly(&mut base, &log)?;
        fs::write(
            root.join("etc/apt/sources.list.d/backports.list"),
            format!("deb {mirror} trixie-backports main\n"),
        )?;
        for entry in fs::read_dir("/etc/apt/apt.conf.d")? {
            let file = entry?.path();
            fs::copy(
                &file,
                root.join("etc/apt/apt.conf.d")
                    .join(file.file_name().context("a file has a name")?),
            )?;
        }
        for file in ["etc/resolv.conf", "etc/hosts"] {
            fs::copy(Path::new("/").join(file), root.join(file))?;
        }
        quietly(self.inside().args(["apt-get", "update"]), &log)?;
        let packages = [
            "samba",
            "samba-ad-dc",
            "samba-ad-provision",
            "samba-dsdb-modules",
            "samba-vfs-modules",
            "python3-samba",
            "ldb-tools",
        ];
        let mut install = self.inside();
        install.args([
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "install",
            "-y",
            "--no-install-recommends",
            "-t",
            "trixie-backports",
        ]);
        quietly(install.args(packages), &log)?;
        Ok(fs::write(done, "")?)
    }

    /// Where our scripts lie, /srv/lab inside.
    fn scripts(&self) -> Result<PathBuf> {
        let place = self.root().join("srv/lab");
        fs::create_dir_all(&place)?;
        Ok(place)
    }

    /// Runs in it with mounts and processes of its own, gone when it ends.
    fn inside(&self) -> Command {
        let root = self.root();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child"]);
        command
            .arg(format!("--mount-proc={}", root.join("proc").display()))
            .arg("chroot")
            .arg(root);
        command
    }

    /// Puts a domain back as it was made, and makes it first where its files of cases are new.
    fn provision(&self, domain: &Domain) -> Result<()> {
        let source = build::root().join("lab/directory");
        // What is kept was made with this configuration too.
        let mut made_from = domain.configuration();
        let cases = domain.cases.text()?;
        made_from.push_str(&fs::read_to_string(source.join("populate.py"))?);
        made_from.push_str(&cases);
        let folder = self.root().join("srv").join(domain.folder);
        let stamp = self.place.join(format!("{}.cases", domain.folder));
        let kept = format!("/srv/{}.tar", domain.folder);
        if folder.exists() {
            remove(&folder)?;
        }
        if fs::read_to_string(&stamp).is_ok_and(|text| text == made_from) {
            return quietly(
                self.inside().args(["tar", "xf", &kept, "-C", "/srv"]),
                &self.place.join("provision.log"),
            );
        }
        let log = self.place.join("provision.log");
        if let Cases::CopyOf(other) = domain.cases {
            let rename = format!("--transform=s,^{other},{},", domain.folder);
            quietly(
                self.inside()
                    .args(["tar", "xf", &format!("/srv/{other}.tar"), "-C", "/srv", &rename]),
                &log,
            )?;
            return Ok(fs::write(folder.join("etc/smb.conf"), domain.configuration())?);
        }
        let inside = format!("/srv/{}", domain.folder);
        let options = [
            format!("--targetdir={inside}"),
            format!("--realm={}", domain.realm.to_uppercase()),
            format!("--domain={}", domain.netbios),
            format!("--host-name={}", domain.host),
            format!("--adminpass={PASSWORD}"),
            format!("--option=interfaces={}", domain.address),
        ];
        let mut provision = self.inside();
        provision.args([
            "samba-tool",
            "domain",
            "provision",
            "--server-role=dc",
            "--dns-backend=SAMBA_INTERNAL",
            "--use-rfc2307",
        ]);
        quietly(provision.args(options).arg("--option=bind interfaces only=yes"), &log)?;
        fs::write(folder.join("etc/smb.conf"), domain.configuration())?;
        for folder in [
            self.root().join("run/samba"),
            folder.join("run"),
            folder.join("ncalrpc"),
        ] {
            fs::create_dir_all(folder)?;
        }
        let lab = self.scripts()?;
        fs::copy(source.join("populate.py"), lab.join("populate.py"))?;
        let name = format!("{}.json", domain.folder);
        fs::write(lab.join(&name), cases)?;
        let mut fill = self.inside();
        fill.args(["python3", "/srv/lab/populate.py"])
            .arg(format!("{inside}/etc/smb.conf"));
        quietly(fill.arg(format!("/srv/lab/{name}")), &log)?;
        quietly(
            self.inside().args(["tar", "cf", &kept, "-C", "/srv", domain.folder]),
            &log,
        )?;
        Ok(fs::write(stamp, made_from)?)
    }

    /// Starts a controller, and waits until it answers.
    fn launch(&self, domain: &Domain) -> Result<()> {
        // What else listens there would answer in its place.
        if self.answers(domain) {
            bail!(
                "something listens on {} already: another directory lab? Stop that one first.",
                domain.address
            );
        }
        let log = File::create(self.place.join(format!("{}.log", domain.folder)))?;
        let mut command = self.inside();
        command.args(["samba", "--foreground", "--no-process-group", "--debug-stdout", "-s"]);
        command.arg(format!("/srv/{}/etc/smb.conf", domain.folder));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // It goes on when this command has ended.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        fs::write(self.pid_file(domain), child.id().to_string())?;
        let begun = Instant::now();
        while !self.answers(domain) {
            if let Some(status) = child.try_wait()? {
                bail!(
                    "the controller of {} ended with {status}; its log is in {}",
                    domain.realm,
                    self.place.display()
                );
            }
            if begun.elapsed() > Duration::from_secs(60) {
                child.kill()?;
                bail!(
                    "the controller of {} does not answer; its log is in {}",
                    domain.realm,
                    self.place.display()
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn pid_file(&self, domain: &Domain) -> PathBuf {
        self.place.join(format!("{}.pid", domain.folder))
    }

    /// The process that a controller was started as, while it lives.
    fn process(&self, domain: &Domain) -> Option<u32> {
        let pid: u32 = fs::read_to_string(self.pid_file(domain)).ok()?.trim().parse().ok()?;
        // Another process may have its number by now.
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line);
        (line.starts_with("unshare") && line.contains(&format!("/srv/{}/", domain.folder))).then_some(pid)
    }

    fn runs(&self, domain: &Domain) -> bool {
        self.process(domain).is_some() && self.answers(domain)
    }

    fn answers(&self, domain: &Domain) -> bool {
        [389u16, 636].iter().all(|port| {
            let address: Option<SocketAddr> = format!("{}:{port}", domain.address).parse().ok();
            address.is_some_and(|address| TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())
        })
    }

    /// Stops a controller in order: the one child of its `unshare` is told, and ends the others.
    fn end(&self, domain: &Domain) -> Result<()> {
        let Some(pid) = self.process(domain) else {
            return Ok(());
        };
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        for child in children.split_whitespace() {
            signal("TERM", child)?;
        }
        let begun = Instant::now();
        while self.process(domain).is_some() {
            if begun.elapsed() > Duration::from_secs(10) {
                // All of it goes with it.
                signal("KILL", &pid.to_string())?;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = fs::remove_file(self.pid_file(domain));
        Ok(())
    }

    fn stop(&self) -> Result<()> {
        for domain in DOMAINS {
            self.end(domain)?;
        }
        Ok(())
    }
}

impl Domain {
    fn configuration(&self) -> String {
        let services = if self.smb { "s3fs, rpc" } else { "rpc" };
        let (folder, realm) = (self.folder, self.realm);
        format!(
            "[global]
    netbios name = {host}
    realm = {upper}
    workgroup = {netbios}
    server role = active directory domain controller
    server services = {services}, wrepl, ldap, cldap, kdc, dns
    interfaces = {address}
    bind interfaces only = yes
    disable netbios = yes
    private dir = /srv/{folder}/private
    lock directory = /srv/{folder}
    state directory = /srv/{folder}/state
    cache directory = /srv/{folder}/cache
    pid directory = /srv/{folder}/run
    ncalrpc dir = /srv/{folder}/ncalrpc
    log file = /srv/{folder}/log.%m
    logging = file
    idmap_ldb:use rfc2307 = yes
    ldap server require strong auth = yes
[sysvol]
    path = /srv/{folder}/state/sysvol
    read only = no
[netlogon]
    path = /srv/{folder}/state/sysvol/{realm}/scripts
    read only = no
",
            host = self.host.to_uppercase(),
            upper = realm.to_uppercase(),
            netbios = self.netbios,
            address = self.address,
        )
    }
}

/// The place that this machine's own packages come from.
fn mirror() -> Result<String> {
    let mut command = Command::new("apt-get");
    let output = command
        .args(["indextargets", "--format", "$(SITE)", "Created-By: Packages"])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut sites: Vec<&str> = text.lines().filter(|site| !site.contains("security")).collect();
    sites.sort_unstable();
    let site = sites
        .first()
        .context("apt-get knows no place that packages come from")?;
    Ok((*site).to_string())
}

/// Gives this machine's loopback an address, which Samba looks for among its interfaces.
fn address(address: &str) -> Result<()> {
    let ip = machine::need("ip", "iproute2")?;
    let there = Command::new(&ip)
        .args(["-brief", "address", "show", "dev", "lo"])
        .output()?;
    if String::from_utf8_lossy(&there.stdout).contains(&format!("{address}/")) {
        return Ok(());
    }
    let status = Command::new(&ip)
        .args(["address", "add", &format!("{address}/32"), "dev", "lo"])
        .status()?;
    if !status.success() {
        bail!("the loopback interface cannot be given the address {address}");
    }
    Ok(())
}

/// Removes a folder, but nothing that is mounted in it.
fn remove(folder: &Path) -> Result<()> {
    let status = Command::new("rm")
        .args(["-rf", "--one-file-system"])
        .arg(folder)
        .status()?;
    if !status.success() {
        bail!("{} could not be removed", folder.display());
    }
    Ok(())
}

fn signal(name: &str, pid: &str) -> Result<()> {
    Command::new("kill").arg(format!("-{name}")).arg(pid).status()?;
    Ok(())
}

/// Runs a command whose words go to a file, which is named when it fails.
fn quietly(command: &mut Command, log: &Path) -> Result<()> {
    let file = File::options().create(true).append(true).open(log)?;
    let status = command
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .with_context(|| format!("{:?}", command.get_program()))?;
    if !status.success() {
        bail!("{:?} ended with {status}; see {}", command.get_program(), log.display());
    }
    Ok(())
}
