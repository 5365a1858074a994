//! Unix: a file's mode, and the DNS servers.

use std::fs::{File, OpenOptions};
use std::io::Result;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Makes a new file that only its owner may open.
pub fn create_private(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Puts the entry of a new file on the disk, which the file's own flush does not.
pub fn sync_folder(file: &Path) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The system has no lookup of service records that every Unix has alike.
pub fn service_records(_name: String) -> Option<super::Lookup> {
    None
}

/// The DNS servers of /etc/resolv.conf, in their order.
pub fn name_servers() -> Vec<std::net::IpAddr> {
    named(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

fn named(text: &str) -> Vec<std::net::IpAddr> {
    let server = |line: &str| line.trim().strip_prefix("nameserver")?.trim().parse().ok();
    text.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_of_resolv_conf_are_read() {
        let text = "# a word\nsearch x\nnameserver 10.0.0.1\n nameserver\t::1 \nnameserver nonsense\n";
        assert_eq!(
            named(text),
            ["10.0.0.1", "::1"].map(|ip| ip.parse::<std::net::IpAddr>().unwrap())
        );
    }
}
