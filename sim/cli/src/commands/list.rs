//! `squall list`: what there is.

use crate::{Exit, Systems, failure::Failure};
use squall_history::Event;
use squall_report::{Format, Kind, REGISTRY};
use squall_scenario::{TARGET_WORDS, faults, language::Argument};
use tabled::{
    builder::Builder,
    settings::{Style, Width, object::Columns},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Of what
    #[arg(value_enum)]
    what: What,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum What {
    Systems,
    Faults,
    Workloads,
    Checkers,
    Models,
    Bugs,
    Targets,
    Events,
    Failpoints,
    Formats,
    /// All of the scenario language, as scenarios/README.md has it
    Reference,
}

/// What every fault has, whatever its kind.
const WHEN: &str = "\
Each fault of `faults` has one kind and one time:
  at: 3s            once, so long after the start
  between: 3s..9s   once, at a random moment
  every: 2s..6s     again and again, from one start to the next; `repeat: 3`: at most so often
  when: { event: leader-changed, count: 2, after: 5ms }
                    after something happened for the second time; `repeat: 3`: up to three times
with `within: 5s..10s`, `every` and `when` keep to that part of the run. It may have an `id`, which names
it in reports and keeps its random choices when others change, and `as: victim`, so that another fault can
say `target: { as: victim }` and mean the same ones.
";

fn print(rows: Vec<[String; 2]>) {
    let mut table = Builder::default();
    rows.into_iter().for_each(|row| table.push_record(row));
    println!(
        "{}",
        table
            .build()
            .with(Style::blank())
            .modify(Columns::first(), Width::wrap(36).keep_words(true))
            .modify(Columns::last(), Width::wrap(60).keep_words(true))
    );
}

fn row(name: &str, about: &str) -> [String; 2] {
    [name.to_string(), about.to_string()]
}

pub(crate) fn run(args: &Args, systems: &Systems) -> Result<Exit, Failure> {
    match args.what {
        What::Systems => print(systems.all().iter().map(|s| row(s.name(), s.about())).collect()),
        What::Faults => {
            println!("{WHEN}");
            for kind in faults::REGISTRY {
                documented(kind.name, &kind.about(), &kind.arguments(), kind.example);
            }
        }
        What::Workloads => {
            for kind in systems.all().iter().flat_map(|pack| pack.workloads()) {
                documented(kind.name, &kind.about(), &kind.arguments(), kind.example);
            }
        }
        What::Checkers => print(systems.checkers().into_iter().map(|(name, about)| row(name, about)).collect()),
        What::Models => {
            let own = systems.all().iter().filter_map(|pack| pack.model()).map(|model| (model.name, model.about));
            print(squall_linear::MODELS.iter().map(|m| (m.name, m.about)).chain(own).map(|(name, about)| row(name, about)).collect());
        }
        What::Bugs => print(systems.all().iter().flat_map(|pack| pack.bugs()).map(|bug| row(bug.name, bug.about)).collect()),
        What::Targets => {
            let holders = systems.all().iter().filter_map(|pack| pack.holder()).map(|holder| (holder.name, holder.about));
            print(TARGET_WORDS.iter().copied().chain(holders).map(|(word, about)| row(word, about)).collect());
        }
        What::Events => {
            let own = systems.all().iter().flat_map(|pack| pack.events()).map(|own| own.event);
            print(Event::ALL.iter().copied().chain(own).map(|event| row(event.name(), event.about())).collect());
        }
        What::Failpoints => {
            print(systems.all().iter().flat_map(|pack| pack.failpoints()).map(|point| row(point.name, point.about)).collect())
        }
        What::Reference => print!("{}", crate::reference::text(systems)),
        What::Formats => {
            println!("What --format NAME prints, and of what:\n");
            print(REGISTRY.iter().map(|f| row(f.name, &format!("{}. Writes {}", f.about, writes(f)))).collect());
        }
    }
    Ok(Exit::Ok)
}

/// What a format can write, in words.
fn writes(format: &Format) -> String {
    let kinds: Vec<String> = Kind::ALL.iter().filter(|kind| format.can_write(**kind).is_ok()).map(Kind::to_string).collect();
    let kept = format.kept_as().map_or(String::new(), |(file, _)| format!("; kept as {file}"));
    format!("{}{kept}", kinds.join(", "))
}

fn documented(name: &str, about: &str, args: &[Argument], example: &str) {
    println!("{name}: {about}");
    print(args.iter().map(|a| row(&format!("{}: {}", a.name, a.form), &a.about)).collect());
    println!("   - {example}\n");
}
