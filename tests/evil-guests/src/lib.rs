//! A converter that attacks the loader.
//!
//! Its description is valid, so that it gets as far as `prepare`; there it takes the name of the dataset for the
//! name of the attack. With the dataset `evil`, which is the one that its description names, the partition `attack` names it, and
//! without one it makes none. One component serves all attacks, and is built once. Attacks before `prepare` are in the tests,
//! in WebAssembly text.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used, reason = "its purpose is to fail")]
#![allow(clippy::needless_pass_by_value, reason = "the functions of a stage have one type")]

mod attacks;
mod answers;
mod bindings;
mod resources;
mod system;

use std::cell::Cell;

use bindings::exports::influxdb_loader::converter::converter::Guest;
use bindings::influxdb_loader::converter::host::{Level, log};
use bindings::influxdb_loader::converter::types::{
    Batch, Column, ColumnType, Converted, Description, Field, Input, Key, Mask, Missing, Plan, Point, Problem, Source,
    Strings, Tag, Values,
};

/// What the guest does at each stage.
#[derive(Clone, Copy)]
struct Behaviour {
    prepare: fn() -> Result<Plan, Vec<Problem>>,
    translate: fn(Strings) -> Result<Strings, Problem>,
    convert: fn(Batch) -> Result<Converted, Problem>,
}

/// A converter that does no wrong: column 1 is the tag `region`, column 2 the field `value`, computed.
const HONEST: Behaviour = Behaviour {
    prepare: || Ok(plan(ColumnType::Float)),
    translate: Ok,
    convert: |batch| Ok(converted(batch.columns.into_iter().next().unwrap())),
};

thread_local! {
    static BEHAVIOUR: Cell<Behaviour> = const { Cell::new(HONEST) };
}

/// The plan that [`HONEST`] makes, with a field of any type.
fn plan(computed: ColumnType) -> Plan {
    let region =
        Tag { key: Key::Name("region".into()), source: Source::Translated(0), when: None, missing: Missing::Omit };
    let value = Field {
        key: Key::Name("value".into()),
        source: Source::Computed(0),
        write_as: None,
        when: Some(0),
        missing: Missing::Omit,
    };
    let point = Point {
        measurement: "evil".into(),
        time: Source::Column(0),
        tags: vec![region],
        fields: vec![value],
        when: None,
    };
    Plan { points: vec![point], translations: vec![1], reads: vec![2], computed: vec![computed], masks: 1 }
}

/// The answer that [`HONEST`] gives.
fn converted(column: Column) -> Converted {
    Converted { computed: vec![column], masks: vec![Mask::All], rejected: Vec::new() }
}

fn column(values: Values) -> Column {
    Column { values, validity: None }
}

/// Reports to the test what came of an attack.
fn outcome(message: impl Into<String>) -> Problem {
    Problem { code: "outcome".into(), message: message.into(), column: None }
}

macro_rules! behaviours {
    ($($attack:ident,)*) => {
        #[allow(non_camel_case_types, reason = "named as the tests are")]
        #[derive(Clone, Copy)]
        enum Attack {
            $($attack,)*
        }

        impl Attack {
            fn named(dataset: &str) -> Option<Self> {
                let name = dataset.replace('-', "_");
                match name.as_str() {
                    $(stringify!($attack) => Some(Self::$attack),)*
                    _ => None,
                }
            }
        }
    };
}

for_each_attack!(behaviours);

impl Attack {
    fn behaviour(self) -> Behaviour {
        let prepare = |prepare| Behaviour { prepare, ..HONEST };
        let translate = |translate| Behaviour { translate, ..HONEST };
        let convert = |convert| Behaviour { convert, ..HONEST };
        let text = |convert| Behaviour { prepare: || Ok(plan(ColumnType::Text)), convert, ..HONEST };
        match self {
            Self::read_a_file => prepare(system::read_a_file),
            Self::forge_a_file_descriptor => prepare(system::forge_a_file_descriptor),
            Self::open_a_socket => prepare(system::open_a_socket),
            Self::resolve_a_name => prepare(system::resolve_a_name),
            Self::read_the_environment => prepare(system::read_the_environment),
            Self::read_standard_input => prepare(system::read_standard_input),
            Self::look_at_the_clock => prepare(system::look_at_the_clock),
            Self::draw_random_numbers => prepare(system::draw_random_numbers),
            Self::sleep_for_an_hour => prepare(system::sleep_for_an_hour),
            Self::exit_the_process => prepare(system::exit_the_process),
            Self::hoard_handles => prepare(system::hoard_handles),
            Self::endless_loop_in_prepare => prepare(|| resources::endless_loop()),
            Self::endless_loop_in_translate => translate(|_| resources::endless_loop()),
            Self::endless_loop_in_convert => convert(|_| resources::endless_loop()),
            Self::memory_bomb => convert(|_| resources::memory_bomb()),
            Self::two_hundred_mib => convert(resources::two_hundred_mib),
            Self::deep_recursion => convert(resources::deep_recursion),
            Self::flood_of_debug_logs => translate(|values| resources::flood_of_logs(Level::Debug, values)),
            Self::flood_of_error_logs => translate(|values| resources::flood_of_logs(Level::Error, values)),
            Self::flood_of_output => translate(system::flood_of_output),
            Self::panic_with_a_huge_message => convert(resources::panic_with_a_huge_message),
            Self::huge_plan => prepare(resources::huge_plan),
            Self::huge_output => convert(resources::huge_output),
            Self::huge_number_of_rejections => convert(resources::huge_number_of_rejections),
            Self::plan_without_points => prepare(answers::plan_without_points),
            Self::plan_for_a_column_that_does_not_exist => prepare(answers::plan_for_a_column_that_does_not_exist),
            Self::plan_with_a_translation_that_does_not_exist => {
                prepare(answers::plan_with_a_translation_that_does_not_exist)
            }
            Self::plan_with_a_mask_that_does_not_exist => prepare(answers::plan_with_a_mask_that_does_not_exist),
            Self::plan_with_a_key_that_cannot_be_written => prepare(answers::plan_with_a_key_that_cannot_be_written),
            Self::plan_with_a_measurement_that_is_a_comment => {
                prepare(answers::plan_with_a_measurement_that_is_a_comment)
            }
            Self::name_that_is_not_utf8 => prepare(answers::name_that_is_not_utf8),
            Self::problems_without_a_problem => prepare(|| Err(Vec::new())),
            Self::problem_that_forges_log_lines => prepare(answers::problem_that_forges_log_lines),
            Self::offsets_out_of_order => translate(answers::offsets_out_of_order),
            Self::offsets_beyond_the_data => translate(answers::offsets_beyond_the_data),
            Self::translation_too_short => translate(answers::translation_too_short),
            Self::translation_that_is_not_utf8 => translate(answers::translation_that_is_not_utf8),
            Self::dictionary_that_is_not_utf8 => text(answers::dictionary_that_is_not_utf8),
            Self::dictionary_with_a_character_cut_in_two => text(answers::dictionary_with_a_character_cut_in_two),
            Self::code_out_of_range => text(answers::code_out_of_range),
            Self::mask_too_short => convert(answers::mask_too_short),
            Self::validity_too_short => convert(answers::validity_too_short),
            Self::computed_column_missing => convert(answers::computed_column_missing),
            Self::computed_column_too_short => convert(answers::computed_column_too_short),
            Self::computed_column_of_another_type => convert(answers::computed_column_of_another_type),
            Self::row_number_beyond_the_batch => convert(answers::row_number_beyond_the_batch),
            Self::rejection_code_that_forges_log_lines => convert(answers::rejection_code_that_forges_log_lines),
            Self::duplicate_keys => prepare(answers::duplicate_keys),
            Self::talk_to_itself => Behaviour {
                prepare: system::talk_in_prepare,
                translate: system::talk_in_translate,
                convert: system::talk_in_convert,
            },
        }
    }
}

struct Evil;

impl Guest for Evil {
    fn describe() -> Description {
        let [name, version, dataset, summary] = ["evil", "6.6.6", "evil", "Attacks"].map(str::to_owned);
        Description { name, version, dataset, summary }
    }

    fn prepare(input: Input) -> Result<Plan, Vec<Problem>> {
        std::panic::set_hook(Box::new(|panic| log(Level::Error, &panic.to_string())));
        let partition = input.partitions.iter().find(|(key, _)| key == "attack");
        let behaviour = match (input.dataset.as_str(), partition) {
            ("evil", None) => Some(HONEST),
            ("evil", Some((_, name))) => Attack::named(name).map(Attack::behaviour),
            (dataset, _) => Attack::named(dataset).map(Attack::behaviour),
        };
        let Some(behaviour) = behaviour else { return Err(vec![outcome("no such attack")]) };
        BEHAVIOUR.set(behaviour);
        (behaviour.prepare)()
    }

    fn translate(_: u32, values: Strings) -> Result<Strings, Problem> {
        (BEHAVIOUR.get().translate)(values)
    }

    fn convert(batch: Batch) -> Result<Converted, Problem> {
        (BEHAVIOUR.get().convert)(batch)
    }
}

#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "generated")]
const _: () = {
    bindings::export!(Evil with_types_in bindings);
};

// Natively it is only checked, and nobody calls it.
#[cfg(not(target_arch = "wasm32"))]
const _: fn() -> Description = Evil::describe;
