//! `lifeboat schedule`, `status` and `notify`

use super::from::KeyArgs;
use clap::Args;
use std::path::PathBuf;

/// `schedule`
#[derive(Args, Clone, Debug)]
pub struct ScheduleArgs {
    /// Show what runs when, and change nothing
    #[arg(long, conflicts_with = "off")]
    pub show: bool,
    /// Turn everything off again
    #[arg(long)]
    pub off: bool,
    /// Work on the root filesystem in this folder; nothing is started
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub sysroot: PathBuf,
}

/// `status`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct StatusArgs {
    /// Look into this repository instead of the configured one
    #[arg(long, value_name = "REPO")]
    pub from: Option<String>,
    /// Write the result for Prometheus' textfile collector, too; the file appears as a whole, and others may read it
    #[arg(long, value_name = "FILE.prom")]
    pub prometheus: Option<PathBuf>,
    #[command(flatten)]
    pub key: KeyArgs,
}

/// `notify`
#[derive(Args, Clone, Debug)]
pub struct NotifyArgs {
    /// The unit that failed, as systemd names it [default: none, a test message is sent]
    #[arg(long, value_name = "UNIT")]
    pub unit: Option<String>,
}

/// `media refresh`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct RefreshArgs {
    /// The image, or a stick of 'media usb': usb, usb:ID, its device or image [default: 'medium_file' in [schedule]]
    #[arg(long, value_name = "FILE.iso|STICK")]
    pub out: Option<PathBuf>,
    /// Build it although nothing changed
    #[arg(long)]
    pub always: bool,
    /// Only say whether it is out of date, and why; exit code 4 when it is
    #[arg(long, conflicts_with = "always")]
    pub show: bool,
    #[command(flatten)]
    pub key: KeyArgs,
}
