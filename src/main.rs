//! Cordboard's program: arguments in, exit code out.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let path = std::env::args().nth(2).map(PathBuf::from).unwrap_or_default();
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return ExitCode::FAILURE };
    if std::env::args().nth(1).as_deref() == Some("migrate") {
        let config = cordboard::config::load(&path).expect("config").config;
        return runtime.block_on(async {
            let store = cordboard::store::Store::connect(&config.postgres.url, 2, std::time::Duration::from_secs(5))
                .expect("store");
            store.migrate().await.expect("migrated");
            ExitCode::SUCCESS
        });
    }
    runtime.block_on(cordboard::cli::serve(&path))
}
