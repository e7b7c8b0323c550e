//! What a component consists of, before anything of it is compiled.
//!
//! A component can hold components and instantiate each of them many times. The compiler writes all of that out, so that a
//! kilobyte of nested instantiations becomes gigabytes:
//!
//! ```text
//! component c1 { instantiate c0; instantiate c0 }     2 instances of c0
//! component c2 { instantiate c1; instantiate c1 }     4
//! …                                                   and so on, to 2^n in n lines
//! ```
//!
//! The survey multiplies instead of writing out: it reads each section once and takes a time that is proportional to the
//! size of the component. A component is instantiated after it is defined, so that its own size is known by then.

use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, Instance,
    Parser, Payload,
};

use super::error::{ConverterError, Subject};

/// The most instances of modules and of components that a component expands to. An interpreter with its libraries has some
/// forty modules.
const MAX_INSTANCES: u64 = 1_000;

/// The most items, such as aliases, types and functions that cross a boundary, that a component expands to. An interpreter
/// has some thousands.
const MAX_ITEMS: u64 = 100_000;

/// The most imports of a component. One that uses all of WASI has some thirty.
const MAX_IMPORTS: usize = 500;

/// The most functions of all modules. An interpreter has some thirty thousand.
const MAX_FUNCTIONS: u64 = 250_000;

/// The longest body of a function, in bytes: the time and memory to compile one grow faster than its length. The longest
/// of an interpreter is its loop, with some hundred kilobytes.
const MAX_BODY_BYTES: u64 = 1024 * 1024;

/// The names that a component imports and exports.
#[derive(Debug, Default)]
pub(super) struct Survey<'a> {
    pub(super) imports: Vec<&'a str>,
    pub(super) exports: Vec<&'a str>,
}

/// What one component is made of, once.
#[derive(Default)]
struct Scope {
    /// What each component of its index space expands to; none where that is not known.
    components: Vec<Option<Size>>,
    size: Size,
}

/// What a component expands to.
#[derive(Clone, Copy, Default)]
struct Size {
    instances: u64,
    items: u64,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.instances = self.instances.saturating_add(other.instances);
        self.items = self.items.saturating_add(other.items);
    }
}

/// What a scope that was entered is.
enum Level {
    Component(Scope),
    Module,
}

/// Looks through a component.
///
/// # Errors
///
/// [`ConverterError::Compile`] where it cannot be read, or expands to more than a converter has.
pub(super) fn survey<'a>(component: &'a [u8], subject: &Subject) -> Result<Survey<'a>, ConverterError> {
    let refused = |reason| ConverterError::Compile { subject: subject.clone(), reason };
    Surveyor::default().look_through(component).map_err(|refusal| match refusal {
        Refusal::Unreadable(error) => refused(format!("failed to parse WebAssembly module: {error}")),
        Refusal::TooMuch(what, found, most) => {
            let found = if found == u64::MAX { "more than 10^19".to_owned() } else { found.to_string() };
            refused(format!("it has {found} {what}, at most {most} are allowed"))
        }
        Refusal::Passed => refused("it instantiates a component that it is given, not one that it holds".to_owned()),
    })
}

/// Why a component is not compiled.
enum Refusal {
    Unreadable(BinaryReaderError),
    TooMuch(&'static str, u64, u64),
    Passed,
}

impl From<BinaryReaderError> for Refusal {
    fn from(error: BinaryReaderError) -> Self {
        Self::Unreadable(error)
    }
}

#[derive(Default)]
struct Surveyor<'a> {
    levels: Vec<Level>,
    functions: u64,
    found: Survey<'a>,
}

impl<'a> Surveyor<'a> {
    fn look_through(mut self, component: &'a [u8]) -> Result<Survey<'a>, Refusal> {
        for payload in Parser::new(0).parse_all(component) {
            self.take(payload?)?;
        }
        Ok(self.found)
    }

    fn take(&mut self, payload: Payload<'a>) -> Result<(), Refusal> {
        match payload {
            // The first one of all; others are entered by their sections.
            Payload::Version { .. } if self.levels.is_empty() => self.levels.push(Level::Component(Scope::default())),
            Payload::ModuleSection { .. } => {
                self.count(1)?;
                self.levels.push(Level::Module);
            }
            Payload::ComponentSection { .. } => {
                self.count(1)?;
                self.levels.push(Level::Component(Scope::default()));
            }
            Payload::End(_) => {
                let done = self.levels.pop();
                if let (Some(Level::Component(done)), Some(scope)) = (done, self.scope()) {
                    scope.components.push(Some(done.size));
                }
            }
            Payload::CodeSectionStart { count, .. } => {
                self.functions = self.functions.saturating_add(count.into());
                within("functions", self.functions, MAX_FUNCTIONS)?;
            }
            Payload::CodeSectionEntry(body) => {
                let bytes = body.range().len() as u64;
                within("bytes in the body of one function", bytes, MAX_BODY_BYTES)?;
            }
            Payload::InstanceSection(section) => {
                for instance in section {
                    let instances = u64::from(matches!(instance?, Instance::Instantiate { .. }));
                    self.expand(Size { instances, items: 1 })?;
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    self.instance(&instance?)?;
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.alias(&alias?)?;
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    if import.ty.kind() == ComponentExternalKind::Component {
                        self.define(None);
                    }
                    if self.levels.len() == 1 {
                        self.found.imports.push(import.name.name);
                        within("imports", self.found.imports.len() as u64, MAX_IMPORTS as u64)?;
                    }
                    self.count(1)?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export?;
                    if export.kind == ComponentExternalKind::Component {
                        let same = self.component(0, export.index);
                        self.define(same);
                    }
                    if self.levels.len() == 1 {
                        self.found.exports.push(export.name.name);
                    }
                    self.count(1)?;
                }
            }
            Payload::ComponentTypeSection(section) => self.count(section.count())?,
            Payload::CoreTypeSection(section) => self.count(section.count())?,
            Payload::ComponentCanonicalSection(section) => self.count(section.count())?,
            // Sections of modules, and what does not matter here.
            _ => {}
        }
        Ok(())
    }

    fn instance(&mut self, instance: &ComponentInstance<'_>) -> Result<(), Refusal> {
        let mut size = Size { instances: 0, items: 1 };
        if let ComponentInstance::Instantiate { component_index, .. } = instance {
            size.instances = 1;
            size.add(self.component(0, *component_index).ok_or(Refusal::Passed)?);
        }
        self.expand(size)
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) -> Result<(), Refusal> {
        match alias {
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                let outer = self.component(*count, *index);
                self.define(outer);
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => self.define(None),
            _ => {}
        }
        self.count(1)
    }

    /// The component that is being read; none in a module.
    fn scope(&mut self) -> Option<&mut Scope> {
        match self.levels.last_mut() {
            Some(Level::Component(scope)) => Some(scope),
            Some(Level::Module) | None => None,
        }
    }

    /// What the component `index`, `count` levels further out, expands to.
    fn component(&self, count: u32, index: u32) -> Option<Size> {
        let outer = self.levels.iter().rev().nth(usize::try_from(count).ok()?)?;
        let Level::Component(scope) = outer else { return None };
        *scope.components.get(usize::try_from(index).ok()?)?
    }

    fn define(&mut self, component: Option<Size>) {
        if let Some(scope) = self.scope() {
            scope.components.push(component);
        }
    }

    fn count(&mut self, items: u32) -> Result<(), Refusal> {
        self.expand(Size { instances: 0, items: items.into() })
    }

    fn expand(&mut self, by: Size) -> Result<(), Refusal> {
        let Some(scope) = self.scope() else { return Ok(()) };
        scope.size.add(by);
        // What is never instantiated costs nothing, however large it would be: only the outermost is, for certain.
        let Size { instances, items } = scope.size;
        if self.levels.len() > 1 {
            return Ok(());
        }
        within("instances when nested ones are written out", instances, MAX_INSTANCES)?;
        within("items when nested instances are written out", items, MAX_ITEMS)
    }
}

fn within(what: &'static str, found: u64, most: u64) -> Result<(), Refusal> {
    if found > most { Err(Refusal::TooMuch(what, found, most)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fmt::Write;

    use super::*;

    fn surveyed(text: &str) -> Result<(), String> {
        let component = wat::parse_str(text).unwrap();
        survey(&component, &Subject::unnamed("0a1b")).map(drop).map_err(|error| error.to_string())
    }

    /// Components beside each other, each of which instantiates the one before twice.
    fn beside(levels: usize) -> String {
        let mut text = "(component (component $c0)\n".to_owned();
        for level in 1..=levels {
            let before = level - 1;
            writeln!(
                text,
                "(component $c{level} (alias outer 1 $c{before} (component $c)) (instance (instantiate $c)) (instance (instantiate $c)))"
            )
            .unwrap();
        }
        write!(text, "(instance (instantiate $c{levels})))").unwrap();
        text
    }

    /// Components within each other, each of which is instantiated twice.
    fn within_each_other(levels: usize) -> String {
        let (open, close) = ("(component $c ", ") (instance (instantiate $c)) (instance (instantiate $c)) ");
        format!("(component {} {})", open.repeat(levels), close.repeat(levels))
    }

    #[test]
    fn nested_instantiations_multiply() {
        insta::assert_snapshot!(surveyed(&beside(26)).unwrap_err(), @"component `sha256:0a1b` does not compile: it has 134217727 instances when nested ones are written out, at most 1000 are allowed");
        insta::assert_snapshot!(surveyed(&within_each_other(26)).unwrap_err(), @"component `sha256:0a1b` does not compile: it has 67108863 instances when nested ones are written out, at most 1000 are allowed");
        insta::assert_snapshot!(surveyed(&beside(100)).unwrap_err(), @"component `sha256:0a1b` does not compile: it has more than 10^19 instances when nested ones are written out, at most 1000 are allowed");
    }

    #[test]
    fn a_small_nest_is_no_nest_too_large() {
        assert_eq!(surveyed(&beside(8)), Ok(()));
        assert_eq!(surveyed(&within_each_other(8)), Ok(()));
    }

    #[test]
    fn what_is_never_instantiated_does_not_count() {
        let text = beside(26).replace("(instance (instantiate $c26)))", ")");
        assert_eq!(surveyed(&text), Ok(()));
    }

    #[test]
    fn a_component_that_is_exported_within_counts_as_itself() {
        let text = beside(26).replace(
            "(instance (instantiate $c26)))",
            "(export $again \"c\" (component $c26)) (instance (instantiate $again)))",
        );
        assert!(surveyed(&text).unwrap_err().contains("134217727 instances"));
    }

    #[test]
    fn modules_that_are_instantiated_count_and_items_do_too() {
        let modules = "(core instance (instantiate $m))".repeat(999);
        assert_eq!(surveyed(&format!("(component (core module $m) {modules})")), Ok(()));
        let text = format!("(component (component $c (core module $m) {modules}) (instance (instantiate $c)))");
        assert_eq!(surveyed(&text), Ok(()));
        let text = format!(
            "(component (component $c (core module $m) {modules}) (instance (instantiate $c)) (instance (instantiate $c)))"
        );
        assert!(surveyed(&text).unwrap_err().contains("it has 2000 instances"));
        let types = "(type string)".repeat(1_000);
        let instances = "(instance (instantiate $c))".repeat(101);
        let error = surveyed(&format!("(component (component $c {types}) {instances})")).unwrap_err();
        assert!(error.contains("items when nested instances are written out"), "{error}");
    }

    #[test]
    fn a_component_that_is_passed_in_is_not_instantiated() {
        let text = "(component
            (component $a)
            (component $twice (import \"c\" (component $c)) (instance (instantiate $c)) (instance (instantiate $c)))
            (instance (instantiate $twice (with \"c\" (component $a)))))";
        insta::assert_snapshot!(surveyed(text).unwrap_err(), @"component `sha256:0a1b` does not compile: it instantiates a component that it is given, not one that it holds");
        let text = "(component
            (component $holder (component $a) (export \"a\" (component $a)))
            (instance $held (instantiate $holder))
            (alias export $held \"a\" (component $a))
            (instance (instantiate $a)))";
        assert!(surveyed(text).unwrap_err().contains("that it is given"));
    }

    #[test]
    fn a_function_that_is_too_long_and_imports_that_are_too_many_are_named() {
        let body = "nop ".repeat(1024 * 1024);
        let error = surveyed(&format!("(component (core module (func {body})))")).unwrap_err();
        assert!(error.contains("bytes in the body of one function, at most 1048576 are allowed"), "{error}");
        let imports: String = (0..501).map(|number| format!("(import \"i{number}\" (func))")).collect();
        let error = surveyed(&format!("(component {imports})")).unwrap_err();
        assert!(error.contains("it has 501 imports, at most 500 are allowed"), "{error}");
    }

    #[test]
    fn the_converters_that_are_built_in_are_far_from_all_limits() {
        for (dataset, component) in converter_components::ALL {
            let survey = survey(component, &Subject::unnamed("0a1b")).unwrap();
            assert!(survey.imports.len() < 10 && !survey.exports.is_empty(), "{dataset}: {survey:?}");
        }
    }
}
