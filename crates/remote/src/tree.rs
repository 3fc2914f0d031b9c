//! A plain web server's tree: an unpacked medium, an image, or a folder with an image in it; or an image on this machine. Nothing is copied: an image is read in
//! pieces, by ranges.

mod links;

use crate::files::whole_part;
use crate::http::{Client, Question, basic};
use crate::image_file::ImageFile;
use crate::iso::{self, Extents};
use crate::rest::read_part;
use crate::{Credentials, Fault, Files, Kind, Patience};
use lifeboat_sys::bounded;
use links::links;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// How many bytes a document of a medium can have: a manifest names some ten thousand packs, in some megabytes. A medium may come from anybody.
pub const LARGEST_DOCUMENT: u64 = 256 << 20;
/// The most images that are examined in one folder.
const IMAGES: usize = 16;

/// A medium on a web server, or an image on this machine.
pub struct Tree {
    reach: Reach,
    url: String,
    /// Where the files of an image are; `None` for an unpacked medium.
    image: Option<BTreeMap<String, Extents>>,
    /// Size of the image.
    size: u64,
}

/// How its bytes are accessed.
enum Reach {
    Web(Web),
    Local(ImageFile),
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

impl iso::ReadAt for Remote<'_> {
    fn read_at(&self, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let length = length.min(self.size.saturating_sub(offset));
        read_part(&self.web.client, self.web.question("GET", self.url), offset, length)
    }
}

/// The image of a tree, wherever it is.
struct Raw<'a>(&'a Tree);

impl iso::ReadAt for Raw<'_> {
    fn read_at(&self, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let Tree { reach, url, size, .. } = self.0;
        match reach {
            Reach::Web(web) => Remote { web, url, size: *size }.read_at(offset, length),
            Reach::Local(file) => file.read_at(offset, length),
        }
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Tree {
    /// Looks for a medium at a URL; `wanted` says whether a manifest is the right one, when there are several images.
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
        let web = Web { client: Client::of(credentials, patience)?, authorization };
        if is_image(url) {
            return Tree::image(web, url);
        }
        let base = format!("{}/", url.trim_end_matches('/'));
        match web.client.ask(&web.question("HEAD", &format!("{base}lifeboat/manifest.json"))) {
            Ok(_) => return Ok(Tree { reach: Reach::Web(web), url: base, image: None, size: 0 }),
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
                Ok(Tree { reach: Reach::Web(same), .. }) => web = same,
                Ok(_) => break,
                Err(fault) => return Err(fault),
            }
        }
        Err(none(match seen {
            0 => "it contains no lifeboat/manifest.json and no links to images (.iso)",
            _ => "none of the images there belongs to this rescue system",
        }))
    }

    fn image(web: Web, url: &str) -> Result<Tree, Fault> {
        let size = web.client.ask(&web.question("HEAD", url))?.length;
        let size = size.ok_or_else(|| Fault::ended("OPEN", url, "the server does not report its size"))?;
        // A server without ranges would send the whole image for each piece.
        let probe = web.client.ask(&web.question("GET", url).range(0, 1))?;
        if !probe.partial {
            let why = "the server does not serve parts of files (Range); try unpacking the image there";
            return Err(Fault::ended("OPEN", url, why));
        }
        let files = iso::files(&Remote { web: &web, url, size }, url, "")?;
        Ok(Tree { reach: Reach::Web(web), url: url.to_owned(), image: Some(files), size })
    }

    /// Opens an image on this machine: a file or a block device.
    ///
    /// # Errors
    /// When it is not an image, or cannot be read.
    pub fn open_local(path: &Path) -> Result<Tree, Fault> {
        let url = path.display().to_string();
        let file = ImageFile::open(path)?;
        let (files, size) = (iso::files(&file, &url, "")?, file.size());
        Ok(Tree { reach: Reach::Local(file), url, image: Some(files), size })
    }

    /// A whole document of the medium, by its path below `/lifeboat/`.
    ///
    /// # Errors
    /// [`Fault`]; also for one with more than [`LARGEST_DOCUMENT`] bytes.
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>, Fault> {
        self.read_at_most(path, LARGEST_DOCUMENT)
    }

    fn read_at_most(&self, path: &str, limit: u64) -> Result<Vec<u8>, Fault> {
        match (&self.image, &self.reach) {
            (None, Reach::Web(web)) => {
                let question = web.question("GET", &format!("{}lifeboat/{path}", self.url)).at_most(limit);
                Ok(web.client.ask(&question)?.body)
            }
            _ => match self.file_size(&format!("lifeboat/{path}"))? {
                size if size > limit => Err(Fault::impossible(path, bounded::too_large(size, limit))),
                size => self.read(path, 0, size),
            },
        }
    }

    /// Part of a file of the medium, by its path below `/lifeboat/`.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn read(&self, path: &str, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        self.read_anywhere(&format!("lifeboat/{path}"), offset, length)
    }

    /// Part of a file, by its path from the top of the medium.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn read_anywhere(&self, path: &str, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        match (&self.image, &self.reach) {
            (None, Reach::Web(web)) => {
                read_part(&web.client, web.question("GET", &format!("{}{path}", self.url)), offset, length)
            }
            _ => whole_part(iso::read(&self.raw_source(), self.extents(path)?, offset, length)?, length, path),
        }
    }

    /// Size in bytes of a file, by its path from the top of the medium.
    ///
    /// # Errors
    /// [`Fault::Missing`] when there is none.
    pub fn file_size(&self, path: &str) -> Result<u64, Fault> {
        match (&self.image, &self.reach) {
            (None, Reach::Web(web)) => {
                let url = format!("{}{path}", self.url);
                let length = web.client.ask(&web.question("HEAD", &url))?.length;
                length.ok_or_else(|| Fault::ended("READ", url, "the server does not report its size"))
            }
            _ => Ok(self.extents(path)?.iter().map(|(_, size)| size).sum()),
        }
    }

    /// All files of an image by their paths from its top; `None` for an unpacked medium, which cannot be listed.
    pub fn paths(&self) -> Option<impl Iterator<Item = &str>> {
        self.image.as_ref().map(|files| files.keys().map(String::as_str))
    }

    /// It is on this machine.
    pub fn is_local(&self) -> bool {
        matches!(self.reach, Reach::Local(_))
    }

    /// Size of the image; `None` for an unpacked medium.
    pub fn image_bytes(&self) -> Option<u64> {
        self.image.as_ref().map(|_| self.size)
    }

    /// Part of the image itself, shorter at its end.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn read_raw(&self, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        use iso::ReadAt as _;
        self.raw_source().read_at(offset, length)
    }

    fn raw_source(&self) -> Raw<'_> {
        Raw(self)
    }

    fn extents(&self, path: &str) -> Result<&Extents, Fault> {
        let found = self.image.as_ref().and_then(|files| files.get(path));
        found.ok_or_else(|| Fault::Missing(format!("{path} in {}", self.url)))
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
        Fault::ended(action, self.place(), "this medium can only be read")
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
        self.tree.read_at_most(&format!("repo/{}", kind.path(name)), kind.largest())
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
        match &self.tree.reach {
            Reach::Web(web) => web.client.patience.given_up(),
            Reach::Local(_) => None,
        }
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
