//! Options that limit what the work takes.

use crate::config::{IoPriority, LimitsTable};
use clap::Args;

/// How much of the machine and its network the work may take. They win over `[limits]` in the configuration.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct LimitArgs {
    /// Send no more than this to servers over HTTP, S3 and SFTP
    #[arg(long, value_name = "KIB/S", global = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit_upload: Option<u32>,
    /// Receive no more than this from servers over HTTP, S3 and SFTP
    #[arg(long, value_name = "KIB/S", global = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit_download: Option<u32>,
    /// Use at most this many processors, programs that are started included
    #[arg(long, value_name = "COUNT", global = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Let others use the disks first: low, or idle (only when nobody else does)
    #[arg(long, value_name = "PRIORITY", value_enum, global = true)]
    pub io_priority: Option<IoPriority>,
}

impl LimitArgs {
    /// These options, and the table where there is none.
    pub fn or(self, table: LimitsTable) -> LimitsTable {
        LimitsTable {
            upload: self.limit_upload.or(table.upload),
            download: self.limit_download.or(table.download),
            threads: self.threads.or(table.threads),
            io_priority: self.io_priority.or(table.io_priority),
            compression: table.compression,
        }
    }
}
