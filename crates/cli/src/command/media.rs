//! The media: ISO images, sticks, tapes, and what they share.

use super::{ExcludeArgs, KeyArgs, MenuMode, RefreshArgs, SysrootArgs};
use clap::{Args, Subcommand};
use lifeboat_machine::Mac;
use std::path::PathBuf;

/// `media`
#[derive(Debug, Subcommand)]
pub enum MediaCommand {
    /// A disc image that boots on BIOS and UEFI, from discs and USB sticks
    Iso(IsoArgs),
    /// A USB stick, or an image of one, that boots and holds a repository for this and later backups
    Usb(UsbArgs),
    /// A machine in a boot tree, from which machines start over the network: PXE, HTTP boot and iPXE
    Netboot(NetbootArgs),
    /// A tape with a backup taken now; with --obdr one that boots by itself
    Tape(TapeArgs),
    /// Several discs with a backup taken now, of which the first boots: CDs, DVDs or Blu-rays, as images or burned
    Set(SetArgs),
    /// Print a page for the case of a medium: what it is, how to boot it, where its key is, its id as a QR code
    Label(LabelArgs),
    /// Build the medium of the routine again if kernel, boot loader or layout changed
    Refresh(RefreshArgs),
}

/// What every medium takes.
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct MediumArgs {
    #[command(flatten)]
    pub sysroot: SysrootArgs,
    /// Put the repository key on the medium: anyone who has the medium can then read the archive. Needed for nuke
    #[arg(long)]
    pub embed_key: bool,
    /// Kernel release to boot [default: the running one, or the newest below --sysroot]
    #[arg(long, value_name = "RELEASE")]
    pub kernel: Option<String>,
    /// Mode that the menu starts by itself; nuke erases disks without asking
    #[arg(long, value_name = "MODE", value_enum, default_value_t = MenuMode::Interactive)]
    pub mode: MenuMode,
    /// Seconds before the menu starts its default [default: 30 for a harmless one, 10 for --mode]
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u32>,
    /// More kernel parameters, e.g. "lifeboat.after=poweroff"; may be repeated
    #[arg(long, value_name = "PARAMETERS", allow_hyphen_values = true)]
    pub append: Vec<String>,
    /// Leave firmware files out of the rescue system
    #[arg(long)]
    pub no_firmware: bool,
    /// zstd level of the rescue system, 1 to 22
    #[arg(long, value_name = "LEVEL", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=22))]
    pub compression: u32,
    /// The layout on which the machine comes back: a description that 'lifeboat layout edit' wrote
    #[arg(long, value_name = "FILE")]
    pub layout: Option<PathBuf>,
    /// Folder for temporary files, with room for the archive and 1 GB more [default: /var/tmp, or the folder of the image when
    /// /var/tmp is too small]
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
    /// Replace an existing image, take a disk that cannot be unplugged as a stick, or overwrite a tape or disc that holds something
    #[arg(long)]
    pub force: bool,
    /// The existing image stays until the new one is whole: `media refresh` needs it until then
    #[arg(skip)]
    pub keep_old: bool,
}

/// `media iso`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct IsoArgs {
    /// The image to write
    #[arg(long, value_name = "FILE.iso")]
    pub out: PathBuf,
    /// Embed the latest snapshot of this repository
    #[arg(long, value_name = "REPO", conflicts_with_all = ["backup", "rescue_only"])]
    pub from: Option<String>,
    /// Embed this snapshot instead of the latest
    #[arg(long, value_name = "ID", requires = "from")]
    pub snapshot: Option<String>,
    /// Take a backup now and embed it
    #[arg(long, conflicts_with = "rescue_only")]
    pub backup: bool,
    /// Put no archive on the medium; recovery reads it from elsewhere
    #[arg(long)]
    pub rescue_only: bool,
    /// Where recovery reads the archive from: nfs://, smb://, http(s)://, rest:, sftp:// or s3://, disk:UUID=…:/PATH, or a stream:
    /// tape, stream:disk:UUID=…:/PATH. With --embed-key the medium carries the names and passwords for it, too
    #[arg(long, value_name = "ADDRESS", requires = "rescue_only")]
    pub source: Option<String>,
    /// Use this machine description instead of probing (for a root filesystem in a folder)
    #[arg(long, value_name = "FILE")]
    pub machine: Option<PathBuf>,
    #[command(flatten)]
    pub medium: MediumArgs,
    #[command(flatten)]
    pub key: KeyArgs,
    #[command(flatten)]
    pub exclude: ExcludeArgs,
}

/// `media usb`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct UsbArgs {
    /// The stick, as a whole disk: /dev/sdX; or the file of an image
    #[arg(long, value_name = "DEVICE|FILE")]
    pub to: PathBuf,
    /// Size of a new image, e.g. 8G
    #[arg(long, value_name = "SIZE")]
    pub size: Option<String>,
    /// Put the latest snapshot of this repository onto the stick instead of a new backup
    #[arg(long, value_name = "REPO", conflicts_with = "no_backup")]
    pub from: Option<String>,
    /// Put this snapshot onto it instead of the latest
    #[arg(long, value_name = "ID", requires = "from")]
    pub snapshot: Option<String>,
    /// Make an empty repository: the first backup comes later
    #[arg(long)]
    pub no_backup: bool,
    /// Do not ask before everything on the device is overwritten
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Read only partition table, loaders and filesystem back when they are written, and not every byte
    #[arg(long)]
    pub no_verify: bool,
    /// Show what would be saved and whether there is room; nothing is written
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// Use this machine description instead of probing (for a root filesystem in a folder)
    #[arg(long, value_name = "FILE")]
    pub machine: Option<PathBuf>,
    #[command(flatten)]
    pub medium: MediumArgs,
    #[command(flatten)]
    pub key: KeyArgs,
    #[command(flatten)]
    pub exclude: ExcludeArgs,
}

/// `media set`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct SetArgs {
    /// Where the images of the discs go: a folder, in which they are called after machine, day and set; or what their names begin
    /// with: /srv/web1 for /srv/web1-disc1.iso and so on
    #[arg(long, value_name = "DIR|NAME", required_unless_present = "burn", conflicts_with = "burn")]
    pub out: Option<PathBuf>,
    /// Burn the discs in this drive, which asks for one after the other; given several times, in several drives in turn
    #[arg(long, value_name = "DRIVE")]
    pub burn: Vec<String>,
    /// What fits on a disc: cd, dvd, dvd-dl, bd, bd-dl, or a size such as 650M
    #[arg(long, value_name = "SIZE")]
    pub size: String,
    /// Do not read the archive back as a whole when all images are written; each disc is compared when it is written in any case
    #[arg(long)]
    pub no_verify: bool,
    /// Show what would be saved, whether there is room, and how many discs it comes to at most; nothing is written
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// Use this machine description instead of probing (for a root filesystem in a folder)
    #[arg(long, value_name = "FILE")]
    pub machine: Option<PathBuf>,
    #[command(flatten)]
    pub medium: MediumArgs,
    #[command(flatten)]
    pub key: KeyArgs,
    #[command(flatten)]
    pub exclude: ExcludeArgs,
}

/// `media netboot`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct NetbootArgs {
    /// The boot tree: a folder of its own, or the folder boot of a server that 'lifeboat serve' runs. Other machines stay in it
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Where recovery reads the archive from: nfs://, smb://, http(s)://, rest:, sftp:// or s3://, or what 'media iso --source' takes. With
    /// --embed-key the rescue system carries the key and the names and passwords for it [default: the repository of lifeboat.toml]
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["from", "remove"])]
    pub source: Option<String>,
    /// Put the latest snapshot of this repository into the boot tree: then recovery needs nothing else
    #[arg(long, value_name = "REPO", conflicts_with = "remove")]
    pub from: Option<String>,
    /// Put this snapshot into it instead of the latest
    #[arg(long, value_name = "ID", requires = "from")]
    pub snapshot: Option<String>,
    /// Hardware address of a network card by which the machine is known; may be repeated [default: those that it has]
    #[arg(long, value_name = "MAC", value_parser = |text: &str| Mac::parse(text).ok_or("expected 52:54:00:12:34:56"))]
    pub mac: Vec<Mac>,
    /// Address of the tree for machines that start from it [default: http://SERVER/boot, the server that they start from]
    #[arg(long, value_name = "URL", value_parser = tree_url)]
    pub url: Option<String>,
    /// Take a machine out of the tree: its name, or that of its folder
    #[arg(long, value_name = "NAME")]
    pub remove: Option<String>,
    /// Use this machine description instead of probing (for a root filesystem in a folder)
    #[arg(long, value_name = "FILE")]
    pub machine: Option<PathBuf>,
    #[command(flatten)]
    pub medium: MediumArgs,
    #[command(flatten)]
    pub key: KeyArgs,
}

/// The address of a tree: it becomes part of menus and of kernel parameters.
fn tree_url(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]%".contains(c);
    let known = ["http://", "https://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    match known && text.chars().all(plain) {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err("expected http://HOST[:PORT]/PATH".to_owned()),
    }
}

/// `media label`
#[derive(Args, Clone, Debug)]
pub struct LabelArgs {
    /// The medium: its file, device or mount point, usb or usb:ID, tape or tape:/dev/nst0; of a set of discs one image, or the folder for a
    /// page of each
    #[arg(value_name = "MEDIUM")]
    pub medium: String,
    /// Draw the QR code with plain ASCII, for a printer that has nothing else
    #[arg(long)]
    pub ascii: bool,
}

/// `media tape`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct TapeArgs {
    /// The drive: tape, if there is one only, or tape:/dev/nst0
    #[arg(long, value_name = "TAPE", default_value = "tape")]
    pub to: String,
    /// Begin the tape with a rescue system, from which drives with One-Button Disaster Recovery boot
    #[arg(long)]
    pub obdr: bool,
    /// Do not read the archive back when it was written
    #[arg(long)]
    pub no_verify: bool,
    /// Use this machine description instead of probing (for a root filesystem in a folder)
    #[arg(long, value_name = "FILE")]
    pub machine: Option<PathBuf>,
    #[command(flatten)]
    pub medium: MediumArgs,
    #[command(flatten)]
    pub key: KeyArgs,
    #[command(flatten)]
    pub exclude: ExcludeArgs,
}
