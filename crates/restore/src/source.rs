//! Where a repository is: in a folder, on a medium as a file, a device or a mount point, or at an address on the network. Streams are
//! found in [`crate::stream_place`].

use crate::failure::Failure;
use crate::medium::{self, Medium, parse_manifest};
use crate::mounted::{self, Mounted, mounted};
use crate::network::Network;
use crate::on_disk::{self, Search};
use crate::stick::Stick;
use crate::stream_name;
use crate::view::View;
use lifeboat_archive::{Place, Repository, Secret};
use lifeboat_machine::MediumManifest;
use lifeboat_machine::on_disk::OnDisk;
use lifeboat_remote::Address;
use lifeboat_remote::folder::Folder;
use lifeboat_remote::tree::Tree;
use lifeboat_sys::Runner;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An archive's place, opened: what was mounted for it stays mounted while this lives.
#[derive(Debug)]
pub struct Source {
    /// The repository.
    pub repository: Place,
    /// The mounted medium that holds it.
    pub medium: Option<Medium>,
    /// The medium that holds it, if it is not mounted: on a web server, or an image that the kernel does not mount.
    pub web: Option<WebMedium>,
    /// Nothing authenticates the server there: plain HTTP, NFS, or SMB.
    pub unproven: bool,
    // Dropped in this order: an image before the share that it is on.
    _mounted: Vec<Mounted>,
}

/// A medium that is read without being mounted.
#[derive(Debug)]
pub struct WebMedium {
    tree: Arc<Tree>,
    /// Its manifest.
    pub manifest: MediumManifest,
    /// The bytes of its manifest.
    pub manifest_json: Vec<u8>,
}

/// What to look for at a place.
#[derive(Clone, Copy)]
struct Wish<'a> {
    /// Of several media, the one whose manifest this accepts.
    wanted: &'a dyn Fn(&[u8]) -> bool,
    /// Whether somebody can be asked for passphrases.
    search: Search,
    /// A medium without an archive will do.
    without_archive: bool,
}

const ANY: Wish<'static> = Wish { wanted: &|_| true, search: Search::Alone, without_archive: false };

/// What a path turned out to be.
#[derive(Debug, PartialEq, Eq)]
enum Shape {
    Repository,
    MediumMount,
    /// A file or block device to be mounted.
    Image,
}

impl Source {
    /// Opens `text`: a folder, a medium's file or device, a mount point, a place on a disk (`disk:LABEL=…:/PATH`), or an address. `scratch` is a folder for mount points.
    ///
    /// # Errors
    /// [`Failure::Unusable`] with what was found instead; [`Failure::Locked`]; [`Failure::Network`].
    pub fn open(text: &str, scratch: &Path, network: &Network, runner: &dyn Runner) -> Result<Source, Failure> {
        Source::find(text, scratch, network, runner, ANY)
    }

    /// The same; a medium need not hold an archive. Then there is no repository at [`Source::repository`].
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn open_medium(text: &str, scratch: &Path, network: &Network, runner: &dyn Runner) -> Result<Source, Failure> {
        Source::find(text, scratch, network, runner, Wish { without_archive: true, ..ANY })
    }

    /// The same for callers that ask a person for the passphrase of an encrypted disk, or let the `search` continue without it.
    ///
    /// # Errors
    /// As [`Source::open`]; [`Failure::Locked`] even while other disks may still appear.
    pub fn open_asking(
        text: &str,
        scratch: &Path,
        network: &Network,
        runner: &dyn Runner,
        search: Search,
    ) -> Result<Source, Failure> {
        Source::find(text, scratch, network, runner, Wish { search, ..ANY })
    }

    /// The same; where a folder holds several media, the first whose manifest `wanted` accepts.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn open_wanted(
        text: &str,
        scratch: &Path,
        network: &Network,
        runner: &dyn Runner,
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Source, Failure> {
        Source::find(text, scratch, network, runner, Wish { wanted, ..ANY })
    }

    fn find(
        text: &str,
        scratch: &Path,
        network: &Network,
        runner: &dyn Runner,
        wish: Wish<'_>,
    ) -> Result<Source, Failure> {
        if stream_name::is_meant(text) {
            return Err(Failure::Unusable {
                what: text.to_owned(),
                reason: "it is a stream, and no repository".into(),
            });
        }
        if Stick::is_meant(text) {
            return open_stick(&Stick::named(text)?, &Place::Folder, scratch, runner, wish);
        }
        if OnDisk::is_meant(text) {
            let place = OnDisk::parse(text).map_err(|reason| Failure::Unusable { what: text.to_owned(), reason })?;
            return open_on_disk(&place, wish, scratch, runner);
        }
        if Address::is_meant(text) {
            let address = Network::address(text)?;
            network.bring_up(runner)?;
            return open_address(&address, scratch, network, runner, wish);
        }
        open_path(Path::new(text), text, scratch, runner, &Place::Folder, wish)
    }

    /// The manifest of the medium that holds the repository, if one does.
    pub fn manifest(&self) -> Option<&MediumManifest> {
        self.medium.as_ref().map(|medium| &medium.manifest).or(self.web.as_ref().map(|web| &web.manifest))
    }

    /// The files of the medium that holds the repository, if one does.
    pub fn view(&self) -> Option<View<'_>> {
        self.medium.as_ref().map(Medium::view).or(self.web.as_ref().map(|web| View::Tree(&web.tree)))
    }

    /// The medium, if all of it can be read without a network: then every byte of it is read before anything is wiped.
    pub(crate) fn near(&self) -> Option<(View<'_>, &MediumManifest)> {
        match (&self.medium, &self.web) {
            (Some(medium), _) => Some((medium.view(), &medium.manifest)),
            (None, Some(web)) if web.tree.is_local() => Some((View::Tree(&web.tree), &web.manifest)),
            _ => None,
        }
    }

    /// The key that the medium carries, if one was embedded.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn key(&self) -> Result<Option<Secret>, Failure> {
        if let Some(medium) = &self.medium {
            return medium.key();
        }
        match &self.web {
            Some(web) if web.manifest.embedded_key => {
                Ok(Some(Secret::new(String::from_utf8_lossy(&web.tree.read_file("repository.key")?))))
            }
            _ => Ok(None),
        }
    }
}

/// Opens what is at a path; `place` says how its repository is read.
fn open_path(
    path: &Path,
    text: &str,
    scratch: &Path,
    runner: &dyn Runner,
    place: &dyn Fn(PathBuf) -> Place,
    wish: Wish<'_>,
) -> Result<Source, Failure> {
    let unusable = |reason: String| Failure::Unusable { what: text.to_owned(), reason };
    match shape(path).map_err(unusable)? {
        Shape::Repository => {
            let repository = place(path.to_owned());
            Ok(Source { repository, medium: None, web: None, unproven: false, _mounted: vec![] })
        }
        Shape::MediumMount => from_medium(Medium::open(path)?, place, vec![], wish),
        Shape::Image => match Stick::at(path) {
            Some(stick) => open_stick(&stick, place, scratch, runner, wish),
            None => open_image(path, place, scratch, runner, wish),
        },
    }
}

/// An image, or the device that it was written to.
fn open_image(
    path: &Path,
    place: &dyn Fn(PathBuf) -> Place,
    scratch: &Path,
    runner: &dyn Runner,
    wish: Wish<'_>,
) -> Result<Source, Failure> {
    match mounted(scratch, |point| on_disk::mount(path, point, runner)) {
        Ok((guard, point)) => {
            let medium = Medium { image: Some(path.to_owned()), ..Medium::open(&point)? };
            from_medium(medium, place, vec![guard], wish)
        }
        // Without iso9660 in the kernel, or the right to mount, it can still be read.
        Err(error) => match Tree::open_local(path) {
            Ok(tree) => from_tree(tree, wish),
            Err(_) => Err(error),
        },
    }
}

/// A stick; its data partition may be mounted already.
fn open_stick(
    stick: &Stick,
    place: &dyn Fn(PathBuf) -> Place,
    scratch: &Path,
    runner: &dyn Runner,
    wish: Wish<'_>,
) -> Result<Source, Failure> {
    if let Some(point) = stick.mount_point() {
        return from_medium(Medium::open(&point)?, place, vec![], wish);
    }
    let mount = |options: &[&'static str], point: &Path| stick.mount(point, options, runner);
    let (guard, point) = mounted(scratch, |point| on_disk::read_only("ext4", |options| mount(options, point)))?;
    let medium = Medium { image: Some(stick.disk.clone()), ..Medium::open(&point)? };
    from_medium(medium, place, vec![guard], wish)
}

/// A medium that is read without being mounted.
fn from_tree(tree: Tree, wish: Wish<'_>) -> Result<Source, Failure> {
    let tree = Arc::new(tree);
    let manifest_json = tree.read_file("manifest.json")?;
    let manifest = parse_manifest(&manifest_json, tree.place())?;
    if manifest.archive.is_none() && !wish.without_archive {
        return Err(medium::holds_no_archive(&manifest));
    }
    let files = manifest.files.iter().map(|(path, digest)| (path.clone(), digest.size_bytes)).collect();
    let repository = Place::Files(Arc::clone(&tree).repository(files));
    let web = Some(WebMedium { tree, manifest, manifest_json });
    Ok(Source { repository, medium: None, web, unproven: false, _mounted: vec![] })
}

/// The disk stays mounted with the source: so no plan may use it.
fn open_on_disk(place: &OnDisk, wish: Wish<'_>, scratch: &Path, runner: &dyn Runner) -> Result<Source, Failure> {
    let (guard, path) = mounted::place(place, wish.search, scratch, runner)?;
    let mut source = open_path(&path, &place.to_string(), scratch, runner, &Place::Folder, wish)?;
    source._mounted.extend(guard);
    Ok(source)
}

fn from_medium(
    medium: Medium,
    place: &dyn Fn(PathBuf) -> Place,
    mounted: Vec<Mounted>,
    wish: Wish<'_>,
) -> Result<Source, Failure> {
    let repository = match medium.repository() {
        Some(repository) => repository,
        None if wish.without_archive => Place::Sealed(medium.directory.join("repo")),
        None => return Err(medium::holds_no_archive(&medium.manifest)),
    };
    let repository = match repository {
        // Its manifest lists all that may be there.
        Place::Sealed(folder) => match place(folder) {
            Place::Folder(folder) => Place::Sealed(folder),
            other => other,
        },
        Place::Folder(folder) => place(folder),
        files @ Place::Files(_) => files,
    };
    Ok(Source { repository, medium: Some(medium), web: None, unproven: false, _mounted: mounted })
}

fn open_address(
    address: &Address,
    scratch: &Path,
    network: &Network,
    runner: &dyn Runner,
    wish: Wish<'_>,
) -> Result<Source, Failure> {
    let patience = network.patience(address);
    match address {
        Address::Nfs(_) | Address::Smb(_) => {
            let shown = address.to_string();
            let (guard, point) = mounted(scratch, |point| network.mount(address, point, false, &patience))?;
            let place = |folder: PathBuf| Place::Files(Arc::new(Folder::new(&folder, shown.clone(), patience.clone())));
            let inside = images(&point, &shown, scratch, runner, wish.wanted)?;
            let mut source = match inside {
                Some(Image::Mounted(image, medium)) => from_medium(*medium, &place, vec![image], wish)?,
                Some(Image::Read(tree)) => from_tree(tree, wish)?,
                None => open_path(&point, &shown, scratch, runner, &place, wish)?,
            };
            source._mounted.push(guard);
            source.unproven = true;
            Ok(source)
        }
        Address::Http(url) => {
            let source = from_tree(Tree::open(url, &network.credentials, patience, wish.wanted)?, wish)?;
            Ok(Source { unproven: url.starts_with("http://"), ..source })
        }
        store => {
            let files = lifeboat_remote::store(store, &network.credentials, patience)?;
            Ok(Source { repository: Place::Files(files), medium: None, web: None, unproven: false, _mounted: vec![] })
        }
    }
}

/// An image that was found in a share.
enum Image {
    Mounted(Mounted, Box<Medium>),
    Read(Tree),
}

/// The medium in an image (`*.iso`) that is in a mounted share, if the share itself is neither a repository nor a medium.
fn images(
    share: &Path,
    shown: &str,
    scratch: &Path,
    runner: &dyn Runner,
    wanted: &dyn Fn(&[u8]) -> bool,
) -> Result<Option<Image>, Failure> {
    if !share.is_dir() || Repository::is_repository(share) || share.join("lifeboat/manifest.json").is_file() {
        return Ok(None);
    }
    let read = |source| Failure::Read { path: share.to_owned(), source };
    let mut list = vec![];
    for entry in std::fs::read_dir(share).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("iso")) {
            list.push(path);
        }
    }
    list.sort();
    let any = !list.is_empty();
    for path in list {
        match mounted(scratch, |point| on_disk::mount(&path, point, runner)) {
            Ok((guard, point)) => {
                let manifest = Failure::read(&point.join("lifeboat/manifest.json")).unwrap_or_default();
                if !manifest.is_empty() && wanted(&manifest) {
                    let medium = Medium { image: Some(path), ..Medium::open(&point)? };
                    return Ok(Some(Image::Mounted(guard, Box::new(medium))));
                }
            }
            Err(error) => {
                let tree = Tree::open_local(&path).map_err(|_| error)?;
                if tree.read_file("manifest.json").is_ok_and(|manifest| wanted(&manifest)) {
                    return Ok(Some(Image::Read(tree)));
                }
            }
        }
    }
    match any {
        false => Ok(None),
        true => Err(Failure::Unusable {
            what: shown.to_owned(),
            reason: "none of the images there belongs to this rescue system".into(),
        }),
    }
}

fn shape(path: &Path) -> Result<Shape, String> {
    let metadata = std::fs::metadata(path).map_err(|error| format!("{error}"))?;
    if metadata.is_dir() {
        for part in ["config", "lifeboat"] {
            // What may not be accessed is not missing.
            if let Err(error) = std::fs::metadata(path.join(part))
                && error.kind() == std::io::ErrorKind::PermissionDenied
            {
                return Err(format!("{error}; try as root"));
            }
        }
        if Repository::is_repository(path) {
            return Ok(Shape::Repository);
        }
        if path.join("lifeboat/manifest.json").is_file() {
            return Ok(Shape::MediumMount);
        }
        return Err("it is a folder, but not a repository or a mounted Lifeboat medium".into());
    }
    if metadata.is_file() || metadata.file_type().is_block_device() {
        return Ok(Shape::Image);
    }
    Err("it is not a folder, a file or a block device".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::FakeRunner;

    #[test]
    fn wrong_sources_say_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().to_str().unwrap().to_owned();
        for (text, message) in [
            ("ftp://host/x".to_owned(), "'ftp' is not known"),
            ("s3://bucket/x".to_owned(), "AWS_ACCESS_KEY_ID is not set"),
            (format!("{here}/none"), "No such file"),
            ("tape:nst0".to_owned(), "it is a stream"),
            (here.clone(), "not a repository or a mounted Lifeboat medium"),
            ("/dev/null".to_owned(), "not a folder, a file"),
        ] {
            let failure =
                Source::open(&text, dir.path(), &Network::default(), &FakeRunner::new()).unwrap_err().to_string();
            assert!(failure.contains(message), "{failure}");
        }
    }

    #[test]
    fn a_failed_mount_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("x.iso");
        std::fs::write(&image, "no image").unwrap();
        Source::open(image.to_str().unwrap(), dir.path(), &Network::default(), &FakeRunner::new()).unwrap_err();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
