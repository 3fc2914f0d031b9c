//! `lifeboat forget`, `prune` and `copy`

use super::from::KeyArgs;
use clap::Args;
use lifeboat_archive::repository::{Count, MaxUnused, Within};
use lifeboat_machine::bytes::parse_size;
use std::path::PathBuf;

/// A repository that is changed.
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct StoreArgs {
    /// The repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3:// [default: 'repository' in /etc/lifeboat.toml]
    #[arg(long, value_name = "REPO")]
    pub from: Option<String>,
    #[command(flatten)]
    pub key: KeyArgs,
    /// How long to wait while another program holds the repository in a way that stands against this
    #[arg(long, value_name = "MINUTES", default_value_t = 0)]
    pub wait_lock: u32,
    /// Show what would be done, and change nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
}

/// Which snapshots are kept.
#[derive(Args, Clone, Debug, Default)]
pub struct KeepArgs {
    /// Keep the last N snapshots; N may be 'unlimited' here and below
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep_last: Option<Count>,
    /// Keep the last snapshot of each of the last N hours that have one
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep_hourly: Option<Count>,
    /// The same of days
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep_daily: Option<Count>,
    /// The same of weeks
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep_weekly: Option<Count>,
    /// The same of months
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep_monthly: Option<Count>,
    /// The same of years
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep_yearly: Option<Count>,
    /// Keep all that are not older than the latest by more than this, e.g. 14d, 36h, 1y6m
    #[arg(long, value_name = "SPAN")]
    pub keep_within: Option<Within>,
    /// Of these keep the last of each hour
    #[arg(long, value_name = "SPAN")]
    pub keep_within_hourly: Option<Within>,
    /// The same of days
    #[arg(long, value_name = "SPAN")]
    pub keep_within_daily: Option<Within>,
    /// The same of weeks
    #[arg(long, value_name = "SPAN")]
    pub keep_within_weekly: Option<Within>,
    /// The same of months
    #[arg(long, value_name = "SPAN")]
    pub keep_within_monthly: Option<Within>,
    /// The same of years
    #[arg(long, value_name = "SPAN")]
    pub keep_within_yearly: Option<Within>,
    /// Keep snapshots that have this tag, or all of several: TAG,TAG; may be repeated
    #[arg(long, value_name = "TAG")]
    pub keep_tag: Vec<String>,
}

/// How much a prune does.
#[derive(Args, Clone, Debug)]
pub struct PruneLimitArgs {
    /// Leave this much that nobody needs in packs that are partly needed: e.g. 5%, 2G or unlimited
    #[arg(long, value_name = "AMOUNT", default_value = "5%", value_parser = max_unused)]
    pub max_unused: MaxUnused,
    /// Copy no more than this out of packs that are mostly useless, e.g. 20G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_repack_size: Option<u64>,
    /// Hours for which packs stay marked before a later run removes them. Programs that take no locks (rustic) may take so long to
    /// write a snapshot
    #[arg(long, value_name = "HOURS", default_value_t = 23)]
    pub grace: u32,
}

/// `forget`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct ForgetArgs {
    /// Forget these snapshots, by the beginnings of their ids; no rule is applied then
    #[arg(value_name = "ID")]
    pub snapshots: Vec<String>,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub keep: KeepArgs,
    /// Apply the rules to the snapshots of this machine, by its name, or by the beginning of its machine id [default: this machine]
    #[arg(long, visible_alias = "host", value_name = "NAME", conflicts_with = "snapshots")]
    pub machine: Option<String>,
    /// Apply the rules to every machine in the repository, and to what restic saved there, each by itself
    #[arg(long, visible_alias = "all", conflicts_with_all = ["machine", "snapshots"])]
    pub all_machines: bool,
    /// Run 'lifeboat prune' afterwards
    #[arg(long)]
    pub prune: bool,
    #[command(flatten)]
    pub limits: PruneLimitArgs,
}

/// What the help of `forget` ends with.
pub const FORGET_NOTE: &str = "\
A snapshot is kept when any rule keeps it, and the latest of each machine always is. Without options the rules are those of
[retention] in /etc/lifeboat.toml; without rules nothing is forgotten. The room is free once 'lifeboat prune' has run twice.";

/// `prune`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct PruneArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub limits: PruneLimitArgs,
}

/// What the help of `prune` ends with.
pub const PRUNE_NOTE: &str = "\
One run marks what nobody needs, a later one removes it. Backups may run meanwhile.";

/// `copy`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct CopyArgs {
    /// The repository or medium to copy from [default: 'repository' in /etc/lifeboat.toml]
    #[arg(long, value_name = "SOURCE")]
    pub from: Option<String>,
    /// The repository to copy to
    #[arg(long, value_name = "REPO")]
    pub to: String,
    #[command(flatten)]
    pub which: super::look::SnapshotsArgs,
    #[command(flatten)]
    pub key: KeyArgs,
    /// File with the key of the repository to copy to [default: the key of the other one]
    #[arg(long, value_name = "FILE")]
    pub to_key_file: Option<PathBuf>,
    /// Make the repository to copy to when there is none
    #[arg(long)]
    pub init: bool,
    /// How long to wait while another program holds the repository to copy to exclusively
    #[arg(long, value_name = "MINUTES", default_value_t = 0)]
    pub wait_lock: u32,
    /// Show what would be copied, and change nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
}

/// What the help of `copy` ends with.
pub const COPY_NOTE: &str = "\
What is there already is not copied again, so that an interrupted copy continues. The copies belong to the same machines.";

/// A number, or `unlimited`.
pub fn count(text: &str) -> Result<Count, String> {
    match text {
        "unlimited" => Ok(Count::All),
        _ => text.parse().map(Count::Some).map_err(|_| format!("'{text}': expected a number, or unlimited")),
    }
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text, 1).ok_or_else(|| format!("'{text}': expected a size such as 500M or 20G"))
}

fn max_unused(text: &str) -> Result<MaxUnused, String> {
    let wrong = || format!("'{text}': expected 5%, a size such as 2G, or unlimited");
    if text == "unlimited" {
        return Ok(MaxUnused::Unlimited);
    }
    match text.strip_suffix('%') {
        Some(number) => {
            let percent: f64 = number.trim().parse().map_err(|_| wrong())?;
            if (0.0..100.0).contains(&percent) { Ok(MaxUnused::Percent(percent)) } else { Err(wrong()) }
        }
        None => parse_size(text, 1).map(MaxUnused::Bytes).ok_or_else(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read() {
        assert_eq!(max_unused("5%"), Ok(MaxUnused::Percent(5.0)));
        assert_eq!(max_unused("0"), Ok(MaxUnused::Bytes(0)));
        assert_eq!(max_unused("2G"), Ok(MaxUnused::Bytes(2 << 30)));
        assert_eq!(max_unused("unlimited"), Ok(MaxUnused::Unlimited));
        for text in ["", "%", "100%", "-1%", "NaN%", "x", "5 percent"] {
            assert!(max_unused(text).unwrap_err().contains("5%"), "{text}");
        }
        assert_eq!((count("7"), count("unlimited")), (Ok(Count::Some(7)), Ok(Count::All)));
        assert!(count("-1").is_err() && count("").is_err());
    }
}
