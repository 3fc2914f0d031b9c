//! Loads modules: each once, whichever of many threads asks first.

use super::config::Config;
use super::index::Index;
use super::plan::{LoadPlan, LoadStep};
use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// `MODULE_INIT_COMPRESSED_FILE` of linux/module.h: the kernel unpacks it (since 5.17, when built so).
const COMPRESSED_FILE: std::ffi::c_int = 4;

/// Runs an `install` command; reports whether it succeeded.
pub type RunCommand = Box<dyn Fn(&str) -> io::Result<bool> + Send + Sync>;

/// Why a module did not load.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be opened.
    #[error("cannot OPEN the module {path}: {message}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's error.
        message: String,
    },
    /// The kernel refused it.
    #[error("cannot LOAD the module {name}: {message}")]
    Load {
        /// Module name.
        name: String,
        /// The kernel refused because it found no device or feature for the module (ENODEV): harmless.
        no_device: bool,
        /// The system's error.
        message: String,
    },
    /// The `install` command failed.
    #[error("cannot RUN the install command of the module {name}: {message}")]
    Command {
        /// Module name.
        name: String,
        /// What was wrong.
        message: String,
    },
}

/// What a call of [`Loader::load`] did.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The plan that was carried out.
    pub plan: LoadPlan,
    /// Modules that this call brought into the kernel.
    pub new: Vec<String>,
    /// What failed, soft dependencies left out.
    pub errors: Vec<LoadError>,
}

enum State {
    Loading,
    Done(Result<(), LoadError>),
}

/// Loads modules of one kernel release.
pub struct Loader {
    directory: PathBuf,
    index: Index,
    config: Config,
    run: Option<RunCommand>,
    states: Mutex<HashMap<String, State>>,
    changed: Condvar,
}

impl Loader {
    /// A loader for the modules in `directory` (/lib/modules/RELEASE). Without [`Loader::with_commands`], modules that
    /// have an `install` command are left alone.
    pub fn new(directory: &Path, index: Index, config: Config) -> Loader {
        Loader {
            directory: directory.to_owned(),
            index,
            config,
            run: None,
            states: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Lets the loader run `install` commands.
    pub fn with_commands(mut self, run: RunCommand) -> Loader {
        self.run = Some(run);
        self
    }

    /// What depmod wrote.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Plans without loading.
    pub fn plan(&self, wanted: &str) -> LoadPlan {
        LoadPlan::new(&self.index, &self.config, wanted)
    }

    /// Loads what a module name or modalias asks for, with all it needs. Returns when the modules are in the kernel and
    /// their init functions have returned; drivers may still be probing. Waits for another thread that loads the same module.
    pub fn load(&self, wanted: &str) -> Loaded {
        let plan = self.plan(wanted);
        let mut loaded = Loaded::default();
        for step in &plan.steps {
            let (name, required) = match step {
                LoadStep::File { name, required, .. } | LoadStep::Command { name, required, .. } => (name, *required),
            };
            let (result, first) = self.once(name, || self.carry_out(step));
            match result {
                Ok(()) if first => loaded.new.push(name.clone()),
                Err(error) if required && first => loaded.errors.push(error),
                _ => {}
            }
        }
        loaded.plan = plan;
        loaded
    }

    /// Lets failed modules be tried again, because something that they need may have appeared.
    pub fn forget_failures(&self) {
        self.locked().retain(|_, state| !matches!(state, State::Done(Err(_))));
    }

    /// Runs `work` unless it was done for that name before; the flag reports whether it ran now.
    fn once(&self, name: &str, work: impl FnOnce() -> Result<(), LoadError>) -> (Result<(), LoadError>, bool) {
        let mut states = self.locked();
        loop {
            match states.get(name) {
                None => break,
                Some(State::Done(result)) => return (result.clone(), false),
                Some(State::Loading) => {
                    states = self.changed.wait(states).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        states.insert(name.to_owned(), State::Loading);
        drop(states);
        let result = work();
        self.locked().insert(name.to_owned(), State::Done(result.clone()));
        self.changed.notify_all();
        (result, true)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry_out(&self, step: &LoadStep) -> Result<(), LoadError> {
        match step {
            LoadStep::File { name, path, options, .. } => load_file(name, &self.directory.join(path), options),
            LoadStep::Command { name, command, .. } => {
                let failed = |message| LoadError::Command { name: name.clone(), message };
                match self.run.as_ref().map(|run| run(command)) {
                    None | Some(Ok(true)) => Ok(()),
                    Some(Ok(false)) => Err(failed("it failed".to_owned())),
                    Some(Err(error)) => Err(failed(error.to_string())),
                }
            }
        }
    }
}

/// Loads one module file with finit_module(2); one that is in the kernel already is a success.
///
/// # Errors
/// [`LoadError::Open`] or [`LoadError::Load`].
pub fn load_file(name: &str, path: &Path, options: &str) -> Result<(), LoadError> {
    let file =
        File::open(path).map_err(|error| LoadError::Open { path: path.to_owned(), message: error.to_string() })?;
    let failed = |message: String, no_device| LoadError::Load { name: name.to_owned(), no_device, message };
    let options = CString::new(options).map_err(|_| failed("its options hold a NUL byte".to_owned(), false))?;
    let compressed = path.extension().is_some_and(|extension| extension != "ko");
    let flags = if compressed { COMPRESSED_FILE } else { 0 };
    match rustix::system::finit_module(&file, &options, flags) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(errno) => Err(failed(io::Error::from(errno).to_string(), errno == rustix::io::Errno::NODEV)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::parse_dep;
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn each_module_is_loaded_once_by_many_threads() {
        let mut config = Config::default();
        config.add("install a slow\ninstall b fails\n");
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let loader =
            Loader::new(Path::new("/nonexistent"), Index::default(), config).with_commands(Box::new(move |command| {
                counted.fetch_add(1, Ordering::SeqCst);
                Ok(command == "slow")
            }));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| loader.load("a"));
            }
        });
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert_eq!(loader.load("b").errors[0].to_string(), "cannot RUN the install command of the module b: it failed");
    }

    #[test]
    fn a_missing_file_is_named() {
        let index = Index { modules: parse_dep("k/x.ko:\n"), ..Index::default() };
        let loader = Loader::new(Path::new("/nonexistent"), index, Config::default());
        assert_eq!(
            loader.load("x").errors[0].to_string(),
            "cannot OPEN the module /nonexistent/k/x.ko: No such file or directory (os error 2)"
        );
    }
}
