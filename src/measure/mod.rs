//! Floor 1, pure. Measures: events in, samples out. Each is a leaf and a row; none knows a target.

use crate::event::Event;
use crate::table::Row;
pub use samples::Samples;

mod console;
mod memory;
mod samples;
mod single;
mod stalls;

/// A measure an objective may name.
pub struct Measure {
    name: &'static str,
    about: &'static str,
    /// What one sample is, in words: the unit of independence.
    pub unit: &'static str,
    /// Makes an empty fold.
    pub fold: fn() -> Box<dyn Fold>,
}

impl Row for Measure {
    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        self.about
    }
}

/// A fold over the events of the population an objective judges.
pub trait Fold {
    /// Takes one event.
    fn feed(&mut self, event: &Event);
    /// The samples so far.
    fn samples(&self) -> Samples;
}

/// What one play gives every measure that it feeds, in the table's order. What was seen while others kept the machine
/// busy is no sample.
pub fn of_play<'e>(events: impl IntoIterator<Item = &'e Event>) -> Vec<(&'static str, Samples)> {
    let mut folds: Vec<_> = MEASURES.iter().map(|m| (m.name, (m.fold)())).collect();
    for event in events.into_iter().filter(|e| !busy(e)) {
        folds.iter_mut().for_each(|(_, fold)| fold.feed(event));
    }
    folds.iter().map(|(name, fold)| (*name, fold.samples())).filter(|(_, samples)| !samples.is_empty()).collect()
}

/// Whether it was seen while others kept the machine busy.
pub fn busy(event: &Event) -> bool {
    event.fields.contains_key("busy_host")
}

/// Every measure.
pub const MEASURES: &[Measure] = &[
    Measure {
        name: "preset load",
        about: "preset switches that put the declared picture on the screen, of all",
        unit: "preset switch",
        fold: || single::trials("hydra_preset_eval_success", "hydra_preset_eval_error"),
    },
    Measure {
        name: "first visualizer frame",
        about: "from the viewer's input to the first frame of the new preset; a failed load never came",
        unit: "preset switch",
        fold: || single::values("first_visualizer_frame", "hydra_preset_eval_error"),
    },
    Measure {
        name: "crash-free session",
        about: "sessions in which no tab, browser or WebGL context was lost, of all",
        unit: "session",
        fold: || Box::new(single::CrashFree::default()),
    },
    Measure {
        name: "console errors",
        about: "console errors and uncaught exceptions per minute of session",
        unit: "minute of session",
        fold: || Box::new(console::ConsoleErrors::default()),
    },
    Measure {
        name: "memory growth",
        about: "growth of the browser's proportional set size over a session's first 100 preset switches",
        unit: "session of 100 switches",
        fold: || Box::new(memory::MemoryGrowth::default()),
    },
    Measure {
        name: "video init",
        about: "video visualizers that showed a decoded frame, of all",
        unit: "video init",
        fold: || single::trials("video_init_frame_ready", "video_init_error"),
    },
    Measure {
        name: "first video frame",
        about: "from the viewer's input to the first decoded video frame; a failed init never came",
        unit: "video init",
        fold: || single::values("video_init_frame_ready", "video_init_error"),
    },
    Measure {
        name: "long stalls",
        about: "stalls of more than 3 s per minute watched: pauses and seeks are no watching",
        unit: "minute watched",
        fold: || Box::new(stalls::LongStalls::default()),
    },
];
