//! `squall init`: a workspace with a service, its harness and two scenarios, to begin with.

use crate::{Exit, failure::Failure};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory to make: it must not be there, or be empty
    dir: PathBuf,
    /// A checkout of squall, which the workspace builds on [default: the one that this program was built from]
    #[arg(long, value_name = "DIR")]
    squall: Option<PathBuf>,
}

/// The files, and what is in them.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../../harness/template/workspace.toml")),
    ("Cargo.lock", include_str!("../../../../Cargo.lock")),
    (".cargo/config.toml", include_str!("../../../harness/template/cargo-config.toml")),
    (".gitignore", include_str!("../../../harness/template/gitignore")),
    (".github/workflows/squall.yml", include_str!("../../../harness/template/ci.yml")),
    ("README.md", include_str!("../../../harness/template/README.md")),
    ("service/Cargo.toml", include_str!("../../../harness/template/service.toml")),
    ("service/src/lib.rs", include_str!("../../../harness/template/service/src/lib.rs")),
    ("harness/Cargo.toml", include_str!("../../../harness/template/harness.toml")),
    ("harness/src/main.rs", include_str!("../../../harness/template/harness/src/main.rs")),
    ("scenarios/faults.yaml", include_str!("../../../harness/template/scenarios/faults.yaml")),
    ("scenarios/bites.yaml", include_str!("../../../harness/template/scenarios/bites.yaml")),
];

fn is_free(dir: &Path) -> io::Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(e),
    }
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let built_from = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let given = args.squall.clone().unwrap_or_else(built_from);
    let checkout = given.canonicalize().ok().filter(|dir| dir.join("sim/harness/Cargo.toml").is_file()).ok_or_else(|| {
        Failure::Usage(format!("{} is no checkout of squall: say where there is one with `--squall DIR`", given.display()))
    })?;
    if !is_free(&args.dir).map_err(Failure::io(&args.dir))? {
        return Err(Failure::Usage(format!("{} is there already, and not empty: give a new directory", args.dir.display())));
    }
    for (name, text) in FILES {
        let path = args.dir.join(name);
        fs::create_dir_all(path.parent().expect("a file is in a directory")).map_err(Failure::io(&path))?;
        fs::write(&path, text.replace("SQUALL", &checkout.display().to_string())).map_err(Failure::io(&path))?;
    }
    println!("{0}: `cd {0}`, then `cargo run --release -p harness -- run scenarios/faults.yaml`", args.dir.display());
    Ok(Exit::Ok)
}
