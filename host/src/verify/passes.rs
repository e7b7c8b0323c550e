//! Comparing points, as many at a time as there is memory for.

use std::sync::Arc;

use super::expected::halves;
use super::pass::{Cell, Expected, MOST_VALUES, Pass, Target};
use super::{Difference, Stage, Verification, VerifyError, floor, is_too_much};
use crate::sink::Engine;
use crate::sink::reading::{Point, Window};

/// How many values are expected in an answer.
const VALUES_A_QUESTION: u64 = 10_000;

/// How full a pass is planned to be: the database may have more.
const PLANNED: u64 = MOST_VALUES / 4 * 3;

impl Verification<'_> {
    /// Compares the points of these windows.
    pub(super) async fn compare_points(&mut self, targets: Vec<Target>) -> Result<(), VerifyError> {
        let mut waiting: Vec<Vec<Target>> = plan(targets);
        waiting.reverse();
        while let Some(targets) = waiting.pop() {
            let values = targets.iter().flat_map(|target| &target.cells).map(|cell| cell.values).sum();
            self.progress.stage(Stage::Comparing(values));
            let pass = Arc::new(Pass::new(targets));
            self.show(&pass).await?;
            let is_full = pass.is_full();
            let middle = if is_full { pass.middle() } else { None };
            // The sink that showed it is gone.
            let Some(pass) = Arc::into_inner(pass) else { return Err(VerifyError::NoTime) };
            if is_full {
                let (first, second) = part(pass.targets().to_vec(), middle)?;
                waiting.extend([second, first]);
                continue;
            }
            self.compare(pass.into_expected()).await?;
        }
        Ok(())
    }

    async fn compare(&mut self, mut expected: Expected) -> Result<(), VerifyError> {
        let signs_of_zeros = self.server.engine(self.end).await? != Engine::V1;
        let targets = expected.targets().to_vec();
        expected.times(|target, time| {
            if let Some(compared) = self.measurements.get_mut(&targets[target].measurement) {
                let start = floor(time, self.width);
                let bucket = compared.buckets.entry(start).or_default();
                (bucket.start, bucket.expected) = (start, bucket.expected + 1);
            }
        });
        for (number, target) in targets.iter().enumerate() {
            let mut windows = questions(&target.cells);
            windows.reverse();
            while let Some(window) = windows.pop() {
                self.questions += 1;
                expected.begin_answer();
                let (mut found, mut differences) = (Vec::<(i64, u64)>::new(), Vec::new());
                let width = self.width;
                let mut each = |point: Point<'_>| {
                    let start = floor(point.time, width);
                    match found.last_mut() {
                        Some((last, count)) if *last == start => *count += 1,
                        _ => found.push((start, 1)),
                    }
                    differences.extend(expected.hold(number, &point, signs_of_zeros));
                };
                match self.server.points(&target.measurement, &target.columns, window, self.end, &mut each).await {
                    Err(error) if is_too_much(&error) => match halves(window) {
                        Some((first, second)) => windows.extend([second, first]),
                        None => return Err(error.into()),
                    },
                    read => read?,
                }
                if let Some(compared) = self.measurements.get_mut(&target.measurement) {
                    for (start, count) in found {
                        let bucket = compared.buckets.entry(start).or_default();
                        (bucket.start, bucket.found) = (start, bucket.found + count);
                    }
                }
                differences.into_iter().for_each(|difference: Difference| self.differs(difference));
            }
        }
        expected.missing().for_each(|missing| self.differs(missing));
        Ok(())
    }
}

/// Windows that touch, together as far as the answer is not too long.
fn questions(cells: &[Cell]) -> Vec<Window> {
    let (mut windows, mut values) = (Vec::<Window>::new(), 0);
    for cell in cells {
        match windows.last_mut() {
            Some(last) if last.to == cell.window.from && values + cell.values <= VALUES_A_QUESTION => {
                last.to = cell.window.to
            }
            _ => {
                windows.push(cell.window);
                values = 0;
            }
        }
        values += cell.values;
    }
    windows
}

/// Which windows are compared at a time.
fn plan(targets: Vec<Target>) -> Vec<Vec<Target>> {
    let (mut passes, mut values) = (Vec::<Vec<Target>>::new(), u64::MAX);
    for Target { measurement, columns, cells } in targets {
        for cell in cells {
            let target = |cells| Target { measurement: measurement.clone(), columns: columns.clone(), cells };
            if values.saturating_add(cell.values) > PLANNED {
                passes.push(Vec::new());
                values = 0;
            }
            values += cell.values;
            let Some(pass) = passes.last_mut() else { continue };
            match pass.last_mut().filter(|last| last.measurement == measurement) {
                Some(last) => last.cells.push(cell),
                None => pass.push(target(vec![cell])),
            }
        }
    }
    passes
}

/// Two halves of what does not fit: a single window is parted in the middle of its values, as far as that is known.
fn part(targets: Vec<Target>, middle: Option<i64>) -> Result<(Vec<Target>, Vec<Target>), VerifyError> {
    let cells = targets.iter().map(|target| target.cells.len()).sum::<usize>();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    if cells == 1 {
        for target in targets {
            let Some(cell) = target.cells.first() else { continue };
            let Window { from, to } = cell.window;
            let middle = middle.filter(|middle| (from + 1..to).contains(middle));
            let parted = middle.map(|middle| (Window { from, to: middle }, Window { from: middle, to }));
            let Some((one, other)) = parted.or_else(|| halves(cell.window)) else {
                return Err(VerifyError::TooDense { measurement: target.measurement, time: cell.window.from });
            };
            let half =
                |window| Target { cells: vec![Cell { window, values: cell.values.div_ceil(2) }], ..target.clone() };
            first.push(half(one));
            second.push(half(other));
        }
        return Ok((first, second));
    }
    let mut left = cells / 2;
    for target in targets {
        let (one, other) = target.cells.split_at(left.min(target.cells.len()));
        left -= one.len();
        for (cells, half) in [(one, &mut first), (other, &mut second)] {
            if !cells.is_empty() {
                half.push(Target { cells: cells.to_vec(), ..target.clone() });
            }
        }
    }
    Ok((first, second))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(measurement: &str, cells: &[(i64, i64, u64)]) -> Target {
        let cell =
            |(from, to, values): &(i64, i64, u64)| Cell { window: Window { from: *from, to: *to }, values: *values };
        Target { measurement: measurement.to_owned(), columns: Vec::new(), cells: cells.iter().map(cell).collect() }
    }

    fn windows(targets: &[Target]) -> Vec<(&str, i64, i64)> {
        let cells =
            targets.iter().flat_map(|target| target.cells.iter().map(|cell| (target.measurement.as_str(), *cell)));
        cells.map(|(measurement, cell)| (measurement, cell.window.from, cell.window.to)).collect()
    }

    #[test]
    fn a_pass_is_no_fuller_than_planned_unless_one_window_is() {
        let planned = plan(vec![
            target("a", &[(0, 1, PLANNED - 1), (1, 2, 1), (2, 3, 1)]),
            target("b", &[(0, 1, 5), (1, 9, 2 * PLANNED)]),
        ]);
        let passes: Vec<_> = planned.iter().map(|pass| windows(pass)).collect();
        assert_eq!(passes, [vec![("a", 0, 1), ("a", 1, 2)], vec![("a", 2, 3), ("b", 0, 1)], vec![("b", 1, 9)]]);
    }

    #[test]
    fn what_does_not_fit_is_parted_until_it_is_a_nanosecond() {
        let (first, second) =
            part(vec![target("a", &[(0, 1, 1), (1, 2, 1)]), target("b", &[(0, 1, 1)])], None).unwrap_or_default();
        assert_eq!(windows(&first), [("a", 0, 1)]);
        assert_eq!(windows(&second), [("a", 1, 2), ("b", 0, 1)]);
        let (first, second) = part(vec![target("a", &[(0, 9, 9)])], None).unwrap_or_default();
        assert_eq!((windows(&first), windows(&second)), (vec![("a", 0, 4)], vec![("a", 4, 9)]));
        let (first, second) = part(vec![target("a", &[(0, 9, 9)])], Some(2)).unwrap_or_default();
        assert_eq!((windows(&first), windows(&second)), (vec![("a", 0, 2)], vec![("a", 2, 9)]));
        assert!(part(vec![target("a", &[(4, 5, 9)])], None).is_err());
    }

    #[test]
    fn windows_that_touch_are_asked_for_together() {
        let cells = target("a", &[(0, 1, 1), (1, 2, 1), (3, 4, 1), (4, 5, VALUES_A_QUESTION)]).cells;
        let asked: Vec<(i64, i64)> = questions(&cells).into_iter().map(|window| (window.from, window.to)).collect();
        assert_eq!(asked, [(0, 2), (3, 4), (4, 5)]);
    }
}
