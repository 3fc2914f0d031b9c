//! Entry point; everything is in the library.

fn main() -> std::process::ExitCode {
    lifeboat::run(std::env::args_os())
}
