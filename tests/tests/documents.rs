//! The documents' commands, run to the letter.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use influxdb_loader::config::SETTINGS;
use influxdb_loader::event::Caller;
use influxdb_loader::metrics::{FUNCTION, Metric, NAMESPACE};
use influxdb_loader::report::{ErrorType, Failure, FailureKind, ItemReport, Report, answer};
use influxdb_loader_tests::{
    InfluxDb2, Loader, Moto, Settings, consumption_file, parquet, python, raw_file, shell, small_consumption,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The lines of a document's blocks of commands that are marked with a word.
fn commands(document: &str, mark: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let start = format!("<!-- {mark} -->\n```sh\n");
    let blocks = text.split(&start).skip(1).map(|block| block.split_once("```").unwrap().0);
    let commands: Vec<_> = blocks.flat_map(str::lines).map(str::to_owned).collect();
    assert!(!commands.is_empty(), "{document} has no commands marked `{mark}`");
    commands
}

#[test]
fn the_demo_prints_what_the_readme_shows() {
    let directory = tempfile::tempdir().unwrap();
    let printed = Loader::new(["demo"]).within(directory.path()).run().succeeded().stdout;
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let shown =
        readme.split_once("<!-- output: influxdb-loader demo -->\n```text\n").unwrap().1.split_once("```").unwrap().0;
    // Seconds, rows a second and the digest of the converter differ from build to build, and the columns of the table are as wide as
    // they need. The README shows some of the lines.
    let comparable = |line: &str| -> String {
        let digest = |word: &str| word.len() == 14 && word.starts_with('(') && word.ends_with(')');
        let words = line.split_whitespace().filter(|word| !digest(word)).map(str::to_owned);
        let mut words: Vec<_> = words.collect();
        if let Some(at) = words.iter().position(|word| word.contains('.') && word.parse::<f64>().is_ok()) {
            words.drain(at..at + 2);
        }
        words.join(" ")
    };
    let printed: Vec<_> = printed.lines().map(comparable).collect();
    let mut rest = &printed[..];
    for line in shown.lines().map(comparable).filter(|line| !line.is_empty()) {
        let at = rest.iter().position(|it| *it == line).unwrap_or_else(|| panic!("`{line}` is not among {rest:#?}"));
        rest = &rest[at + 1..];
    }
    let points = fs::read_to_string(directory.path().join("influxdb-loader-demo/points.lp")).unwrap();
    assert_eq!(points.lines().count(), 75_440);
    let rejects = Loader::new(["rejects", "show", "influxdb-loader-demo/rejects"]).within(directory.path());
    assert!(rejects.run().succeeded().stdout.contains("invalid-timestamp"));
}

#[test]
fn the_commands_of_the_readme_run() {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("tests"), directory.path().join("tests")).unwrap();
    for command in commands("README.md", "run") {
        shell(&command, directory.path(), &Settings::default()).succeeded();
    }
    assert_eq!(fs::read_to_string(directory.path().join("points.lp")).unwrap().lines().count(), 75_440);
}

#[test]
fn completions_and_man_pages_know_every_command() {
    let directory = tempfile::tempdir().unwrap();
    let told = |arguments: &[&str]| Loader::new(arguments).run().succeeded().stdout;
    told(&["man", directory.path().to_str().unwrap()]);
    let commands = |parent: &[&str]| -> Vec<String> {
        let help = told(&[parent, &["--help"]].concat());
        let section = help.split_once("\nCommands:\n").unwrap().1.split_once("\nOptions:\n").unwrap().0.to_owned();
        let names = section.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        names
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help")
            .map(str::to_owned)
            .collect()
    };
    let all = [
        (&[][..], ""),
        (&["converter"], "-converter"),
        (&["rejects"], "-rejects"),
        (&["ledger"], "-ledger"),
        (&["migrate"], "-migrate"),
    ]
    .map(|(parent, prefix)| commands(parent).into_iter().map(move |name| (prefix, name)));
    let shells = ["bash", "zsh", "fish", "elvish", "powershell"].map(|shell| told(&["completions", shell]));
    let mut number = 0;
    for (prefix, name) in all.into_iter().flatten() {
        number += 1;
        let page = directory.path().join(format!("influxdb-loader{prefix}-{name}.1"));
        assert!(fs::read_to_string(&page).unwrap().contains(".SH NAME"), "{}", page.display());
        for script in &shells {
            assert!(script.contains(&name), "{name}");
        }
    }
    assert!(number > 25, "{number}");
    let script = directory.path().join("completions.bash");
    fs::write(&script, &shells[0]).unwrap();
    let complete = "COMP_WORDS=(influxdb-loader converter pu) COMP_CWORD=2; _influxdb__loader influxdb-loader pu converter; \
                    echo \"${COMPREPLY[@]}\"";
    let bash =
        Command::new("bash").arg("-c").arg(format!("source '{}'; {complete}", script.display())).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), "publish pull", "{bash:?}");
}

/// Follows the guide to writing converters, in a directory that has the sample.
fn follow_the_guide(mark: &str) {
    let (moto, directory) = (Moto::start(), tempfile::tempdir().unwrap());
    moto.create_bucket("energy-converters");
    let settings = moto.registry_settings("energy-converters", &directory.path().join("cache"));
    fs::copy(raw_file(), directory.path().join("sample.parquet")).unwrap();
    for command in commands("docs/writing-converters.md", mark) {
        let arguments = command.strip_prefix("influxdb-loader ").expect(&command).split_whitespace();
        Loader::new(arguments).settings(settings.clone()).within(directory.path()).build().succeeded();
    }
}

#[test]
fn the_guide_leads_to_a_promoted_converter_in_rust() {
    follow_the_guide("run: rust");
}

#[test]
fn the_guide_leads_to_a_converter_in_python() {
    follow_the_guide("run: python");
}

/// The block of the guide to writing converters below a mark.
fn block(mark: &str) -> String {
    let text = fs::read_to_string(root().join("docs/writing-converters.md")).unwrap();
    let (_, rest) = text.split_once(&format!("<!-- {mark} -->\n```")).unwrap_or_else(|| panic!("no block `{mark}`"));
    rest.split_once('\n').unwrap().1.split_once("```").unwrap().0.to_owned()
}

fn change(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// The times of a file's lines, in their order.
fn times(lines: &Path) -> Vec<i64> {
    let text = fs::read_to_string(lines).unwrap();
    let mut times: Vec<_> = text.lines().map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect();
    times.sort_unstable();
    times
}

/// Makes a project of the guide, changes it, and runs the commands that load the sample. The times must be those of the same rows
/// whose times were made UTC by other means, for 4 years with their summers.
fn local_times(name: &str, language: &str, change: impl Fn(&Path), built: impl Fn(&Path)) {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(raw_file(), directory.path().join("sample.parquet")).unwrap();
    let run = |arguments: &[&str]| Loader::new(arguments).within(directory.path()).build().succeeded();
    run(&["load", "--to", "expected.lp", consumption_file().to_str().unwrap()]);
    run(&["converter", "new", name, "--language", language, "--from", "sample.parquet"]);
    change(&directory.path().join(name));
    for command in commands("docs/writing-converters.md", &format!("run: local {language}")) {
        let arguments = command.strip_prefix("influxdb-loader ").expect(&command).split_whitespace();
        run(&arguments.collect::<Vec<_>>());
    }
    let [found, expected] = ["points.lp", "expected.lp"].map(|name| times(&directory.path().join(name)));
    assert_eq!(found.len(), 75_440);
    assert!(found == expected, "the times differ");
    built(&directory.path().join(name));
}

#[test]
fn the_guide_converts_local_times_in_rust() {
    let change_project = |project: &Path| {
        let manifest = project.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap() + "\n" + &block("append: ons-load/Cargo.toml");
        fs::write(manifest, text).unwrap();
        fs::write(project.join("src/local.rs"), block("file: ons-load/src/local.rs")).unwrap();
        let source = project.join("src/lib.rs");
        change(&source, "use converter_sdk::{\n", "mod local;\n\nuse converter_sdk::{\n");
        change(&source, "Problem, parse,", "Problem,");
        change(&source, "parse::timestamp", "local::timestamp");
        change(&source, "1970-01-01T00:00:00.000000002Z", "1969-12-31 21:00:00.000000002");
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // It builds in the project: what a test runs must not be built again by another project meanwhile.
        let tested =
            cargo.args(["test", "--quiet"]).current_dir(project).env_remove("CARGO_TARGET_DIR").output().unwrap();
        assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
        assert!(String::from_utf8_lossy(&tested.stdout).contains("3 passed"), "{tested:?}");
    };
    local_times("ons-load", "rust", change_project, |_| ());
}

#[test]
fn the_guide_converts_local_times_in_python() {
    let change_project = |project: &Path| {
        let requirements = project.join("requirements.txt");
        let text = fs::read_to_string(&requirements).unwrap() + &block("append: ons-load-py/requirements.txt");
        fs::write(requirements, text).unwrap();
        fs::write(project.join("src/local.py"), block("file: ons-load-py/src/local.py")).unwrap();
        let import = "PlanBuilder, Point, timestamp\n";
        change(&project.join("src/converter.py"), import, &format!("{import}from local import timestamp\n"));
    };
    // What the guide's table shows of `fold`.
    let folds = "from datetime import datetime; from local import instant; \
                 print(*[instant(datetime.fromisoformat(text), fold).strftime('%dT%H:%M') \
                 for text in ('2018-02-17 22:30', '2018-02-17 23:30', '2018-11-04 00:30') for fold in (0, 1)])";
    local_times("ons-load-py", "python", change_project, |project| {
        let mut python = Command::new(project.join(".venv/bin/python3"));
        let output = python.args(["-c", folds]).env("PYTHONPATH", project.join("src")).output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        assert_eq!(shown.trim(), "18T00:30 18T00:30 18T01:30 18T02:30 04T03:30 04T02:30", "{output:?}");
    });
}

/// Runs the commands of a document against S3 with an object, and InfluxDB.
fn operate(document: &str) {
    operate_after(document, &[]);
}

/// The same, after the object is loaded into these buckets.
fn operate_after(document: &str, loaded: &[&str]) {
    let (moto, influxdb, directory) = (Moto::start(), InfluxDb2::start("energy_data"), tempfile::tempdir().unwrap());
    moto.create_bucket("energy");
    moto.put_object("energy", "dataset=consumption/a.parquet", parquet(&small_consumption()));
    for bucket in loaded {
        if *bucket != "energy_data" {
            influxdb.create_bucket(bucket, None, None);
        }
        let load = Loader::new(["load", "s3://energy/dataset=consumption/"]);
        load.settings(moto.settings().and(influxdb.settings(bucket))).run().succeeded();
    }
    let settings = moto.settings().and(influxdb.settings("energy_data"));
    for command in commands(document, "run") {
        shell(&command, directory.path(), &settings).succeeded();
    }
}

#[test]
fn the_commands_of_the_guide_to_deploying_run() {
    operate("docs/deploying.md");
}

#[test]
fn the_commands_of_the_page_about_the_ledger_run() {
    operate("docs/ledger.md");
}

#[test]
fn the_commands_of_the_guide_to_migrating_run() {
    operate("docs/migrating.md");
}

#[test]
fn the_commands_of_the_page_about_verifying_run() {
    operate_after("docs/verifying.md", &["energy_data", "old_bucket"]);
}

/// Documents whose commands a test of their own accounts for, and what the program itself prints.
const OF_THEIR_OWN: [&str; 2] = ["docs/operating.md", "docs/reference/commands.md"];

/// Commands that stand in no block marked `run`: how they start, the file where the like of them runs, and how it is called there.
const ELSEWHERE: [(&str, &str, &str); 23] = [
    ("influxdb-loader converter dev", "tests/src/workbench.rs", "\"dev\""),
    ("influxdb-loader converter promote metrics", "tests/tests/registry/parameters.rs", "\"--parameters\""),
    ("influxdb-loader converter promote ons-load --canary", "tests/tests/registry/trials.rs", "\"--canary\""),
    ("influxdb-loader converter promote ons-load --shadow", "tests/tests/registry/trials.rs", "\"--shadow\""),
    ("influxdb-loader converter publish metrics", "tests/tests/registry/parameters.rs", "\"--parameters\""),
    ("influxdb-loader converter promote tables", "tests/tests/registry/patterns.rs", "\"--serves\""),
    ("influxdb-loader converter publish tables", "tests/tests/registry/patterns.rs", "\"--serves\""),
    ("influxdb-loader converter rollback", "tests/tests/registry/main.rs", "\"rollback\""),
    ("influxdb-loader converter yank", "tests/tests/registry/trust.rs", "\"yank\""),
    ("influxdb-loader demo", "tests/tests/documents.rs", "[\"demo\"]"),
    ("influxdb-loader invoke", "tests/tests/events/time.rs", "\"invoke\""),
    (
        "influxdb-loader load s3://energy/dataset=generation/ --skip-loaded",
        "tests/tests/ledger.rs",
        "\"--skip-loaded\"",
    ),
    ("influxdb-loader migrate timestream", "tests/tests/migrate.rs", "\"timestream\""),
    ("influxdb-loader rejects", "tests/tests/rejects.rs", "\"retry\""),
    ("influxdb-loader verify --against energy_data", "tests/tests/engines/verify.rs", "\"--against\""),
    ("INFLUXD_2=", "scripts/install.sh", "INFLUXD_2"),
    ("aws ", "tests/commands.py", "session.get_service_model"),
    ("export ", "tests/tests/ledger.rs", "LEDGER_URI"),
    ("jq -e .remaining", "tests/tests/events/time.rs", "remaining"),
    ("make", ".ci/run", "make check\nmake test"),
    ("pip install", "tests/tests/release.rs", "\"pip\", &[\"install\""),
    // They deploy into an account. moto creates the stack of the same template, and `make check` validates it.
    ("sam build", "tests/deploy.py", "template.yaml"),
    ("sam deploy", "tests/deploy.py", "template.yaml"),
];

#[test]
fn every_command_of_a_document_runs_there_or_elsewhere() {
    const PROGRAMS: [&str; 9] = ["influxdb-loader", "INFLUXD_2=", "aws", "cargo", "export", "jq", "make", "pip", "sam"];
    let names = documents().into_iter().map(|path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
    let names: Vec<_> = names.filter(|name| !OF_THEIR_OWN.contains(&name.as_str())).collect();
    let (mut run, mut shown) = (BTreeSet::new(), BTreeSet::new());
    for name in &names {
        let text = fs::read_to_string(root().join(name)).unwrap();
        for (number, block) in text.split("```").enumerate() {
            let before = text.split("```").nth(number.wrapping_sub(1)).unwrap_or_default().trim_end();
            let is_run = before.ends_with("-->") && before.rsplit("<!-- ").next().unwrap().starts_with("run");
            for line in block.lines().filter(|line| number % 2 == 1 || line.starts_with("    ")) {
                let command = line.trim();
                if number % 2 == 1 && is_run {
                    run.insert(command.to_owned());
                } else if (number % 2 == 0 || block.starts_with("sh\n"))
                    && PROGRAMS.iter().any(|program| command.starts_with(program))
                {
                    shown.insert(command.to_owned());
                }
            }
        }
    }
    assert!(run.len() > 20 && shown.len() > 30, "{run:?} {shown:?}");
    let mut used = BTreeSet::new();
    for command in shown.difference(&run) {
        let found = ELSEWHERE.iter().find(|(start, ..)| command.starts_with(start));
        let (start, file, call) = found.unwrap_or_else(|| panic!("`{command}` is neither marked `run` nor listed"));
        assert!(
            fs::read_to_string(root().join(file)).unwrap().contains(call),
            "{file} has no `{call}` for `{command}`"
        );
        used.insert(start);
    }
    let unused: Vec<_> = ELSEWHERE.iter().map(|it| it.0).filter(|start| !used.contains(start)).collect();
    assert!(unused.is_empty(), "no document has these commands: {unused:?}");
}

/// The rows of the first table below a heading, each as its cells without back-quotes.
fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no `{heading}`"));
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    let rows: Vec<Vec<String>> = rows.skip(2).map(cells).collect();
    assert!(rows.len() > 3, "{heading}");
    rows
}

#[test]
fn what_the_guide_to_migrating_says_of_the_python_loader_is_what_the_code_does() {
    let text = fs::read_to_string(root().join("docs/migrating.md")).unwrap();
    for row in table(&text, "Settings") {
        let setting = SETTINGS.iter().find(|setting| setting.name == row[0]).unwrap_or_else(|| panic!("{row:?}"));
        // `1000; now unset`: what it was, and what it is.
        let default = row[1].split_once("; now ").map_or(row[1].as_str(), |(_, now)| now);
        let default = Some(default).filter(|default| !matches!(*default, "none" | "unset"));
        assert_eq!(default, setting.default, "{row:?}");
    }
    let metrics = table(&text, "Metrics");
    for row in &metrics {
        let metric = Metric::ALL.into_iter().find(|metric| metric.name() == row[0]);
        let metric = metric.unwrap_or_else(|| panic!("{row:?}"));
        assert_eq!(row[1], metric.unit().name(), "{row:?}");
    }
    let (_, new) = text.split_once("\nNew are ").unwrap();
    let new = new.split("\n\n").next().unwrap();
    for metric in Metric::ALL {
        let is_old = metrics.iter().any(|row| row[0] == metric.name());
        assert!(is_old != new.contains(metric.name()), "{}", metric.name());
    }
    for name in [NAMESPACE, FUNCTION] {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
    let answers = table(&text, "Answers");
    let of =
        |caller: &str| answers.iter().find(|row| row[0] == caller).unwrap_or_else(|| panic!("{caller}"))[1].clone();
    let told: BTreeSet<u16> =
        of("API Gateway").split(|it: char| !it.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
    let statuses: BTreeSet<u16> = FailureKind::ALL.into_iter().map(FailureKind::status).chain([200]).collect();
    assert_eq!(told, statuses);
    let failed = Report::failed(Failure::new(FailureKind::Write, &std::io::Error::other("full")));
    // Whoever is called without being waited for, and a state machine, learn of a failure by a failed invocation.
    assert!(
        of("S3 and EventBridge").contains("fails the invocation") && answer(&Caller::Asynchronous, &failed).is_err()
    );
    let error = answer(&Caller::Direct, &failed).unwrap_err();
    assert!(of("Step Functions").contains("error types below") && error.error_type.name() == "InfluxDBWriteError");
    assert!(of("SQS").contains("only the messages that failed"));
    let queue = answer(&Caller::Queue, &Report { items: vec![ItemReport::default()], ..Report::default() }).unwrap();
    assert!(queue["batchItemFailures"].is_array(), "{queue}");
    let (_, errors) = text.split_once("The error types are ").unwrap();
    let told: BTreeSet<&str> = errors.split("\n\n").next().unwrap().split('`').skip(1).step_by(2).collect();
    assert_eq!(told, ErrorType::ALL.into_iter().map(ErrorType::name).collect());
}

#[test]
fn the_commands_of_aws_are_what_aws_takes_and_name_outputs_of_the_stack() {
    let guides =
        ["operating", "deploying", "migrating", "ledger", "liveanalytics"].map(|name| format!("docs/{name}.md"));
    let documents = ["tests/commands.py".to_owned(), "README.md".to_owned()].into_iter().chain(guides);
    let found = python(documents, &Settings::default()).succeeded().json();
    assert!(found.as_array().unwrap().len() > 20, "{found}");
}

/// Every Markdown document of the project.
fn documents() -> Vec<PathBuf> {
    let listed =
        Command::new("git").args(["ls-files", "-co", "--exclude-standard", "*.md"]).current_dir(root()).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let documents: Vec<_> = listed.lines().map(|name| root().join(name)).filter(|path| path.exists()).collect();
    assert!(documents.len() > 15, "{listed}");
    documents
}

/// A document without what is in fences and in back-quotes, where a link is text.
fn prose(text: &str) -> String {
    let outside: Vec<_> = text.split("\n```").step_by(2).collect();
    outside.join("\n").split('`').step_by(2).collect()
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let anchor = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        kept.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it)).collect::<String>().replace(' ', "-")
    };
    let mut links = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in prose(&text).split("](").skip(1).map(|rest| rest.split_once(')').unwrap().0) {
            links += 1;
            if link.contains("://") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { document.clone() } else { document.with_file_name(path) };
            assert!(target.exists(), "{}: {link}", document.display());
            if !heading.is_empty() {
                let text = fs::read_to_string(&target).unwrap();
                let found = text.lines().any(|line| line.starts_with('#') && anchor(line) == heading);
                assert!(found, "{}: {link}", document.display());
            }
        }
    }
    assert!(links > 100, "{links}");
}

#[test]
fn the_words_of_the_field_can_be_found_in_the_glossary_and_a_guide() {
    for word in ["circuit breaker", "retry", "resume", "dead-letter queue", "redrive", "idempotent", "at-least-once"] {
        let with: Vec<_> =
            documents().into_iter().filter(|it| fs::read_to_string(it).unwrap().contains(word)).collect();
        assert!(with.iter().any(|it| it.ends_with("docs/glossary.md")) && with.len() > 1, "{word}: {with:?}");
    }
}

#[test]
fn where_a_change_goes_names_what_the_tree_has() {
    let text = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let table = text.split_once("## Where a change goes\n").unwrap().1.split_once("\n## ").unwrap().0;
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| change ")).collect();
    assert!(rows.len() > 10, "{table}");
    for row in &rows {
        let places: Vec<_> = row.split('`').skip(1).step_by(2).collect();
        assert!(!places.is_empty(), "{row}");
        for place in places {
            assert!(root().join(place).exists(), "`{place}` does not exist: {row}");
        }
    }
    // Each place where code is has a row, or is described in the map of ARCHITECTURE.md.
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap() + table;
    let listed =
        Command::new("git").args(["ls-files", "*.rs", "*.py", "*.wit"]).current_dir(root()).output().unwrap().stdout;
    let listed = String::from_utf8(listed).unwrap();
    let tops: std::collections::BTreeSet<_> =
        listed.lines().filter_map(|path| path.split_once('/')).map(|it| it.0).collect();
    assert!(tops.len() > 5, "{tops:?}");
    for top in tops {
        assert!(map.contains(&format!("`{top}/")), "`{top}/` is neither in ARCHITECTURE.md nor in CONTRIBUTING.md");
    }
}
