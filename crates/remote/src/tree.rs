//! A plain web server's tree: an unpacked medium, an image, or a folder with an image in it. Nothing is copied: an image is read in
//! pieces, by ranges.

mod links;

use crate::files::whole_part;
use crate::http::{Client, Question, basic};
use crate::iso::{self, Extents};
use crate::rest::read_part;
use crate::{Credentials, Fault, Files, Kind, Patience};
use links::links;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Images that are looked at in one folder.
const IMAGES: usize = 16;

/// A medium on a web server.
pub struct Tree {
    web: Web,
    url: String,
    /// Where the files of an image lie; `None` for an unpacked medium.
    image: Option<BTreeMap<String, Extents>>,
}

struct Web {
    client: Client,
    authorization: Option<(String, String)>,
}

impl Web {
    fn question<'a>(&self, method: &'static str, url: &str) -> Question<'a> {
        let mut question = Question::new(method, url, "READ", url);
        question.headers.extend(self.authorization.clone());
        question
    }
}

/// An image on the server.
struct Remote<'a> {
    web: &'a Web,
    url: &'a str,
    size: u64,
}

impl iso::Source for Remote<'_> {
    fn read_at(&self, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let length = length.min(self.size.saturating_sub(offset));
        read_part(&self.web.client, self.web.question("GET", self.url), offset, length)
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Tree {
    /// Looks for a medium at a URL; `wanted` says of a manifest whether it is the right one, when several images are there.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(
        url: &str,
        credentials: &Credentials,
        patience: Patience,
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Tree, Fault> {
        let authorization = basic(credentials.get("HTTP_USERNAME"), credentials.get("HTTP_PASSWORD"));
        let web = Web { client: Client::new(patience), authorization };
        if is_image(url) {
            return Tree::image(web, url);
        }
        let base = format!("{}/", url.trim_end_matches('/'));
        match web.client.ask(&web.question("HEAD", &format!("{base}lifeboat/manifest.json"))) {
            Ok(_) => return Ok(Tree { web, url: base, image: None }),
            Err(Fault::Missing(_)) => {}
            Err(other) => return Err(other),
        }
        let none = |why: &str| Fault::ended("OPEN", url, why);
        let page = match web.client.ask(&web.question("GET", &base)) {
            Err(Fault::Missing(_)) => return Err(none("the server has no such folder")),
            other => other?,
        };
        let mut web = web;
        let mut seen = 0;
        for image in links(&String::from_utf8_lossy(&page.body), &base).into_iter().filter(|link| is_image(link)) {
            seen += 1;
            if seen > IMAGES {
                break;
            }
            match Tree::image(web, &image) {
                Ok(tree) if tree.read_file("manifest.json").is_ok_and(|manifest| wanted(&manifest)) => return Ok(tree),
                Ok(tree) => web = tree.web,
                Err(fault) => return Err(fault),
            }
        }
        Err(none(match seen {
            0 => "it holds neither lifeboat/manifest.json nor links to images (.iso)",
            _ => "none of the images there belongs to this rescue system",
        }))
    }

    fn image(web: Web, url: &str) -> Result<Tree, Fault> {
        let size = web.client.ask(&web.question("HEAD", url))?.length;
        let size = size.ok_or_else(|| Fault::ended("OPEN", url, "the server does not tell its size"))?;
        // A server without ranges would send the whole image for each piece.
        let probe = web.client.ask(&web.question("GET", url).range(0, 1))?;
        if !probe.partial {
            let why = "the server does not serve parts of files (Range); try unpacking the image there";
            return Err(Fault::ended("OPEN", url, why));
        }
        let files = iso::files(&Remote { web: &web, url, size }, url, "lifeboat")?;
        Ok(Tree { web, url: url.to_owned(), image: Some(files) })
    }

    /// A whole file of the medium, by its path below `/lifeboat/`.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>, Fault> {
        match &self.image {
            None => {
                let url = format!("{}lifeboat/{path}", self.url);
                Ok(self.web.client.ask(&self.web.question("GET", &url))?.body)
            }
            Some(files) => {
                let extents = files.get(path).ok_or_else(|| Fault::Missing(format!("{} in {}", path, self.url)))?;
                self.read(path, 0, extents.iter().map(|(_, size)| size).sum())
            }
        }
    }

    /// Part of a file of the medium.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn read(&self, path: &str, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        match &self.image {
            None => {
                let url = format!("{}lifeboat/{path}", self.url);
                read_part(&self.web.client, self.web.question("GET", &url), offset, length)
            }
            Some(files) => {
                let extents = files.get(path).ok_or_else(|| Fault::Missing(format!("{} in {}", path, self.url)))?;
                let remote = Remote { web: &self.web, url: &self.url, size: u64::MAX };
                let bytes = iso::read(&remote, extents, offset, length)?;
                whole_part(bytes, length, path)
            }
        }
    }

    /// The repository on the medium; `files` are the paths and sizes that its manifest names.
    pub fn repository(self: Arc<Self>, files: BTreeMap<String, u64>) -> Arc<dyn Files> {
        Arc::new(Repository { tree: self, files })
    }

    /// Where it is, for people.
    pub fn place(&self) -> &str {
        &self.url
    }
}

fn is_image(url: &str) -> bool {
    url.split(['?', '#']).next().unwrap_or(url).to_ascii_lowercase().ends_with(".iso")
}

/// `/lifeboat/repo` of a medium, read-only.
struct Repository {
    tree: Arc<Tree>,
    files: BTreeMap<String, u64>,
}

impl Repository {
    fn read_only(&self, action: &str) -> Fault {
        Fault::ended(action, self.place(), "a medium on a web server can only be read")
    }
}

impl Files for Repository {
    fn place(&self) -> String {
        self.tree.url.clone()
    }

    fn list(&self, kind: Kind) -> Result<Vec<(String, u64)>, Fault> {
        let prefix = format!("repo/{}/", kind.directory());
        let below = self.files.iter().filter_map(|(path, size)| Some((path.strip_prefix(&prefix)?, size)));
        Ok(below.map(|(path, size)| (path.rsplit('/').next().unwrap_or(path).to_owned(), *size)).collect())
    }

    fn read(&self, kind: Kind, name: &str) -> Result<Vec<u8>, Fault> {
        self.tree.read_file(&format!("repo/{}", kind.path(name)))
    }

    fn read_part(&self, kind: Kind, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        self.tree.read(&format!("repo/{}", kind.path(name)), offset, length)
    }

    fn write(&self, _: Kind, _: &str, _: &[u8]) -> Result<(), Fault> {
        Err(self.read_only("WRITE"))
    }

    fn remove(&self, _: Kind, _: &str) -> Result<(), Fault> {
        Err(self.read_only("CHANGE"))
    }

    fn create(&self) -> Result<(), Fault> {
        Err(self.read_only("CREATE"))
    }

    fn given_up(&self) -> Option<String> {
        self.tree.web.client.patience.given_up()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_index_pages() {
        // As nginx, Apache, Python and rclone write them.
        let page = "<a href=\"../\">../</a><a href=\"rescue.iso\">x</a><a class=x href='./b%20c.ISO'>y</a>\
            <a href=\"/etc/passwd.iso\"><a href=\"http://evil/x.iso\"><a href=plain.iso>z</a><a href=\"?C=N\"><a href=\"rescue.iso\">";
        assert_eq!(
            links(page, "http://h/m/"),
            ["http://h/m/rescue.iso", "http://h/m/b%20c.ISO", "http://h/m/plain.iso"]
        );
        assert!(is_image("http://h/m/b%20c.ISO") && is_image("http://h/x.iso?a") && !is_image("http://h/iso"));
    }
}
