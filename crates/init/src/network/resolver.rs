//! resolv.conf(5), of what all links report.

use crate::report::locked;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Name servers and the search domain that a link received.
type Received = (Vec<IpAddr>, Option<String>);

/// Collects name servers and writes them to the file.
pub struct Resolver {
    path: PathBuf,
    first: Vec<IpAddr>,
    search: Vec<String>,
    links: Mutex<BTreeMap<String, Received>>,
}

impl Resolver {
    /// `first` are asked before those that links report.
    pub fn new(path: &Path, first: &[IpAddr], search: &[String]) -> Resolver {
        Resolver { path: path.to_owned(), first: first.to_vec(), search: search.to_vec(), links: Mutex::default() }
    }

    /// Takes what a link received, in place of what it had received before.
    pub fn add(&self, link: &str, servers: &[IpAddr], domain: Option<&str>) -> Result<(), String> {
        let reported = (servers.to_vec(), domain.map(str::to_owned));
        if locked(&self.links).insert(link.to_owned(), reported.clone()).as_ref() == Some(&reported) {
            return Ok(());
        }
        self.write()
    }

    /// Writes the file, completely or not at all.
    pub fn write(&self) -> Result<(), String> {
        let text = self.text();
        let temporary = self.path.with_extension("new");
        std::fs::write(&temporary, text)
            .and_then(|()| std::fs::rename(&temporary, &self.path))
            .map_err(|error| format!("cannot WRITE {}: {error}", self.path.display()))
    }

    fn text(&self) -> String {
        let links = locked(&self.links);
        let mut servers: Vec<IpAddr> = vec![];
        for server in self.first.iter().chain(links.values().flat_map(|(servers, _)| servers)) {
            if !servers.contains(server) {
                servers.push(*server);
            }
        }
        let mut search: Vec<&str> = vec![];
        for domain in self.search.iter().map(String::as_str).chain(links.values().filter_map(|(_, d)| d.as_deref())) {
            if !search.contains(&domain) {
                search.push(domain);
            }
        }
        let mut text = String::from("# written by lifeboat-init\n");
        if !search.is_empty() {
            text.push_str(&format!("search {}\n", search.join(" ")));
        }
        for server in servers {
            text.push_str(&format!("nameserver {server}\n"));
        }
        // A dead first server must not cost 5 s for each look-up.
        text.push_str("options timeout:2 attempts:3\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_once_each_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        let resolver = Resolver::new(&path, &["192.0.2.53".parse().unwrap()], &["a.example".into()]);
        resolver
            .add("eth1", &["192.0.2.54".parse().unwrap(), "192.0.2.53".parse().unwrap()], Some("b.example"))
            .unwrap();
        resolver.add("eth0", &["fd00::53".parse().unwrap()], None).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "# written by lifeboat-init\nsearch a.example b.example\nnameserver 192.0.2.53\nnameserver fd00::53\n\
             nameserver 192.0.2.54\noptions timeout:2 attempts:3\n"
        );
    }
}
