//! What volume groups and thin pools have left, as LVM reports it (lvmreport(7)).

use crate::error::MomentError;
use lifeboat_sys::program::LVM;
use lifeboat_sys::{Invocation, Runner};
use serde_json::Value;
use std::collections::BTreeMap;

/// What there is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rooms {
    /// Volume groups by name.
    pub groups: BTreeMap<String, GroupRoom>,
    /// Thin pools by group and name.
    pub pools: BTreeMap<(String, String), PoolRoom>,
}

/// A volume group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupRoom {
    /// Size of an extent in bytes.
    pub extent_bytes: u64,
    /// What no volume has, in bytes.
    pub free_bytes: u64,
}

/// A thin pool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolRoom {
    /// Percent of its data that is used.
    pub data_percent: f64,
    /// Percent of its metadata that is used.
    pub metadata_percent: f64,
}

/// Rows of a report by their columns.
pub(crate) type Row = BTreeMap<String, String>;

/// A report of all groups or volumes.
pub(crate) fn report(command: &str, columns: &str, more: &[&str]) -> Invocation {
    let call = Invocation::new(LVM).args([command, "--reportformat", "json", "--units", "b", "--nosuffix", "--binary"]);
    call.args(["-o", columns]).args(more)
}

/// Runs it, and reads its rows.
pub(crate) fn rows(runner: &dyn Runner, call: &Invocation) -> Result<Vec<Row>, MomentError> {
    let text = runner.run(call)?.text();
    parse(&text).map_err(|cause| MomentError::Report { command: call.command_line(), cause })
}

/// The rows of a report, whatever it calls them.
pub(crate) fn parse(text: &str) -> Result<Vec<Row>, String> {
    let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let reports = json["report"].as_array().ok_or("it has no rows")?;
    let lists = reports.iter().filter_map(Value::as_object).flat_map(|report| report.values());
    let rows = lists.filter_map(Value::as_array).flatten().filter_map(Value::as_object);
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(rows.map(|row| row.iter().map(|(key, value)| (key.clone(), plain(value))).collect()).collect())
}

/// A column of a row; empty when it is not there.
pub(crate) fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    row.get(column).map(String::as_str).unwrap_or_default()
}

const GROUPS: &str = "vg_name,vg_extent_size,vg_free";
const POOLS: &str = "vg_name,lv_name,data_percent,metadata_percent";

/// Asks LVM.
///
/// # Errors
/// When it fails, or reports something else.
pub fn rooms(runner: &dyn Runner) -> Result<Rooms, MomentError> {
    let groups = rows(runner, &report("vgs", GROUPS, &[]))?;
    let pools = rows(runner, &report("lvs", POOLS, &["--select", "segtype=thin-pool"]))?;
    Ok(Rooms::of(&groups, &pools))
}

impl Rooms {
    fn of(groups: &[Row], pools: &[Row]) -> Rooms {
        let number = |row: &Row, column: &str| text(row, column).parse().unwrap_or(0_u64);
        // A pool whose use is not known counts as full.
        let percent = |row: &Row, column: &str| text(row, column).parse().unwrap_or(100.0_f64);
        Rooms {
            groups: groups
                .iter()
                .map(|row| {
                    let room =
                        GroupRoom { extent_bytes: number(row, "vg_extent_size"), free_bytes: number(row, "vg_free") };
                    (text(row, "vg_name").to_owned(), room)
                })
                .collect(),
            pools: pools
                .iter()
                .map(|row| {
                    let room = PoolRoom {
                        data_percent: percent(row, "data_percent"),
                        metadata_percent: percent(row, "metadata_percent"),
                    };
                    ((text(row, "vg_name").to_owned(), text(row, "lv_name").to_owned()), room)
                })
                .collect(),
        }
    }
}
