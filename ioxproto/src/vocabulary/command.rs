//! The commands in a node's events.

use super::words;
use crate::Event;

words! {
    /// A command of a node: sent to it, or caused at the device, such as by pressing a button.
    ///
    /// An event with one of these controls reports an action; it does not set a property. The other
    /// controls of nodes are properties.
    CommandWord {
        /// On, to a level if the event has one.
        On = "DON" "on",
        /// On, by three presses.
        On3 = "DON3" "on_3",
        /// On, by four presses.
        On4 = "DON4" "on_4",
        /// On, by five presses.
        On5 = "DON5" "on_5",
        /// Off.
        Off = "DOF" "off",
        /// Off, by three presses.
        Off3 = "DOF3" "off_3",
        /// Off, by four presses.
        Off4 = "DOF4" "off_4",
        /// Off, by five presses.
        Off5 = "DOF5" "off_5",
        /// On without a ramp.
        FastOn = "DFON" "fast_on",
        /// Off without a ramp.
        FastOff = "DFOF" "fast_off",
        /// Begins to become brighter.
        FadeUp = "FDUP" "fade_up",
        /// Begins to become darker.
        FadeDown = "FDDOWN" "fade_down",
        /// Stops becoming brighter or darker.
        FadeStop = "FDSTOP" "fade_stop",
        /// One step brighter.
        Brighten = "BRT" "brighten",
        /// One step darker.
        Dim = "DIM" "dim",
        /// Begins to change by hand, in older firmware.
        ManualStart = "BMAN" "manual_start",
        /// Ends a change by hand, in older firmware.
        ManualStop = "SMAN" "manual_stop",
        /// Makes a sound.
        Beep = "BEEP" "beep",
        /// Reads the device's status.
        Query = "QUERY" "query",
    }
}

impl CommandWord {
    /// The name shown to people: `On`, `Fast On`, `Fade Stop`.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::On => "On",
            Self::On3 => "On 3x",
            Self::On4 => "On 4x",
            Self::On5 => "On 5x",
            Self::Off => "Off",
            Self::Off3 => "Off 3x",
            Self::Off4 => "Off 4x",
            Self::Off5 => "Off 5x",
            Self::FastOn => "Fast On",
            Self::FastOff => "Fast Off",
            Self::FadeUp => "Fade Up",
            Self::FadeDown => "Fade Down",
            Self::FadeStop => "Fade Stop",
            Self::Brighten => "Brighten",
            Self::Dim => "Dim",
            Self::ManualStart => "Manual Start",
            Self::ManualStop => "Manual Stop",
            Self::Beep => "Beep",
            Self::Query => "Query",
        }
    }
}

impl Event {
    /// Whether it reports a command of a node.
    #[must_use]
    pub fn is_command(&self) -> bool {
        self.is_of_node() && CommandWord::of(self.control()).is_some()
    }
}
