//! What a recovery did and when: phases from events and marks on the console; pure.

use lifeboat_machine::Event;
use serde::{Deserialize, Serialize};

/// A part of a drill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// `firmware`, `kernel`, `init: foundation`, `rebuild`, …
    pub name: String,
    /// Seconds since power-on of the medium.
    pub start: f64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Times, in seconds since power-on, that no event reports.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Marks {
    /// The boot menu was up.
    pub menu: Option<f64>,
    /// The kernel was chosen.
    pub chosen: Option<f64>,
    /// The recovery had powered off or rebooted.
    pub off: Option<f64>,
    /// The recovered machine was powered on.
    pub second_start: Option<f64>,
    /// It was found working.
    pub well: Option<f64>,
}

/// Stages of init, in their order; other stages belong to the recovery.
const INIT: [&str; 7] =
    ["foundation", "essential-modules", "rescue-media", "additional-tools", "remaining-modules", "subsystems", "mode"];

/// Assembles phases. `events` have the time, in seconds since power-on, at which each arrived.
///
/// A stage is reported at its end with its length. Between the choice in the menu and the beginning of the first stage are
/// the loading and the kernel; GRUB does not say where one ends, so they are one phase.
pub fn phases(marks: &Marks, events: &[(f64, Event)]) -> Vec<Phase> {
    let mut list: Vec<Phase> = Vec::new();
    let mut between = |name: &str, start: Option<f64>, end: Option<f64>| {
        if let (Some(start), Some(end)) = (start, end)
            && end >= start
        {
            list.push(Phase { name: name.to_owned(), start, seconds: end - start });
        }
    };
    let stages: Vec<(&str, f64, f64)> = events
        .iter()
        .filter_map(|(at, event)| match event {
            Event::Stage { name, seconds } => Some((name.as_str(), (at - seconds).max(0.0), *at)),
            _ => None,
        })
        .collect();
    let init = stages.first().map(|(_, start, _)| *start);
    between("firmware, boot loader", Some(0.0), marks.menu);
    between("menu", marks.menu, marks.chosen);
    between("load, kernel", marks.chosen.or(marks.menu).or(Some(0.0)), init);
    for (name, start, end) in &stages {
        let name = if INIT.contains(name) { format!("init: {name}") } else { (*name).to_owned() };
        between(&name, Some(*start), Some(*end));
    }
    let last = events.iter().rev().find(|(_, event)| event.is_final()).map(|(at, _)| *at);
    between("shut down", last, marks.off);
    between("reboot to login", marks.second_start, marks.well);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_drill() {
        let stage = |name: &str, seconds| Event::Stage { name: name.into(), seconds };
        let events = [
            (12.5, stage("foundation", 0.5)),
            (14.0, stage("mode", 0.25)),
            (20.0, stage("rebuild", 5.0)),
            (50.0, stage("extract", 30.0)),
            (51.0, Event::Restored { entries: 7, seconds: 37.0 }),
        ];
        let marks =
            Marks { menu: Some(3.0), chosen: Some(4.0), off: Some(53.0), second_start: Some(54.0), well: Some(90.0) };
        let found: Vec<_> = phases(&marks, &events).into_iter().map(|p| (p.name, p.start, p.seconds)).collect();
        let expected = [
            ("firmware, boot loader", 0.0, 3.0),
            ("menu", 3.0, 1.0),
            ("load, kernel", 4.0, 8.0),
            ("init: foundation", 12.0, 0.5),
            ("init: mode", 13.75, 0.25),
            ("rebuild", 15.0, 5.0),
            ("extract", 20.0, 30.0),
            ("shut down", 51.0, 2.0),
            ("reboot to login", 54.0, 36.0),
        ];
        assert_eq!(found.len(), expected.len());
        for ((name, start, seconds), (n, s, t)) in found.iter().zip(expected) {
            assert_eq!((name.as_str(), *start, *seconds), (n, s, t));
        }
    }

    #[test]
    fn a_drill_that_ended_early_has_what_it_had() {
        let found = phases(&Marks { menu: Some(3.0), ..Marks::default() }, &[]);
        assert_eq!(found.len(), 1);
    }
}
