//! The definition of the state machine, held against what Step Functions asks of one. Validators look at it in
//! `tests/stacks.py`, as it is deployed; it is executed in `tests/backfill.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use influxdb_loader::report::ErrorType;
use influxdb_loader_tests::{Moto, Settings, python};
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn text() -> String {
    fs::read_to_string(root().join("statemachine/backfill.asl.json")).unwrap()
}

fn definition() -> Value {
    serde_json::from_str(&text()).unwrap()
}

/// What is wrong with names: of states, which are unique in a whole definition, and of variables, which an inner scope must not
/// assign where an outer one does. Source: docs.aws.amazon.com, Step Functions Developer Guide, "Passing data between states
/// with variables", and the error `DUPLICATE_STATE_NAME` of CreateStateMachine.
fn faults(machine: &Value) -> Vec<String> {
    fn look(machine: &Value, outer: &BTreeSet<String>, states: &mut BTreeSet<String>, faults: &mut Vec<String>) {
        let here: BTreeSet<String> = machine["States"].as_object().unwrap().values().flat_map(assigned).collect();
        faults.extend(here.intersection(outer).map(|name| format!("variable `{name}`")));
        let known = outer | &here;
        for (name, state) in machine["States"].as_object().unwrap() {
            if !states.insert(name.clone()) {
                faults.push(format!("state `{name}`"));
            }
            let branches = state["Branches"].as_array().into_iter().flatten();
            for inner in branches.chain(state.get("ItemProcessor")) {
                look(inner, &known, states, faults);
            }
        }
    }
    let mut faults = Vec::new();
    look(machine, &BTreeSet::new(), &mut BTreeSet::new(), &mut faults);
    faults
}

/// The variables that a state assigns, whichever way it is left.
fn assigned(state: &Value) -> Vec<String> {
    let rules = ["Catch", "Choices"].into_iter().flat_map(|name| state[name].as_array().into_iter().flatten());
    let assigned = rules.chain([state]).filter_map(|it| it["Assign"].as_object());
    assigned.flat_map(|variables| variables.keys().cloned()).collect()
}

#[test]
fn names_are_unique_in_the_whole_definition() {
    assert_eq!(faults(&definition()), Vec::<String>::new());
}

#[test]
fn names_that_are_not_unique_are_found() {
    let assigns = json!({ "States": { "Take": { "Type": "Pass", "Assign": { "rows": 1 }, "End": true } } });
    let both = json!({ "States": {
        "First": { "Type": "Map", "ItemProcessor": assigns, "Catch": [{ "Assign": { "rows": 0 } }] },
        "Second": { "Type": "Parallel", "Branches": [{ "States": { "Take": { "Type": "Succeed" } } }] },
    } });
    assert_eq!(faults(&both), ["variable `rows`", "state `Take`"]);
}

#[test]
fn the_definition_is_what_its_source_makes() {
    let script = "import json, sys; sys.path.insert(0, 'statemachine'); import backfill; \
                  print(json.dumps(backfill.definition()))";
    let made = python(["-B", "-c", script], &Settings::default()).succeeded().json();
    assert_eq!(made, definition(), "python3 statemachine/backfill.py");
}

#[test]
fn the_interpreter_takes_the_definition_but_for_the_fields_of_its_maps_that_it_does_not_know() {
    let moto = Moto::start();
    let settings = moto.settings().with("AWS_DEFAULT_REGION", "us-east-1");
    let arguments = [
        "tests/judge.py",
        "statemachine/backfill.asl.json",
        "Partition=aws",
        "Function=arn:aws:lambda:us-east-1:123456789012:function:loader:live",
        "FunctionTimeout=300",
        "DataBucket=energy",
        "ReportBucket=operations",
        "ReportPrefix=backfill",
        "BatchSize=20",
        "MaxConcurrency=4",
        "ToleratedFailurePercentage=5",
    ];
    let refused = python(arguments, &settings).succeeded().json();
    assert_eq!(refused, json!(["ItemBatcher", "ResultWriter"]));
}

#[test]
fn what_may_pass_is_retried_and_nothing_else() {
    let machine = definition();
    for map in ["prefix", "plan"] {
        let states = &machine["States"][format!("Load the {map}")]["ItemProcessor"]["States"];
        let alone = &states[format!("Load the objects of the {map}")]["ItemProcessor"]["States"];
        let retry = &alone[format!("Load an object of the {map}")]["Retry"];
        // The first rule that names an error counts, and `States.TaskFailed` names every one but a time-out.
        let attempts = |error: &str| {
            let rules = retry.as_array().unwrap().iter();
            let names = |rule: &&Value| rule["ErrorEquals"].as_array().unwrap().contains(&json!(error));
            rules.clone().find(names).map(|rule| rule["MaxAttempts"].as_u64().unwrap())
        };
        for error in ErrorType::ALL {
            let retried = attempts(error.name()).unwrap_or_else(|| panic!("{error} is not named"));
            assert_eq!(retried > 0, error != ErrorType::DataConversionError, "{error}");
        }
        for error in ["Sandbox.Timedout", "Runtime.ExitError", "Lambda.Unknown", "States.TaskFailed", "States.Timeout"]
        {
            assert_eq!(attempts(error), Some(2), "{error}");
        }
    }
}

#[test]
fn every_substitution_is_given() {
    let script = "import json; from cfnlint.decode import cfn_yaml; print(json.dumps(cfn_yaml.load('template.yaml')))";
    let template = python(["-c", script], &Settings::default()).succeeded().json();
    let text = text();
    let used: BTreeSet<&str> = text.split("${").skip(1).map(|part| part.split_once('}').unwrap().0).collect();
    let given = template["Resources"]["Backfill"]["Properties"]["DefinitionSubstitutions"].as_object().unwrap();
    assert_eq!(used, given.keys().map(String::as_str).collect());
}
