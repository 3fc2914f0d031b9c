//! Drivers: the loader for the modules that are there now.

use crate::children::Children;
use crate::foundation;
use crate::hotplug;
use crate::report::Reporter;
use lifeboat_sys::modules::{Config, Index, Loader};
use std::path::Path;
use std::sync::Arc;

/// A loader for what is in /lib/modules now.
pub fn loader(command_line: &str, children: &Arc<Children>, reporter: &Reporter) -> Loader {
    let directory = foundation::module_directory();
    let index = Index::read(&directory).unwrap_or_else(|error| {
        reporter.warn(format!("{error}; only drivers that are built into the kernel work"));
        Index::default()
    });
    Loader::new(&directory, index, Config::read(Path::new("/"), command_line))
        .with_commands(hotplug::install_commands(Arc::clone(children)))
}
