//! [`Fields`]: what a tool prints or a structure on disk holds, and what becomes of it. Whatever is not kept has its reason
//! here; the handbook's page "What is read, and what is not kept" is made of these lists.

/// The fields of one source.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    /// The tool or structure, as a person knows it.
    pub source: &'static str,
    /// Fields that come back, or that are asked for to decide something.
    pub kept: &'static [&'static str],
    /// Fields that are not kept, each with the reason.
    pub ignored: &'static [(&'static str, &'static str)],
}

impl Fields {
    /// True when it is known what becomes of a field.
    pub fn knows(&self, name: &str) -> bool {
        self.kept.contains(&name) || self.ignored.iter().any(|(ignored, _)| *ignored == name)
    }
}

/// `/sys/block/mdN/md/`, with a member's words of state.
pub const MD_SYSFS: Fields = Fields {
    source: "`/sys/block/mdN/md/` (Documentation/admin-guide/md.rst)",
    kept: &[
        "level",
        "metadata_version",
        "raid_disks",
        "chunk_size",
        "layout",
        "component_size",
        "array_size",
        "reshape_position",
        "consistency_policy",
        "bitmap/location",
        "bitmap/chunksize",
        "bitmap/metadata",
        "bitmap_type",
        "logical_block_size",
        "dev-*/state",
        "dev-*/slot",
        "dev-*/offset",
    ],
    ignored: &[
        ("array_state, degraded, dev-*/recovery_start, resync_start", "state of the moment; a new array is whole"),
        ("sync_action, last_sync_action, sync_completed, sync_speed, mismatch_cnt", "state of the moment"),
        (
            "sync_speed_min, sync_speed_max, sync_min, sync_max, sync_force_parallel",
            "set anew at each start by sysctl or udev",
        ),
        (
            "suspend_lo, suspend_hi, new_dev, bitmap_set_bits, reshape_direction",
            "commands to the kernel, no properties",
        ),
        (
            "safe_mode_delay, max_read_errors, fail_last_dev, serialize_policy",
            "not in the superblock: the kernel's defaults at each start, changed by the system's own scripts, which come back as files",
        ),
        (
            "stripe_cache_size, preread_bypass_threshold, group_thread_cnt, skip_copy, rmw_level, stripe_size, journal_mode, ppl_write_hint",
            "the same",
        ),
        (
            "bitmap/backlog, bitmap/time_base, bitmap/space, bitmap/can_clear, bitmap/max_backlog_used",
            "tuning of write-behind and of the bitmap's daemon; mdadm's defaults",
        ),
        ("dev-*/errors, dev-*/bad_blocks, dev-*/unacknowledged_bad_blocks", "errors of the old disk"),
        ("dev-*/size, dev-*/block, dev-*/ppl_sector, dev-*/ppl_size, rdN", "follow from the layout"),
    ],
};

/// What a member of an array can be (`dev-*/state`); any other word is refused.
pub const MD_STATES: Fields = Fields {
    source: "`/sys/block/mdN/md/dev-*/state`",
    kept: &["faulty", "replacement", "want_replacement", "journal", "spare", "write_mostly", "failfast"],
    ignored: &[
        ("in_sync", "a new array is synchronised"),
        ("blocked", "state of the moment"),
        ("write_error", "errors of the old disk"),
        ("external_bbl", "of container formats, which are refused"),
    ],
};

/// `mdadm --detail --export`.
pub const MDADM_EXPORT: Fields = Fields {
    source: "`mdadm --detail --export`",
    kept: &["MD_UUID", "MD_NAME", "MD_RESHAPE_ACTIVE"],
    ignored: &[
        ("MD_LEVEL, MD_DEVICES, MD_METADATA", "taken from sysfs, which is the kernel's own word"),
        ("MD_DEVNAME", "follows from the name; a name in mdadm.conf comes back as a file"),
        ("MD_DEVICE_*_ROLE, MD_DEVICE_*_DEV", "taken from sysfs"),
        ("all others", "mdadm adds what it likes to know; properties of the array are read from sysfs"),
    ],
};

/// What `lvs`, `pvs` and `vgs` are asked for, and what they would tell beyond it.
pub const LVM: Fields = Fields {
    source: "`vgs`, `pvs`, `lvs --all --segments` (lvmreport(7))",
    kept: &[
        "vg_uuid, vg_name, vg_extent_size, vg_tags, vg_attr, vg_missing_pv_count, vg_lock_type",
        "pv_name, pv_uuid, pe_start, pv_pe_count",
        "lv_name, lv_uuid, lv_tags, lv_attr, lv_kernel_major, lv_kernel_minor, segtype, seg_pe_ranges, data_stripes, stripe_size, region_size, chunk_size, pool_lv, origin, data_lv, lv_metadata_size, zero, discards, raidintegritymode, raidintegrityblocksize, raid_min_recovery_rate, raid_max_recovery_rate, raid_write_behind, metadata_lv, mirror_log, cache_mode, cache_policy, cache_settings, cache_metadata_format, writecache_block_size",
    ],
    ignored: &[
        (
            "vg_seqno, vg_mda_count, vg_mda_copies, pv_mda_count, pv_mda_size, pv_ba_start",
            "the book-keeping of the metadata; LVM's defaults",
        ),
        ("vg_max_lv, vg_max_pv", "limits without effect on what is there; none after the recovery"),
        ("vg_free, pv_free, pv_used, lv_parent, stripes, *_size", "follow from the layout"),
        ("vg_systemid, lv_host, lv_time", "of the machine and hour that made it"),
        ("lv_read_ahead, lv_kernel_read_ahead", "the kernel's default unless the system's own rules set it"),
        (
            "lv_active, lv_device_open, lv_suspended, sync_percent, data_percent, metadata_percent, raid_mismatch_count",
            "state of the moment",
        ),
        (
            "cache_total_blocks, cache_used_blocks, cache_dirty_blocks, cache_*_hits, cache_*_misses, kernel_cache_*, writecache_*_blocks, writecache_error, integritymismatches",
            "state of the moment: a cache comes back empty, and checksums are computed anew",
        ),
    ],
};

/// A header of LUKS.
pub const LUKS: Fields = Fields {
    source: "the header of LUKS 1 and 2",
    kept: &[
        "magic, version, UUID, label, subsystem, cipher, sector size, offset and size of the data, requirements, integrity, key slots, tokens",
    ],
    ignored: &[
        (
            "all others (digests, flags, priorities, key derivation)",
            "not looked at, and back with the header, which travels as a whole",
        ),
        ("key slots that are not in use", "zeros in the copy: what a deleted key left there is nobody's to keep"),
    ],
};

/// All of this crate.
pub const ALL: [Fields; 5] = [MD_SYSFS, MD_STATES, MDADM_EXPORT, LVM, LUKS];
