#![allow(clippy::unwrap_used, clippy::panic, clippy::unreachable, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::super::counts::{Points, Side};
use super::*;

fn rule(text: &str) -> Rule {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn holds(text: &str, counts: &Counts) -> bool {
    rule(text).holds(counts, Duration::from_secs(3600))
}

fn counts() -> Counts {
    Counts {
        candidate: Side { objects: 100, rows: 1_000, rejected: 3, failed: 0, nanoseconds: 1_500_000_000 },
        before: Side { objects: 100, rows: 1_000, rejected: 3, failed: 0, nanoseconds: 1_000_000_000 },
        points: Points { equal: 997, added: 1, removed: 0, changed: 2 },
        uncompared: 1,
    }
}

#[test]
fn rules_are_read_as_they_are_written() {
    let counts = counts();
    for (text, expected) in [
        ("objects >= 100 and changed = 0 and rejected <= before", false),
        ("objects >= 100 and changed <= 2 and rejected <= before", true),
        ("changed=2", true),
        ("changed != 2 or added > 0", true),
        ("changed < 0.2%", false),
        ("changed <= 0.2%", true),
        ("rejected <= 0.3% and rejected > 0.299999%", true),
        ("time <= before", false),
        ("time <= before * 1.5", true),
        ("time > 1s and time < 2s", true),
        ("age >= 1h", true),
        ("age > 60m", false),
        ("age < 1d", true),
        // `and` binds closer.
        ("removed = 0 or added = 9 and changed = 9", true),
        ("(removed = 0 or added = 9) and changed = 9", false),
        ("uncompared <= 1%", true),
    ] {
        assert_eq!(holds(text, &counts), expected, "{text}");
    }
}

#[test]
fn what_is_not_known_is_true_of_nothing() {
    let nothing = Counts::default();
    for measure in ["rejected", "failed"] {
        for relation in ["=", "!=", "<", "<=", ">", ">="] {
            for value in ["before", "5%"] {
                assert!(!holds(&format!("{measure} {relation} {value}"), &nothing), "{measure} {relation} {value}");
            }
        }
    }
}

#[test]
fn what_the_version_in_service_has_is_brought_to_as_many_rows() {
    let canary = Counts {
        candidate: Side { objects: 5, rows: 50, rejected: 1, failed: 1, nanoseconds: 10 },
        before: Side { objects: 95, rows: 950, rejected: 19, failed: 19, nanoseconds: 190 },
        ..Counts::default()
    };
    for text in ["rejected = before", "failed = before", "time = before"] {
        assert!(holds(text, &canary), "{text}");
    }
    let worse = Counts { candidate: Side { rejected: 2, ..canary.candidate }, ..canary };
    assert!(holds("rejected > before", &worse) && holds("rejected <= before * 2", &worse));
}

#[test]
fn errors_point_at_what_is_wrong() {
    let errors: Vec<String> = [
        "",
        "objekts >= 100",
        "objects 100",
        "objects >= 100 and",
        "objects >= 5%",
        "time <= 5",
        "é",
        "changed = 0 changed = 1",
        "(changed = 0",
        "age >= 1.5h",
        "changed <= 1.",
        "objects >= 99999999999999999999",
    ]
    .iter()
    .map(|text| text.parse::<Rule>().unwrap_err().to_string())
    .collect();
    insta::assert_snapshot!(errors.join("\n"), @r"
    the rule cannot be read: expected one of objects, rows, equal, added, removed, changed, rejected, failed, uncompared, time, age, or `(`, found the end, at character 1
      
      ^
    the rule cannot be read: expected one of objects, rows, equal, added, removed, changed, rejected, failed, uncompared, time, age, or `(`, found `objekts`, at character 1
      objekts >= 100
      ^
    the rule cannot be read: expected one of =, !=, <, <=, >, >=, found `100`, at character 9
      objects 100
              ^
    the rule cannot be read: expected one of objects, rows, equal, added, removed, changed, rejected, failed, uncompared, time, age, or `(`, found the end, at character 19
      objects >= 100 and
                        ^
    the rule cannot be read: `objects` is held against a number, at character 12
      objects >= 5%
                 ^
    the rule cannot be read: `time` is held against a time such as `90s`, `15m`, `12h` or `30d`, or `before`, at character 9
      time <= 5
              ^
    the rule cannot be read: expected one of objects, rows, equal, added, removed, changed, rejected, failed, uncompared, time, age, or `(`, found `é`, at character 1
      é
      ^
    the rule cannot be read: expected `and`, `or` or the end, found `changed`, at character 13
      changed = 0 changed = 1
                  ^
    the rule cannot be read: expected `and`, `or` or `)`, found the end, at character 13
      (changed = 0
                  ^
    the rule cannot be read: a time is a whole number of `s`, `m`, `h` or `d`, at character 8
      age >= 1.5h
             ^
    the rule cannot be read: digits are missing after the point, at character 12
      changed <= 1.
                 ^
    the rule cannot be read: the number is too large, at character 12
      objects >= 99999999999999999999
                 ^
    ");
    assert!("(".repeat(17).parse::<Rule>().unwrap_err().reason.contains("nested deeper than 16"));
    assert!("changed = 0 or ".repeat(50).parse::<Rule>().is_err());
    assert!("changed\n= 0".parse::<Rule>().is_err());
}

#[test]
fn a_canary_has_nothing_that_is_compared() {
    assert_eq!(rule("failed = 0 and (rejected = 0 or changed = 0)").foreign(Kind::Canary), Some("changed"));
    assert_eq!(rule("failed = 0 and changed = 0").foreign(Kind::Shadow), None);
    assert_eq!(rule("objects > 1 and failed <= before and time <= 1s").foreign(Kind::Canary), None);
}

/// A comparison as text, and the same computed in another way.
fn comparisons() -> impl Strategy<Value = (String, Expression)> {
    let values = |measure: Measure| -> Vec<(String, Value)> {
        let all = [
            ("7".to_owned(), Value::Number(7 * ONE)),
            ("0.25".to_owned(), Value::Number(ONE / 4)),
            ("1.5 %".to_owned(), Value::Percent(ONE + ONE / 2)),
            ("2h".to_owned(), Value::Duration(7200)),
            ("before".to_owned(), Value::Before(ONE)),
            ("before*2".to_owned(), Value::Before(2 * ONE)),
        ];
        all.into_iter().filter(|(_, value)| measure.refuses(*value).is_none()).collect()
    };
    (0..Measure::ALL.len(), 0..Relation::ALL.len(), any::<prop::sample::Index>()).prop_map(move |(m, r, index)| {
        let (measure, (relation, sign)) = (Measure::ALL[m], Relation::ALL[r]);
        let values = values(measure);
        let (text, value) = index.get(&values).clone();
        (format!("{} {sign} {text}", measure.name()), Expression::Compare(measure, relation, value))
    })
}

fn expressions() -> impl Strategy<Value = (String, Expression)> {
    comparisons().prop_recursive(3, 12, 3, |inner| {
        (prop::collection::vec(inner, 2..4), any::<bool>()).prop_map(|(parts, all)| {
            let texts: Vec<String> = parts.iter().map(|(text, _)| format!("({text})")).collect();
            let expressions = parts.into_iter().map(|(_, expression)| expression).collect();
            match all {
                true => (texts.join(" and "), Expression::All(expressions)),
                false => (texts.join("  or\u{a0}"), Expression::Any(expressions)),
            }
        })
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read((text, expression) in expressions()) {
        prop_assume!(text.len() <= MAX_RULE_BYTES);
        let read = text.parse::<Rule>().map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(&read.expression, &expression);
        // Also after it was stored.
        let stored: Rule = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        prop_assert_eq!(&stored, &read);
    }

    #[test]
    fn no_text_and_no_counts_make_it_panic(
        text in "[a-z0-9<>=!()%*. é\u{a0}\n]{0,60}|(objects|changed|before|and|or|[<>=( )%*0-9]){0,20}",
        numbers in prop::array::uniform15(prop_oneof![0..3_u64, Just(u64::MAX)]),
    ) {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = numbers;
        let counts = Counts {
            candidate: Side { objects: a, rows: b, rejected: c, failed: d, nanoseconds: e },
            before: Side { objects: f, rows: g, rejected: h, failed: i, nanoseconds: j },
            points: Points { equal: k, added: l, removed: m, changed: n },
            uncompared: o,
        };
        match text.parse::<Rule>() {
            Ok(rule) => { rule.holds(&counts, Duration::MAX); }
            Err(error) => { prop_assert!(error.at <= text.chars().count()); }
        }
    }

    #[test]
    fn a_relation_and_its_opposite_never_hold_together((_, expression) in comparisons(), changed in 0..9_u64) {
        let Expression::Compare(measure, _, value) = expression else { unreachable!() };
        let counts = Counts { points: Points { changed, ..counts().points }, ..counts() };
        let holds = |relation| Expression::Compare(measure, relation, value).holds(&counts, Duration::from_secs(7200));
        for (one, other) in [
            (Relation::Equal, Relation::Unequal),
            (Relation::Less, Relation::GreaterOrEqual),
            (Relation::Greater, Relation::LessOrEqual),
        ] {
            prop_assert!(!(holds(one) && holds(other)));
        }
    }
}
