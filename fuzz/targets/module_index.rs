//! The kernel's module indexes: all files of a release from one input, and plans to load what they name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_sys::modules::index::{
    Index, parse_alias, parse_builtin, parse_builtin_modinfo, parse_dep, parse_devname, parse_softdep,
};
use lifeboat_sys::modules::{Config, LoadPlan};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut index = Index {
        modules: parse_dep(&text),
        aliases: parse_alias(&text),
        soft_dependencies: parse_softdep(&text),
        builtin: parse_builtin(&text),
        static_nodes: parse_devname(&text),
        ..Index::default()
    };
    for info in parse_builtin_modinfo(data) {
        if info.key == "alias" {
            index.builtin_aliases.insert(&info.value, &info.module);
        }
    }
    let mut config = Config::default();
    config.add(&text);
    for name in index.modules.keys().take(8) {
        let closure = index.closure(name);
        assert_eq!(closure.last(), Some(name), "a module comes after what it needs");
        let _ = LoadPlan::new(&index, &config, name);
    }
});
