//! Names in the rescue system's run directory, by which the boot process and the recovery know each other.

/// The directory.
pub const DIRECTORY: &str = "/run/lifeboat";
/// Everything that was reported since the boot.
pub const LOG: &str = "/run/lifeboat/log";
/// The kernel parameters as init understood them.
pub const PARAMETERS: &str = "/run/lifeboat/parameters.json";
/// Where medium and archive were found ([`crate::source::RecordedSource`]).
pub const SOURCE: &str = "/run/lifeboat/source.json";
/// What a mode wants to follow it.
pub const AFTER: &str = "/run/lifeboat/after.json";
/// Where the medium is mounted.
pub const MEDIUM: &str = "/run/lifeboat/medium";
/// What a recovery needs of the first disc of a set, in memory: the drive is needed for the other discs.
pub const FIRST_DISC: &str = "/run/lifeboat/first-disc";
/// Where the tools image is mounted.
pub const TOOLS: &str = "/run/lifeboat/tools";
/// The writable half of what lies over /usr.
pub const TOOLS_WRITABLE: &str = "/run/lifeboat/tools-writable";
/// The helper that the kernel calls for modules.
pub const MODPROBE: &str = "/run/lifeboat/modprobe";
/// Keys and configuration of the ssh server.
pub const SSH: &str = "/run/lifeboat/ssh";
/// There once the network was started.
pub const NETWORK_STARTED: &str = "/run/lifeboat/network-started";
/// Where a tool puts an initramfs together when the restored system has no room.
pub const INITRAMFS: &str = "/run/lifeboat/initramfs";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lie_in_the_directory() {
        let names = [
            LOG,
            PARAMETERS,
            SOURCE,
            AFTER,
            MEDIUM,
            FIRST_DISC,
            TOOLS,
            TOOLS_WRITABLE,
            MODPROBE,
            SSH,
            NETWORK_STARTED,
            INITRAMFS,
        ];
        for name in names {
            assert_eq!(name.strip_prefix(DIRECTORY).map(|rest| rest.starts_with('/')), Some(true), "{name}");
            assert_eq!(names.iter().filter(|other| **other == name).count(), 1, "{name}");
        }
    }
}
