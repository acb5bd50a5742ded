//! `squall list`: what there is.

use crate::{Exit, Systems, failure::Failure};
use squall_history::Event;
use squall_judge::Checker;
use squall_report::{Format, Kind, REGISTRY};
use squall_run::Pack;
use squall_scenario::{TARGET_WORDS, faults, language::Argument};
use std::sync::Arc;
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
  at: 3s            once, this long after the start
  between: 3s..9s   once, at a random moment
  every: 2s..6s     again and again, from one start to the next; `repeat: 3`: at most three times
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

/// The heading of what only one system has.
fn of(pack: &Arc<dyn Pack>) -> String {
    format!("Of the system `{}`:", pack.name())
}

/// What every system has, and what each has besides.
fn by_system(systems: &Systems, general: Vec<[String; 2]>, own: impl Fn(&Arc<dyn Pack>) -> Vec<[String; 2]>) {
    if !general.is_empty() {
        println!("Of any system:");
        print(general);
    }
    for (pack, rows) in systems.all().iter().map(|pack| (pack, own(pack))).filter(|(_, rows)| !rows.is_empty()) {
        println!("{}", of(pack));
        print(rows);
    }
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
            for pack in systems.all().iter().filter(|pack| !pack.workloads().is_empty()) {
                println!("{}\n", of(pack));
                pack.workloads().iter().for_each(|kind| documented(kind.name, &kind.about(), &kind.arguments(), kind.example));
            }
        }
        What::Checkers => {
            let rows = |checkers: &[Checker]| checkers.iter().map(|checker| row(checker.name, checker.about)).collect();
            by_system(systems, rows(squall_judge::GENERAL), |pack| rows(pack.checkers()));
        }
        What::Models => {
            let general = squall_linear::MODELS.iter().map(|model| row(model.name, model.about)).collect();
            by_system(systems, general, |pack| pack.model().map(|model| row(model.name, model.about)).into_iter().collect());
        }
        What::Bugs => by_system(systems, vec![], |pack| pack.bugs().iter().map(|bug| row(bug.name, bug.about)).collect()),
        What::Targets => {
            let general = TARGET_WORDS.iter().map(|(word, about)| row(word, about)).collect();
            by_system(systems, general, |pack| pack.holder().map(|holder| row(holder.name, holder.about)).into_iter().collect());
        }
        What::Events => {
            let told = |event: Event| row(event.name(), event.about());
            let general = Event::ALL.iter().copied().map(told).collect();
            by_system(systems, general, |pack| pack.events().iter().map(|own| told(own.event)).collect());
        }
        What::Failpoints => {
            by_system(systems, vec![], |pack| pack.failpoints().iter().map(|point| row(point.name, point.about)).collect());
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
